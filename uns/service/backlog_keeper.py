"""Brings the backlog to the disk twice a second, and says once when the disk refuses."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Final

from uns.errors import StorageError
from uns.store.backlog import Backlog

__all__ = ["BacklogKeeper"]

log = logging.getLogger("uns.backlog")

COMMIT_S: Final = 0.5  # so much is at risk when the power goes
_LOOK_S: Final = 60.0  # what grew too old is dropped this often


class BacklogKeeper:
    """One for each backlog; SQLite works in a thread, so that a slow disk holds nobody up."""

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._is_in_trouble = False
        self._looked_s = time.monotonic()

    async def run(self) -> None:
        """Commit until cancelled; `commit` writes the rest."""
        while True:
            await asyncio.sleep(COMMIT_S)
            now_s = time.monotonic()
            if self._backlog.is_dirty or now_s - self._looked_s >= _LOOK_S:
                self._looked_s = now_s
                await self._commit()

    @property
    def is_in_trouble(self) -> bool:
        """Whether the disk refused it the last time."""
        return self._is_in_trouble

    def commit(self) -> None:
        """Write what is left, on the way out."""
        try:
            self._backlog.commit(_now_ms())
        except StorageError as error:
            log.error("what waited in memory is lost: %s", error)  # noqa: TRY400 - a sentence, not a traceback

    async def _commit(self) -> None:
        try:
            await asyncio.to_thread(self._backlog.commit, _now_ms())
        except StorageError as error:
            if not self._is_in_trouble:
                log.error(  # noqa: TRY400 - a sentence, not a traceback
                    "the backlog stays in memory: %s; %s. The newest values are kept there, as "
                    "many as fit, and are written once that is possible",
                    error,
                    error.hint,
                )
            self._is_in_trouble = True
            return
        if self._is_in_trouble:
            log.info("the backlog is on the disk again")
        self._is_in_trouble = False


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
