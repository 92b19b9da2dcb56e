"""A unit: a UCUM code taken apart - what it measures, how large it is, what it counts.

The grammar is UCUM's (ucum.org §2-§12): terms are joined by `.` and `/` from left to right,
`m3` is cubed, `{bottle}` is what is counted. UCUM gives braces no meaning; here they keep
bottles from turning into pallets, and gauge pressure into absolute.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache
from typing import Final

from uns.errors import ProjectError
from uns.units.atoms import ATOMS, BASE, PREFIXES
from uns.units.powers import NOTHING, Powers, product
from uns.units.table import BY_CODE, BY_UNECE

__all__ = ["FURTHEST", "Unit", "UnitError", "of_opcua", "of_unece"]

_LONGEST: Final = 64  # characters; the longest in Recommendation 20 would have 31
_LARGEST: Final = 9  # exponent; SI's own go to 4
FURTHEST: Final = Fraction(10**150)  # any two can be converted: a double goes to 1e308
_KEPT: Final = 4096  # parsed codes; a project uses some dozens
_ASCII = re.compile(r"[!-~]*\Z")  # UCUM §2: printable US-ASCII without blanks


class UnitError(ProjectError):
    """A text is no unit, or two units do not fit together."""


@dataclass(frozen=True, slots=True)
class Unit:
    """`code` as it was written; a value v of it is (v + offset) · factor in basic units.

    >>> Unit.parse("kPa").quantity
    'pressure'
    """

    code: str
    dimension: Powers
    factor: Fraction
    offset: Fraction = Fraction(0)
    counts: Powers = NOTHING  # what stands in braces

    @classmethod
    def parse(cls, code: str) -> Unit:
        """The unit of a UCUM code; raises UnitError. An empty code is `1`."""
        return _parsed(code)

    @property
    def name(self) -> str:
        """What it is called; its code where it has no name of its own."""
        if self.code in BY_CODE:
            return BY_CODE[self.code].name
        known = BASE.get(self.code) or ATOMS.get(self.code)
        return known[0] if known else self.code

    @property
    def quantity(self) -> str:
        """What it measures, in words: `pressure`, `length/time²` where there is no word."""
        return _quantities().get(self.dimension) or _written(self.dimension)

    @property
    def unece(self) -> str:
        """Its code in UNECE Recommendation 20; empty where it has none here."""
        return BY_CODE[self.code].unece if self.code in BY_CODE else ""

    @property
    def opcua_id(self) -> int | None:
        """The unitId of OPC UA's EUInformation (OPC 10000-8, 5.6.4.4)."""
        return int.from_bytes(self.unece.encode(), "big") if self.unece else None

    def fits(self, other: Unit) -> bool:
        """Whether values of one can be told in the other."""
        is_same_thing = self.counts == other.counts or not (self.counts and other.counts)
        return self.dimension == other.dimension and is_same_thing


def of_unece(code: str) -> Unit | None:
    """The unit of a code of UNECE Recommendation 20, if it is in the table.

    >>> of_unece("MQH").code
    'm3/h'
    """
    entry = BY_UNECE.get(code)
    return Unit.parse(entry.code) if entry else None


def of_opcua(unit_id: int) -> Unit | None:
    """The unit of an EUInformation's unitId, whose bytes are the UNECE code.

    >>> of_opcua(4408652).code
    'Cel'
    """
    if not 0 < unit_id < 1 << 24:
        return None
    code = unit_id.to_bytes(3, "big").lstrip(b"\0")
    return of_unece(code.decode("ascii", "replace"))


@lru_cache(_KEPT)
def _parsed(code: str) -> Unit:
    if not code:
        return Unit("", NOTHING, Fraction(1))
    if len(code) > _LONGEST:
        raise UnitError(f"a unit has at most {_LONGEST} characters, and this has {len(code)}")
    if not _ASCII.match(code):
        raise UnitError(
            f"`{code}` is not a UCUM unit",
            hint="UCUM has no blanks and no special signs: `Cel`, `m3/h`, `{bottle}`",
        )
    reader = _Reader(code)
    found = reader.term()
    if reader.at < len(code):
        reader.refuse()
    if not 1 / FURTHEST < found.factor < FURTHEST:
        raise UnitError(f"`{code}` is no size that a number can have")
    return Unit(code, found.dimension, found.factor, found.offset, found.counts)


_ONE = Unit("1", NOTHING, Fraction(1))
_NUMBER = re.compile(r"[0-9]+(?![0-9*^])")
_SYMBOL = re.compile(r"10[*^]|(?:[^][(){}./0-9+-]|\[[^][{}]+\])+")
_EXPONENT = re.compile(r"[+-]?[0-9]+")
_ANNOTATION = re.compile(r"\{([^{}]*)\}")


