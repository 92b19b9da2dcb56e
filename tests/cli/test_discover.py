"""`uns discover` against real OPC UA servers, and against a simulated Logix controller."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from asyncua import Server, ua

from bridges.logix import LogixConfig, LogixDriver
from bridges.opcua.config import OpcUaConfig
from bridges.opcua.driver import OpcUaDriver
from uns.cli.catalogue import catalogue
from uns.cli.discover import _asked, _browsed, _found
from uns.errors import DeviceError
from uns.importers.draft import draft
from uns.project.load import load
from uns.sim.logix_server import LogixServer

pytestmark = pytest.mark.slow
Uns = Callable[..., Any]


def _next(space: int) -> ua.NodeId:
    """A node id that the server chooses."""
    return ua.NodeId(0, space)


@pytest.fixture
async def endpoint(free_port: Callable[[], int]) -> AsyncIterator[str]:
    """A server with two fillers below a line, and a second way to the first of them."""
    server = Server()
    await server.init()
    url = f"opc.tcp://127.0.0.1:{free_port()}"
    server.set_endpoint(url)
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    space = await server.register_namespace("urn:vendor:filler")
    line = await server.nodes.objects.add_folder(space, "Line1")
    for n in (1, 2):
        filler = await line.add_object(ua.NodeId(f"Filler{n}", space), f"{space}:Filler{n}")
        speed = await filler.add_variable(
            ua.NodeId(f"Filler{n}.Speed", space), f"{space}:Speed", 1.5
        )
        unit = ua.EUInformation()
        unit.UnitId, unit.DisplayName = 4342098, ua.LocalizedText("Bar!")  # UNECE BAR
        await speed.add_property(_next(space), ua.QualifiedName("EngineeringUnits", 0), unit)
        await speed.add_property(_next(space), ua.QualifiedName("EURange", 0), ua.Range(0.0, 6.0))
        recipe = ua.NodeId(f"Filler{n}.Recipe", space)
        await (await filler.add_variable(recipe, f"{space}:Recipe", "A")).set_writable()
        good = ua.NodeId(f"Filler{n}.Good", space)
        await filler.add_variable(good, f"{space}:Good", 7, ua.VariantType.UInt32)
        lanes = ua.NodeId(f"Filler{n}.Lanes", space)
        await filler.add_variable(lanes, f"{space}:Lanes", [1, 2])
    second = server.get_node(ua.NodeId("Filler2", space))
    first = ua.NodeId("Filler1", space)
    await second.add_reference(first, ua.ObjectIds.Organizes, forward=True, bidirectional=False)
    async with server:
        yield url


def _driver(endpoint: str) -> OpcUaDriver:
    return OpcUaDriver(OpcUaConfig(endpoint=endpoint))


async def test_a_server_becomes_one_type_and_one_entry(endpoint: str, tmp_path: Path) -> None:
    """Types, units, ranges and access are the server's; node ids have the namespace's URI."""
    found = _found(_asked(endpoint, ""), await _browsed(_driver(endpoint), "", 1000))
    made = draft(found, title="x", enterprise="acme", under=("leeds", "packaging", "line9"))
    assert (2, 1, 6) == (made.machines, made.types, made.tags)
    file = tmp_path / "draft.yaml"
    file.write_text(made.text)
    project = load(file, catalogue()).project
    assert project is not None
    machine = project.machines[1]
    assert "acme/leeds/packaging/line1/filler2" == str(machine.topic)
    assert {
        "speed": ("nsu=urn:vendor:filler;s=Filler2.Speed", "Double", "bar", 6.0, False),
        "recipe": ("nsu=urn:vendor:filler;s=Filler2.Recipe", "String", "", None, True),
        "good": ("nsu=urn:vendor:filler;s=Filler2.Good", "UInt32", "", None, False),
    } == {
        tag.name: (tag.source.text, tag.datatype.label, tag.unit, tag.high, tag.writable)
        for tag in machine.tags
        if tag.source
    }
    assert ["it is an array"] * 2 == [one.why for one in made.unmapped]


@pytest.mark.parametrize(
    ("below", "paths"),
    [
        ("/Objects/Line1/Filler1", {"Line1/Filler1/Good", "Line1/Filler1/Speed"}),
        ("/Objects/**/Sp*", {"Line1/Filler1/Speed", "Line1/Filler2/Speed"}),
        ("nsu=urn:vendor:filler;s=Filler1", {"Good", "Speed"}),
        ("/Objects/Line1/Filler1/Good", {"Line1/Filler1/Good"}),
        (
            "/Objects/Server/ServerStatus/BuildInfo/*Name",
            {"Server/ServerStatus/BuildInfo/ProductName"},
        ),
    ],
)
async def test_only_a_part_is_browsed(endpoint: str, below: str, paths: set[str]) -> None:
    """What is below a path or node, or what a glob asks for; the standard's nodes if asked for."""
    nodes = await _browsed(_driver(endpoint), below, 1000)
    found = {"/".join(node.path) for node in nodes}
    kept = {path for path in found if path.rpartition("/")[2] in ("Good", "Speed", "ProductName")}
    assert paths == kept
    assert found - kept <= {path for path in found if path.endswith(("Recipe", "Lanes", "Name"))}


