"""Turns: who may speak to a device next, where it takes one request at a time."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum

__all__ = ["Rank", "Turns"]


class Rank(IntEnum):
    """Whose turn comes first; within a rank, whoever asked first."""

    WRITE = 0
    READ_NOW = 1
    SCAN = 2


class Turns:
    """A lock that is handed on by rank; the order of scans is the schedule's business."""

    def __init__(self) -> None:
        self._is_taken = False
        self._waiting: list[tuple[Rank, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    @asynccontextmanager
    async def taken(self, rank: Rank) -> AsyncIterator[None]:
        """Wait for the turn, and hold it within."""
        await self._take(rank)
        try:
            yield
        finally:
            self._hand_on()

    async def _take(self, rank: Rank) -> None:
        if not self._is_taken:
            self._is_taken = True
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (rank, next(self._numbers), mine))
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():  # it was ours just before
                self._hand_on()
            raise

    def _hand_on(self) -> None:
        while self._waiting:
            _, _, following = heapq.heappop(self._waiting)
            if not following.done():
                following.set_result(None)
                return
        self._is_taken = False
