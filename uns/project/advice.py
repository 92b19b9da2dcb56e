"""Advice: what a device's driver would rather have otherwise, told once for each binding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from uns.equipment import Connection, Machine, Source, Tag
from uns.project.addresses import fed
from uns.project.draft import written_at
from uns.project.findings import Findings
from uns.project.kinds import Feed, Kind, KindTag
from uns.project.source import Written

__all__ = ["check_advice"]

_LIKE = " addresses like"  # and then the first of them


@dataclass(slots=True)
class _Told:
    """What concerns several tags of a binding: the first one, and all their names."""

    first: KindTag
    text: str
    names: dict[str, None] = field(default_factory=dict)

    def shown(self, what: str) -> str:
        """The first, and how many more of its binding there are."""
        more = len(self.names) - 1
        return f"`{what}`" + (f" and {more} more of `{self.feed.binding.name}`" if more else "")

    @property
    def feed(self) -> Feed:
        """Where the first comes from."""
        assert self.first.feed is not None  # noqa: S101 - those of `fed` have one
        return self.first.feed

    @property
    def at(self) -> Written:
        """Where the address of the first is written."""
        return self.feed.at


def check_advice(
    made: Sequence[tuple[Machine, Kind]],
    connections: Mapping[str, Connection],
    drivers: Mapping[str, Any],
    findings: Findings,
) -> None:
    """Warn of addresses that work today, and of writable tags that nobody can write.

    One machine of each kind is looked at: the others are the same.
    """
    risky: dict[tuple[str, Any], _Told] = {}
    unwritable: dict[tuple[str, str], _Told] = {}
    for known, tag, connection in _first_of_each_kind(made, connections):
        if known.feed is None or tag.source is None:
            continue
        binding, driver = known.feed.binding.name, drivers[connection.driver]
        advice_of = getattr(driver, "advice", None)
        if advice_of and (advice := advice_of(tag.source.address, connection.config)):
            told = risky.setdefault((binding, advice), _Told(known, tag.source.text))
            told.names[tag.name] = None
        if tag.write is not None and (why := _why_unwritable(driver, connection, tag.source)):
            example = f" `{tag.source.text}`" if why.endswith(_LIKE) else ""
            told = unwritable.setdefault((binding, why), _Told(known, why + example))
            told.names[tag.name] = None
    for (_, advice), told in risky.items():
        message = f"{told.shown(told.text)}: {advice.why}"
        findings.warn("UNS255", message, told.at, hint=advice.hint)
    for told in unwritable.values():
        _report_unwritable(told, findings)


def _first_of_each_kind(
    made: Sequence[tuple[Machine, Kind]], connections: Mapping[str, Connection]
) -> Iterator[tuple[KindTag, Tag, Connection]]:
    kinds: set[int] = set()
    for machine, kind in made:
        if id(kind) in kinds:
            continue
        kinds.add(id(kind))
        for tag, known in fed(machine, kind):
            connection = connections.get(tag.source.connection) if tag.source else None
            if connection is not None:
                yield known, tag, connection


def _why_unwritable(driver: Any, connection: Connection, source: Source) -> str:
    """Why a tag from there cannot be written; "" where it can."""
    takes = getattr(driver, "takes_writes", None)
    can_write = hasattr(driver, "write")
    reads = f"`{connection.driver}` only reads"
    if takes is None or not can_write:
        return "" if can_write else reads
    if not takes(connection.config):
        return f"{reads} as this connection is written"
    return "" if takes(connection.config, source.address) else reads + _LIKE


def _report_unwritable(told: _Told, findings: Findings) -> None:
    findings.warn(
        "UNS257",
        f"{told.shown(told.first.draft.name)} cannot be written: {told.text}",
        told.at,
        hint="leave `write` out, or say `write: false` here",
        related=(("may be written", written_at(told.first.draft.layers, "write")),),
    )
