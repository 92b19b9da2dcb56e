"""Spellings: what people write for a unit, and what they probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Final

from uns.units.table import TABLE
from uns.units.unit import Unit, UnitError

__all__ = ["ALIASES", "MISTAKEN", "canonical", "read", "suggest"]

#: What is seen on drawings → its UCUM code (ucum.org; counted things go in braces).
ALIASES: Final[Mapping[str, str]] = {
    "°C": "Cel", "℃": "Cel", "degC": "Cel", "°F": "[degF]", "℉": "[degF]", "degF": "[degF]",
    "rpm": "{revolution}/min", "RPM": "{revolution}/min", "1/min": "/min", "1/s": "/s",
    "1/h": "/h", "psi": "[psi]", "psig": "[psi]{gauge}", "psia": "[psi]{absolute}",
    "barg": "bar{gauge}", "bara": "bar{absolute}", "mbarg": "mbar{gauge}",
    "mbara": "mbar{absolute}", "inch": "[in_i]", "Nm": "N.m", "kNm": "kN.m", "kWh": "kW.h",
    "MWh": "MW.h", "Wh": "W.h", "VA": "V.A", "kVA": "kV.A", "MVA": "MV.A",
    "var": "V.A{reactive}", "kvar": "kV.A{reactive}", "Mvar": "MV.A{reactive}",
    "kvarh": "kV.A.h{reactive}", "Ah": "A.h", "mAh": "mA.h", "mmHg": "mm[Hg]",
    "mmH2O": "mm[H2O]", "ppm": "[ppm]", "ppb": "[ppb]", "pcs": "{piece}", "pcs/h": "{piece}/h",
    "pcs/min": "{piece}/min", "sec": "s", "hr": "h", "°": "deg", "µm": "um", "μm": "um",
    "µs": "us", "μs": "us", "µA": "uA", "μA": "uA", "Ω": "Ohm", "kΩ": "kOhm", "MΩ": "MOhm",
    "m³": "m3", "m²": "m2", "mm²": "mm2", "m³/h": "m3/h", "m³/min": "m3/min", "m³/s": "m3/s",
    "m/s²": "m/s2", "mm/s²": "mm/s2", "kg/m³": "kg/m3", "µS/cm": "uS/cm", "μS/cm": "uS/cm",
    "Nm³": "m3{normal}", "Nm³/h": "m3{normal}/h", "NTU": "[NTU]",
}  # fmt: skip

#: Codes that are UCUM's and hardly ever meant → what was, and the name of what they are.
MISTAKEN: Final[Mapping[str, tuple[str, str]]] = {
    "C": ("Cel", "coulomb"),
    "F": ("[degF]", "farad"),
    "pH": ("[pH]", "picohenry"),
    "ft": ("[ft_i]", "femtotonne"),
    "pt": ("[pt_us]", "picotonne"),
    "G": ("[g]", "gauss"),
    "H": ("h", "henry"),
}


def canonical(text: str) -> str:
    """The UCUM code where `text` is an alias, else `text` itself."""
    return ALIASES.get(text, text)


def read(text: str) -> Unit:
    """The unit that somebody wrote; raises UnitError with a suggestion in its hint."""
    try:
        return Unit.parse(canonical(text))
    except UnitError as error:
        near = suggest(text)
        if near is None:
            raise
        raise UnitError(str(error), hint=f"did you mean `{near}`?") from None


@lru_cache(1024)
def suggest(text: str) -> str | None:
    """The code that somebody probably meant.

    >>> suggest("KPA"), suggest("bottles/h"), suggest("kW·h")
    ('kPa', '{bottles}/h', 'kW.h')
    """
    plain = text.strip()
    if len(plain) > _LONGEST:
        return None
    found = _folded().get(plain.casefold())
    if found:
        return found
    for attempt in _rewritten(plain):
        if _is_unit(attempt):
            return attempt
    for options in (_codes(), _folded()):
        near = difflib.get_close_matches(plain.casefold(), options, n=3, cutoff=_LIKENESS)
        if near:
            first = plain[:1].casefold()  # slips seldom begin with another letter
            return options[next((one for one in near if one.startswith(first)), near[0])]
    return None


_LONGEST: Final = 64  # characters; a longer text is no slip of the finger
_LIKENESS: Final = 0.66  # `bra` and `bar` are 0.67 alike
_SIGNS = str.maketrans({
    "·": ".", "*": ".", "⋅": ".", "²": "2", "³": "3", "µ": "u", "μ": "u", "Ω": "Ohm", "^": None,
})  # fmt: skip
_PIECES = re.compile(r"([./()])")
_WORD = re.compile(r"[A-Za-z_]{3,}s?\Z")  # `bottles`; shorter ones are slips more often


def _rewritten(text: str) -> Iterator[str]:
    """Readings of a text that is no code: special signs, aliases within, words counted."""
    joined = re.sub(r"\s*([./·*])\s*", r"\1", text).replace(" per ", "/")
    pieces = _PIECES.split(joined.replace(" ", "."))
    plain = [_piece(piece) for piece in pieces]
    yield "".join(plain)
    counted = [
        f"{{{piece}}}" if not _is_unit(piece) and _WORD.match(piece) else piece for piece in plain
    ]
    if len(counted) > 1:
        yield "".join(counted)


def _piece(text: str) -> str:
    if text in ALIASES:
        return ALIASES[text]
    plain = text.translate(_SIGNS)
    if _is_unit(plain) or not plain:
        return plain
    return _folded().get(plain.casefold(), plain)


def _is_unit(text: str) -> bool:
    try:
        return bool(text) and bool(Unit.parse(text))
    except UnitError:
        return False


@cache
def _codes() -> Mapping[str, str]:
    """The table's codes without capitals."""
    return {entry.code.casefold(): entry.code for entry in reversed(TABLE)}


@cache
def _folded() -> Mapping[str, str]:
    """Codes, aliases and names without capitals; of two, the one that is more often meant."""
    found: dict[str, str] = {}
    for entry in TABLE:
        found.setdefault(entry.name.casefold(), entry.code)
        found.setdefault(entry.code.casefold(), entry.code)
    for alias, code in ALIASES.items():
        found.setdefault(alias.casefold(), code)
    found.update({"mpa": "MPa", "mw": "MW", "mw.h": "MW.h", "mwh": "MW.h", "c": "Cel"})
    found.update({"celsius": "Cel", "fahrenheit": "[degF]", "°k": "K"})
    return found
