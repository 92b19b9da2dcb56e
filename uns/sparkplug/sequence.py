"""The order of one edge node's messages: a number missing is waited for, then given up."""

from __future__ import annotations

from enum import Enum
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Place", "Sequence"]

_WRAP = 256
_AHEAD = 128  # numbers this far on are newer; the other half is late
_MAX_HELD_UNBORN = 16
_MAX_OVERTAKING = 16  # more than that many messages would not overtake a birth

Item = TypeVar("Item")


class Place(Enum):
    """Where a message stands in the order of its node."""

    NEXT = "next"
    EARLY = "early"  # held until those before it have come
    LATE = "late"  # its turn is over: a duplicate, or lost too long
    STRAY = "stray"  # its number is next, and it is older than the birth that it would follow


class _Kept(NamedTuple, Generic[Item]):
    item: Item
    sent_ms: int  # payload time
    is_birth: bool

    def follows(self, birth_ms: int, within_ms: int) -> bool:
        """Whether this may follow an NBIRTH of that time and have overtaken it.

        Births of one node are made at once. Data of the same millisecond is what made a host
        ask for the birth, rather than its follower. What is far younger is of a clock that has
        been set back since.
        """
        if self.is_birth and self.sent_ms == birth_ms:
            return True
        return birth_ms < self.sent_ms <= birth_ms + within_ms


class Sequence(Generic[Item]):
    """Counts seq 0…255 and holds what comes early, for `timeout_ms` at most.

    Sparkplug numbers all messages of a node and its devices in one circle, but brokers order
    only those of one topic: data can overtake the birth that explains it.
    """

    def __init__(self, timeout_ms: int) -> None:
        self._timeout_ms = timeout_ms
        self._expected: int | None = None
        self._last_ms = 0  # payload time of the last message taken
        self._held: dict[int, _Kept[Item]] = {}
        self._first = 0  # seq of the last birth …
        self.birth_ms = 0  # … and its payload time
        self._taken: dict[int, _Kept[Item]] = {}  # the first few after it, or round the circle
        self.deadline_ms: int | None = None  # when to give up the gap

    def restart(self, seq: int, sent_ms: int, now_ms: int) -> None:
        """A birth of the node: what was held stays only where it can follow the birth.

        Followers may even have been taken already, for the old life's next; the birth has just
        put back what they said, so they are held to be taken again.
        """
        again = {
            number: kept
            for number, kept in self._taken.items()
            if 0 < (number - seq) % _WRAP <= _MAX_OVERTAKING
        }
        self._held = {
            number: kept
            for number, kept in (again | self._held).items()
            if kept.follows(sent_ms, self._timeout_ms)
        }
        self._taken.clear()
        self._first, self.birth_ms = seq, sent_ms
        self._advance(seq, sent_ms, now_ms)

    def stop(self) -> None:
        """The node is gone; nothing is expected of it until its next birth."""
        self._expected = self.deadline_ms = None
        self._held.clear()
        self._taken.clear()

    def place(
        self, seq: int, item: Item, sent_ms: int, now_ms: int, *, is_birth: bool = False
    ) -> Place:
        """Say whether it is this message's turn; one that is early is held.

        A number from the late half may also be an early one of the node's next life, whose
        NBIRTH is still on its way: then it is younger than all that was taken.
        """
        kept = _Kept(item, sent_ms, is_birth)
        if self._expected is None:
            self._hold_unborn(seq, kept)
            return Place.EARLY
        distance = (seq - self._expected) % _WRAP
        if distance == 0:
            if sent_ms < self.birth_ms:
                return Place.STRAY
            self._take(seq, kept, now_ms)
            return Place.NEXT
        if sent_ms < self.birth_ms:  # of the life before: its aliases may mean other metrics now
            return Place.LATE
        if distance >= _AHEAD and sent_ms <= self._last_ms:
            return Place.LATE
        self._held[seq] = kept
        # tck-id-operational-behavior-host-reordering-start
        if self.deadline_ms is None:
            self.deadline_ms = now_ms + self._timeout_ms
        return Place.EARLY

    def take(self, now_ms: int) -> Item | None:
        """The held message whose turn it is now, if there is one."""
        while self._expected is not None and self._expected in self._held:
            kept = self._held.pop(self._expected)
            if kept.sent_ms < self._last_ms:
                continue  # left over from an earlier life of the node
            self._take(self._expected, kept, now_ms)
            return kept.item
        if not self._held:
            self.deadline_ms = None
        return None

    def give_up(self) -> list[Item]:
        """Time is up: what was held, in order, without those of a life whose birth is missing."""
        expected = self._expected or 0
        ahead = sorted(((seq - expected) % _WRAP, seq) for seq in self._held)
        taken = [seq for distance, seq in ahead if distance < _AHEAD]
        items = [self._held[seq].item for seq in taken]
        if taken:
            self._last_ms = max(self._last_ms, self._held[taken[-1]].sent_ms)
            self._expected = (taken[-1] + 1) % _WRAP
        self._held.clear()
        self.deadline_ms = None
        return items

    def _take(self, seq: int, kept: _Kept[Item], now_ms: int) -> None:
        """Count it, and keep what could follow a birth that is still on its way."""
        self._advance(seq, kept.sent_ms, now_ms)
        if (seq - self._first) % _WRAP <= _MAX_OVERTAKING:
            self._taken[seq] = kept
        elif self._taken:
            self._taken.clear()

    def _advance(self, seq: int, sent_ms: int, now_ms: int) -> None:
        self._expected = (seq + 1) % _WRAP
        self._last_ms = sent_ms
        if not self._held:
            self.deadline_ms = None  # tck-id-operational-behavior-host-reordering-success
        elif self.deadline_ms is None:
            self.deadline_ms = now_ms + self._timeout_ms

    def _hold_unborn(self, seq: int, kept: _Kept[Item]) -> None:
        if len(self._held) >= _MAX_HELD_UNBORN:
            self._held.pop(next(iter(self._held)))
        self._held[seq] = kept
