"""Units in formulas: a sum of bar and degrees is a mistake, and so is a power in metres.

The formula is gone through as it would be worked out, with units in place of values. Numbers
are the hard part: in `100 * current / 80` the 80 is a current, and nobody said so. So a number
takes the unit of whatever it is added to or compared with; where it is multiplied, the size of
the result cannot be checked any more, and its dimension is only asked about. Who wants it
checked says what the number is: `quantity(80, 'A')`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache, reduce
from typing import Any, ClassVar, Final, TypeAlias

from uns.project.draft import Draft, written_at
from uns.project.findings import Findings
from uns.project.source import Written
from uns.route.expression import ExpressionError, compile_calc
from uns.route.unit_words import InUnit, find_conversion
from uns.units import Unit, UnitError, read
from uns.units.powers import Powers, product
from uns.units.unit import FURTHEST

__all__ = ["check_calc_units"]


@dataclass(frozen=True, slots=True)
class Measured:
    """A value with a unit; `has_number`: a bare number was multiplied in, so its size is open."""

    unit: Unit
    has_number: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    """A bare number: it has the unit that its neighbour has."""


#: None is a value whose unit nobody knows: a tag without one, a text, a truth value.
Found: TypeAlias = Measured | Number | None


def check_calc_units(drafts: Sequence[tuple[Draft, str]], findings: Findings) -> None:
    """Report what the units of one machine's tags forbid in its formulas.

    With each tag comes the part that it belongs to (`drive`, or nothing): there its formula
    looks names up first. What cannot be read as a formula is calc.py's to report.
    """
    if not any(made.words.get("calc") for made, _ in drafts):
        return
    units = {made.name: made.words.get("unit") or "" for made, _ in drafts}
    for made, home in drafts:
        if made.words.get("calc"):
            _check(made, home, units, findings)


def _check(made: Draft, home: str, units: Mapping[str, str], findings: Findings) -> None:
    text = made.words["calc"]
    try:
        compile_calc(text)
    except ExpressionError:
        return
    start, source, body = _parsed(text)
    at = written_at(made.layers, "calc")
    reckoner = _Reckoner(source, start, home, units, at, findings)
    result = reckoner.found(body)
    if isinstance(result, Measured) and made.words.get("unit"):
        reckoner.check_result(body, result, made)


@lru_cache(4096)
def _parsed(text: str) -> tuple[int, str, ast.expr]:
    """Where a formula begins in its text, the rest of the text, and the formula."""
    source = text.replace("\n", " ").replace("\t", " ")
    start = len(source) - len(source.lstrip("= "))
    source = source[start:].rstrip()
    return start, source, ast.parse(source, mode="eval").body


@dataclass(frozen=True, slots=True)
class _Reckoner:
    """Works out the unit of each piece of one formula."""

    text: str
    start: int
    home: str
    units: Mapping[str, str]
    at: Written
    findings: Findings

    def found(self, node: ast.expr) -> Found:
        """The unit of a piece of the formula; mistakes inside it are reported."""
        return self._RECKONED.get(type(node), _Reckoner._others)(self, node)

    def check_result(self, body: ast.expr, result: Measured, made: Draft) -> None:
        """Report a formula that comes out as something else than its tag's unit."""
        unit, wanted = result.unit, Unit.parse(made.words["unit"])
        comes_out = f"`{self._shown(body)}` comes out"
        rest = f"and `{made.name}` is in `{wanted.code}`"
        if not _without_angle(unit).fits(_without_angle(wanted)):
            code = f" (`{unit.code}`)" if unit.code else ""
            message = f"{comes_out} as {unit.quantity}{code}, {rest}"
            if not result.has_number:
                self._report("UNS234", body, message, hint="correct the formula or the unit")
                return
            hint = "where a number in it has a unit, say so: `quantity(80, 'A')`"
            self.findings.warn("UNS234", message, self._place(body), hint=hint)
        elif not result.has_number and not _is_as_large(unit, wanted):
            message = f"{comes_out} in {_code(unit)}, {rest}"
            self._report("UNS235", body, message, hint=self._in_size(body, unit, wanted))

    def _in_size(self, body: ast.expr, unit: Unit, wanted: Unit) -> str:
        """How the formula comes out in the tag's unit."""
        if unit.counts and not wanted.counts:
            left = ", ".join(f"{{{name}}}" for name, _ in unit.counts)
            return f"`{left}` is left over: multiply by what one of it is"
        if isinstance(body, ast.Name | ast.Attribute):
            return f"write `in_unit({self._shown(body)}, '{wanted.code}')`"
        times = unit.factor / wanted.factor
        if times == 1:
            return "the two have another zero"
        if times < 1:
            return f"divide by {float(1 / times):.10g}"
        return f"multiply by {float(times):.10g}"

    def _constant(self, node: ast.Constant) -> Found:
        is_number = isinstance(node.value, int | float) and not isinstance(node.value, bool)
        return Number() if is_number else None

    def _name(self, node: ast.expr) -> Found:
        return self._of_tag(ast.unparse(node))

    def _unary(self, node: ast.UnaryOp) -> Found:
        found = self.found(node.operand)
        return None if isinstance(node.op, ast.Not) else found

    def _choice(self, node: ast.IfExp) -> Found:
        self.found(node.test)
        return self._alike(node, [node.body, node.orelse])

    def _others(self, node: ast.expr) -> Found:
        for inner in ast.iter_child_nodes(node):
            if isinstance(inner, ast.expr):
                self.found(inner)
        return None

    def _of_tag(self, name: str) -> Found:
        unit = self._unit_of(name)
        return Measured(Unit.parse(unit)) if unit else None

    def _unit_of(self, name: str) -> str:
        """A tag's unit; a name is looked up in the part first, as calc.py does."""
        path = name.replace(".", "/")
        inside = f"{self.home}/{path}"
        return self.units.get(inside if self.home and inside in self.units else path, "")

    def _binary(self, node: ast.BinOp) -> Found:
        match node.op:
            case ast.Sub():
                return self._difference(node)
            case ast.Add() | ast.Mod():
                return self._alike(node, [node.left, node.right], is_sum=True)
            case ast.Mult():
                return _product(self.found(node.left), self.found(node.right), 1)
            case ast.Div() | ast.FloorDiv():
                return _product(self.found(node.left), self.found(node.right), -1)
            case ast.Pow():
                return _power(self.found(node.left), node.right)
        self.found(node.left)
        self.found(node.right)
        return None

    def _difference(self, node: ast.BinOp) -> Found:
        """20 °C - 15 °C is 5 K: a difference of two has no zero of its own."""
        founds = [self.found(node.left), self.found(node.right)]
        found = self._one_of(node, [node.left, node.right], founds, is_sum=True)
        right = founds[1]
        if isinstance(found, Measured) and isinstance(right, Measured) and right.unit.offset:
            return replace(found, unit=replace(found.unit, offset=Fraction(0)))
        return found

    def _compare(self, node: ast.Compare) -> Found:
        """True or false, which has no unit; what is looked up in a list is not compared."""
        if any(isinstance(one, ast.In | ast.NotIn) for one in node.ops):
            return self._others(node)
        self._alike(node, [node.left, *node.comparators])
        return None

    def _alike(self, node: ast.expr, parts: Sequence[ast.expr], *, is_sum: bool = False) -> Found:
        """What has to be in one unit: the parts of a sum, of a comparison, of a choice."""
        return self._one_of(node, parts, [self.found(part) for part in parts], is_sum=is_sum)

    def _one_of(
        self,
        node: ast.expr,
        parts: Sequence[ast.expr],
        founds: Sequence[Found],
        *,
        is_sum: bool = False,
    ) -> Found:
        """The unit that all parts have; reported where they do not have one."""
        pairs = zip(parts, founds, strict=True)
        known = [(part, found) for part, found in pairs if isinstance(found, Measured)]
        if not known:
            return Number() if all(isinstance(found, Number) for found in founds) else None
        (first_part, first), *others = known
        for part, other in others:
            if not first.unit.fits(other.unit):
                self._mixed("UNS232", node, (first_part, first), (part, other))
                return None
            is_checked = not (first.has_number or other.has_number)
            if is_checked and not _can_add(first.unit, other.unit, is_sum=is_sum):
                self._mixed("UNS233", node, (first_part, first), (part, other))
                return None
        return reduce(_joined, (found for _, found in known))

    def _mixed(
        self,
        code: str,
        node: ast.expr,
        left: tuple[ast.expr, Measured],
        right: tuple[ast.expr, Measured],
    ) -> None:
        (first, one), (second, other) = left, right
        message = (
            f"`{self._shown(first)}` is in {_code(one.unit)} and `{self._shown(second)}` in "
            f"{_code(other.unit)}"
        )
        if code == "UNS232":
            quantities = f"{one.unit.quantity} and {other.unit.quantity}"
            hint = f"{quantities} can neither be added nor compared"
            if one.unit.dimension == other.unit.dimension:
                hint = "different things are counted"
        else:
            hint = f"tell both in one unit: `in_unit({self._shown(second)}, '{one.unit.code}')`"
            if not one.unit.code or not isinstance(second, ast.Name | ast.Attribute):
                hint = "tell both in one unit"
        self._report(code, node, message, hint=hint)

    def _call(self, node: ast.Call) -> Found:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name == "tag":
            return self._of_tag(ast.literal_eval(node.args[0]))
        if name in ("in_unit", "quantity"):
            unit = read(ast.literal_eval(node.args[1]))
            if name == "in_unit":
                self._check_in_unit(node, unit)
            else:
                self.found(node.args[0])
            return Measured(unit)
        if name in _ALIKE:
            return self._alike(node, node.args)
        founds = [self.found(value) for value in node.args]
        if name in _SAME:
            return founds[0]
        return _root(founds[0]) if name == "sqrt" else None

    def _check_in_unit(self, node: ast.Call, unit: Unit) -> None:
        value = node.args[0]
        is_tag = isinstance(value, ast.Call)
        name = ast.literal_eval(value.args[0]) if is_tag else ast.unparse(value)  # type: ignore[attr-defined]  # compile_calc let only tag('…') pass
        try:
            find_conversion(InUnit(name, unit, 1), self._unit_of(name))
        except UnitError as error:
            hint = "" if self._unit_of(name) else f"say the unit of `{name}`"
            self._report("UNS236", node, str(error), hint=hint)

    def _report(self, code: str, node: ast.expr, message: str, *, hint: str) -> None:
        self.findings.add(code, message, self._place(node), hint=hint)

    def _place(self, node: ast.expr) -> Written:
        first, last = self._columns(node)
        return self.at.inside(self.start + first + 1, last - first)

    def _columns(self, node: ast.expr) -> tuple[int, int]:
        """Python counts bytes, people count characters."""
        line = self.text.encode()
        ends = (node.col_offset, node.end_col_offset or len(line))
        first, last = (len(line[:end].decode()) for end in ends)
        return first, last

    def _shown(self, node: ast.expr) -> str:
        first, last = self._columns(node)
        return self.text[first:last]

    _RECKONED: ClassVar[Mapping[type[ast.expr], Callable[[_Reckoner, Any], Found]]] = {
        ast.Attribute: _name,
        ast.BinOp: _binary,
        ast.Call: _call,
        ast.Compare: _compare,
        ast.Constant: _constant,
        ast.IfExp: _choice,
        ast.Name: _name,
        ast.UnaryOp: _unary,
    }


