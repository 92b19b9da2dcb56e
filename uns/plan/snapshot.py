"""A snapshot: every tag that a tree has, with all that somebody may rely on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, TypeAlias

import msgspec

from uns.equipment import Alarm, Machine, Tag, WritePolicy

__all__ = ["DEFAULT_SCAN_S", "EVERY_FACT", "Facts", "MachineRecord", "Snapshot", "TagRecord"]

Facts: TypeAlias = Mapping[str, Any]  # JSON values by name; what is empty or usual is left out

DEFAULT_SCAN_S: Final = 1.0
EVERY_FACT: Final = frozenset(
    {
        *("type", "unit", "range", "states", "counter", "rollover", "writable", "alarm", "calc"),
        *("every", "stale", "deadband", "scan", "scale", "write", "desc", "semantic_id"),
        *("deadband_s", "heartbeat_s", "unkept"),
    }
)


class TagRecord(msgspec.Struct, frozen=True, gc=False):
    """One tag. `facts` are shared by all that have the same.

    `was` are the topics that the project says it had before. `first` is the topic that it had
    when it was new, where that is another: what it is known by for ever.
    """

    topic: str
    machine: str
    name: str
    source: tuple[str, str] | None  # connection and address
    facts: Facts
    was: tuple[str, ...] = ()
    first: str = ""


class MachineRecord(msgspec.Struct, frozen=True):
    """One machine: its type and ancestors, nearest first."""

    topic: str
    type_name: str
    version: int
    lineage: tuple[str, ...]

    @property
    def line(self) -> str:
        """The topic of the line that it stands on."""
        return "/".join(self.topic.split("/")[:4])


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Machines and tags by topic. What is not in `knows` was not said, and is not compared."""

    machines: Mapping[str, MachineRecord]
    tags: Mapping[str, TagRecord]
    knows: frozenset[str] = field(default=EVERY_FACT)

    @classmethod
    def of(cls, machines: Sequence[Machine]) -> Snapshot:
        """Return the tree that a project's machines make."""
        shared = _SharedFacts()
        tags: dict[str, TagRecord] = {}
        for machine in machines:
            for tag in machine.tags:
                tags[tag.topic.text] = _record(machine, tag, shared.of(tag))
        records = {
            m.topic.text: MachineRecord(m.topic.text, m.type_name, m.version, m.lineage)
            for m in machines
        }
        return cls(records, tags)

    @property
    def retained(self) -> int:
        """How many messages a broker keeps for it: values, definitions, states."""
        lines = {machine.line for machine in self.machines.values()}
        return 2 * len(self.tags) + 2 * len(self.machines) + len(lines)

    @property
    def rate(self) -> float | None:
        """How many values a second it publishes at most; None where scans are not known."""
        if "scan" not in self.knows:
            return None
        scans = (tag.facts.get("scan", DEFAULT_SCAN_S) for tag in self.tags.values() if tag.source)
        return float(sum(1 / scan for scan in scans if scan > 0))


def _record(machine: Machine, tag: Tag, facts: Facts) -> TagRecord:
    source = (tag.source.connection, tag.source.text) if tag.source else None
    own = tag.topic.text
    was: tuple[str, ...] = ()
    if machine.was or tag.was:
        places = [machine.topic.text, *(topic.text for topic in machine.was)]
        former = (f"{place}/{name}" for place in places for name in (tag.name, *tag.was))
        was = tuple(topic for topic in former if topic != own)
    return TagRecord(own, machine.topic.text, tag.name, source, facts, was)


class _SharedFacts:
    """The facts of tags; equal tags of a thousand machines share one mapping."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], Facts] = {}

    def of(self, tag: Tag) -> Facts:
        key = (
            *(tag.datatype, tag.unit, tag.low, tag.high, id(tag.states), tag.is_counter),
            *(tag.rollover, tag.write, tag.alarm, tag.calc, tag.deliver_every, tag.stale_s),
            *(tag.deadband, tag.scan_s, tag.scale, tag.desc, tag.semantic_id),
            *(tag.deadband_s, tag.heartbeat_s, tag.is_kept),
        )
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = _facts(tag)
        return found


def _facts(tag: Tag) -> Facts:
    said: dict[str, Any] = {
        "type": tag.datatype.label,
        "unit": tag.unit,
        "range": None if tag.low is None and tag.high is None else [tag.low, tag.high],
        "states": {str(code): name for code, name in (tag.states or {}).items()},
        "counter": tag.is_counter,
        "rollover": tag.rollover,
        "writable": tag.writable,
        "alarm": _alarm(tag.alarm),
        "calc": tag.calc,
        "every": tag.deliver_every,
        "stale": tag.stale_s,
        "deadband": tag.deadband,
        "deadband_s": tag.deadband_s,
        "heartbeat_s": tag.heartbeat_s,
        "unkept": not tag.is_kept,
        "scan": None if tag.scan_s == DEFAULT_SCAN_S else tag.scan_s,
        "scale": tag.scale and list(tag.scale),
        "write": _write(tag.write),
        "desc": tag.desc,
        "semantic_id": tag.semantic_id,
    }
    return {name: fact for name, fact in said.items() if fact}


def _alarm(alarm: Alarm | None) -> dict[str, float]:
    """The limits that there are; zero is one, and no delay is none."""
    said = asdict(alarm) if alarm else {}
    optional = ("delay_s", "hysteresis")
    return {k: v for k, v in said.items() if v is not None and (v or k not in optional)}


def _write(policy: WritePolicy | None) -> dict[str, Any]:
    """The conditions of writing, without `writable` itself."""
    if policy is None:
        return {}
    limits = None if policy.low is None and policy.high is None else [policy.low, policy.high]
    said = {"roles": list(policy.roles), "range": limits, "every_s": policy.every_s}
    said["readback_s"] = policy.readback_s
    return {name: fact for name, fact in said.items() if fact}
