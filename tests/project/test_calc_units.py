"""Units in formulas: what a `calc` may do with the units of a machine's tags."""

from __future__ import annotations

import time
from typing import Any

import pytest

TAGS = """
enterprise: acme
types:
  motor:
    tags:
      current: {unit: A, optional: true}
      volts: {unit: V, optional: true}
      load: {unit: kW, calc: current * volts / 1000}
  machine:
    tags:
      p: {unit: bar, optional: true}
      q: {unit: kPa, optional: true}
      gauge: {unit: barg, optional: true}
      absolute: {unit: bara, optional: true}
      t: {unit: Cel, optional: true}
      u: {unit: °F, optional: true}
      k: {unit: K, optional: true}
      good: {unit: "{bottle}", counter: true, optional: true}
      bad: {unit: "{bottle}", counter: true, optional: true}
      pallets: {unit: "{pallet}", counter: true, optional: true}
      each: {unit: "{bottle}/{pallet}", optional: true}
      torque: {unit: N.m, optional: true}
      speed: {unit: rad/s, optional: true}
      rpm: {unit: rpm, optional: true}
      area: {unit: m2, optional: true}
      energy: {unit: kWh, optional: true}
      hours: {unit: h, optional: true}
      bare: {optional: true}
      in-feed: {unit: bar, optional: true}
      name: {type: string, optional: true}
      drive: {is: motor}
      made: {unit: %s, calc: %s}
instances: [{path: a/b/c/d, is: machine}]
"""


@pytest.fixture
def found(loaded: Any) -> Any:
    """The diagnostics about one formula in a unit."""

    def check(unit: str, calc: str) -> list[Any]:
        text = TAGS % (f'"{unit}"' if unit else "null", f'"{calc}"')
        return [one for one in loaded(text).diagnostics if one.code != "UNS251"]

    return check


@pytest.mark.parametrize(
    ("unit", "calc"),
    [
        ("bar", "p"),
        ("bar", "p + p - 1"),
        ("bar", "p + in_unit(q, 'bar')"),
        ("bar", "p + gauge"),
        ("bar", "p + tag('in-feed')"),
        ("bar", "max(p, 0) if t > 80 and name == 'x' else -p"),
        ("bar", "bare + p"),
        ("bar", "bare * p * t"),
        ("bar", "coalesce(p, bare, 0)"),
        ("bar", "round(abs(p), 1)"),
        ("kPa", "in_unit(p, 'kPa')"),
        ("kPa", "p * 100"),
        ("K", "t - t"),
        ("Cel", "t - t"),
        ("Cel", "t + k"),
        ("Cel", "(t + t) / 2"),
        ("Cel", "t * 1.02 - 3"),
        ("K", "in_unit(t, 'K')"),
        ("%", "100 * good / (good + bad)"),
        ("%", "100 * drive.current / quantity(80, 'A')"),
        ("1", "good / (good + bad)"),
        ("{bottle}", "good + bad"),
        ("{bottle}", "pallets * each"),
        ("{pallet}", "good / each"),
        ("W", "drive.current * drive.volts"),
        ("W", "torque * speed"),
        ("W", "torque * rpm * 2 * 3.14159 / 60"),
        ("kW", "energy / hours"),
        ("N", "p * area * 100000"),
        ("m", "sqrt(area)"),
        ("m", "area ** 0.5"),
        ("m2", "sqrt(area) ** 2"),
        ("L/min", "3.2 * sqrt(p)"),
        ("L/min", "3.2 * p ** 0.5"),
        ("bar", "lookup({1: 2}, bare)"),
        ("", "p + 1"),
        ("", "in_unit(t, 'K')"),
    ],
)
def test_formulas_that_are_right(found: Any, unit: str, calc: str) -> None:
    """Nothing is said about a formula that comes out in its tag's unit, or may."""
    assert [] == [str(one.message) for one in found(unit, calc) if one.code != "UNS212"]


