"""Units in expressions: `in_unit(pressure, 'kPa')` tells a tag's value in another unit.

An expression does not know the units of its names: it is compiled once, and a template is for
many machines. So it only says what it asks for, and whoever has the tags hands in the
conversions beside the values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from uns.units import Conversion, Unit, UnitError, conversion

__all__ = ["InUnit", "converted", "find_conversion", "find_conversions"]


class InUnit(NamedTuple):
    """A name that an expression wants in a unit; `column` (from 1) is where it says so."""

    name: str
    unit: Unit
    column: int

    @property
    def key(self) -> str:
        """What its conversion is called among the values; no name has a blank."""
        return f"{self.name} in {self.unit.code}"


def converted(value: Any, convert: Conversion | None) -> Any:
    """The value in the other unit; null where there is none."""
    if value is None or convert is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError("in_unit() takes a number")
    return convert(value)


def find_conversion(asked: InUnit, unit: str | None) -> Conversion:
    """How the value of a name in `unit` is told as asked; raises UnitError where it cannot be."""
    if not unit:
        raise UnitError(f"`{asked.name}` has no unit that could become `{asked.unit.code}`")
    try:
        return conversion(Unit.parse(unit), asked.unit)
    except UnitError as error:
        raise UnitError(f"`{asked.name}` cannot be told in `{asked.unit.code}`: {error}") from None


def find_conversions(
    asked: Iterable[InUnit], units: Mapping[str, str | None]
) -> dict[str, Conversion]:
    """What is handed in beside the values; `units` are those of names. Raises UnitError."""
    return {one.key: find_conversion(one, units.get(one.name)) for one in asked}
