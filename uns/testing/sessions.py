"""The contract of a driver, part two: sessions, how they begin and end, and what they leave."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from bridges.driver import Driver, PollDriver, PushDriver
from uns.errors import DeviceError
from uns.metric import Quality
from uns.service.connection import ConnectionState
from uns.testing.device import Device
from uns.testing.fault_proxy import FaultProxy
from uns.testing.open_session import closed, opened, stopped
from uns.testing.outages import black_hole, frozen
from uns.testing.subject import TAGS, Proxying, Subject
from uns.testing.watch import Collector

__all__ = ["FAR", "Sessions"]

FAR = TAGS + 500  # the number of a tag that no device has
_RESET_S = 10.0
_RECONNECTING_S = 5.0
_FEWEST_SESSIONS = 20
_SETTLING = 60  # looks, until threads and sockets of the last session have to be gone


class Sessions(Subject):
    """What a driver does with a device that is well, and how it lets go of one that is not."""

    async def test_first_readings_carry_a_source_timestamp(self, shared_device: Device) -> None:
        """Every tag is read after the connection is up, with the time of its value."""
        async with self.supervised(shared_device.port) as (supervisor, watch):
            await watch.until(lambda: len(watch.good()) == TAGS)
            now_ms = time.time() * 1000
            assert [ConnectionState.UP] == [state for state, _ in watch.states]
            assert [] == [r for r in watch.taken if not now_ms - 30_000 < r[3] <= now_ms + 1000]
            assert (TAGS, 0) == (supervisor.health.tags_good, supervisor.health.tags_bad)

    async def test_values_follow_the_device(self, shared_device: Device) -> None:
        """A tag that counts is seen to count, also without a supervisor."""
        async with opened(self.driver(shared_device.port), self.tags(shared_device.port)) as held:
            first = await held.latest(0)
            await held.notes.until(lambda: held.notes.of(0)[-1][1] != first[1])
            await held.notes.until(lambda: len(held.notes.good()) == TAGS)

    async def test_a_bad_address_spoils_one_tag(self, shared_device: Device) -> None:
        """A tag that the device does not know is Bad, and its neighbours are Good."""
        async with self.supervised(shared_device.port, [0, 1, FAR]) as (_, watch):
            await watch.until(lambda: watch.good() == {0, 1})
            assert (None, Quality.BAD) == next(
                (value, quality) for handle, value, quality, _ in watch.taken if handle == FAR
            )

    async def test_tags_are_added_to_a_session(self, shared_device: Device) -> None:
        """Tags that are bound later are read, and those that were there go on."""
        port = shared_device.port
        async with opened(self.driver(port), self.tags(port, [0, 1])) as held:
            await held.notes.until(lambda: held.notes.good() == {0, 1})
            results = await held.bind(self.tags(port, [2, 3]))
            assert {2: "", 3: ""} == {result.handle: result.problem for result in results}
            held.notes.taken.clear()
            await held.notes.until(lambda: held.notes.good() == {0, 1, 2, 3})

    async def test_tags_are_taken_from_a_session(self, shared_device: Device) -> None:
        """The others go on, and a tag that was forgotten can be bound again."""
        port = shared_device.port
        async with opened(self.driver(port), self.tags(port, [0, 1, 2])) as held:
            await held.notes.until(lambda: held.notes.good() == {0, 1, 2})
            await held.unbind([1])
            await held.latest(0)
            await held.latest(2)
            held.notes.taken.clear()
            await held.bind(self.tags(port, [1]))
            await held.notes.until(lambda: held.notes.good() == {0, 1, 2})

    async def test_closing_is_safe_before_opening(self) -> None:
        """A driver that never opened is closed like any other, and twice is once."""
        await closed(self.driver(1))

    async def test_a_hung_device_is_closed_within_two_seconds(self, shared_device: Device) -> None:
        """The driver lets go of a device that answers nothing, without the supervisor's help."""
        port = shared_device.port
        driver = self.driver(port)
        async with opened(driver, self.tags(port), is_lost=True) as held:
            await held.notes.until(lambda: len(held.notes.good()) == TAGS)
            with frozen(shared_device):
                await asyncio.sleep(0.3)
                await closed(driver)

    async def test_connecting_can_be_cancelled(self, networked: None) -> None:
        """Cancelled while nobody answers, `open` ends at once and leaves nothing to wait for."""
        with black_hole() as port:
            driver = self.driver(port)
            opening = asyncio.create_task(driver.open())
            await asyncio.sleep(0.3)
            await stopped(opening)
            await closed(driver)

    async def test_binding_and_reading_can_be_cancelled(self, shared_device: Device) -> None:
        """Cancelled while the device hangs, both end within two seconds, and so does the rest."""
        port = shared_device.port
        driver = self.driver(port)
        try:
            await driver.open()
            await driver.bind(self.tags(port, [0]))
            with frozen(shared_device):
                binding = asyncio.create_task(self._bind(driver, port))
                await asyncio.sleep(0.3)
                await stopped(binding)
                reading = asyncio.create_task(_use(driver, [0]))
                await asyncio.sleep(0.3)
                await stopped(reading)
                await closed(driver)
        finally:
            await driver.close()

    async def test_two_hundred_sessions_leave_nothing_behind(
        self, shared_device: Device, fault_proxy: Proxying
    ) -> None:
        """Neither tasks nor sockets nor threads are left of sessions that were reset."""
        proxy = await fault_proxy(shared_device.port)
        await self._session(proxy)
        await asyncio.sleep(0.1)
        files, threads = _open_files(), threading.active_count()
        until = time.monotonic() + _RECONNECTING_S
        for number in range(self.sessions):
            await self._session(proxy)
            if number >= _FEWEST_SESSIONS and time.monotonic() > until:
                break  # a protocol whose sessions are slow
        for _ in range(_SETTLING):
            if _open_files() <= files and threading.active_count() <= threads:
                break
            await asyncio.sleep(0.05)
        assert files >= _open_files()
        assert threads >= threading.active_count()
        ours = {task for task in asyncio.all_tasks() if "_serve" not in repr(task.get_coro())}
        assert {asyncio.current_task()} == ours

    async def test_a_wrong_clock_spoils_no_value(self, own_device: Device) -> None:
        """Values of a device whose clock is an hour ahead are Good, with its own time."""
        if not self.tells_time:
            pytest.skip(f"the values of {self.protocol} carry no time of the device")
        own_device.start(TAGS, UNS_SKEW_S="3600")
        async with self.supervised(own_device.port) as (_, watch):
            await watch.until(lambda: len(watch.good()) == TAGS)
            ahead_s = watch.taken[-1][3] / 1000 - time.time()
            assert 3500 < ahead_s < 3700

    async def _bind(self, driver: Driver, port: int) -> None:
        await driver.bind(self.tags(port, [1, 2]))

    async def _session(self, proxy: FaultProxy) -> None:
        """One session that is reset: it raises soon, and may be closed twice."""
        driver = self.driver(proxy.port)
        try:
            await driver.open()
            await driver.bind(self.tags(proxy.port))
            await proxy.refuse()  # some protocols replace a connection within one request
            proxy.reset()
            with pytest.raises((DeviceError, OSError)):
                await asyncio.wait_for(_use(driver, list(range(TAGS))), _RESET_S)
        finally:
            await driver.close()
            await driver.close()
            await proxy.accept()


async def _use(driver: Driver, handles: list[int]) -> None:
    """Read on and on, or listen, until the session is over."""
    if isinstance(driver, PushDriver):
        await driver.run(Collector())
    assert isinstance(driver, PollDriver)
    while True:
        await driver.read(handles)


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
