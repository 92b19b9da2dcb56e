"""Coercion: a device's value as its tag's datatype, scaled; None where it does not fit.

Nothing is bent to fit: a number out of the type's limits, NaN, infinity, a text that is no
number and a text that is too long all come back as None, which the tree shows as Bad. Only
fractions are lost on purpose, where the engineer asked for a whole number: to the nearest.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from uns.metric import DataType, Value

__all__ = ["Coercion", "Scale", "coercion", "misfit", "to_write", "unscaled"]

Scale: TypeAlias = tuple[float, float, float, float]  # raw low, raw high, low, high

MAX_TEXT = 65_535  # bytes; the longest UTF-8 string that MQTT can carry (MQTT 5.0 §1.5.4)
_FLOAT_MAX = 3.4028234663852886e38  # IEEE 754 binary32
_DOUBLE_MAX = 1.7976931348623157e308
_INT64, _UINT64 = -(2**63), 2**64 - 1  # the whole numbers that devices have
_DATETIME_MAX = 253_402_300_799_999  # the last millisecond of the year 9999 (RFC 3339)
_TRUTHS: Mapping[str, bool] = {
    "true": True,
    "on": True,
    "yes": True,
    "1": True,
    "false": False,
    "off": False,
    "no": False,
    "0": False,
}


@dataclass(frozen=True, slots=True)
class Coercion:
    """How values become a datatype.

    A value of exactly the Python type `plain` between `low` and `high` is right as it is, and
    hot loops test that themselves; all others go through `convert`.
    """

    plain: type | None
    low: Any
    high: Any
    convert: Callable[[Any], Value]


def coercion(datatype: DataType, scale: Scale | None = None) -> Coercion:
    """The coercion to `datatype`; `scale` maps raw low…high to low…high on the way."""
    if datatype.is_integer or datatype is DataType.DATETIME:
        low, high = datatype.limits or (0, _DATETIME_MAX)
        return _number(int, low, high, scale)
    if datatype.is_real:
        most = _FLOAT_MAX if datatype is DataType.FLOAT else _DOUBLE_MAX
        return _number(float, -most, most, scale)
    if datatype is DataType.BOOLEAN:
        return Coercion(bool, False, True, _as_truth)
    if datatype.is_text:
        return Coercion(None, None, None, _as_text)
    if datatype in (DataType.BYTES, DataType.FILE):
        return Coercion(None, None, None, _as_bytes)
    return Coercion(None, None, None, lambda value: value)  # arrays: the codec knows them


def misfit(value: Value, datatype: DataType, scale: Scale | None = None) -> str:
    """Why a device's value became None.

    >>> misfit(70_000, DataType.UINT16)
    '70000 does not fit UInt16, which holds 0 to 65535'
    """
    scaled = " when it is scaled" if scale else ""
    return f"{reprlib.repr(value)} does not fit {datatype.label}{_room(datatype)}{scaled}"


def unscaled(value: Value, scale: Scale | None) -> Value:
    """What to write to a device so that it reads as `value`; numbers only.

    >>> unscaled(50.0, (0.0, 27648.0, 0.0, 100.0))
    13824.0
    """
    if scale is None or isinstance(value, bool) or not isinstance(value, int | float):
        return value
    raw_low, raw_high, low, high = scale
    return raw_low + (value - low) * (raw_high - raw_low) / (high - low) if high != low else None


def to_write(
    value: Value, datatype: DataType, scale: Scale | None, *, counts: bool
) -> tuple[Value, str]:
    """What to write to a device so that it reads as `value`, or why nothing can be written.

    Where the device `counts`, the nearest whole number is taken if it reads as `value` does at
    the decimals that `value` has.

    >>> to_write(50.1, DataType.FLOAT, (0, 27648, 0, 100), counts=True)
    (13852, '')
    >>> to_write(42.0, DataType.FLOAT, (0, 10, 0, 100), counts=True)
    (None, 'it can be 40 or 50, and nothing between')
    """
    if problem := _misfit(value, datatype):
        return None, problem
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value, ""
    raw = unscaled(value, scale)
    if raw is None:
        return None, "its scale makes one value of all"
    if not counts or isinstance(raw, int) or not isinstance(raw, float) or not math.isfinite(raw):
        return raw, ""
    below = math.floor(raw)
    nearest, other = (below, below + 1) if raw - below <= _HALF else (below + 1, below)
    shown, beside = _rescaled(nearest, scale), _rescaled(other, scale)
    if abs(shown - value) <= _half_a_place(value, datatype):
        return nearest, ""
    less, more = sorted((shown, beside))
    return None, f"it can be {less:.7g} or {more:.7g}, and nothing between"


_HALF = 0.5
_DIGITS: Mapping[DataType, int] = {DataType.FLOAT: 7}  # that survive the way; 15 of a Double


def _misfit(value: Value, datatype: DataType) -> str:
    """Why a value cannot be one of this datatype, without bending it; empty where it can."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if datatype.is_integer or datatype.is_real or datatype is DataType.DATETIME:
        if not is_number:
            return f"{value!r} is no number"
        if datatype.is_integer and isinstance(value, float) and not value.is_integer():
            return f"{value!r} is no whole number, and it is {datatype.label}"
    elif datatype is DataType.BOOLEAN and not isinstance(value, bool) and value not in (0, 1):
        return f"{value!r} is neither true nor false"
    elif datatype.is_text and not isinstance(value, str):
        return f"{value!r} is no text"
    if coercion(datatype).convert(value) is not None:
        return ""
    return f"{value!r} does not fit {datatype.label}{_room(datatype)}"


