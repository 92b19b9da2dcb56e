"""Complaints: which problems of peers are told, so that one broken peer does not flood a log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

from uns.sparkplug.events import Problem
from uns.sparkplug.names import NodeId

__all__ = ["Complaints"]

_E = TypeVar("_E")

_PER_MINUTE: Final = 10  # of one node or device; the rest is the same story again
_MINUTE_MS: Final = 60_000
_MOST_DEVICES: Final = 100_000  # remembered; a peer may invent ids without end


class Complaints:
    """Ten problems a minute of each node and each device."""

    def __init__(self) -> None:
        self._told: dict[tuple[NodeId, str], tuple[int, int]] = {}  # (since, count)

    def told(self, events: Iterable[_E], now_ms: int) -> list[_E]:
        """The same events without the problems that are too many."""
        return [e for e in events if not isinstance(e, Problem) or self._is_news(e, now_ms)]

    def _is_news(self, problem: Problem, now_ms: int) -> bool:
        key = (problem.node, problem.device_id)
        since_ms, count = self._told.get(key, (now_ms, 0))
        if not 0 <= now_ms - since_ms < _MINUTE_MS:  # the clock may have been put back
            since_ms, count = now_ms, 0
        if len(self._told) >= _MOST_DEVICES:
            self._told.clear()
        self._told[key] = (since_ms, count + 1)
        return count < _PER_MINUTE
