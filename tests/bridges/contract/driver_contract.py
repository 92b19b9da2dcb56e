"""The contract of a driver under its supervisor: what every protocol has to survive.

A protocol passes it in ten lines: a subclass of `DriverContract` that says how its tags are
written and whether a running device can get more of them.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import pytest
from device import free_port

from bridges import get_driver
from bridges.driver import BoundTag, Driver, DriverConfig, PollDriver, PushDriver
from uns.equipment import Connection
from uns.errors import DeviceError
from uns.metric import DataType, Quality, Reading
from uns.service.connection import GRACE_S, ConnectionState, ConnectionSupervisor

TAGS = 20
SCAN_S = 0.2
BACK_S = 20.0  # how long a device may take to be noticed again, on a busy machine
SOON_S = 1.0  # a grace for tests that are not about its length
STALE_S = 4.5  # three seconds of promise and what a busy machine adds


class Watch:
    """What a supervisor said, and when."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.states: list[tuple[ConnectionState, float]] = []
        self.last_reading_at = 0.0

    def on_readings(self, readings: list[Reading]) -> None:
        self.readings += readings
        self.last_reading_at = time.monotonic()

    def on_state(self, state: ConnectionState) -> None:
        self.states.append((state, time.monotonic()))

    @property
    def state(self) -> ConnectionState | None:
        return self.states[-1][0] if self.states else None

    def good(self) -> set[int]:
        """Handles whose latest reading is Good."""
        latest = {reading[0]: reading[2] for reading in self.readings}
        return {handle for handle, quality in latest.items() if quality == Quality.GOOD}

    async def until(self, is_true: Callable[[], bool], within_s: float = BACK_S) -> None:
        """Wait until something is true; the test fails when it does not become so."""
        async with asyncio.timeout(within_s):
            while not is_true():
                await asyncio.sleep(0.02)

    async def more_readings(self, within_s: float = BACK_S) -> None:
        """Wait until good readings arrive that were not there before."""
        self.readings.clear()
        await self.until(lambda: len(self.good()) > 0, within_s)


