"""Tags as rows of a table: one for each, with everything that is known about it.

The columns that a tag list has too are called as there (uns/project/columns.py), and so are
their words: durations with a unit, states as `0 idle, 1 running`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from uns.equipment import Alarm, Machine, Tag
from uns.project.project import Project

__all__ = ["COLUMNS", "Cell", "csv_text", "rows"]

Cell: TypeAlias = str | int | float | bool | None

_NO_ALARM = Alarm()


def rows(project: Project, machines: Iterable[Machine]) -> Iterator[dict[str, Cell]]:
    """One row per tag, in the order of the files; None where nothing is said."""
    drivers = {key: connection.driver for key, connection in project.connections.items()}
    for machine in machines:
        place: dict[str, Cell] = {name: read(machine) for name, read in _OF_MACHINE.items()}
        for tag in machine.tags:
            said: dict[str, Cell] = {name: read(tag) for name, read in _OF_TAG.items()}
            source = tag.source
            said["driver"] = drivers.get(source.connection) if source else None
            yield {name: said[name] if name in said else place[name] for name in COLUMNS}


def csv_text(table: Iterable[Mapping[str, Cell]], separator: str = ",") -> str:
    """The rows as CSV with a heading: RFC 4180, and a decimal comma where `;` parts cells."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in table:
        writer.writerow(_text(row[name], has_comma=separator == ";") for name in COLUMNS)
    return out.getvalue()


def _text(cell: Cell, *, has_comma: bool) -> str:
    match cell:
        case None | False:
            return ""
        case True:
            return "yes"
        case float():
            text = f"{cell:.15g}"
            return text.replace(".", ",") if has_comma else text
        case _:
            return str(cell)


def _alarm(limit: str) -> Callable[[Tag], Cell]:
    return lambda tag: getattr(tag.alarm or _NO_ALARM, limit)


def _duration(seconds: float | None) -> str | None:
    return f"{seconds:g}s" if seconds else None


def _states(tag: Tag) -> str | None:
    return ", ".join(f"{n} {name}" for n, name in tag.states.items()) if tag.states else None


def _write(tag: Tag) -> Cell:
    if tag.write is None:
        return None
    return ", ".join(tag.write.roles) or True


def _level(number: int) -> Callable[[Machine], Cell]:
    return lambda machine: machine.topic.levels[number]


_OF_MACHINE: Mapping[str, Callable[[Machine], Cell]] = {
    "site": _level(1),
    "area": _level(2),
    "line": _level(3),
    "machine": lambda machine: machine.topic.text,
    "machine_type": lambda machine: f"{machine.type_name}/{machine.version}",
    "sparkplug_group": lambda machine: machine.sparkplug.group_id,
    "sparkplug_node": lambda machine: machine.sparkplug.edge_node_id,
    "sparkplug_device": lambda machine: machine.sparkplug.device_id,
}
_OF_TAG: Mapping[str, Callable[[Tag], Cell]] = {
    "topic": lambda tag: tag.topic.text,
    "name": lambda tag: tag.name,
    "type": lambda tag: tag.datatype.label,
    "unit": lambda tag: tag.unit or None,
    "lo": lambda tag: tag.low,
    "hi": lambda tag: tag.high,
    "address": lambda tag: tag.source.text if tag.source else None,
    "connection": lambda tag: tag.source.connection if tag.source else None,
    "desc": lambda tag: tag.desc or None,
    "raw_lo": lambda tag: tag.scale[0] if tag.scale else None,
    "raw_hi": lambda tag: tag.scale[1] if tag.scale else None,
    "scaled_lo": lambda tag: tag.scale[2] if tag.scale else None,
    "scaled_hi": lambda tag: tag.scale[3] if tag.scale else None,
    "alarm_lolo": _alarm("lolo"),
    "alarm_lo": _alarm("lo"),
    "alarm_hi": _alarm("hi"),
    "alarm_hihi": _alarm("hihi"),
    "alarm_delay": lambda tag: _duration(tag.alarm.delay_s) if tag.alarm else None,
    "alarm_hysteresis": lambda tag: (tag.alarm.hysteresis or None) if tag.alarm else None,
    "deadband": lambda tag: tag.deadband or None,
    "deadband_time": lambda tag: _duration(tag.deadband_s),
    "heartbeat": lambda tag: _duration(tag.heartbeat_s),
    "scan": lambda tag: _duration(tag.scan_s),
    "stale": lambda tag: _duration(tag.stale_s),
    "store": lambda tag: None if tag.is_kept else False,
    "deliver": lambda tag: "every" if tag.deliver_every else "latest",
    "counter": lambda tag: tag.is_counter or None,
    "rollover": lambda tag: tag.rollover,
    "states": _states,
    "write": _write,
    "calc": lambda tag: tag.calc or None,
    "optional": lambda tag: tag.is_optional or None,
    "was": lambda tag: ", ".join(tag.was) or None,
    "semantic_id": lambda tag: tag.semantic_id or None,
    "file": lambda tag: str(tag.place) if tag.place else None,
}
COLUMNS = (
    "topic", "site", "area", "line", "machine", "machine_type",
    *(name for name in _OF_TAG if name not in ("topic", "connection", "file")),
    "driver", "connection", "sparkplug_group", "sparkplug_node", "sparkplug_device", "file",
)  # fmt: skip
