"""OPC UA NodeSet2: what a server of another make loads is the plant."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import pytest_asyncio
from asyncua import Server, ua

from uns.export.nodeset import nodeset
from uns.project.project import Project

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]  # one server for all

NODE_MODULES = Path(os.environ.get("UNS_NODE_MODULES", "node_modules")).absolute()
LOADER = Path(__file__).parent / "load_nodeset.js"
UANODESET = "{http://opcfoundation.org/UA/2011/03/UANodeSet.xsd}"
LINE1 = "acme/leeds/packaging/line1"


class Space:
    """The address space of a server that has loaded a node set."""

    def __init__(self, server: Server, index: int) -> None:
        self._server = server
        self.index = index

    def node(self, path: str):
        return self._server.get_node(ua.NodeId(path, self.index))

    async def property(self, path: str, name: str):
        return await (await self.node(path).get_child(f"0:{name}")).read_value()

    async def browsed(self, path: str):
        """What is at a path of browse names below Objects."""
        steps = [f"{self.index}:{name}" for name in path.split("/")]
        return await self._server.nodes.objects.get_child(steps)

    async def targets(self, path: str, kind: ua.NodeId) -> set[str]:
        """Where references of a type lead to."""
        found = await self.node(path).get_references(refs=kind, includesubtypes=False)
        return {one.NodeId.Identifier for one in found if one.IsForward}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def space(plant: Project, tmp_path_factory: Any) -> AsyncIterator[Space]:
    """A server of asyncua with the plant of tests/cases/export; it listens nowhere."""
    file = tmp_path_factory.mktemp("nodeset") / "plant.xml"
    file.write_text(nodeset(plant, plant.machines), encoding="utf-8")
    server = Server()
    await server.init()
    try:
        await server.import_xml(file)
        yield Space(server, await server.get_namespace_index("urn:uns:acme"))
    finally:
        await server.iserver.stop()


async def test_every_machine_and_tag_is_there(space: Space, plant: Project) -> None:
    """The tree below Objects is the project's, and each machine is of its type."""
    for machine in plant.machines:
        node = await space.browsed(machine.topic.text)
        kind = await node.read_type_definition()
        assert f"type:{machine.type_name}" == kind.Identifier
        for tag in machine.tags:
            found = await space.browsed(tag.topic.text)
            assert ua.NodeClass.Variable == await found.read_node_class()


async def test_types_extend_types(space: Space) -> None:
    """`filler` is a subtype of `machine`, and has its tags with modelling rules."""
    parent = await space.node("type:filler").get_parent()
    assert "type:machine" == parent.nodeid.Identifier
    rule = ua.NodeId(ua.ObjectIds.HasModellingRule)
    mandatory, optional = ua.ObjectIds.ModellingRule_Mandatory, ua.ObjectIds.ModellingRule_Optional
    assert {mandatory} == await space.targets("type:capper/speed", rule)
    assert {optional} == await space.targets("type:capper/torque", rule)


async def test_ranges_and_units(space: Space) -> None:
    """EURange and EngineeringUnits as OPC 10000-8 says: the number is UNECE's code."""
    span = await space.property(f"{LINE1}/filler/speed", "EURange")
    unit = await space.property(f"{LINE1}/filler/speed", "EngineeringUnits")
    bottles = await space.property(f"{LINE1}/filler/good", "EngineeringUnits")
    assert (0, 5) == (span.Low, span.High)
    assert int.from_bytes(b"MTS", "big") == unit.UnitId
    assert ("m/s", "metre per second") == (unit.DisplayName.Text, unit.Description.Text)
    assert (-1, "{bottle}") == (bottles.UnitId, bottles.DisplayName.Text)
    other = await space.property("acme/leeds/packaging/line2/filler/speed", "EURange")
    assert 8 == other.High


async def test_states_are_enumerated(space: Space) -> None:
    """A tag with states is a MultiStateValueDiscrete that names them."""
    path = f"{LINE1}/filler/mode"
    states = await space.property(path, "EnumValues")
    assert [(0, "Off"), (1, "On")] == [(one.Value, one.DisplayName.Text) for one in states]
    kind = await space.node(path).read_type_definition()
    assert ua.ObjectIds.MultiStateValueDiscreteType == kind.Identifier


