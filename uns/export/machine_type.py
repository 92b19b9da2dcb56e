"""Machine types as a project has them: who is one, and what all of them have in common.

Overrides make machines of one type differ; a type here knows every variant of its tags, so that
what is said about it holds for each of its machines.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from uns.equipment import Machine, Tag

__all__ = ["MachineType", "TypeTag", "machine_types"]


@dataclass(frozen=True, slots=True)
class TypeTag:
    """A tag of a type, in each of the forms that its machines have it; the usual one first."""

    name: str
    variants: tuple[Tag, ...]
    is_everywhere: bool  # every machine of the type has it, and must

    @property
    def usual(self) -> Tag:
        """The form that most machines have."""
        return self.variants[0]


@dataclass(frozen=True, slots=True)
class MachineType:
    """A type and version, its machines, and their tags in the order of the files."""

    name: str
    version: int
    machines: tuple[Machine, ...]
    tags: tuple[TypeTag, ...]

    @property
    def title(self) -> str:
        """Name and version: `filler/2`."""
        return f"{self.name}/{self.version}"

    @property
    def ancestors(self) -> tuple[str, ...]:
        """The types that it extends, the nearest first."""
        return self.machines[0].lineage[1:]

    @property
    def semantic_id(self) -> str:
        """Its meaning in a dictionary, if it has one."""
        return self.machines[0].semantic_id


def machine_types(machines: Iterable[Machine]) -> tuple[MachineType, ...]:
    """The types of these machines, by name and version."""
    groups: dict[tuple[str, int], list[Machine]] = {}
    for machine in machines:
        groups.setdefault((machine.type_name, machine.version), []).append(machine)
    return tuple(
        MachineType(name, version, tuple(group), _tags(group))
        for (name, version), group in sorted(groups.items())
    )


def _tags(machines: list[Machine]) -> tuple[TypeTag, ...]:
    found: dict[str, dict[Hashable, list[Tag]]] = {}
    for machine in machines:
        for tag in machine.tags:
            found.setdefault(tag.name, {}).setdefault(_said_of(tag), []).append(tag)
    return tuple(_tag(name, forms, len(machines)) for name, forms in found.items())


def _tag(name: str, forms: dict[Hashable, list[Tag]], machines: int) -> TypeTag:
    by_use = sorted(forms.values(), key=len, reverse=True)
    count = sum(map(len, by_use))
    is_everywhere = count == machines and not any(tags[0].is_optional for tags in by_use)
    return TypeTag(name, tuple(tags[0] for tags in by_use), is_everywhere)


def _said_of(tag: Tag) -> Hashable:
    """Everything about a tag but where it is and where its value comes from."""
    states = tuple(tag.states.items()) if tag.states else None
    meaning = (tag.datatype, tag.unit, tag.low, tag.high, tag.is_counter, tag.rollover, states)
    times = (tag.scan_s, tag.stale_s, tag.heartbeat_s, tag.deadband_s)
    rules = (tag.alarm, tag.deadband, times, tag.deliver_every, tag.is_kept, tag.write)
    return meaning, rules, tag.calc, tag.desc, tag.semantic_id, tag.is_optional
