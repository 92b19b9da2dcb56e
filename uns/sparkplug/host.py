"""The host application: what every edge node says, checked and in order, without a socket.

The shell owns one MQTT client. For each attempt to connect: `will(now)` for the CONNECT, then
subscribe to `subscriptions()`, and when they are granted publish what `connected(now)` returns.
Hand every message to `received`, call `tick` a few times a second, and carry out the events in
their order: a `Message` among them is to be published.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from uns.errors import DeviceError, PeerProtocolError, ProjectError
from uns.message import Message
from uns.sparkplug.datatypes import fit
from uns.sparkplug.envelope import Limits, parse, parse_plain
from uns.sparkplug.events import Event, Problem
from uns.sparkplug.known_node import KnownNode, NodeSettings
from uns.sparkplug.metrics import Metric
from uns.sparkplug.names import (
    NAMESPACE,
    MessageType,
    NodeId,
    SparkplugTopic,
    id_problem,
    state_topic,
    topic,
)
from uns.sparkplug.payload import LIMITS, Payload, encode
from uns.sparkplug.rebirth import Doubt, RebirthPacer, RebirthSettings, rebirth_request
from uns.sparkplug.state import HostState

__all__ = ["HostApplication", "HostSettings"]

_COMMANDS = frozenset((MessageType.NCMD, MessageType.DCMD))
_DATA = frozenset((MessageType.NDATA, MessageType.DDATA))
_MAX_TOPICS = 100_000
_NOBODY = NodeId("", "")
_PROBLEMS_PER_MINUTE = 10  # of one node or device; the rest is the same story again
_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class HostSettings:
    """What a host application may be told."""

    node: NodeSettings = field(default_factory=NodeSettings)
    rebirth: RebirthSettings = field(default_factory=RebirthSettings)
    limits: Limits = LIMITS
    max_nodes: int = 10_000


class HostApplication:
    """One host application's session with one broker, and all edge nodes it hears there.

    Raises ProjectError where the host id cannot be used.
    """

    def __init__(self, host_id: str, *, settings: HostSettings | None = None) -> None:
        if problem := id_problem(host_id):
            raise ProjectError(f"the host id `{host_id}` cannot be used: {problem}")
        self.host_id = host_id
        self._settings = settings or HostSettings()
        self._state_topic = state_topic(host_id)
        self._state = HostState(is_online=False, timestamp_ms=0)
        self._is_leaving = False
        self._nodes: dict[NodeId, KnownNode] = {}
        self._pacer = RebirthPacer(self._settings.rebirth)
        self._topics: dict[str, SparkplugTopic] = {}
        self._problems: dict[tuple[NodeId, str], tuple[int, int]] = {}  # (since, count)

    def will(self, now_ms: int) -> Message:
        """The STATE death to register with the CONNECT about to be made.

        tck-id-host-topic-phid-death-payload-timestamp-connect: now; never below the last one.
        """
        self._state = HostState(False, max(now_ms, self._state.timestamp_ms))
        return self._state.message(self.host_id)

    def subscriptions(self) -> list[tuple[str, int]]:
        """What to subscribe to before `connected`; QoS 1 so that no death is lost.

        tck-id-message-flow-phid-sparkplug-subscription wants these two, word for word.
        """
        return [(f"{NAMESPACE}/#", 1), (self._state_topic, 1)]

    def connected(self, now_ms: int) -> list[Event]:
        """The broker granted our subscriptions: the STATE birth comes before anything else.

        tck-id-host-topic-phid-birth-payload-timestamp: that of the will. Edge nodes known from
        before are asked for their births, by `tick`.
        """
        self._is_leaving = False
        self._state = HostState(True, self._state.timestamp_ms or now_ms)
        for node in self._nodes:
            self._pacer.want(node, Doubt.LOST_SIGHT, now_ms)
        return [self._state.message(self.host_id)]

    def disconnected(self, now_ms: int) -> list[Event]:
        """The broker is gone: whatever was learnt through it is stale."""
        events: list[Event] = []
        for node in self._nodes.values():
            events.extend(node.lost(now_ms, "this host lost its broker"))
        return events

    def stopping(self, now_ms: int) -> list[Event]:
        """Leaving on purpose: a STATE death with the time of now, before the DISCONNECT.

        tck-id-host-topic-phid-death-payload-timestamp-disconnect-clean.
        """
        self._is_leaving = True
        self._state = HostState(False, max(now_ms, self._state.timestamp_ms))
        return [self._state.message(self.host_id)]

    def received(self, message: Message, now_ms: int) -> list[Event]:
        """A message arrived; never raises for what a peer sends."""
        try:
            place = self._topics.get(message.topic) or self._parse(message.topic)
            if place.type is MessageType.STATE:
                return self._state_seen(place, message)
            if place.type in _COMMANDS:
                return []
            return self._of_node(place, message, now_ms)
        except PeerProtocolError as error:
            return self._limited([Problem(_NOBODY, "", str(error))], now_ms)

    def tick(self, now_ms: int) -> list[Event]:
        """Time passed: gives up gaps, marks what stays silent dead, asks for rebirths when due."""
        events: list[Event] = []
        for known in self._nodes.values():
            events.extend(self._told(known, known.tick(now_ms), now_ms))
        return events + self._requests(now_ms)

    def request_rebirth(self, node: NodeId, now_ms: int) -> Message:
        """Ask a node for all its births, because someone wants it; not paced."""
        return rebirth_request(node, now_ms)

    def command(self, node: NodeId, device_id: str, name: str, value: Any, now_ms: int) -> Message:
        """The NCMD or DCMD that writes a metric; raises DeviceError where that cannot be.

        tck-id-payloads-alias-data-cmd-requirement: by alias where the birth gave one. The
        datatype is said, for the TCK asks for it although the specification advises against.
        """
        known = self._nodes.get(node)
        device = known.find_device(device_id) if known is not None else None
        place = f"{node}/{device_id}" if device_id else str(node)
        if device is None:
            raise DeviceError(f"`{place}` is not online", hint="write again once it is back")
        slot = device.find(name)
        if slot is None:
            raise DeviceError(f"`{place}` has no metric `{name}`")
        fitted, why = fit(slot.datatype, value)
        if why or fitted is None:
            raise DeviceError(f"`{value!r}` is no {slot.datatype.label}, which `{name}` is")
        metric = Metric(
            name if slot.alias is None else None,
            fitted,
            slot.datatype,
            alias=slot.alias,
            timestamp_ms=now_ms,
        )
        kind = MessageType.DCMD if device_id else MessageType.NCMD
        return Message(topic(kind, node, device_id), encode(Payload(now_ms, (metric,))))

    def _of_node(self, place: SparkplugTopic, message: Message, now_ms: int) -> list[Event]:
        try:
            payload = self._payload(place.type, message.payload)
        except PeerProtocolError as error:
            problem = Problem(place.node, place.device_id, f"{place.type}: {error}")
            if place.node in self._nodes:
                self._pacer.want(place.node, Doubt.UNREADABLE, now_ms)
            return self._limited([problem], now_ms) + self._requests(now_ms)
        known = self._nodes.get(place.node) or self._meet(place.node)
        if known is None:
            text = f"more than {self._settings.max_nodes:,} edge nodes; this one is left out"
            return self._limited([Problem(place.node, "", text)], now_ms)
        if message.retain:
            # Births and data are never retained: the broker kept it from a time nobody knows.
            known.doubt = None if known.is_online else Doubt.NO_BIRTH
            problem = Problem(place.node, place.device_id, f"a retained {place.type} is ignored")
            return self._told(known, [problem], now_ms) + self._requests(now_ms)
        events = known.received(place.type, place.device_id, payload, now_ms)
        if place.type is MessageType.NBIRTH and known.is_online:
            self._pacer.answered(place.node)
        return self._told(known, events, now_ms) + self._requests(now_ms)

    def _payload(self, kind: MessageType, data: bytes) -> Any:
        limits = self._settings.limits
        plain = parse_plain(data, limits) if kind in _DATA else None
        return plain if plain is not None else parse(data, limits)

    def _told(self, known: KnownNode, events: list[Event], now_ms: int) -> list[Event]:
        """What a node's record says, its doubt passed on to the pacer."""
        if known.doubt is not None:
            self._pacer.want(known.node, known.doubt, now_ms)
            known.doubt = None
        return self._limited(events, now_ms)

    def _requests(self, now_ms: int) -> list[Event]:
        return [rebirth_request(node, now_ms) for node in self._pacer.due(now_ms)]

    def _state_seen(self, place: SparkplugTopic, message: Message) -> list[Event]:
        """Our own STATE said to be offline while we are here: say it again.

        tck-id-message-flow-hid-sparkplug-state-message-delivered. While leaving on purpose it
        is our own last word (eclipse-sparkplug/sparkplug#539).
        """
        if place.host_id != self.host_id or self._is_leaving or not self._state.is_online:
            return []
        if not message.payload:  # someone cleared the retained message
            return [self._state.message(self.host_id)]
        said = HostState.parse(message.payload)
        if said.is_online:
            return []
        events: list[Event] = [self._state.message(self.host_id)]
        if said.timestamp_ms > self._state.timestamp_ms:
            text = (
                f"someone else says that host `{self.host_id}` is offline, and later than our own "
                "STATE; two hosts seem to share the id"
            )
            events.append(Problem(_NOBODY, "", text))
        return events

    def _parse(self, text: str) -> SparkplugTopic:
        if len(self._topics) >= _MAX_TOPICS:
            self._topics.clear()
        place = SparkplugTopic.parse(text)
        self._topics[text] = place
        return place

    def _meet(self, node: NodeId) -> KnownNode | None:
        """A record for a node heard for the first time; None where there are too many."""
        if len(self._nodes) >= self._settings.max_nodes:
            silent = next((n for n, known in self._nodes.items() if not known.is_online), None)
            if silent is None:
                return None
            del self._nodes[silent]
            self._pacer.forget(silent)
        self._nodes[node] = KnownNode(node, self._settings.node)
        return self._nodes[node]

    def _limited(self, events: Iterable[Event], now_ms: int) -> list[Event]:
        """The same events without a flood of problems: ten a minute for each device."""
        return [e for e in events if not isinstance(e, Problem) or self._is_news(e, now_ms)]

    def _is_news(self, problem: Problem, now_ms: int) -> bool:
        key = (problem.node, problem.device_id)
        since_ms, count = self._problems.get(key, (now_ms, 0))
        if now_ms - since_ms >= _MINUTE_MS:
            since_ms, count = now_ms, 0
        if len(self._problems) >= _MAX_TOPICS:
            self._problems.clear()
        self._problems[key] = (since_ms, count + 1)
        return count < _PROBLEMS_PER_MINUTE