@pytest.mark.parametrize(
    ("unit", "calc", "expected"),
    [
        ("bar", "p + t", ("UNS232", "p + t", "pressure and temperature")),
        ("", "1 + (p > t)", ("UNS232", "p > t", "neither be added nor compared")),
        ("bar", "p if t > 80 else t", ("UNS232", "p if t > 80 else t", "")),
        ("{bottle}", "good + pallets", ("UNS232", "good + pallets", "different things")),
        ("bar", "gauge - absolute", ("UNS232", "gauge - absolute", "different things")),
        ("bar", "max(p, k, 1)", ("UNS232", "max(p, k, 1)", "")),
        ("bar", "p + q", ("UNS233", "p + q", "in_unit(q, 'bar')")),
        ("", "0 < q < p", ("UNS233", "0 < q < p", "in_unit(p, 'kPa')")),
        ("K", "t - u", ("UNS233", "t - u", "in_unit(u, 'Cel')")),
        ("", "t > k", ("UNS233", "t > k", "in_unit(k, 'Cel')")),
        ("bar", "t", ("UNS234", "t", "correct the formula")),
        ("N.m", "p * area", ("UNS234", "p * area", "correct the formula")),
        ("%", "100 * drive.current / 80", ("UNS234", "100 * drive.current / 80", "quantity(80, 'A')")),
        ("kPa", "p", ("UNS235", "p", "in_unit(p, 'kPa')")),
        ("K", "t", ("UNS235", "t", "in_unit(t, 'K')")),
        ("%", "good / (good + bad)", ("UNS235", "good / (good + bad)", "multiply by 100")),
        ("kW", "torque * speed", ("UNS235", "torque * speed", "divide by 1000")),
        ("W", "torque * rpm", ("UNS235", "torque * rpm", "{revolution}")),
        ("bar", "p + in_unit(t, 'bar')", ("UNS236", "in_unit(t, 'bar')", "")),
        ("bar", "in_unit(bare, 'bar')", ("UNS236", "in_unit(bare, 'bar')", "unit of `bare`")),
        ("bar", "p + in_unit(q, 'Bar')", ("UNS401", None, "did you mean `bar`?")),
        ("bar", "in_unit(p + q, 'bar')", ("UNS401", None, "tell those in a unit")),
        ("bar", "in_unit(p)", ("UNS401", None, "in_unit(…, 'kPa')")),
    ],
)  # fmt: skip
def test_formulas_that_are_wrong(
    found: Any, unit: str, calc: str, expected: tuple[str, str | None, str]
) -> None:
    """One finding with the place inside the formula, and what to do."""
    code, marked, hint = expected
    (one,) = (one for one in found(unit, calc) if one.code != "UNS212")
    assert code == one.code
    assert hint in one.hint
    begin = len(f'      made: {{unit: {chr(34) + unit + chr(34) if unit else "null"}, calc: "')
    if marked:
        first = begin + calc.index(marked) + 1
        assert (first, first + len(marked)) == (one.span.column, one.span.end_column)


def test_a_number_with_a_unit_nobody_said_is_only_asked_about(found: Any) -> None:
    """`100 * current / 80` may be right: it is a warning."""
    (one,) = (one for one in found("%", "100 * drive.current / 80") if one.code != "UNS212")
    assert not one.is_error


def test_a_formula_of_a_part_is_checked_with_the_tags_of_the_part(loaded: Any) -> None:
    """In a part `current` is the part's own; the caret is in the formula as it was written."""
    text = (TAGS % ("bar", "p")).replace("current * volts / 1000", "current + volts")
    (one,) = (one for one in loaded(text).errors)
    assert ("UNS232", 8, 30) == (one.code, one.span.line, one.span.column)


def test_types_that_no_machine_has_are_checked_too(loaded: Any) -> None:
    """A library of types is right before anybody uses it."""
    text = "enterprise: acme\ntypes: {pump: {tags: {p: {unit: bar}, t: {unit: Cel, calc: p}}}}\n"
    assert ["UNS234"] == [one.code for one in loaded(text).diagnostics]


def test_an_override_of_a_unit_counts_in_the_formula(loaded: Any) -> None:
    """The units are those of the machine, not only those of its type."""
    text = """
enterprise: acme
types: {pump: {tags: {p: {optional: true}, q: {unit: bar, optional: true}, s: {calc: p + q}}}}
instances:
  - {path: a/b/c/d, is: pump}
  - {path: a/b/c/e, is: pump, tags: {p: {unit: Cel}}}
"""
    assert ["UNS232"] == [one.code for one in loaded(text).diagnostics if one.is_error]


@pytest.mark.parametrize(
    "calc",
    ["(" * 30 + "p" + " ** 9)" * 30, "(" * 30 + "area" + " ** 9)" * 30, " * ".join(["p"] * 30)],
)
def test_a_hostile_formula_is_checked_at_once(found: Any, calc: str) -> None:
    """Powers of powers are not multiplied out; what is too large has no unit."""
    began = time.perf_counter()
    found("%", calc)
    assert time.perf_counter() - began < 5


def test_a_formula_of_differences_in_differences_is_checked_at_once(found: Any) -> None:
    """Each piece is looked at once, however deep it stands."""
    began = time.perf_counter()
    (one,) = (one for one in found("K", "t - (" * 18 + "t - p" + ")" * 18) if one.code != "UNS212")
    assert "UNS232" == one.code
    assert time.perf_counter() - began < 5
