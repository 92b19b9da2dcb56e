"""Keeps the cursors of a bridge's connections: asks for them, and tells what is safe by now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from uns.service.backlog_keeper import BacklogKeeper
from uns.service.connection import ConnectionSupervisor
from uns.service.cursors import LOOK_S, Cursors

__all__ = ["CursorKeeper"]

_DISK_S = 5.0


class CursorKeeper:
    """One for each bridge. Only connections whose driver has a durable cursor matter to it."""

    def __init__(
        self,
        cursors: Cursors,
        backlog: BacklogKeeper,
        connections: Callable[[], Mapping[str, ConnectionSupervisor]],
        is_full: Callable[[str], bool],
    ) -> None:
        """`is_full(key)` is whether what a connection delivered waits for a slow broker."""
        self._cursors = cursors
        self._backlog = backlog
        self._connections = connections
        self._is_full = is_full

    async def run(self) -> None:
        """Bring cursors to the disk, once everything before them is safe, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self.note(self._connections())
            if not self._backlog.is_in_trouble:
                await self._cursors.keep(self._cursors.settled(time.monotonic()), self._kept)

    def begin(self, key: str, supervisor: ConnectionSupervisor) -> None:
        """Let a connection that starts go on where it was read to."""
        if supervisor.has_durable_cursor:
            supervisor.resume(self._cursors.first(key), partial(self._begun, key))

    def note(self, connections: Mapping[str, ConnectionSupervisor]) -> None:
        """Take the cursors as they are now."""
        for key, supervisor in connections.items():
            if not supervisor.has_durable_cursor:
                continue
            if self._is_full(key):
                self._cursors.hold(key, time.monotonic())
            self._cursors.taken(key, supervisor.cursor, time.monotonic())

    def keep_all(self) -> None:
        """Everything is safe now, at an orderly stop: keep the newest of each."""
        self.note(self._connections())
        self._cursors.keep_all()

    async def _begun(self, key: str, cursor: object) -> None:
        """Keep where a connection begins; a disk that hangs does not keep it from being read."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_DISK_S):
                await self._cursors.begun(key, cursor)

    def _kept(self, key: str, cursor: object) -> None:
        supervisor = self._connections().get(key)
        if supervisor is not None:
            supervisor.kept(cursor)
