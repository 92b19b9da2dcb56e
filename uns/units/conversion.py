"""Conversions: a value of one unit, told in another."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from uns.units.unit import Unit, UnitError

__all__ = ["Conversion", "conversion", "convert"]


@dataclass(frozen=True, slots=True)
class Conversion:
    """new = old · factor + offset, both exact; whole numbers stay whole where they can."""

    factor: Fraction
    offset: Fraction

    def __call__(self, value: float) -> float:
        """The value in the new unit; what is no finite number stays what it is."""
        factor = self.factor
        if factor.denominator == 1 and not self.offset:
            return value if factor == 1 else value * factor.numerator
        # Multiplied before it is divided: 3.5 bar are 350.0 kPa and not 350.00000000000006.
        result = value * factor.numerator / factor.denominator
        return result + float(self.offset) if self.offset else result


_KEPT = 4096


@lru_cache(_KEPT)
def conversion(old: Unit, new: Unit) -> Conversion:
    """How values of `old` become values of `new`; raises UnitError where they do not fit.

    >>> conversion(Unit.parse("Cel"), Unit.parse("[degF]"))(100)
    212.0
    """
    if not old.fits(new):
        raise UnitError(_why_not(old, new))
    factor = old.factor / new.factor
    return Conversion(factor, old.offset * factor - new.offset)


def convert(value: float, old: str, new: str) -> float:
    """`value` of the unit `old`, told in `new`; raises UnitError.

    >>> convert(3.5, "bar", "kPa")
    350.0
    """
    return conversion(Unit.parse(old), Unit.parse(new))(value)


def _why_not(old: Unit, new: Unit) -> str:
    first, second = (f"`{unit.code or 1}`" for unit in (old, new))
    if old.dimension != new.dimension:
        return f"{first} is a unit of {old.quantity}, {second} of {new.quantity}"
    return f"{first} and {second} count different things"
