"""Reload: what runs takes over a changed project, when it is told to or when files change.

A project that has mistakes is refused, and the old one goes on. So is one that would need a
restart.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from uns.errors import UnsError
from uns.project.project import Project
from uns.service.reload_watch import Files
from uns.service.runtime import Runtime
from uns.service.supervise import keep_running

__all__ = ["Reload"]

log = logging.getLogger("uns.reload")

LOOK_S = 1.0  # between two looks at the files; what changed within one look is taken at the next


class Reload:
    """Reads a project again on SIGHUP and, where it watches, when its files change."""

    def __init__(
        self,
        runtime: Runtime,
        read: Callable[[], Project | None],
        *,
        watched: Path | None = None,
        say: Callable[[str], object] = log.info,
    ) -> None:
        """`read` says itself what is wrong, where it returns None; it is called in a thread.

        `say` gets the sentence that tells what was taken over.
        """
        self._runtime = runtime
        self._read = read
        self._files = None if watched is None else Files(watched)
        self._say = say
        self._asked = asyncio.Event()
        self._had_terminal = sys.stderr.isatty()

    async def run_around(self) -> None:
        """Run what is to be changed, and change it, until cancelled; raises what it raises."""
        task = asyncio.create_task(keep_running("reload", self.run), name="reload")
        try:
            await self._runtime.run()
        finally:
            task.cancel()
            await asyncio.wait([task])

    async def run(self) -> None:
        """Take over changes until cancelled."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        try:
            while True:
                await self._wait()
                await self.now()
        finally:
            loop.remove_signal_handler(signal.SIGHUP)

    async def now(self) -> bool:
        """Read the project and take it over; return whether that was possible."""
        self._asked.clear()
        project = await asyncio.to_thread(self._read)
        if project is None:
            log.error("the changed project was refused; what ran before runs on")
            return False
        try:
            found = await self._runtime.change(project)
        except UnsError as error:
            log.error(  # noqa: TRY400 - a sentence, not a traceback
                "the changed project was refused, what ran before runs on: %s; %s",
                error,
                error.hint,
            )
            return False
        except Exception:
            log.exception("the changed project could not be taken over; a restart will")
            return False
        what = "nothing changed" if found.is_empty else found.sentence
        self._say(f"the project was read again: {what}")
        return True

    def _hung_up(self) -> None:
        """SIGHUP asks for a reload, but where a terminal was closed it means that we shall leave."""
        if self._had_terminal and not sys.stderr.isatty():
            signal.raise_signal(signal.SIGTERM)
        else:
            self._asked.set()

    async def _wait(self) -> None:
        """Return when somebody asks, or when files changed and then were still for one look."""
        if self._files is None:
            await self._asked.wait()
            return
        while not self._asked.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._asked.wait()
            if await asyncio.to_thread(self._files.have_settled):
                return
