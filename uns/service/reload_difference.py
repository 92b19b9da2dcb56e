"""The difference of two projects: which connections, lines, machines and routes it touches.

A reload leaves alone what is equal here. Places in files are no part of that: a line that moved
down in its file is the same line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uns.equipment import Machine, Tag
from uns.project.project import Project
from uns.route.template import machines_of

__all__ = ["Difference", "Kind", "as_read", "difference", "restart_reason"]


@dataclass(frozen=True, slots=True)
class Kind:
    """What of one kind, by key, is the same in both projects, is another, is new, is gone."""

    stay: tuple[str, ...]
    change: tuple[str, ...]
    come: tuple[str, ...]
    go: tuple[str, ...]

    @classmethod
    def between(cls, before: Mapping[str, Any], after: Mapping[str, Any]) -> Kind:
        """Compare what stands under equal keys; the order is that of `after`, then of `before`."""
        both = [key for key in after if key in before]
        return cls(
            stay=tuple(key for key in both if before[key] == after[key]),
            change=tuple(key for key in both if before[key] != after[key]),
            come=tuple(key for key in after if key not in before),
            go=tuple(key for key in before if key not in after),
        )

    @property
    def is_empty(self) -> bool:
        """Whether everything stays."""
        return not (self.change or self.come or self.go)


@dataclass(frozen=True, slots=True)
class Difference:
    """What a reload has to touch. Keys: a connection's own, topics, `route@machine`, names."""

    connections: Kind
    lines: Kind
    machines: Kind
    routes: Kind
    targets: Kind
    has_other_rules: bool  # for devices of others

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        kinds = (self.connections, self.lines, self.machines, self.routes, self.targets)
        return not self.has_other_rules and all(kind.is_empty for kind in kinds)

    @property
    def sentence(self) -> str:
        """What changes, for people: `1 line changes, 2 machines come; 97 machines stay`."""
        counted = (("line", self.lines), ("machine", self.machines), ("route", self.routes))
        said = [
            _said(len(keys), noun, verb)
            for noun, kind in counted
            for verb, keys in (("change", kind.change), ("come", kind.come), ("leave", kind.go))
            if keys
        ]
        if self.has_other_rules:
            said.append("the rules for foreign devices change")
        stays = _said(len(self.machines.stay), "machine", "stay")
        return f"{', '.join(said) or 'settings change'}; {stays}"


def difference(
    before: Project,
    after: Project,
    machines_before: Sequence[Machine],
    machines_after: Sequence[Machine],
) -> Difference:
    """What is different between two projects, for the machines of each that are run here."""
    return Difference(
        connections=Kind.between(
            _connections(before, machines_before), _connections(after, machines_after)
        ),
        lines=Kind.between(_lines(machines_before), _lines(machines_after)),
        machines=Kind.between(_machines(machines_before), _machines(machines_after)),
        routes=Kind.between(_routes(before, machines_before), _routes(after, machines_after)),
        targets=Kind.between(before.targets, after.targets),
        has_other_rules=before.sparkplug.foreign != after.sparkplug.foreign,
    )


def restart_reason(before: Project, after: Project) -> str:
    """Why `after` cannot be taken over by what runs; empty where it can."""
    if before.enterprise != after.enterprise:
        return f"`enterprise` is `{after.enterprise}` now and was `{before.enterprise}`"
    for word in ("primary_host", "profile", "is_broker_aware", "backlog"):
        if getattr(before.sparkplug, word) != getattr(after.sparkplug, word):
            return f"`sparkplug: {_WORDS.get(word, word)}:` is another"
    return ""


def as_read(tag: Tag) -> tuple[Any, ...]:
    """All that decides how a tag is read from its device, and what of it is reported as what."""
    return (
        *(tag.source, tag.datatype, tag.unit, tag.scan_s, tag.deliver_every),
        *(tag.scale, tag.deadband, tag.deadband_s, tag.heartbeat_s, tag.stale_s),
    )


_WORDS = {"is_broker_aware": "aware_broker"}  # as the files have it


def _connections(project: Project, machines: Iterable[Machine]) -> dict[str, Any]:
    """Each connection in use, with the tags that are read over it."""
    read: dict[str, list[Any]] = {}
    for machine in machines:
        for tag in machine.tags:
            if tag.source is not None:
                read.setdefault(tag.source.connection, []).append((tag.topic.text, as_read(tag)))
    return {key: (project.connections[key], tags) for key, tags in read.items()}


def _lines(machines: Iterable[Machine]) -> dict[str, list[Machine]]:
    lines: dict[str, list[Machine]] = {}
    for machine in machines:
        lines.setdefault(machine.line.text, []).append(machine)
    return lines


def _machines(machines: Iterable[Machine]) -> dict[str, Machine]:
    return {machine.topic.text: machine for machine in machines}


def _routes(project: Project, machines: Sequence[Machine]) -> dict[str, Any]:
    return {
        f"{words.name or words.use}@{machine.topic}": (
            words,
            project.templates.get(words.use),
            machine,
        )
        for words in project.routes
        for machine in machines_of(words, machines)
    }


def _said(count: int, noun: str, verb: str) -> str:
    return f"1 {noun} {verb}s" if count == 1 else f"{count:,} {noun}s {verb}"
