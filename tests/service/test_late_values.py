"""What sources kept, on its way through a bridge to a host, over kills and orderly stops."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bridges.driver import BindResult, DriverConfig, PollDriver
from uns.mqtt import Broker, connect
from uns.project.catalogue import Catalogue
from uns.project.load import load
from uns.service import bridge as bridge_module
from uns.service.bridge import BridgeService
from uns.service.broker import MosquittoBroker
from uns.service.edge import now_ms
from uns.sparkplug import Born, Changed, HostApplication
from uns.store.backlog import Backlog
from uns.store.state import State

pytestmark = pytest.mark.slow  # a broker, and real seconds pass

PROJECT = """\
enterprise: acme
sites: {leeds: {}}
sparkplug: {backlog: {window: 1s}}
types:
  scale:
    tags:
      weight: {type: double, unit: kg, scale: [0, 1000, 0, 1]}
bindings:
  ledger:
    driver: ledger
    connection: {}
    tags: {weight: weight}
instances:
  - {path: leeds/packaging/line1/scale, is: scale, bind: ledger}
"""
LEDGER: list[tuple[int, int]] = []  # grams and when: what the source keeps


class LedgerConfig(DriverConfig):
    def key(self) -> str:
        return "ledger://mes"

    def endpoint(self):
        return None

    def moved_to(self, port: int):
        return self


class LedgerDriver(PollDriver):
    """Reads a list of weights behind the last one that was read."""

    name: ClassVar[str] = "ledger"
    Config: ClassVar[type[DriverConfig]] = LedgerConfig
    IS_DURABLE: ClassVar[bool] = True
    is_out: ClassVar[bool] = False
    tidied: ClassVar[list[int]] = []

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._place: int | None = None
        self._handles: list[int] = []

    @classmethod
    def parse(cls, text: str, config: Any) -> str:
        return text

    @property
    def cursor(self) -> int | None:
        return self._place

    def resume(self, cursor: int) -> None:
        self._place = cursor

    async def open(self) -> None:
        if LedgerDriver.is_out:
            raise ConnectionRefusedError

    async def bind(self, tags):
        self._handles += [tag.handle for tag in tags]
        return [BindResult(tag.handle) for tag in tags]

    async def read(self, handles):
        if LedgerDriver.is_out:
            raise ConnectionResetError
        begin = self._place or 0
        rows = LEDGER[begin : begin + 20]
        self._place = begin + len(rows)
        return [(self._handles[0], grams, 192, at) for grams, at in rows]

    def kept(self, cursor: int) -> None:
        LedgerDriver.tidied.append(cursor)

    async def close(self) -> None:
        pass

    async def abandon(self) -> None:
        pass


class Rig:
    """A host that listens, and bridges one after the other on the same files."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self.live: list[tuple[int, Any]] = []
        self.late: list[tuple[int, Any]] = []
        self.born: list[tuple[int, Any]] = []

    async def listen(self) -> None:
        session = await connect(Broker.parse(self.url), "listener")
        await session.subscribe([("spBv1.0/#", 1)])
        core = HostApplication("listener")
        core.connected(now_ms())
        async for batch in session.batches():
            for message in batch:
                self._take(core.received(message, now_ms()))

    def _take(self, events: list[Any]) -> None:
        for event in events:
            match event:
                case Changed() if event.device_id == "scale":
                    kept = self.late if event.is_historical else self.live
                    kept += [(at, v) for _, v, quality, at in event.updates if quality == 192]
                case Born() if event.device_id == "scale":
                    self.born += [(slot.timestamp_ms, slot.value) for slot in event.slots]

    @property
    def distinct(self) -> list[Any]:
        """Every value that was heard, in the order of the times, copies left out."""
        heard = {one for one in self.live + self.late + self.born if one[1] is not None}
        return [value for _, value in sorted(heard)]

    async def until(self, is_so) -> None:
        async with asyncio.timeout(20):
            while not is_so():
                await asyncio.sleep(0.05)

    @contextlib.asynccontextmanager
    async def bridge(self, *, kill: bool = False) -> AsyncIterator[BridgeService]:
        """A bridge that is stopped in order at the end, or leaves its files as they are."""
        (self.folder / "plant.yaml").write_text(PROJECT)
        loaded = load(self.folder / "plant.yaml", Catalogue({"ledger": LedgerDriver}, {}))
        assert loaded.project is not None, loaded.diagnostics
        state, backlog = State(self.folder / "state.db"), Backlog(self.folder / "backlog.db")
        brokers = [Broker.parse(self.url)]
        service = BridgeService(
            loaded.project, loaded.project.machines, brokers, state, backlog, lambda _: LedgerDriver
        )
        task = asyncio.create_task(service.run())
        try:
            yield service
        finally:
            if kill:  # nothing more reaches the disk
                state.close()
                backlog.close()
            task.cancel()
            await asyncio.wait([task])
            state.close()
            backlog.close()


