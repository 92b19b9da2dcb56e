"""Rules of the envelope: quality of service, retain flag, times and numbers of any message."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from uns.sparkplug.monitor.rule import KEPT, Rule, tck
from uns.sparkplug.monitor.sight import Sight
from uns.sparkplug.names import MessageType

__all__ = ["COMMANDS", "MESSAGE_RULES", "SEQ_RULES"]

NBIRTH, NDATA, NDEATH = MessageType.NBIRTH, MessageType.NDATA, MessageType.NDEATH
DBIRTH, DDATA, DDEATH = MessageType.DBIRTH, MessageType.DDATA, MessageType.DDEATH
NCMD, DCMD = MessageType.NCMD, MessageType.DCMD
COMMANDS = (NCMD, DCMD)

_MAX_SEQ = 255
_NODE_FLOW = "message-flow-edge-node-birth-publish-nbirth"
_DEVICE_FLOW = "message-flow-device-birth-publish-dbirth"

_QOS = {
    NBIRTH: tck("topics-nbirth-mqtt", "payloads-nbirth-qos", f"{_NODE_FLOW}-qos"),
    DBIRTH: tck("topics-dbirth-mqtt", "payloads-dbirth-qos", f"{_DEVICE_FLOW}-qos"),
    NDATA: tck("topics-ndata-mqtt", "payloads-ndata-qos"),
    DDATA: tck("topics-ddata-mqtt", "payloads-ddata-qos"),
    DDEATH: tck("topics-ddeath-mqtt"),
    NCMD: tck("topics-ncmd-mqtt", "payloads-ncmd-qos"),
    DCMD: tck("topics-dcmd-mqtt", "payloads-dcmd-qos"),
}
_RETAIN = {
    NBIRTH: tck("topics-nbirth-mqtt", "payloads-nbirth-retain", f"{_NODE_FLOW}-retained"),
    DBIRTH: tck("topics-dbirth-mqtt", "payloads-dbirth-retain", f"{_DEVICE_FLOW}-retained"),
    NDATA: tck("topics-ndata-mqtt", "payloads-ndata-retain"),
    DDATA: tck("topics-ddata-mqtt", "payloads-ddata-retain"),
    DDEATH: tck("topics-ddeath-mqtt"),
    NDEATH: tck(
        "payloads-ndeath-will-message-retain",
        "message-flow-edge-node-birth-publish-will-message-will-retained",
    ),
    NCMD: tck("topics-ncmd-mqtt", "payloads-ncmd-retain"),
    DCMD: tck("topics-dcmd-mqtt", "payloads-dcmd-retain"),
}
_READABLE = {
    NBIRTH: tck(f"{_NODE_FLOW}-payload"),
    DBIRTH: tck(f"{_DEVICE_FLOW}-payload"),
    NDATA: tck("topics-ndata-payload"),
    DDATA: tck("topics-ddata-payload"),
    NDEATH: tck("message-flow-edge-node-birth-publish-will-message-payload"),
    NCMD: tck("topics-ncmd-payload"),
    DCMD: tck("topics-dcmd-payload"),
}
_TIMESTAMP = {
    NBIRTH: tck("topics-nbirth-timestamp", "payloads-nbirth-timestamp"),
    DBIRTH: tck("topics-dbirth-timestamp", "payloads-dbirth-timestamp"),
    NDATA: tck("topics-ndata-timestamp", "payloads-ndata-timestamp"),
    DDATA: tck("topics-ddata-timestamp", "payloads-ddata-timestamp"),
    DDEATH: tck("payloads-ddeath-timestamp"),
    NCMD: tck("topics-ncmd-timestamp", "payloads-ncmd-timestamp"),
    DCMD: tck("topics-dcmd-timestamp", "payloads-dcmd-timestamp"),
}
_ALWAYS = "payloads-sequence-num-always-included"
_SEQ = {
    NBIRTH: tck(_ALWAYS, "payloads-nbirth-seq"),
    DBIRTH: tck(_ALWAYS, "payloads-dbirth-seq"),
    NDATA: tck(_ALWAYS, "payloads-ndata-seq"),
    DDATA: tck(_ALWAYS, "payloads-ddata-seq"),
    DDEATH: tck(_ALWAYS, "payloads-ddeath-seq", "payloads-ddeath-seq-number"),
}
_NO_SEQ = {
    NDEATH: tck("topics-ndeath-seq", "payloads-ndeath-seq"),
    NCMD: tck("payloads-ncmd-seq"),
    DCMD: tck("payloads-dcmd-seq"),
}
_ORDERLY = "payloads-sequence-num-incrementing"
_NEXT = {
    DBIRTH: tck(
        _ORDERLY, "topics-dbirth-seq", "payloads-dbirth-seq-inc", f"{_DEVICE_FLOW}-payload-seq"
    ),
    NDATA: tck(_ORDERLY, "topics-ndata-seq-num", "payloads-ndata-seq-inc"),
    DDATA: tck(_ORDERLY, "topics-ddata-seq-num", "payloads-ddata-seq-inc"),
    DDEATH: tck(_ORDERLY, "topics-ddeath-seq-num", "payloads-ddeath-seq-inc"),
}


def _qos(sight: Sight) -> str | None:
    return KEPT if sight.message.qos == 0 else f"QoS {sight.message.qos}"


def _retain(sight: Sight) -> str | None:
    if sight.message.retain:
        return "retain true"
    return KEPT if sight.settings.sees_retain else None


def _readable(sight: Sight) -> str | None:
    return sight.unreadable


def _timestamp(sight: Sight) -> str | None:
    if sight.payload is None:
        return None
    return KEPT if sight.sent_ms is not None else "no timestamp"


def _utc(sight: Sight) -> str | None:
    sent_ms = sight.sent_ms
    # A will was written long before it is sent; what was retained, anybody's time ago.
    if sent_ms is None or sight.kind is NDEATH or sight.message.retain:
        return None
    off_ms = sent_ms - sight.now_ms
    if abs(off_ms) <= sight.settings.clock_ms:
        return KEPT
    return f"{sent_ms}, {abs(off_ms) / 1000:,.0f} s {'ahead of' if off_ms > 0 else 'behind'} ours"


def _seq(sight: Sight) -> str | None:
    if sight.payload is None:
        return None
    return KEPT if sight.seq is not None else "no seq"


def _no_seq(sight: Sight) -> str | None:
    if sight.payload is None:
        return None
    return KEPT if sight.seq is None else f"seq {sight.seq}"


def _birth_seq(sight: Sight) -> str | None:
    if sight.seq is None:
        return None
    return KEPT if sight.seq <= _MAX_SEQ else f"seq {sight.seq}"


def _birth_seq_zero(sight: Sight) -> str | None:
    if sight.seq is None or sight.seq > _MAX_SEQ:
        return None
    return KEPT if sight.seq == 0 else f"seq {sight.seq}"


_Judge = Callable[[Sight], str | None]
_TABLE: tuple[tuple[Mapping[MessageType, tuple[str, ...]], str, _Judge, str], ...] = (
    (_QOS, "QoS 0", _qos, "publish it with QoS 0"),
    (_RETAIN, "retain false", _retain, "publish it without the retain flag, and clear the topic"),
    (_READABLE, "a Sparkplug B payload", _readable, "encode it with the Sparkplug B schema"),
    (_TIMESTAMP, "a payload timestamp", _timestamp, "set Payload.timestamp to the time of sending"),
    (
        dict.fromkeys(_QOS, tck("payloads-timestamp-in-UTC")),
        "a payload timestamp of now, in milliseconds since 1970 UTC",
        _utc,
        "check the sender's clock and its time zone: UTC, milliseconds",
    ),
    (_SEQ, "seq, also where it is 0", _seq, "set Payload.seq explicitly"),
    (_NO_SEQ, "no seq", _no_seq, "leave Payload.seq out of this message"),
    (
        {
            NBIRTH: tck(
                "payloads-sequence-num-req-nbirth",
                "payloads-nbirth-seq",
                f"{_NODE_FLOW}-payload-seq",
            )
        },
        "seq in 0…255",
        _birth_seq,
        "count seq modulo 256",
    ),
    (
        {NBIRTH: tck("topics-nbirth-seq-num")},
        "seq 0",
        _birth_seq_zero,
        "restart seq at 0 with each NBIRTH",
    ),
)

MESSAGE_RULES: Mapping[MessageType, tuple[Rule[Sight], ...]] = {
    kind: tuple(
        Rule(ids[kind], expected, judge, remedy)
        for ids, expected, judge, remedy in _TABLE
        if kind in ids
    )
    for kind in MessageType
}
"""By kind: what one message shows by itself."""

SEQ_RULES: Mapping[MessageType, tuple[Rule[Sight], ...]] = {
    kind: (
        Rule(
            ids,
            "the node's previous seq + 1, 255 → 0",
            lambda sight: sight.seq_said,
            "use one counter for the node and all its devices; take a number only for what is sent",
        ),
    )
    for kind, ids in _NEXT.items()
}
"""By kind: what the order of messages shows."""
