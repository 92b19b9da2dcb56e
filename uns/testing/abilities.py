"""The contract of a driver, part three: what it can besides reading, and odd values."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from typing import cast

import pytest

from bridges.driver import (
    BoundTag,
    CanBrowse,
    CanDescribe,
    CanReadNow,
    CanResume,
    PushDriver,
)
from uns.metric import DataType, Quality, Reading, Value
from uns.testing.device import Device
from uns.testing.fault_proxy import proxied
from uns.testing.open_session import OpenSession, opened
from uns.testing.sessions import FAR
from uns.testing.subject import TAGS, Subject

__all__ = ["Abilities"]

_WRITTEN = 900  # the handle of what is written
_SPECIAL = 1000  # the first handle of odd values
_HALF_S = 0.5
_AWAY_S = 2.0
_BROWSED_S = 20.0
_SOON_S = 10.0


class Abilities(Subject):
    """What only some protocols can do; tests of what a driver cannot are skipped."""

    # ------------------------------------------------------------ write

    async def test_what_is_written_is_read_back(self, shared_device: Device) -> None:
        """A value that was written without a problem is what the device shows then."""
        async with self._writing(shared_device.port) as (held, tag, value):
            assert [""] == await held.write([(tag, value)])
            await held.notes.until(lambda: held.notes.of(tag.handle)[-1:] != [])
            await held.notes.until(lambda: _is(value, held.notes.of(tag.handle)[-1][1]))

    async def test_a_value_of_another_type_is_refused_in_words(self, shared_device: Device) -> None:
        """Text for a number is a problem of that tag; the session goes on."""
        async with self._writing(shared_device.port) as (held, tag, _):
            if tag.datatype.is_text:
                pytest.skip("anything can be written to a text")
            (problem,) = await held.write([(tag, "twelve")])
            assert problem
            await held.latest(0)

    async def test_a_write_to_nowhere_is_refused_in_words(self, shared_device: Device) -> None:
        """A tag that the device does not have is a problem; what is written beside it is not."""
        port = shared_device.port
        async with self._writing(port) as (held, tag, value):
            (far,) = self.tags(port, [FAR])
            await held.bind([far])
            wrong, right = await held.write([(far, 1), (tag, value)])
            assert ("", True) == (right, bool(wrong))
            await held.latest(0)

    # ------------------------------------------------------------ read out of turn

    async def test_reading_now_asks_the_device(self, shared_device: Device) -> None:
        """One reading for each handle, of now, and none from what was known."""
        port = shared_device.port
        async with opened(self.driver(port), self.tags(port, [0, 1])) as held:
            if not isinstance(held.driver, CanReadNow):
                pytest.skip(f"the driver {self.protocol} reads nothing out of turn")
            first = await held.read_now([1, 0])
            await asyncio.sleep(_HALF_S)
            later = await held.read_now([1, 0])
            for n in (0, 1):
                assert (Quality.GOOD, Quality.GOOD) == (first[n][2], later[n][2])
                assert cast("int", first[n][1]) < cast("int", later[n][1])

    # ------------------------------------------------------------ what the device has

    async def test_what_is_browsed_can_be_bound(self, shared_device: Device) -> None:
        """Every address that browsing tells parses; the tags of the device are among them."""
        port = shared_device.port
        async with opened(self.driver(port)) as held:
            driver = held.driver
            if not isinstance(driver, CanBrowse):
                pytest.skip(f"the driver {self.protocol} cannot browse")
            async with asyncio.timeout(_BROWSED_S):
                nodes = [node async for node in driver.browse()]
            told = [node for node in nodes if node.datatype is not None and not node.problem]
            parsed = {self.driver_class.parse(node.address, driver.config) for node in told}
            assert {tag.address for tag in self.tags(port)} <= parsed

    async def test_what_is_described_is_there(self, shared_device: Device) -> None:
        """A tag of the device has no problem and the right type; another one has a problem."""
        port = shared_device.port
        async with opened(self.driver(port)) as held:
            driver = held.driver
            if not isinstance(driver, CanDescribe):
                pytest.skip(f"the driver {self.protocol} cannot describe tags")
            async with asyncio.timeout(_SOON_S):
                survey = await driver.describe(self.tags(port, [0, FAR]))
            here, far = sorted(survey.tags, key=lambda one: one.handle)
            assert ("", True) == (here.problem, bool(far.problem))
            assert here.datatype in (None, DataType.UINT32)

    # ------------------------------------------------------------ lossless

    async def test_a_resumed_session_misses_nothing(self, shared_device: Device) -> None:
        """What happened while nobody listened is delivered once and in order afterwards."""
        tags = [
            replace(tag, deliver_every=True, scan_s=0.1)
            for tag in self.tags(shared_device.port, [0, 1])
        ]
        first = self.driver(shared_device.port)
        if not isinstance(first, CanResume):
            pytest.skip(f"the driver {self.protocol} cannot resume a session")
        if not self.keeps:
            pytest.skip("this source keeps nothing for who is away")
        async with proxied(shared_device.port) as proxy:
            port = proxy.port if first.config.endpoint() else shared_device.port
            lost, again = self.driver(port), self.driver(port)
            async with opened(lost, tags, is_lost=True) as before:
                await before.notes.until(lambda: len(before.notes.of(1)) >= 5)
                proxy.cut()
                await asyncio.sleep(_HALF_S)
            assert isinstance(lost, CanResume)
            assert isinstance(again, CanResume)
            cursor = lost.cursor
            assert cursor is not None
            async with asyncio.timeout(2.5):
                await lost.abandon()
            await asyncio.sleep(_AWAY_S)
            proxy.heal()
            again.resume(cursor)
            async with opened(again, tags) as after:
                await after.notes.until(lambda: len(after.notes.of(1)) >= 30)
                _assert_gapless([*before.notes.taken, *after.notes.taken])

    # ------------------------------------------------------------ values

    async def test_odd_values_arrive_as_they_are(self, shared_device: Device) -> None:
        """Infinities, large integers, empty and foreign texts: the same, or Bad, never another."""
        wanted = {_SPECIAL + n: value for n, value in enumerate(self.values())}
        if not wanted:
            pytest.skip("the test of this driver declares no odd values")
        port = shared_device.port
        tags = [self.tag(port, handle, value[0], value[1]) for handle, value in wanted.items()]
        async with self.supervised_tags(port, tags) as (_, watch):
            await watch.until(lambda: {handle for handle, *_ in watch.taken} == set(wanted))
            latest = {reading[0]: reading for reading in watch.taken}
        for handle, (address, _, value) in wanted.items():
            _, held, quality, _ = latest[handle]
            shown = held if quality == Quality.GOOD else None
            assert _is(value, shown), (address, value, held, quality)

    # ------------------------------------------------------------ back-pressure

    async def test_a_source_is_not_asked_for_more_than_is_taken(
        self, shared_device: Device
    ) -> None:
        """While the sink takes nothing, a driver that pushes delivers nothing; then it goes on."""
        port = shared_device.port
        async with opened(self.driver(port), self.tags(port)) as held:
            if not isinstance(held.driver, PushDriver):
                pytest.skip("the runtime itself asks this driver less often")
            await held.notes.until(lambda: len(held.notes.good()) == TAGS)
            held.notes.hold()
            await asyncio.sleep(_HALF_S)
            before = len(held.notes.taken)
            await asyncio.sleep(2 * _HALF_S)
            assert len(held.notes.taken) - before <= 2 * TAGS  # what was under way
            held.notes.release()
            await held.notes.more_readings()

    @asynccontextmanager
    async def _writing(self, port: int) -> AsyncIterator[tuple[OpenSession, BoundTag, Value]]:
        """A session with tag 0 and one that can be written, and the value for it."""
        if not hasattr(self.driver_class, "write"):
            pytest.skip(f"the driver {self.protocol} cannot write")
        declared = self.writable()
        if declared is None:
            pytest.skip("the test of this driver declares no address to write to")
        address, datatype, value = declared
        tag = self.tag(port, _WRITTEN, address, datatype)
        async with opened(self.driver(port), [*self.tags(port, [0]), tag]) as held:
            yield held, tag, value


def _is(expected: Value, held: Value) -> bool:
    if isinstance(expected, float) and isinstance(held, float):
        both_nan = math.isnan(expected) and math.isnan(held)
        return both_nan or math.isclose(expected, held, rel_tol=1e-6)
    return expected == held and isinstance(held, bool) == isinstance(expected, bool)


def _assert_gapless(readings: Sequence[Reading]) -> None:
    for handle in sorted({reading[0] for reading in readings}):
        counts = [
            cast("int", value)
            for tag, value, quality, _ in readings
            if tag == handle and quality == Quality.GOOD
        ]
        steps = {later - earlier for earlier, later in pairwise(counts)}
        assert {1} == steps, (handle, counts)
