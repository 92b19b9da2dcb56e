"""The outbox for tasks: calls run in a thread, one at a time, and a full disk is waited out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from uns.errors import StorageError
from uns.store.outbox import Outbox

__all__ = ["PatientOutbox"]

log = logging.getLogger("uns.outbox")

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 10.0

_Result = TypeVar("_Result")


class PatientOutbox:
    """`await box.call(lambda outbox: …)` returns once it is done, however long the disk is full.

    Nothing is given up: who calls keeps what it wants to store, and the broker keeps what is
    not acknowledged. `problem` says what is waited for.
    """

    def __init__(self, path: Path) -> None:
        """Does not open the file yet."""
        self.path = path
        self.problem = ""
        self._lock = asyncio.Lock()
        self._outbox: Outbox | None = None

    async def open(self) -> None:
        """Open the file; raises StorageError."""
        self._outbox = await asyncio.to_thread(Outbox, self.path)

    async def call(self, what: Callable[[Outbox], _Result]) -> _Result:
        """Run `what`, again and again while the storage refuses."""
        pause_s, was_refused = _FIRST_PAUSE_S, False
        while True:
            try:
                result = await self._once(what)
            except StorageError as error:
                self._say(error)
                was_refused = True
            else:
                if was_refused and self.problem:  # that another call may read proves nothing
                    log.info("the outbox takes messages again; nothing was lost")
                    self.problem = ""
                return result
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def close(self) -> None:
        """Give the file back."""
        if self._outbox is not None:
            self._outbox.close()

    async def _once(self, what: Callable[[Outbox], _Result]) -> _Result:
        outbox = self._outbox
        assert outbox is not None, "open() comes first"  # noqa: S101 - our own mistake
        async with self._lock:
            # A cancelled caller must not let the next one in while the thread still works.
            work = asyncio.ensure_future(asyncio.to_thread(what, outbox))
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                await asyncio.wait([work])
                raise

    def _say(self, error: StorageError) -> None:
        if str(error) != self.problem:
            log.error("%s; %s", error, error.hint)
        self.problem = str(error)
