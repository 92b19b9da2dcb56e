"""Sparkplug codec: our edge node and host, beside upb used directly and the libraries of others."""

from __future__ import annotations

from collections.abc import Iterator

from peers import peer_rows
from table import Row, best_cpu_s

from uns.metric import DataType, Quality, Reading
from uns.sparkplug import EdgeNode, HostApplication, MetricDefinition, NodeId
from uns.sparkplug.wire import PayloadMessage as UpbPayload

METRICS = 100
MESSAGES = 256
PEER_MESSAGES = 64  # theirs take ten times as long and more
NODE = NodeId("acme:leeds", "packaging:line1")
KINDS = (
    (DataType.DOUBLE, 1.25),
    (DataType.INT32, -7),
    (DataType.FLOAT, 2.5),
    (DataType.BOOLEAN, True),
)
START_MS = 1_700_000_000_000


def _edge() -> EdgeNode:
    metrics = [MetricDefinition(f"tag{i}", KINDS[i % len(KINDS)][0]) for i in range(METRICS)]
    edge = EdgeNode(NODE, {"filler": metrics}, bd_seq=0)
    edge.will()
    return edge


def _value(i: int, turn: int) -> float | bool:
    """What tag `i` shows: it moves, and whole numbers fill the 16 bits of a sensor's card."""
    return (20 + i / 8 + turn / 1000, (i - 50) * 613 + turn, turn / 4, (i + turn) % 3 == 0)[i % 4]


def _readings(turn: int) -> list[Reading]:
    at = START_MS + turn
    return [(i + 1, _value(i, turn), int(Quality.GOOD), at) for i in range(METRICS)]


def rows() -> Iterator[Row]:
    """Encode and decode 100 metrics a message, alias only, every one with a new value each time."""
    edge = _edge()
    births = edge.connected(START_MS) + edge.device_up("filler", START_MS)
    batches = [_readings(turn) for turn in range(MESSAGES)]
    messages = [m for batch in batches for m in edge.observed("filler", batch, START_MS)]
    total = METRICS * MESSAGES

    def encode() -> None:
        for turn, batch in enumerate(batches):
            edge.observed("filler", batch, START_MS + turn)

    encode_s = best_cpu_s(encode)
    yield _row("encode: EdgeNode.observed", total, encode_s, "≥ 2.5 M/s")
    yield _row("encode: upb add() and setattr (limit of protobuf)", total, best_cpu_s(upb_encode))

    host = HostApplication("bench")
    host.connected(START_MS)
    for message in births:
        host.received(message, START_MS)

    def decode() -> None:
        # seq counts 256 messages round, so the same ones follow themselves
        found = [len(host.received(message, START_MS)) for message in messages]
        assert found == [1] * MESSAGES

    decode_s = best_cpu_s(decode)
    yield _row("decode: HostApplication.received", total, decode_s, "≥ 1.5 M/s")

    def parse() -> None:
        for message in messages:
            UpbPayload.FromString(message.payload)

    yield _row("decode: upb parse only, no value looked at", total, best_cpu_s(parse))
    yield from peer_rows(
        [(KINDS[i % len(KINDS)][0].label, _value(i, 0)) for i in range(METRICS)],
        [message.payload for message in messages[:PEER_MESSAGES]],
        START_MS,
        ours_encode_s=encode_s / total,
        ours_decode_s=decode_s / total,
    )


def upb_encode() -> None:
    """What `EdgeNode.observed` does, with upb alone."""
    for turn in range(MESSAGES):
        payload = UpbPayload(timestamp=START_MS, seq=turn % 256)
        for i in range(METRICS):
            metric = payload.metrics.add()
            metric.alias, metric.timestamp = i + 1, START_MS + turn
            value = KINDS[i % len(KINDS)][1]
            kind = i % len(KINDS)
            if kind == 0:
                metric.double_value = value
            elif kind == 1:
                metric.int_value = value & 0xFFFFFFFF
            elif kind == 2:
                metric.float_value = value
            else:
                metric.boolean_value = value
        payload.SerializeToString()


def upb_encode_us() -> float:
    """CPU in microseconds per metric: how fast this machine is now, by a library that stays."""
    return best_cpu_s(upb_encode) / (METRICS * MESSAGES) * 1e6


def _row(what: str, total: int, cpu_s: float, aim: str = "") -> Row:
    rate = f"{total / cpu_s / 1e6:.2f} M metrics/s"
    return Row("Sparkplug codec", what, rate, f"{cpu_s / total * 1e6:.3f} µs/metric", aim)
