"""Readers: who reads which topic - declared consumers, routes, formulae of other tags, alarms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeAlias

from uns.plan.snapshot import MachineRecord, Snapshot, TagRecord
from uns.project.models import ConsumerWords
from uns.project.project import Project
from uns.route.expression import ExpressionError, compile_calc
from uns.route.template import filled, leaves, tags_in
from uns.route.words import RouteWords, TemplateWords
from uns.topic import TopicFilter

__all__ = ["Formulae", "Reader", "ReaderKind", "Readers"]

_Reached: TypeAlias = tuple[set["Reader"], list[dict[str, Any]]]
_HERE: Final = ""  # the key, in a node of the tree, of those whose filter ends there


class ReaderKind(StrEnum):
    """What sort of reader."""

    CONSUMER = "consumer"
    ROUTE = "route"
    CALC = "calc"
    ALARM = "alarm"


class Reader(NamedTuple):
    """Somebody or something that reads tags; who answers for it, and where to reach them."""

    kind: ReaderKind
    name: str
    owner: str = ""
    contact: str = ""


class Readers:
    """Everything in a project that reads tags; asked about tags of this and of other snapshots."""

    def __init__(
        self,
        consumers: Mapping[str, ConsumerWords],
        routes: Sequence[RouteWords] = (),
        templates: Mapping[str, TemplateWords] | None = None,
    ) -> None:
        self.filters = {name: tuple(words.reads) for name, words in consumers.items()}
        self._consumers = _Filters(consumers)
        self._routes = [_RouteReads.of(words, (templates or {})[words.use]) for words in routes]

    @classmethod
    def of(cls, project: Project) -> Readers:
        """Return those that a project declares."""
        return cls(project.consumers, project.routes, project.templates)

    def consumers_of(self, topic: str) -> set[Reader]:
        """The consumers with a filter that matches."""
        return self._consumers.of(topic)

    @property
    def has_routes(self) -> bool:
        """Whether there is any route to ask."""
        return bool(self._routes)

    def routes_of(self, machine: MachineRecord | None, tag: TagRecord) -> set[Reader]:
        """The routes that are stamped on the tag's machine and look at the tag."""
        if machine is None:
            return set()
        return {route.reader for route in self._routes if route.looks_at(machine, tag.name)}


class Formulae:
    """Which calculated tags of a snapshot look at a tag."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._by_input: dict[str, set[Reader]] = {}
        names: dict[str, tuple[str, ...]] = {}
        for tag in snapshot.tags.values():
            calc = tag.facts.get("calc")
            if not calc:
                continue
            if calc not in names:
                names[calc] = _inputs(calc)
            for name in names[calc]:
                reader = Reader(ReaderKind.CALC, tag.name)
                self._by_input.setdefault(f"{tag.machine}/{name}", set()).add(reader)

    def of(self, topic: str) -> set[Reader]:
        """The formulae that look at it, each by the name of its tag."""
        return self._by_input.get(topic, set())


def _inputs(calc: str) -> tuple[str, ...]:
    try:
        return tuple(name.replace(".", "/") for name in compile_calc(calc).names)
    except ExpressionError:  # of a tree that another version wrote
        return ()


class _Filters:
    """Filters as a tree of levels: a topic finds all that match it in one walk."""

    def __init__(self, consumers: Mapping[str, ConsumerWords]) -> None:
        self._root: dict[str, Any] = {}
        self._places: dict[str, _Reached] = {}
        for name, words in consumers.items():
            reader = Reader(ReaderKind.CONSUMER, name, words.owner, words.contact)
            for text in words.reads:
                node = self._root
                for level in text.split("/"):
                    node = node.setdefault(level, {})
                node.setdefault(_HERE, []).append(reader)

    def of(self, topic: str) -> set[Reader]:
        """Those with a filter that matches; not to be changed, it may be everybody's answer."""
        place, _, name = topic.rpartition("/")
        found, nodes = self._reached(place)
        if not any("#" in node or name in node or "+" in node for node in nodes):
            return found
        found, nodes = self._step(found, nodes, name)
        for node in nodes:
            found.update(node.get(_HERE, ()))
            if "#" in node:  # `a/#` matches `a` too (MQTT 5.0 §4.7.1.2)
                found.update(node["#"][_HERE])
        return found

    def _reached(self, place: str) -> _Reached:
        """What is known on the way down to the tags of one place; walked once."""
        if not place:
            return set(), [self._root]
        if place not in self._places:
            above, _, name = place.rpartition("/")
            self._places[place] = self._step(*self._reached(above), name)
        return self._places[place]

    @staticmethod
    def _step(found: set[Reader], nodes: list[dict[str, Any]], level: str) -> _Reached:
        """One level down: those that want everything here, and where the others go on."""
        found = found.union(*(node["#"][_HERE] for node in nodes if "#" in node))
        return found, [node[key] for node in nodes for key in (level, "+") if key in node]


@dataclass(frozen=True, slots=True)
class _RouteReads:
    """One use of a template: on which machines, and which tags it looks at there."""

    reader: Reader
    class_name: str
    select: TopicFilter | None
    tags: frozenset[str]

    @classmethod
    def of(cls, words: RouteWords, template: TemplateWords) -> _RouteReads:
        select = words.for_each.select
        targets = ", ".join(template.deliver)
        return cls(
            Reader(ReaderKind.ROUTE, words.name or words.use, owner=targets and f"to {targets}"),
            words.for_each.class_,
            None if select is None else TopicFilter.parse(select),
            frozenset(_tags(words, template)),
        )

    def looks_at(self, machine: MachineRecord, tag: str) -> bool:
        if tag not in self.tags or self.class_name not in machine.lineage:
            return False
        return self.select is None or self.select.matches(machine.topic)


def _tags(words: RouteWords, template: TemplateWords) -> Iterator[str]:
    params = {**template.params, **words.with_}
    counter = template.trigger.counter
    inputs: Iterable[str | None] = (*counter.tags.values(), *counter.since.values(), counter.order)
    yield from (str(filled(tag, params)) for tag in inputs if tag is not None)
    for _, leaf in leaves((), template):
        yield from tags_in(leaf)
