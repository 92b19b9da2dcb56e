"""Relations: what machines have to do with each other, known at both ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from uns.equipment import Machine, Relation
from uns.project.findings import Findings
from uns.project.library import Library
from uns.project.machine_words import RELATIONS
from uns.project.nearest import suggestion
from uns.project.parameters import Parameters
from uns.project.source import Written
from uns.project.stamps import Stamp
from uns.topic import Topic

__all__ = ["Asked", "Relating"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One relation as it is written: `target` is a template."""

    name: str
    target: str
    at: Written


class Relating:
    """The relations of a project's machines, collected one by one and then joined."""

    def __init__(self, library: Library, findings: Findings) -> None:
        self._library = library
        self._findings = findings
        self._inverses = _inverses(library, findings)
        self._asked: dict[tuple[str, tuple[int, ...]], tuple[Asked, ...]] = {}
        self._found: list[tuple[Machine, Asked, str]] = []

    def add(self, machine: Machine, stamp: Stamp, parameters: Parameters) -> None:
        """Note what a machine's type, entry and overrides say of it."""
        key = (machine.type_name, stamp.kind)
        if key not in self._asked:
            self._asked[key] = tuple(self._written(machine.lineage, stamp))
        for asked in self._asked[key]:
            target = parameters.fill(asked.target, asked.at)
            if target is not None:
                self._found.append((machine, asked, str(target)))

    def joined(self, machines: Sequence[Machine]) -> list[Machine]:
        """The machines with their relations, those that others say of them included."""
        if not self._found:
            return list(machines)
        known = {machine.topic.text for machine in machines}
        places = known | {
            "/".join(levels[:depth])
            for machine in machines
            for levels in [machine.topic.levels]
            for depth in range(2, len(levels))
        }
        of: dict[str, dict[tuple[str, str], Relation]] = {}
        for machine, asked, text in self._found:
            target = self._target(machine, asked, text, places)
            if target is None:
                continue
            inverse = self._inverses[asked.name]
            said = Relation(asked.name, target, inverse, place=asked.at.place)
            of.setdefault(machine.topic.text, {})[asked.name, target.text] = said
            back = Relation(inverse, machine.topic, asked.name, is_declared=False)
            of.setdefault(target.text, {}).setdefault((inverse, machine.topic.text), back)
        return [_related(machine, of.get(machine.topic.text)) for machine in machines]

    def _written(self, lineage: tuple[str, ...], stamp: Stamp) -> Iterator[Asked]:
        """What is said in the end: of each relation the last that speaks of it."""
        entries = [self._library.types[name] for name in reversed(lineage)]
        last: dict[str, list[Asked]] = {}
        for entry in (*entries, *stamp.levels):
            for name, targets in entry.words.relations.items():
                at = entry.at.at("relations", name)
                if name not in self._inverses:
                    self._unknown(name, at)
                    continue
                places = [at.at(n) if at.at(n).is_written else at for n in range(len(targets))]
                last[name] = [Asked(name, *one) for one in zip(targets, places, strict=True)]
        for asked in last.values():
            yield from asked

    def _unknown(self, name: str, at: Written) -> None:
        self._findings.add(
            "UNS241",
            f"there is no relation `{name}`",
            at,
            hint=suggestion(
                name,
                self._inverses,
                otherwise=f"name it and its inverse at the top level: `relations: {{{name}: …}}`",
            ),
            of_key=True,
        )

    def _target(self, machine: Machine, asked: Asked, text: str, places: set[str]) -> Topic | None:
        """The machine or place that `text` names, or None where there is none."""
        enterprise = machine.topic.levels[0]
        base = (
            enterprise
            if "/" in text or f"{enterprise}/{text}" in places
            else str(machine.topic.parent)
        )
        wanted = f"{base}/{text}"
        if wanted in places and wanted != machine.topic.text:
            return Topic(wanted)
        what = "is this machine itself" if wanted in places else "is no machine, line, area or site"
        depth = wanted.count("/")
        shown = {place.removeprefix(f"{base}/") for place in places if place.count("/") == depth}
        self._findings.add(
            "UNS240",
            f"`{machine.topic}` {asked.name} `{text}`, which {what}",
            asked.at,
            hint=suggestion(text, shown - {text}, otherwise="a machine's name, or a path"),
        )
        return None


def _related(machine: Machine, relations: Mapping[tuple[str, str], Relation] | None) -> Machine:
    return replace(machine, relations=tuple(relations.values())) if relations else machine


def _inverses(library: Library, findings: Findings) -> dict[str, str]:
    """Each relation's name to its inverse, both ways."""
    inverses = {**RELATIONS, **{back: name for name, back in RELATIONS.items()}}
    for name, entry in library.relations.items():
        back = entry.words.inverse
        taken = next((one for one in (name, back) if one in inverses), None)
        if taken is not None:
            message = f"`{taken}` is a relation already; its inverse is `{inverses[taken]}`"
            findings.add("UNS241", message, entry.at, hint="choose another word", of_key=True)
            continue
        inverses |= {name: back, back: name}
    return inverses
