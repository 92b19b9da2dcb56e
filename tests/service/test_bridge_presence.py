"""The bridges on a real broker: their `_state`, the flow of each connection, their last words."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from bridges import get_driver
from uns.equipment import Connection, Machine, SparkplugId
from uns.message import Message
from uns.mqtt import Broker, connect
from uns.project.catalogue import Catalogue
from uns.project.load import load
from uns.service.bridge_presence import BridgePresence
from uns.service.broker import MosquittoBroker
from uns.service.connection_flow import FlowSource
from uns.service.connection_health import ConnectionHealth, ConnectionPhase, ConnectionState
from uns.service.runtime import Part, Runtime
from uns.sim.modbus_server import ModbusServer
from uns.topic import Topic

pytestmark = pytest.mark.slow

STATE = "acme/_service/bridges-gw1/_state"
FLOW = "acme/_flow/leeds/s7-10-2-1-20"
PROJECT = """\
enterprise: acme
sites: {{leeds: {{}}}}
types: {{filler: {{tags: {{speed: {{type: uint32}}, missing: {{type: uint16}}}}}}}}
bindings:
  plc:
    driver: modbus
    connection: {{host: 127.0.0.1, port: {port}}}
    tags: {{speed: "hr:0 uint32", missing: "hr:60000"}}
instances:
  - {{path: leeds/packaging/line1/filler, is: filler, bind: plc}}
