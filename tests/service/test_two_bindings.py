"""A machine with two bindings: a filler on OPC UA whose energy sits on a Modbus meter."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from bridges import get_driver
from uns.metric import DataType
from uns.mqtt import Broker, connect
from uns.project.catalogue import Catalogue
from uns.project.load import load
from uns.service.bridge import BridgeService
from uns.service.broker import EmbeddedBroker
from uns.service.edge import now_ms
from uns.sim.modbus_server import ModbusServer
from uns.sim.opcua_server import OpcUaServer, ServedTag
from uns.sparkplug import Born, Changed, HostApplication
from uns.store.backlog import Backlog
from uns.store.state import State

pytestmark = pytest.mark.slow

PROJECT = """\
enterprise: acme
types:
  filler:
    tags:
      speed: {{type: Double, unit: "{{bottle}}/h"}}
      power: {{unit: kW}}
      energy: {{unit: kW.h, counter: true}}
bindings:
  sidel:
    driver: opcua
    connection: {{endpoint: "{endpoint}", namespace: "urn:sidel:filler"}}
    tags: "s={{tag:pascal}}"
  energy-meter:
    driver: modbus
    connection: {{host: 127.0.0.1, port: {port}}}
    tags: {{power: "hr:0 float32", energy: "hr:2 uint32"}}
instances:
  - {{path: leeds/packaging/line1/filler, is: filler, bind: [sidel, energy-meter]}}
"""
WAIT_S = 20.0


async def _values(url: str, seen: dict[str, object]) -> None:
    """What a host sees of the filler, as it comes."""
    session = await connect(Broker.parse(url), "listener")
    await session.subscribe([("spBv1.0/#", 1)])
    core = HostApplication("listener")
    core.connected(now_ms())
    async for batch in session.batches():
        for message in batch:
            for event in core.received(message, now_ms()):
                if isinstance(event, Born) and event.device_id == "filler":
                    seen |= {slot.name: slot.value for slot in event.slots}
                elif isinstance(event, Changed):
                    seen |= {update[0].name: update[1] for update in event.updates}


async def test_one_machine_shows_the_values_of_both_its_devices(tmp_path: Path) -> None:
    """One Sparkplug device has the tags of two protocols, and each goes on changing."""
    tags = [ServedTag("Speed", DataType.DOUBLE, 42_000.0)]
    seen: dict[str, object] = {}
    async with (
        OpcUaServer("urn:sidel:filler", tags) as plc,
        ModbusServer(port=0, units=[1]) as meter,
        EmbeddedBroker() as broker,
    ):
        meter[1].set("hr", 0, 7.5, "float32")
        meter[1].set("hr", 2, 1234, "uint32")
        text = PROJECT.format(endpoint=plc.endpoint, port=meter.port)
        (tmp_path / "plant.yaml").write_text(text)
        drivers = {name: get_driver(name) for name in ("opcua", "modbus")}
        loaded = load(tmp_path, Catalogue(drivers))
        assert () == loaded.diagnostics
        assert loaded.project is not None
        assert 2 == len(loaded.project.connections)
        state, backlog = State(tmp_path / "state.db"), Backlog(tmp_path / "backlog.db")
        urls = [Broker.parse(broker.url)]
        machines = loaded.project.machines
        service = BridgeService(loaded.project, machines, urls, state, backlog, get_driver)
        tasks = [asyncio.create_task(_values(broker.url, seen))]
        await asyncio.sleep(0.2)
        tasks.append(asyncio.create_task(service.run()))
        try:
            await _until(seen, {"speed": 42_000.0, "power": 7.5, "energy": 1234})
            await plc.write([("Speed", 41_000.0, now_ms())])
            meter[1].set("hr", 2, 1240, "uint32")
            await _until(seen, {"speed": 41_000.0, "power": 7.5, "energy": 1240})
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            state.close()
            backlog.close()


async def _until(seen: dict[str, object], wanted: dict[str, object]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(WAIT_S):
            while seen != wanted:
                await asyncio.sleep(0.05)
    assert wanted == seen
