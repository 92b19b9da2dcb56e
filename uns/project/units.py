"""Units: UCUM codes, and the spellings that people use instead."""

from __future__ import annotations

import re
from typing import Any

from uns.project.quantity import WordError, shown

__all__ = ["ALIASES", "read_unit"]

#: What is seen on drawings → its UCUM code (ucum.org; counted things go in braces).
ALIASES = {
    "°C": "Cel",
    "℃": "Cel",
    "degC": "Cel",
    "°F": "[degF]",
    "degF": "[degF]",
    "rpm": "{revolution}/min",
    "1/min": "/min",
    "1/s": "/s",
    "1/h": "/h",
    "psi": "[psi]",
    "inch": "[in_i]",
    "Nm": "N.m",
    "kWh": "kW.h",
    "MWh": "MW.h",
    "Wh": "W.h",
    "VA": "V.A",
    "kVA": "kV.A",
    "var": "V.A{reactive}",
    "kvar": "kV.A{reactive}",
    "Ah": "A.h",
    "mmHg": "mm[Hg]",
    "ppm": "[ppm]",
    "pcs": "{piece}",
    "sec": "s",
    "hr": "h",
    "°": "deg",
    "µm": "um",
    "μm": "um",
    "µs": "us",
    "Ω": "Ohm",
    "m³": "m3",
    "m²": "m2",
    "m³/h": "m3/h",
    "m/s²": "m/s2",
    "mm/s²": "mm/s2",
}
_ASCII = re.compile(r"[!-~]*\Z")  # UCUM §2: printable US-ASCII without blanks
_BRACES = re.compile(r"[^{}]*(?:\{[^{}]*\}[^{}]*)*\Z")


def read_unit(text: Any) -> Any:
    """The UCUM code for `text`; raises WordError where it cannot be one.

    >>> read_unit("°C"), read_unit("{bottle}/h")
    ('Cel', '{bottle}/h')
    """
    if not isinstance(text, str):
        raise WordError(
            f"{shown(text)} is not a unit", hint='put it in quotes: `"1"`', code="UNS105"
        )
    if text in ALIASES:
        return ALIASES[text]
    if not _ASCII.match(text):
        raise WordError(
            f"`{text}` is not a UCUM unit",
            hint="UCUM has no blanks and no special signs: `Cel`, `m3/h`, `{bottle}`",
        )
    if not _BRACES.match(text):
        raise WordError(f"`{text}` opens a brace and does not close it")
    return text
