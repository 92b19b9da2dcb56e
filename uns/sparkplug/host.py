"""The host application: what every edge node says, checked and in order, without a socket.

The shell owns an MQTT client for each of its brokers and names them as it likes; where there is
one, the name is "". For each attempt to connect: `will(now)` for the CONNECT, then subscribe to
`subscriptions()`, and when they are granted carry out what `connected(now)` returns. Hand every
message to `received`, call `tick` a few times a second, and carry out the events in their order:
`Publish` on its server, and `Reconnect` by dropping that server's session and beginning anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from uns.errors import DeviceError, PeerProtocolError, ProjectError
from uns.message import Message
from uns.sparkplug.complaints import Complaints
from uns.sparkplug.datatypes import fit
from uns.sparkplug.envelope import Limits, parse, parse_plain
from uns.sparkplug.events import Event, Problem, Publish, Write
from uns.sparkplug.heard import Heard
from uns.sparkplug.known_node import KnownNode, NodeSettings
from uns.sparkplug.metrics import Metric
from uns.sparkplug.names import (
    BD_SEQ,
    CERTIFICATES,
    NAMESPACE,
    REBIRTH,
    MessageType,
    NodeId,
    SparkplugTopic,
    id_problem,
    state_topic,
    topic,
)
from uns.sparkplug.own_state import OwnState
from uns.sparkplug.payload import LIMITS, Payload, encode
from uns.sparkplug.profile import IGNITION, SPEC, UInt32Field
from uns.sparkplug.rebirth import Doubt, RebirthPacer, RebirthSettings, rebirth_request
from uns.sparkplug.slot import Slot
from uns.sparkplug.writes import PendingWrites

__all__ = ["HostApplication", "HostSettings"]

_COMMANDS = frozenset((MessageType.NCMD, MessageType.DCMD))
_DATA = frozenset((MessageType.NDATA, MessageType.DDATA))
_BIRTHS = frozenset((MessageType.NBIRTH, MessageType.DBIRTH))
_MAX_TOPICS = 100_000
_NOBODY = NodeId("", "")


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What a host application may be told."""

    node: NodeSettings = field(default_factory=NodeSettings)
    rebirth: RebirthSettings = field(default_factory=RebirthSettings)
    limits: Limits = LIMITS
    max_nodes: int = 10_000
    remember_ms: int = 20_000  # of what each node said, to know again what it sends twice …
    remember_bytes: int = 2 * 1024 * 1024  # … at most
    max_writes: int = 1_000  # that wait for their devices at a time
    may_request_rebirth: bool = True  # by itself; where another host sees to it, False
    is_server_aware: bool = False  # its servers keep births (Sparkplug 3.0 §10: an aware server)


