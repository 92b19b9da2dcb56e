"""The bridge with a real Modbus server on one side and a real broker on the other."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bridges import get_driver
from uns.mqtt import Broker, connect
from uns.project.catalogue import Catalogue
from uns.project.load import load
from uns.service.bridge import BridgeService
from uns.service.broker import EmbeddedBroker
from uns.service.definitions import alias_of
from uns.service.edge import now_ms
from uns.sim.modbus_server import ModbusServer
from uns.sparkplug import Born, Changed, Died, HostApplication
from uns.store.backlog import Backlog
from uns.store.state import State

pytestmark = pytest.mark.slow

PROJECT = """\
enterprise: acme
sites: {{leeds: {{}}}}
types:
  filler:
    tags:
      good: {{type: uint32, counter: true}}
      bad: {{type: uint32, counter: true}}
      pressure: {{unit: bar, range: [0, 6]}}
      yield: {{unit: "%", calc: 100 * good / (good + bad)}}
bindings:
  plc:
    driver: modbus
    connection: {{host: 127.0.0.1, port: {port}}}
    tags: {{good: "hr:0 uint32", bad: "hr:2 uint32", pressure: "hr:4 float32"}}
instances:
  - {{path: leeds/packaging/line1/filler, is: filler, bind: plc}}
"""
WAIT_S = 15.0


@dataclass
class Host:
    """What a Sparkplug host application makes of the bridge's messages."""

    events: list[Any] = field(default_factory=list)

    def find(self, kind: type, device: str | None = "filler") -> list[Any]:
        return [e for e in self.events if isinstance(e, kind) and e.device_id == device]

    def value(self, name: str) -> Any:
        """The last value that the filler's births or data gave to a metric."""
        for event in reversed(self.events):
            if isinstance(event, Changed):
                found = [u[1] for u in event.updates if u[0].name == name]
                if found:
                    return found[-1]
            if isinstance(event, Born) and event.device_id == "filler":
                return next(slot.value for slot in event.slots if slot.name == name)
        return None

    async def until(self, is_so: Callable[[], object]) -> None:
        async with asyncio.timeout(WAIT_S):
            while not is_so():
                await asyncio.sleep(0.05)


@dataclass
class Rig:
    """A PLC, a broker, a project for both, and a host that listens."""

    plc: ModbusServer
    broker: EmbeddedBroker
    project: Any
    state_path: Path
    host: Host

    @contextlib.asynccontextmanager
    async def bridge(self) -> AsyncIterator[BridgeService]:
        state = State(self.state_path)
        backlog = Backlog(self.state_path.with_name("backlog.db"))
        service = BridgeService(
            self.project,
            self.project.machines,
            [Broker.parse(self.broker.url)],
            state,
            backlog,
            get_driver,
        )
        task = asyncio.create_task(service.run())
        try:
            yield service
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            state.close()
            backlog.close()


async def _listen(host: Host, url: str) -> None:
    session = await connect(Broker.parse(url), "listener")
    await session.subscribe([("spBv1.0/#", 1)])
    core = HostApplication("listener")
    core.connected(now_ms())
    async for batch in session.batches():
        for message in batch:
            host.events += core.received(message, now_ms())


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """Everything but the bridge."""
    async with ModbusServer(port=0, units=[1]) as plc, EmbeddedBroker() as broker:
        for address, type_name, value in (
            (0, "uint32", 90),
            (2, "uint32", 10),
            (4, "float32", 3.5),
        ):
            plc[1].set("hr", address, value, type_name)
        (tmp_path / "plant.yaml").write_text(PROJECT.format(port=plc.port))
        loaded = load(tmp_path, Catalogue({"modbus": get_driver("modbus")}, {}))
        assert loaded.project is not None, loaded.diagnostics
        host = Host()
        listener = asyncio.create_task(_listen(host, broker.url))
        await asyncio.sleep(0.2)
        yield Rig(plc, broker, loaded.project, tmp_path / "state.db", host)
        listener.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listener


