"""A driver in use without a supervisor: bound tags are fed to notes until the test ends."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from bridges.driver import (
    BindResult,
    BoundTag,
    CanReadNow,
    CanWrite,
    Driver,
    PollDriver,
    PushDriver,
)
from uns.errors import DeviceError
from uns.metric import Reading, Value
from uns.testing.watch import Collector

__all__ = ["OpenSession", "closed", "opened", "stopped"]

_SCAN_S = 0.1
_ANSWER_S = 10.0
CLOSE_S = 2.5  # two seconds of promise and what a busy machine adds


class OpenSession:
    """A driver that is open; `notes` takes what it says of the tags that it accepted.

    Like the runtime, it asks a driver for one thing at a time; only `run` goes on meanwhile.
    """

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.notes = Collector()
        self._one_at_a_time = asyncio.Lock()
        self._handles: tuple[int, ...] = ()

    async def bind(self, tags: Sequence[BoundTag]) -> list[BindResult]:
        """Introduce tags; those without a problem are read from now on."""
        async with asyncio.timeout(_ANSWER_S), self._one_at_a_time:
            results = await self.driver.bind(tags)
        accepted = {result.handle for result in results if not result.problem}
        self._handles = tuple(sorted({*self._handles, *accepted}))
        return results

    async def unbind(self, handles: Sequence[int]) -> None:
        """Forget tags."""
        self._handles = tuple(handle for handle in self._handles if handle not in handles)
        async with asyncio.timeout(_ANSWER_S), self._one_at_a_time:
            await self.driver.unbind(handles)

    async def write(self, items: Sequence[tuple[BoundTag, Value]]) -> list[str]:
        """Write values; one problem each."""
        assert isinstance(self.driver, CanWrite)
        async with asyncio.timeout(_ANSWER_S), self._one_at_a_time:
            return await self.driver.write(items)

    async def read_now(self, handles: Sequence[int]) -> dict[int, Reading]:
        """Read bound tags out of turn."""
        assert isinstance(self.driver, CanReadNow)
        async with asyncio.timeout(_ANSWER_S), self._one_at_a_time:
            readings = await self.driver.read_now(handles)
        assert sorted(handles) == sorted(handle for handle, *_ in readings)
        return {reading[0]: reading for reading in readings}

    async def latest(self, handle: int) -> Reading:
        """The next reading of a tag."""
        before = len(self.notes.of(handle))
        await self.notes.until(lambda: len(self.notes.of(handle)) > before)
        return self.notes.of(handle)[-1]

    async def feed(self) -> None:
        """Poll or listen until the session is over."""
        driver = self.driver
        if isinstance(driver, PushDriver):
            await driver.run(self.notes)
        assert isinstance(driver, PollDriver)
        while True:
            await self.notes.ready()
            async with self._one_at_a_time:
                if self._handles:
                    self.notes.readings(await driver.read(self._handles))
            await asyncio.sleep(_SCAN_S)


@asynccontextmanager
async def opened(
    driver: Driver, tags: Sequence[BoundTag] = (), *, is_lost: bool = False
) -> AsyncIterator[OpenSession]:
    """Open, bind and feed; at the end the feeder stops and the driver closes in two seconds.

    `is_lost` leaves the closing to the test.
    """
    session = OpenSession(driver)
    try:
        async with asyncio.timeout(_ANSWER_S):
            await driver.open()
        await session.bind(tags)
        feeding = asyncio.create_task(session.feed())
        try:
            yield session
            assert not feeding.done() or is_lost, f"the session is over: {feeding.exception()!r}"
        finally:
            await stopped(feeding)
    finally:
        if not is_lost:
            await closed(driver)


async def stopped(task: asyncio.Task[None]) -> None:
    """Cancel a driver's task; it has to end in two seconds, whatever it was doing."""
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=CLOSE_S)
    assert done, "cancelling ends it within two seconds"
    with contextlib.suppress(asyncio.CancelledError, DeviceError, OSError):
        task.result()


async def closed(driver: Driver) -> None:
    """Close a driver twice, in two seconds each."""
    for _ in range(2):
        began = time.monotonic()
        await driver.close()
        assert time.monotonic() - began < CLOSE_S, "closes within two seconds"
