"""Moves: which topics that vanish are the same tags as topics that appear.

A move is declared by `was:`. Where nobody said so, tags that keep their source and name, or
their source and machine, have probably moved; and with a whole machine goes what has no source.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from typing import TypeAlias

import msgspec

from uns.plan.snapshot import Snapshot, TagRecord

__all__ = ["Move", "find_moves"]


class Move(msgspec.Struct, frozen=True, gc=False):
    """One tag and its two topics; not `is_declared`: it only looks like it."""

    old: TagRecord
    new: TagRecord
    is_declared: bool


_Key: TypeAlias = Callable[[TagRecord], Hashable]


def find_moves(old: Snapshot, new: Snapshot) -> dict[str, Move]:
    """Return the moves by the topic before."""
    gone = {topic: tag for topic, tag in old.tags.items() if topic not in new.tags}
    born = {topic: tag for topic, tag in new.tags.items() if topic not in old.tags}
    search = _Search(gone, born)
    search.take_declared()
    search.match(lambda tag: tag.source and (tag.source, tag.name))
    search.match(lambda tag: tag.source and (tag.source, tag.machine))
    search.follow()
    return search.found


class _Search:
    """What is still without an other half, and what was found."""

    def __init__(self, gone: dict[str, TagRecord], born: dict[str, TagRecord]) -> None:
        self.found: dict[str, Move] = {}
        self._gone = gone
        self._born = born

    def take_declared(self) -> None:
        """Believe `was:`, its first topic that there was."""
        for tag in list(self._born.values()):
            former = next((topic for topic in tag.was if topic in self._gone), None)
            if former is not None:
                self._take(self._gone[former], tag, is_declared=True)

    def match(self, key: _Key) -> None:
        """Pair tags whose key agrees, where it is one tag's only on both sides."""
        gone, born = _by(key, self._gone.values()), _by(key, self._born.values())
        for shared, olds in gone.items():
            news = born.get(shared, ())
            if len(olds) == len(news) == 1:
                self._take(olds[0], news[0], is_declared=False)

    def follow(self) -> None:
        """Let calculated and unbound tags go where all others of their machine went."""
        homes: dict[str, set[tuple[str, bool]]] = defaultdict(set)
        for move in self.found.values():
            homes[move.old.machine].add((move.new.machine, move.is_declared))
        for tag in list(self._gone.values()):
            places = {place for place, _ in homes.get(tag.machine, ())}
            if len(places) != 1:
                continue
            moved = self._born.get(f"{places.pop()}/{tag.name}")
            if moved is not None and moved.source is None:
                is_declared = all(said for _, said in homes[tag.machine])
                self._take(tag, moved, is_declared=is_declared)

    def _take(self, old: TagRecord, new: TagRecord, *, is_declared: bool) -> None:
        self.found[old.topic] = Move(old, new, is_declared)
        del self._gone[old.topic], self._born[new.topic]


def _by(key: _Key, tags: Iterable[TagRecord]) -> dict[Hashable, list[TagRecord]]:
    found: dict[Hashable, list[TagRecord]] = defaultdict(list)
    for tag in tags:
        if shared := key(tag):
            found[shared].append(tag)
    return found
