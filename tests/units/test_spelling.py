"""What people write for a unit."""

from __future__ import annotations

import time

import pytest

from uns.units import Unit, UnitError, read, suggest
from uns.units.spelling import ALIASES, MISTAKEN


@pytest.mark.parametrize(("alias", "code"), ALIASES.items())
def test_an_alias_is_a_unit(alias: str, code: str) -> None:
    """Each spelling leads to a code that can be read."""
    assert Unit.parse(code) == read(alias)


@pytest.mark.parametrize("code", MISTAKEN)
def test_a_code_that_is_hardly_meant_is_a_unit_all_the_same(code: str) -> None:
    """They are UCUM's own codes, and so is what was probably meant."""
    assert Unit.parse(code).dimension != Unit.parse(MISTAKEN[code][0]).dimension


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Bar", "bar"),
        ("bra", "bar"),
        ("KPA", "kPa"),
        ("kpa", "kPa"),
        ("mpa", "MPa"),
        ("kwh", "kW.h"),
        ("kW·h", "kW.h"),
        ("kWh/m3", "kW.h/m3"),
        ("°C/min", "Cel/min"),
        ("celsius", "Cel"),
        ("Kg", "kg"),
        ("m^3/h", "m3/h"),
        ("L/Min", "L/min"),
        ("bottles/h", "{bottles}/h"),
        ("pascal", "Pa"),
        ("hours", "h"),
        ("litre", "L"),
        ("qqqq", None),
    ],
)
def test_what_was_probably_meant(text: str, expected: str | None) -> None:
    """Capitals, signs of drawings, names, words that are counted, slips of the finger."""
    assert expected == suggest(text)
    assert expected is None or Unit.parse(expected)


def test_the_hint_is_the_suggestion() -> None:
    """Who reads a unit is told what was probably meant."""
    with pytest.raises(UnitError) as caught:
        read("Bar")
    assert ("`Bar` is not a UCUM unit", "did you mean `bar`?") == (
        str(caught.value),
        caught.value.hint,
    )


def test_a_hostile_text_has_no_suggestion() -> None:
    """A unit of a million characters is refused at once."""
    began = time.perf_counter()
    for text in ("b" * 10**6, "/" * 10**6, "°" * 64, "(" * 64, "a b " * 16):
        with pytest.raises(UnitError):
            read(text)
    assert time.perf_counter() - began < 2
