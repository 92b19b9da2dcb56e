"""The edge node: births, data and deaths of one line, without a socket.

Theory of operation
    The shell owns one MQTT client for each edge node and tells this object what happens to it;
    every method returns the messages to publish. They must all be sent, in their order: seq
    was counted when they were made, and a hole makes every host ask for a rebirth. A shell that
    cannot send one closes the connection, and the next `connected` starts afresh. What was made
    before an NBIRTH and not sent yet may be dropped: seq begins again with it.

    For each attempt to connect: `server` says to which broker; `will()` gives the NDEATH for the
    CONNECT; store `next_bd_seq`; send the CONNECT; `advance()` once it has really left, and
    `connect_failed()` where it led to nothing; then `subscriptions()`, and when they are granted,
    `connected()`. bdSeq advances with every CONNECT that left and with nothing else.

        OFFLINE → connected() → [WAITING for the primary host's STATE] → ONLINE
        ONLINE → host offline, or stopping() → LEAVING → disconnected() → OFFLINE

    Readings are kept in every state: a birth always carries the current values. Only where
    `is_sending` are they published too; elsewhere it is the caller's to remember all but the
    newest, and to give them to `recalled` later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from uns.errors import PeerProtocolError
from uns.message import Message
from uns.metric import DataType
from uns.sparkplug.aliases import AliasSpace
from uns.sparkplug.bd_seq import BirthDeathSequence
from uns.sparkplug.births import Births
from uns.sparkplug.commands import CommandReader
from uns.sparkplug.compiled import payload_bytes
from uns.sparkplug.complaints import Complaints
from uns.sparkplug.definition import MetricDefinition
from uns.sparkplug.edge_settings import EdgeSettings
from uns.sparkplug.events import Command, Leave, Problem
from uns.sparkplug.live_data import AnyReading, encode_readings
from uns.sparkplug.metrics import Metric, MetricValue, Template
from uns.sparkplug.names import (
    BD_SEQ,
    REBIRTH,
    MessageType,
    NodeId,
    SparkplugTopic,
    state_topic,
    topic,
)
from uns.sparkplug.payload import Payload, encode
from uns.sparkplug.primary_host import HostVerdict, PrimaryHost
from uns.sparkplug.send_times import SendTimes
from uns.sparkplug.servers import Servers
from uns.sparkplug.templates import Templates

__all__ = ["EdgeNode", "MetricDefinition"]

_WRAP = 256  # seq counts 0…255
_METRICS_PER_MESSAGE = 1000
_RECALLED_PER_MESSAGE = 500  # of a backlog: live data never waits long for one of them
_COMMANDS = (MessageType.NCMD, MessageType.DCMD)
_NO_TEMPLATES: Mapping[str, Template] = MappingProxyType({})


class EdgeNode:
    """One edge node's session with one broker at a time.

    `devices` maps a device id to its metrics; the id `""` stands for the node's own. Every
    metric gets an alias, from `settings.first_alias` and unique over the node
    (tck-id-payloads-alias-uniqueness); it is the handle of its readings. Devices are down until `device_up`.
    Raises ProjectError where an id, a metric's name or a template cannot be used.
    """

    def __init__(
        self,
        node: NodeId,
        devices: Mapping[str, Sequence[MetricDefinition]],
        *,
        bd_seq: int = 0,
        templates: Mapping[str, Template] = _NO_TEMPLATES,
        settings: EdgeSettings | None = None,
    ) -> None:
        self.node = node
        self.unknown_recalled = 0  # readings given to `recalled` that no metric is there for
        self.settings = settings or EdgeSettings()
        self._profile = self.settings.profile
        self._space = AliasSpace(node, self._profile, self.settings.first_alias)
        self._devices = self._space.devices
        self._births_of = Births(self._space, Templates(node, templates), self._profile)
        self._commands = CommandReader(node)
        self._complaints = Complaints()
        for device_id, definitions in ({"": ()} | dict(devices)).items():
            self._define(device_id, definitions)
        self._topics: dict[tuple[MessageType, str], str] = {}
        self._up: dict[str, None] = {}  # in the order they came up
        self._born: set[str] = set()
        self._seq = 0
        self._times = SendTimes()
        self._is_online = self._is_connected = self._is_leaving = False
        self._bd_seq = BirthDeathSequence(bd_seq)
        self._last_rebirth_ms: int | None = None
        self._is_rebirth_owed = False
        self._servers = Servers(self.settings.servers, self.settings.host_wait_ms)
        self._host = PrimaryHost()
        self._is_host_online = False  # as this session has heard

    # ------------------------------------------------------------------ what is known

    @property
    def bd_seq(self) -> int:
        """The number of the current session, in its will and its births."""
        return self._bd_seq.current

    @property
    def next_bd_seq(self) -> int:
        """The number to store before the CONNECT leaves: what a new process would begin with."""
        return self._bd_seq.to_store

    @property
    def server(self) -> int:
        """Which broker of the list to connect to next, or that we are connected to."""
        return self._servers.current

    @property
    def is_online(self) -> bool:
        """Whether the births are out and data flows."""
        return self._is_online

    @property
    def is_waiting(self) -> bool:
        """Whether there is a connection, and no births before the primary host's STATE."""
        return self._is_connected and not self._is_online and not self._is_leaving

    def is_sending(self, device_id: str) -> bool:
        """Whether readings of this device are published, now that `tick` was asked.

        Where not, `observed` keeps the newest for the next birth and the rest is lost unless the
        caller remembers it: there is no session, the device is down, or a rebirth is owed.
        """
        return self._is_online and device_id in self._born and not self._is_rebirth_owed

    def is_as_born(
        self, device_id: str, name: str, value: MetricValue, quality: int, timestamp_ms: int
    ) -> bool:
        """Whether a birth, or live data since, has said just this of a metric already."""
        alias = self._space.find(device_id, name)
        if alias is None or device_id not in self._born:
            return False
        reading = (alias, value, quality, timestamp_ms)
        if self._births_of.has_said(device_id, reading):
            return True
        return self.is_sending(device_id) and self._births_of.current.get(alias) == reading

    def alias_of(self, device_id: str, name: str) -> int:
        """The alias, and so the handle, of a metric; raises KeyError where there is none."""
        return self._space.alias_of(device_id, name)

    def aliases(self, device_id: str) -> dict[str, int]:
        """All aliases of a device by metric name; raises KeyError where there is no such device."""
        self._space.metrics(device_id)
        return self._space.aliases(device_id)

    # ------------------------------------------------------------------ the session

    def will(self) -> Message:
        """The NDEATH to register with the CONNECT about to be made.

        tck-id-payloads-ndeath-will-message-qos: 1; not retained; no seq; bdSeq and nothing else.
        Its payload has no timestamp: nobody knows now when it will be true.
        """
        self.disconnected()
        return self._death(self._bd_seq.for_will())

    def advance(self) -> None:
        """The CONNECT with the last `will()` has left: its bdSeq is used up.

        tck-id-message-flow-edge-node-birth-publish-will-message-payload-bdSeq: + 1, 255 → 0.
        """
        self._bd_seq.advance()

    def connect_failed(self) -> None:
        """This broker cannot be reached, or refuses us: the next one is tried."""
        self.disconnected()
        self._servers.advance()

    def subscriptions(self) -> list[tuple[str, int]]:
        """What to subscribe to, and have granted, before `connected`.

        tck-id-message-flow-edge-node-ncmd-subscribe, tck-id-message-flow-device-dcmd-subscribe.
        Our own NDEATH, because the will of an earlier connection may come after our births; the
        primary host's STATE (…-state-with-multiple-servers-state-subs).
        """
        filters = [
            topic(MessageType.NCMD, self.node),
            topic(MessageType.DCMD, self.node, "+"),
            topic(MessageType.NDEATH, self.node),
        ]
        if self.settings.primary_host:
            filters.append(state_topic(self.settings.primary_host))
        return [(text, 1) for text in filters]

    def connected(self, now_ms: int) -> list[Message]:
        """The broker granted our subscriptions: births of the node and of every device that is up.

        None before the primary host is heard to be online, where there is one
        (tck-id-message-flow-edge-node-birth-publish-phid-wait).
        """
        self.advance()
        self._is_connected, self._is_leaving = True, False
        self._servers.arrived(now_ms)
        self._last_rebirth_ms = None
        if self.settings.primary_host and not self._is_host_online:
            return []
        return self._births(now_ms)

    def disconnected(self) -> None:
        """The connection is gone; readings are kept for the next births.

        The same broker is tried first (tck-id-…-multiple-servers-single-server: one at a time).
        """
        self._is_online = self._is_connected = self._is_leaving = False
        self._is_rebirth_owed = self._is_host_online = False
        self._born.clear()

    def stopping(self, now_ms: int) -> list[Message]:
        """Leaving on purpose: the NDEATH that a host would otherwise wait for.

        tck-id-operational-behavior-edge-node-intentional-disconnect-ndeath. DDEATHs before it
        would be legal and say nothing new. Whoever was never born has nothing to say.
        """
        was_online = self._is_online
        self.disconnected()
        self._is_leaving = True
        return [self._death(self.bd_seq, now_ms)] if was_online else []

    # ------------------------------------------------------------------ devices

    def device_up(self, device_id: str, now_ms: int) -> list[Message]:
        """A device answers: its DBIRTH. Nothing where it was up already."""
        self._space.metrics(device_id)
        if device_id in self._up or not device_id:
            return []
        self._up[device_id] = None
        return [self._birth(device_id, now_ms)] if self._is_online else []

    def device_down(self, device_id: str, now_ms: int) -> list[Message]:
        """A device is lost: its DDEATH. What it said last is stale until it says more.

        tck-id-operational-behavior-device-ddeath.
        """
        if device_id not in self._up:
            return []
        del self._up[device_id]
        self._births_of.grow_stale(device_id)
        return self._device_death(device_id, now_ms)

    def change_device(
        self, device_id: str, definitions: Sequence[MetricDefinition] | None, now_ms: int
    ) -> list[Message]:
        """Other metrics for a device, a new device, or with None one less.

        A born device dies and is born anew (a second DBIRTH alone would be a duplicate id to the
        TCK); `""` is the node's own metrics and a rebirth of everything. A metric keeps its alias
        and value while it keeps name, datatype and `engUnit`: ask for the others' aliases again.
        A new device is down until `device_up`. Raises ProjectError, and changes nothing, for
        metrics that cannot be.
        """
        if not device_id:
            definitions = definitions or ()
        if self._space.is_same(device_id, definitions):
            return []
        if definitions is None:
            self._commands.forget(device_id)
            self._up.pop(device_id, None)
            self._births_of.redefine(device_id, self._space.remove(device_id))
            return self._device_death(device_id, now_ms)
        self._define(device_id, definitions)
        if not device_id:
            return self._births(now_ms) if self._is_online else []
        messages = self._device_death(device_id, now_ms)
        if self._is_online and device_id in self._up:
            messages.append(self._birth(device_id, now_ms))
        return messages

    def change_templates(self, templates: Mapping[str, Template], now_ms: int) -> list[Message]:
        """Other template definitions: they stand in the NBIRTH alone, so everything is born anew.

        Raises ProjectError, and changes nothing, where an instance would lose its definition.
        """
        changed = Templates(self.node, templates)
        if changed.names == self._births_of.templates.names:
            return []
        for device_id in self._devices:
            changed.check(device_id, self._space.definitions(device_id))
        self._space.check("", self._space.definitions(""), changed.names)
        self._births_of.retype(changed)
        return self._births(now_ms) if self._is_online else []

    # ------------------------------------------------------------------ data

    def observed(
        self, device_id: str, readings: Sequence[AnyReading], now_ms: int
    ) -> list[Message]:
        """New readings of one device, by alias: its data messages where it `is_sending`.

        Elsewhere they are kept for the next birth. A value that does not fit its datatype travels
        as null and Bad, and its neighbours travel on. Raises KeyError for an alias that is not
        this device's.
        """
        metrics = self._space.metrics(device_id)
        if self._is_rebirth_owed or not self.is_sending(device_id):
            self._space.check_handles(device_id, (reading[0] for reading in readings))
        messages = self._owed_births(now_ms) if self._is_rebirth_owed else []
        readings = self._births_of.resolve(readings, now_ms)
        if not self.is_sending(device_id):
            self._births_of.keep(readings, now_ms)
            return messages
        current, shortcuts = self._births_of.current, self._space.shortcuts[device_id]
        size = _METRICS_PER_MESSAGE
        pieces = [readings[start : start + size] for start in range(0, len(readings), size)]
        parts = [encode_readings(metrics, shortcuts, one, current, now_ms) for one in pieces]
        kind = MessageType.DDATA if device_id else MessageType.NDATA
        messages += [self._send(kind, device_id, part, now_ms) for part in parts]
        return messages

    def recalled(
        self,
        device_id: str,
        samples: Sequence[tuple[str, MetricValue, int, int]],
        now_ms: int,
    ) -> list[Message]:
        """What could not be sent in its time: (name, value, quality, timestamp), oldest first.

        Historical data with its own times, in messages of its own. Nothing where the device is
        not `is_sending`: keep it then. Names that no metric has are left out and counted in
        `unknown_recalled`.
        """
        if not self.is_sending(device_id):
            return []
        metrics, past = self._devices[device_id], self._births_of.past
        encoded: list[bytes] = []
        for name, value, quality, timestamp_ms in samples:
            alias = self._space.find(device_id, name)
            if alias is None:
                self.unknown_recalled += 1
                continue
            _, value, quality, at_ms = past((alias, value, quality, timestamp_ms or now_ms))
            encoded.append(metrics[alias].historical(value, quality, at_ms))
        kind = MessageType.DDATA if device_id else MessageType.NDATA
        return [
            self._send(kind, device_id, encoded[start : start + _RECALLED_PER_MESSAGE], now_ms)
            for start in range(0, len(encoded), _RECALLED_PER_MESSAGE)
        ]

    # ------------------------------------------------------------------ what comes in

    def received(self, message: Message, now_ms: int) -> list[Message | Command | Problem | Leave]:
        """A message of our subscriptions: births it asks for, writes for the shell to carry out.

        Never raises for what a peer sends; what cannot be understood is a Problem, ten a minute.
        """
        return self._complaints.told(self._received(message, now_ms), now_ms)

    def _received(self, message: Message, now_ms: int) -> list[Message | Command | Problem | Leave]:
        if self._is_leaving:
            return []
        try:
            place = SparkplugTopic.parse(message.topic)
            if place.type is MessageType.STATE:
                return self._host_spoke(place.host_id, message.payload, now_ms)
            if place.node != self.node:
                return []
            if place.type is MessageType.NDEATH:
                return [*self._own_death(message, now_ms)]
            if place.type not in _COMMANDS:
                return []
            commands = self._commands.read(place, message, now_ms)
        except PeerProtocolError as error:
            return [Problem(self.node, "", f"a message was refused: {error}")]
        answers: list[Message | Command | Problem | Leave] = []
        for command in commands:
            if not isinstance(command, Command) or command.name != REBIRTH or command.device_id:
                answers.append(command)
            elif command.value is True:  # Rebirth=false asks for nothing
                self._is_rebirth_owed = self._is_online
        answers.extend(self._owed_births(now_ms))
        return answers

    def tick(self, now_ms: int) -> list[Message | Leave]:
        """Time passed: a rebirth that waited is due, or the primary host was waited for too long."""
        if self.is_waiting and self._servers.has_waited(now_ms):
            return self._leave(f"no STATE of `{self.settings.primary_host}`", now_ms)
        return [*self._owed_births(now_ms)]

    def _host_spoke(
        self, host_id: str, payload: bytes, now_ms: int
    ) -> list[Message | Command | Problem | Leave]:
        """A STATE message: tck-id-message-flow-edge-node-birth-publish-phid-wait-id, -online."""
        if not host_id or host_id != self.settings.primary_host:
            return []
        verdict = self._host.heard(payload, self.server)
        if verdict is HostVerdict.ONLINE:
            self._is_host_online = True
            return [*self._births(now_ms)] if self.is_waiting else []
        if verdict is HostVerdict.OUTDATED:
            return []
        self._is_host_online = False
        if verdict is HostVerdict.UNKNOWN or not self._is_connected:
            return []
        if not self._is_online and not self._servers.is_first_round:
            return []
        # tck-id-message-flow-edge-node-birth-publish-phid-offline
        return [*self._leave(f"the primary host `{host_id}` is offline", now_ms)]

    def _leave(self, reason: str, now_ms: int) -> list[Message | Leave]:
        """tck-id-operational-behavior-edge-node-termination-host-offline-reconnect: the next one."""
        messages = self.stopping(now_ms)
        self._servers.leave()
        return [*messages, Leave(reason)]

    def _own_death(self, message: Message, now_ms: int) -> list[Message | Problem]:
        """An NDEATH of ours while we live: the will of an earlier connection, or somebody else's.

        Hosts that do not compare bdSeq take us for dead: births set them right.
        """
        if message.retain:
            text = f"`{message.topic}` is retained: clear it with an empty retained message"
            return [Problem(self.node, "", text)]
        self._is_rebirth_owed = self._is_online
        return [*self._owed_births(now_ms)]

    # ------------------------------------------------------------------ births and deaths

    def _owed_births(self, now_ms: int) -> list[Message]:
        """The answer to rebirth requests: the first at once, one for all that follow within a pause.

        tck-id-operational-behavior-data-commands-rebirth-action-1…3: no DATA from the request on,
        all births again, the same bdSeq.
        """
        if not self._is_rebirth_owed:
            return []
        last_ms = self._last_rebirth_ms
        if last_ms is not None and 0 <= now_ms - last_ms < self.settings.rebirth_pause_ms:
            return []
        self._last_rebirth_ms = now_ms
        return self._births(now_ms)

    def _births(self, now_ms: int) -> list[Message]:
        self._is_online, self._is_rebirth_owed = True, False
        self._servers.settled()
        self._seq = 0  # tck-id-topics-nbirth-seq-num
        now_ms = self._times.of_birth(now_ms)
        # tck-id-payloads-dbirth-order: right after the NBIRTH, before any data
        return [self._birth("", now_ms)] + [self._birth(device, now_ms) for device in self._up]

    def _birth(self, device_id: str, now_ms: int) -> Message:
        self._born.add(device_id)
        if device_id:
            metrics = self._births_of.device(device_id, now_ms)
            return self._send(MessageType.DBIRTH, device_id, metrics, now_ms)
        metrics = self._births_of.node(self.bd_seq, now_ms)
        return self._send(MessageType.NBIRTH, "", metrics, now_ms)

    def _device_death(self, device_id: str, now_ms: int) -> list[Message]:
        """The DDEATH of a device that was born; it has no metrics."""
        if device_id not in self._born:
            return []
        self._born.discard(device_id)
        return [self._send(MessageType.DDEATH, device_id, [], now_ms)]

    def _death(self, bd_seq: int, now_ms: int | None = None) -> Message:
        """tck-id-topics-ndeath-payload, tck-id-topics-ndeath-seq."""
        metric = Metric(BD_SEQ, bd_seq, DataType.INT64, timestamp_ms=now_ms)
        payload = encode(Payload(now_ms, (metric,)))
        return Message(topic(MessageType.NDEATH, self.node), payload, qos=1)

    # ------------------------------------------------------------------ what they are made of

    def _define(self, device_id: str, definitions: Sequence[MetricDefinition]) -> None:
        templates = self._births_of.templates
        templates.check(device_id, definitions)
        self._space.check(device_id, definitions, templates.names)
        gone = self._space.define(device_id, definitions)
        self._births_of.redefine(device_id, gone)
        self._commands.learn(device_id, self._devices[device_id])

    def _send(
        self, kind: MessageType, device_id: str, metrics: list[bytes], now_ms: int
    ) -> Message:
        """A message with the next seq; QoS 0, not retained (tck-id-topics-ddata-mqtt)."""
        now_ms = self._times.of_message(now_ms)
        payload = payload_bytes(now_ms, metrics, self._seq, self._profile)
        self._seq = (self._seq + 1) % _WRAP  # tck-id-payloads-sequence-num-incrementing
        return Message(self._topic(kind, device_id), payload)

    def _topic(self, kind: MessageType, device_id: str) -> str:
        if (kind, device_id) not in self._topics:
            self._topics[kind, device_id] = topic(kind, self.node, device_id)
        return self._topics[kind, device_id]
