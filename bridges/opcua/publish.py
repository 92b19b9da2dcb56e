"""The publish response, read from its bytes straight into readings.

Values arrive in thousands a second and each costs a general decoder a dozen Python objects;
here it costs one tuple. Only what nearly every server sends nearly always is understood: data
changes with scalar values (OPC UA part 6 §5.2, "OPC UA Binary"). For anything else `decode`
returns None and asyncua decodes the message.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from bridges.opcua.quality import quality
from uns.metric import Quality, Reading, Value

__all__ = ["Published", "decode", "milliseconds"]


class Published(NamedTuple):
    """What one publish response said. No readings: the server is merely alive."""

    subscription_id: int
    sequence_number: int
    readings: list[Reading]


def decode(body: bytes) -> Published | None:
    """Return what a publish response says, or None when it holds anything out of the ordinary."""
    try:
        return _response(body)
    except (_Unusual, struct.error, IndexError, UnicodeDecodeError):
        return None


def milliseconds(filetime: int) -> int:
    """A DateTime of the protocol (100 ns since 1601) in ms since 1970; 0 when there is none."""
    return (filetime - _EPOCH) // 10_000 if filetime > _EPOCH else 0


class _Unusual(Exception):  # noqa: N818 - a way out, not an error
    """Something that is left to asyncua."""


def _response(body: bytes) -> Published:
    type_id, _time, _handle, result, diagnostics, strings, extra_id, extra = _HEAD.unpack_from(body)
    if type_id != _PUBLISH_RESPONSE or result or diagnostics or strings > 0 or extra_id or extra:
        raise _Unusual
    subscription_id, available = _SUBSCRIPTION.unpack_from(body, _HEAD.size)
    position = _HEAD.size + _SUBSCRIPTION.size + 4 * max(0, available)
    _more, sequence_number, _time, count = _MESSAGE.unpack_from(body, position)
    position += _MESSAGE.size
    readings: list[Reading] = []
    for _ in range(count):
        type_id, encoding, length = _NOTIFICATION.unpack_from(body, position)
        if type_id != _DATA_CHANGE or encoding != _BINARY or length < 0:
            raise _Unusual
        position += _NOTIFICATION.size
        _append_items(body, position, readings)
        position += length
    return Published(subscription_id, sequence_number, readings)


def _append_items(body: bytes, position: int, readings: list[Reading]) -> None:
    """The hot path: one round for each value."""
    (count,) = _COUNT.unpack_from(body, position)
    position += _COUNT.size
    find, append, epoch = _USUAL.get, readings.append, _EPOCH
    for _ in range(count):
        usual = find(body[position + 4 : position + 6])
        if usual is None:
            item, position = _unusual_item(body, position)
            append(item)
            continue
        unpack_from, size = usual
        handle, value, *status, source, _server = unpack_from(body, position)
        position += size
        timestamp_ms = (source - epoch) // 10_000 if source > epoch else 0
        if status and status[0]:
            meaning = quality(status[0])
            append((handle, None if meaning == _BAD else value, meaning, timestamp_ms))
            continue
        append((handle, value, _GOOD, timestamp_ms))


def _unusual_item(body: bytes, position: int) -> tuple[Reading, int]:
    """A value with a status, a text or a missing timestamp, and where the next one begins."""
    handle, mask = _ITEM.unpack_from(body, position)
    position += _ITEM.size
    value: Value = None
    if mask & _HAS_VALUE:
        value, position = _scalar(body, position)
    fields: dict[int, int] = {}
    for bit, layout in _FIELDS:
        if mask & bit:
            (fields[bit],) = layout.unpack_from(body, position)
            position += layout.size
    meaning = quality(fields.get(_HAS_STATUS, 0))
    filetime = fields.get(_HAS_SOURCE_TIME, 0) or fields.get(_HAS_SERVER_TIME, 0)
    held = None if meaning == _BAD else value
    return (handle, held, meaning, milliseconds(filetime)), position


def _scalar(body: bytes, position: int) -> tuple[Value, int]:
    kind = body[position]
    position += 1
    layout = _SCALARS.get(kind)
    if layout is not None:
        return layout.unpack_from(body, position)[0], position + layout.size
    if kind == _NULL:
        return None, position
    if kind == _STRING:
        return _text(body, position)
    if kind == _DATE_TIME:
        return milliseconds(_TIME.unpack_from(body, position)[0]), position + _TIME.size
    raise _Unusual


def _text(body: bytes, position: int) -> tuple[str | None, int]:
    (length,) = _COUNT.unpack_from(body, position)
    position += _COUNT.size
    if length < 0:
        return None, position
    if position + length > len(body):
        raise _Unusual
    return body[position : position + length].decode(), position + length


_GOOD, _BAD = int(Quality.GOOD), int(Quality.BAD)
_EPOCH = 116_444_736_000_000_000  # 1970 in 100 ns since 1601, part 6 §5.2.2.5
_BINARY = 1  # the body of an extension object is bytes, part 6 §5.2.2.15

# Four-byte NodeIds (part 6 §5.2.2.9): encoding 1, namespace 0, then the number.
_PUBLISH_RESPONSE = 0x0001 | 829 << 16
_DATA_CHANGE = 0x0001 | 811 << 16

# Part 4 §7.33 ResponseHeader: type, time, handle, result, diagnostics, strings, additional header
_HEAD = struct.Struct("<IqIIBiHB")
_SUBSCRIPTION = struct.Struct("<Ii")  # id, count of available sequence numbers
_MESSAGE = struct.Struct("<?Iqi")  # more to come, sequence number, time, count of notifications
_NOTIFICATION = struct.Struct("<IBi")  # type, encoding, length
_COUNT = struct.Struct("<i")
_TIME = struct.Struct("<q")
_ITEM = struct.Struct("<IB")  # client handle, which fields of the DataValue are there

# Part 6 §5.2.2.17: the mask of a DataValue, and its fields in the order on the wire.
_HAS_VALUE, _HAS_STATUS, _HAS_SOURCE_TIME, _HAS_SERVER_TIME = 0x01, 0x02, 0x04, 0x08
_FIELDS = (
    (_HAS_STATUS, struct.Struct("<I")),
    (_HAS_SOURCE_TIME, _TIME),
    (0x10, struct.Struct("<H")),  # picoseconds of the source time
    (_HAS_SERVER_TIME, _TIME),
    (0x20, struct.Struct("<H")),  # picoseconds of the server time
)

# Part 6 §5.1.2: built-in types by number.
_NULL, _STRING, _DATE_TIME = 0, 12, 13
_FORMATS = {
    1: "?",
    2: "b",
    3: "B",
    4: "h",
    5: "H",
    6: "i",
    7: "I",
    8: "q",
    9: "Q",
    10: "f",
    11: "d",
}
_SCALARS = {kind: struct.Struct("<" + letter) for kind, letter in _FORMATS.items()}

# What nearly every value is: a number and both times, with or without a status.
_BOTH_TIMES = _HAS_VALUE | _HAS_SOURCE_TIME | _HAS_SERVER_TIME
_USUAL_LAYOUTS = {
    bytes((mask, kind)): struct.Struct(f"<I2x{letter}{status}qq")
    for kind, letter in _FORMATS.items()
    for mask, status in ((_BOTH_TIMES, ""), (_BOTH_TIMES | _HAS_STATUS, "I"))
}
_USUAL = {key: (layout.unpack_from, layout.size) for key, layout in _USUAL_LAYOUTS.items()}
