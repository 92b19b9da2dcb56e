"""What the bytes of an S7 mean: a field to read for each type, and the bytes of a value to write.

Numbers are big-endian. Dates with a time of day are what a clock on the wall shows, in the
connection's time zone; as values they are milliseconds since 1970 UTC. A bare date is midnight
UTC. Durations are numbers in the unit that their type has.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from zoneinfo import ZoneInfo

from bridges.blocks import Field, Space
from bridges.s7.address import S7Address
from uns.errors import DeviceError
from uns.metric import DataType, Value

__all__ = ["encoded", "field_of"]

_CODES = {
    "BYTE": "B",
    "CHAR": "B",
    "SINT": "b",
    "USINT": "B",
    "WORD": "H",
    "WCHAR": "H",
    "INT": "h",
    "UINT": "H",
    "DATE": "H",
    "DWORD": "I",
    "DINT": "i",
    "UDINT": "I",
    "REAL": "f",
    "TIME": "i",
    "TOD": "I",
    "LWORD": "Q",
    "LINT": "q",
    "ULINT": "Q",
    "LREAL": "d",
    "LTIME": "q",
    "LTOD": "Q",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_S7_EPOCH = datetime(1990, 1, 1, tzinfo=UTC)  # the first day of DATE, and of DT's two-digit years
_DAY_MS = 86_400_000
_NS_PER_MS = 1_000_000
_S5_BASES_MS = (10, 100, 1000, 10_000)  # of an S5TIME, by the digit before its three
_S5_MOST = 999
_LAST_YEAR_OF_DT = 2089


def field_of(
    handle: int, address: S7Address, datatype: DataType, space: Space, zone: str = "UTC"
) -> Field:
    """Where a tag lies in `space`, and how its bytes become a value; `address` is typed."""
    kind = address.type_name
    decode = _moment_decoder(kind, zone) if kind in _CLOCKS else _DECODERS.get(kind)
    if kind in ("CHAR", "WCHAR") and datatype.is_text:
        decode = _CHARACTERS[kind]
    if kind == "DATE" and datatype is DataType.DATETIME:
        decode = _date_ms
    return Field(
        handle=handle,
        space=space,
        start=address.start,
        cells=address.size,
        code="" if kind == "BOOL" else _CODES.get(kind, ""),
        bit=address.bit,
        decode=decode,
    )


def encoded(address: S7Address, datatype: DataType, value: Value, zone: str = "UTC") -> bytes:
    """The bytes of `value` at a typed address; raises DeviceError where it does not fit.

    A text's come with its head but for the first half, how long it may be: that is the PLC's.
    """
    kind = address.type_name
    if kind == "BOOL":
        if value not in (0, 1):
            raise DeviceError(f"{address}: {value!r} is neither true nor false")
        return bytes((bool(value),))
    if kind in _CHARACTERS and (datatype.is_text or address.length):
        return _text(address, value)
    number = _number(address, value)
    try:
        if kind == "DATE" and datatype is DataType.DATETIME:
            return struct.pack(">H", (_moment(int(number)) - _S7_EPOCH).days)
        if kind == "S5TIME":
            return _s5time(int(number))
        if kind in _CLOCKS:
            return _CLOCKS[kind][1](_moment(int(number)).astimezone(_zone(zone)))
        code = _CODES[kind]
        return struct.pack(f">{code}", number if code in "fd" else int(number))
    except (struct.error, OverflowError, ValueError):
        raise DeviceError(f"{address}: {number} does not fit {kind}") from None


def _number(address: S7Address, value: Value) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise DeviceError(f"{address}: {value!r} is no number")
    is_real = address.type_name in ("REAL", "LREAL")
    if not is_real and value != int(value):
        raise DeviceError(f"{address}: {value} is no whole number, and the PLC holds one")
    return value


# ---------------------------------------------------------------- texts


def _text(address: S7Address, value: Value) -> bytes:
    if not isinstance(value, str):
        raise DeviceError(f"{address}: {value!r} is no text")
    kind = address.type_name
    if len(value) > (address.length or 1) or not (value or address.length):
        most = f"{address.length} characters" if address.length else "one character"
        raise DeviceError(f"{address}: {value!r} does not fit {most}")
    if kind in ("WSTRING", "WCHAR"):
        return _wide(address, value)
    try:
        raw = value.encode("cp1252")
    except UnicodeEncodeError:
        raise DeviceError(
            f"{address}: {value!r} has letters that a {kind} cannot hold",
            hint=f"a W{kind} in the PLC can",
        ) from None
    return bytes((len(raw),)) + raw if address.length else raw


def _wide(address: S7Address, value: str) -> bytes:
    raw = value.encode("utf-16-be", errors="replace")
    units = len(raw) // 2  # a letter outside the basic plane takes two
    if units > (address.length or 1):
        raise DeviceError(f"{address}: {value!r} does not fit {address.length or 1} characters")
    return struct.pack(">H", units) + raw if address.length else raw


def _narrow_text(raw: bytes) -> str:
    """Windows-1252, as TIA Portal's; the five bytes that it leaves out as Latin-1 has them."""
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _string(raw: bytes) -> str | None:
    most, length = raw[0], raw[1]
    if length > most or length > len(raw) - 2:
        return None  # these bytes are no STRING, or a longer one than the address says
    return _narrow_text(raw[2 : 2 + length])