class HostApplication:
    """One host application, its session with each of its brokers, and all edge nodes it hears.

    Raises ProjectError where the host id cannot be used.
    """

    def __init__(self, host_id: str, *, settings: HostSettings | None = None) -> None:
        if problem := id_problem(host_id):
            raise ProjectError(f"the host id `{host_id}` cannot be used: {problem}")
        self.host_id = host_id
        self._settings = settings or HostSettings()
        self._states: dict[str, OwnState] = {}  # by server
        self._nodes: dict[NodeId, KnownNode] = {}
        self._pacer = RebirthPacer(self._settings.rebirth)
        self._writes = PendingWrites(self._settings.max_writes)
        self._topics: dict[str, SparkplugTopic] = {}
        self._complaints = Complaints()

    def will(self, now_ms: int, *, server: str = "") -> Message:
        """The STATE death to register with the CONNECT about to be made.

        tck-id-host-topic-phid-death-payload-timestamp-connect: now; never below the last one.
        """
        return self._state(server).will(now_ms)

    def subscriptions(self, *, server: str = "") -> list[tuple[str, int]]:  # noqa: ARG002  # all the same
        """What to subscribe to before `connected`; QoS 1 so that no death is lost.

        tck-id-message-flow-phid-sparkplug-subscription wants the last two, word for word. The
        births that an aware server keeps come first, so that they explain the data.
        """
        kept = [(f"{CERTIFICATES}#", 1)] if self._settings.is_server_aware else []
        return [*kept, (f"{NAMESPACE}/#", 1), (state_topic(self.host_id), 1)]

    def connected(self, now_ms: int, *, server: str = "") -> list[Event]:
        """The broker granted our subscriptions: the STATE birth comes before anything else.

        tck-id-host-topic-phid-birth-payload-timestamp: that of the will. Edge nodes known from
        before are asked for their births, by `tick`.
        """
        events: list[Event] = [self._state(server).born(now_ms)]
        for known in self._nodes.values():
            if known.server == server:
                events += known.lost(now_ms, "this host began a new session with its broker")
                self._want(known.node, Doubt.LOST_SIGHT, now_ms, server)
        return events + list(self._writes.follow(events))

    def disconnected(self, now_ms: int, *, server: str = "") -> list[Event]:
        """The broker is gone: whatever was learnt through it is stale."""
        self._state(server).lost()
        self._pacer.lost(server)
        events: list[Event] = []
        for node in self._nodes.values():
            events += node.lost_server(server, now_ms, "this host lost its broker")
        return events + list(self._writes.follow(events))

    def stopping(self, now_ms: int, *, server: str = "") -> list[Event]:
        """Leaving on purpose: a STATE death with the time of now, before the DISCONNECT.

        tck-id-host-topic-phid-death-payload-timestamp-disconnect-clean.
        """
        return [self._state(server).leave(now_ms)]

    def received(self, message: Message, now_ms: int, *, server: str = "") -> list[Event]:
        """A message arrived; never raises for what a peer sends."""
        try:
            if message.topic.startswith(CERTIFICATES):
                return self._certified(message, now_ms, server)
            place = self._topics.get(message.topic) or self._parse(message.topic)
            state = self._states.get(server) or self._state(server)
            if state.is_lost or place.type in _COMMANDS:
                return []
            if place.type is not MessageType.STATE:
                return self._of_node(place, message, now_ms, server)
            if place.host_id != self.host_id:
                return []
            return self._complaints.told(state.seen(message.payload, now_ms), now_ms)
        except PeerProtocolError as error:
            return self._complaints.told([Problem(_NOBODY, "", str(error))], now_ms)

    def tick(self, now_ms: int) -> list[Event]:
        """Time passed: gives up gaps, marks what stays silent dead, asks for rebirths when due."""
        events: list[Event] = []
        for state in self._states.values():
            events += state.tick(now_ms)
        for known in self._nodes.values():
            found = known.tick(now_ms)
            if found or known.doubt is not None:
                events += self._told(known, found, now_ms)
        events += self._writes.tick(now_ms)
        return events + self._requests(now_ms)

    def request_rebirth(self, node: NodeId, now_ms: int) -> Publish:
        """Ask a node for all its births, because someone wants it; not paced."""
        known = self._nodes.get(node)
        server = known.server if known else next(iter(self._states), "")
        return Publish(rebirth_request(node, now_ms), server)

    def write(
        self,
        node: NodeId,
        device_id: str,
        name: str,
        value: Any,
        now_ms: int,
        *,
        timeout_ms: int = 5_000,
    ) -> Write:
        """The command that writes a metric; `Written` says within `timeout_ms` what became of it.

        Raises DeviceError where it cannot be: the device is not live, has no such metric, or the
        value is null or does not fit its datatype.
        """
        self._writes.check_room()
        known = self._nodes.get(node)
        device = known.find_device(device_id) if known is not None else None
        place = f"{node}/{device_id}" if device_id else str(node)
        if known is None or device is None:
            raise DeviceError(f"`{place}` is not online", hint="write again once it is back")
        slot = device.find(name)
        if slot is None or (name == BD_SEQ and not device_id):
            raise DeviceError(f"`{place}` has no metric `{name}`")
        fitted, why = fit(slot.datatype, value)
        if why or fitted is None:
            raise DeviceError(f"`{value!r}` is no {slot.datatype.label}, which `{name}` is")
        message = _command(node, device_id, slot, fitted, now_ms)
        number = self._writes.add(node, device_id, slot, fitted, now_ms + timeout_ms)
        return Write(number, Publish(message, known.server))

    def _state(self, server: str) -> OwnState:
        return self._states.setdefault(server, OwnState(self.host_id, server))

    def _of_node(
        self, place: SparkplugTopic, message: Message, now_ms: int, server: str
    ) -> list[Event]:
        try:
            payload = self._payload(place.type, message.payload)
        except PeerProtocolError as error:
            if place.node not in self._nodes:  # anybody may invent one: together they get ten lines
                stray = Problem(_NOBODY, "", f"`{message.topic}`: {error}")
                return self._complaints.told([stray], now_ms)
            problem = Problem(place.node, place.device_id, f"{place.type}: {error}")
            self._want(place.node, Doubt.UNREADABLE, now_ms, server)
            return self._complaints.told([problem], now_ms) + self._requests(now_ms)
        known = self._nodes.get(place.node) or self._meet(place.node, server)
        if known is None:
            text = f"more than {self._settings.max_nodes:,} edge nodes; {place.node} is left out"
            return self._complaints.told([Problem(_NOBODY, "", text)], now_ms)
        if message.retain:
            # Births and data are never retained: the broker kept it from a time nobody knows.
            if not known.is_online:
                self._want(place.node, Doubt.NO_BIRTH, now_ms, server)
            problem = Problem(place.node, place.device_id, f"a retained {place.type} is ignored")
            return self._complaints.told([problem], now_ms) + self._requests(now_ms)
        events = known.received(place, payload, message.payload, now_ms, server)
        if place.type is MessageType.NBIRTH and known.is_online and known.server == server:
            self._pacer.answered(place.node)
        return self._told(known, events, now_ms) + self._requests(now_ms)

    def _certified(self, message: Message, now_ms: int, server: str) -> list[Event]:
        """A birth that an aware server has kept: how a node's metrics are called, until it tells.

        tck-id-conformance-mqtt-aware-nbirth-mqtt-topic, -dbirth-mqtt-topic.
        """
        place = self._parse(message.topic.removeprefix(CERTIFICATES))
        if place.type not in _BIRTHS or not self._settings.is_server_aware or not message.payload:
            return []
        payload = parse(message.payload, self._settings.limits)
        known = self._nodes.get(place.node) or self._meet(place.node, server)
        if known is not None:
            known.certified(place, payload, now_ms, server)
            self._told(known, [], now_ms)
        return []

    def _payload(self, kind: MessageType, data: bytes) -> Any:
        limits = self._settings.limits
        plain = parse_plain(data, limits) if kind in _DATA else None
        return plain if plain is not None else parse(data, limits)

    def _told(self, known: KnownNode, events: list[Event], now_ms: int) -> list[Event]:
        """What a node's record says, what it means for writes, its doubt passed on to the pacer."""
        if known.doubt is not None:
            self._want(known.node, known.doubt, now_ms, known.doubted_on)
            known.doubt = None
        if self._writes:
            events = [*events, *self._writes.follow(events)]
        return self._complaints.told(events, now_ms)

    def _want(self, node: NodeId, doubt: Doubt, now_ms: int, server: str) -> None:
        settings = self._settings
        if not settings.may_request_rebirth:
            return
        delay_ms = 0
        if doubt is Doubt.KEPT_BIRTH:
            delay_ms = settings.rebirth.kept_birth_ms
        elif doubt is Doubt.NO_BIRTH and settings.is_server_aware:
            delay_ms = settings.rebirth.kept_wait_ms
        self._pacer.want(node, doubt, now_ms, server, delay_ms=delay_ms)

    def _requests(self, now_ms: int) -> list[Event]:
        due = self._pacer.due(now_ms)
        return [Publish(rebirth_request(node, now_ms), server) for node, server in due]

    def _parse(self, text: str) -> SparkplugTopic:
        if len(self._topics) >= _MAX_TOPICS:
            self._topics.clear()
        place = SparkplugTopic.parse(text)
        self._topics[text] = place
        return place

    def _meet(self, node: NodeId, server: str) -> KnownNode | None:
        """A record for a node heard for the first time; None where there are too many."""
        if len(self._nodes) >= self._settings.max_nodes:
            silent = next((n for n, known in self._nodes.items() if not known.is_online), None)
            if silent is None:
                return None
            del self._nodes[silent]
            self._pacer.forget(silent)
        settings = self._settings
        self._nodes[node] = KnownNode(
            node,
            settings.node,
            server,
            heard=Heard(settings.remember_ms, settings.remember_bytes, settings.limits),
            triggers=settings.rebirth.triggers,
        )
        return self._nodes[node]


def _command(node: NodeId, device_id: str, slot: Slot, value: Any, now_ms: int) -> Message:
    """The NCMD or DCMD that writes one metric.

    tck-id-payloads-alias-data-cmd-requirement: by alias where the birth gave one. The datatype is
    said, for the TCK asks for it although the specification advises against. A UInt32 goes into
    the field where the peer keeps its own: sparkplug-payload, thus Node-RED, reads no other.
    """
    is_named = slot.alias is None or slot.name == REBIRTH  # eclipse-sparkplug/sparkplug#265
    name, alias = (slot.name, None) if is_named else (None, slot.alias)
    metric = Metric(name, value, slot.datatype, alias=alias, timestamp_ms=now_ms)
    kind = MessageType.DCMD if device_id else MessageType.NCMD
    profile = IGNITION if slot.field == UInt32Field.LONG else SPEC
    return Message(
        topic(kind, node, device_id), encode(Payload(now_ms, (metric,)), profile=profile)
    )
