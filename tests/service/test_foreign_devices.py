"""A SCADA's edge node on a real broker, and the tree that a project's rules make of it."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import suppress
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from uns.errors import BrokerError
from uns.mqtt import Broker
from uns.project.catalogue import Catalogue
from uns.project.load import load
from uns.service.broker import MosquittoBroker
from uns.service.namespace import NamespaceService
from uns.sparkplug.wire import PayloadMessage

pytestmark = pytest.mark.slow

INT32, UINT32, UINT64, FLOAT, BOOLEAN, STRING, TEMPLATE = 3, 7, 8, 9, 11, 12, 19
LINE = "acme/leeds/packaging/line1"
PROJECT = """
enterprise: acme
sites: {leeds: {}}
types:
  filler:
    tags:
      bowl_pressure: {unit: bar, range: [0, 6], optional: true}
      state: {states: {2: Stopped, 6: Execute}, optional: true}
instances:
  - {path: leeds/packaging/line1/filler, is: filler}
sparkplug:
  foreign:
    - devices: "Plant 1/Line{n}/{device}"
      path: "leeds/packaging/line{n}/{device:snake}"
      metrics: {"Inputs/PT 101": bowl_pressure, "Status/State": state, "Hidden/*": null}
"""


class Scada:
    """An edge node as Ignition's MQTT Transmission is one: a will, births, data by alias."""

    def __init__(self, port: int) -> None:
        self.births = 0
        self._seq = 0
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.will_set("spBv1.0/Plant 1/NDEATH/Line1", _bytes(_bd_seq(), seq=None), 1)
        self.client.on_connect = lambda *_: self.client.subscribe("spBv1.0/Plant 1/NCMD/Line1", 1)
        self.client.on_subscribe = lambda *_: self.born()
        self.client.on_message = lambda *_: self.born()
        self.client.connect("127.0.0.1", port, keepalive=5)
        self.client.loop_start()

    def born(self) -> None:
        self._seq = 0
        rebirth = {"name": "Node Control/Rebirth", "datatype": BOOLEAN, "boolean_value": False}
        motor = _template({"name": "Speed", "datatype": INT32, "int_value": 0}, is_definition=True)
        definition = {"name": "_types_/Motor", "datatype": TEMPLATE, "template_value": motor}
        self.send("NBIRTH/Line1", _bd_seq(), rebirth, definition)
        pump = _template(
            {"name": "Speed", "datatype": INT32, "int_value": 1500},
            is_definition=False,
            template_ref="_types_/Motor",
        )
        self.send(
            "DBIRTH/Line1/Filler",
            {"name": "Inputs/PT 101", "alias": 1, "datatype": FLOAT, "float_value": 3.5},
            {"name": "Status/State", "alias": 2, "datatype": INT32, "int_value": 6},
            {"name": "Total Count", "alias": 3, "datatype": UINT32, "long_value": 4294967295},
            {"name": "Total-Count", "alias": 4, "datatype": UINT32, "long_value": 1},
            {"name": "Pump 1", "alias": 5, "datatype": TEMPLATE, "template_value": pump},
            {"name": "Hidden/Serial", "datatype": STRING, "string_value": "secret"},
        )
        self.births += 1

    def send(self, place: str, *metrics: dict) -> None:
        verb, _, rest = place.partition("/")
        payload = _bytes(*metrics, seq=self._seq)
        self.client.publish(f"spBv1.0/Plant 1/{verb}/{rest}", payload)
        self._seq = (self._seq + 1) % 256

    def cut(self) -> None:
        """Pull the plug: no DISCONNECT, so the broker publishes the will."""
        self.client.loop_stop()
        self.client.socket().close()


def _bd_seq() -> dict:
    return {"name": "bdSeq", "datatype": UINT64, "long_value": 3}