_SAME: Final = {"abs", "ceil", "float", "floor", "int", "round"}  # the unit of the first value
_ALIKE: Final = {"coalesce", "max", "min"}  # all values in one unit, and the result too


def _joined(left: Measured, right: Measured) -> Measured:
    """The unit of a sum: the one that says what is counted, and that has a zero of its own."""
    says_more = bool(right.unit.counts) > bool(left.unit.counts)
    has_zero = bool(right.unit.offset) > bool(left.unit.offset)
    unit = right.unit if says_more or has_zero else left.unit
    return Measured(unit, left.has_number or right.has_number)


def _product(left: Found, right: Found, exponent: int) -> Found:
    match left, right:
        case (Number(), Number()):
            return Number()
        case (Measured(), Number()):
            return replace(left, has_number=True)
        case (Number(), Measured()) if exponent > 0:
            return replace(right, has_number=True)
        case (Number(), Measured()):
            return _made_of(_PLAIN_NUMBER, right, exponent)
        case (Measured(), Measured()):
            return _made_of(left, right, exponent)
    return None


def _power(base: Found, exponent: ast.expr) -> Found:
    if not isinstance(base, Measured):
        return base
    match exponent:
        case ast.Constant(value=int(power)) if 0 < power <= _LARGEST:
            return _made_of(Measured(_ONE), base, power)
        case ast.Constant(value=0.5):
            return _root(base)
    return None


