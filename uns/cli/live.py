"""`uns check --live`: what devices and brokers say otherwise, as diagnostics at the line that would be changed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from bridges import get_driver
from uns.equipment import Connection, Place
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
    places = _places(found, loaded.project, folder)
    live = _once(zip(found, places, strict=True), loaded.sources)
    everything = sorted((*loaded.diagnostics, *live), key=lambda one: one.order)
    return replace(loaded, diagnostics=tuple(everything))


def _places(found: Sequence[LiveFinding], project: Project, folder: Path) -> list[Place]:
    """The line that each finding is about."""
    library = read_library(folder) if found else Library()
    nowhere = Place(project.folder.name, 1)
    return [
        _place(finding, library if number < _LOOKED_UP else None) or nowhere
        for number, finding in enumerate(found)
    ]


def _place(finding: LiveFinding, library: Library | None) -> Place | None:
    """Where the key is written that it is about; else where the address is, or the connection."""
    machine, tag = finding.machine, finding.tag
    if machine is None or tag is None:
        return finding.connection.place
    origins = provenance(library, machine, tag.name) if library is not None else None
    for one in origins.attributes if origins else ():
        if one.name.partition(".")[0] == finding.word:
            return one.origins[0].place
    return tag.place


def _once(
    placed: Iterable[tuple[LiveFinding, Place]], sources: Mapping[str, Source]
) -> list[Diagnostic]:
    """One diagnostic for each code and place: a slip in a type concerns all its machines."""
    first: dict[tuple[str, Place, str], LiveFinding] = {}
    others: dict[tuple[str, Place, str], int] = {}
    for finding, place in placed:
        key = finding.code, place, "" if finding.tag else finding.message
        others[key] = others.get(key, -1) + 1
        first.setdefault(key, finding)
    return [_diagnostic(finding, key[1], others[key], sources) for key, finding in first.items()]


def _diagnostic(
    finding: LiveFinding, place: Place, others: int, sources: Mapping[str, Source]
) -> Diagnostic:
    where = f"{finding.connection.key}: " if finding.tag is not None else ""
    more = f" (and {others} more like it)" if others else ""
    return Diagnostic(
        finding.code,
        f"{where}{finding.message}{more}",
        place.file,
        _span(place, sources),
        finding.hint,
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