@pytest.mark.parametrize(
    ("tag", "datatype", "access"),
    [
        (f"{LINE1}/filler/speed", ua.ObjectIds.Float, 1),
        (f"{LINE1}/filler/good", ua.ObjectIds.Int64, 1),
        (f"{LINE1}/capper/recipe", ua.ObjectIds.String, 3),
        ("acme/leeds/utilities/power/meter/raw/2", ua.ObjectIds.UInt16, 1),
        ("acme/leeds/utilities/power/meter/at", ua.ObjectIds.DateTime, 1),
        ("acme/leeds/utilities/power/meter/blob", ua.ObjectIds.ByteString, 1),
    ],
)
async def test_datatypes_and_access(tag: str, datatype: int, access: int, space: Space) -> None:
    """A variable has its tag's type, and is writable only where the tag is."""
    node = space.node(tag)
    level = await node.read_attribute(ua.AttributeIds.AccessLevel)
    assert datatype == (await node.read_data_type()).Identifier
    assert access == level.Value.Value


async def test_relations_and_meanings(space: Space) -> None:
    """A relation is a reference of its own type; a dictionary id is a dictionary's entry."""
    feeds = ua.NodeId("relation:feeds", space.index)
    entry = ua.NodeId(ua.ObjectIds.HasDictionaryEntry)
    assert {f"{LINE1}/capper"} == await space.targets(f"{LINE1}/filler", feeds)
    assert "fed_by" == (await space.node("relation:feeds").read_attribute(
        ua.AttributeIds.InverseName)).Value.Value.Text  # fmt: skip
    assert {"0173-1#01-AKE123#001"} == await space.targets("type:filler", entry)
    assert {"0173-1#02-ABC123#001"} == await space.targets(f"{LINE1}/filler/speed", entry)


async def test_who_stands_there(space: Space) -> None:
    """The asset of today, by its number."""
    asset = await space.node(f"{LINE1}/filler").get_child(f"{space.index}:asset")
    assert "K-4711" == await asset.read_value()


@pytest.mark.skipif(
    not (NODE_MODULES / "node-opcua").exists() or shutil.which("node") is None,
    reason="npm package node-opcua is not installed in UNS_NODE_MODULES",
)
async def test_node_opcua_reads_the_same(plant: Project, tmp_path: Path) -> None:
    """A stricter reader, which refuses nodes of unknown namespaces, sees type, range and unit."""
    file = tmp_path / "plant.xml"
    file.write_text(nodeset(plant, plant.machines), encoding="utf-8")
    ended = subprocess.run(
        ["node", str(LOADER), str(file), "urn:uns:acme", f"{LINE1}/filler/speed"],
        env={**os.environ, "NODE_PATH": str(NODE_MODULES)},
        capture_output=True, timeout=60, check=False, text=True,
    )  # fmt: skip
    told = [line for line in ended.stdout.splitlines() if line.startswith("{")]
    assert 1 == len(told), ended.stderr
    expected = {
        "type": "AnalogItemType",
        "owner": "filler",
        "range": [0, 5],
        "unit": [int.from_bytes(b"MTS", "big"), "m/s"],
    }
    assert expected == json.loads(told[0])


async def test_a_part_refers_to_nothing_outside(plant: Project) -> None:
    """Where only some machines are exported, every reference is to a node of the file or of OPC."""
    text = nodeset(plant, plant.machines[-1:])
    root = ET.fromstring(text)
    nodes = {node.get("NodeId") for node in root if node.get("NodeId")}
    ends = {one.text for one in root.iter(f"{UANODESET}Reference")}
    kinds = {one.get("ReferenceType") for one in root.iter(f"{UANODESET}Reference")}
    assert set() == {end for end in ends | kinds if str(end).startswith("ns=")} - nodes


async def test_no_node_stands_twice(plant: Project, aurora: Project) -> None:
    """Node ids are unique, and the same project is the same file."""
    for project in (plant, aurora):
        root = ET.fromstring(nodeset(project, project.machines))
        listed = [node.get("NodeId") for node in root if node.get("NodeId")]
        assert len(set(listed)) == len(listed)
    assert nodeset(plant, plant.machines) == nodeset(plant, plant.machines)
