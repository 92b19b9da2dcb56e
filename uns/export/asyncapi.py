"""A project as AsyncAPI 3: what a developer of a consumer may subscribe to, and what comes.

One channel for each tag of a type, with the places of its machines as parameters of the address:
a plant of a thousand equal machines is described once. The application that is described is the
namespace service, so all its operations are `send`.

https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from uns.equipment import Machine
from uns.export.machine_type import MachineType, TypeTag, machine_types
from uns.project.project import Project
from uns.schema.value import TIMESTAMP_PATTERN, JsonSchema, payload_schema

__all__ = ["asyncapi"]

_PROTOCOLS = {"mqtt": "mqtt", "mqtts": "secure-mqtt"}
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_LEVELS = ("enterprise", "site", "area", "line")
_STATE: JsonSchema = {
    "type": "object",
    "required": ["state", "since"],
    "properties": {
        "state": {"enum": ["online", "offline", "stale"]},
        "since": {"type": "string", "format": "date-time", "pattern": TIMESTAMP_PATTERN},
        "reason": {"type": "string", "description": "Why, where it is not online."},
    },
}
_ABOUT = """\
Values are retained: a subscriber has the last one at once. An empty payload means that the topic
was removed. Use a value when its quality is `Good`; everything else says why it is not."""


def asyncapi(project: Project, machines: tuple[Machine, ...]) -> dict[str, Any]:
    """The document; its version is a checksum, so it changes when anything else does."""
    parts = _Parts()
    for one in machine_types(machines):
        for suffix, place in _places(one):
            parts.add_type(one, suffix, place)
    for _, place in _by_depth({machine.line.levels: None for machine in machines}):
        parts.add_state("line", place, "Whether a line is there.")
    told = {
        "servers": _servers(project.brokers),
        "channels": parts.channels,
        "operations": parts.operations,
        "components": {"messages": parts.messages, "schemas": parts.schemas},
    }
    checksum = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:8]
    info = {
        "title": f"Unified Namespace of {project.enterprise}",
        "version": f"0.0.0+{checksum}",
        "description": _ABOUT,
    }
    head = {"asyncapi": "3.0.0", "info": info, "defaultContentType": "application/json"}
    return {**head, **{word: below for word, below in told.items() if below}}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where machines are: an address with a parameter for each level at which they differ."""

    address: str
    parameters: Mapping[str, Any]
    is_complete: bool  # every combination of the parameters is one of them


class _Parts:
    """What the document is put together from."""

    def __init__(self) -> None:
        self.channels: dict[str, Any] = {}
        self.operations: dict[str, Any] = {}
        self.messages: dict[str, Any] = {}
        self.schemas: dict[str, Any] = {"state": _STATE}

    def add_type(self, one: MachineType, suffix: str, place: _Place) -> None:
        """A channel for each tag of a type, and one for its machines' state."""
        for tag in one.tags:
            name = f"{one.name}.{tag.name.replace('/', '.')}"
            self.schemas[name] = _payload(tag)
            self.messages[name] = {
                "name": name,
                "title": f"{tag.name} of {one.title}",
                **({"summary": tag.usual.desc} if tag.usual.desc else {}),
                "payload": {"$ref": f"#/components/schemas/{name}"},
            }
            address = f"{place.address}/{tag.name}"
            qos = int(any(form.deliver_every for form in tag.variants))
            self._add(name + suffix, name, address, place, qos)
        about = f"Whether a machine of type {one.name} is there."
        self.add_state(f"{one.name}{suffix}", place, about)

    def add_state(self, name: str, place: _Place, about: str) -> None:
        """A channel of `_state` messages."""
        payload = {"$ref": "#/components/schemas/state"}
        title = "Whether it is there, since when, and why not."
        self.messages["state"] = {"name": "state", "title": title, "payload": payload}
        self._add(f"{name}._state", "state", f"{place.address}/_state", place, 1)
        self.channels[f"{name}._state"]["title"] = about

    def _add(self, name: str, message: str, address: str, place: _Place, qos: int) -> None:
        channel: dict[str, Any] = {
            "address": address,
            "messages": {message: {"$ref": f"#/components/messages/{message}"}},
        }
        if place.parameters:
            channel["parameters"] = place.parameters
        if not place.is_complete:
            channel["description"] = "Not every combination of the parameters exists."
        self.channels[name] = channel
        self.operations[name] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{name}"},
            "messages": [{"$ref": f"#/channels/{name}/messages/{message}"}],
            "bindings": {"mqtt": {"qos": qos, "retain": True, "bindingVersion": "0.2.0"}},
        }


def _payload(tag: TypeTag) -> JsonSchema:
    """What comes on the tag's topics; where machines differ, any of theirs."""
    forms: list[JsonSchema] = []
    for variant in tag.variants:
        form = payload_schema(variant)
        del form["$schema"], form["title"]
        if form not in forms:
            forms.append(form)
    made = forms[0] if len(forms) == 1 else {"anyOf": forms}
    return {**made, "x-semantic-id": tag.usual.semantic_id} if tag.usual.semantic_id else made


def _places(one: MachineType) -> Iterator[tuple[str, _Place]]:
    """Where a type's machines are; those with a cell are other channels than those without."""
    yield from _by_depth({machine.topic.levels: None for machine in one.machines})


def _by_depth(topics: Iterable[tuple[str, ...]]) -> Iterator[tuple[str, _Place]]:
    groups: dict[int, list[tuple[str, ...]]] = {}
    for levels in topics:
        groups.setdefault(len(levels), []).append(levels)
    for depth, group in sorted(groups.items()):
        suffix = "" if len(groups) == 1 else f".{depth}"
        yield suffix, _place(group)


def _place(topics: list[tuple[str, ...]]) -> _Place:
    names, parameters, combinations = [], {}, 1
    for number, found in enumerate(zip(*topics, strict=True)):
        values = list(dict.fromkeys(found))
        if len(values) == 1:
            names.append(values[0])
            continue
        name = _level(number, len(topics[0]))
        names.append(f"{{{name}}}")
        parameters[name] = {"enum": values, "description": f"The {name}."}
        combinations *= len(values)
    return _Place("/".join(names), parameters, is_complete=combinations == len(topics))


def _level(number: int, depth: int) -> str:
    if number < len(_LEVELS):
        return _LEVELS[number]
    return "machine" if number == depth - 1 else "cell"


def _servers(brokers: Mapping[str, str]) -> dict[str, Any]:
    """The brokers, without the names and passwords in their addresses."""
    found = {}
    for name, url in brokers.items():
        parts = urlsplit(url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        found[name] = {
            "host": f"{host}:{parts.port or _PORTS[parts.scheme]}",
            "protocol": _PROTOCOLS[parts.scheme],
            "protocolVersion": "5.0",
        }
    return found
