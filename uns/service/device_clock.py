"""A device's clock beside ours: how far it is ahead, judged by the times of its news.

A value that has just changed carries the time of the change, and has been under way for a
moment: the freshest of many is the best measure. Old values say nothing, they may be unchanged
for hours.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["DeviceClock", "Turn"]

WRONG_MS = 5_000  # from here on it is said
_RIGHT_MS = 4_000  # and from here on it is right again
_SPAN_MS = 10_000
_ENOUGH = 3  # news in two spans; one may have waited somewhere on its way


class Turn(Enum):
    """What is worth a line in the log."""

    WRONG = "wrong"
    RIGHT = "right"


class DeviceClock:
    """`ahead_ms` is the latest measure, negative where the clock is behind; None before any.

    `worst_ms` is the measure that was furthest from 0.
    """

    def __init__(self) -> None:
        self.ahead_ms: int | None = None
        self.worst_ms = 0
        self.is_wrong = False
        self._began_ms = 0
        self._freshest: int | None = None  # of this span
        self._before: int | None = None  # of the last
        self._count = self._count_before = 0

    def seen(self, at_ms: int, now_ms: int) -> Turn | None:
        """Note the newest time of a batch of news."""
        lead = at_ms - now_ms
        turn = None
        if not 0 <= now_ms - self._began_ms < _SPAN_MS:
            turn = self._judge()
            self._before, self._count_before = self._freshest, self._count
            self._freshest, self._count, self._began_ms = lead, 0, now_ms
        elif self._freshest is None or lead > self._freshest:
            self._freshest = lead
        self._count += 1
        known = [one for one in (self._freshest, self._before) if one is not None]
        self.ahead_ms = max(known)
        return turn

    def _judge(self) -> Turn | None:
        """At the end of a span: say whether what is known now is news."""
        ahead = self.ahead_ms
        if ahead is None or self._count + self._count_before < _ENOUGH:
            return None
        self.worst_ms = max(self.worst_ms, ahead, key=abs)
        was_wrong = self.is_wrong
        self.is_wrong = abs(ahead) > (_RIGHT_MS if was_wrong else WRONG_MS)
        if self.is_wrong == was_wrong:
            return None
        return Turn.WRONG if self.is_wrong else Turn.RIGHT
