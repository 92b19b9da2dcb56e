"""Arrays of one datatype, packed into `bytes_value` as Sparkplug 3.0 §6.4.16 lays them out."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from uns.metric import DataType

__all__ = ["ELEMENT_OF", "is_array", "pack", "unpack"]

# Little-endian everywhere (eclipse-sparkplug/sparkplug#435: some examples of 3.0.0 are wrong).
_FORMATS = {
    DataType.INT8_ARRAY: "b",
    DataType.INT16_ARRAY: "h",
    DataType.INT32_ARRAY: "i",
    DataType.INT64_ARRAY: "q",
    DataType.UINT8_ARRAY: "B",
    DataType.UINT16_ARRAY: "H",
    DataType.UINT32_ARRAY: "I",
    DataType.UINT64_ARRAY: "Q",
    DataType.FLOAT_ARRAY: "f",
    DataType.DOUBLE_ARRAY: "d",
    DataType.DATETIME_ARRAY: "q",
}
ELEMENT_OF = {
    array: DataType[array.name.removesuffix("_ARRAY")]
    for array in DataType
    if array.name.endswith("_ARRAY")
}
_COUNT = struct.Struct("<I")


def is_array(datatype: DataType) -> bool:
    """Whether values of this type are lists."""
    return datatype in ELEMENT_OF


def pack(datatype: DataType, values: Sequence[Any]) -> bytes:
    """The bytes of a list; raises struct.error or ValueError where a value does not fit."""
    if datatype is DataType.BOOLEAN_ARRAY:
        return _pack_booleans(values)
    if datatype is DataType.STRING_ARRAY:
        return _pack_strings(values)
    return struct.pack(f"<{len(values)}{_FORMATS[datatype]}", *values)


def unpack(datatype: DataType, packed: bytes) -> tuple[Any, ...]:
    """The list in these bytes; raises ValueError where they are no such array."""
    if datatype is DataType.BOOLEAN_ARRAY:
        return _unpack_booleans(packed)
    if datatype is DataType.STRING_ARRAY:
        return _unpack_strings(packed)
    letter = _FORMATS[datatype]
    count, rest = divmod(len(packed), struct.calcsize(letter))
    if rest:
        raise ValueError(f"{len(packed)} bytes are no whole number of {datatype.label} elements")
    return struct.unpack(f"<{count}{letter}", packed)


def _pack_booleans(values: Sequence[Any]) -> bytes:
    """A count, then bits: the first value is the highest bit of the first byte."""
    bits = "".join("1" if value else "0" for value in values)
    size = -(-len(bits) // 8)
    whole = int(bits.ljust(size * 8, "0") or "0", 2)
    return _COUNT.pack(len(bits)) + whole.to_bytes(size, "big")


def _unpack_booleans(packed: bytes) -> tuple[bool, ...]:
    if len(packed) < _COUNT.size:
        raise ValueError("a BooleanArray begins with a count of four bytes")
    (count,) = _COUNT.unpack_from(packed)
    bits = packed[_COUNT.size :]
    if count > len(bits) * 8:
        raise ValueError(f"a BooleanArray says {count} values and has room for {len(bits) * 8}")
    return tuple(bool(bits[i >> 3] & 0x80 >> (i & 7)) for i in range(count))


def _pack_strings(values: Sequence[str]) -> bytes:
    """UTF-8, each ended by a NUL: a string in it cannot hold one."""
    if any("\0" in value for value in values):
        raise ValueError("a string of a StringArray cannot hold a NUL")
    return b"".join(value.encode() + b"\0" for value in values)


def _unpack_strings(packed: bytes) -> tuple[str, ...]:
    if not packed:
        return ()
    # A missing last NUL is forgiven: several encoders write separators, not terminators.
    return tuple(text.decode() for text in packed.removesuffix(b"\0").split(b"\0"))
