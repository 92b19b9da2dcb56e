"""`in_unit`: an expression asks for a value in a unit, whatever unit the machine has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from uns.derived import Derived
from uns.errors import ProjectError
from uns.metric import DataType, Quality
from uns.route.expression import ExpressionError, compile_calc, compile_expression
from uns.route.problems import problems
from uns.route.stamp import stamp
from uns.route.unit_words import find_conversions

GOOD = int(Quality.GOOD)


def test_an_expression_says_what_it_wants_in_a_unit() -> None:
    """Name, unit and column; the conversion is handed in with the values."""
    made = compile_expression("= 1 + in_unit(tag('drive/p'), 'kPa')")
    (asked,) = made.in_units
    assert ("tag.drive.p", "kPa", 7) == (asked.name, asked.unit.code, asked.column)
    conversions = find_conversions(made.in_units, {"tag.drive.p": "bar"})
    assert 351.0 == made.evaluate({"tag.drive.p": 3.5, **conversions})
    assert made.evaluate(conversions) is None


def test_a_quantity_is_its_number() -> None:
    """`quantity` is for who checks the units; it changes no value."""
    assert 0.5 == compile_calc("a / quantity(80, 'A')").evaluate({"a": 40})


@pytest.mark.parametrize(
    "text",
    [
        "= in_unit(a, 'Bar')", "= in_unit(a)", "= in_unit(a, b)", "= in_unit(a, 7)",
        "= in_unit(a + b, 'bar')", "= in_unit(7, 'bar')", "= in_unit(str(a), 'bar')",
        "= quantity(80)", "= quantity(80, 'amps')", "= quantity(80, 'A', 1)",
        "= in_unit(in_unit(a, 'bar'), 'kPa')",
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_refused(text: str) -> None:
    """A name and a unit that there is, in quotes."""
    with pytest.raises(ExpressionError):
        compile_expression(text)


def test_a_text_has_no_unit() -> None:
    """A value that is no number is an error of the expression, not of the program."""
    made = compile_expression("= in_unit(a, 'kPa')")
    conversions = find_conversions(made.in_units, {"a": "bar"})
    with pytest.raises(ExpressionError):
        made.evaluate({"a": "text", **conversions})


def test_a_derived_tag_is_worked_out_in_units(filler: Any) -> None:
    """The bridge converts before it adds: 1 bar and 100 kPa are 2 bar."""
    machine = filler()
    one = machine.tags[0]
    tags = [
        replace(one, name="p", unit="bar", datatype=DataType.FLOAT),
        replace(one, name="q", unit="kPa", datatype=DataType.FLOAT),
        replace(one, name="s", unit="bar", datatype=DataType.FLOAT, calc="p + in_unit(q, 'bar')"),
    ]
    derived = Derived(replace(machine, tags=tuple(tags)), {"p": 0, "q": 1, "s": 2})
    assert [(2, None, 0, 5)] == derived.observed([(0, 1.0, GOOD, 5)])
    assert [(2, 2.0, GOOD, 6)] == derived.observed([(1, 100.0, GOOD, 6)])


def test_a_derived_tag_that_asks_for_what_does_not_fit_is_refused(filler: Any) -> None:
    """`uns check` says it before; nobody runs with a value that cannot be."""
    machine = filler()
    tag = replace(machine.tags[0], name="s", unit="bar", calc="in_unit(s, 'Cel')")
    with pytest.raises(ProjectError, match="`s` cannot be told in `Cel`"):
        Derived(replace(machine, tags=(tag,)), {"s": 0})


def test_a_route_tells_totals_and_tags_in_units(filler: Any, words: Any, schemas: Any) -> None:
    """Each machine's own unit is converted when the template is stamped on it."""
    templates, routes = words(map={"thousands": "= in_unit(total.good, '10*3.{bottle}')"})
    found = list(problems(templates, routes, [filler()], targets=_Any(), schemas=_Any()))
    assert [] == [one.message for one in found]
    (route,) = stamp(templates, routes, [filler()], schemas)
    told = route.plan.render({**route.plan.constants, "total.good": 2500})
    assert {"thousands": 2.5} == told


def test_a_route_that_asks_for_what_does_not_fit_is_told_so(filler: Any, words: Any) -> None:
    """With the machine, the place in the expression and the page about it."""
    templates, routes = words(map={"weight": "= in_unit(total.good, 'kg')"})
    (one,) = problems(templates, routes, [filler()], targets=_Any(), schemas=_Any())
    assert ("UNS236", 3) == (one.code, one.column)
    assert "`{bottle}` is a unit of ratio or number, `kg` of mass" in one.message
    assert "acme/leeds/packaging/line1/filler" in one.message


def test_a_name_without_a_unit_is_told_too(filler: Any, words: Any) -> None:
    """An order's id and a tag without a unit cannot be told in kPa."""
    for name in ("order", "tag('speed')"):
        templates, routes = words(map={"x": f"= in_unit({name}, 'kPa')"})
        (one,) = problems(templates, routes, [filler()], targets=_Any(), schemas=_Any())
        assert "has no unit that could become `kPa`" in one.message


class _Any:
    """A collection that holds every name."""

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self):
        return iter(())

    def __len__(self) -> int:
        return 0
