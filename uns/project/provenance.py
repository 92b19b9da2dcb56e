"""Provenance: which line of the files each word about a tag came from, and what it replaced.

It is worked out for one tag when somebody asks, from the library; machines and tags carry none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from uns.equipment import Machine, Place
from uns.metric import DataType
from uns.project.connections import Settings
from uns.project.findings import Findings
from uns.project.kinds import Feed, Kinds
from uns.project.library import Library
from uns.project.lineage import Layer, ShapedTag, Shapes, TypeShape, layers_of
from uns.project.parameters import Parameters
from uns.project.quantity import Deadband
from uns.project.source import Written
from uns.project.stamps import Stamp, machine_parameters, stamps
from uns.project.template import Template
from uns.project.words import DeadbandWords, Words

__all__ = ["Attribute", "Origin", "Provenance", "provenance", "who"]

_NAMED: Final = {"types": "type", "bindings": "binding", "overrides": "override", "sites": "site"}
_MERGED: Final = ("alarm", "counter", "deadband", "write")  # their keys come from several places
_SECRET: Final = ("password", "passphrase", "secret", "token")
_DURATIONS: Final = (
    *("scan", "stale", "heartbeat", "deadband.time"),
    *("alarm.delay", "write.every", "write.readback"),
)


@dataclass(frozen=True, slots=True)
class Origin:
    """What one place says: the value for JSON, whose words they are, and file and line."""

    value: Any
    who: str
    place: Place


@dataclass(frozen=True, slots=True)
class Attribute:
    """One word about a tag. `origins` are all that said it, the strongest first."""

    name: str
    origins: tuple[Origin, ...]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a tag and its machine were written.

    `machine` are the entries that speak of the machine, the strongest last; `part` is where a
    part of it was put in (`drive: {is: motor}`). `parameters` are those that fill the address
    and the connection's settings, `settings` the connection's own words.
    """

    machine: tuple[Origin, ...]
    part: Origin | None
    attributes: tuple[Attribute, ...]
    settings: tuple[Attribute, ...]
    parameters: tuple[Attribute, ...]


def provenance(library: Library, machine: Machine, tag: str) -> Provenance | None:
    """Where everything about one tag was written; None where the files do not say it any more."""
    findings = Findings()  # what is wrong was told when the project was loaded
    enterprise = machine.topic.levels[0]
    path = machine.topic.text.partition("/")[2]
    found = (one for one in stamps(library, enterprise, {}, findings) if one.path == path)
    stamp = next(found, None)
    if stamp is None:
        return None
    shapes = Shapes(library, findings)
    kind = Kinds(library, shapes, findings).find(stamp)
    made = next((one for one in kind.tags if one.draft.name == tag), None) if kind else None
    if kind is None or made is None:
        return None
    parameters = machine_parameters(stamp, library, enterprise, {}, findings)
    settings = tuple(_settings(stamp, made.feed)) if made.feed else ()
    used = list(_used(made.feed, settings)) if made.feed else []
    return Provenance(
        tuple(Origin(stamp.path, who(entry.at), entry.at.place) for entry in stamp.levels),
        _part(kind.shape.tags[tag], kind.shape, library),
        tuple(_attributes(made.draft.layers)),
        settings,
        tuple(_parameters(used, parameters, stamp, library)),
    )


def _part(shaped: ShapedTag, shape: TypeShape, library: Library) -> Origin | None:
    """Where the part that the tag belongs to was put into a type."""
    if not shaped.home:
        return None
    for name in shape.lineage:
        entry = library.types[name]
        for key, layer in layers_of(entry.words.tags, entry.tags_at, Findings()).items():
            is_it = shaped.home == key or shaped.home.startswith(f"{key}/")
            if is_it and layer.words.is_ is not None:
                return Origin(layer.words.is_, who(layer.at), layer.at.place)
    return None


def _attributes(layers: tuple[Layer, ...]) -> Iterator[Attribute]:
    """Every word that the layers say, in the order in which they were first said."""
    said: dict[str, list[Origin]] = {}
    for layer in layers:
        for key, value, at in _said(layer):
            origin = Origin(_plain(key, value), who(at), at.place)
            if origin not in said.setdefault(key, []):  # one tag list may serve type and binding
                said[key].insert(0, origin)
    for key, origins in said.items():
        yield Attribute(key, tuple(origins))