def _bytes(*metrics: dict, seq: int | None) -> bytes:
    message = PayloadMessage(timestamp=time.time_ns() // 1_000_000)
    if seq is not None:
        message.seq = seq
    for metric in metrics:
        _fill(message.metrics.add(), metric)
    return message.SerializeToString()


def _template(*members: dict, **fields):
    message = PayloadMessage().metrics.add().template_value
    for member in members:
        _fill(message.metrics.add(), member)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def _fill(message, fields: dict) -> None:
    for name, value in fields.items():
        if name == "template_value":
            message.template_value.CopyFrom(value)
        else:
            setattr(message, name, value)


async def until(condition, what: str, deadline_s: float = 10.0) -> None:
    """Wait for something that another thread sees."""
    try:
        async with asyncio.timeout(deadline_s):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {deadline_s} s: {what}") from None


@pytest.fixture
async def port(tmp_path: Path):
    """Mosquitto with the configuration that we write."""
    broker = MosquittoBroker(folder=tmp_path / "broker")
    (tmp_path / "broker").mkdir()
    try:
        await broker.start()
    except BrokerError as error:
        pytest.skip(f"needs the Debian package mosquitto: {error}")
    yield broker.port
    await broker.stop()


@pytest.fixture
async def service(tmp_path: Path, port: int):
    """The namespace service of the project above, not started yet."""
    (tmp_path / "plant.yaml").write_text(PROJECT)
    project = load(tmp_path / "plant.yaml", Catalogue({}, {})).project
    assert project is not None
    return NamespaceService(
        project.enterprise,
        project.machines,
        [Broker.parse(f"mqtt://127.0.0.1:{port}")],
        foreign=project.sparkplug.foreign,
    )


class Reader:
    """Somebody who subscribes to the line, and what is retained there for them."""

    def __init__(self, port: int) -> None:
        self.shown: dict[str, dict] = {}
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.on_message = self._take
        self.client.on_connect = lambda *_: self.client.subscribe(f"{LINE}/#", 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _take(self, _client, _context, message) -> None:
        with suppress(ValueError):
            self.shown[message.topic.removeprefix(f"{LINE}/")] = json.loads(message.payload)

    def has(self, name: str, **members: object) -> bool:
        return members.items() <= self.shown.get(name, {}).items()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


async def test_a_scada_s_devices_stand_on_the_tree_until_they_die(
    service: NamespaceService, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """From a birth nobody heard to the will: asked for again, mapped, judged, fresh, stale."""
    caplog.set_level(logging.WARNING, "uns.namespace")
    scada = Scada(port)
    await until(lambda: scada.births == 1, "the births that nobody heard")
    task = asyncio.create_task(service.run(), name="namespace")
    reader = Reader(port)
    try:
        await until(lambda: service.health.is_online or task.done(), "the service is online", 15)
        scada.send("DDATA/Line1/Filler", {"alias": 1, "float_value": 4.0})
        await until(lambda: scada.births > 1, "the births were asked for")
        await until(
            lambda: reader.has("filler/bowl_pressure", value=3.5, quality="Good", unit="bar"),
            "the tag of the type, with its unit",
        )
        await until(lambda: reader.has("filler/state", value="Execute"), "the state's name")
        await until(lambda: reader.has("filler/total_count", value=4294967295), "a UInt32")
        await until(lambda: reader.has("filler/pump_1/speed", value=1500), "a template's member")
        await until(lambda: reader.has("filler/_state", state="online"), "the machine is there")
        scada.send("DDATA/Line1/Filler", {"alias": 1, "float_value": 7.5})
        await until(
            lambda: reader.has("filler/bowl_pressure", value=7.5, detail="Range"),
            "the type's range judges it",
        )
        assert not [name for name in reader.shown if "hidden" in name or "_types_" in name]
        said = [r.getMessage() for r in caplog.records if "no place on the tree" in r.getMessage()]
        assert 1 == len(said)
        assert "`Total-Count`" in said[0]
        scada.cut()
        for name in ("filler/bowl_pressure", "filler/total_count", "filler/pump_1/speed"):
            await until(lambda name=name: reader.has(name, detail="Stale"), f"{name} is stale")
        await until(lambda: reader.has("_state", state="offline"), "the line is gone with it")
    finally:
        reader.close()
        task.cancel()
        await asyncio.wait([task], timeout=10)
