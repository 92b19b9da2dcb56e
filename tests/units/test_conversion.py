"""Conversions between units that fit."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uns.units import Unit, UnitError, conversion, convert
from uns.units.table import TABLE

CODES = [entry.code for entry in TABLE]


@pytest.mark.parametrize(
    ("value", "old", "new", "expected"),
    [
        (3.5, "bar", "kPa", 350.0),
        (350, "kPa", "bar", 3.5),
        (20, "Cel", "[degF]", 68.0),
        (-40, "[degF]", "Cel", -40.0),
        (0, "Cel", "K", 273.15),
        (10, "Cel/min", "K/s", 1 / 6),
        (1, "atm", "bar", 1.01325),
        (1, "[psi]", "kPa", 6.894757293168361),  # NIST SP 811: 6.894 757
        (1, "[HP]", "W", 745.6998715822702),  # NIST SP 811: 745.6999
        (1, "[gal_us]", "L", 3.785411784),  # NIST SP 811, exact
        (1, "[mi_i]/h", "km/h", 1.609344),  # exact
        (1, "kW.h", "MJ", 3.6),
        (1, "[Btu_IT]", "J", 1055.05585262),  # NIST SP 811, exact
        (90, "{revolution}/min", "/s", 1.5),
        (360, "deg", "circ", 1.0),
        (36000, "{bottle}/h", "{bottle}/min", 600.0),
        (0.5, "1", "%", 50.0),
        (2, "mg/L", "g/m3", 2),
        (100, "mm[H2O]", "Pa", 980.665),
    ],
)
def test_known_values(value: float, old: str, new: str, expected: float) -> None:
    """Figures that can be looked up."""
    assert expected == pytest.approx(convert(value, old, new), rel=1e-15)


def test_decimals_stay_decimals() -> None:
    """What is exact on paper is exact here: no 350.00000000000006."""
    assert (350.0, 0.0035, 1.1, 68.0) == (
        convert(3.5, "bar", "kPa"),
        convert(3.5, "mm", "m"),
        convert(1100, "g", "kg"),
        convert(20, "Cel", "[degF]"),
    )


def test_whole_numbers_stay_whole_where_they_can() -> None:
    """A 64-bit counter loses no digit on its way to the same or a smaller unit."""
    count = 2**53 + 1
    assert (count, count * 1000, int) == (
        convert(count, "{bottle}", "{bottle}"),
        convert(count, "kg", "g"),
        type(convert(count, "kg", "g")),
    )


@given(st.sampled_from(CODES), st.sampled_from(CODES), st.floats(-1e9, 1e9))
def test_there_and_back(old: str, new: str, value: float) -> None:
    """A value that is converted twice is the value again."""
    first, second = Unit.parse(old), Unit.parse(new)
    if not first.fits(second):
        return
    back = conversion(second, first)(conversion(first, second)(value))
    assert math.isclose(value, back, rel_tol=1e-9, abs_tol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("bar", "Cel", "`bar` is a unit of pressure, `Cel` of temperature"),
        ("{bottle}", "{pallet}", "`{bottle}` and `{pallet}` count different things"),
        ("[pH]", "1", "`[pH]` is a unit of acidity, `1` of ratio or number"),
    ],
)
def test_what_does_not_fit_says_why(old: str, new: str, why: str) -> None:
    """One sentence names both units and what they measure."""
    with pytest.raises(
        UnitError, match=f"^{why.replace('{', chr(92) + '{').replace('[', chr(92) + '[')}$"
    ):
        convert(1, old, new)
