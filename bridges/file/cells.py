"""What a cell of a file says for a tag: numbers as people write them, nothing where it is empty."""

from __future__ import annotations

import re
from typing import Any

from bridges.rows import Moments, value_of
from uns.metric import DataType, Value

__all__ = ["said"]

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,30}")
_THOUSANDS = re.compile(r"([+-]?[0-9]{1,3})((?:[. \u00a0\u202f'][0-9]{3})+)(?=,|$)")


def said(cell: Any, datatype: DataType, moments: Moments, decimal: str) -> Value:
    """The value of a cell, None where it says nothing; raises ValueError where it is wrong."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    is_number = datatype.is_integer or datatype.is_real
    if is_number and isinstance(cell, str):
        return _number(cell.strip(), decimal)
    if is_number and not isinstance(cell, int | float):
        raise ValueError(f"`{str(cell)[:40]}` is no number")
    return value_of(cell, datatype, moments)


def _number(text: str, decimal: str) -> int | float:
    bare = text
    if decimal == ",":
        bare = _THOUSANDS.sub(lambda found: found[1] + re.sub(r"[^0-9]", "", found[2]), text)
        if "." in bare:
            raise ValueError(f"`{text}` is no number with a decimal comma")
        bare = bare.replace(",", ".")
    if _WHOLE.fullmatch(bare):
        return int(bare)
    if _NUMBER.fullmatch(bare):
        return float(bare)
    raise ValueError(f"`{text[:40]}` is no number")
