"""The simulated Logix controller: what it holds for a project, and what it answers to nonsense."""

from __future__ import annotations

import asyncio
import struct

import pytest

from bridges.driver import BoundTag
from bridges.logix import LogixDriver
from uns.errors import DeviceError
from uns.metric import Quality
from uns.project.catalogue import Catalogue
from uns.project.load import load
from uns.sim.endpoint import Showing, endpoints_of, source_of
from uns.sim.logix_memory import LogixMemory, NotThere
from uns.sim.logix_server import LogixServer
from uns.sim.move import moved

_PROJECT = """
enterprise: small
types:
  palletiser:
    tags:
      state: {states: packml}
      speed: {unit: "{piece}/h", range: [0, 60000]}
      good: {type: UInt32, unit: "{piece}", counter: true}
      order/id: {type: String}
      running: {type: Boolean}
      jammed: {type: Boolean}
      energy: {type: Double, unit: kW.h, counter: true, scale: [0, 100, 0, 1]}
      status: {type: Int32}
bindings:
  plc:
    driver: logix
    connection: {host: 127.0.0.1}
    tags:
      state: Program:Main.Palletiser.State
      speed: Program:Main.Palletiser.Speed
      good: Counts[3]
      order/id: Program:Main.Palletiser.Order
      running: Word.5
      jammed: Alarms[40]
      energy: Energy
      status: Word
instances:
  - {path: "here/hall/line1/palletiser", is: palletiser, bind: plc}
"""


def _project(folder, text):
    (folder / "small.yaml").write_text(text)
    loaded = load(folder, Catalogue(drivers={"logix": LogixDriver}))
    assert () == loaded.diagnostics
    assert loaded.project is not None
    return moved(loaded.project)


@pytest.mark.slow
async def test_a_projects_tags_are_served_as_its_bridge_reads_them(tmp_path):
    """Members, elements, bits, texts and scaled tags hold what is shown, for a driver to read."""
    pytest.importorskip("pylogix", reason="pip install 'uns-bridge[logix]'")
    project = _project(tmp_path, _PROJECT)
    (endpoint,) = endpoints_of(project)
    (connection,) = project.connections.values()
    names = {tag.topic.text.split("palletiser/")[1]: tag for tag in endpoint.tags}
    shown = {
        "state": 6, "speed": 120.5, "good": 2**32 - 1, "order/id": "Auftrag 7 Größe 2",
        "status": 64, "running": True, "jammed": True, "energy": 2.5,
    }  # fmt: skip
    await endpoint.start([Showing(names[name], value) for name, value in shown.items()], 0)
    driver = LogixDriver(connection.config)
    try:
        await driver.open()
        tags = [
            BoundTag(n, source_of(names[name]).address, names[name].datatype)
            for n, name in enumerate(shown)
        ]
        assert [""] * len(tags) == [result.problem for result in await driver.bind(tags)]
        readings = await driver.read([tag.handle for tag in tags])
        assert {Quality.GOOD} == {quality for _, _, quality, _ in readings}
        held = {list(shown)[handle]: value for handle, value, _, _ in readings}
        assert shown | {"energy": 250.0, "status": 96} == held
    finally:
        await driver.close()
        await endpoint.stop()


def test_tags_that_no_controller_holds_are_told(tmp_path):
    """A name that would be a number and a structure at once is refused with both."""
    project = _project(tmp_path, _PROJECT.replace("Energy", "Counts[1].Energy"))
    with pytest.raises(DeviceError, match="Counts is a UDINT, no structure"):
        endpoints_of(project)


def test_declaring_a_tag_of_two_types_is_a_mistake():
    """What is there keeps its type; more elements are more of the same."""
    memory = LogixMemory()
    memory.declare("Counts[3]", "DINT")
    memory.declare("Counts[9]", "DINT")
    memory["Counts[9]"] = 7
    assert 7 == memory["Counts[9]"]
    with pytest.raises(ValueError, match="Counts is a DINT, not a REAL"):
        memory.declare("Counts", "REAL")
    with pytest.raises(ValueError, match="no structure"):
        memory.declare("Counts.Good", "DINT")
    with pytest.raises(ValueError, match="no path"):
        memory.declare("Counts[3", "DINT")
    with pytest.raises(NotThere):
        memory["Counts[10]"] = 1


def test_members_lie_on_their_boundaries():
    """BOOLs share a hidden SINT, numbers are aligned, and writing one leaves the others alone."""
    memory = LogixMemory()
    kinds = {"On": "BOOL", "Off": "BOOL", "Small": "SINT", "Temp": "REAL", "Long": "LINT"}
    for name, kind in kinds.items():
        memory.declare(f"Drive.{name}", kind)
    memory.declare("Drive.Name", "STRING")
    memory.declare("Drive.Flags[40]", "BOOL")
    (symbol,) = memory.symbols()
    offsets = {member.name: member.offset for member in symbol.type.members}
    assert (0, 0, 1, 4, 8, 16, 104) == tuple(
        offsets[name] for name in ("On", "Off", "Small", "Temp", "Long", "Name", "Flags")
    )
    wanted = {"On": True, "Off": False, "Small": -1, "Temp": 1.5, "Long": 2**40, "Name": "Öl"}
    wanted["Flags[40]"] = True
    for name, value in wanted.items():
        memory[f"Drive.{name}"] = value
    assert wanted == {name: memory[f"drive.{name}"] for name in wanted}
    assert memory["Drive.Flags[39]"] is False


@pytest.mark.slow
@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\n\r\n" * 4,
        struct.pack("<HHII8sI", 0x6F, 4, 0, 0, b"", 0) + b"\0\0\0\0",
        struct.pack("<HHII8sI", 0x70, 20, 0, 0, b"", 0) + b"\xff" * 20,
        struct.pack("<HHII8sI", 0x6F, 20, 0, 0, b"", 0)
        + struct.pack("<IHHHHHH", 0, 0, 2, 0, 0, 0xB2, 4) + b"\x4c\x09\x91\x50",
    ],
)  # fmt: skip
async def test_nonsense_does_not_end_the_server(sent):
    """A client that breaks the protocol is answered or dropped; the next one is served."""
    async with LogixServer() as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(sent)
        writer.write_eof()
        await asyncio.wait_for(reader.read(), 2)
        writer.close()
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(struct.pack("<HHII8sIHH", 0x65, 4, 0, 0, b"", 0, 1, 0))
        assert 28 == len(await asyncio.wait_for(reader.readexactly(28), 2))
        writer.close()
