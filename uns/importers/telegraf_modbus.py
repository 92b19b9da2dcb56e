"""Telegraf's `inputs.modbus`: fields by register, by request and by metric, as our tags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uns.importers.found import FoundTag, Unmapped
from uns.metric import DataType

__all__ = ["modbus_tags"]

_TABLES = {
    "discrete_inputs": "di", "coils": "co", "input_registers": "ir", "holding_registers": "hr",
    "discrete": "di", "coil": "co", "input": "ir", "holding": "hr",
}  # fmt: skip
_BITS = ("di", "co")
#: Telegraf's types → ours, and how many registers they take. FLOAT32 without IEEE is an integer.
_TYPES: Mapping[str, tuple[DataType, str, int]] = {
    "INT16": (DataType.INT16, "int16", 1), "UINT16": (DataType.UINT16, "uint16", 1),
    "INT32": (DataType.INT32, "int32", 2), "UINT32": (DataType.UINT32, "uint32", 2),
    "INT64": (DataType.INT64, "int64", 4), "UINT64": (DataType.UINT64, "uint64", 4),
    "FLOAT32": (DataType.FLOAT, "float32", 2), "FLOAT64": (DataType.DOUBLE, "float64", 4),
    "FLOAT32-IEEE": (DataType.FLOAT, "float32", 2), "FLOAT64-IEEE": (DataType.DOUBLE, "float64", 4),
}  # fmt: skip
_FIXED = {
    ("FIXED", 1): "int16", ("FIXED", 2): "int32", ("FIXED", 4): "int64",
    ("UFIXED", 1): "uint16", ("UFIXED", 2): "uint32", ("UFIXED", 4): "uint64",
    ("FLOAT32", 1): "uint16", ("FLOAT32", 2): "uint32", ("FLOAT32", 4): "uint64",
}  # fmt: skip
_ORDERS = {
    "": "", "AB": "ABCD", "BA": "BADC", "ABCD": "ABCD", "CDAB": "CDAB", "BADC": "BADC",
    "DCBA": "DCBA", "ABCDEFGH": "ABCD", "HGFEDCBA": "DCBA", "BADCFEHG": "BADC", "GHEFCDAB": "CDAB",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Field:
    """One field with what its surroundings say: table, unit id, byte order."""

    origin: str
    folder: tuple[str, ...]
    table: str
    unit: int
    order: str
    words: Mapping[str, Any]
    is_by_register: bool


def modbus_tags(origin: str, words: Mapping[str, Any], scan: str) -> Iterator[FoundTag | Unmapped]:
    """The tags of one `[[inputs.modbus]]`, whichever of its three styles it is written in."""
    for one in _fields(origin, words):
        name = str(one.words.get("name", "")) or f"{one.table}{one.words.get('address')}"
        made = _place(one)
        if isinstance(made, str):
            yield Unmapped(one.origin, f"`{name}`", made)
            continue
        address, datatype, scale = made
        yield FoundTag(
            (*one.folder, name),
            address,
            datatype,
            scale=scale,
            scan=scan,
            origin=one.origin,
            depth=len(one.folder),
        )


def _fields(origin: str, words: Mapping[str, Any]) -> Iterator[_Field]:
    unit = int(words.get("slave_id", 1))
    for key in ("discrete_inputs", "coils", "input_registers", "holding_registers"):
        for at, entry in enumerate(words.get(key, []), 1):
            order = str(entry.get("byte_order", ""))
            folder = (str(entry["measurement"]),) if entry.get("measurement") else ()
            where = f"{origin}.{key}[{at}]"
            yield _Field(where, folder, _TABLES[key], unit, order, entry, is_by_register=True)
    for style in ("request", "metric"):
        for number, group in enumerate(words.get(style, []), 1):
            for at, entry in enumerate(group.get("fields", []), 1):
                said = {"measurement": "", **group, **entry}
                folder = (str(said["measurement"]),) if said["measurement"] else ()
                yield _Field(
                    f"{origin}.{style}[{number}].fields[{at}]",
                    folder,
                    _TABLES.get(str(said.get("register", "holding")), ""),
                    int(said.get("slave_id", unit)),
                    str(said.get("byte_order", "")),
                    entry,
                    is_by_register=False,
                )


def _place(one: _Field) -> tuple[str, DataType, tuple[float, float, float, float] | None] | str:
    """Address, type and scale of a field; or why it has none."""
    if not one.table:
        return f"there is no register table `{one.words.get('register')}`"
    cells = _cells(one.words.get("address"))
    if not cells:
        return f"its address {one.words.get('address')} is no row of registers"
    place = f"{one.unit}/{one.table}:{cells[0]}"
    if one.table in _BITS:
        return place, DataType.BOOLEAN, None
    order = _ORDERS.get(one.order.upper())
    if order is None:
        return f"there is no byte order `{one.order}`"
    kind = str(one.words.get("data_type" if one.is_by_register else "type", "UINT16")).upper()
    if kind == "BIT":
        return f"{place}.{int(one.words.get('bit', 0))}", DataType.BOOLEAN, None
    if kind == "STRING":
        count = 2 * (len(cells) if one.is_by_register else int(one.words.get("length", 0)))
        return " ".join(filter(None, (place, f"string[{count}]", order))), DataType.STRING, None
    return _number(one, kind, len(cells), f"{place} {{}} {order}".rstrip())


def _number(
    one: _Field, kind: str, count: int, form: str
) -> tuple[str, DataType, tuple[float, float, float, float] | None] | str:
    """A number, and the factor that makes a value of it."""
    factor = float(one.words.get("scale", 0.0) or 1.0)
    fixed = _FIXED.get((kind, count)) if one.is_by_register else None
    if fixed is None and kind not in _TYPES:
        return f"its type `{kind}` has no counterpart"
    datatype, name, size = _TYPES.get(kind, (DataType.DOUBLE, fixed or "", count))
    if fixed is not None:
        datatype, name, size = DataType.DOUBLE, fixed, count
    if one.is_by_register and size != count:
        return f"`{kind}` takes {size} registers, and its address has {count}"
    if factor == 1.0:
        return form.format(name), datatype, None
    return form.format(name), DataType.DOUBLE, (0.0, 1.0, 0.0, factor)


def _cells(address: Any) -> Sequence[int]:
    """The registers of an address: a number, or a list of them that has to be a row."""
    cells = [address] if isinstance(address, int) else address
    if not isinstance(cells, list) or not all(isinstance(cell, int) for cell in cells):
        return ()
    return cells if cells == list(range(cells[0], cells[0] + len(cells))) else ()
