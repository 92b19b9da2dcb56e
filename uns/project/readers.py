"""Readers: whether the topic filters of consumers and schemas find anything on the tree."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from uns.equipment import Machine
from uns.hierarchy import RESERVED_PREFIX
from uns.project.findings import Findings
from uns.project.library import Library
from uns.project.source import Written
from uns.topic import Topic, TopicFilter

__all__ = ["check_readers", "check_schemas"]


def check_readers(library: Library, machines: Sequence[Machine], findings: Findings) -> None:
    """Warn of a consumer's filter that no topic matches.

    Filters over topics that are not of this project's machines (another tree, Sparkplug's own,
    messages with a schema of theirs, foreign devices) are left alone.
    """
    if not machines or library.foreign:
        return
    enterprise = machines[0].topic.levels[0]
    known = [(machine.topic.text.split("/"), machine) for machine in machines]
    former = list(_former(machines))
    foreign = [text for entry in library.schemas.values() for text in entry.words.topics]
    for text, at in _filters(library):
        wanted = text.split("/")
        if wanted[0] not in (enterprise, "+", "#") or any(_meet(text, one) for one in foreign):
            continue
        if not any(_finds(wanted, levels, machine) for levels, machine in known):
            _warn(text, at, former, findings)


def _filters(library: Library) -> Iterator[tuple[str, Written]]:
    for entry in library.consumers.values():
        for number, text in enumerate(entry.words.reads):
            yield text, entry.at.at("reads", number)


def _finds(wanted: list[str], levels: list[str], machine: Machine) -> bool:
    """Whether the filter matches a place on the way to a machine, the machine, or a tag of it."""
    for place, want in enumerate(wanted):
        if want == "#" or want.startswith(RESERVED_PREFIX):
            return True  # `_state`, `_alarm`: below a place that is there
        if place >= len(levels):
            rest = wanted[place:]
            return any(_is_tag(rest, tag.name.split("/")) for tag in machine.tags)
        if want not in ("+", levels[place]):
            return False
    return False  # nothing is published at a place itself


def _is_tag(wanted: list[str], names: list[str]) -> bool:
    for place, want in enumerate(wanted):
        if want == "#" or want.startswith(RESERVED_PREFIX):
            return True
        if place >= len(names) or want not in ("+", names[place]):
            return False
    return len(wanted) == len(names)


def _warn(text: str, at: Written, former: Sequence[tuple[str, Topic]], findings: Findings) -> None:
    wanted = TopicFilter(text)
    new = next((topic for old, topic in former if wanted.matches(old)), None)
    findings.warn(
        "UNS252",
        f"no topic of this project matches `{text}`",
        at,
        hint=f"that is `{new}` now" if new else "see `uns check` for the machines, and `+` and `#`",
    )


def _former(machines: Sequence[Machine]) -> Iterator[tuple[str, Topic]]:
    """Every topic that had another name, by that name: tags and machines that say `was`."""
    for machine in machines:
        if not machine.was and not any(tag.was for tag in machine.tags):
            continue
        for place in (machine.topic, *machine.was):
            for tag in machine.tags:
                names = (tag.name, *tag.was) if place is not machine.topic else tag.was
                for name in names:
                    yield place.child(name).text, tag.topic


def check_schemas(library: Library, findings: Findings) -> None:
    """Warn where two schemas claim one topic and neither filter is the narrower one."""
    claims = [
        (text, name, entry.at.at("topics", number))
        for name, entry in library.schemas.items()
        for number, text in enumerate(entry.words.topics)
    ]
    for (one, first, there), (other, second, at) in itertools.combinations(claims, 2):
        if first != second and _meet(one, other) and _covers(one, other) == _covers(other, one):
            findings.warn(
                "UNS254",
                f"`{other}` of `{second}` and `{one}` of `{first}` match the same topics, and "
                "neither is narrower",
                at,
                hint="name more levels in one of them",
                related=(("the other filter", there),),
            )


def _covers(wide: str, narrow: str) -> bool:
    """Whether every topic of `narrow` matches `wide`."""
    for left, right in itertools.zip_longest(wide.split("/"), narrow.split("/")):
        if left == "#":
            return True
        if left is None or right in (None, "#") or left not in ("+", right):
            return False
    return True


def _meet(one: str, other: str) -> bool:
    """Whether a topic can match both filters."""
    for left, right in itertools.zip_longest(one.split("/"), other.split("/")):
        if "#" in (left, right):
            return True
        if left is None or right is None:
            return False
        if left != right and "+" not in (left, right):
            return False
    return True
