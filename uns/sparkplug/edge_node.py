"""The edge node: births, data and deaths of one line, without a socket.

Theory of operation
    The shell owns one MQTT client for each edge node and tells this object what happens to it;
    every method returns the messages to publish. They must all be sent, in their order: seq
    was counted when they were made, and a hole makes every host ask for a rebirth. A shell that
    cannot send one closes the connection, and the next `connected` starts afresh.

    For each attempt to connect: `will()` gives the NDEATH for the CONNECT; store `next_bd_seq`;
    send the CONNECT; `advance()` once it has really left; then `subscriptions()`, and when they
    are granted, `connected()`. bdSeq advances with every CONNECT that left and with nothing else.

    Readings are kept while offline: a birth always carries the current values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter

from uns.errors import PeerProtocolError, ProjectError
from uns.message import Message
from uns.metric import DataType, Quality, Reading
from uns.sparkplug.commands import CommandReader
from uns.sparkplug.compiled import STAMP_BYTES, CompiledMetric, payload_bytes
from uns.sparkplug.definition import MetricDefinition
from uns.sparkplug.events import Command, Problem
from uns.sparkplug.metrics import Metric
from uns.sparkplug.names import BD_SEQ, REBIRTH, MessageType, NodeId, id_problem, topic
from uns.sparkplug.payload import Payload, encode
from uns.sparkplug.varint import varint

__all__ = ["EdgeNode", "MetricDefinition"]

_GOOD = int(Quality.GOOD)
_WRAP = 256  # seq and bdSeq count 0…255
_REBIRTH_PAUSE_MS = 1000  # requests within it share one answer: a storm of hosts costs two births
_METRICS_PER_MESSAGE = 1000
_BD_SEQ_METRIC = CompiledMetric(MetricDefinition(BD_SEQ, DataType.INT64), alias=None)
_REBIRTH_METRIC = CompiledMetric(MetricDefinition(REBIRTH, DataType.BOOLEAN), alias=None)


class EdgeNode:
    """One edge node's session with one broker.

    `devices` maps a device id to its metrics; the id `""` stands for the node's own. Every
    metric gets an alias, from 1 and unique over the node (tck-id-payloads-alias-uniqueness);
    it is the handle of its readings. Devices are down until `device_up`.
    Raises ProjectError where an id or a metric's name cannot be used.
    """

    def __init__(
        self, node: NodeId, devices: Mapping[str, Sequence[MetricDefinition]], *, bd_seq: int = 0
    ) -> None:
        _check(node, devices)
        self.node = node
        self._devices = _compile(devices)
        self._aliases = {
            device_id: {metric.name: alias for alias, metric in metrics.items()}
            for device_id, metrics in self._devices.items()
        }
        self._topics: dict[tuple[MessageType, str], str] = {}
        self._current: dict[int, Reading] = {}
        self._up: dict[str, None] = {}  # in the order they came up
        self._born: set[str] = set()
        self._seq = 0
        self._is_online = False
        self._bd_seq = self._next_bd_seq = bd_seq % _WRAP
        self._has_will_waiting = False
        self._last_rebirth_ms: int | None = None
        self._is_rebirth_owed = False
        self._commands = CommandReader(node, self._devices)

    @property
    def bd_seq(self) -> int:
        """The number of the current session, in its will and its births."""
        return self._bd_seq

    @property
    def next_bd_seq(self) -> int:
        """The number to store before the CONNECT leaves: what a new process would begin with."""
        return (self._next_bd_seq + 1) % _WRAP if self._has_will_waiting else self._next_bd_seq

    @property
    def is_online(self) -> bool:
        """Whether the births are out and data flows."""
        return self._is_online

    def alias_of(self, device_id: str, name: str) -> int:
        """The alias, and so the handle, of a metric; raises KeyError where there is none."""
        return self._aliases[device_id][name]

    def aliases(self, device_id: str) -> dict[str, int]:
        """All aliases of a device by metric name."""
        return dict(self._aliases[device_id])

    def will(self) -> Message:
        """The NDEATH to register with the CONNECT about to be made.

        tck-id-payloads-ndeath-will-message-qos: 1; not retained; no seq; bdSeq and nothing else.
        Its payload has no timestamp: nobody knows now when it will be true.
        """
        self._has_will_waiting = True
        return self._death(self._next_bd_seq)

    def advance(self) -> None:
        """The CONNECT with the last `will()` has left: its bdSeq is used up.

        tck-id-message-flow-edge-node-birth-publish-will-message-payload-bdSeq: + 1, 255 → 0.
        """
        if self._has_will_waiting:
            self._has_will_waiting = False
            self._bd_seq = self._next_bd_seq
            self._next_bd_seq = (self._next_bd_seq + 1) % _WRAP

    def subscriptions(self) -> list[tuple[str, int]]:
        """What to subscribe to, and have granted, before `connected`.

        tck-id-message-flow-edge-node-ncmd-subscribe, tck-id-message-flow-device-dcmd-subscribe.
        """
        commands = topic(MessageType.DCMD, self.node, "+")
        return [(topic(MessageType.NCMD, self.node), 1), (commands, 1)]

    def connected(self, now_ms: int) -> list[Message]:
        """The broker granted our subscriptions: births of the node and of every device that is up."""
        self.advance()
        self._last_rebirth_ms = None
        return self._births(now_ms)

    def disconnected(self) -> None:
        """The connection is gone; readings are kept for the next births."""
        self._is_online = self._is_rebirth_owed = False
        self._born.clear()

    def stopping(self, now_ms: int) -> list[Message]:
        """Leaving on purpose: the NDEATH that a host would otherwise wait for.

        tck-id-operational-behavior-edge-node-intentional-disconnect-ndeath. DDEATHs before it
        would be legal and say nothing new.
        """
        if not self._is_online:
            return []
        self.disconnected()
        return [self._death(self._bd_seq, now_ms)]

    def device_up(self, device_id: str, now_ms: int) -> list[Message]:
        """A device answers: its DBIRTH. Nothing where it was up already."""
        if device_id not in self._devices:
            raise KeyError(f"{self.node} has no device `{device_id}`")
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
        for alias in self._devices[device_id].keys() & self._current.keys():
            _, value, quality, timestamp_ms = self._current[alias]
            if quality != Quality.BAD:
                self._current[alias] = (alias, value, Quality.STALE, timestamp_ms)
        if device_id not in self._born:
            return []
        self._born.discard(device_id)
        return [self._send(MessageType.DDEATH, device_id, [], now_ms)]

    def observed(self, device_id: str, readings: Sequence[Reading], now_ms: int) -> list[Message]:
        """New readings of one device, by alias: its data messages when it is online and born.

        Offline they are kept for the next birth. A value that does not fit its datatype travels
        as null and Bad, and its neighbours travel on. Raises KeyError for an alias that is not
        this device's.
        """
        messages = self.tick(now_ms)
        metrics = self._devices[device_id]
        if device_id not in self._born:
            self._keep(metrics, readings, now_ms)
            return messages
        for start in range(0, len(readings), _METRICS_PER_MESSAGE):
            part = readings[start : start + _METRICS_PER_MESSAGE]
            encoded = self._encode(metrics, part, now_ms)
            kind = MessageType.DDATA if device_id else MessageType.NDATA
            messages.append(self._send(kind, device_id, encoded, now_ms))
        return messages

    def received(self, message: Message, now_ms: int) -> list[Message | Command | Problem]:
        """A command arrived: births where it asks for a rebirth, writes for the shell to carry out.

        Never raises for what a peer sends; what cannot be understood is a Problem.
        """
        try:
            commands = self._commands.read(message, now_ms)
        except PeerProtocolError as error:
            return [Problem(self.node, "", f"a command was refused: {error}")]
        answers: list[Message | Command | Problem] = []
        for command in commands:
            if not isinstance(command, Command) or command.name != REBIRTH or command.device_id:
                answers.append(command)
            elif command.value is True:  # Rebirth=false asks for nothing
                self._is_rebirth_owed = self._is_online
        answers.extend(self.tick(now_ms))
        return answers

    def tick(self, now_ms: int) -> list[Message]:
        """Time passed: a rebirth that waited for its second is due.

        The first request is answered at once, those that follow within a second share one
        answer. `observed` and `received` ask this too.
        """
        if not self._is_rebirth_owed:
            return []
        last_ms = self._last_rebirth_ms
        if last_ms is not None and 0 <= now_ms - last_ms < _REBIRTH_PAUSE_MS:
            return []
        self._last_rebirth_ms = now_ms
        # tck-id-operational-behavior-data-commands-rebirth-action-1…3: no DATA between, all
        # births again, the same bdSeq
        return self._births(now_ms)

    def _births(self, now_ms: int) -> list[Message]:
        self._is_online, self._is_rebirth_owed = True, False
        self._seq = 0  # tck-id-topics-nbirth-seq-num
        # tck-id-payloads-dbirth-order: right after the NBIRTH, before any data
        return [self._birth("", now_ms)] + [self._birth(device, now_ms) for device in self._up]

    def _birth(self, device_id: str, now_ms: int) -> Message:
        """Every metric with its current value; null where none was ever seen."""
        self._born.add(device_id)
        metrics = [] if device_id else self._session_metrics(now_ms)
        for alias, metric in self._devices[device_id].items():
            _, value, quality, timestamp_ms = self._current.get(
                alias, (alias, None, Quality.GOOD, now_ms)
            )
            metrics.append(metric.birth(value, quality, timestamp_ms))
        kind = MessageType.DBIRTH if device_id else MessageType.NBIRTH
        return self._send(kind, device_id, metrics, now_ms)

    def _session_metrics(self, now_ms: int) -> list[bytes]:
        """tck-id-topics-nbirth-bdseq-included, tck-id-topics-nbirth-rebirth-metric."""
        return [
            _BD_SEQ_METRIC.birth(self._bd_seq, Quality.GOOD, now_ms),
            _REBIRTH_METRIC.birth(False, Quality.GOOD, now_ms),
        ]

    def _death(self, bd_seq: int, now_ms: int | None = None) -> Message:
        """tck-id-topics-ndeath-payload, tck-id-topics-ndeath-seq."""
        metric = Metric(BD_SEQ, bd_seq, DataType.INT64, timestamp_ms=now_ms)
        payload = encode(Payload(now_ms, (metric,)))
        return Message(topic(MessageType.NDEATH, self.node), payload, qos=1)

    def _send(
        self, kind: MessageType, device_id: str, metrics: list[bytes], now_ms: int
    ) -> Message:
        """A message with the next seq; QoS 0, not retained (tck-id-topics-ddata-mqtt)."""
        payload = payload_bytes(now_ms, metrics, self._seq)
        self._seq = (self._seq + 1) % _WRAP  # tck-id-payloads-sequence-num-incrementing
        return Message(self._topic(kind, device_id), payload)

    def _topic(self, kind: MessageType, device_id: str) -> str:
        text = self._topics.get((kind, device_id))
        if text is None:
            text = self._topics[kind, device_id] = topic(kind, self.node, device_id)
        return text

    def _keep(
        self, metrics: Mapping[int, CompiledMetric], readings: Sequence[Reading], now_ms: int
    ) -> None:
        for alias, value, quality, timestamp_ms in readings:
            if alias not in metrics:
                raise KeyError(f"{self.node} has no metric with handle {alias} on this device")
            self._current[alias] = (alias, value, quality, timestamp_ms or now_ms)

    def _encode(
        self, metrics: Mapping[int, CompiledMetric], readings: Sequence[Reading], now_ms: int
    ) -> list[bytes]:
        """The bytes of each reading, in order of time (…-data-publish-dbirth-order)."""
        current = self._current
        parts: list[bytes] = []
        add, last_ms, stamp = parts.append, -1, b""
        quick: int | None = _GOOD
        for reading in readings:
            alias, value, quality, at_ms = reading
            if at_ms != last_ms:
                if not at_ms or at_ms < last_ms:
                    return self._encode(metrics, _in_order(readings, now_ms), now_ms)
                last_ms, stamp = at_ms, varint(at_ms)
                quick = _GOOD if len(stamp) == STAMP_BYTES else None
            metric = metrics[alias]
            current[alias] = reading
            encoded = metric.shortcut(value, stamp) if quality == quick else None
            add(encoded or metric.data(value, quality, at_ms))
        return parts


def _in_order(readings: Sequence[Reading], now_ms: int) -> list[Reading]:
    """The readings by time; what has none was read now, and what is older than 1970 never."""
    stamped = [
        (alias, value, quality, max(at, 0) or now_ms) for alias, value, quality, at in readings
    ]
    return sorted(stamped, key=itemgetter(3))


def _compile(
    devices: Mapping[str, Sequence[MetricDefinition]],
) -> dict[str, dict[int, CompiledMetric]]:
    """Every device's metrics by alias; one number space over the node."""
    compiled: dict[str, dict[int, CompiledMetric]] = {"": {}}
    alias = 0
    for device_id, definitions in devices.items():
        metrics = compiled.setdefault(device_id, {})
        for definition in definitions:
            alias += 1  # 0 is legal and easily mistaken for no alias at all
            metrics[alias] = CompiledMetric(definition, alias)
    return compiled


def _check(node: NodeId, devices: Mapping[str, Sequence[MetricDefinition]]) -> None:
    ids = [node.group_id, node.edge_node_id, *filter(None, devices)]
    for text in ids:
        if problem := id_problem(text):
            raise ProjectError(f"edge node `{node}`: the id `{text}` cannot be used: {problem}")
    for device_id, definitions in devices.items():
        seen = set() if device_id else {BD_SEQ, REBIRTH}
        for definition in definitions:
            if not definition.name or definition.name in seen:
                raise ProjectError(
                    f"`{node}/{device_id}`: the metric name `{definition.name}` is empty, "
                    "kept for Sparkplug, or there twice",
                    hint="give every metric of a device a name of its own",
                )
            seen.add(definition.name)
