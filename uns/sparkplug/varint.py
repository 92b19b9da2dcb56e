"""Protobuf's variable-length integers, from tables."""

from __future__ import annotations

__all__ = ["varint"]

_BITS = 14
_CONTINUED = 0x80  # set on every byte but the last
_LAST = [
    bytes((n,)) if n < _CONTINUED else bytes((n & 0x7F | 0x80, n >> 7)) for n in range(1 << _BITS)
]
_MORE = [bytes((n & 0x7F | 0x80, n >> 7 | 0x80)) for n in range(1 << _BITS)]
_MASK = (1 << _BITS) - 1


def varint(number: int) -> bytes:
    """The bytes of a number from 0 to 2**64 - 1, seven bits each, lowest first.

    >>> varint(300).hex()
    'ac02'
    """
    if number <= _MASK:
        return _LAST[number]
    if number < 1 << 2 * _BITS:
        return _MORE[number & _MASK] + _LAST[number >> _BITS]
    if number < 1 << 3 * _BITS:
        middle = _MORE[number >> _BITS & _MASK]
        return _MORE[number & _MASK] + middle + _LAST[number >> 2 * _BITS]
    head = b""
    while number > _MASK:
        head += _MORE[number & _MASK]
        number >>= _BITS
    return head + _LAST[number]