_LARGEST: Final = 9  # as in a unit
_ONE: Final = Unit.parse("1")
_PLAIN_NUMBER: Final = Measured(_ONE, has_number=True)


def _root(found: Found) -> Found:
    """A square root, where the unit has one; the flow of an orifice in √mbar has none."""
    if not isinstance(found, Measured):
        return found
    unit = found.unit
    if any(power % 2 for _, power in (*unit.dimension, *unit.counts)):
        return None
    halved = [tuple((n, p // 2) for n, p in powers) for powers in (unit.dimension, unit.counts)]
    return Measured(Unit("", halved[0], Fraction(1), counts=halved[1]), has_number=True)


def _made_of(left: Measured, right: Measured, exponent: int) -> Found:
    """A product; None where it is of no size that a number can have."""
    one, other = left.unit, right.unit
    if _digits(one.factor) + abs(exponent) * _digits(other.factor) > _MOST_DIGITS:
        return None
    factor = one.factor * other.factor**exponent
    if not 1 / FURTHEST < factor < FURTHEST:
        return None
    unit = Unit(
        _joint_code(one.code, other.code, exponent),
        product(one.dimension, other.dimension, exponent),
        factor,
        counts=product(one.counts, other.counts, exponent),
    )
    return Measured(unit, left.has_number or right.has_number)


_MOST_DIGITS: Final = 5000  # binary ones; powers of powers are not multiplied out


def _digits(factor: Fraction) -> int:
    return factor.numerator.bit_length() + factor.denominator.bit_length()


def _joint_code(left: str, right: str, exponent: int) -> str:
    """The code of a product or quotient of two, for people; empty where it takes more."""
    if not (left and right) or left == "1" or abs(exponent) != 1:
        return ""
    if exponent > 0:
        return f"{left}.({right})" if "/" in right else f"{left}.{right}"
    return f"{left}/({right})" if "." in right or "/" in right else f"{left}/{right}"


def _code(unit: Unit) -> str:
    return f"`{unit.code}`" if unit.code else unit.quantity


def _without_angle(unit: Unit) -> Unit:
    """Torque times angular speed is power: SI takes the radian for the number 1."""
    left: Powers = tuple(pair for pair in unit.dimension if pair[0] != "angle")
    is_alone = not left and unit.dimension
    return unit if is_alone else replace(unit, dimension=left)


def _is_as_large(left: Unit, right: Unit) -> bool:
    return (left.factor, left.offset) == (right.factor, right.offset) or (
        left.factor == right.factor and not left.offset
    )


def _can_add(left: Unit, right: Unit, *, is_sum: bool) -> bool:
    """20 °C + 5 K can be added, and not compared; Cel and [degF] neither."""
    if left.factor != right.factor:
        return False
    return left.offset == right.offset or (is_sum and not (left.offset and right.offset))
