"""A machine on a simulated OPC UA server, found by the names of its variables."""

from __future__ import annotations

import logging

import pytest

from bridges.driver import BoundTag
from bridges.opcua import OpcUaDriver
from uns.metric import Quality
from uns.project.catalogue import Catalogue
from uns.project.load import load
from uns.sim.move import moved
from uns.sim.plant import SimulatedPlant

pytestmark = pytest.mark.slow

_PROJECT = """
enterprise: small
types:
  maker:
    tags:
      state: {states: packml}
      speed: {unit: "{piece}/h", range: [0, 60000]}
      good: {type: UInt32, unit: "{piece}", counter: true}
      bad: {type: UInt32, unit: "{piece}", counter: true}
      temp: {unit: Cel, range: [0, 90]}
      zone: {unit: Cel, range: [0, 90]}
bindings:
  plc:
    driver: opcua
    connection: {endpoint: "opc.tcp://127.0.0.1:14840", namespace: "urn:press"}
    tags:
      state: /Objects/Press/Status/State
      speed: /Objects/Press/Status/Speed
      good: /Objects/Press/Admin/Good
      bad: s=Bad
      temp: "/Objects/Press/Temp &[°C&]"
      zone: s=Zones [2]
instances:
  - {path: "here/hall/line1/press", is: maker, bind: plc}
"""


async def test_names_are_served_and_read(tmp_path, caplog):
    """Browse paths and node ids side by side; elements of arrays are left out, and that is said."""
    (tmp_path / "project.yaml").write_text(_PROJECT)
    loaded = load(tmp_path, Catalogue(drivers={"opcua": OpcUaDriver}))
    assert loaded.project is not None, loaded.diagnostics
    project = moved(loaded.project)
    (connection,) = project.connections.values()
    tags = {tag.name: tag for tag in project.machines[0].tags}
    bound = [BoundTag(at, tag.source.address, tag.datatype) for at, tag in enumerate(tags.values())]
    with caplog.at_level(logging.WARNING, "uns.sim"):
        async with SimulatedPlant(project):
            driver = OpcUaDriver(connection.config)
            driver.home = tmp_path
            await driver.open()
            problems = {result.handle: result.problem for result in await driver.bind(bound)}
            readings = await driver.read_now(list(problems))
            await driver.close()
    zone = list(tags).index("zone")
    assert [(zone, "the server has no such node")] == [one for one in problems.items() if one[1]]
    assert {Quality.GOOD} == {reading[2] for reading in readings if reading[0] != zone}
    assert "tags left out: 1" in caplog.text
