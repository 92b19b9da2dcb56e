"""Liveness: a device is alive while it says so, and dead once it has been silent too long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["Liveness"]

_NEVER = float("inf")


class Liveness:
    """Calls `on_silent` when a sign of life is overdue, whatever anybody else is waiting for.

    A timer of its own, because a session that hangs keeps everything busy that could notice.
    Signs of life come thousands of times a minute, so they only move a number; the timer finds
    out when it fires.
    """

    def __init__(self, grace_s: float, on_silent: Callable[[], None]) -> None:
        """`grace_s` is how long a lost session may take to come back unnoticed."""
        self._loop = asyncio.get_running_loop()
        self._grace_s = grace_s
        self._on_silent = on_silent
        self._timer: asyncio.TimerHandle | None = None
        self._due = _NEVER
        self.last_seen = self._loop.time()

    def seen(self, next_within_s: float = _NEVER) -> None:
        """Note a sign of life; the next one is due within `next_within_s`."""
        self.last_seen = self._loop.time()
        self._due = self.last_seen + next_within_s
        if self._timer is None:
            self._arm()

    def expect(self, within_s: float) -> None:
        """Note that we asked something: an answer is due within `within_s`, or the grace.

        What was due already stays due: asking again makes a silent device no livelier.
        """
        if self._due == _NEVER:
            self._set_due(max(self._loop.time() + within_s, self.last_seen + self._grace_s))

    def lost(self) -> None:
        """Note that the session is over: only the rest of the grace is left to get it back."""
        self._set_due(min(self._due, self.last_seen + self._grace_s))

    def stop(self) -> None:
        """Watch no longer."""
        self._due = _NEVER
        self._cancel()

    def _set_due(self, due: float) -> None:
        self._due = due
        self._cancel()
        self._arm()

    def _arm(self) -> None:
        if self._due < _NEVER:
            self._timer = self._loop.call_at(self._due, self._check)

    def _check(self) -> None:
        self._timer = None
        if self._loop.time() < self._due:
            self._arm()
            return
        self._due = _NEVER
        self._on_silent()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
