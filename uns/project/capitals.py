"""Names that differ in capitals alone: people and many programs take them for one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from uns.equipment import Machine
from uns.project.findings import Findings
from uns.project.source import Written

__all__ = ["check_capitals"]


def check_capitals(
    machines: Sequence[Machine], places: Sequence[Written], findings: Findings
) -> None:
    """Warn of places and tags that a reader without capitals cannot tell apart.

    tck-id-case-sensitivity-sparkplug-ids and tck-id-case-sensitivity-metric-names advise against
    them. `places` are where the machines' paths are written, in the same order.
    """
    seen: dict[str, tuple[str, Written]] = {}
    for machine, at in zip(machines, places, strict=True):
        _check_place(machine, at, seen, findings)
        _check_tags(machine, at, findings)


def _check_place(
    machine: Machine, at: Written, seen: dict[str, tuple[str, Written]], findings: Findings
) -> None:
    levels = machine.topic.levels
    for depth in range(1, len(levels) + 1):
        text = "/".join(levels[:depth])
        first, there = seen.setdefault(text.casefold(), (text, at))
        if first != text:
            related = (("the other one", there),)
            _warn(first, text, at, findings, related)
            return


def _check_tags(machine: Machine, at: Written, findings: Findings) -> None:
    folded: Mapping[str, str] = {tag.topic.text.casefold(): tag.topic.text for tag in machine.tags}
    if len(folded) == len(machine.tags):
        return
    for tag in machine.tags:
        other = folded[tag.topic.text.casefold()]
        if other != tag.topic.text:
            _warn(tag.topic.text, other, at, findings)
            return


def _warn(
    first: str,
    second: str,
    at: Written,
    findings: Findings,
    related: tuple[tuple[str, Written], ...] = (),
) -> None:
    findings.warn(
        "UNS220",
        f"`{first}` and `{second}` differ in capitals alone",
        at,
        hint="write them alike, or give one of them another name",
        related=related,
    )
