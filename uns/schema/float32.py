"""Float: the plant's 32-bit numbers, written as the shortest decimal that means the same number.

A PLC's REAL 0.1 reaches us as the 64-bit number 0.10000000149011612. Whoever reads the tree
wants `0.1`, and wants the same REAL back when it is parsed: nine digits are always enough,
seven usually are (IEEE 754: 24 bits of significand).

`float32_text` tries 7, 8 and 9 digits without formatting anything until the end: scale to a
whole number of that many digits, scale back, and see whether rounding to 24 bits gives the
value again. It takes a third of the time of trying `%.7g`, and the text is never more than one digit
longer (3 values in 10,000; tests/schema/test_float32.py).
"""

from __future__ import annotations

import math
import struct

import msgspec

__all__ = ["as_float32", "float32_text", "shortest"]

_FLOAT32 = struct.Struct("<f")
_encode = msgspec.json.Encoder().encode  # writes a 64-bit number as its shortest decimal
_frexp = math.frexp

_TO_WHOLE = 6755399441055744.0  # 1.5 * 2**52: adding and subtracting it rounds to a whole number
_TO_24_BITS = 536870913.0  # 2**29 + 1: Veltkamp's split rounds 53 bits to 24


def _scales(exponent: int) -> tuple[float, float, float]:
    """Return what makes whole numbers of 7, 8, 9 digits from values of at least 2**(exponent-1)."""
    decade = math.floor(math.log10(2.0 ** (exponent - 1)))
    return 10.0 ** (6 - decade), 10.0 ** (7 - decade), 10.0 ** (8 - decade)


# Powers of ten between 1 and 1e22 are exact in 64 bits; values beyond go the slow way.
_SCALES = {exponent: _scales(exponent) for exponent in range(-39, 24)}


def as_float32(value: float) -> float:
    """Return the 32-bit number nearest to `value`; infinity where it is too large."""
    try:
        nearest: float = _FLOAT32.unpack(_FLOAT32.pack(value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)
    return nearest


def shortest(value: float) -> float:
    """Return the 64-bit number whose shortest text is `value`'s shortest text as a Float.

    >>> shortest(0.10000000149011612)
    0.1
    """
    wanted = as_float32(value)
    for digits in (7, 8):
        candidate = float(f"{value:.{digits}g}")
        if as_float32(candidate) == wanted:
            return candidate
    return float(f"{value:.9g}")


def float32_text(value: float) -> bytes:
    """Return a finite Float as JSON.

    >>> float32_text(0.10000000149011612)
    b'0.1'
    """
    scales = _SCALES.get(_frexp(value)[1])
    if scales is None:
        return _encode(shortest(value))
    seven, eight, nine = scales
    near = (value * seven + _TO_WHOLE - _TO_WHOLE) / seven
    split = near * _TO_24_BITS
    if split - (split - near) == value:
        return _encode(near)
    near = (value * eight + _TO_WHOLE - _TO_WHOLE) / eight
    split = near * _TO_24_BITS
    if split - (split - near) == value:
        return _encode(near)
    return _encode((value * nine + _TO_WHOLE - _TO_WHOLE) / nine)
