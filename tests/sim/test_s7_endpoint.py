"""A machine on a simulated Siemens CPU, read back by our S7 driver."""

from __future__ import annotations

import asyncio

import pytest

from bridges.driver import BoundTag
from bridges.s7 import S7Driver
from uns.errors import DeviceError
from uns.metric import Quality
from uns.project.catalogue import Catalogue
from uns.project.load import load
from uns.sim.endpoint import endpoints_of
from uns.sim.move import moved
from uns.sim.plant import SimulatedPlant

pytest.importorskip("snap7", reason="python-snap7 is not installed")

pytestmark = pytest.mark.slow

_PRESS = "small/here/hall/line1/press"
_PROJECT = """
enterprise: small
types:
  maker:
    tags:
      state: {states: packml}
      speed: {unit: "{piece}/h", range: [0, 60000]}
      good: {type: UInt32, unit: "{piece}", counter: true}
      bad: {type: UInt32, unit: "{piece}", counter: true}
      order/id: {type: String}
      order/start_good: {type: UInt32}
      order/start_bad: {type: UInt32}
      temp: {unit: Cel, range: [0, 90]}
      door_open: {type: Boolean}
bindings:
  plc:
    driver: s7
    connection: {host: 127.0.0.1, port: 15102}
    tags:
      state: DB10.DBW0:UINT
      speed: DB10.DBD2:REAL
      good: DB10.DBD6:UDINT
      bad: DB10.DBD10:UDINT
      order/start_good: DB10.DBD14
      order/start_bad: DB10.DBD18
      order/id: DB10.DBB22:STRING[20]
      temp: {address: IW2:INT, scale: [0, 27648, 0, 100]}
      door_open: M0.3
instances:
  - {path: "here/hall/line1/press", is: maker, bind: plc}
"""


@pytest.fixture
def project(tmp_path):
    """One machine on one CPU, on a free port."""
    (tmp_path / "project.yaml").write_text(_PROJECT)
    loaded = load(tmp_path, Catalogue(drivers={"s7": S7Driver}))
    assert loaded.project is not None, loaded.diagnostics
    return moved(loaded.project)


async def _read(project):
    (connection,) = project.connections.values()
    tags = {tag.name: tag for tag in project.machines[0].tags}
    bound = [BoundTag(at, tag.source.address, tag.datatype) for at, tag in enumerate(tags.values())]
    driver = S7Driver(connection.config)
    await driver.open()
    try:
        assert [] == [result.problem for result in await driver.bind(bound) if result.problem]
        readings = sorted(await driver.read(range(len(bound))))
    finally:
        await driver.close()
    assert {Quality.GOOD} == {quality for _, _, quality, _ in readings}
    return dict(zip(tags, (value for _, value, _, _ in readings), strict=True))


async def test_what_is_served_is_the_truth(project):
    """After wind_down the CPU's memory and the truth agree to the piece."""
    async with SimulatedPlant(project, speed=20) as plant:
        await asyncio.sleep(2)
        await plant.wind_down()
        shown = await _read(project)
        machine = plant.truth()["lines"]["small/here/hall/line1"]["machines"][_PRESS]
        assert (machine["good"], machine["bad"]) == (shown["good"], shown["bad"])
        record = machine["orders"][shown["order/id"]]
        assert record["good"] == shown["good"] - shown["order/start_good"] > 0
        assert 0 < shown["temp"] < 27_648, "unscaled, as an analogue input is"
        assert isinstance(shown["door_open"], bool)


async def test_a_port_that_is_taken_is_named(project):
    """Two CPUs cannot have one port, and the second says which."""
    (first,), (second,) = endpoints_of(project), endpoints_of(project)
    await first.start([], 0)
    try:
        with pytest.raises(DeviceError, match=f"cannot listen on {first.where}"):
            await second.start([], 0)
    finally:
        await first.stop()