class _Reader:
    """The grammar: a term is components, joined by `.` and `/`."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.at = 0

    def refuse(self) -> None:
        """Say where the code cannot be read on; an opened brace is the usual reason."""
        rest = self.code[self.at :]
        if rest.startswith("{") or "}" in rest.partition("{")[0]:
            raise UnitError(f"`{self.code}` opens a brace and does not close it")
        what = f"`{rest}` in `{self.code}`" if rest else f"the end of `{self.code}`"
        raise UnitError(f"{what} is not a UCUM unit")

    def term(self) -> Unit:
        exponent = -1 if self._take("/") else 1
        found = _multiplied(_ONE, self._component(), exponent) if exponent < 0 else None
        found = found or self._component()
        while (is_division := self._take("/")) or self._take("."):
            found = _multiplied(found, self._component(), -1 if is_division else 1)
        return found

    def _component(self) -> Unit:
        if self._take("("):
            found = self.term()
            if not self._take(")"):
                self.refuse()
        elif number := self._match(_NUMBER):
            if not int(number[0]):
                raise UnitError(f"`{self.code}` is nothing: it has a factor 0")
            return Unit("", NOTHING, Fraction(int(number[0])))
        elif symbol := self._match(_SYMBOL):
            found = self._raised(_simple(symbol[0], self.code))
        else:
            found = _ONE
            if not self.code.startswith("{", self.at):
                self.refuse()
        annotation = self._match(_ANNOTATION)
        if not annotation or not annotation[1]:
            return found
        counts = product(found.counts, ((annotation[1], 1),))
        return Unit("", found.dimension, found.factor, found.offset, counts)

    def _raised(self, found: Unit) -> Unit:
        exponent = self._match(_EXPONENT)
        if exponent is None:
            return found
        power = int(exponent[0])
        if not 0 < abs(power) <= _LARGEST:
            raise UnitError(f"`{self.code}` has an exponent {power}; they go from 1 to {_LARGEST}")
        return _multiplied(_ONE, found, power)

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.code, self.at)
        if found:
            self.at = found.end()
        return found

    def _take(self, sign: str) -> bool:
        if not self.code.startswith(sign, self.at):
            return False
        self.at += 1
        return True


def _multiplied(left: Unit, right: Unit, exponent: int) -> Unit:
    """A product has no zero of its own: `Cel/min` is told in differences, as `K/min`."""
    return Unit(
        "",
        product(left.dimension, right.dimension, exponent),
        left.factor * right.factor**exponent,
        counts=product(left.counts, right.counts, exponent),
    )


def _simple(symbol: str, code: str) -> Unit:
    """An atom, or a prefix and an atom that takes it."""
    if found := _atom(symbol):
        return found
    for prefix, size in PREFIXES.items():
        rest = symbol.removeprefix(prefix)
        takes_prefix = rest in BASE or (rest in ATOMS and ATOMS[rest].takes_prefix)
        if rest != symbol and takes_prefix and (found := _atom(rest)):
            return Unit("", found.dimension, found.factor * size, found.offset / size)
    what = f"`{symbol}` in `{code}`" if symbol != code else f"`{code}`"
    raise UnitError(f"{what} is not a UCUM unit")


@cache
def _atom(symbol: str) -> Unit | None:
    if symbol in BASE:
        return Unit(symbol, BASE[symbol][1], Fraction(1))
    atom = ATOMS.get(symbol)
    if atom is None:
        return None
    unit = _parsed(atom.unit)
    return Unit(symbol, unit.dimension, unit.factor * atom.value, atom.offset)


#: What is measured, and a unit of it; the first of two with the same dimension gives the name.
_MEASURED: Final = {
    "ratio or number": "1", "length": "m", "area": "m2", "volume": "m3", "mass": "g", "time": "s",
    "temperature": "K", "electric current": "A", "voltage": "V", "power": "W", "energy": "J",
    "force": "N", "pressure": "Pa", "speed": "m/s", "acceleration": "m/s2", "rate": "/s",
    "volume flow": "m3/s", "mass flow": "g/s", "density": "g/m3", "electric charge": "C",
    "resistance": "Ohm", "conductance": "S", "conductivity": "S/m", "capacitance": "F",
    "inductance": "H", "magnetic flux density": "T", "magnetic flux": "Wb", "angle": "rad",
    "angular speed": "rad/s", "viscosity": "Pa.s", "kinematic viscosity": "m2/s",
    "amount of substance": "mol", "concentration": "mol/L", "illuminance": "lx",
    "luminous flux": "lm", "luminous intensity": "cd", "data": "bit", "data rate": "bit/s",
    "specific energy": "J/kg", "heat capacity": "J/(kg.K)", "temperature change": "K/s",
    "mass per area": "g/m2", "mass per length": "g/m", "heat flux": "W/m2", "stiffness": "N/m",
}  # fmt: skip


@cache
def _quantities() -> Mapping[Powers, str]:
    return {Unit.parse(code).dimension: word for word, code in reversed(_MEASURED.items())}


_HIGH = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def _written(dimension: Powers) -> str:
    """Powers as people write them: `mass·length²/time³`."""

    def part(sign: int) -> str:
        return "·".join(
            name + (str(abs(power)).translate(_HIGH) if abs(power) > 1 else "")
            for name, power in dimension
            if power * sign > 0
        )

    below = part(-1)
    return (part(1) or "1") + (f"/{below}" if below else "")
