"""`uns check --live`: what devices and brokers say otherwise, as diagnostics at the line that would be changed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bridges import get_driver
from uns.equipment import Connection, Machine, Place, Tag
from uns.metric import DataType
from uns.mqtt import Broker
from uns.project.diagnose import Diagnostic, Severity
from uns.project.library import Library
from uns.project.load import Loaded, read_library
from uns.project.project import Project
from uns.project.provenance import provenance
from uns.project.source import Source, Span
from uns.service.broker_check import BrokerAnswers, check_brokers
from uns.service.live_check import LiveFinding, check_devices

__all__ = ["asked_brokers", "told", "with_live"]

_LOOKED_UP: Final = 200  # findings whose line is looked up; the rest points at the address
_WORD: Final = re.compile(r"[^\s:,{}\[\]]+")


def with_live(
    loaded: Loaded, folder: Path, brokers: Sequence[Broker], *, within_s: float
) -> tuple[Loaded, list[str]]:
    """Ask the devices and brokers of a project without mistakes, and add what they say.

    Without `brokers` those are asked that the project names. Also returns what was not asked.
    """
    project = loaded.project
    if project is None:
        return loaded, ["devices and brokers: the project has mistakes"]
    asked = asked_brokers(project, folder, brokers)
    found, answers = asyncio.run(_ask(project, asked, within_s))
    not_asked = answers.not_asked if asked else ["a broker: give one with -b, or in `brokers:`"]
    return told(loaded, folder, [*found, *answers.findings]), not_asked


async def _ask(
    project: Project, brokers: Sequence[tuple[Connection, Broker]], within_s: float
) -> tuple[list[LiveFinding], BrokerAnswers]:
    async with asyncio.TaskGroup() as group:
        devices = group.create_task(
            check_devices(project, get_driver, within_s=within_s), name="check:devices"
        )
        answers = group.create_task(
            check_brokers(project, brokers, within_s=within_s), name="check:brokers"
        )
    return devices.result(), answers.result()


def asked_brokers(
    project: Project, folder: Path, given: Sequence[Broker]
) -> list[tuple[Connection, Broker]]:
    """The brokers to ask, each with its line: those given stand at the enterprise's."""
    if not given and not project.brokers:
        return []
    library = read_library(folder)
    if given:
        place = library.enterprise.at.place if library.enterprise else None
        return [(Connection(str(broker), "mqtt", None, place), broker) for broker in given]
    return [
        (Connection(name, "mqtt", None, library.brokers[name].at.place), Broker.parse(url))
        for name, url in project.brokers.items()
    ]


def told(loaded: Loaded, folder: Path, found: Sequence[LiveFinding]) -> Loaded:
    """Add what devices said to a project's diagnostics, each once, by file and line."""
    if loaded.project is None:
        return loaded
    live = _once(_placed(found, loaded.project, folder), loaded.sources)
    everything = sorted((*loaded.diagnostics, *live), key=lambda one: one.order)
    return replace(loaded, diagnostics=tuple(everything))


@dataclass(frozen=True, slots=True)
class _Placed:
    """A finding at its line. Those of one `group` are told once: the first, and how many more."""

    finding: LiveFinding
    place: Place
    group: tuple[object, ...]
    is_default: bool = False  # the tag is a Float because nobody wrote what it is


def _placed(found: Sequence[LiveFinding], project: Project, folder: Path) -> Iterator[_Placed]:
    """Each finding at the line it is about: the same slip in a type or binding is one group."""
    library = read_library(folder) if found else Library()
    nowhere = Place(project.folder.name, 1)
    types: dict[tuple[str, str], Place | None] = {}
    for number, one in enumerate(found):
        machine, tag = one.machine, one.tag
        if machine is None or tag is None:
            place = one.connection.place or nowhere
            yield _Placed(one, place, (one.code, place, one.message))
            continue
        if _is_narrow(one):
            key = machine.type_name, tag.name  # asked once: it may be all tags of all machines
            if key not in types:
                types[key] = _written(one, machine, tag, library)
            written = types[key]
        else:
            written = _written(one, machine, tag, library) if number < _LOOKED_UP else None
        place = written or tag.place or nowhere
        is_default = written is None and _is_narrow(one)
        group = (one.code, machine.type_name) if is_default else (one.code, place)
        yield _Placed(one, place, group, is_default)


def _is_narrow(finding: LiveFinding) -> bool:
    """Whether it is a Double behind a Float: often one that nobody chose."""
    is_float = finding.tag is not None and finding.tag.datatype is DataType.FLOAT
    return finding.code == "UNS522" and not finding.is_error and is_float


def _written(finding: LiveFinding, machine: Machine, tag: Tag, library: Library) -> Place | None:
    """Where the key is written that a finding is about; None where it is not."""
    origins = provenance(library, machine, tag.name)
    for one in origins.attributes if origins else ():
        if one.name.partition(".")[0] == finding.word:
            return one.origins[0].place
    return None


def _once(placed: Iterable[_Placed], sources: Mapping[str, Source]) -> list[Diagnostic]:
    """One diagnostic for each group: a slip in a type concerns all its machines."""
    groups: dict[tuple[object, ...], list[_Placed]] = {}
    for one in placed:
        groups.setdefault(one.group, []).append(one)
    return [_diagnostic(same[0], len(same) - 1, sources) for same in groups.values()]


def _diagnostic(placed: _Placed, others: int, sources: Mapping[str, Source]) -> Diagnostic:
    finding, place, hint = placed.finding, placed.place, placed.finding.hint
    where = f"{finding.connection.key}: " if finding.tag is not None else ""
    more = f" (and {others:,} more like it)" if others else ""
    if others and placed.is_default and finding.machine is not None:
        kind = finding.machine.type_name
        more = f" (and {others:,} more tags of `{kind}` machines that have no `type`)"
        hint = "write `type: Double` at those whose values need more than seven digits"
    return Diagnostic(
        finding.code,
        f"{where}{finding.message}{more}",
        place.file,
        _span(place, sources),
        hint,
        severity=Severity.ERROR if finding.is_error else Severity.WARNING,
    )


def _span(place: Place, sources: Mapping[str, Source]) -> Span:
    """The word that stands there."""
    source = sources.get(place.file)
    rows = source.text.splitlines() if source else []
    row = rows[place.line - 1] if place.line <= len(rows) else ""
    word = _WORD.match(row, place.column - 1)
    end = word.end() + 1 if word else place.column + 1
    return Span(place.line, place.column, place.line, end)
