"""A tag list: CSV or Excel with a heading, as controls engineers keep it themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from uns.importers.found import Device, Found, FoundTag, Unmapped
from uns.importers.reading import Plant, levels_of, read_type, read_unit, span_of
from uns.importers.table import Row, number, read_table
from uns.project.quantity import WordError, read_duration

__all__ = ["read"]

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "name": ("tag", "tag name", "variable", "symbol", "signal", "point", "Bezeichnung", "Nom"),
    "address": ("addr", "Adresse", "register", "node id", "logical address", "item", "source"),
    "type": ("data type", "Datentyp", "format"),
    "unit": ("units", "eu", "eng unit", "eng. units", "engineering units", "Einheit", "Unité"),
    "lo": ("low", "min", "minimum", "range low", "eng low"),
    "hi": ("high", "max", "maximum", "range high", "eng high"),
    "raw_lo": ("raw low", "raw min"),
    "raw_hi": ("raw high", "raw max"),
    "desc": ("description", "comment", "Kommentar", "Beschreibung", "label", "remarks"),
    "scan": ("scan rate", "interval", "scan ms"),
    "deadband": ("dead band",),
    "write": (
        "access",
        "rw",
        "r/w",
        "writable",
        "client access",
        "Schreiben",
        "Schreibbar",
        "Zugriff",
    ),
    "site": ("plant", "Werk"),
    "area": ("hall", "Bereich"),
    "line": ("Linie",),
    "cell": ("Zelle",),
    "machine": ("equipment", "asset", "Maschine", "unit name"),
    "group": ("folder", "path", "tag group"),
    "device": ("plc", "controller", "Gerät", "connection"),
    "driver": ("protocol",),
    "host": ("ip", "ip address", "hostname"),
}
_PLACES = ("site", "area", "line", "cell", "machine", "group")
_WRITABLE = {
    "1",
    "true",
    "yes",
    "x",
    "w",
    "rw",
    "r/w",
    "ro/rw",
    "read/write",
    "wo",
    "write",
    "ja",
    "wahr",
}
_READ_ONLY = {"", "0", "false", "no", "r", "ro", "read", "read only", "readonly", "nein", "falsch"}


@dataclass(slots=True)
class _Rows:
    """The rows of one device."""

    driver: str
    host: str
    tags: list[FoundTag] = field(default_factory=list)


def read(name: str, raw: bytes, plant: Plant) -> Found:
    """The devices in a list: one, or those that its column `device` or `host` names."""
    table = read_table(name, raw, _COLUMNS, ("name", "address"))
    devices: dict[str, _Rows] = {}
    unmapped = list(table.lost)
    for row in table.rows:
        driver = row.text("driver").casefold() or plant.driver_of(row.text("address"))
        key = row.text("device") or row.text("host") or name.rpartition(".")[0]
        known = devices.get(key)
        if problem := _refused(row, driver, known, plant):
            unmapped.append(Unmapped(row.origin, f"`{row.text('name')}`", problem))
            continue
        found = devices.setdefault(key, _Rows(driver, row.text("host")))
        tag = _tag(row, found.driver, plant)
        if isinstance(tag, Unmapped):
            unmapped.append(tag)
        else:
            found.tags.append(tag)
    made = [
        Device(key, one.driver, plant.connection(one.driver, one.host), tuple(one.tags))
        for key, one in devices.items()
        if one.tags
    ]
    return Found(tuple(made), tuple(unmapped))


def _refused(row: Row, driver: str, known: _Rows | None, plant: Plant) -> str:
    """Why a row cannot be read at all."""
    if not row.text("name"):
        return "the row has no name"
    if not row.text("address"):
        return "the row has no address"
    if not driver:
        return f"no driver of ours reads the address `{row.text('address')}`"
    if driver not in plant.drivers:
        return f"there is no driver `{driver}` yet, only {', '.join(plant.drivers)}"
    if known is not None and known.driver != driver:
        return f"the address is one of {driver}, and the device's others are of {known.driver}"
    return ""


def _tag(row: Row, driver: str, plant: Plant) -> FoundTag | Unmapped:
    address, guesses = row.text("address"), []
    connection = plant.connection(driver, row.text("host") or "127.0.0.1")
    datatype = read_type(row.text("type")) if row.text("type") else None
    if row.text("type") and datatype is None:
        why = f"its type `{row.text('type')}` is none of ours"
        return Unmapped(row.origin, f"`{row.text('name')}`", why)
    if problem := plant.problem(driver, address, connection, datatype):
        return Unmapped(row.origin, f"`{row.text('name')}`", problem)
    datatype = datatype or plant.type_in(driver, address, connection)
    if datatype is None:
        guesses.append("Float: the list names no type")
    unit, guess = read_unit(row.text("unit"))
    numbers, unread = _numbers(row)
    guesses += [one for one in (guess, *unread, _access(row), *_lost(row)) if one]
    span = span_of(numbers["lo"], numbers["hi"])
    raw = span_of(numbers["raw_lo"], numbers["raw_hi"])
    return FoundTag(
        (*_places(row), *levels_of(row.text("name"))),
        address,
        datatype,
        unit,
        span,
        (*raw, *span) if raw and span else None,
        deadband=_deadband(row),
        scan=_scan(row),
        is_writable=row.text("write").casefold() in _WRITABLE,
        desc=row.text("desc"),
        origin=row.origin,
        guesses=tuple(guesses),
    )


def _places(row: Row) -> tuple[str, ...]:
    return tuple(level for place in _PLACES for level in levels_of(row.text(place)))


def _numbers(row: Row) -> tuple[dict[str, float | None], list[str]]:
    """The limits of a row, and what of them is no number."""
    found = {column: number(row.text(column)) for column in ("lo", "hi", "raw_lo", "raw_hi")}
    unread = [
        f"no limit: `{row.text(column)}` is no number"
        for column, value in found.items()
        if value is None and row.text(column)
    ]
    if found["lo"] is not None and found["hi"] is not None and found["lo"] >= found["hi"]:
        unread.append(f"no range: {row.text('lo')} is not below {row.text('hi')}")
    elif (found["lo"] is None) != (found["hi"] is None):
        unread.append(f"no range: only {row.text('lo') or row.text('hi')} is said")
    return found, unread


def _lost(row: Row) -> list[str]:
    """Words of a row that say nothing we can read."""
    return [
        f"no {column}: `{row.text(column)}` is none"
        for column, made in (("scan", _scan(row)), ("deadband", _deadband(row)))
        if row.text(column) and not made and number(row.text(column)) != 0
    ]


def _access(row: Row) -> str:
    said = row.text("write").casefold()
    return (
        "" if said in _WRITABLE | _READ_ONLY else f"read only: `{said}` is no access that we know"
    )


def _deadband(row: Row) -> str:
    text = row.text("deadband").replace(" ", "")
    value = number(text.rstrip("%"))
    return "" if not value or value < 0 else f"{value:g}{'%' if text.endswith('%') else ''}"


def _scan(row: Row) -> str:
    """Milliseconds where no unit is said: so do all products that export such lists."""
    text = row.text("scan").replace(" ", "")
    value = number(text)
    if value is not None:
        return f"{value:g}ms" if value > 0 else ""
    try:
        return text if text and read_duration(text) else ""
    except WordError:
        return ""
