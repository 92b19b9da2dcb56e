"""The types of a Logix controller: how their values lie in an answer, and go into a request."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import TypeAlias

from bridges.logix.cip import MalformedError
from uns.errors import DeviceError
from uns.metric import DataType, Value

__all__ = ["BOOL_ARRAY", "KINDS", "Kind", "Structure", "Type", "is_text", "type_of"]

BOOL_ARRAY = 0xD3  # its elements are words of 32 BOOLs
_STRUCTURE = b"\xa0\x02"
_STRING, _STRING_BYTES = 0x0FCE, 82  # the handle of the controller's own STRING, and its room
_TEXT_HEAD = 4  # LEN, a DINT, before DATA
_ATOMIC_TAG, _STRUCTURE_TAG = 2, 4  # bytes of a type before its values


@dataclass(frozen=True, slots=True)
class Kind:
    """An elementary type: its code on the wire, its name, and how `struct` packs it."""

    code: int
    name: str
    form: str
    datatype: DataType

    @property
    def size(self) -> int:
        """Bytes of one element."""
        return struct.calcsize("<" + self.form)

    @property
    def tag(self) -> bytes:
        """The type as it stands before values."""
        return struct.pack("<H", self.code)

    def decoded(self, raw: bytes, count: int) -> tuple[Value, ...]:
        """The first `count` elements; MalformedError where they are not all there."""
        if len(raw) < count * self.size:
            raise MalformedError("fewer values than asked for")
        return struct.unpack_from(f"<{count}{self.form}", raw)

    def encoded(self, value: Value) -> bytes:
        """One element; DeviceError with a sentence where `value` does not fit."""
        if self.form == "?":
            return b"\1" if _truth(value) else b"\0"
        if not isinstance(value, int | float):
            raise DeviceError(f"{value!r} is no number, and the tag is a {self.name}")
        is_real = self.datatype.is_real
        if not is_real and (not math.isfinite(value) or value != int(value)):
            raise DeviceError(f"{value} is no whole number, and the tag is a {self.name}")
        try:
            return struct.pack("<" + self.form, float(value) if is_real else int(value))
        except (struct.error, OverflowError):
            raise DeviceError(f"{value} does not fit a {self.name}") from None


@dataclass(frozen=True, slots=True)
class Structure:
    """A user-defined type, known by its handle; read as text where it has LEN and DATA."""

    handle: int
    size: int

    datatype = DataType.STRING

    @property
    def name(self) -> str:
        """What it is called in a sentence."""
        return "STRING" if self.is_string else f"structure (0x{self.handle:04X})"

    @property
    def is_string(self) -> bool:
        """Whether it is the controller's own STRING, and not a type of somebody's."""
        return self.handle == _STRING

    @property
    def tag(self) -> bytes:
        """The type as it stands before values."""
        return _STRUCTURE + struct.pack("<H", self.handle)

    @property
    def text_bytes(self) -> int:
        """How much text surely fits: a structure is rounded up to four bytes, its DATA is not."""
        return _STRING_BYTES if self.is_string else self.size - _TEXT_HEAD - 3

    def decoded(self, raw: bytes, count: int) -> tuple[Value, ...]:
        """Its text, None where it is longer than its room. What is not UTF-8 is Latin-1."""
        del count  # structures are read one at a time
        return (_text_of(raw),)

    def encoded(self, value: Value) -> bytes:
        """LEN and DATA, filled up to the structure's size."""
        if not isinstance(value, str):
            raise DeviceError(f"{value!r} is no text")
        raw = value.encode()
        if len(raw) > self.text_bytes:
            raise DeviceError(f"{value!r} is longer than {self.text_bytes} bytes")
        return struct.pack("<I", len(raw)) + raw.ljust(self.size - _TEXT_HEAD, b"\0")


Type: TypeAlias = Kind | Structure

KINDS = {
    code: Kind(code, name, form, datatype)
    for code, name, form, datatype in (
        (0xC1, "BOOL", "?", DataType.BOOLEAN),
        (0xC2, "SINT", "b", DataType.INT8),
        (0xC3, "INT", "h", DataType.INT16),
        (0xC4, "DINT", "i", DataType.INT32),
        (0xC5, "LINT", "q", DataType.INT64),
        (0xC6, "USINT", "B", DataType.UINT8),
        (0xC7, "UINT", "H", DataType.UINT16),
        (0xC8, "UDINT", "I", DataType.UINT32),
        (0xC9, "ULINT", "Q", DataType.UINT64),
        (0xCA, "REAL", "f", DataType.FLOAT),
        (0xCB, "LREAL", "d", DataType.DOUBLE),
        (0xD1, "BYTE", "B", DataType.UINT8),
        (0xD2, "WORD", "H", DataType.UINT16),
        (BOOL_ARRAY, "DWORD", "I", DataType.UINT32),
        (0xD4, "LWORD", "Q", DataType.UINT64),
    )
}


def type_of(body: bytes) -> tuple[Type | int, bytes]:
    """The type that an answer begins with, and the values behind it.

    A number is the code of a type that is not known here.
    """
    if body[:2] == _STRUCTURE:
        if len(body) < _STRUCTURE_TAG:
            raise MalformedError("an answer without a type")
        raw = body[_STRUCTURE_TAG:]
        return Structure(struct.unpack_from("<H", body, 2)[0], len(raw)), raw
    if len(body) < _ATOMIC_TAG:
        raise MalformedError("an answer without a type")
    (code,) = struct.unpack_from("<H", body)
    return KINDS.get(code, code), body[_ATOMIC_TAG:]


def is_text(raw: bytes) -> bool:
    """Whether the bytes of a structure can be LEN and DATA."""
    return _text_of(raw) is not None


def _text_of(raw: bytes) -> str | None:
    if len(raw) <= _TEXT_HEAD:
        return None
    (length,) = struct.unpack_from("<i", raw)
    if not 0 <= length <= len(raw) - _TEXT_HEAD:
        return None
    text = raw[_TEXT_HEAD : _TEXT_HEAD + length]
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text.decode("latin-1")


def _truth(value: Value) -> bool:
    if value not in (0, 1):
        raise DeviceError(f"{value!r} is neither true nor false")
    return bool(value)
