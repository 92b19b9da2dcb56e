"""Drift: where the live tree is not what the project says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from uns.plan.difference import Change, Kind, difference
from uns.plan.group import difference_text
from uns.plan.live import LiveTree
from uns.plan.pattern import pattern
from uns.plan.snapshot import Snapshot, TagRecord
from uns.vqt import Vqt, read_vqt

__all__ = ["Deviation", "DeviationKind", "deviations", "drift_lines", "drift_summary"]

_STATE: Final = "/_state"
_STALE: Final = "Stale"
_GAP: Final = 2


class DeviationKind(StrEnum):
    """How the tree and the project differ."""

    SILENT = "silent"  # declared, and there is no value
    STALE = "stale"  # declared, and the value is old
    DIFFERENT = "different"  # the broker says something else of it
    UNDECLARED = "undeclared"  # alive, and not in the project
    GHOST = "ghost"  # neither alive nor in the project


@dataclass(frozen=True, slots=True)
class Deviation:
    """One topic that is not as it should be; `place` is what many of them are told by at once.

    `yaml` is what to write so that it is declared.
    """

    kind: DeviationKind
    topic: str
    said: str
    place: str = ""
    yaml: str = ""


def deviations(
    project: Snapshot, live: LiveTree, is_ruled: Callable[[str], bool]
) -> list[Deviation]:
    """Compare a project with a broker; `is_ruled` knows the foreign devices that may be there."""
    guests = {topic for topic, device in live.guests.items() if is_ruled(device)}
    found = [
        *_declared(project, live),
        *_different(project, live),
        *_undeclared(project, live, guests),
        *_ghosts(project, live, guests),
    ]
    order = list(DeviationKind)
    return sorted(found, key=lambda one: (order.index(one.kind), one.topic))


def drift_summary(found: Iterable[Deviation]) -> str:
    """`3 silent, 1 ghost`; of topics."""
    kinds = [one.kind for one in found]
    counts = {kind: kinds.count(kind) for kind in DeviationKind}
    return ", ".join(f"{n:,} {kind}" for kind, n in counts.items() if n) or "none"


def drift_lines(found: Iterable[Deviation]) -> Iterator[str]:
    """Yield a line for each kind and reason, however many topics it is true of."""
    alike: dict[tuple[DeviationKind, str, str, str], list[str]] = defaultdict(list)
    for one in found:
        alike[one.kind, one.place, one.said, one.yaml].append(one.topic)
    width = max((len(pattern(topics)) for topics in alike.values()), default=0)
    for (kind, _, said, yaml), topics in alike.items():
        text = pattern(topics)
        count = f"{len(topics):,} topics  " if len(topics) > 1 else ""
        gap = " " * (width - len(text) + _GAP)
        yield f"{kind:<10}  {text}{gap}{count}{said}{f'  tags: {yaml}' if yaml else ''}".rstrip()


def _declared(project: Snapshot, live: LiveTree) -> Iterator[Deviation]:
    """What the project has and nobody hears of, or not any more."""
    for topic, tag in project.tags.items():
        payload = live.values.get(topic)
        vqt = read_vqt(payload) if payload else None
        place = f"{tag.machine.rpartition('/')[2]}/{tag.name}"
        if vqt is None or vqt.quality == "GoodNoData":
            yield Deviation(DeviationKind.SILENT, topic, _why_silent(tag, payload, vqt), place)
        elif vqt.detail == _STALE:
            yield Deviation(DeviationKind.STALE, topic, "its source is gone", place)
        elif vqt.detail == "Schema":
            said = f"its values are refused: they are no {tag.facts.get('type')}"
            yield Deviation(DeviationKind.DIFFERENT, topic, said, place)
        elif vqt.unit != tag.facts.get("unit", ""):
            said = difference_text(Change("unit", vqt.unit, tag.facts.get("unit", "")))
            yield Deviation(DeviationKind.DIFFERENT, topic, f"{said} (value → project)", place)


def _why_silent(tag: TagRecord, payload: bytes | None, vqt: Vqt | None) -> str:
    if payload and vqt is None:
        return "what is there is no value"
    if tag.source is None and not tag.facts.get("calc"):
        return "nothing feeds it in the project"
    return "its source has said nothing yet" if vqt else "there is no value"


def _different(project: Snapshot, live: LiveTree) -> Iterator[Deviation]:
    """Whose definition on the broker is another than the project's."""
    for action in difference(live.snapshot, project):
        if action.kind is not Kind.CHANGE:
            continue
        said = "; ".join(map(difference_text, action.changes))
        place = action.tag.name
        yield Deviation(
            DeviationKind.DIFFERENT, action.tag.topic, f"{said} (broker → project)", place
        )


def _undeclared(project: Snapshot, live: LiveTree, guests: set[str]) -> Iterator[Deviation]:
    """What lives and is in no file."""
    for topic, payload in live.values.items():
        vqt = read_vqt(payload)
        if vqt is None or vqt.quality != "Good" or _is_known(topic, project, live, guests):
            continue
        shown = " ".join(filter(None, (vqt.text, vqt.unit)))
        device = live.guests.get(topic)
        said = f"{shown} from {device}" if device else shown
        yaml = _yaml(topic, vqt, project)
        yield Deviation(DeviationKind.UNDECLARED, topic, said, topic, yaml)


def _ghosts(project: Snapshot, live: LiveTree, guests: set[str]) -> Iterator[Deviation]:
    """What nobody keeps up any more: values that are not Good, definitions, states."""
    alive = {topic for topic, text in live.values.items() if _is_good(text)}
    told = set()
    for topic in (*live.values, *live.definitions):
        if topic in alive or topic in told or _is_known(topic, project, live, guests):
            continue
        told.add(topic)
        what = "an old value" if topic in live.values else "a definition"
        yield Deviation(DeviationKind.GHOST, topic, what, "/".join(topic.split("/")[:4]))
    lines = {machine.line for machine in project.machines.values()}
    others = _above((*live.aliases, *guests, *alive))
    for topic in live.reserved:
        place = topic.removesuffix(_STATE)
        is_known = place in project.machines or place in lines or place in others
        if topic.endswith(_STATE) and "/_" not in place and not is_known:
            yield Deviation(DeviationKind.GHOST, topic, "a state", place)


def _is_known(topic: str, project: Snapshot, live: LiveTree, guests: set[str]) -> bool:
    if topic in project.tags or topic in project.machines:
        return True
    return topic in live.aliases or topic in guests


def _is_good(payload: bytes) -> bool:
    vqt = read_vqt(payload)
    return vqt is not None and vqt.quality == "Good"


def _above(topics: Iterable[str]) -> set[str]:
    """Every place above these topics."""
    found: set[str] = set()
    for topic in topics:
        place = topic.rpartition("/")[0]
        while place and place not in found:
            found.add(place)
            place = place.rpartition("/")[0]
    return found


def _yaml(topic: str, vqt: Vqt, project: Snapshot) -> str:
    """`{vibration: {type: Float, unit: mm/s}}`, to be written into a type or an override."""
    place, _, name = topic.rpartition("/")
    while place and place not in project.machines:
        place, _, above = place.rpartition("/")
        name = f"{above}/{name}"
    if not place:
        name = topic.rpartition("/")[2]
    words = f"type: {_type_of(msgspec.json.decode(bytes(vqt.value)))}"
    unit = f', unit: "{vqt.unit}"' if vqt.unit else ""
    return f"{{{name}: {{{words}{unit}}}}}"


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, int):
        return "Int64"
    return "Float" if isinstance(value, float) else "String"