def _wstring(raw: bytes) -> str | None:
    most, length = struct.unpack_from(">HH", raw)
    if length > most or 4 + 2 * length > len(raw):
        return None
    return raw[4 : 4 + 2 * length].decode("utf-16-be", errors="replace")


def _wide_character(raw: bytes) -> str:
    return raw.decode("utf-16-be", errors="replace")


# ---------------------------------------------------------------- dates and times


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _moment(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


def _date_ms(raw: bytes) -> int:
    return _milliseconds(_S7_EPOCH) + int.from_bytes(raw, "big") * _DAY_MS


@cache
def _zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)


@cache
def _moment_decoder(kind: str, zone: str) -> Callable[[bytes], int | None]:
    """A function from the bytes of a moment to milliseconds; the same one for the same zone."""
    read, where = _CLOCKS[kind][0], _zone(zone)

    def decode(raw: bytes) -> int | None:
        try:
            return _milliseconds(read(raw).replace(tzinfo=where))
        except (ValueError, OverflowError):
            return None  # a date that is none

    return decode


def _from_ldt(raw: bytes) -> datetime:
    """LDT: nanoseconds since 1970."""
    return _EPOCH + timedelta(microseconds=int.from_bytes(raw, "big", signed=True) // 1000)


def _ldt(shown: datetime) -> bytes:
    microseconds = (shown.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
    return struct.pack(">q", microseconds * 1000)


def _from_dt(raw: bytes) -> datetime:
    """DATE_AND_TIME: two digits in each byte; the last holds a millisecond and the weekday."""
    digits = raw.hex()
    year, month, day, hour, minute, second = (int(digits[at : at + 2]) for at in range(0, 12, 2))
    full = year + (1900 if year >= _S7_EPOCH.year % 100 else 2000)
    micro = int(digits[12:15]) * 1000
    return datetime(full, month, day, hour, minute, second, micro, tzinfo=UTC)


def _dt(shown: datetime) -> bytes:
    if not _S7_EPOCH.year <= shown.year <= _LAST_YEAR_OF_DT:
        raise ValueError
    milli = shown.microsecond // 1000
    return bytes.fromhex(f"{shown:%y%m%d%H%M%S}{milli:03d}{_weekday(shown)}")


def _from_dtl(raw: bytes) -> datetime:
    """DTL: year, month, day, weekday, hour, minute, second, nanoseconds."""
    year, month, day, _, hour, minute, second, nano = struct.unpack(">HBBBBBBI", raw)
    return datetime(year, month, day, hour, minute, second, nano // 1000, tzinfo=UTC)


def _dtl(shown: datetime) -> bytes:
    date = (shown.year, shown.month, shown.day, _weekday(shown))
    clock = (shown.hour, shown.minute, shown.second, shown.microsecond * 1000)
    return struct.pack(">HBBBBBBI", *date, *clock)


def _weekday(shown: datetime) -> int:
    return shown.isoweekday() % 7 + 1  # Sunday is 1


def _s5time_ms(raw: bytes) -> int | None:
    """S5TIME: a time base and three digits."""
    digits = raw.hex()
    base = int(digits[0], 16) & 3  # the two bits before it mean nothing
    return int(digits[1:]) * _S5_BASES_MS[base] if digits[1:].isdecimal() else None


def _s5time(milliseconds: int) -> bytes:
    for base, unit in enumerate(_S5_BASES_MS):
        if 0 <= milliseconds <= _S5_MOST * unit and milliseconds % unit == 0:
            return bytes.fromhex(f"{base}{milliseconds // unit:03d}")
    raise ValueError


_DECODERS: dict[str, Callable[[bytes], Value]] = {
    "STRING": _string,
    "WSTRING": _wstring,
    "S5TIME": _s5time_ms,
}
_CHARACTERS: dict[str, Callable[[bytes], Value]] = {
    "CHAR": _narrow_text,
    "WCHAR": _wide_character,
    "STRING": _string,
    "WSTRING": _wstring,
}
_CLOCKS: dict[str, tuple[Callable[[bytes], datetime], Callable[[datetime], bytes]]] = {
    "LDT": (_from_ldt, _ldt),
    "DT": (_from_dt, _dt),
    "DTL": (_from_dtl, _dtl),
}
