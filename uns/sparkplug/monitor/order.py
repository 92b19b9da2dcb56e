"""The order of one edge node's messages, as one who listens can know it.

A publisher numbers all its messages in one circle of 256, and brokers keep the order of single
topics only. So what comes early waits for those before it, and is judged when they have come or
the time for it is over.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from uns.sparkplug.monitor.board import Budget
from uns.sparkplug.monitor.rule import KEPT
from uns.sparkplug.monitor.sight import Sight

__all__ = ["Listening", "Order"]

_WRAP = 256
_AHEAD = 128  # numbers this far on are newer; the other half is older
_MAX_OVERTAKING = 32  # more messages than that would not overtake a birth
_OVERHEAD = 1_000  # bytes that a held message costs beside its payload


class Listening:
    """Since when we listen: what was sent just before may explain what comes just after."""

    __slots__ = ("_reorder_ms", "_since_ms")

    def __init__(self, reorder_ms: int) -> None:
        self._reorder_ms = reorder_ms
        self._since_ms: int | None = None

    def heard(self, now_ms: int) -> None:
        """A message came."""
        if self._since_ms is None:
            self._since_ms = now_ms

    def stopped(self) -> None:
        """We were away."""
        self._since_ms = None

    def is_new(self, sight: Sight) -> bool:
        """Whether we may have missed what came before this; at a tap nothing is missed."""
        if sight.client is not None or self._since_ms is None:
            return False
        return sight.now_ms - self._since_ms <= self._reorder_ms


class Order:
    """Gives messages back in their order; `seq_said` of each is set by then.

    `expected` is None where no number is expected: before the first message of a session that
    had begun before us, and after a death.
    """

    __slots__ = (
        "_ahead", "_budget", "_held", "_is_new", "_listening", "_reorder_ms", "_since_ms", "_taken",
        "_was_born", "birth", "expected", "was_overtaken",
    )  # fmt: skip

    def __init__(self, reorder_ms: int, budget: Budget, listening: Listening) -> None:
        self._listening = listening
        self._reorder_ms = reorder_ms
        self._budget = budget
        self._held: list[Sight] = []
        self._since_ms = 0  # when this life began for us
        self._was_born = True  # before it: we may have come in its midst
        self._taken: deque[tuple[int, int, int]] = deque(maxlen=_MAX_OVERTAKING)
        self._ahead: set[int] = (
            set()
        )  # followers of the birth that came, and were judged, before it
        self._is_new = True  # the last that was taken: what is missing after it, we may have missed
        self.was_overtaken = False  # the birth, by some of its followers
        self.birth: Sight | None = None
        self.expected: int | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether something is held."""
        return bool(self._held)

    def born(self, birth: Sight) -> Iterator[Sight]:
        """An NBIRTH: what was held stays where it can follow it; the rest waits for nothing more."""
        sent_ms = birth.sent_ms or 0
        for sight in [s for s in self._held if (s.sent_ms or 0) < sent_ms]:
            self._held.remove(sight)
            self._let_go(sight)
        self._was_born = self.birth is not None or self.expected is not None
        self._ahead = {
            seq
            for at_ms, seq, its_ms in self._taken
            if its_ms >= sent_ms and birth.now_ms - at_ms <= self._reorder_ms
        }
        self._is_new = self._listening.is_new(birth)
        self.was_overtaken = bool(self._ahead)
        self.birth, self._since_ms = birth, birth.now_ms
        self.expected = None if birth.seq is None else (birth.seq + 1) % _WRAP
        yield birth
        yield from self._ready()

    def died(self) -> None:
        """The session is over: what was held waits for nothing any more, and tells nothing."""
        for sight in self._held:
            self._let_go(sight)
        self._held.clear()
        self.expected = None

    def arrived(self, sight: Sight, *, is_dead: bool) -> Iterator[Sight]:
        """Any other message: those whose turn it is now."""
        seq = sight.seq
        if seq is None:
            self.expected = None  # what it should have been is anybody's guess
            yield sight
            return
        if seq >= _WRAP:
            sight.seq_said = f"seq {seq}, beyond 255"
            yield sight
            return
        if self.expected is None and not is_dead:
            self._advance(sight, seq)
            self._since_ms = sight.now_ms
            yield sight
            yield from self._ready()
            return
        is_old = sight.client is None and self._is_older(sight)
        if is_old and seq != self.expected:
            return
        if seq == self.expected and not is_old:
            yield self._take(sight)
            yield from self._ready()
            return
        if sight.client is not None:  # at a tap the order of packets is their publisher's
            if self.expected is not None:
                sight.seq_said = f"seq {seq} where {self.expected} was due"
                self._advance(sight, seq)
            yield sight
            return
        if not self._budget.take(_cost(sight)):
            self.expected = (seq + 1) % _WRAP
            yield sight
            return
        self._held.append(sight)
        while len(self._held) >= _WRAP:
            yield from self._give_up()

    def tick(self, now_ms: int) -> Iterator[Sight]:
        """Time passed: a gap that nobody filled is one."""
        while self._held and now_ms - self._held[0].now_ms >= self._reorder_ms:
            yield from self._give_up()

    def _take(self, sight: Sight) -> Sight:
        assert sight.seq is not None  # noqa: S101 - only numbered messages come here
        sight.seq_said = KEPT
        self._advance(sight, sight.seq)
        return sight

    def _advance(self, sight: Sight, seq: int) -> None:
        self._taken.append((sight.now_ms, seq, sight.sent_ms or 0))
        self._is_new = self._listening.is_new(sight)
        self.expected = (seq + 1) % _WRAP

    def _ready(self) -> Iterator[Sight]:
        while True:
            found = next(
                (s for s in self._held if s.seq == self.expected and not self._is_older(s)), None
            )
            if found is None and self.expected in self._ahead:
                self._ahead.remove(self.expected)
                self.expected = (self.expected + 1) % _WRAP
                continue
            if found is None:
                return
            self._held.remove(found)
            self._let_go(found)
            yield self._take(found)

    def _give_up(self) -> Iterator[Sight]:
        """The oldest that is held waited long enough: it, or the gap before it, is to blame."""
        expected = self.expected
        if expected is None:  # dead, and no birth came
            yield self._let_go(self._held.pop(0))
            return
        behind = [s for s in self._held if ((s.seq or 0) - expected) % _WRAP >= _AHEAD]
        if self._held[0] in behind:
            yield from self._come_late(self._let_go(self._held.pop(0)))
            return
        ahead = [s for s in self._held if s not in behind]
        nearest = min(ahead, key=lambda s: ((s.seq or 0) - expected) % _WRAP)
        self._held.remove(nearest)
        self._let_go(nearest)
        if nearest.seq == expected:  # older than the birth by its time, and nobody else came
            yield self._take(nearest)
        else:
            if not self._is_new:
                nearest.seq_said = f"seq {nearest.seq} where {expected} was due"
            self._advance(nearest, nearest.seq or 0)
            yield nearest
        yield from self._ready()

    def _come_late(self, sight: Sight) -> Iterator[Sight]:
        if self._is_older(sight):
            return
        if not self._is_settling(sight) and not self._is_new:
            sight.seq_said = f"seq {sight.seq} where {self.expected} was due"
        yield sight

    def _is_settling(self, sight: Sight) -> bool:
        """Whether it may come from before we knew this life."""
        is_early = sight.now_ms - self._since_ms <= self._reorder_ms
        return is_early and (self._was_born or self._listening.is_new(sight))

    def _is_older(self, sight: Sight) -> bool:
        """Sent before the NBIRTH that it came after, so overtaken by it, and of the life before.

        Or its sender stamps payloads with the times of samples: what has the number that is due
        waits a while for a younger one with the same.
        """
        if self.birth is None or sight.sent_ms is None or not self._is_settling(sight):
            return False
        return sight.sent_ms < (self.birth.sent_ms or 0)

    def _let_go(self, sight: Sight) -> Sight:
        self._budget.give_back(_cost(sight))
        return sight


def _cost(sight: Sight) -> int:
    """About what a message costs while it is held: its bytes, and what they were parsed to."""
    return _OVERHEAD + 8 * len(sight.message.payload)
