"""Two brokers: the line moves to the other when its own dies, and both show the whole tree."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest

from bridges import get_driver
from uns.mqtt import Broker
from uns.project.catalogue import Catalogue
from uns.project.load import load
from uns.service.broker import MosquittoBroker
from uns.service.runtime import Part, Runtime
from uns.sim.modbus_server import ModbusServer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("mosquitto") or Path("/usr/sbin/mosquitto").exists()),
        reason="wants the Debian package mosquitto",
    ),
]

WAIT_S = 20.0
PRESSURE = "acme/leeds/packaging/line1/filler/pressure"
PROJECT = """\
enterprise: acme
sites: {{leeds: {{}}}}
sparkplug: {{primary_host: uns-acme}}
types:
  filler:
    tags:
      pressure: {{unit: bar, range: [0, 60]}}
bindings:
  plc:
    driver: modbus
    connection: {{host: 127.0.0.1, port: {port}}}
    tags: {{pressure: "hr:4 float32"}}
instances:
  - {{path: leeds/packaging/line1/filler, is: filler, bind: plc}}
"""


class Reader:
    """A consumer of one broker's tree, which also hears what its edge nodes say."""

    def __init__(self, port: int) -> None:
        self.shown: dict[str, Any] = {}
        self.heard: list[str] = []
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda *_: self._client.subscribe(
            [("acme/#", 1), ("spBv1.0/#", 1)]
        )
        self._client.on_message = self._take
        self._client.reconnect_delay_set(0.1, 0.2)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _take(self, _: paho.Client, __: Any, message: paho.MQTTMessage) -> None:
        if message.topic == PRESSURE:
            payload = json.loads(message.payload)
            self.shown = payload
        elif message.topic.startswith("spBv1.0/acme:leeds/"):
            self.heard.append(message.topic.split("/")[2])

    def shows(self, value: float) -> bool:
        """Whether this broker's tree shows the value, and says that it is Good."""
        return self.shown.get("value") == value and self.shown["quality"] == "Good"

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
async def rig(
    tmp_path: Path,
) -> AsyncIterator[tuple[ModbusServer, list[MosquittoBroker], list[Reader]]]:
    """A PLC, two brokers with a reader each, and a project that runs on both."""
    async with (
        ModbusServer(port=0, units=[1]) as plc,
        MosquittoBroker(folder=tmp_path / "a") as first,
        MosquittoBroker(folder=tmp_path / "b") as second,
    ):
        (tmp_path / "plant.yaml").write_text(PROJECT.format(port=plc.port))
        plc[1].set("hr", 4, 1.0, "float32")
        loaded = load(tmp_path, Catalogue({"modbus": get_driver("modbus")}, {}))
        assert loaded.project is not None, loaded.diagnostics
        brokers = [Broker.parse(first.url), Broker.parse(second.url)]
        parts = (Part.BRIDGES, Part.NAMESPACE)
        runtime = Runtime(loaded.project, brokers, tmp_path / "state", parts=parts)
        readers = [Reader(first.port), Reader(second.port)]
        task = asyncio.create_task(runtime.run())
        try:
            yield plc, [first, second], readers
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            for reader in readers:
                reader.close()


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not is_so():
            await asyncio.sleep(0.05)


@pytest.mark.conforms(
    "tck-id-operational-behavior-primary-application-state-with-multiple-servers-state-subs",
    "tck-id-operational-behavior-primary-application-state-with-multiple-servers-single-server",
    "tck-id-operational-behavior-primary-application-state-with-multiple-servers-walk",
    "tck-id-operational-behavior-primary-application-state-with-multiple-servers-state",
    "tck-id-operational-behavior-edge-node-birth-sequence-wait",
)
async def test_a_line_walks_to_the_other_broker_and_every_tree_stays_true(
    rig: tuple[ModbusServer, list[MosquittoBroker], list[Reader]],
) -> None:
    """One session at a time, births on the server that lives; the tree is on each that is there."""
    plc, brokers, (first, second) = rig
    await _until(lambda: first.shows(1.0) and second.shows(1.0))
    assert "DBIRTH" in first.heard
    assert "DBIRTH" not in second.heard

    await brokers[0].kill()
    plc[1].set("hr", 4, 2.0, "float32")
    await _until(lambda: second.shows(2.0))
    assert "DBIRTH" in second.heard

    first.heard.clear()
    await brokers[0].restart()
    plc[1].set("hr", 4, 3.0, "float32")
    await _until(lambda: first.shows(3.0) and second.shows(3.0))
    await asyncio.sleep(1)
    assert "DBIRTH" not in first.heard  # it stays where it is while that works

    await brokers[1].kill()
    plc[1].set("hr", 4, 4.0, "float32")
    await _until(lambda: first.shows(4.0))
    assert "DBIRTH" in first.heard
