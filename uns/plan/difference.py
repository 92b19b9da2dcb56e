"""The difference of two snapshots: what is added, deleted, moved and changed, and what breaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from uns.plan.moves import find_moves
from uns.plan.snapshot import Facts, Snapshot, TagRecord

__all__ = ["BREAKS", "Action", "Change", "Kind", "difference"]

#: What a reader cannot be left to find out by itself, by code; docs/reference/errors has a page each.
BREAKS: Final[Mapping[str, str]] = {
    "UNS460": "a tag is removed",
    "UNS461": "a tag seems to have moved, and nobody said so",
    "UNS462": "a tag has another type",
    "UNS463": "a tag has another unit",
    "UNS464": "a state has another name, or none",
    "UNS465": "a tag is a counter no more, or has become one",
    "UNS466": "a tag cannot be written any more",
}
_DELETED: Final = "UNS460"
_SEEMS_MOVED: Final = "UNS461"
_BY_FACT: Final = {"type": "UNS462", "unit": "UNS463", "states": "UNS464", "counter": "UNS465"}
_WRITABLE, _NOT_WRITABLE = "writable", "UNS466"


class Kind(StrEnum):
    """What happens to a tag."""

    ADD = "add"
    DELETE = "delete"
    MOVE = "move"
    CHANGE = "change"


@dataclass(frozen=True, slots=True)
class Change:
    """One fact of a tag that is another; `code` is empty where nobody is hurt."""

    fact: str
    old: Any
    new: Any
    code: str = ""


class Action(msgspec.Struct, frozen=True, gc=False):
    """What happens to one tag. A deleted one has no `new`, an added one no `old`."""

    kind: Kind
    old: TagRecord | None
    new: TagRecord | None
    changes: tuple[Change, ...] = ()
    is_declared: bool = True  # a move that `was:` tells of

    @property
    def tag(self) -> TagRecord:
        """The tag as it will be; as it was, where it will not."""
        tag = self.new or self.old
        assert tag is not None  # noqa: S101 - nothing happens to no tag
        return tag

    @property
    def codes(self) -> tuple[str, ...]:
        """Why it breaks something; empty where it does not."""
        said = [change.code for change in self.changes if change.code]
        if self.kind is Kind.DELETE:
            said.insert(0, _DELETED)
        elif not self.is_declared:
            said.insert(0, _SEEMS_MOVED)
        return tuple(dict.fromkeys(said)) if said else ()


def difference(old: Snapshot, new: Snapshot) -> list[Action]:
    """Return what happens to every tag that does not stay as it is, in the order of topics."""
    moves = find_moves(old, new)
    changes = _Changes(old.knows & new.knows)
    actions = []
    for topic, tag in old.tags.items():
        if topic in moves:
            move = moves[topic]
            found = changes.of(tag, move.new)
            actions.append(Action(Kind.MOVE, tag, move.new, found, move.is_declared))
        elif topic not in new.tags:
            actions.append(Action(Kind.DELETE, tag, None))
        elif found := changes.of(tag, new.tags[topic]):
            actions.append(Action(Kind.CHANGE, tag, new.tags[topic], found))
    arrived = {move.new.topic for move in moves.values()}
    for topic, tag in new.tags.items():
        if topic not in old.tags and topic not in arrived:
            actions.append(Action(Kind.ADD, None, tag))
    return sorted(actions, key=_topic)


def _topic(action: Action) -> str:
    return action.new.topic if action.new else action.tag.topic


class _Changes:
    """Compares facts; tags share them, so each pair is compared once."""

    def __init__(self, known: frozenset[str]) -> None:
        self._known = known
        self._found: dict[tuple[int, int], tuple[Change, ...]] = {}

    def of(self, old: TagRecord, new: TagRecord) -> tuple[Change, ...]:
        pair = (id(old.facts), id(new.facts))
        found = self._found.get(pair)
        if found is None:
            found = self._found[pair] = self._compared(old.facts, new.facts)
        if old.source != new.source:
            found = (*found, Change("source", _place(old), _place(new)))
        return found

    def _compared(self, old: Facts, new: Facts) -> tuple[Change, ...]:
        names = sorted({*old, *new} & self._known)
        pairs = ((name, old.get(name), new.get(name)) for name in names)
        return tuple(
            Change(name, before, after, _code(name, before, after))
            for name, before, after in pairs
            if before != after
        )


def _code(fact: str, old: Any, new: Any) -> str:
    if fact == _WRITABLE:
        return "" if new else _NOT_WRITABLE
    if fact == "states" and old and new and all(new.get(code) == old[code] for code in old):
        return ""  # more states than before: a reader knows those that it knew
    return _BY_FACT.get(fact, "")


def _place(tag: TagRecord) -> str:
    return " ".join(tag.source) if tag.source else ""