async def test_a_device_that_answers_is_born_with_all_its_values(rig: Rig) -> None:
    """The birth carries every tag with its topic and unit, derived ones too."""
    async with rig.bridge():
        await rig.host.until(lambda: rig.host.value("yield") == 90.0)
        (birth, *_) = rig.host.find(Born)
        slots = {slot.name: slot for slot in birth.slots}
        assert {"good", "bad", "pressure", "yield"} == set(slots)
        assert 90 == rig.host.value("good")
        assert "acme/leeds/packaging/line1/filler/pressure" == slots["pressure"].properties["uns"]
        assert ("bar", 6.0) == (
            slots["pressure"].properties["engUnit"],
            slots["pressure"].properties["engHigh"],
        )


async def test_the_alias_can_be_told_without_the_bridge(rig: Rig) -> None:
    """What `uns explain` says of a tag is what the births of a running bridge give it."""
    (machine,) = rig.project.machines
    told = {tag.name: alias_of(rig.project.machines, machine, tag) for tag in machine.tags}
    async with rig.bridge():
        await rig.host.until(lambda: rig.host.find(Born))
        (birth, *_) = rig.host.find(Born)
    assert told == {slot.name: slot.alias for slot in birth.slots}


async def test_only_what_changed_is_published(rig: Rig) -> None:
    """A counter that counts is data, with what is derived from it; its still neighbours are not."""
    async with rig.bridge():
        await rig.host.until(lambda: rig.host.value("yield") == 90.0)
        before = len(rig.host.find(Changed))
        rig.plc[1].set("hr", 0, 190, "uint32")
        await rig.host.until(lambda: len(rig.host.find(Changed)) > before)
        changed = {u[0].name: u[1] for e in rig.host.find(Changed)[before:] for u in e.updates}
        assert {"good", "yield"} == set(changed)
        assert 190 == changed["good"]
        assert 95.0 == pytest.approx(changed["yield"])


async def test_a_value_that_does_not_fit_is_told_with_its_connection(rig: Rig) -> None:
    """The device knows of nothing wrong; the flow names the tag until a value fits again."""
    path = rig.state_path.with_name("plant.yaml")
    narrow = path.read_text().replace("good: {type: uint32,", "good: {type: uint16,")
    path.write_text(narrow)
    rig.project = load(path.parent, Catalogue({"modbus": get_driver("modbus")}, {})).project
    rig.plc[1].set("hr", 0, 70_000, "uint32")
    async with rig.bridge() as service:
        (link,) = service.connections.values()
        await rig.host.until(lambda: link.health.misfits)
        (said,) = link.health.misfits.values()
        assert "70000 does not fit UInt16, which holds 0 to 65535" == said
        rig.plc[1].set("hr", 0, 7, "uint32")
        await rig.host.until(lambda: not link.health.misfits)


async def test_a_device_that_hangs_dies_and_comes_back(rig: Rig) -> None:
    """A PLC that no longer answers is a DDEATH within five seconds; then it is born again."""
    async with rig.bridge():
        await rig.host.until(lambda: rig.host.find(Born))
        began = asyncio.get_running_loop().time()
        rig.plc.hang()
        await rig.host.until(lambda: rig.host.find(Died))
        assert asyncio.get_running_loop().time() - began < 5
        rig.plc[1].set("hr", 0, 95, "uint32")
        rig.plc.resume()
        await rig.host.until(lambda: len(rig.host.find(Born)) > 1)
        await rig.host.until(lambda: rig.host.value("good") == 95)


async def test_every_session_has_its_own_bd_seq_over_restarts(rig: Rig) -> None:
    """The number in birth and death goes up with each session and survives the process."""
    numbers = []
    for _ in range(3):
        async with rig.bridge() as service:
            await rig.host.until(lambda: service.edges[0].health.is_online)
            numbers.append(service.edges[0].edge.bd_seq)
    assert sorted(set(numbers)) == numbers  # an attempt that was refused takes a number too


async def test_leaving_is_said(rig: Rig) -> None:
    """A bridge that is stopped publishes its death itself; nobody waits for a time-out."""
    async with rig.bridge():
        await rig.host.until(lambda: rig.host.find(Born))
    await rig.host.until(lambda: rig.host.find(Died, None))
