"""Open tasks: parts of a service that start and stop by name while the others run on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any

__all__ = ["OpenTasks"]

log = logging.getLogger("uns.service")

STOP_S = 6.0  # a session that says goodbye has two seconds for that and two to close


class OpenTasks:
    """One TaskGroup at a time; while none is open, `start` and `stop` do nothing."""

    def __init__(self) -> None:
        self._group: asyncio.TaskGroup | None = None
        self._by_name: dict[str, asyncio.Task[None]] = {}

    @property
    def is_open(self) -> bool:
        """Whether what is started runs."""
        return self._group is not None

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Run what is started within, until it fails or this is cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                yield
        finally:
            self._group = None
            self._by_name.clear()

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run `work`, unless it runs already; whoever opens the group later starts it then."""
        known = self._by_name.get(name)
        if self._group is None or (known is not None and not known.done()):
            work.close()
            return
        self._by_name[name] = self._group.create_task(work, name=name)

    async def stop(self, names: Iterable[str]) -> None:
        """Cancel tasks and wait for their ends; one that takes too long is said and left."""
        tasks = [self._by_name.pop(name) for name in names if name in self._by_name]
        for task in tasks:
            task.cancel()
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=STOP_S)
        for task in late:
            log.error("%s did not stop within %.0f s", task.get_name(), STOP_S)
