"""Addresses: two tags that read one place of a device, or places that overlap."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from uns.equipment import Connection, Machine, Tag
from uns.project.findings import Findings
from uns.project.kinds import Kind, KindTag
from uns.project.source import Written

__all__ = ["check_addresses", "fed"]

_WORD = 16  # bits: what most PLCs' counters had once
_Read = tuple[Machine, Tag, Written]


def check_addresses(
    made: Sequence[tuple[Machine, Kind]],
    connections: Mapping[str, Connection],
    drivers: Mapping[str, Any],
    findings: Findings,
) -> None:
    """Warn of places that are read twice, of overlaps, and of counters that roll over soon.

    Overlaps are looked for in one machine of each kind: the others are the same.
    """
    seen: dict[tuple[str, Any], _Read] = {}
    kinds: set[int] = set()
    for machine, kind in made:
        read = [(tag, known.feed.at) for tag, known in fed(machine, kind) if known.feed]
        for tag, at in read:
            _check_twin((machine, tag, at), seen, findings)
        if id(kind) not in kinds:
            kinds.add(id(kind))
            _check_extents(read, connections, drivers, findings)


def fed(machine: Machine, kind: Kind) -> Iterator[tuple[Tag, KindTag]]:
    """The tags with an address, and what their kind knows of them: where that is written."""
    if len(machine.tags) == len(kind.tags):
        for tag, known in zip(machine.tags, kind.tags, strict=True):
            if tag.source is not None and known.feed is not None:
                yield tag, known


def _check_twin(read: _Read, seen: dict[tuple[str, Any], _Read], findings: Findings) -> None:
    machine, tag, at = read
    source = tag.source
    if source is None:
        return
    first = seen.setdefault((source.connection, source.address), read)
    if first is read or first[1].topic == tag.topic:
        return
    other, twin, there = first
    is_same = there == at
    findings.warn(
        "UNS246",
        f"`{tag.topic}` and `{twin.topic}` are both at `{source.text}` of `{source.connection}`",
        at,
        hint="is a parameter missing in the address or the connection?"
        if other is not machine
        else "one of the two is a slip, or the other's `calc`",
        related=() if is_same else (("the other tag", there),),
    )


def _check_extents(
    read: Sequence[tuple[Tag, Written]],
    connections: Mapping[str, Connection],
    drivers: Mapping[str, Any],
    findings: Findings,
) -> None:
    """Overlaps among the tags of one machine, and its short counters."""
    areas: dict[Any, list[tuple[int, int, Tag, Written]]] = {}
    for tag, at in read:
        source = tag.source
        connection = connections.get(source.connection) if source else None
        if source is None or connection is None:
            continue
        extent_of = getattr(drivers[connection.driver], "extent", None)
        extent = extent_of(source.address, tag.datatype) if extent_of else None
        if extent is None:
            continue
        _check_counter(tag, extent.end - extent.start, at, findings)
        if extent.end - extent.start > 1:  # a bit of a word that is also read as a whole is usual
            area = areas.setdefault((source.connection, extent.area), [])
            area.append((extent.start, extent.end, tag, at))
    for area in areas.values():
        area.sort(key=lambda one: one[:2])
        for one, other in itertools.pairwise(area):
            _check_overlap(one, other, findings)


def _check_overlap(
    one: tuple[int, int, Tag, Written], other: tuple[int, int, Tag, Written], findings: Findings
) -> None:
    _, end, first, there = one
    start, _, second, at = other
    if start >= end or first.source is None or second.source is None:
        return
    if first.source.address == second.source.address:
        return  # told already
    findings.warn(
        "UNS247",
        f"`{second.name}` at `{second.source.text}` overlaps `{first.name}` at "
        f"`{first.source.text}`",
        at,
        hint="one of the two addresses or types is a slip",
        related=(("the other address", there),),
    )


def _check_counter(tag: Tag, bits: int, at: Written, findings: Findings) -> None:
    if tag.is_counter and tag.rollover is None and 1 < bits <= _WORD:
        findings.warn(
            "UNS249",
            f"`{tag.name}` counts in {bits} bits at `{tag.source.text if tag.source else ''}` and "
            f"starts again at 0 before long",
            at,
            hint=f"say where in its type: `counter: {{rollover: {2**bits}}}`",
        )
