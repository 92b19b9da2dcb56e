"""Counting what a payload holds, before any memory is given to it.

Two bytes of an empty metric, member, row or property become a hundred once they are parsed, so
a message of a few megabytes could take all of a small computer's memory.
"""

from __future__ import annotations

__all__ = ["has_more_metrics", "has_more_parts"]

_LONGEST_VARINT = 10  # bytes (protobuf encoding guide): 64 bits in groups of seven
# protobuf's wire types; the ends of a group have no bytes, and what is in it counts as outside
_LENGTH_DELIMITED, _BYTES = 2, {1: 8, 3: 0, 4: 0, 5: 4}
_STOP = bytes(16)  # after the payload: nobody who reads a field has to look for the end
_CONTINUED = 0x80  # the top bit says that another byte follows
_METRICS = 2  # the field of a payload

# Fields that hold parts, by message (uns/sparkplug/wire.py); those with "" hold nothing more.
_PARTS: dict[str, dict[int, str]] = {
    "Payload": {2: "Metric"},
    "Metric": {9: "PropertySet", 17: "DataSet", 18: "Template"},
    "PropertySet": {1: "", 2: "PropertyValue"},
    "PropertyValue": {9: "PropertySet", 10: "PropertySetList"},
    "PropertySetList": {1: "PropertySet"},
    "DataSet": {2: "", 4: "Row"},
    "Row": {1: ""},
    "Template": {2: "Metric", 3: ""},
}


def has_more_metrics(data: bytes, limit: int) -> bool:
    """Whether more than `limit` metrics stand at the top level, or as many fields of other kinds."""
    metrics = others = place = 0
    end, data = len(data), data + _STOP
    while place < end and metrics <= limit >= others:
        number, _, place = _field(data, place)
        if number == _METRICS:
            metrics += 1
        else:
            others += 1
    return metrics > limit or others > limit


def has_more_parts(data: bytes, limit: int) -> bool:
    """Whether the payload is made of more than `limit` messages and keys, at any depth."""
    count = place = 0
    end, parts, data = len(data), _PARTS["Payload"], data + _STOP
    outside: list[tuple[int, dict[int, str]]] = []
    while count <= limit:
        if place >= end:
            if not outside:
                return False
            place, (end, parts) = end, outside.pop()
            continue
        number, begin, place = _field(data, place)
        kind = parts.get(number)
        if kind is None:
            continue
        count += 1
        if kind and place > begin:
            outside.append((end, parts))
            place, end, parts = begin, min(place, end), _PARTS[kind]
    return True


def _field(data: bytes, place: int) -> tuple[int, int, int]:
    """The field at `place`: its number (0 where it holds no bytes), where they begin and end."""
    tag = data[place]
    place += 1
    if tag >= _CONTINUED:
        tag, place = _varint(data, place - 1)
    wire_type = tag & 7
    if wire_type in _BYTES:
        return 0, place, place + _BYTES[wire_type]
    size = data[place]
    place += 1
    if size >= _CONTINUED:
        size, place = _varint(data, place - 1)
    if wire_type != _LENGTH_DELIMITED:
        return 0, place, place
    return tag >> 3, place, place + size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """The number at `place` and where it ends; what is longer than any varint ends the payload."""
    number = 0
    for shift, byte in enumerate(data[place : place + _LONGEST_VARINT]):
        number |= (byte & 0x7F) << 7 * shift
        if byte < _CONTINUED:
            return number, place + shift + 1
    return number, len(data) - 1
