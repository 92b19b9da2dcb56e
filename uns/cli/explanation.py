"""An explanation: all that a project says about one tag, as people read it and as programs do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from uns.equipment import Connection, Machine, Tag
from uns.plan.readers import Formulae, Reader, Readers
from uns.plan.snapshot import Snapshot
from uns.project.project import Project
from uns.project.provenance import Attribute, Origin, Provenance
from uns.route.expression import compile_calc
from uns.schema.value import value_schema
from uns.service.definitions import alias_of

__all__ = [
    "Explanation",
    "Row",
    "as_data",
    "columns",
    "lines",
    "machine_data",
    "machine_lines",
    "printable",
]

Row = tuple[str, ...]  # cells of a line; columns of one section stand below each other
_HEADS: Final = 12  # width of the first column
_DEFAULT: Final = "default"


@dataclass(frozen=True, slots=True)
class Explanation:
    """A tag, and what was found out about it offline."""

    machine: Machine
    tag: Tag
    connection: Connection | None
    origins: Provenance | None  # None where the files do not say any more where it was written
    readers: tuple[Reader, ...]
    alias: int

    @classmethod
    def of(
        cls, project: Project, machine: Machine, tag: Tag, origins: Provenance | None
    ) -> Explanation:
        """Look up what the project says about a tag besides where it was written."""
        snapshot = Snapshot.of([machine])
        declared = Readers.of(project)
        found = (
            declared.consumers_of(tag.topic.text)
            | declared.routes_of(
                snapshot.machines[machine.topic.text], snapshot.tags[tag.topic.text]
            )
            | Formulae(snapshot).of(tag.topic.text)
        )
        connection = project.connections.get(tag.source.connection) if tag.source else None
        readers = tuple(sorted(found, key=lambda reader: (reader.kind, reader.name)))
        alias = alias_of(project.machines, machine, tag)
        return cls(machine, tag, connection, origins, readers, alias)

    @property
    def data_topic(self) -> str:
        """The Sparkplug topic that its changes come on."""
        ids = self.machine.sparkplug
        return f"spBv1.0/{ids.group_id}/DDATA/{ids.edge_node_id}/{ids.device_id}"

    @property
    def defaults(self) -> dict[str, str]:
        """What nobody wrote and is so all the same."""
        tag = self.tag
        said = (
            {one.name.partition(".")[0] for one in self.origins.attributes}
            if self.origins
            else set()
        )
        facts = {"type": tag.datatype.label, "deliver": "every" if tag.deliver_every else "latest"}
        if tag.source is not None:
            facts["scan"] = f"{tag.scan_s:g}s"
        return {name: fact for name, fact in facts.items() if name not in said}

    @property
    def inputs(self) -> tuple[str, ...]:
        """The topics that its formula looks at."""
        if not self.tag.calc:
            return ()
        names = (name.replace(".", "/") for name in compile_calc(self.tag.calc).names)
        return tuple(sorted(f"{self.machine.topic}/{name}" for name in names))


def as_data(found: Explanation) -> dict[str, Any]:
    """Everything as JSON."""
    machine, tag, origins = found.machine, found.tag, found.origins
    source = None
    if tag.source is not None:
        source = {
            "driver": found.connection.driver if found.connection else None,
            "connection": tag.source.connection,
            "address": tag.source.text,
            "settings": [_attribute(one) for one in origins.settings] if origins else [],
            "parameters": [_attribute(one) for one in origins.parameters] if origins else [],
        }
    return {
        "topic": tag.topic.text,
        "machine": {
            "topic": machine.topic.text,
            "type": machine.type_name,
            "version": machine.version,
            "lineage": machine.lineage,
            "entries": [_origin(one) for one in origins.machine] if origins else [],
        },
        "part": _origin(origins.part) if origins and origins.part else None,
        "attributes": [_attribute(one) for one in origins.attributes] if origins else [],
        "defaults": found.defaults,
        "source": source,
        "calc": {"formula": tag.calc, "inputs": found.inputs} if tag.calc else None,
        "scale": tag.scale,
        "sparkplug": {
            **asdict(machine.sparkplug),
            "metric": tag.name,
            "alias": found.alias,
            "topic": found.data_topic,
        },
        "schema": value_schema(tag),
        "readers": [{**reader._asdict(), "kind": str(reader.kind)} for reader in found.readers],
    }


def _attribute(one: Attribute) -> dict[str, Any]:
    first, *others = one.origins
    replaced = {"instead_of": [_origin(other) for other in others]} if others else {}
    return {"name": one.name, **_origin(first), **replaced}


def _origin(one: Origin) -> dict[str, Any]:
    return {"value": one.value, "who": one.who, **asdict(one.place)}


def lines(found: Explanation) -> Iterator[str]:
    """Everything for people, a section after the other."""
    machine = found.machine
    yield found.tag.topic.text
    yield from columns("machine", [(f"{machine.topic}: {_kind(machine)}",)])
    if found.origins is None:
        yield from columns("written", [("the files have changed: ask again",)])
    else:
        yield from columns("", [(one.who, str(one.place)) for one in found.origins.machine])
        yield from columns("written", list(_written(found, found.origins)))
    yield from columns("source", list(_source(found)))
    if found.tag.source is not None:
        yield from columns("scaling", [(_scaling(found.tag),)])
    yield from columns(
        "Sparkplug", [(f"{found.data_topic}, metric {found.tag.name}, alias {found.alias}",)]
    )
    yield from columns("schema", [(_told(value_schema(found.tag)),)])
    yield from columns("read by", list(_readers(found.readers)))


def machine_data(machine: Machine) -> dict[str, Any]:
    """A machine as JSON: what it is, and its tags."""
    return {
        "topic": machine.topic.text,
        "type": machine.type_name,
        "version": machine.version,
        "lineage": machine.lineage,
        "place": asdict(machine.place) if machine.place else None,
        "sparkplug": asdict(machine.sparkplug),
        "tags": [
            {
                "topic": tag.topic.text,
                "address": tag.source.text if tag.source else None,
                "calc": tag.calc or None,
                "place": asdict(tag.place) if tag.place else None,
            }
            for tag in machine.tags
        ],
    }


def machine_lines(machine: Machine) -> Iterator[str]:
    """A machine for people: what it is, and a line for each tag."""
    yield machine.topic.text
    ids = machine.sparkplug
    yield from columns("machine", [(_kind(machine), str(machine.place))])
    yield from columns("Sparkplug", [(f"{ids.group_id}/{ids.edge_node_id}/{ids.device_id}",)])
    yield from columns("tags", [_tag_row(tag) for tag in machine.tags])


def _kind(machine: Machine) -> str:
    """`filler/2, a machine`: its type, and what that extends."""
    ancestors = "".join(f", a {name}" for name in machine.lineage[1:])
    return f"{machine.type_name}/{machine.version}{ancestors}"


def _tag_row(tag: Tag) -> Row:
    fed = f"calc {tag.calc}" if tag.calc else tag.source.text if tag.source else "nothing feeds it"
    return tag.name, fed, str(tag.place)


def columns(head: str, rows: Sequence[Row]) -> Iterator[str]:
    """Lay out rows below each other, behind the section's name; never wider than they must be."""
    rows = [tuple(map(printable, row)) for row in rows]
    widths = [
        max((len(row[n]) for row in rows if len(row) > n + 1), default=0)
        for n in range(max(map(len, rows), default=0))
    ]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=False)]
        yield f"{head:<{_HEADS}}{'  '.join([*cells, row[-1]])}".rstrip()
        head = ""


