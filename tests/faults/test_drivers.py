"""Every networked driver meets every fault of a plant's network: it recovers, and never lies.

`make faults` prints the table: for each fault and driver how long values claimed to be Good
though nothing came, how long until every tag was Good again, and what was lost or came twice of
what the source kept. All drivers meet a fault at the same time, each with a device of its own.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import pytest

from bridges.driver import PollDriver
from uns.equipment import Connection
from uns.metric import Quality, Reading
from uns.service.connection import LONGEST_PAUSE_S, ConnectionState, ConnectionSupervisor
from uns.service.device_session import CONNECT_S
from uns.testing import TAGS, Device, DriverContract, FaultProxy, Line, free_port, proxied

pytestmark = pytest.mark.slow

CONTRACTS = sorted((Path(__file__).parents[1] / "bridges/contract").glob("test_*.py"))
FAULT_S = 10.0
AWAY_S = 5.0
WARM_S = 2.0
AFTER_S = 2.0
KEPT_S = 15.0  # for what was kept to come in
WELL_S = CONNECT_S + LONGEST_PAUSE_S + 5.0  # an attempt that hangs, a pause, and then values
LYING_S = 5.0  # the promise: DESIGN §9
SAMPLE_S = 0.05
MOST_CONNECTS = 20  # in ten seconds


@dataclass
class Trial:
    """One driver under its supervisor, connected to its device through a relay."""

    contract: DriverContract
    device: Device
    proxy: FaultProxy
    latest: dict[int, Reading] = field(default_factory=dict)
    told: list[Reading] = field(default_factory=list)
    last_at: float = field(default_factory=time.monotonic)
    state: ConnectionState = ConnectionState.DOWN
    lying_s: float = 0.0
    well_s: float = 0.0
    connects: int = 0
    books: tuple[str, str] = ("", "")  # lost and twice
    why: Callable[[], object] = str  # its health, where it is not well

    @property
    def name(self) -> str:
        return self.contract.protocol

    @property
    def can_resume(self) -> bool:
        return hasattr(self.contract.driver_class, "resume") and self.contract.keeps

    def on_readings(self, readings: list[Reading]) -> None:
        """Take values that are current; the one said last may be said again after an outage."""
        self.last_at = time.monotonic()
        self._count([one for one in readings if self.latest.get(one[0]) != one])
        self.latest |= {reading[0]: reading for reading in readings}

    def on_late(self, readings: list[Reading]) -> None:
        self._count(readings)

    def on_state(self, state: ConnectionState) -> None:
        self.state = state

    def _count(self, readings: list[Reading]) -> None:
        self.told += [reading for reading in readings if reading[2] == Quality.GOOD]

    def good(self) -> int:
        return sum(reading[2] == Quality.GOOD for reading in self.latest.values())

    @property
    def is_well(self) -> bool:
        fresh = time.monotonic() - self.last_at < 1
        return fresh and self.state is ConnectionState.UP and self.good() == TAGS

    async def sample(self) -> None:
        """Note for how long values of a device that says nothing claim to be Good."""
        while True:
            if self.state is ConnectionState.UP and self.good():
                self.lying_s = max(self.lying_s, time.monotonic() - self.last_at)
            await asyncio.sleep(SAMPLE_S)

    async def until_well(self) -> None:
        self.last_at -= 1  # what was seen before the end of the fault proves nothing
        began = time.monotonic()
        while not self.is_well:
            assert time.monotonic() - began < WELL_S, f"{self.name} is not well again: {self.why()}"
            await asyncio.sleep(SAMPLE_S)
        self.well_s = time.monotonic() - began

    async def until_settled(self) -> None:
        """Let come in what was kept; thousands of rows take their time."""
        await asyncio.sleep(AFTER_S)
        began = time.monotonic()
        while self.can_resume and self.balance()[0] != "0" and time.monotonic() - began < KEPT_S:
            await asyncio.sleep(AFTER_S)

    def balance(self) -> tuple[str, str]:
        """What was lost and what came twice; a driver that polls sees what is there when it asks."""
        if issubclass(self.contract.driver_class, PollDriver) and not self.can_resume:
            return "polled", "polled"
        values = [(reading[0], reading[1]) for reading in self.told]
        numbers = [value for tag, value in values if tag == 0 and isinstance(value, int)]
        lost = max(numbers) - min(numbers) + 1 - len(set(numbers))
        return str(lost), str(len(values) - len(set(values)))


async def killed(trial: Trial) -> None:
    trial.device.kill()
    await asyncio.sleep(AWAY_S)
    await asyncio.to_thread(trial.device.start, TAGS)


async def stopped(trial: Trial) -> None:
    trial.device.terminate()
    await asyncio.sleep(AWAY_S)
    await asyncio.to_thread(trial.device.start, TAGS)


async def half_there(trial: Trial) -> None:
    trial.device.kill()
    await asyncio.to_thread(trial.device.start, TAGS // 2)
    await asyncio.sleep(AWAY_S)
    trial.device.kill()
    await asyncio.to_thread(trial.device.start, TAGS)


async def hung(trial: Trial) -> None:
    trial.device.freeze()
    await asyncio.sleep(FAULT_S)
    assert not trial.is_well, f"{trial.name} did not hang"
    trial.device.thaw()


async def cut(trial: Trial) -> None:
    trial.proxy.cut()
    await asyncio.sleep(FAULT_S)
    assert not trial.is_well, f"{trial.name} was not cut"
    trial.proxy.heal()


async def cut_long(trial: Trial) -> None:
    trial.proxy.cut()
    await asyncio.sleep(60)
    trial.proxy.heal()


async def one_way(trial: Trial) -> None:
    trial.proxy.cut_answers()
    await asyncio.sleep(FAULT_S)
    trial.proxy.heal()


async def forgotten(trial: Trial) -> None:
    trial.proxy.strand()


async def refused(trial: Trial) -> None:
    await trial.proxy.refuse()
    trial.proxy.reset()
    await asyncio.sleep(FAULT_S)
    await trial.proxy.accept()


async def reset_storm(trial: Trial) -> None:
    before = trial.proxy.accepted
    for _ in range(int(FAULT_S / 0.2)):
        trial.proxy.reset()
        await asyncio.sleep(0.2)
    trial.connects = trial.proxy.accepted - before


async def hung_up(trial: Trial) -> None:
    await trial.proxy.refuse()
    trial.proxy.reset()

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        trial.connects += 1
        writer.close()

    async with await asyncio.start_server(hang_up, trial.proxy.host, trial.proxy.port):
        await asyncio.sleep(FAULT_S)
    await trial.proxy.accept()


async def late(trial: Trial) -> None:
    trial.proxy.line = Line(delay_s=2)
    await asyncio.sleep(FAULT_S)
    trial.proxy.heal()


async def trickle(trial: Trial) -> None:
    trial.proxy.line = Line(piece=1, pause_s=0.01)
    await asyncio.sleep(FAULT_S)
    trial.proxy.heal()


async def garbage(trial: Trial) -> None:
    trial.proxy.garble()
    await asyncio.sleep(FAULT_S)
    trial.proxy.heal()


async def half_answers(trial: Trial) -> None:
    trial.proxy.truncate(1000)
    await asyncio.sleep(FAULT_S)
    trial.proxy.heal()


class Fault(NamedTuple):
    """What is done, whether the device goes on counting, and whether it keeps that for us."""

    inflict: Callable[[Trial], Awaitable[None]]
    is_counting: bool = True
    is_kept: bool = True
    most_connects: int = 0


FAULTS = {
    "kill -9, back after 5 s": Fault(killed, is_counting=False),
    "stopped, back after 5 s": Fault(stopped, is_counting=False),
    "half of the tags for 5 s": Fault(half_there, is_counting=False),
    "hung for 10 s": Fault(hung),
    "cable pulled for 10 s": Fault(cut),
    "cable pulled for 60 s": Fault(cut_long, is_kept=False),  # OPC UA's `keep_s` is 60 s
    "answers lost for 10 s": Fault(one_way),
    "half-open connection": Fault(forgotten),
    "refused for 10 s": Fault(refused),
    # 50 resets; a session that delivers in between is a new story, and tried again at once.
    "reset every 200 ms for 10 s": Fault(reset_storm, most_connects=55),
    "hangs up at once for 10 s": Fault(hung_up, most_connects=12),
    "answers 2 s late for 10 s": Fault(late),
    "a byte in 10 ms for 10 s": Fault(trickle),
    "garbage for 10 s": Fault(garbage),
    "half answers for 10 s": Fault(half_answers),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_driver_survives(fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing claims to be Good for 5 s without its device; all is well again by itself."""
    contracts = _contracts()
    assert contracts
    met = FAULTS[fault]
    trials = await asyncio.gather(*(_tried(contract, met) for contract in contracts))
    with capsys.disabled():
        _print(fault, trials)
    assert [] == [trial.name for trial in trials if trial.lying_s > LYING_S]
    assert [] == [trial.name for trial in trials if trial.connects > met.most_connects]
    kept = [trial for trial in trials if trial.can_resume and met.is_counting and met.is_kept]
    assert [] == [(trial.name, trial.books) for trial in kept if trial.books[0] != "0"]
    assert [] == [trial.name for trial in kept if trial.books[1] != "0"]