"""


class Monitor:
    """What a central monitor holds: the last of each topic that it reads, while it is retained."""

    def __init__(self) -> None:
        self.shown: dict[str, Any] = {}

    async def run(self, broker: Broker) -> None:
        session = await connect(broker, "monitor")
        await session.subscribe([("acme/_flow/#", 1), ("acme/_service/+/_state", 1)])
        async for batch in session.batches():
            for message in batch:
                self._take(message)

    def _take(self, message: Message) -> None:
        if message.payload:
            self.shown[message.topic] = json.loads(message.payload)
        else:
            self.shown.pop(message.topic, None)

    def state(self, topic: str) -> str:
        return str(self.shown.get(topic, {}).get("state"))


@pytest.fixture
async def monitor(mosquitto: MosquittoBroker) -> AsyncIterator[Monitor]:
    """A reader of everything that concerns health."""
    made = Monitor()
    task = asyncio.create_task(made.run(Broker.parse(mosquitto.url)))
    yield made
    task.cancel()
    await asyncio.wait([task])


def presence(
    url: str, health: ConnectionHealth, key: str = "s7://10.2.1.20", enterprise: str = "acme"
) -> BridgePresence:
    topic = Topic(f"{enterprise}/leeds/packaging/line1/filler")
    machine = Machine(topic, "filler", 1, ("filler",), (), SparkplugId("g", "n", "d"))
    source = FlowSource(Connection(key, "s7", None), [machine], {}, health)
    return BridgePresence(enterprise, "bridges-gw1", [Broker.parse(url)], lambda: [source])


@contextlib.asynccontextmanager
async def running(made: BridgePresence | Runtime) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(made.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=15)


def up() -> ConnectionHealth:
    return ConnectionHealth(ConnectionState.UP, ConnectionPhase.RUNNING, tags_good=7)


async def test_a_lost_device_is_on_the_broker_within_a_second(
    mosquitto: MosquittoBroker, monitor: Monitor, until: Callable[..., Any]
) -> None:
    """Its flow says so, and the service counts it, with the reason."""
    health = up()
    async with running(presence(mosquitto.url, health)):
        await until(lambda: monitor.state(FLOW) == "running", "the flow")
        assert 1 == monitor.shown[STATE]["connections_up"]
        health.state, health.last_error = ConnectionState.DOWN, "no route to host"
        await until(lambda: monitor.state(FLOW) == "retrying", "the loss", 3.0)
        await until(lambda: monitor.shown[STATE]["connections_down"] == 1, "the count", 3.0)
        assert ["s7://10.2.1.20: no route to host"] == monitor.shown[STATE]["reasons"]
        assert "online" == monitor.state(STATE)


async def test_a_stopped_service_says_so(
    mosquitto: MosquittoBroker, monitor: Monitor, until: Callable[..., Any]
) -> None:
    """Its connections are stopped, and it is offline on purpose."""
    async with running(presence(mosquitto.url, up())):
        await until(lambda: monitor.state(FLOW) == "running", "the flow")
    await until(lambda: monitor.state(STATE) == "offline", "the goodbye")
    assert ("stopped", "stopped") == (monitor.state(FLOW), monitor.shown[STATE]["reason"])


async def test_projects_of_two_enterprises_share_computer_and_broker(
    mosquitto: MosquittoBroker, monitor: Monitor, until: Callable[..., Any]
) -> None:
    """Neither throws the other off the broker."""
    theirs = presence(mosquitto.url, up(), enterprise="other")
    async with running(presence(mosquitto.url, up())), running(theirs):
        await until(lambda: monitor.state(FLOW) == "running", "the flow")
        await asyncio.sleep(1.5)
        assert "online" == monitor.state(STATE)


async def test_the_broker_speaks_for_one_that_was_cut_off(
    mosquitto: MosquittoBroker, monitor: Monitor, until: Callable[..., Any], cable: Any
) -> None:
    """The will says offline; when the cable is back it is online again, with all its flows."""
    async with running(presence(cable.url, up())):
        await until(lambda: monitor.state(FLOW) == "running", "the flow")
        cable.silence()
        await until(lambda: monitor.state(STATE) == "offline", "the will")
        assert "killed, or cut off" in monitor.shown[STATE]["reason"]
        cable.mend()
        await until(lambda: monitor.state(STATE) == "online", "its return")


async def test_flows_of_a_former_life_are_gone(
    mosquitto: MosquittoBroker, monitor: Monitor, until: Callable[..., Any]
) -> None:
    """The project was changed while nothing ran."""
    async with running(presence(mosquitto.url, up(), "s7://10.2.1.99")):
        await until(lambda: "acme/_flow/leeds/s7-10-2-1-99" in monitor.shown, "the old flow")
    async with running(presence(mosquitto.url, up())):
        await until(lambda: monitor.state(FLOW) == "running", "the flow")
        await until(lambda: {FLOW, STATE} == monitor.shown.keys(), "the old one's end")


async def test_a_running_project_shows_its_connections(
    mosquitto: MosquittoBroker, monitor: Monitor, until: Callable[..., Any], tmp_path: Path
) -> None:
    """From a real PLC: a tag that it refuses, and what becomes of it when the PLC is off."""
    async with ModbusServer(port=0, units=[1]) as plc:
        (tmp_path / "plant.yaml").write_text(PROJECT.format(port=plc.port))
        loaded = load(tmp_path, Catalogue({"modbus": get_driver("modbus")}, {}))
        assert loaded.project is not None, loaded.diagnostics
        brokers = [Broker.parse(mosquitto.url)]
        runtime = Runtime(loaded.project, brokers, tmp_path / "state", parts=[Part.BRIDGES])
        flow = f"acme/_flow/leeds/modbus-127-0-0-1-{plc.port}"
        async with running(runtime):
            await until(lambda: monitor.state(flow) == "degraded", "the flow")
            shown = monitor.shown[flow]
            assert (1, 1) == (shown["tags_good"], shown["tags_bad"])
            assert "missing: it has no such address (exception 2)" in shown["problems"][0]
            await plc.close()
            await until(lambda: monitor.state(flow) == "retrying", "the loss")
        await until(lambda: monitor.state(flow) == "stopped", "the stop")
        (service,) = [
            topic for topic in monitor.shown if topic.startswith("acme/_service/bridges-")
        ]
        await until(lambda: monitor.state(service) == "offline", "the goodbye")