def printable(text: str) -> str:
    """Keep a terminal's line a line: what a file smuggles in is shown as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _written(found: Explanation, origins: Provenance) -> Iterator[Row]:
    """A line for each word, and one for each that it replaces."""
    if origins.part is not None:
        yield "is", origins.part.value, origins.part.who, str(origins.part.place)
    yield from (
        row for one in origins.attributes if one.name not in _OF_SOURCE for row in _rows(one)
    )
    for name, fact in found.defaults.items():
        yield name, fact, _DEFAULT


_OF_SOURCE: Final = ("address", "connection")


def _rows(one: Attribute, name: str = "") -> Iterator[Row]:
    first, *others = one.origins
    yield name or one.name, _told(first.value), first.who, str(first.place)
    for other in others:
        yield "", f"instead of {_told(other.value)}", other.who, str(other.place)


def _source(found: Explanation) -> Iterator[Row]:
    tag, origins = found.tag, found.origins
    if tag.calc:
        yield ("calc", tag.calc)
        yield from (("looks at", topic) for topic in found.inputs)
        return
    if tag.source is None:
        yield ("nothing feeds it: no binding of the machine gives it an address",)
        return
    yield "device", tag.source.connection
    yield "address", tag.source.text
    if origins is None:
        return
    address = [one for one in origins.attributes if one.name in _OF_SOURCE]
    for one in (*address, *origins.settings):
        yield from _rows(one, "as written" if one.name == "address" else one.name)
    for one in origins.parameters:
        yield from _rows(one, f"{{{one.name}}}")


def _scaling(tag: Tag) -> str:
    if tag.scale is None:
        return "none: the value is as the device has it"
    raw_low, raw_high, low, high = (f"{end:g}" for end in tag.scale)
    return f"{raw_low} … {raw_high} in the device is {low} … {high} {tag.unit}".rstrip()


def _readers(readers: Sequence[Reader]) -> Iterator[Row]:
    if not readers:
        yield ("nobody who is declared: see `consumers:` and `routes:`",)
    for reader in readers:
        about = ", ".join(filter(None, (reader.owner, reader.contact)))
        yield str(reader.kind), reader.name, about


def _told(value: Any) -> str:
    """A value as YAML would have it, on one line."""
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.15g}"
        case dict():
            return "{" + ", ".join(f"{key}: {_told(one)}" for key, one in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(_told, value)) + "]"
        case None:
            return "null"
        case _:
            return str(value)
