"""The contract of a driver, part one: sessions with a device that is well."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from bridges.driver import Driver, PollDriver, PushDriver
from uns.errors import DeviceError
from uns.metric import Quality
from uns.service.connection import ConnectionState
from uns.testing.device import Device
from uns.testing.fault_proxy import FaultProxy
from uns.testing.subject import TAGS, Proxying, Subject
from uns.testing.watch import Collector

__all__ = ["Sessions"]

_RESET_S = 10.0
_FAR = TAGS + 500  # a tag that no device has


class Sessions(Subject):
    """What holds while nothing is wrong, and what is left behind."""

    async def test_validates_without_connecting(
        self, shared_device: Device, fault_proxy: Proxying
    ) -> None:
        """Config, addresses and the driver itself are made without a connection."""
        proxy = await fault_proxy(shared_device.port)
        self.driver(proxy.port)
        self.tags(proxy.port)
        await asyncio.sleep(0.1)
        assert 0 == proxy.accepted

    async def test_first_readings_carry_a_source_timestamp(self, shared_device: Device) -> None:
        """Every tag is read after the connection is up, with the time of its value."""
        async with self.supervised(shared_device.port) as (supervisor, watch):
            await watch.until(lambda: len(watch.good()) == TAGS)
            now_ms = time.time() * 1000
            assert [ConnectionState.UP] == [state for state, _ in watch.states]
            assert [] == [r for r in watch.taken if not now_ms - 30_000 < r[3] <= now_ms + 1000]
            assert (TAGS, 0) == (supervisor.health.tags_good, supervisor.health.tags_bad)

    async def test_a_bad_address_spoils_one_tag(self, shared_device: Device) -> None:
        """A tag that the device does not know is Bad, and its neighbours are Good."""
        async with self.supervised(shared_device.port, [0, 1, _FAR]) as (_, watch):
            await watch.until(lambda: watch.good() == {0, 1})
            assert (None, Quality.BAD) == next(
                (value, quality) for handle, value, quality, _ in watch.taken if handle == _FAR
            )

    async def test_thirty_reconnects_leave_nothing_behind(
        self, shared_device: Device, fault_proxy: Proxying
    ) -> None:
        """Neither tasks nor sockets are left of sessions that were reset."""
        proxy = await fault_proxy(shared_device.port)
        await self._session(proxy)
        before = _open_files()
        for _ in range(30):
            await self._session(proxy)
        await asyncio.sleep(0.2)
        assert before >= _open_files()
        ours = {task for task in asyncio.all_tasks() if "_serve" not in repr(task.get_coro())}
        assert {asyncio.current_task()} == ours

    async def _session(self, proxy: FaultProxy) -> None:
        """One session that is reset: it raises soon, and may be closed twice."""
        driver = self.driver(proxy.port)
        try:
            with pytest.raises((DeviceError, OSError)):
                async with asyncio.timeout(_RESET_S):
                    await self._use_until_reset(driver, proxy)
        finally:
            await driver.close()
            await driver.close()

    async def _use_until_reset(self, driver: Driver, proxy: FaultProxy) -> None:
        await driver.open()
        tags = self.tags(proxy.port)
        await driver.bind(tags)
        proxy.reset()
        if isinstance(driver, PushDriver):
            await driver.run(Collector())
        assert isinstance(driver, PollDriver)
        while True:
            await driver.read([tag.handle for tag in tags])


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
