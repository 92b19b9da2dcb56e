"""Writes from a host, through the broker and the bridge, into a real Modbus server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bridges import get_driver
from uns.coercion import unscaled
from uns.equipment import Source, Tag, WritePolicy
from uns.message import Message
from uns.metric import DataType
from uns.mqtt import Broker, Session, connect
from uns.project.catalogue import Catalogue
from uns.project.load import load
from uns.service.bridge import BridgeService
from uns.service.broker import EmbeddedBroker
from uns.service.device_writes import DeviceWrites, refusal
from uns.service.edge import now_ms
from uns.sim.modbus_server import ModbusServer
from uns.sparkplug import MessageType, Metric, NodeId, Payload, encode, topic
from uns.store.backlog import Backlog
from uns.store.state import State
from uns.topic import Topic

NODE = NodeId("acme:leeds", "packaging:line1")
PROJECT = """\
enterprise: acme
sites: {{leeds: {{}}}}
types:
  filler:
    tags:
      speed: {{type: uint32}}
      setpoint: {{type: float, range: [0, 100], scale: [0, 1000, 0, 100], write: true}}
bindings:
  plc:
    driver: modbus
    connection: {{host: 127.0.0.1, port: {port}}}
    tags: {{speed: "hr:0 uint32", setpoint: "hr:4 float32"}}
instances:
  - {{path: leeds/packaging/line1/filler, is: filler, bind: plc}}
"""


def test_a_scaled_value_goes_back_to_what_the_device_counts_in() -> None:
    """Half of 0…100 is half of the raw range, wherever that begins."""
    assert 15_824.0 == unscaled(50.0, (4000.0, 27_648.0, 0.0, 100.0))
    assert "x" == unscaled("x", (0.0, 1.0, 0.0, 2.0))
    assert unscaled(1.0, (0.0, 1.0, 5.0, 5.0)) is None


@pytest.fixture
async def plc(tmp_path: Path) -> AsyncIterator[tuple[ModbusServer, Session]]:
    """A PLC behind a bridge, and a session for a host's commands."""
    async with ModbusServer(port=0, units=[1]) as server, EmbeddedBroker() as broker:
        (tmp_path / "plant.yaml").write_text(PROJECT.format(port=server.port))
        loaded = load(tmp_path, Catalogue({"modbus": get_driver("modbus")}, {}))
        assert loaded.project is not None, loaded.diagnostics
        place = Broker.parse(broker.url)
        state = State(tmp_path / "state.db")
        backlog = Backlog(tmp_path / "backlog.db")
        service = BridgeService(
            loaded.project, loaded.project.machines, [place], state, backlog, get_driver
        )
        task = asyncio.create_task(service.run())
        await _until(lambda: service.edges[0].health.births > 1)
        session = await connect(place, "host")
        yield server, session
        await session.close()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        state.close()
        backlog.close()


async def _until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(15):
        while not is_so():
            await asyncio.sleep(0.05)


def _command(name: str, value: float, datatype: DataType) -> Message:
    now = now_ms()
    metric = Metric(name, value, datatype, timestamp_ms=now)
    return Message(topic(MessageType.DCMD, NODE, "filler"), encode(Payload(now, (metric,))))


@pytest.mark.slow
async def test_a_writable_tag_is_written_in_the_devices_own_units(
    plc: tuple[ModbusServer, Session], caplog: pytest.LogCaptureFixture
) -> None:
    """A DCMD of 42.5 % arrives as 425 counts, and the log says what was set."""
    server, session = plc
    with caplog.at_level(logging.INFO, "uns.bridge"):
        await session.publish(_command("setpoint", 42.5, DataType.FLOAT))
        await _until(lambda: server[1].get("hr", 4, "float32") == 425.0)
        await _until(lambda: "setpoint was set to 42.5" in caplog.text)


@pytest.mark.slow
async def test_what_the_project_forbids_is_never_written(
    plc: tuple[ModbusServer, Session], caplog: pytest.LogCaptureFixture
) -> None:
    """A tag without `write` and a value out of range are refused by name; the next goes through."""
    server, session = plc
    await session.publish(_command("speed", 7, DataType.UINT32))
    await session.publish(_command("setpoint", 101.0, DataType.FLOAT))
    await session.publish(_command("setpoint", 100.0, DataType.FLOAT))
    await _until(lambda: server[1].get("hr", 4, "float32") == 1000.0)
    assert 0 == server[1].get("hr", 0, "uint32")
    assert "filler/speed was not set to 7: it may only be read" in caplog.text
    assert "filler/setpoint was not set to 101.0: its range ends at 100" in caplog.text


def test_a_policy_is_narrower_than_the_range(caplog: pytest.LogCaptureFixture) -> None:
    """What may be written has limits of its own, and a write too soon after another is refused."""
    place = Topic("acme/leeds/packaging/line1/filler/setpoint")
    tag = Tag("setpoint", place, low=0, high=100, write=WritePolicy((), 40, 60, every_s=60))
    tag = replace(tag, source=Source("plc", "x", "x"))
    assert ["only 40 to 60 may be written", ""] == [refusal(tag, value) for value in (30, 50)]

    async def write(_: object) -> list[str]:
        return []

    writes = DeviceWrites(write)
    writes.ask(tag, 1, 50)
    writes.ask(tag, 1, 51)
    writes.ask(tag, 2, 51)
    assert ["it may be written every 60 s"] == [
        record.getMessage().partition(": ")[2].partition(",")[0] for record in caplog.records
    ]
