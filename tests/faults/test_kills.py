"""Everything is killed once, and hung once: it recovers by itself, and nobody is lied to.

`make faults` prints the table: for how long values claimed to be Good though their source was
gone, how long until all was well again, and whether the ERP has every piece once.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from plant import SplitPlant, split_plant
from reader import Reader

from uns.service.broker import MosquittoBroker
from uns.sim.demo import differences
from uns.sim.erp import ErpStandIn

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("mosquitto") or Path("/usr/sbin/mosquitto").exists()),
        reason="wants the Debian package mosquitto",
    ),
]

GOOD_WHILE_STALE_S = 5.0  # the promise: DESIGN §9
SAMPLE_S = 0.1
RECOVER_S = 40.0
DELIVER_S = 40.0


@dataclass
class Line:
    """Broker, plant, reader and ERP of one test."""

    broker: MosquittoBroker
    plant: SplitPlant
    reader: Reader
    erp: ErpStandIn
    lying_s: float = 0.0
    has_writer: bool = True  # while the source was gone: else nobody could mark its values
    recovered_s: float = 0.0

    async def watch(self, seconds: float) -> None:
        """Note how old the values of a line are that claim to be Good, for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._sample()
            await asyncio.sleep(SAMPLE_S)

    async def until_well(self) -> None:
        """Wait until every line is Good and fresh again."""
        began = time.monotonic()
        while not (self.reader.is_connected and self.reader.is_well()):
            assert time.monotonic() - began < RECOVER_S, self._logs()
            await asyncio.sleep(SAMPLE_S)
        self.recovered_s = time.monotonic() - began

    def _sample(self) -> None:
        if self.reader.is_connected:
            self.lying_s = max(self.lying_s, self.reader.lying_s())

    async def books_agree(self) -> None:
        """Stop counting, and wait until the ERP has exactly what was made."""
        await self.plant.wind_down()
        began = time.monotonic()
        fillers = {
            topic
            for line in self.plant.truth()["lines"].values()
            for topic in line["machines"]
            if topic.endswith("/filler")
        }
        while found := differences(self.plant.truth(), self.erp.machines_of, fillers):
            assert time.monotonic() - began < DELIVER_S, f"{found}\n{self._logs()}"
            await asyncio.sleep(0.5)

    def _logs(self) -> str:
        return "\n".join(
            f"--- {name}\n{self.plant.log(name)[-3000:]}" for name in ("sim", "bridges", "north")
        )


@pytest.fixture
async def line(tmp_path: Path) -> AsyncIterator[Line]:
    """A healthy plant in separate processes, watched by a reader."""
    async with (
        MosquittoBroker(folder=tmp_path / "mosquitto") as broker,
        ErpStandIn(port=0, file=tmp_path / "erp.jsonl") as erp,
    ):
        with split_plant(tmp_path, broker.url, erp.url) as plant:
            reader = Reader(broker.port)
            try:
                whole = Line(broker, plant, reader, erp)
                began = time.monotonic()
                while reader.live() < 500:
                    assert time.monotonic() - began < RECOVER_S, whole._logs()
                    await asyncio.sleep(0.25)
                await whole.until_well()
                await asyncio.sleep(6)
                yield whole
            finally:
                reader.close()


async def _kill_bridge(line: Line) -> None:
    line.plant.kill("bridges")
    await line.watch(8)
    line.plant.start("bridges")


async def _kill_plant(line: Line) -> None:
    line.plant.kill("sim")
    await line.watch(8)
    line.plant.start("sim")


async def _hang_plant(line: Line) -> None:
    line.plant.signal("sim", signal.SIGSTOP)
    await line.watch(10)
    line.plant.signal("sim", signal.SIGCONT)


async def _kill_north(line: Line) -> None:
    # Nobody can mark values while their only writer is dead (docs/reference/topics.md), so
    # what is measured is how soon the tree is fresh again.
    line.has_writer = False
    line.plant.kill("north")
    await asyncio.sleep(4)
    assert not line.reader.is_well()
    line.plant.start("north")


FAULTS: dict[str, Callable[[Line], Awaitable[None]]] = {
    "kill -9 of the bridge, back after 8 s": _kill_bridge,
    "kill -9 of the plant, back after 8 s": _kill_plant,
    "plant hung for 10 s": _hang_plant,
    "kill -9 of namespace and routes, back after 4 s": _kill_north,
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_kill_or_hang_is_seen_and_survived(
    line: Line, fault: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing claims to be Good 5 s after its source died; all recovers; nothing is lost or doubled."""
    await FAULTS[fault](line)
    await line.until_well()
    await line.books_agree()
    _print(line, fault, capsys)
    assert line.lying_s <= GOOD_WHILE_STALE_S


async def test_a_killed_broker_is_survived(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    """After kill -9 of the broker the tree is true again within 5 s; nothing is lost or doubled."""
    await line.broker.kill()
    await asyncio.sleep(3)
    await line.broker.restart()
    back = time.monotonic()
    well_s = 0.0
    while time.monotonic() - back < 10:
        now_s = time.monotonic() - back
        if line.reader.is_connected and line.reader.lying_s() > GOOD_WHILE_STALE_S:
            line.lying_s = now_s
        if line.reader.is_connected and not well_s and line.reader.is_well():
            well_s = now_s
        await asyncio.sleep(SAMPLE_S)
    await line.until_well()
    line.recovered_s = well_s or line.recovered_s + 10
    await line.books_agree()
    _print(line, "kill -9 of the broker, back after 3 s", capsys)
    assert line.lying_s <= GOOD_WHILE_STALE_S


def _print(line: Line, fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    lying = f"{line.lying_s:4.1f} s" if line.has_writer else "not judged"
    with capsys.disabled():
        print(
            f"\n{fault:48} Good while stale {lying:10}   "
            f"well again after {line.recovered_s:4.1f} s   "
            f"books agree after {line.erp.confirmations_received} confirmations "
            f"({line.erp.duplicates} repeats refused)"
        )