def _print(fault: str, trials: list[Trial]) -> None:
    print(f"\n{fault:31}  Good while stale  well after    lost   twice  connects")
    for trial in trials:
        lost, twice = trial.books
        print(
            f"  {trial.name:29}{trial.lying_s:14.1f} s{trial.well_s:10.1f} s"
            f"{lost:>8}{twice:>8}{trial.connects or '':>10}"
        )


async def _tried(contract: DriverContract, fault: Fault) -> Trial:
    async with _running(contract) as trial:
        await trial.until_well()
        await asyncio.sleep(WARM_S)
        trial.lying_s = 0.0
        await fault.inflict(trial)
        await trial.until_well()
        await trial.until_settled()
        trial.books = trial.balance() if fault.is_counting else ("anew", "anew")
    return trial


@asynccontextmanager
async def _running(contract: DriverContract) -> AsyncIterator[Trial]:
    device = Device(contract.command, free_port())
    await asyncio.to_thread(device.start, TAGS)
    try:
        async with proxied(device.port) as proxy:
            trial = Trial(contract, device, proxy)
            supervisor = _supervisor(trial)
            trial.why = lambda: supervisor.health
            tasks = [
                asyncio.create_task(supervisor.run()),
                asyncio.create_task(trial.sample()),
            ]
            try:
                yield trial
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)
    finally:
        device.kill()


def _supervisor(trial: Trial) -> ConnectionSupervisor:
    contract, port = trial.contract, trial.proxy.port
    config = contract.config(port)
    return ConnectionSupervisor(
        Connection(config.key(), contract.protocol, config),
        contract.driver_class,
        [replace(tag, deliver_every=True) for tag in contract.tags(port)],
        trial.on_readings,
        trial.on_state,
        on_late=trial.on_late,
        label="porto/line1",
    )


def _contracts() -> list[DriverContract]:
    """Those of drivers that need a network, where their libraries are installed.

    UNS_FAULTS_OF=opcua,modbus picks some.
    """
    wanted = os.environ.get("UNS_FAULTS_OF", "").split(",")
    found = []
    for path in CONTRACTS:
        spec = importlib.util.spec_from_file_location(f"contract_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        with suppress(pytest.skip.Exception):  # its library is not here
            spec.loader.exec_module(module)
            found += [
                made
                for made in vars(module).values()
                if isinstance(made, type) and issubclass(made, DriverContract)
            ]
    contracts = [made() for made in found if made is not DriverContract]
    return [
        contract
        for contract in contracts
        if contract.config(1).endpoint() and (wanted == [""] or contract.protocol in wanted)
    ]