def _room(datatype: DataType) -> str:
    limits = datatype.limits
    return f", which holds {limits[0]} to {limits[1]}" if limits else ""


def _rescaled(raw: float, scale: Scale | None) -> float:
    if scale is None:
        return float(raw)
    raw_low, raw_high, low, high = scale
    return low + (raw - raw_low) * (high - low) / (raw_high - raw_low)


def _half_a_place(value: float, datatype: DataType) -> float:
    """Half of the last decimal that a number has: 0.05 of 50.1."""
    digits = _DIGITS.get(datatype, 15)
    exponent = Decimal(f"{value:.{digits}g}").as_tuple().exponent
    places = exponent if isinstance(exponent, int) else 0
    return _HALF * 10.0 ** min(places, 0) * (1 + 1e-9)


def _number(kind: type, low: float, high: float, scale: Scale | None) -> Coercion:
    """A coercion to int or float; a scaled one has no plain values."""
    raw_low, raw_high, scaled_low, scaled_high = scale or (0.0, 1.0, 0.0, 1.0)
    if raw_low == raw_high:  # nothing can be said of a range without extent
        return Coercion(None, None, None, lambda _: None)
    factor = (scaled_high - scaled_low) / (raw_high - raw_low)

    def convert(value: Any) -> Value:
        number = _as_number(value)
        if number is None or not -_DOUBLE_MAX <= number <= _DOUBLE_MAX:
            return None  # NaN, infinity and whole numbers beyond any float end here
        if scale:
            number = scaled_low + (number - raw_low) * factor
        if kind is float:
            number = float(number)
        elif low - 1 <= number <= high + 1:  # so that infinity is never rounded
            number = round(number)
        return number if low <= number <= high else None

    if not scale:
        return Coercion(kind, low, high, convert)
    quick = _scaled_real(convert, low, high, (raw_low, scaled_low, factor))
    return Coercion(None, low, high, quick if kind is float else convert)


def _scaled_real(
    convert: Callable[[Any], Value], least: float, most: float, line: tuple[float, float, float]
) -> Callable[[Any], Value]:
    """The same as `convert`, quicker for the numbers that devices have."""
    raw_low, low, factor = line

    def quick(value: Any) -> Value:
        if type(value) is float or (type(value) is int and _INT64 <= value <= _UINT64):
            number: float = low + (value - raw_low) * factor
            if least <= number <= most:
                return number
        return convert(value)

    return quick


def _as_number(value: Any) -> int | float | None:
    if isinstance(value, int | float):  # a bool is 0 or 1
        return int(value) if isinstance(value, bool) else value
    if not isinstance(value, str):
        return None
    text = value.strip()
    for read in (int, float):
        try:
            return read(text)
        except (ValueError, OverflowError):
            continue
    return None


def _as_truth(value: Any) -> Value:
    if isinstance(value, str):
        return _TRUTHS.get(value.strip().lower())
    if not isinstance(value, int | float) or math.isnan(value):
        return None
    return value != 0


def _as_text(value: Any) -> Value:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    try:
        text = value.decode() if isinstance(value, bytes) else value
        fits = isinstance(text, str) and len(text.encode()) <= MAX_TEXT
    except UnicodeError:
        return None
    return text if fits else None


def _as_bytes(value: Any) -> Value:
    if isinstance(value, str):
        value = value.encode(errors="surrogatepass")
    return value if isinstance(value, bytes) else None
