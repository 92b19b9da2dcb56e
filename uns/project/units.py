"""Units: what a file says after `unit:`, read as UCUM, with what was probably meant."""

from __future__ import annotations

from typing import Any

from uns.project.quantity import WordError, shown
from uns.units import UnitError, canonical, read
from uns.units.spelling import ALIASES

__all__ = ["ALIASES", "read_unit"]


def read_unit(text: Any) -> Any:
    """The UCUM code for `text`; raises WordError where it cannot be one.

    >>> read_unit("°C"), read_unit("{bottle}/h")
    ('Cel', '{bottle}/h')
    """
    if not isinstance(text, str):
        raise WordError(
            f"{shown(text)} is not a unit", hint='put it in quotes: `"1"`', code="UNS105"
        )
    try:
        read(text)
    except UnitError as error:
        raise WordError(str(error), hint=error.hint or _HINT, code="UNS130") from None
    return canonical(text)


_HINT = "`uns explain UNS130` tells how units are written; counted things go in braces: `{bottle}`"
