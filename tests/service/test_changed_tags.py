"""Other tags on a connection that stays open."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any, ClassVar

import pytest

from bridges.driver import BindResult, BoundTag, DriverConfig, PollDriver, PushDriver
from uns.equipment import Connection
from uns.metric import DataType, Quality
from uns.service.connection import ConnectionPhase, ConnectionSupervisor

pytestmark = pytest.mark.slow  # real seconds pass

GOOD = int(Quality.GOOD)


class Device(DriverConfig):
    """What the driver below was asked for."""

    model_config: ClassVar[dict[str, Any]] = {"extra": "allow", "frozen": False}

    def model_post_init(self, _: Any) -> None:
        self.opened = 0
        self.bound: dict[int, BoundTag] = {}
        self.binds: list[list[int]] = []
        self.unbinds: list[list[int]] = []
        self.refused: dict[int, str] = {}


class _Tags:
    Config: ClassVar[type[DriverConfig]] = Device
    config: Device

    @classmethod
    def parse(cls, text: str, config: Any) -> str:
        return text

    async def open(self) -> None:
        self.config.opened += 1

    async def bind(self, tags):
        self.config.binds.append([tag.handle for tag in tags])
        self.config.bound |= {tag.handle: tag for tag in tags}
        return [BindResult(tag.handle, self.config.refused.get(tag.handle, "")) for tag in tags]

    async def unbind(self, handles) -> None:
        self.config.unbinds.append(list(handles))
        for handle in handles:
            del self.config.bound[handle]

    async def close(self) -> None:
        pass


class Polled(_Tags, PollDriver):
    name: ClassVar[str] = "polled"

    async def read(self, handles):
        assert set(handles) <= self.config.bound.keys()
        await asyncio.sleep(0)
        return [(handle, 1, GOOD, 0) for handle in handles]


class Pushed(_Tags, PushDriver):
    """Goes on delivering a tag that was let go."""

    name: ClassVar[str] = "pushed"

    async def run(self, sink) -> None:
        seen = set()
        while True:
            seen |= self.config.bound.keys() - self.config.refused.keys()
            sink.readings([(handle, 1, GOOD, 0) for handle in sorted(seen)])
            await asyncio.sleep(0.05)


def tags(*handles: int, scan_s: float = 0.05) -> list[BoundTag]:
    return [BoundTag(handle, None, DataType.INT32, scan_s) for handle in handles]


class Watched:
    """A supervisor that runs, and when which tag was heard."""

    def __init__(self, driver_class) -> None:
        self.device = Device()
        self.heard: dict[int, list[tuple[float, int]]] = {}
        self.states: list[Any] = []
        self.supervisor = ConnectionSupervisor(
            Connection("test://plc:1", driver_class.name, self.device),
            driver_class,
            tags(1, 2),
            self._take,
            self.states.append,
        )

    def _take(self, readings) -> None:
        now = asyncio.get_running_loop().time()
        for handle, _, quality, _ in readings:
            self.heard.setdefault(handle, []).append((now, quality))

    def gap(self, handle: int) -> float:
        """The longest time between two readings of a tag."""
        times = [at for at, _ in self.heard[handle]]
        return max(after - before for before, after in pairwise(times))

    async def __aenter__(self):
        self.task = asyncio.create_task(self.supervisor.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])

    async def until(self, is_true) -> None:
        async with asyncio.timeout(10):
            while not is_true():
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", [Polled, Pushed])
async def test_tags_come_and_go_while_the_others_are_read(kind):
    """One session throughout: what is new is bound, what is gone is let go and not heard again."""
    async with Watched(kind) as watched:
        await watched.until(lambda: len(watched.heard.get(2, ())) > 3)
        watched.supervisor.change(tags(2, 3))
        await watched.until(lambda: len(watched.heard.get(3, ())) > 3)
        count = len(watched.heard[1])
        await asyncio.sleep(0.3)
        assert count == len(watched.heard[1])
        assert watched.gap(2) < 1.0
    assert 1 == watched.device.opened
    assert [[1, 2], [3]] == watched.device.binds
    assert [[1]] == watched.device.unbinds
    assert 1 == len(watched.states)
    assert (2, 0) == (watched.supervisor.health.tags_good, watched.supervisor.health.tags_bad)
    assert 0 == watched.supervisor.health.reconnects


@pytest.mark.parametrize("kind", [Polled, Pushed])
async def test_a_new_tag_that_the_device_refuses_is_bad(kind):
    """Its neighbours are read on; when it leaves again, nothing is wrong any more."""
    async with Watched(kind) as watched:
        await watched.until(lambda: 2 in watched.heard)
        watched.device.refused = {3: "no such register"}
        watched.supervisor.change(tags(1, 2, 3))
        await watched.until(lambda: 3 in watched.heard)
        assert [Quality.BAD] == [quality for _, quality in watched.heard[3]]
        assert {3: "no such register"} == watched.supervisor.health.problems
        assert ConnectionPhase.DEGRADED is watched.supervisor.health.phase
        watched.supervisor.change(tags(1, 2))
        await watched.until(lambda: watched.device.unbinds)
        assert ConnectionPhase.RUNNING is watched.supervisor.health.phase
        assert {} == watched.supervisor.health.problems
    assert 1 == watched.device.opened


async def test_another_rate_is_another_scan_class():
    """A tag that is read more slowly from now on is let go and taken up again."""
    async with Watched(Polled) as watched:
        await watched.until(lambda: len(watched.heard.get(2, ())) > 3)
        watched.supervisor.change([*tags(1), *tags(2, scan_s=30)])
        await watched.until(lambda: [2] in watched.device.unbinds)
        await asyncio.sleep(0.2)
        count = len(watched.heard[2])
        await asyncio.sleep(0.3)
        assert count == len(watched.heard[2])
        assert watched.gap(1) < 1.0