@pytest.fixture
async def rig(
    tmp_path: Path, mosquitto: MosquittoBroker, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Rig]:
    """An empty ledger, and a host that listens."""
    monkeypatch.setattr(bridge_module, "SETTLED_S", 0.5)
    LEDGER.clear()
    LedgerDriver.tidied.clear()
    LedgerDriver.is_out = False
    made = Rig(tmp_path, mosquitto.url)
    listener = asyncio.create_task(made.listen())
    await asyncio.sleep(0.2)
    yield made
    listener.cancel()
    await asyncio.wait([listener])


def weigh(count: int) -> None:
    """The scale weighs so many more, ten milliseconds apart."""
    first = len(LEDGER)
    begin = time.time_ns() // 1_000_000 - 10 * count
    LEDGER.extend((first + n, begin + 10 * n) for n in range(count))


def weights(count: int) -> list[float]:
    return [pytest.approx(n / 1000) for n in range(count)]


async def test_what_a_source_kept_reaches_the_host_as_history(rig: Rig) -> None:
    """The cable is out for four seconds: every weight arrives scaled, once, with its own time."""
    weigh(1)
    async with rig.bridge() as service:
        await rig.until(lambda: rig.distinct == weights(1))
        LedgerDriver.is_out = True
        (link,) = service.connections.values()
        await rig.until(lambda: link.health.state == "down")
        weigh(150)
        LedgerDriver.is_out = False
        await rig.until(lambda: rig.distinct == weights(151))
        assert len(rig.late) >= 140
        assert len(set(rig.late)) == len(rig.late)
        assert not {*rig.late} & {*rig.live}
        assert [at for at, _ in rig.late] == sorted(at for at, _ in rig.late)


async def test_after_a_stop_nothing_is_read_again(rig: Rig) -> None:
    """The next process begins behind the last row, and misses none that came meanwhile."""
    weigh(30)
    async with rig.bridge():
        await rig.until(lambda: rig.distinct == weights(30))
    before = len(rig.live) + len(rig.late)
    weigh(30)
    async with rig.bridge():
        await rig.until(lambda: rig.distinct == weights(60))
        assert len(rig.live) + len(rig.late) + 2 <= before + 30 + 2


async def test_after_a_kill_nothing_is_missing(rig: Rig) -> None:
    """What was not kept yet is read again: equal values with equal times, which count once."""
    weigh(30)
    async with rig.bridge():
        await rig.until(lambda: LedgerDriver.tidied == [30])
    async with rig.bridge(kill=True):
        weigh(20)
        await rig.until(lambda: rig.distinct == weights(50))
    weigh(10)
    before = len(rig.live) + len(rig.late)
    async with rig.bridge():
        await rig.until(lambda: rig.distinct == weights(60))
    assert len(rig.live) + len(rig.late) - before <= 30 + 2, "those 20, and what came since"
