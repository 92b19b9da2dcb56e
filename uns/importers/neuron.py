"""Neuron: the tags that EMQX Neuron exports as Excel, one file for each south device.

Columns and addresses: docs.emqx.com, Neuron, "Import and export" and the pages of its drivers
Modbus TCP, Siemens S7 and OPC UA.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from uns.importers.found import Device, Found, FoundTag, Unmapped
from uns.importers.modbus_words import neuron_address, typed
from uns.importers.reading import Plant, levels_of
from uns.importers.s7_words import s7_address
from uns.importers.table import Row, number, read_table
from uns.metric import DataType

__all__ = ["read"]

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "group": ("Group Name",), "name": ("Tag Name",), "address": (), "attribute": (), "type": (),
    "description": ("desc",), "decimal": (), "precision": (), "bias": (),
}  # fmt: skip
#: Neuron's types (docs.emqx.com, Neuron, "Data types"); a BIT is one of a register or a coil.
_TYPES = {
    "int8": DataType.INT8, "uint8": DataType.UINT8, "int16": DataType.INT16,
    "uint16": DataType.UINT16, "int32": DataType.INT32, "uint32": DataType.UINT32,
    "int64": DataType.INT64, "uint64": DataType.UINT64, "float": DataType.FLOAT,
    "double": DataType.DOUBLE, "bit": DataType.BOOLEAN, "bool": DataType.BOOLEAN,
    "string": DataType.STRING, "word": DataType.UINT16, "dword": DataType.UINT32,
    "lword": DataType.UINT64,
}  # fmt: skip
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)


def _opcua_address(address: str, datatype: DataType) -> str:
    """Neuron's `NS!NODEID` as a node id."""
    del datatype
    space, mark, node = address.partition("!")
    if not (mark and node and space.isdecimal()):
        return ""
    kind = "i" if node.isdecimal() else "g" if _GUID.match(node) else "s"
    return f"ns={space};{kind}={node}"


_WORDS: Mapping[str, Callable[[str, DataType], str]] = {
    "modbus": neuron_address,
    "s7": s7_address,
    "opcua": _opcua_address,
}
_GUESSES = {"modbus": "order: ABCD, which is Neuron's #LL, unless the device's settings say other"}


def read(name: str, raw: bytes, plant: Plant) -> Found:
    """The device whose tags are in a file; it is called like the file."""
    table = read_table(name, raw, _COLUMNS, ("group", "name", "address", "type"))
    driver = _driver(table.rows, plant)
    connection = plant.connection(driver)
    tags: list[FoundTag] = []
    unmapped = list(table.lost)
    for row in table.rows:
        tag = _tag(row, driver, connection, plant)
        if isinstance(tag, Unmapped):
            unmapped.append(tag)
        else:
            tags.append(tag)
    stem = name.rpartition(".")[0] or name
    guesses = (_GUESSES[driver],) if driver in _GUESSES else ()
    devices = (Device(stem, driver, connection, tuple(tags), guesses),) if tags else ()
    return Found(devices, tuple(unmapped))


def _driver(rows: Sequence[Row], plant: Plant) -> str:
    """The driver whose addresses most of the rows have."""
    if plant.driver:
        return plant.driver
    known = [(row.text("address"), _TYPES.get(row.text("type").casefold())) for row in rows]
    typed_rows = [(address, kind) for address, kind in known if kind is not None]
    for driver in ("modbus", "s7"):
        fitting = [address for address, kind in typed_rows if _WORDS[driver](address, kind)]
        if fitting and len(fitting) * 2 >= len(typed_rows):
            return driver
    return "opcua"


def _tag(row: Row, driver: str, connection: Mapping[str, Any], plant: Plant) -> FoundTag | Unmapped:
    what = f"`{row.text('name')}` ({row.text('type')} at {row.text('address')})"
    datatype = _TYPES.get(row.text("type").casefold())
    if datatype is None:
        return Unmapped(row.origin, what, f"its type `{row.text('type')}` has no counterpart")
    address = _WORDS[driver](row.text("address"), datatype)
    if not address:
        return Unmapped(row.origin, what, f"not an address that our driver `{driver}` can read")
    if problem := plant.problem(driver, address, connection, datatype):
        return Unmapped(row.origin, what, problem)
    factor, bias = number(row.text("decimal")) or 0.0, number(row.text("bias")) or 0.0
    scale = None
    if factor not in (0.0, 1.0) or bias:
        factor = factor or 1.0
        scale = (0.0, 1.0, bias, factor + bias)
        address = typed(address, datatype) if driver == "modbus" else address
        datatype = DataType.DOUBLE
    return FoundTag(
        (*levels_of(row.text("group")), *levels_of(row.text("name"))),
        address,
        datatype,
        scale=scale,
        is_writable="write" in row.text("attribute").casefold(),
        desc=row.text("description"),
        origin=row.origin,
        depth=0,
    )
