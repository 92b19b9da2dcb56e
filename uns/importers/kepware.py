"""Kepware: the tags that KEPServerEX exports as CSV, one file for each device.

Columns: kepware.com, "CSV Import and Export". The file says neither driver nor device, so the
addresses decide: Modbus and S7 are read from the PLC; what is neither is read through
Kepware's own OPC UA server, which has every tag as `s=Channel.Device.Tag`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from uns.importers.found import Device, Found, FoundTag, Unmapped
from uns.importers.modbus_words import kepware_address, typed
from uns.importers.reading import Plant, levels_of, read_unit, span_of
from uns.importers.s7_words import s7_address
from uns.importers.table import Row, number, read_table
from uns.metric import DataType

__all__ = ["read"]

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "name": ("Tag Name",), "address": ("Address",), "type": ("Data Type",),
    "respect": ("Respect Data Type",), "access": ("Client Access",), "scan": ("Scan Rate",),
    "scaling": ("Scaling",), "raw_lo": ("Raw Low",), "raw_hi": ("Raw High",),
    "lo": ("Scaled Low",), "hi": ("Scaled High",), "scaled_type": ("Scaled Data Type",),
    "clamp_lo": ("Clamp Low",), "clamp_hi": ("Clamp High",),
    "unit": ("Eng. Units", "Eng Units"), "desc": ("Description",), "negate": ("Negate Value",),
}  # fmt: skip
#: Kepware's types; its Byte, Word and DWord are unsigned, its Char, Short and Long are not.
_TYPES = {
    "boolean": DataType.BOOLEAN, "char": DataType.INT8, "byte": DataType.UINT8,
    "short": DataType.INT16, "word": DataType.UINT16, "long": DataType.INT32,
    "dword": DataType.UINT32, "llong": DataType.INT64, "qword": DataType.UINT64,
    "float": DataType.FLOAT, "double": DataType.DOUBLE, "string": DataType.STRING,
}  # fmt: skip
_UA_PORT = 49320  # of Kepware's own OPC UA server
_NAMESPACE = "KEPServerEX"
_ORDER = "CDAB"
_WORDS: Mapping[str, Callable[[str, DataType], str]] = {
    "modbus": kepware_address,
    "s7": s7_address,
}
_GUESSES = {
    "modbus": "order: CDAB is Kepware's `First Word Low`, which is on where nobody changed it",
    "opcua": "read through Kepware's OPC UA server; put `Channel.Device` before the tags' names",
}


def read(name: str, raw: bytes, plant: Plant) -> Found:
    """The device whose tags are in a file; it is called like the file."""
    table = read_table(name, raw, _COLUMNS, ("name", "address", "type"))
    driver = _driver(table.rows, plant)
    port = _UA_PORT if driver == "opcua" else None
    connection: dict[str, Any] = plant.connection(driver, port=port)
    stem = name.rpartition(".")[0] or name
    if driver == "modbus":
        connection["order"] = _ORDER
    if driver == "opcua":
        connection["namespace"] = _NAMESPACE
    tags: list[FoundTag] = []
    unmapped = list(table.lost)
    for row in table.rows:
        tag = _tag(row, driver, connection, plant, stem)
        if isinstance(tag, Unmapped):
            unmapped.append(tag)
        else:
            tags.append(tag)
    if not tags:
        return Found((), tuple(unmapped))
    guesses = (_GUESSES[driver],) if driver in _GUESSES else ()
    return Found((Device(stem, driver, connection, tuple(tags), guesses),), tuple(unmapped))


def _driver(rows: Sequence[Row], plant: Plant) -> str:
    """The driver whose addresses most of the rows have; Kepware's own server where none."""
    if plant.driver:
        return plant.driver
    known = [(row.text("address"), _TYPES.get(row.text("type").casefold())) for row in rows]
    for driver, words in _WORDS.items():
        read = sum(1 for address, kind in known if kind is not None and words(address, kind))
        if read * 2 > len(rows):
            return driver
    return "opcua"


def _tag(
    row: Row, driver: str, connection: Mapping[str, Any], plant: Plant, stem: str
) -> FoundTag | Unmapped:
    what = f"`{row.text('name')}` ({row.text('type')} at {row.text('address')})"
    datatype = _TYPES.get(row.text("type").casefold())
    if datatype is None:
        return Unmapped(row.origin, what, f"its type `{row.text('type')}` has no counterpart")
    if driver == "opcua":
        address = f"s={stem}.{row.text('name')}"
    else:
        words = _WORDS.get(driver)
        address = words(row.text("address"), datatype) if words else row.text("address")
    if not address:
        return Unmapped(row.origin, what, f"not an address that our driver `{driver}` can read")
    if problem := plant.problem(driver, address, connection, datatype):
        return Unmapped(row.origin, what, problem)
    if driver == "modbus" and row.text("scaling").casefold() == "linear":
        address = typed(address, datatype)  # what is read is not what is made of it
    return _made(row, address, datatype, through_server=driver == "opcua")


def _made(row: Row, address: str, datatype: DataType, *, through_server: bool) -> FoundTag:
    unit, guess = read_unit(row.text("unit"))
    span = span_of(number(row.text("lo")), number(row.text("hi")))
    raw = span_of(number(row.text("raw_lo")), number(row.text("raw_hi")))
    guesses = [guess] if guess else []
    scaling = row.text("scaling").casefold()
    is_linear = scaling == "linear" and span is not None and raw is not None
    if scaling not in ("", "none", "linear"):
        guesses.append(f"raw: its scaling `{row.text('scaling')}` is not mapped")
    elif scaling == "linear" and not is_linear:
        guesses.append("raw: the limits of its scaling are no range")
    if row.text("negate") == "1":
        guesses.append("not negated, and Kepware negates it")
    if is_linear:
        datatype = _TYPES.get(row.text("scaled_type").casefold(), DataType.DOUBLE)
    scan = number(row.text("scan"))
    return FoundTag(
        levels_of(row.text("name")),
        address,
        datatype,
        unit,
        span if is_linear else None,
        (*raw, *span) if is_linear and raw and span and not through_server else None,
        scan=f"{scan:g}ms" if scan and scan > 0 else "",
        is_writable=row.text("access").upper() in ("R/W", "RW", "WO", "W/O"),
        desc=row.text("desc"),
        origin=row.origin,
        guesses=tuple(guesses),
    )
