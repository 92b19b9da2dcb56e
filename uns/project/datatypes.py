"""Names of datatypes: Sparkplug's own, and those of IEC 61131-3, OPC UA and everyday use."""

from __future__ import annotations

from typing import Any

from uns.metric import DataType
from uns.project.nearest import suggestion
from uns.project.quantity import WordError, shown

__all__ = ["ALIASES", "read_datatype"]

_NATIVE = {
    kind.label: kind
    for kind in (
        *(DataType(code) for code in range(1, 15)),
        DataType.UUID,
        DataType.BYTES,
        *(DataType(code) for code in range(22, 35)),
    )
}

#: Other names: IEC 61131-3 table 10, OPC UA part 6 table 1, and what people type.
ALIASES = {
    "SINT": DataType.INT8,
    "INT": DataType.INT16,
    "DINT": DataType.INT32,
    "LINT": DataType.INT64,
    "USINT": DataType.UINT8,
    "UINT": DataType.UINT16,
    "UDINT": DataType.UINT32,
    "ULINT": DataType.UINT64,
    "BYTE": DataType.UINT8,
    "WORD": DataType.UINT16,
    "DWORD": DataType.UINT32,
    "LWORD": DataType.UINT64,
    "REAL": DataType.FLOAT,
    "LREAL": DataType.DOUBLE,
    "FLOAT32": DataType.FLOAT,
    "FLOAT64": DataType.DOUBLE,
    "BOOL": DataType.BOOLEAN,
    "WSTRING": DataType.STRING,
    "SBYTE": DataType.INT8,
    "DT": DataType.DATETIME,
    "DATE_AND_TIME": DataType.DATETIME,
    "BYTESTRING": DataType.BYTES,
    "GUID": DataType.UUID,
}
_FOLDED = {name.casefold(): kind for name, kind in (ALIASES | _NATIVE).items()}


def read_datatype(text: Any) -> DataType:
    """The datatype called `text`, in capitals or not; raises WordError with a suggestion.

    >>> read_datatype("LREAL").label
    'Double'
    """
    if isinstance(text, DataType):
        return text
    if isinstance(text, str) and text.casefold() in _FOLDED:
        return _FOLDED[text.casefold()]
    raise WordError(
        f"{shown(text)} is not a datatype we know",
        hint=suggestion(str(text), [*_NATIVE, *ALIASES], otherwise=_USUAL),
        code="UNS104",
    )


_USUAL = "for example Float, Int32, Boolean, String, or REAL, DINT, BOOL"
