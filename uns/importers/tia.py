"""TIA Portal: the PLC tags that it exports as Excel, from one tag table or from all.

Columns as public programs that write such files agree: Name, Path, Data Type, Logical Address,
Comment, Hmi Visible, Hmi Accessible, Hmi Writeable, Typeobject ID, Version ID.
"""

from __future__ import annotations

from collections.abc import Mapping

from uns.importers.found import Device, Found, FoundTag, Unmapped
from uns.importers.reading import Plant, levels_of
from uns.importers.s7_words import s7_address
from uns.importers.table import Row, read_table
from uns.metric import DataType

__all__ = ["read"]

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "name": ("Name", "Symbol"), "path": ("Path", "Pfad", "Tag table", "Variablentabelle"),
    "type": ("Data Type", "Datentyp"), "address": ("Logical Address", "Address", "Adresse"),
    "comment": ("Comment", "Kommentar"), "visible": ("Hmi Visible", "In HMI sichtbar"),
    "accessible": ("Hmi Accessible", "Erreichbar aus HMI"),
    "writeable": ("Hmi Writeable", "Schreibbar aus HMI"), "id": ("Typeobject ID",),
    "version": ("Version ID",), "retain": ("Retain", "Remanenz"),
}  # fmt: skip
_DEFAULT_TABLES = {"default tag table", "standard-variablentabelle"}
#: What PLC tags outside of data blocks can be; a Word is a pattern of bits and read as a number.
_TYPES = {
    "bool": DataType.BOOLEAN, "byte": DataType.UINT8, "char": DataType.UINT8,
    "sint": DataType.INT8, "usint": DataType.UINT8, "int": DataType.INT16,
    "uint": DataType.UINT16, "word": DataType.UINT16, "dint": DataType.INT32,
    "udint": DataType.UINT32, "dword": DataType.UINT32, "real": DataType.FLOAT,
    "lint": DataType.INT64, "ulint": DataType.UINT64, "lword": DataType.UINT64,
    "lreal": DataType.DOUBLE, "time": DataType.INT32,
}  # fmt: skip


def read(name: str, raw: bytes, plant: Plant) -> Found:
    """The PLC whose tags are in a file; it is called like the file."""
    table = read_table(name, raw, _COLUMNS, ("name", "type", "address"))
    connection = plant.connection("s7")
    tags: list[FoundTag] = []
    unmapped = list(table.lost)
    for row in table.rows:
        tag = _tag(row, connection, plant)
        if isinstance(tag, Unmapped):
            unmapped.append(tag)
        else:
            tags.append(tag)
    stem = name.rpartition(".")[0] or name
    devices = (Device(stem, "s7", connection, tuple(tags)),) if tags else ()
    return Found(devices, tuple(unmapped))


def _tag(row: Row, connection: Mapping[str, object], plant: Plant) -> FoundTag | Unmapped:
    what = f"`{row.text('name')}` ({row.text('type')} at {row.text('address')})"
    kind = row.text("type").strip('"').casefold()
    datatype = _TYPES.get(kind)
    if datatype is None:
        return Unmapped(row.origin, what, f"its type `{row.text('type')}` has no counterpart")
    if row.text("accessible").casefold() == "false":
        return Unmapped(row.origin, what, "it is not accessible from outside (Hmi Accessible)")
    address = s7_address(row.text("address"), datatype)
    if not address:
        return Unmapped(row.origin, what, "not an address that our driver `s7` can read")
    if problem := plant.problem("s7", address, connection, datatype):
        return Unmapped(row.origin, what, problem)
    return FoundTag(
        (*_folders(row), *levels_of(row.text("name"))),
        address,
        datatype,
        unit="ms" if kind == "time" else "",
        is_writable=row.text("writeable").casefold() == "true" and _is_memory(address),
        desc=row.text("comment"),
        origin=row.origin,
    )


def _folders(row: Row) -> tuple[str, ...]:
    """The tag table and its groups; the default table is no place."""
    return tuple(
        level
        for level in row.text("path").replace("\\", "/").split("/")
        if level.strip() and level.strip().casefold() not in _DEFAULT_TABLES
    )


def _is_memory(address: str) -> bool:
    """Whether a write lasts: inputs are overwritten by the next cycle of the PLC."""
    return not address.startswith("I")
