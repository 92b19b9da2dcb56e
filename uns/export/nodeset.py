"""A project as an OPC UA NodeSet2: machine types as ObjectTypes, the tree as objects of them.

Folders are enterprise, sites, areas, lines and cells; below are machines with their tags. What
OPC UA has its own words for, is said in them: ranges and units (OPC 10000-8), states, modelling
rules, dictionary entries (OPC 10000-19), relations as types of references.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from uns.equipment import Machine, Tag
from uns.export.machine_type import MachineType, machine_types
from uns.export.node_xml import (
    NodeSet,
    Reference,
    enum_values,
    range_value,
    string_value,
    unit_value,
)
from uns.metric import DataType
from uns.project.project import Project
from uns.units import Unit

__all__ = ["nodeset"]

# Nodes of the core namespace: OPC 10000-6, NodeIds.csv
_ORGANIZES, _HAS_TYPE, _HAS_RULE, _HAS_SUBTYPE = "i=35", "i=40", "i=37", "i=45"
_HAS_PROPERTY, _HAS_COMPONENT, _HAS_ENTRY = "i=46", "i=47", "i=17597"
_OBJECTS, _DICTIONARIES, _FOLDER, _BASE_OBJECT = "i=85", "i=17594", "i=61", "i=58"
_NON_HIERARCHICAL = "i=32"
_VARIABLE, _PROPERTY, _MULTI_STATE = "i=63", "i=68", "i=11238"
_ANALOG_ITEM, _ANALOG_UNIT = "i=2368", "i=17497"  # with a range, and with nothing but a unit
_IRDI = ("http://opcfoundation.org/UA/Dictionary/IRDI", "i=17598")
_URI = ("http://opcfoundation.org/UA/Dictionary/URI", "i=17600")
_MANDATORY, _OPTIONAL = "i=78", "i=80"
_STRING, _LOCALIZED_TEXT, _RANGE, _EU_INFORMATION, _ENUM_VALUE = (
    "i=12", "i=21", "i=884", "i=887", "i=7594"
)  # fmt: skip
_DATATYPES = {
    DataType.BOOLEAN: 1, DataType.INT8: 2, DataType.UINT8: 3, DataType.INT16: 4,
    DataType.UINT16: 5, DataType.INT32: 6, DataType.UINT32: 7, DataType.INT64: 8,
    DataType.UINT64: 9, DataType.FLOAT: 10, DataType.DOUBLE: 11, DataType.STRING: 12,
    DataType.TEXT: 12, DataType.DATETIME: 13, DataType.UUID: 14, DataType.BYTES: 15,
    DataType.FILE: 15,
}  # fmt: skip
_ANY = 24  # BaseDataType: whatever else there is
_UNECE = "http://www.opcfoundation.org/UA/units/un/cefact"
_UCUM = "http://unitsofmeasure.org"
_NO_UNIT_ID = -1  # OPC 10000-8, 5.6.4.3: where a unit has none
_READ, _READ_AND_WRITE = "1", "3"
_LIKE_IRDI = re.compile(r"[0-9]{4}[-/]")  # ISO/IEC 11179-6: begins with an organisation's number


def nodeset(project: Project, machines: tuple[Machine, ...]) -> str:
    """The XML; its version is a checksum of what it says."""
    types = machine_types(machines)
    meanings = {text: _dictionary(text) for text in _meanings(types)}
    others = sorted({uri for uri, _ in meanings.values()})
    nodes = NodeSet(f"urn:uns:{project.enterprise}", others)
    entries = {text: f"ns={others.index(uri) + 2};s={text}" for text, (uri, _) in meanings.items()}
    places = {
        "/".join(m.topic.levels[:n]) for m in machines for n in range(len(m.topic.levels) + 1)
    }
    draft = _Draft(nodes, entries, frozenset(places))
    for text, (_, kind) in meanings.items():
        draft.add_meaning(text, kind)
    draft.fill(types, machines)
    return nodes.text()


@dataclass(slots=True)
class _Draft:
    """The nodes so far, and what was added once and for all."""

    nodes: NodeSet
    entries: dict[str, str]  # dictionary id → its node
    places: frozenset[str]  # topics of machines, and of what is above them
    known: set[str] = field(default_factory=set)

    def fill(self, types: tuple[MachineType, ...], machines: tuple[Machine, ...]) -> None:
        """Add everything else: types first, so that a reader in one go can follow."""
        self._add_relations(machines)
        for one in sorted(types, key=lambda one: len(one.ancestors)):
            self._add_type(one, self._add_ancestors(one))
        for machine in machines:
            self._add_machine(machine)

    def add_meaning(self, text: str, kind: str) -> None:
        """A dictionary entry, to which types and tags refer (OPC 10000-19, 5.3 and 5.4)."""
        node = self.entries[text]
        links = [Reference(_HAS_TYPE, kind), Reference(_HAS_COMPONENT, _DICTIONARIES, False)]
        self.nodes.add("UAObject", node, f"{node[3]}:{text}", links)

    def _add_relations(self, machines: Iterable[Machine]) -> None:
        """A type of references for each relation that is declared."""
        declared = (one for machine in machines for one in machine.relations if one.is_declared)
        for name, inverse in sorted({(one.name, one.inverse) for one in declared}):
            links = [Reference(_HAS_SUBTYPE, _NON_HIERARCHICAL, False)]
            self.nodes.add(
                "UAReferenceType", _id(f"relation:{name}"), f"1:{name}", links, inverse=inverse
            )

    def _add_ancestors(self, one: MachineType) -> str:
        """The types that it extends, the farthest first; their tags are told with the type.

        Returns the nearest of them.
        """
        parent = _BASE_OBJECT
        for name in reversed(one.ancestors):
            parent = self._add_object_type(name, parent, "")
        return parent

    def _add_object_type(self, name: str, parent: str, semantic_id: str) -> str:
        node = _id(f"type:{name}")
        if node not in self.known:
            self.known.add(node)
            links = [Reference(_HAS_SUBTYPE, parent, False), *self._meant(semantic_id)]
            self.nodes.add("UAObjectType", node, f"1:{name}", links)
        return node

    def _add_type(self, one: MachineType, parent: str) -> None:
        self._add_object_type(one.name, parent, one.semantic_id)
        for tag in one.tags:
            rule = _MANDATORY if tag.is_everywhere else _OPTIONAL
            self._add_tag(f"type:{one.name}", tag.usual, rule)

    def _add_machine(self, machine: Machine) -> None:
        levels = machine.topic.levels
        parent = _OBJECTS
        for depth in range(1, len(levels)):
            parent = self._add_folder("/".join(levels[:depth]), parent)
        links = [
            Reference(_HAS_TYPE, _id(f"type:{machine.type_name}")),
            Reference(_ORGANIZES, parent, False),
            *(
                Reference(_id(f"relation:{one.name}"), _id(one.target.text))
                for one in machine.relations
                if one.is_declared and one.target.text in self.places
            ),
        ]
        topic = machine.topic.text
        self.nodes.add("UAObject", _id(topic), f"1:{levels[-1]}", links, desc=machine.desc)
        if machine.assets:
            asset = string_value(_standing(machine))
            self._add_property(topic, "1:asset", _STRING, asset)
        for tag in machine.tags:
            self._add_tag(topic, tag, "")

    def _add_folder(self, path: str, parent: str) -> str:
        node = _id(path)
        if node not in self.known:
            self.known.add(node)
            links = [Reference(_HAS_TYPE, _FOLDER), Reference(_ORGANIZES, parent, False)]
            self.nodes.add("UAObject", node, f"1:{path.rpartition('/')[2]}", links)
        return node

    def _add_tag(self, owner: str, tag: Tag, rule: str) -> None:
        """A tag below a type or a machine; its groups are objects between."""
        *groups, name = tag.name.split("/")
        ruled = [Reference(_HAS_RULE, rule)] if rule else []
        for group in groups:
            path = f"{owner}/{group}"
            if path not in self.known:
                self.known.add(path)
                links = [Reference(_HAS_TYPE, _BASE_OBJECT), _part_of(owner), *ruled]
                self.nodes.add("UAObject", _id(path), f"1:{group}", links)
            owner = path
        path = f"{owner}/{name}"
        links = [Reference(_HAS_TYPE, _type_of(tag)), _part_of(owner), *ruled]
        links += self._meant(tag.semantic_id)
        self.nodes.add(
            "UAVariable", _id(path), f"1:{name}", links, attributes=_attributes(tag), desc=tag.desc
        )
        self._add_properties(path, tag, rule)

    def _add_properties(self, path: str, tag: Tag, rule: str) -> None:
        if tag.states:
            states = enum_values(tag.states)
            self._add_property(path, "EnumValues", _ENUM_VALUE, states, rule, rank="1")
            self._add_property(path, "ValueAsText", _LOCALIZED_TEXT, None, rule)
            return
        if tag.low is not None and tag.high is not None:
            self._add_property(path, "EURange", _RANGE, range_value(tag.low, tag.high), rule)
        if tag.unit:
            unit = Unit.parse(tag.unit)
            number = unit.opcua_id
            uri = _UCUM if number is None else _UNECE
            value = unit_value(uri, _NO_UNIT_ID if number is None else number, tag.unit, unit.name)
            self._add_property(path, "EngineeringUnits", _EU_INFORMATION, value, rule)

    def _meant(self, semantic_id: str) -> Iterator[Reference]:
        if semantic_id:
            yield Reference(_HAS_ENTRY, self.entries[semantic_id])

    def _add_property(
        self,
        owner: str,
        name: str,
        datatype: str,
        value: Element | None,
        rule: str = "",
        *,
        rank: str = "",
    ) -> None:
        links = [Reference(_HAS_TYPE, _PROPERTY), Reference(_HAS_PROPERTY, _id(owner), False)]
        if rule:
            links.append(Reference(_HAS_RULE, _MANDATORY))
        attributes = {"DataType": datatype, "ParentNodeId": _id(owner)}
        if rank:
            attributes |= {"ValueRank": rank, "ArrayDimensions": "0"}
        node = _id(f"{owner}#{name.removeprefix('1:')}")
        self.nodes.add("UAVariable", node, name, links, attributes=attributes, value=value)


def _meanings(types: Iterable[MachineType]) -> list[str]:
    """Every dictionary id that a type or tag has."""
    found = {one.semantic_id for one in types}
    found |= {form.semantic_id for one in types for tag in one.tags for form in tag.variants}
    return sorted(found - {""})


def _dictionary(semantic_id: str) -> tuple[str, str]:
    """The namespace of a dictionary's entries, and their type."""
    return _IRDI if _LIKE_IRDI.match(semantic_id) else _URI


def _standing(machine: Machine) -> str:
    """The asset that has no last day, or the last one that had."""
    return next((one.id for one in machine.assets if one.until is None), machine.assets[-1].id)


def _part_of(owner: str) -> Reference:
    return Reference(_HAS_COMPONENT, _id(owner), False)


def _type_of(tag: Tag) -> str:
    if tag.states:
        return _MULTI_STATE
    if tag.low is not None and tag.high is not None:
        return _ANALOG_ITEM
    return _ANALOG_UNIT if tag.unit else _VARIABLE


def _attributes(tag: Tag) -> dict[str, str]:
    element = tag.datatype.element or tag.datatype
    made = {
        "DataType": f"i={_DATATYPES.get(element, _ANY)}",
        "AccessLevel": _READ_AND_WRITE if tag.writable else _READ,
    }
    if tag.datatype.element is not None:
        made |= {"ValueRank": "1", "ArrayDimensions": "0"}
    return made


def _id(path: str) -> str:
    """A node of our namespace; `:` and `#` are in no topic, so nothing else has it."""
    return f"ns=1;s={path}"
