"""The contract of a driver, part four: devices that stop, hang, vanish and refuse."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from uns.errors import DeviceError
from uns.service.connection import ConnectionState
from uns.testing.device import Device, free_port
from uns.testing.subject import TAGS, Proxying, Subject

__all__ = ["Outages", "black_hole", "frozen"]

SOON_S = 1.0  # a grace for tests that are not about its length
STALE_S = 4.5  # three seconds of promise and what a busy machine adds
_STORM = 20
_TRIES = range(2, 13)  # in two seconds: it goes on trying, and does not hammer


class Outages(Subject):
    """What a connection makes of a device that fails; the runtime supervises the driver."""

    async def test_survives_a_restart(self, own_device: Device) -> None:
        """After an orderly stop and a start, values flow again."""
        own_device.start(TAGS)
        async with self.supervised(own_device.port, grace_s=SOON_S) as (_, watch):
            await watch.more_readings()
            own_device.terminate()
            await watch.until(lambda: watch.state is ConnectionState.DOWN)
            own_device.start(TAGS)
            await watch.more_readings()
            assert ConnectionState.UP is watch.state

    async def test_survives_a_power_cut_and_comes_back_with_half_of_its_tags(
        self, own_device: Device
    ) -> None:
        """After kill -9, tags that are not there yet are Bad until they are; the others flow."""
        own_device.start(TAGS)
        half = set(range(TAGS // 2))
        async with self.supervised(own_device.port, grace_s=SOON_S) as (_, watch):
            await watch.until(lambda: len(watch.good()) == TAGS)
            own_device.kill()
            watch.taken.clear()
            own_device.start(TAGS // 2)
            await watch.until(lambda: watch.good() == half)
            watch.taken.clear()
            if self.grows:
                own_device.grow(TAGS)
            else:
                own_device.kill()
                own_device.start(TAGS)
            await watch.until(lambda: len(watch.good()) == TAGS)

    async def test_a_hung_device_is_down_within_three_seconds(self, shared_device: Device) -> None:
        """Frozen with every socket open, it is down soon, and up again once it answers."""
        async with self.supervised(shared_device.port) as (_, watch):
            await watch.more_readings()
            with frozen(shared_device):
                await watch.until(lambda: watch.state is ConnectionState.DOWN)
                await asyncio.sleep(1)
            assert watch.states[-1][1] - watch.last_reading_at < STALE_S
            await watch.more_readings()
            assert ConnectionState.UP is watch.state

    async def test_a_pulled_cable_is_down_within_three_seconds(
        self, shared_device: Device, fault_proxy: Proxying
    ) -> None:
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

    async def test_a_blip_is_nobodys_business(
        self, shared_device: Device, fault_proxy: Proxying
    ) -> None:
        """A connection that is reset once comes back without ever having been down."""
        proxy = await fault_proxy(shared_device.port)
        async with self.supervised(proxy.port) as (supervisor, watch):
            await watch.more_readings()
            proxy.reset()
            await watch.until(lambda: supervisor.health.reconnects == 1)
            await watch.more_readings()
            assert [ConnectionState.UP] == [state for state, _ in watch.states]

    async def test_a_storm_of_resets_is_not_answered_with_a_storm(
        self, shared_device: Device, fault_proxy: Proxying
    ) -> None:
        """Connections reset again and again are retried ever more slowly, and then recover."""
        proxy = await fault_proxy(shared_device.port)
        async with self.supervised(proxy.port) as (_, watch):
            for _ in range(_STORM):
                await asyncio.sleep(0.1)
                proxy.reset()
            assert proxy.accepted in _TRIES
            await watch.more_readings()

    async def test_a_peer_that_hangs_up_is_not_hammered(self, networked: None) -> None:
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
                assert accepted in _TRIES
                assert supervisor.health.last_error

    async def test_a_refused_connection_is_down_with_a_reason(self, networked: None) -> None:
        """Where nobody listens, the health says why, and a write says so at once."""
        async with self.supervised(free_port(), grace_s=SOON_S) as (supervisor, watch):
            await watch.until(lambda: watch.state is ConnectionState.DOWN)
            assert supervisor.health.last_error
            assert [] == watch.taken
            with pytest.raises(DeviceError, match="is not connected"):
                await supervisor.write([(0, 1)])

    async def test_an_address_that_swallows_packets_has_a_deadline(self, networked: None) -> None:
        """A connect that nobody answers is given up, and cancelling it takes no time."""
        with black_hole() as port:
            async with self.supervised(port, grace_s=SOON_S) as (supervisor, watch):
                await watch.until(lambda: watch.state is ConnectionState.DOWN)
                await watch.until(lambda: supervisor.health.failures > 0)

    async def test_a_hung_device_is_left_within_two_seconds(self, shared_device: Device) -> None:
        """Cancelling while the device hangs closes in time (the context manager measures it)."""
        with ExitStack() as stack:
            async with self.supervised(shared_device.port) as (_, watch):
                await watch.more_readings()
                stack.enter_context(frozen(shared_device))
                await asyncio.sleep(0.5)


@contextmanager
def frozen(device: Device) -> Iterator[None]:
    """A device that hangs, for the length of a `with`."""
    device.freeze()
    try:
        yield
    finally:
        device.thaw()


@contextmanager
def black_hole() -> Iterator[int]:
    """A port whose SYN packets the kernel drops: its backlog is full and nobody accepts."""
    with ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        for _ in range(4):
            filler = sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port
