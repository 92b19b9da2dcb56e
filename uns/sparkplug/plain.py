"""Plain data: metrics of an alias, a time and a scalar, read by the shape of their bytes.

Protobuf's own objects cost a microsecond for each metric, half of it for the way into its
fields. But encoders write fields in the order of their numbers, so a metric of a data message
is almost always alias, time, value: its first bytes say which metric it is, and the parts stand
at places that are known. Whatever has another shape - a name, a quality, a null, another order -
is left to the thorough way. tests/sparkplug/test_plain.py holds both to the same answers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from uns.metric import DataType
from uns.sparkplug.slot import Slot
from uns.sparkplug.varint import PAIR, varint

__all__ = ["Way", "head_of", "number_of", "past_value", "way_to"]

_ALIAS, _TIMESTAMP = b"\x10", b"\x18"  # tags: field number << 3 | wire type
_IS_HISTORICAL = b"\x28\x01"
_STAMP_BYTES = 6  # of a time between 1971 and 2109
_TAGS = {
    "int_value": 0x50,
    "long_value": 0x58,
    "float_value": 0x65,
    "double_value": 0x69,
    "boolean_value": 0x70,
    "string_value": 0x7A,
}
_FIXED = {"float_value": "f", "double_value": "d", "boolean_value": "?"}
_WIDTHS = {"int_value": 32, "long_value": 64}
_LEAST, _MOST = -1024, PAIR  # numbers that are looked up: all of two bytes, and some below zero
_CONTINUED = 0x80


class Way(NamedTuple):
    """How one metric is read: `unpack` gives the time's bytes and the tag of the value.

    Where `read` is None it gives the value too. Else the value stands behind `begin`: `known`
    has the usual ones by their bytes, `read` reads the rest or gives None.
    """

    slot: Slot
    unpack: Callable[[bytes], tuple[Any, ...]]
    tag: int
    begin: int
    known: Callable[[bytes], Any]
    read: Callable[[bytes], Any] | None


def head_of(alias: int) -> bytes:
    """What stands before the time of a metric that goes by alias; no head begins another."""
    return _ALIAS + varint(alias) + _TIMESTAMP


def way_to(slot: Slot) -> Way | None:
    """The way of a scalar metric with an alias, by the field that carries it; else None."""
    tag = _TAGS.get(slot.field)
    if tag is None or slot.alias is None:
        return None
    begin = len(head_of(slot.alias))
    letter = _FIXED.get(slot.field)
    if letter is not None:
        whole = _struct(f"<{begin}x6sB{letter}")
        return Way(slot, whole.unpack, tag, 0, _nothing, None)
    front = _struct(f"<{begin}x6sB")
    known, read = _readers(slot)
    return Way(slot, front.unpack_from, tag, front.size, known, read)


_struct = cache(struct.Struct)  # metrics of one type and length of alias share theirs


def past_value(way: Way, raw: bytes) -> tuple[bytes, Any] | None:
    """The time's bytes and the value of a metric that is plain but for being historical."""
    mark = len(head_of(way.slot.alias or 0)) + _STAMP_BYTES
    if raw[mark : mark + 2] != _IS_HISTORICAL:
        return None
    raw = raw[:mark] + raw[mark + 2 :]
    try:
        stamp, tag, *rest = way.unpack(raw)
        value = rest[0] if rest else way.known(raw[way.begin :])
        if value is None and way.read is not None:
            value = way.read(raw[way.begin :])
    except (struct.error, ValueError):
        return None
    return (stamp, value) if tag == way.tag and value is not None else None


def number_of(digits: bytes) -> int | None:
    """The number in a whole varint; None where the bytes are more or less than one.

    Counters take three or four bytes, negative Int32s five: each is one expression.
    """
    match len(digits):
        case 3:
            a, b, c = digits
            if a & b & ~c & _CONTINUED:
                return a + (b << 7) + (c << 14) - _MARKS[3]
        case 4:
            a, b, c, d = digits
            if a & b & c & ~d & _CONTINUED:
                return a + (b << 7) + (c << 14) + (d << 21) - _MARKS[4]
        case 5:
            a, b, c, d, e = digits
            if a & b & c & d & ~e & _CONTINUED:
                return a + (b << 7) + (c << 14) + (d << 21) + (e << 28) - _MARKS[5]
        case _:
            return _any_number(digits)
    return None


# What the marks of "another byte follows" add to a number of so many bytes.
_MARKS = [sum(_CONTINUED << 7 * place for place in range(size - 1)) for size in range(6)]


def _any_number(digits: bytes) -> int | None:
    number = 0
    for place, byte in enumerate(digits):
        number |= (byte & 0x7F) << 7 * place
        if byte < _CONTINUED:
            return number if place == len(digits) - 1 else None
    return None


def _readers(slot: Slot) -> tuple[Callable[[bytes], Any], Callable[[bytes], Any]]:
    if slot.field == "string_value":
        return _nothing, _text
    return _integers(slot.datatype, _WIDTHS[slot.field], slot.read)


def _nothing(_digits: bytes) -> None:
    return None


def _text(field: bytes) -> str | None:
    """A text of less than 128 bytes; raises ValueError where it is not UTF-8."""
    if not field or field[0] != len(field) - 1:
        return None
    return field[1:].decode()


@cache
def _small_numbers(least: int, most: int, width: int) -> dict[bytes, int]:
    """Numbers by their digits in a field of this width."""
    return {varint(number & (1 << width) - 1): number for number in range(least, most + 1)}


@cache
def _integers(
    datatype: DataType, width: int, judge: Callable[[int], int] | None
) -> tuple[Callable[[bytes], Any], Callable[[bytes], Any]]:
    """How whole numbers of this datatype are read; `judge` raises ValueError for what is none."""
    low, high = datatype.limits or (-(1 << 63), (1 << 63) - 1)  # DateTime
    whole = 1 << width
    if high >= whole:  # a number of 64 bits in a field of 32: its sign had no room
        low = 0
    known = _small_numbers(max(low, _LEAST), min(high, _MOST), width)

    def read(digits: bytes) -> int | None:
        number = number_of(digits)
        if number is None or number >= whole:
            return None
        if number <= high:
            return number
        if number >= whole + low:  # its sign is extended to the width of the field
            return number - whole
        return judge(number) if judge is not None else None

    return known.get, read
