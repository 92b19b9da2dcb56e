"""Cursors on the disk: how far the sources that keep what happened were read.

A cursor may be kept only when everything before it is safe: published longer ago than the
backlog's window reaches back, or in the backlog on the disk. What a process that is killed had
not kept yet is read again by the next, as the same values with the same times; nothing is left
out. An orderly stop keeps the last cursor, so that nothing is read again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from uns.errors import StorageError
from uns.store.state import State

__all__ = ["LOOK_S", "Cursors"]

log = logging.getLogger("uns.connection")

LOOK_S = 1.0  # between two cursors of a connection that may be kept


class Cursors:
    """Of all connections whose driver has a durable cursor, by key."""

    def __init__(self, state: State, settle_s: float) -> None:
        """`settle_s` is how long after a cursor was taken everything before it is safe."""
        self._state = state
        self._settle_s = settle_s
        self._taken: dict[str, deque[tuple[float, Any]]] = {}
        self._newest: dict[str, Any] = {}
        self._kept: dict[str, Any] = {}
        self._is_in_trouble = False
        self._storing = asyncio.Lock()  # an older one must not come to the disk behind a newer

    def first(self, key: str) -> Any:
        """Where a connection goes on: behind what this process read, or the one before it."""
        if key not in self._newest:
            self._newest[key] = self._kept[key] = self._state.get(_fact(key))
        return self._newest[key]

    async def begun(self, key: str, cursor: Any) -> None:
        """A connection begins anew at `cursor`: nothing before it matters, so it is kept at once.

        Else one that is killed before its first cursor is safe would begin further on.
        """
        self._newest[key] = cursor
        self._taken.pop(key, None)
        async with self._storing:
            await asyncio.to_thread(self._store, {key: cursor})

    def taken(self, key: str, cursor: Any, now_s: float) -> None:
        """Everything before `cursor` was handed on by now."""
        if cursor is None or cursor == self._newest.get(key):
            return
        self._newest[key] = cursor
        self._taken.setdefault(key, deque()).append((now_s, cursor))

    def hold(self, key: str, now_s: float) -> None:
        """What a connection delivered still waits for a slow broker: its time begins anew."""
        waiting = self._taken.get(key)
        if waiting:
            newest = waiting[-1][1]
            waiting.clear()
            waiting.append((now_s, newest))

    def settled(self, now_s: float) -> dict[str, Any]:
        """The cursors that may be kept by now and are not yet."""
        due: dict[str, Any] = {}
        for key, waiting in self._taken.items():
            while waiting and now_s - waiting[0][0] >= self._settle_s:
                due[key] = waiting.popleft()[1]
        return due

    async def keep(self, cursors: Mapping[str, Any], told: Callable[[str, Any], None]) -> None:
        """Bring cursors to the disk, then tell of each; what fails is kept by a later one."""
        if not cursors:
            return
        async with self._storing:
            is_stored = await asyncio.to_thread(self._store, dict(cursors))
        if is_stored:
            for key, cursor in cursors.items():
                told(key, cursor)

    def keep_all(self) -> None:
        """Everything is safe now, at an orderly stop: keep the newest of each."""
        newest = {
            key: cursor
            for key, cursor in self._newest.items()
            if cursor is not None and cursor != self._kept.get(key)
        }
        if newest:
            self._store(newest)

    def _store(self, cursors: dict[str, Any]) -> bool:
        try:
            self._state.set_all({_fact(key): cursor for key, cursor in cursors.items()})
        except (StorageError, TypeError, ValueError) as error:  # the last two: it is no JSON
            if not self._is_in_trouble:
                log.error(  # noqa: TRY400 - a sentence, not a traceback
                    "how far sources were read cannot be kept: %s. After a restart they are read "
                    "again from where that could be kept last",
                    error,
                )
            self._is_in_trouble = True
            return False
        self._kept |= cursors
        self._is_in_trouble = False
        return True


def _fact(key: str) -> str:
    return f"cursor/{key}"