async def test_a_place_that_is_not_there_is_a_sentence(endpoint: str) -> None:
    """With the name that is missing and where it was looked for."""
    with pytest.raises(DeviceError, match="no `Filler9` in /Objects/Line1"):
        await _browsed(_driver(endpoint), "/Objects/Line1/Filler9", 10)


async def test_a_server_with_too_much_is_refused(endpoint: str) -> None:
    """More variables than were asked for is a sentence, before their values are read."""
    with pytest.raises(DeviceError, match="more than 3 variables"):
        await _browsed(_driver(endpoint), "", 3)


async def test_the_command_says_what_it_found(endpoint: str, uns: Uns) -> None:
    """As a process: one JSON document, no problems, exit code 0."""
    import asyncio

    ended = await asyncio.to_thread(uns, "discover", endpoint, "--json")
    assert 0 == ended.code, ended.err
    report = json.loads(ended.out)
    assert (2, 6, []) == (report["machines"], report["tags"], report["problems"])


async def test_a_logix_controller_becomes_a_project(tmp_path: Path) -> None:
    """Structures, arrays of structures and programs are machines; addresses are the tags' names."""
    pytest.importorskip("pylogix", reason="pip install 'uns-bridge[logix]'")
    async with LogixServer() as server:
        server.declare("Lines[1].Speed", "REAL")
        server.declare("Lines[1].Good", "DINT")
        server.declare("Program:Main.Order", "STRING")
        server.declare("Counts[9]", "DINT")
        asked = _asked(f"logix://127.0.0.1:{server.port}/0", "")
        driver = LogixDriver(LogixConfig(**asked.connection))
        found = _found(asked, await _browsed(driver, "", 100))
    made = draft(found, title="x", enterprise="acme", under=("leeds", "packaging", "line9"))
    file = tmp_path / "draft.yaml"
    file.write_text(made.text)
    project = load(file, catalogue()).project
    assert project is not None
    assert {
        "acme/leeds/packaging/line9/lines_0/speed": ("Lines[0].Speed", "Float"),
        "acme/leeds/packaging/line9/lines_0/good": ("Lines[0].Good", "Int32"),
        "acme/leeds/packaging/line9/lines_1/speed": ("Lines[1].Speed", "Float"),
        "acme/leeds/packaging/line9/lines_1/good": ("Lines[1].Good", "Int32"),
        "acme/leeds/packaging/line9/main/order": ("Program:Main.Order", "String"),
    } == {
        tag.topic.text: (tag.source.text, tag.datatype.label)
        for machine in project.machines
        for tag in machine.tags
        if tag.source
    }
    assert ["Counts: Counts: it is an array"] == [str(one) for one in made.unmapped]


@pytest.mark.parametrize(
    ("address", "code", "said"),
    [
        ("opc.tcp://127.0.0.1:1", 1, "connection refused"),
        ("http://127.0.0.1", 2, "does not start with `opc.tcp://`"),
        ("logix://127.0.0.1/left", 2, "is not like logix://"),
        ("logix:///0", 2, "is not like logix://"),
        ("logix://127.0.0.1:99999", 2, "is not like logix://"),
    ],
)
def test_no_server_is_one_sentence(uns: Uns, address: str, code: int, said: str) -> None:
    """Nobody there, or no OPC UA address at all; never a traceback."""
    ended = uns("discover", address)
    assert (code, "") == (ended.code, ended.out)
    assert said in ended.err
    assert "Traceback" not in ended.err
