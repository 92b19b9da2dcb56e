"""Devices of two foreign libraries on the tree of one project: by rule, and by their own word."""

from __future__ import annotations

import asyncio
import json

import paho.mqtt.client as paho
import pytest

from uns.mqtt import Broker
from uns.project.catalogue import Catalogue
from uns.project.load import load
from uns.service.namespace import NamespaceService

pytestmark = pytest.mark.slow

AREA = "acme/leeds/packaging"
PROJECT = """
enterprise: acme
sites: {leeds: {}}
sparkplug:
  foreign:
    - devices: "Plant 1/Line {n}/{device}"
      path: "leeds/packaging/line{n}/{device:snake}"
      metrics: {"Inputs/PT 101": {name: pressure, unit: bar}, "Inputs/Unknown": null}
"""
TREE = {
    "line1/filler/bowl_pressure": {"value": 2.5, "unit": "bar"},  # its own property says where
    "line3/filler_1/inputs/good": {"value": 3_000_000_000},
    "line3/filler_1/inputs/offset": {"value": -30_000},
    "line3/filler_1/inputs/recipe": {"value": "Größe 1"},
    "line3/filler_1/outputs/run": {"value": False},
    "line4/filler_1/pressure": {"value": 2.5, "unit": "bar"},
    "line4/filler_1/inputs/good": {"value": 3_000_000_000},
    "line4/filler_1/inputs/total": {"value": -5},
}


@pytest.fixture
async def tree(mosquitto, tmp_path, until):
    """The namespace service of the project, and what a reader sees below the area."""
    (tmp_path / "plant.yaml").write_text(PROJECT)
    loaded = load(tmp_path / "plant.yaml", Catalogue({}, {}))
    assert loaded.project is not None, loaded.diagnostics
    service = NamespaceService(
        "acme",
        loaded.project.machines,
        [Broker.parse(mosquitto.url)],
        foreign=loaded.project.sparkplug.foreign,
    )
    shown: dict[str, dict] = {}

    def take(_client, _context, message) -> None:
        if message.payload:
            shown[message.topic.removeprefix(f"{AREA}/")] = json.loads(message.payload)

    reader = paho.Client(paho.CallbackAPIVersion.VERSION2)
    reader.on_message = take
    reader.on_connect = lambda *_: reader.subscribe(f"{AREA}/#", 1)
    reader.connect("127.0.0.1", mosquitto.port)
    reader.loop_start()
    running = asyncio.create_task(service.run())
    await until(lambda: service.health.is_online, "the tree's service is online")
    yield shown
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    reader.disconnect()
    await asyncio.to_thread(reader.loop_stop)


def _is_shown(shown, topic, **members) -> bool:
    return members.items() <= shown.get(topic, {}).items()


async def test_two_libraries_stand_on_one_tree(tree, node, pysparkplug, mosquitto, until):
    """Names with blanks and slashes find their places, units come along, the dead are stale."""
    client = await node("edge_node.js", mosquitto.url, "Plant 1", "Line 3")
    python = await pysparkplug(str(mosquitto.port), "Plant 1", "Line 4")
    await python.ask(do="connect")
    for topic, members in TREE.items():
        await until(
            lambda at=topic, its=members: _is_shown(tree, at, quality="Good", **its),
            f"{topic} shows {members}",
        )
    assert not [topic for topic in tree if "unknown" in topic]
    await client.hear("birth")
    client.tell(do="data", metrics=[["Inputs/PT 101", "Float", 3.5]])
    await until(lambda: _is_shown(tree, "line1/filler/bowl_pressure", value=3.5), "new data")
    client.tell(do="stop")
    python.tell(do="kill")
    for topic in ("line1/filler/bowl_pressure", "line4/filler_1/pressure"):
        await until(
            lambda at=topic: _is_shown(tree, at, quality="Uncertain", detail="Stale"),
            f"{topic} is stale",
        )
