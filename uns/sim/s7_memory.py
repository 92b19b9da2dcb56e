"""The memory of a simulated S7: areas as big-endian bytes, and what IEC types look like in them.

It shares no code with our S7 driver, so that the two can check each other.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

__all__ = ["S7Memory"]

_CODES = {
    "BYTE": ">B",
    "CHAR": ">B",
    "SINT": ">b",
    "USINT": ">B",
    "WORD": ">H",
    "WCHAR": ">H",
    "INT": ">h",
    "UINT": ">H",
    "DATE": ">H",
    "DWORD": ">I",
    "DINT": ">i",
    "UDINT": ">I",
    "REAL": ">f",
    "TIME": ">i",
    "TOD": ">I",
    "LWORD": ">Q",
    "LINT": ">q",
    "ULINT": ">Q",
    "LREAL": ">d",
    "LTIME": ">q",
    "LTOD": ">Q",
}
_WHOLE = "fd"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class S7Memory:
    """Areas by letter and number: `("DB", 10)`, and `("M", 0)`, `("I", 0)`, `("Q", 0)`.

    `forbidden` holds `(area, db, byte)` that the CPU protects, `missing` those that are not
    there; `optimized` data blocks that have no addresses.
    """

    def __init__(self, sizes: Mapping[tuple[str, int], int]) -> None:
        self.areas = {place: bytearray(size) for place, size in sizes.items()}
        self.forbidden: set[tuple[str, int, int]] = set()
        self.missing: set[tuple[str, int, int]] = set()
        self.optimized: set[int] = set()

    def __getitem__(self, place: tuple[str, int]) -> bytearray:
        return self.areas[place]

    def set(
        self,
        area: str,
        db: int,
        start: int,
        value: bool | float | str,  # noqa: FBT001 - the value to store
        type_name: str,
        *,
        bit: int = 0,
        length: int = 0,
    ) -> None:
        """Store `value` as `type_name`: BOOL at `bit`, STRING and WSTRING of `length`.

        LDT, DT and DTL take milliseconds since 1970, S5TIME takes milliseconds.
        """
        held = self.areas[area, db]
        if type_name == "BOOL":
            mask = 1 << bit
            held[start] = held[start] | mask if value else held[start] & ~mask
            return
        raw = _raw(value, type_name, length)
        if start + len(raw) > len(held):
            raise IndexError(f"{area}{db or ''} has no byte {start + len(raw) - 1}")
        held[start : start + len(raw)] = raw

    def get(
        self, area: str, db: int, start: int, type_name: str, *, bit: int = 0
    ) -> bool | int | float | str:
        """What is stored there as a number, a BOOL, a STRING or a WSTRING."""
        held = self.areas[area, db]
        if type_name == "BOOL":
            return bool(held[start] >> bit & 1)
        if type_name == "STRING":
            return bytes(held[start + 2 : start + 2 + held[start + 1]]).decode("cp1252")
        if type_name == "WSTRING":
            (length,) = struct.unpack_from(">H", held, start + 2)
            return bytes(held[start + 4 : start + 4 + 2 * length]).decode("utf-16-be")
        number: int | float = struct.unpack_from(_CODES[type_name], held, start)[0]
        return number


def _raw(value: float | str, type_name: str, length: int) -> bytes:
    if type_name in _TEXTS:
        return _TEXTS[type_name](str(value), length)
    if isinstance(value, str):
        return value.encode("cp1252" if type_name == "CHAR" else "utf-16-be")
    if type_name in _MOMENTS:
        return _MOMENTS[type_name](int(value))
    code = _CODES[type_name]
    return struct.pack(code, value if code[1] in _WHOLE else int(value))


def _string(text: str, length: int) -> bytes:
    raw = text.encode("cp1252", errors="replace")[:length]
    return bytes((length, len(raw))) + raw.ljust(length, b"\0")


def _wstring(text: str, length: int) -> bytes:
    raw = text.encode("utf-16-be")[: 2 * length]
    return struct.pack(">HH", length, len(raw) // 2) + raw.ljust(2 * length, b"\0")


def _s5time(milliseconds: int) -> bytes:
    milliseconds = min(milliseconds, 9_990_000)
    base = next(base for base in range(4) if milliseconds < 10_000 * 10**base)
    digits = milliseconds // (10 * 10**base)
    coded = digits // 100 << 8 | digits // 10 % 10 << 4 | digits % 10
    return struct.pack(">H", base << 12 | coded)


def _ldt(milliseconds: int) -> bytes:
    return struct.pack(">q", milliseconds * 1_000_000)


def _dt(milliseconds: int) -> bytes:
    at = _EPOCH + timedelta(milliseconds=milliseconds)
    pairs = (at.year % 100, at.month, at.day, at.hour, at.minute, at.second)
    milli = at.microsecond // 1000
    coded = [pair // 10 << 4 | pair % 10 for pair in pairs]
    last = (milli % 10) << 4 | at.isoweekday() % 7 + 1
    return bytes([*coded, milli // 100 << 4 | milli // 10 % 10, last])


def _dtl(milliseconds: int) -> bytes:
    at = _EPOCH + timedelta(milliseconds=milliseconds)
    day = struct.pack(">HBBB", at.year, at.month, at.day, at.isoweekday() % 7 + 1)
    return day + struct.pack(">BBBI", at.hour, at.minute, at.second, at.microsecond * 1000)


_TEXTS = {"STRING": _string, "WSTRING": _wstring}
_MOMENTS = {"S5TIME": _s5time, "LDT": _ldt, "DT": _dt, "DTL": _dtl}
