"""Powers: what a unit is made of - length, mass, time - each with its exponent."""

from __future__ import annotations

from typing import TypeAlias

__all__ = ["NOTHING", "Powers", "product"]

#: Sorted pairs of name and exponent; a speed is (("length", 1), ("time", -1)).
Powers: TypeAlias = tuple[tuple[str, int], ...]

NOTHING: Powers = ()


def product(left: Powers, right: Powers, exponent: int = 1) -> Powers:
    """`left` times `right` to a power.

    >>> product((("length", 1),), (("time", 1),), -2)
    (('length', 1), ('time', -2))
    """
    if not right or not exponent:
        return left
    found = dict(left)
    for name, power in right:
        found[name] = found.get(name, 0) + power * exponent
    return tuple(sorted((name, power) for name, power in found.items() if power))
