"""Atoms: the units that all others are made of, and the prefixes that they take.

Symbols and definitions are facts of UCUM (ucum.org, version 2.2, tables 3 to 30), chosen for
plants. Three things differ, on purpose: the ampere is basic, not the coulomb; the mole has a
dimension of its own, as in SI; and scales that are not linear (pH, decibel) have one too, so
that nothing else turns into them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Final, NamedTuple

from uns.units.powers import Powers

__all__ = ["ATOMS", "BASE", "PREFIXES", "Atom"]


class Atom(NamedTuple):
    """A unit that is `value` times `unit`; `offset` is added first, on scales with a zero of their own."""

    name: str
    value: Fraction
    unit: str
    takes_prefix: bool = False
    offset: Fraction = Fraction(0)


#: Units that are defined by nothing else here, with their dimension.
BASE: Final[Mapping[str, tuple[str, Powers]]] = {
    "m": ("metre", (("length", 1),)),
    "g": ("gram", (("mass", 1),)),
    "s": ("second", (("time", 1),)),
    "A": ("ampere", (("current", 1),)),
    "K": ("kelvin", (("temperature", 1),)),
    "cd": ("candela", (("luminous intensity", 1),)),
    "mol": ("mole", (("amount", 1),)),
    "rad": ("radian", (("angle", 1),)),
    "bit": ("bit", (("information", 1),)),
    "B": ("bel", (("level", 1),)),
    "B[SPL]": ("bel of sound pressure", (("sound level", 1),)),
    "Np": ("neper", (("level in neper", 1),)),
    "[pH]": ("pH", (("acidity", 1),)),
    "[NTU]": ("nephelometric turbidity unit", (("turbidity", 1),)),
    "[FNU]": ("formazin nephelometric unit", (("turbidity in FNU", 1),)),
    "[iU]": ("international unit", (("biological effect", 1),)),
    "[CFU]": ("colony forming unit", (("colonies", 1),)),
}

PREFIXES: Final[Mapping[str, Fraction]] = {
    "Y": Fraction(10**24), "Z": Fraction(10**21), "E": Fraction(10**18), "P": Fraction(10**15),
    "T": Fraction(10**12), "G": Fraction(10**9), "M": Fraction(10**6), "k": Fraction(10**3),
    "h": Fraction(100), "da": Fraction(10), "d": Fraction(1, 10), "c": Fraction(1, 100),
    "m": Fraction(1, 10**3), "u": Fraction(1, 10**6), "n": Fraction(1, 10**9),
    "p": Fraction(1, 10**12), "f": Fraction(1, 10**15), "a": Fraction(1, 10**18),
    "z": Fraction(1, 10**21), "y": Fraction(1, 10**24),
    "Ki": Fraction(2**10), "Mi": Fraction(2**20), "Gi": Fraction(2**30), "Ti": Fraction(2**40),
}  # fmt: skip

_PI: Final = Fraction(math.pi)


def _si(name: str, unit: str, value: str | int = 1) -> Atom:
    """One that takes prefixes."""
    return Atom(name, Fraction(value), unit, takes_prefix=True)


def _plain(name: str, unit: str, value: str | int | Fraction = 1) -> Atom:
    return Atom(name, Fraction(value), unit)


ATOMS: Final[Mapping[str, Atom]] = {
    # ratios and numbers
    "%": _plain("percent", "1", "0.01"),
    "[ppth]": _plain("part per thousand", "1", "1e-3"),
    "[ppm]": _plain("part per million", "1", "1e-6"),
    "[ppb]": _plain("part per billion", "1", "1e-9"),
    "[pptr]": _plain("part per trillion", "1", "1e-12"),
    "10*": _plain("ten", "1", 10),
    "10^": _plain("ten", "1", 10),
    "[pi]": _plain("pi", "1", _PI),
    # derived units with names of their own (SI brochure, table 4)
    "sr": _si("steradian", "rad2"),
    "Hz": _si("hertz", "/s"),
    "N": _si("newton", "kg.m/s2"),
    "Pa": _si("pascal", "N/m2"),
    "J": _si("joule", "N.m"),
    "W": _si("watt", "J/s"),
    "C": _si("coulomb", "A.s"),
    "V": _si("volt", "W/A"),
    "F": _si("farad", "C/V"),
    "Ohm": _si("ohm", "V/A"),
    "S": _si("siemens", "A/V"),
    "mho": _si("mho", "S"),
    "Wb": _si("weber", "V.s"),
    "T": _si("tesla", "Wb/m2"),
    "H": _si("henry", "Wb/A"),
    "lm": _si("lumen", "cd.sr"),
    "lx": _si("lux", "lm/m2"),
    "Bq": _si("becquerel", "/s"),
    "Gy": _si("gray", "J/kg"),
    "Sv": _si("sievert", "J/kg"),
    "kat": _si("katal", "mol/s"),
    # temperature
    "Cel": Atom("degree Celsius", Fraction(1), "K", takes_prefix=True, offset=Fraction("273.15")),
    "[degF]": Atom("degree Fahrenheit", Fraction(5, 9), "K", offset=Fraction("459.67")),
    "[degR]": _plain("degree Rankine", "K", Fraction(5, 9)),
    # angle
    "deg": _plain("degree", "rad", _PI / 180),
    "'": _plain("minute of angle", "deg", Fraction(1, 60)),
    "''": _plain("second of angle", "'", Fraction(1, 60)),
    "gon": _si("gon", "deg", "0.9"),
    "circ": _plain("circle", "rad", 2 * _PI),
    # time; UCUM gives these no prefixes
    "min": _plain("minute", "s", 60),
    "h": _plain("hour", "min", 60),
    "d": _plain("day", "h", 24),
    "wk": _plain("week", "d", 7),
    "mo": _plain("month", "d", "30.4375"),
    "a": _plain("year", "d", "365.25"),
    "Bd": _si("baud", "/s"),
    # length, area, volume
    "L": _si("litre", "dm3"),
    "l": _si("litre", "dm3"),
    "ar": _si("are", "m2", 100),
    "Ao": _plain("angstrom", "nm", "0.1"),
    "[in_i]": _plain("inch", "cm", "2.54"),
    "[ft_i]": _plain("foot", "[in_i]", 12),
    "[yd_i]": _plain("yard", "[ft_i]", 3),
    "[mi_i]": _plain("mile", "[ft_i]", 5280),
    "[nmi_i]": _plain("nautical mile", "m", 1852),
    "[mil_i]": _plain("mil", "[in_i]", "1e-3"),
    "[sin_i]": _plain("square inch", "[in_i]2"),
    "[sft_i]": _plain("square foot", "[ft_i]2"),
    "[cin_i]": _plain("cubic inch", "[in_i]3"),
    "[cft_i]": _plain("cubic foot", "[ft_i]3"),
    "[kn_i]": _plain("knot", "[nmi_i]/h"),
    "[gal_us]": _plain("gallon (US)", "[cin_i]", 231),
    "[qt_us]": _plain("quart (US)", "[gal_us]", "0.25"),
    "[pt_us]": _plain("pint (US)", "[gal_us]", "0.125"),
    "[foz_us]": _plain("fluid ounce (US)", "[gal_us]", Fraction(1, 128)),
    "[bbl_us]": _plain("barrel (US)", "[gal_us]", 42),
    "[gal_br]": _plain("gallon (UK)", "L", "4.54609"),
    "[pt_br]": _plain("pint (UK)", "[gal_br]", "0.125"),
    # mass
    "t": _si("tonne", "kg", 1000),
    "u": _si("atomic mass unit", "g", "1.66053906660e-24"),
    "[gr]": _plain("grain", "mg", "64.79891"),
    "[lb_av]": _plain("pound", "[gr]", 7000),
    "[oz_av]": _plain("ounce", "[lb_av]", Fraction(1, 16)),
    "[oz_tr]": _plain("troy ounce", "[gr]", 480),
    "[ston_av]": _plain("short ton", "[lb_av]", 2000),
    "[lton_av]": _plain("long ton", "[lb_av]", 2240),
    "tex": _si("tex", "g/km"),
    "[den]": _plain("denier", "tex", Fraction(1, 9)),
    # force and pressure
    "[g]": _si("acceleration of free fall", "m/s2", "9.80665"),
    "Gal": _si("gal", "cm/s2"),
    "dyn": _si("dyne", "g.cm/s2"),
    "gf": _si("gram-force", "g.[g]"),
    "[lbf_av]": _plain("pound-force", "[lb_av].[g]"),
    "bar": _si("bar", "Pa", 100_000),
    "atm": _plain("standard atmosphere", "Pa", 101_325),
    "att": _plain("technical atmosphere", "kgf/cm2"),
    "[psi]": _plain("pound-force per square inch", "[lbf_av]/[sin_i]"),
    "m[Hg]": _si("metre of mercury", "kPa", "133.3220"),
    "m[H2O]": _si("metre of water", "kPa", "9.80665"),
    "[in_i'Hg]": _plain("inch of mercury", "m[Hg]", "0.0254"),
    "[in_i'H2O]": _plain("inch of water", "m[H2O]", "0.0254"),
    # viscosity
    "P": _si("poise", "dyn.s/cm2"),
    "St": _si("stokes", "cm2/s"),
    # energy and power
    "erg": _si("erg", "dyn.cm"),
    "eV": _si("electronvolt", "J", "1.602176634e-19"),
    "cal": _si("calorie", "J", "4.184"),
    "cal_IT": _si("calorie (international table)", "J", "4.1868"),
    "[Btu_IT]": _plain("British thermal unit", "kJ", "1.05505585262"),
    "[Btu_th]": _plain("British thermal unit (thermochemical)", "kJ", "1.054350"),
    "[HP]": _plain("horsepower", "[ft_i].[lbf_av]/s", 550),
    # magnetism, radiation, information
    "G": _si("gauss", "T", "1e-4"),
    "Ci": _si("curie", "Bq", "3.7e10"),
    "By": _si("byte", "bit", 8),
}
