"""Protobuf's variable-length integers, from tables."""

from __future__ import annotations

__all__ = ["varint"]

_CONTINUED = 0x80  # set on every byte but the last
_BITS, _MASK = 14, (1 << 14) - 1  # two bytes at a time
_TWO, _FOUR, _SIX = 1 << _BITS, 1 << 2 * _BITS, 1 << 3 * _BITS
_LAST = [bytes((n,)) if n < _CONTINUED else bytes((n & 0x7F | 0x80, n >> 7)) for n in range(_TWO)]
_MORE = [bytes((n & 0x7F | 0x80, n >> 7 | 0x80)) for n in range(_TWO)]


def varint(number: int) -> bytes:
    """The bytes of a number from 0 to 2**64 - 1, seven bits each, lowest first.

    >>> varint(300).hex()
    'ac02'
    """
    if number < _TWO:
        return _LAST[number]
    if number < _FOUR:
        return _MORE[number & _MASK] + _LAST[number >> _BITS]
    if number < _SIX:
        middle = _MORE[number >> _BITS & _MASK]
        return _MORE[number & _MASK] + middle + _LAST[number >> 2 * _BITS]
    head = b""
    while number > _MASK:
        head += _MORE[number & _MASK]
        number >>= _BITS
    return head + _LAST[number]