def _said(layer: Layer) -> Iterator[tuple[str, Any, Written]]:
    """The words of one place; those of `alarm` and the like by their own names, `alarm.hi`."""
    for name, field in type(layer.words).model_fields.items():
        if name not in layer.words.model_fields_set:
            continue
        key, value = field.alias or name, getattr(layer.words, name)
        at = layer.at.at(key)
        if isinstance(value, DeadbandWords) and value.change is not None and value.time is None:
            value = value.change  # as most people write it
        if key not in _MERGED or not isinstance(value, Words) or not value.model_fields_set:
            yield key, True if isinstance(value, Words) else value, at
            continue
        for below in type(value).model_fields:
            if below in value.model_fields_set:
                yield f"{key}.{below}", getattr(value, below), at.at(below)


def _settings(stamp: Stamp, feed: Feed) -> Iterator[Attribute]:
    """The connection's settings: the binding's, then what entries and the tag itself change."""
    binding = feed.binding
    layers: list[Settings] = [(binding.words.connection, binding.at.at("connection"))]
    layers += [(entry.words.connection, entry.at.at("connection")) for entry in stamp.levels]
    layers.append((feed.settings or {}, feed.settings_at))
    said: dict[str, list[Origin]] = {}
    for words, at in layers:
        for key, value in words.items():
            place = at.at(key)
            said.setdefault(key, []).insert(0, Origin(_open(key, value), who(place), place.place))
    for key, origins in said.items():
        yield Attribute(key, tuple(origins))


def _open(key: str, value: Any) -> Any:
    """A setting as it may be shown: a secret that stands in the file itself is not."""
    if isinstance(value, dict):
        return {name: _open(name, below) for name, below in value.items()}
    is_hidden = any(word in key.lower() for word in _SECRET)
    return "(hidden)" if is_hidden and "${" not in str(value) else value


def _used(feed: Feed, settings: tuple[Attribute, ...]) -> Iterator[str]:
    """The texts that a machine's parameters are put into."""
    yield feed.address.text
    for setting in settings:
        yield from _texts(setting.origins[0].value)


def _texts(value: Any) -> Iterator[str]:
    """The texts in a setting, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for below in value.values():
            yield from _texts(below)


def _parameters(
    texts: list[str], parameters: Parameters, stamp: Stamp, library: Library
) -> Iterator[Attribute]:
    """The parameters that the texts ask for, and those that these are made of."""
    asked = [name for text in texts for name in _fields(text)]
    seen: set[str] = set()
    while asked:
        name = asked.pop(0)
        if name in seen or name not in parameters:
            continue
        seen.add(name)
        raw = parameters.raw[name]
        at = parameters.places.get(name) or _given_at(name, stamp, library)
        yield Attribute(name, (Origin(parameters[name], who(at), at.place),))
        asked += _fields(raw) if isinstance(raw, str) and name in parameters.places else []


def _fields(text: str) -> list[str]:
    return [field.name for field in Template.parse(text).fields]


def _given_at(name: str, stamp: Stamp, library: Library) -> Written:
    """Where a parameter that nobody's `with` gives comes from: `each`, the site, or the path."""
    if name in stamp.each:
        return stamp.entry.at.at("each", name)
    site = library.sites.get(stamp.path.partition("/")[0])
    if site is not None and name in (site.words.model_extra or {}):
        return site.at.at(name)
    return stamp.entry.at.at("path")


def who(at: Written) -> str:
    """Whose words stand at a place: `type filler`, `override leeds/…/filler`."""
    first, *below = map(str, at.steps) if at.steps else ("",)
    if first in _NAMED:
        return f"{_NAMED[first]} {below[0]}" if below else _NAMED[first]
    return "instance" if first == "instances" else "tag list"


def _plain(key: str, value: Any) -> Any:
    """A word as JSON can carry it, and as people write it."""
    match value:
        case DataType():
            return value.label
        case Enum():
            return value.value
        case Deadband():
            return f"{value.amount:g}%" if value.is_percent else value.amount
        case tuple() | list():
            return [_plain("", one) for one in value]
        case Mapping():
            return {str(name): _plain("", one) for name, one in value.items()}
        case float() if key in _DURATIONS:
            return f"{value:g}s"
        case _:
            return value
