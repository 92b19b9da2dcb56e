"""A plan: everything that a changed project would do to the tree, and whom it hits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

from uns.plan.difference import Action, Kind, difference
from uns.plan.readers import Formulae, Reader, ReaderKind, Readers
from uns.plan.snapshot import Snapshot

__all__ = ["Harm", "Hit", "Plan", "SchemaStep", "make_plan"]


class Harm(StrEnum):
    """What happens to a reader."""

    LOSES = "loses"  # the topic goes, or goes where it does not look
    MISREADS = "misreads"  # the value means something else than before
    BEGINS_ANEW = "begins anew"  # a route counts and names its machine by the new topic


@dataclass(frozen=True, slots=True)
class Hit:
    """One reader and the topics, as they were, of which something happens to it."""

    reader: Reader
    harm: Harm
    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SchemaStep:
    """What a machine type goes through; `breaks` are the codes, empty where none is hurt."""

    type_name: str
    old_version: int
    new_version: int
    breaks: tuple[str, ...]

    @property
    def wants_version(self) -> bool:
        """Whether it breaks readers under the version that they know."""
        return bool(self.breaks) and self.new_version <= self.old_version


@dataclass(frozen=True, slots=True)
class Plan:
    """From one snapshot to another."""

    old: Snapshot
    new: Snapshot
    actions: tuple[Action, ...]
    hits: tuple[Hit, ...]
    schemas: tuple[SchemaStep, ...]
    filters: Mapping[str, tuple[str, ...]]  # of each consumer, for what it might read instead

    def count(self, kind: Kind) -> int:
        """How many tags that happens to."""
        return sum(action.kind is kind for action in self.actions)

    @property
    def breaks(self) -> dict[str, list[Action]]:
        """What readers cannot be left to find out by themselves, by code."""
        found: dict[str, list[Action]] = defaultdict(list)
        for action in self.actions:
            for code in action.codes:
                found[code].append(action)
        return dict(sorted(found.items()))

    def unaccepted(self, codes: Sequence[str]) -> dict[str, list[Action]]:
        """The breaks whose code nobody has accepted."""
        return {code: found for code, found in self.breaks.items() if code not in codes}


def make_plan(old: Snapshot, new: Snapshot, readers: Readers) -> Plan:
    """Compare two snapshots, and ask who of `readers` is hit."""
    actions = difference(old, new)
    hits = _hits(old, new, actions, readers)
    schemas = tuple(_schema_steps(old, new, actions))
    return Plan(old, new, tuple(actions), hits, schemas, readers.filters)


def _hits(
    old: Snapshot, new: Snapshot, actions: Sequence[Action], readers: Readers
) -> tuple[Hit, ...]:
    topics: dict[tuple[Reader, Harm], set[str]] = defaultdict(set)
    formulae = Formulae(old)
    for action in actions:
        if action.old is None:
            continue
        for reader, harm in chain(
            _hit_consumers(action, readers),
            _hit_routes(action, old, new, readers) if readers.has_routes else (),
            _hit_inside(action, formulae) if action.changes or action.new is None else (),
        ):
            topics[reader, harm].add(action.old.topic)
    order = list(ReaderKind)
    found = [Hit(reader, harm, tuple(sorted(hit))) for (reader, harm), hit in topics.items()]
    return tuple(sorted(found, key=lambda h: (order.index(h.reader.kind), h.reader.name, h.harm)))


def _changes_meaning(action: Action) -> bool:
    """Whether who reads it reads something else than before."""
    return bool(action.changes) and any(change.code for change in action.changes)


def _hit_consumers(action: Action, readers: Readers) -> Iterator[tuple[Reader, Harm]]:
    assert action.old is not None  # noqa: S101 - an added tag has no readers yet
    if action.kind is Kind.CHANGE and not _changes_meaning(action):
        return
    reading = readers.consumers_of(action.old.topic)
    reads_on = readers.consumers_of(action.new.topic) if action.new else set()
    yield from ((reader, Harm.LOSES) for reader in reading - reads_on)
    if _changes_meaning(action):
        yield from ((reader, Harm.MISREADS) for reader in reading & reads_on)


def _hit_routes(
    action: Action, old: Snapshot, new: Snapshot, readers: Readers
) -> Iterator[tuple[Reader, Harm]]:
    assert action.old is not None  # noqa: S101 - an added tag has no readers yet
    reading = readers.routes_of(old.machines.get(action.old.machine), action.old)
    still: set[Reader] = set()
    if action.new is not None:
        still = reading & readers.routes_of(new.machines.get(action.new.machine), action.new)
    yield from ((reader, Harm.LOSES) for reader in reading - still)
    if _changes_meaning(action):
        yield from ((reader, Harm.MISREADS) for reader in still)
    if action.new is not None and action.new.machine != action.old.machine:
        yield from ((reader, Harm.BEGINS_ANEW) for reader in still)


def _hit_inside(action: Action, formulae: Formulae) -> Iterator[tuple[Reader, Harm]]:
    """Formulae and alarm limits; no project loads whose formula looks at what is gone."""
    assert action.old is not None  # noqa: S101 - an added tag has no readers yet
    alarm = Reader(ReaderKind.ALARM, action.old.name)
    has_alarm = bool(action.old.facts.get("alarm"))
    if action.kind is Kind.DELETE and has_alarm:
        yield alarm, Harm.LOSES
    if _changes_meaning(action):
        yield from ((reader, Harm.MISREADS) for reader in formulae.of(action.old.topic))
        if has_alarm:
            yield alarm, Harm.MISREADS


def _schema_steps(old: Snapshot, new: Snapshot, actions: Sequence[Action]) -> Iterator[SchemaStep]:
    breaks: dict[str, set[str]] = defaultdict(set)
    touched: set[str] = set()
    moved = {action.old.machine for action in actions if action.new and action.old}
    for action in actions:
        tag = action.old or action.new
        machine = old.machines.get(tag.machine) if tag else None
        if machine is None or _goes_with_machine(action, new, moved):
            continue
        breaks[machine.type_name].update(code for code in action.codes if code != "UNS461")
        touched.add(machine.type_name)
    before, after = _versions(old), _versions(new)
    for name in sorted(before.keys() & after.keys()):
        if name in touched or before[name] != after[name]:
            yield SchemaStep(name, before[name], after[name], tuple(sorted(breaks[name])))


def _goes_with_machine(action: Action, new: Snapshot, moved: set[str]) -> bool:
    """Whether nothing happens to the tag but that its machine goes or moves."""
    if action.kind is Kind.DELETE and action.old is not None:
        return action.old.machine not in new.machines and action.old.machine not in moved
    return action.kind is Kind.MOVE and not action.changes


def _versions(snapshot: Snapshot) -> dict[str, int]:
    found: dict[str, int] = {}
    for machine in snapshot.machines.values():
        found[machine.type_name] = max(machine.version, found.get(machine.type_name, 0))
    return found
