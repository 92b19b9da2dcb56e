"""What a keep-alive says of values that do not change."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bridges.driver import BindResult, BoundTag, DriverConfig, PushDriver
from uns.metric import Quality
from uns.mqtt import Broker
from uns.project.catalogue import Catalogue
from uns.project.load import load
from uns.service.bridge import BridgeService
from uns.store.backlog import Backlog
from uns.store.state import State

pytestmark = pytest.mark.slow  # real seconds pass

PROJECT = """\
enterprise: acme
sites: {leeds: {}}
types:
  press:
    tags: {pressure: {stale: 2s}}
bindings:
  quiet: {driver: quiet, connection: {}, tags: {pressure: p}}
instances:
  - {path: leeds/packaging/line1/press, is: press, bind: quiet}
"""


class QuietConfig(DriverConfig):
    def key(self) -> str:
        return "quiet://press"

    def endpoint(self):
        return None

    def moved_to(self, port: int):
        return self


class Quiet(PushDriver):
    """Tells each tag once, and then only that it is alive."""

    name: ClassVar[str] = "quiet"
    Config: ClassVar[type[DriverConfig]] = QuietConfig
    keepalive_s = 0.5

    @classmethod
    def parse(cls, text: str, config: Any) -> str:
        return text

    async def open(self) -> None:
        self._tags: list[BoundTag] = []

    async def bind(self, tags):
        self._tags += tags
        return [BindResult(tag.handle) for tag in tags]

    async def run(self, sink) -> None:
        sink.readings([(tag.handle, 3.5, 192, 0) for tag in self._tags])
        while True:
            await asyncio.sleep(0.3)
            sink.alive()

    async def close(self) -> None:
        pass


class Relayed(Quiet):
    """The same over a broker, which is alive while whoever publishes may not be."""

    KEEPALIVE_VOUCHES: ClassVar[bool] = False


@pytest.mark.parametrize(("driver", "quality"), [(Quiet, Quality.GOOD), (Relayed, Quality.STALE)])
async def test_who_vouches_for_a_value_that_does_not_change(
    tmp_path: Path, driver: type[Quiet], quality: Quality
) -> None:
    """`stale:` means that nobody vouched for so long, not that nothing changed."""
    (tmp_path / "plant.yaml").write_text(PROJECT)
    loaded = load(tmp_path / "plant.yaml", Catalogue({"quiet": driver}, {}))
    assert loaded.project is not None, loaded.diagnostics
    state, backlog = State(tmp_path / "state.db"), Backlog(tmp_path / "backlog.db")
    nowhere = [Broker.parse("mqtt://127.0.0.1:1")]
    service = BridgeService(
        loaded.project, loaded.project.machines, nowhere, state, backlog, lambda _: driver
    )
    task = asyncio.create_task(service.run())
    try:
        async with asyncio.timeout(5):
            while not service._reporter.known([0]):
                await asyncio.sleep(0.05)
        await asyncio.sleep(4)
        ((_, value, found, _),) = service._reporter.known([0])
        assert (3.5, quality) == (value, found)
    finally:
        task.cancel()
        await asyncio.wait([task])
        state.close()
        backlog.close()
