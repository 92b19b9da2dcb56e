"""Units taken apart: UCUM's grammar, the table, and the codes of trade and OPC UA."""

from __future__ import annotations

import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uns.units import Unit, UnitError, convert, of_opcua, of_unece
from uns.units.atoms import ATOMS, BASE, PREFIXES
from uns.units.table import TABLE

# Code, UNECE, unitId: taken from the list that OPC 10000-8, 5.6.4.4 points to.
KNOWN = [
    ("Cel", "CEL", 4408652),
    ("[degF]", "FAH", 4604232),
    ("m3/h", "MQH", 5067080),
    ("kW.h", "KWH", 4937544),
    ("{revolution}/min", "RPM", 5394509),
    ("L/min", "L2", 19506),
    ("mm[Hg]", "HN", 18510),
    ("[psi]", "PS", 20563),
    ("N.m", "NU", 20053),
    ("mbar", "MBR", 5063250),
    ("uS/cm", "G42", 4666418),
    ("m3{normal}/h", "Q40", 5321776),
    ("deg", "DD", 17476),
    ("1", "C62", 4404786),
    ("H", "81", 14385),
]


@pytest.mark.parametrize(("code", "unece", "unit_id"), KNOWN)
def test_a_unit_has_its_codes(code: str, unece: str, unit_id: int) -> None:
    """UNECE's code and OPC UA's unitId lead to the unit and back."""
    unit = Unit.parse(code)
    assert (unece, unit_id) == (unit.unece, unit.opcua_id)
    assert unit == of_unece(unece) == of_opcua(unit_id)


def test_codes_that_nobody_knows_are_no_unit() -> None:
    """A vendor's own unitId, 0 and -1 (OPC UA's "none") are not taken for something else."""
    assert [None] * 5 == [of_opcua(i) for i in (0, -1, 1 << 31, 0xFFFFFF, 7)]
    assert of_unece("XYZ") is None


def test_the_table_is_about_the_units_of_plants() -> None:
    """Some 200 rows, each a code that is read, each code and UNECE code once."""
    assert 150 <= len(TABLE) <= 300
    assert len(TABLE) == len({row.code for row in TABLE})
    codes = [row.unece for row in TABLE if row.unece]
    assert len(codes) == len(set(codes))
    assert [row.name for row in TABLE] == [Unit.parse(row.code).name for row in TABLE]


@pytest.mark.parametrize("symbol", [*BASE, *ATOMS])
def test_every_atom_is_defined(symbol: str) -> None:
    """Each definition can be read, and none is worth nothing."""
    assert Unit.parse(symbol).factor > 0


def test_no_prefix_makes_one_atom_of_another() -> None:
    """`cd` is a candela and never a centiday; a symbol is looked up whole first."""
    assert "luminous intensity" == Unit.parse("cd").quantity
    assert "pressure" == Unit.parse("Pa").quantity
    twice = {p + a for p in PREFIXES for a in ATOMS if ATOMS[a].takes_prefix} & {*BASE, *ATOMS}
    assert set() == twice - {"cd", "Pa", "min", "Gy", "kat", "dyn"}


@pytest.mark.parametrize(
    ("code", "quantity", "factor"),
    [
        ("", "ratio or number", 1),
        ("1", "ratio or number", 1),
        ("%", "ratio or number", Fraction(1, 100)),
        ("{bottle}/h", "rate", Fraction(1, 3600)),
        ("kW.h", "energy", 3_600_000_000),  # in grams: the basic unit of mass
        ("N.m", "energy", 1000),
        ("L/min", "volume flow", Fraction(1, 60_000)),
        ("m/s2", "acceleration", 1),
        ("m.s-2", "acceleration", 1),
        ("W/(m2.K)", "mass/temperature·time³", 1000),
        ("10*3/uL", "1/length³", 10**12),
        ("10^3", "ratio or number", 1000),
        ("100.mL", "volume", Fraction(1, 10_000)),
        ("/min", "rate", Fraction(1, 60)),
        ("mm[Hg]", "pressure", Fraction("133322")),
        ("KiBy", "data", 8192),
        ("uS/cm", "conductivity", Fraction(1, 10_000_000)),
        ("ml", "volume", Fraction(1, 10**6)),
        ("V.A{reactive}", "power", 1000),
        ("[in_i'H2O]", "pressure", Fraction("249088.91")),
    ],
)
def test_composites(code: str, quantity: str, factor: Fraction) -> None:
    """Prefixes, exponents, products, quotients and braces, as UCUM has them."""
    unit = Unit.parse(code)
    assert (quantity, factor) == (unit.quantity, unit.factor)


@pytest.mark.parametrize(
    "code",
    [
        "Bar", "bra", "kkg", "m/", "/", "m//s", "m.", ".m", "()", "(m", "m)", "{a", "a}", "m{",
        "m}", "{a}{b}", "m{a}2", "m0", "m10", "m-", "kmin", "mh", "[degf]", "°C", "m s",
        "0", "0.m", "m+s", "m*s", "10**", "[in_i", "in_i]", "m\n", "%%", "k", "k%", "m" * 65, "Ym9", "m/Ym8",
    ],
)  # fmt: skip
def test_what_is_no_unit_is_refused(code: str) -> None:
    """One sentence, never another exception."""
    with pytest.raises(UnitError):
        Unit.parse(code)


def test_any_two_units_that_fit_can_be_converted() -> None:
    """The largest and the smallest that are read are within a double of each other."""
    sizes = ("Ym6", "ym6")
    assert 1e288 == pytest.approx(convert(1.0, *sizes))
    assert 1e-288 == pytest.approx(convert(1.0, *reversed(sizes)))


@given(st.text(alphabet="mskgPaCelbarh10*^%[]{}()./-+2'", max_size=70))
def test_no_text_breaks_the_reader(code: str) -> None:
    """Whatever is typed is a unit of some size, or refused."""
    try:
        unit = Unit.parse(code)
    except UnitError:
        return
    assert unit.factor > 0


def test_a_hostile_unit_is_refused_at_once() -> None:
    """Brackets in brackets and huge exponents cost nothing."""
    began = time.perf_counter()
    for code in (
        "(" * 64,
        "((((m9)9)9)9)",
        "Ym9.Ym9.Ym9.Ym9.Ym9.Ym9.Ym9.Ym9",
        "9" * 64,
        "(" * 10**6,
    ):
        try:
            Unit.parse(code)
        except UnitError:
            continue
    assert time.perf_counter() - began < 1


def test_what_is_counted_must_agree() -> None:
    """Bottles are no pallets and gauge pressure is no absolute pressure; no braces fit any."""
    pairs = [
        ("{bottle}", "{pallet}", False),
        ("{bottle}/h", "{bottle}/min", True),
        ("{bottle}/h", "/min", True),
        ("bar{gauge}", "kPa{absolute}", False),
        ("bar{gauge}", "kPa{gauge}", True),
        ("[pH]", "%", False),
        ("dB", "%", False),
        ("Cel", "[degF]", True),
        ("V.A", "W", True),
    ]
    assert pairs == [(a, b, Unit.parse(a).fits(Unit.parse(b))) for a, b, _ in pairs]
