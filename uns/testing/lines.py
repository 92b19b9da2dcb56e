"""The contract of a driver, part five: lines that are slow, broken or full of noise."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

from uns.metric import Quality, Reading
from uns.service.connection import ConnectionState
from uns.testing.device import Device
from uns.testing.fault_proxy import FaultProxy, Line
from uns.testing.outages import SOON_S, STALE_S
from uns.testing.subject import Proxying, Subject
from uns.testing.watch import Watch

__all__ = ["Lines", "assert_counting"]

_Serve: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

_SOME_S = 1.0
_PAGE = os.sysconf("SC_PAGE_SIZE")
_GROWN_MB = 64


class Lines(Subject):
    """Whatever the line does, a value is right or it is not Good, and afterwards values flow."""

    async def test_a_slow_line_is_slow_and_not_down(
        self, shared_device: Device, fault_proxy: Proxying
    ) -> None:
        """With a third of a second from question to answer, values flow and nothing is down."""
        async with self._flowing(shared_device, fault_proxy) as (proxy, watch):
            proxy.line = Line(delay_s=0.15)
            await asyncio.sleep(_SOME_S)
            await watch.more_readings()
            assert [ConnectionState.UP] == [state for state, _ in watch.states]

    async def test_answers_in_single_bytes_are_understood(
        self, shared_device: Device, fault_proxy: Proxying
    ) -> None:
        """Where a frame ends is the protocol's business, not that of TCP's segments."""
        async with self._flowing(shared_device, fault_proxy) as (proxy, watch):
            proxy.line = Line(piece=1)
            await watch.more_readings()
            await asyncio.sleep(_SOME_S)
            await watch.more_readings()
            assert [ConnectionState.UP] == [state for state, _ in watch.states]

    async def test_a_line_that_is_far_too_slow_recovers(
        self, shared_device: Device, fault_proxy: Proxying
    ) -> None:
        """Answers that come seconds late are no values of now; a fast line is used at once."""
        async with self._flowing(shared_device, fault_proxy) as (proxy, watch):
            proxy.line = Line(delay_s=2)
            await asyncio.sleep(2 * _SOME_S)
            proxy.heal()
            await watch.more_readings()

    async def test_a_trickle_recovers(self, shared_device: Device, fault_proxy: Proxying) -> None:
        """One byte in ten milliseconds gives values late or not at all, and never wrong ones."""
        async with self._flowing(shared_device, fault_proxy) as (proxy, watch):
            proxy.line = Line(piece=1, pause_s=0.01)
            await asyncio.sleep(2 * _SOME_S)
            proxy.heal()
            await watch.more_readings()

    async def test_garbage_is_never_a_value(
        self, shared_device: Device, fault_proxy: Proxying
    ) -> None:
        """Noise in place of answers ends the session with a reason; whole answers are values."""
        async with self._flowing(shared_device, fault_proxy) as (proxy, watch):
            proxy.garble()
            await asyncio.sleep(_SOME_S)
            proxy.heal()
            await watch.more_readings()

    async def test_half_an_answer_is_no_value(
        self, shared_device: Device, fault_proxy: Proxying
    ) -> None:
        """A peer that dies in the middle of a frame is connected to anew."""
        async with self._flowing(shared_device, fault_proxy) as (proxy, watch):
            for _ in range(3):
                proxy.truncate()
                before = proxy.accepted
                await watch.until(lambda: proxy.accepted > before)  # noqa: B023 - awaited at once
            proxy.heal()
            await watch.more_readings()

    async def test_a_cable_broken_one_way_is_down_within_three_seconds(
        self, shared_device: Device, fault_proxy: Proxying
    ) -> None:
        """Questions that arrive are no sign of life; answers are."""
        async with self._flowing(shared_device, fault_proxy) as (proxy, watch):
            proxy.cut_answers()
            await watch.until(lambda: watch.state is ConnectionState.DOWN)
            assert watch.states[-1][1] - watch.last_reading_at < STALE_S
            proxy.heal()
            await watch.more_readings()

    async def test_a_half_open_connection_is_noticed(
        self, shared_device: Device, fault_proxy: Proxying
    ) -> None:
        """A device that forgot us while our socket looks well is connected to anew by itself."""
        async with self._flowing(shared_device, fault_proxy) as (proxy, watch):
            proxy.strand()
            before = proxy.accepted
            await watch.until(lambda: proxy.accepted > before)
            await watch.more_readings()

    async def test_a_peer_that_says_nothing_is_down(self, networked: None) -> None:
        """Something that accepts and never answers is given up, with a reason."""

        async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await reader.read()

        await self._is_down(say_nothing)

    async def test_endless_noise_is_down_and_bounded(self, networked: None) -> None:
        """A peer that sends noise as fast as it can is given up, and fills no memory."""
        noise = os.urandom(65_536)

        async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                writer.write(noise)
                await writer.drain()

        before = _resident_mb()
        await self._is_down(babble)
        assert _resident_mb() - before < _GROWN_MB

    async def _is_down(self, serve: _Serve) -> None:
        async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await serve(reader, writer)
            except OSError:
                pass  # the driver hung up, as it should
            finally:
                writer.transport.abort()

        async with await asyncio.start_server(served, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with self.supervised(port, grace_s=SOON_S) as (supervisor, watch):
                await watch.until(lambda: watch.state is ConnectionState.DOWN)
                await watch.until(lambda: bool(supervisor.health.last_error))
                assert set() == watch.good()

    @asynccontextmanager
    async def _flowing(
        self, device: Device, proxying: Proxying
    ) -> AsyncIterator[tuple[FaultProxy, Watch]]:
        """A connection through a relay, up; at the end, no value was wrong."""
        proxy = await proxying(device.port)
        async with self.supervised(proxy.port) as (_, watch):
            await watch.more_readings()
            yield proxy, watch
        assert_counting(watch.ever)


def assert_counting(readings: Sequence[Reading]) -> None:
    """Good values are those of counters that only grow, from 1 on; nothing else was made up."""
    latest: dict[int, int] = {}
    for handle, value, quality, _ in readings:
        if quality == Quality.GOOD:
            assert isinstance(value, int), value
            assert latest.get(handle, 1) <= value < 1_000_000, (handle, latest.get(handle), value)
            latest[handle] = value


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * _PAGE / 1e6
