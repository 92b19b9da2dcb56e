"""S7 in other products' words: `DB1,REAL4`, `DB1.DBD4` with a type beside it, `%MW20`."""

from __future__ import annotations

import re

from uns.metric import DataType

__all__ = ["s7_address"]

_NAMES = {
    DataType.INT8: "SINT", DataType.UINT8: "USINT", DataType.INT16: "INT", DataType.UINT16: "UINT",
    DataType.INT32: "DINT", DataType.UINT32: "UDINT", DataType.FLOAT: "REAL",
    DataType.INT64: "LINT", DataType.UINT64: "ULINT", DataType.DOUBLE: "LREAL",
}  # fmt: skip
_LETTERS = {1: "B", 2: "W", 4: "D", 8: "B"}
_SIZES = {
    "SINT": 1, "USINT": 1, "INT": 2, "UINT": 2, "DINT": 4, "UDINT": 4, "REAL": 4, "LINT": 8,
    "ULINT": 8, "LREAL": 8,
}  # fmt: skip
_PLACE = re.compile(
    r"%?(?:DB(?P<db>[0-9]+)[.,](?:DB)?|(?P<area>[MIQEA]))"
    r"(?P<word>STRING|[A-Z]*)(?P<start>[0-9]+)(?:\.(?P<after>[0-9]+))?\Z",
    re.IGNORECASE,
)
_BITS = {"X", "BOOL", "BOOLEAN", ""}


def s7_address(address: str, datatype: DataType) -> str:
    """An S7 address in ours, typed by the type that stands beside it; empty where it is none.

    >>> s7_address("DB1,REAL4", DataType.FLOAT), s7_address("%MW20", DataType.INT16)
    ('DB1.DBD4:REAL', 'MW20:INT')
    """
    found = _PLACE.match(address.strip())
    if found is None:
        return ""
    head = f"DB{found['db']}.DB" if found["db"] else found["area"].upper()
    start, after = found["start"], found["after"]
    if datatype is DataType.BOOLEAN:
        if found["word"].upper() not in _BITS or after is None:
            return ""
        return f"{head}{'X' if found['db'] else ''}{start}.{after}"
    if datatype.is_text:
        return f"{head}B{start}:STRING[{after}]" if after and found["db"] else ""
    name = _NAMES.get(datatype)
    if name is None or after is not None:
        return ""
    return f"{head}{_LETTERS[_SIZES[name]]}{start}:{name}"