class DriverContract:
    """Subclass it as `Test…`, and set the three words below."""

    protocol: ClassVar[str]
    grows: ClassVar[bool] = False  # tags can appear while the device runs

    def config(self, port: int) -> DriverConfig:
        raise NotImplementedError

    def address(self, number: int) -> str:
        raise NotImplementedError

    def tags(self, port: int, numbers: list[int] | None = None) -> list[BoundTag]:
        driver_class = get_driver(self.protocol)
        config = self.config(port)
        return [
            BoundTag(n, driver_class.parse(self.address(n), config), DataType.UINT32, SCAN_S)
            for n in numbers or range(TAGS)
        ]

    def supervisor(
        self, port: int, watch: Watch, numbers: list[int] | None, grace_s: float
    ) -> ConnectionSupervisor:
        config = self.config(port)
        return ConnectionSupervisor(
            Connection(config.key(), self.protocol, config),
            get_driver(self.protocol),
            self.tags(port, numbers),
            watch.on_readings,
            watch.on_state,
            label="porto/line1",
            grace_s=grace_s,
        )

    @asynccontextmanager
    async def supervised(
        self, port: int, numbers: list[int] | None = None, grace_s: float = GRACE_S
    ) -> AsyncIterator[tuple[ConnectionSupervisor, Watch]]:
        watch = Watch()
        supervisor = self.supervisor(port, watch, numbers, grace_s)
        task = asyncio.create_task(supervisor.run())
        try:
            yield supervisor, watch
            assert not task.done(), "nothing ends a supervisor"
        finally:
            task.cancel()
            began = time.monotonic()
            await asyncio.wait([task], timeout=10)
            assert task.cancelled()
            assert time.monotonic() - began < 3, "closes within two seconds"

    # ------------------------------------------------------------ a device that is well

    async def test_validates_without_connecting(self, shared_device, fault_proxy):
        """Config, addresses and the driver itself are made without a connection."""
        proxy = await fault_proxy(shared_device.port)
        get_driver(self.protocol)(self.config(proxy.port))
        self.tags(proxy.port)
        await asyncio.sleep(0.1)
        assert 0 == proxy.accepted

    async def test_first_readings_carry_a_source_timestamp(self, shared_device):
        """Every tag is read after the connection is up, with the time of its value."""
        async with self.supervised(shared_device.port) as (supervisor, watch):
            await watch.until(lambda: len(watch.good()) == TAGS)
            now_ms = time.time() * 1000
            assert [ConnectionState.UP] == [state for state, _ in watch.states]
            assert [] == [r for r in watch.readings if not now_ms - 30_000 < r[3] <= now_ms + 1000]
            assert (TAGS, 0) == (supervisor.health.tags_good, supervisor.health.tags_bad)

    async def test_a_bad_address_spoils_one_tag(self, shared_device):
        """A tag that the device does not know is Bad, and its neighbours are Good."""
        async with self.supervised(shared_device.port, [0, 1, TAGS + 500]) as (_, watch):
            await watch.until(lambda: watch.good() == {0, 1})
            assert (None, Quality.BAD) == next(
                (value, quality)
                for handle, value, quality, _ in watch.readings
                if handle == TAGS + 500
            )

    # ------------------------------------------------------------ a device that fails

    async def test_survives_a_restart(self, own_device):
        """After an orderly stop and a start, values flow again."""
        own_device.start(TAGS)
        async with self.supervised(own_device.port, grace_s=SOON_S) as (_, watch):
            await watch.more_readings()
            own_device.terminate()
            await watch.until(lambda: watch.state is ConnectionState.DOWN)
            own_device.start(TAGS)
            await watch.more_readings()
            assert ConnectionState.UP is watch.state

    async def test_survives_a_power_cut_and_comes_back_with_half_of_its_tags(self, own_device):
        """After kill -9, tags that are not there yet are Bad until they are; the others flow."""
        own_device.start(TAGS)
        half = set(range(TAGS // 2))
        async with self.supervised(own_device.port, grace_s=SOON_S) as (_, watch):
            await watch.until(lambda: len(watch.good()) == TAGS)
            own_device.kill()
            watch.readings.clear()
            own_device.start(TAGS // 2)
            await watch.until(lambda: watch.good() == half)
            watch.readings.clear()
            if self.grows:
                own_device.grow(TAGS)
            else:
                own_device.kill()
                own_device.start(TAGS)
            await watch.until(lambda: len(watch.good()) == TAGS)

    async def test_a_hung_device_is_down_within_three_seconds(self, shared_device):
        """Frozen with every socket open, it is down soon, and up again once it answers."""
        async with self.supervised(shared_device.port) as (_, watch):
            await watch.more_readings()
            shared_device.freeze()
            try:
                await watch.until(lambda: watch.state is ConnectionState.DOWN)
                await asyncio.sleep(1)
            finally:
                shared_device.thaw()
            assert watch.states[-1][1] - watch.last_reading_at < STALE_S
            await watch.more_readings()
            assert ConnectionState.UP is watch.state

    async def test_a_pulled_cable_is_down_within_three_seconds(self, shared_device, fault_proxy):
        """With nothing getting through, it is down soon; plugged in again, values flow."""
        proxy = await fault_proxy(shared_device.port)
        async with self.supervised(proxy.port) as (_, watch):
            await watch.more_readings()
            proxy.cut()
            await watch.until(lambda: watch.state is ConnectionState.DOWN)
            assert watch.states[-1][1] - watch.last_reading_at < STALE_S
            proxy.heal()
            await watch.more_readings()
            assert ConnectionState.UP is watch.state

    async def test_a_blip_is_nobodys_business(self, shared_device, fault_proxy):
        """A connection that is reset once comes back without ever having been down."""
        proxy = await fault_proxy(shared_device.port)
        async with self.supervised(proxy.port) as (supervisor, watch):
            await watch.more_readings()
            proxy.reset()
            await watch.until(lambda: supervisor.health.reconnects == 1)
            await watch.more_readings()
            assert [ConnectionState.UP] == [state for state, _ in watch.states]

    async def test_a_storm_of_resets_is_not_answered_with_a_storm(self, shared_device, fault_proxy):
        """Connections reset again and again are retried ever more slowly, and then recover."""
        proxy = await fault_proxy(shared_device.port)
        async with self.supervised(proxy.port) as (_, watch):
            for _ in range(20):
                await asyncio.sleep(0.1)
                proxy.reset()
            assert 2 <= proxy.accepted <= 12
            await watch.more_readings()

    async def test_a_peer_that_hangs_up_is_not_hammered(self, shared_device):
        """Something that accepts and closes at once is down, and tried ever more slowly."""
        accepted = 0

        async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal accepted
            accepted += 1
            writer.close()

        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with self.supervised(port, grace_s=SOON_S) as (supervisor, watch):
                await watch.until(lambda: watch.state is ConnectionState.DOWN)
                assert 2 <= accepted <= 12
                assert supervisor.health.last_error

    async def test_a_refused_connection_is_down_with_a_reason(self):
        """Where nobody listens, the health says why, and a write says so at once."""
        async with self.supervised(free_port(), grace_s=SOON_S) as (supervisor, watch):
            await watch.until(lambda: watch.state is ConnectionState.DOWN)
            assert supervisor.health.last_error
            assert [] == watch.readings
            with pytest.raises(DeviceError, match="is not connected"):
                await supervisor.write([(0, 1)])

    async def test_an_address_that_swallows_packets_has_a_deadline(self):
        """A connect that nobody answers is given up, and cancelling it takes no time."""
        with _black_hole() as port:
            async with self.supervised(port, grace_s=SOON_S) as (supervisor, watch):
                await watch.until(lambda: watch.state is ConnectionState.DOWN)
                await watch.until(lambda: supervisor.health.failures > 0)

    async def test_a_hung_device_is_left_within_two_seconds(self, shared_device):
        """Cancelling while the device hangs closes in time (the context manager measures it)."""
        try:
            async with self.supervised(shared_device.port) as (_, watch):
                await watch.more_readings()
                shared_device.freeze()
                await asyncio.sleep(0.5)
        finally:
            shared_device.thaw()

    async def test_thirty_reconnects_leave_nothing_behind(self, shared_device, fault_proxy):
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

    async def _session(self, proxy) -> None:
        """One session that is reset: it raises soon, and may be closed twice."""
        driver = get_driver(self.protocol)(self.config(proxy.port))
        try:
            with pytest.raises(DeviceError):
                async with asyncio.timeout(10):
                    await self._use_until_reset(driver, proxy)
        finally:
            await driver.close()
            await driver.close()

    async def _use_until_reset(self, driver: Driver, proxy) -> None:
        await driver.open()
        tags = self.tags(proxy.port)
        await driver.bind(tags)
        proxy.reset()
        if isinstance(driver, PushDriver):
            await driver.run(_Sink())
        assert isinstance(driver, PollDriver)
        while True:
            await driver.read([tag.handle for tag in tags])


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class _Sink:
    """A sink for readings that nobody wants."""

    def readings(self, batch: Sequence[Reading]) -> None:
        pass

    def alive(self) -> None:
        pass


class _black_hole:  # noqa: N801 - used as a statement
    """A port whose SYN packets the kernel drops: its backlog is full and nobody accepts."""

    def __enter__(self) -> int:
        self._sockets = [socket.socket()]
        listener = self._sockets[0]
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
            self._sockets.append(filler)
        return port

    def __exit__(self, *_: object) -> None:
        for sock in self._sockets:
            sock.close()
