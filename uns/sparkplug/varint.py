"""Protobuf's variable-length integers, from tables."""

from __future__ import annotations

__all__ = ["LAST", "MORE", "PAIR", "varint"]

_CONTINUED = 0x80  # set on every byte but the last
_BITS, PAIR = 14, (1 << 14) - 1  # two bytes at a time
_TWO, _FOUR, _SIX = 1 << _BITS, 1 << 2 * _BITS, 1 << 3 * _BITS
# The two bytes of every 14 bits: where the number ends with them, and where more follow.
LAST = [bytes((n,)) if n < _CONTINUED else bytes((n & 0x7F | 0x80, n >> 7)) for n in range(_TWO)]
MORE = [bytes((n & 0x7F | 0x80, n >> 7 | 0x80)) for n in range(_TWO)]


def varint(number: int) -> bytes:
    """The bytes of a number from 0 to 2**64 - 1, seven bits each, lowest first.

    >>> varint(300).hex()
    'ac02'
    """
    if number < _TWO:
        return LAST[number]
    if number < _FOUR:
        return MORE[number & PAIR] + LAST[number >> _BITS]
    if number < _SIX:
        middle = MORE[number >> _BITS & PAIR]
        return MORE[number & PAIR] + middle + LAST[number >> 2 * _BITS]
    head = b""
    while number > PAIR:
        head += MORE[number & PAIR]
        number >>= _BITS
    return head + LAST[number]
