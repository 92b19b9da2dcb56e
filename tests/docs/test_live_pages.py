"""The pages of `uns check --live` are tests, against a real OPC UA server."""

from __future__ import annotations

import asyncio
import io
import os
import re
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asyncua import Server, ua
from rich.console import Console

from bridges import get_driver
from uns.cli.catalogue import catalogue
from uns.cli.live import told
from uns.project.load import load
from uns.project.render import render
from uns.service.live_check import check_devices

pytestmark = pytest.mark.slow

PAGES = sorted((Path(__file__).parents[2] / "docs/reference/errors").glob("UNS52?.md"))
FENCE = re.compile(r"```(yaml|text)\n(.*?)```", re.DOTALL)
USUAL, NOBODY, AHEAD = ":4840", ":4841", ":4842"  # the ports of the pages
KILOPASCAL = 4_935_745  # "KPA", UNECE recommendation 20
WITHIN_S = 20.0


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


async def _served(port: int) -> Server:
    """A server with one variable for each page."""
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    space = await server.register_namespace("urn:plant")
    variables = {}
    for name, value, kind in (
        ("Speed", 1.5, ua.VariantType.Double),
        ("Good", 7, ua.VariantType.UInt32),
        ("Pressure", 350.0, ua.VariantType.Double),
        ("Recipe", "cola", ua.VariantType.String),
        ("Zones", [1.0, 2.0], ua.VariantType.Double),
        ("Zone1", 1.0, ua.VariantType.Double),
        ("Hidden", 1.0, ua.VariantType.Double),
        ("Slow", 1.0, ua.VariantType.Double),
    ):
        node = ua.NodeId(f"Line1.{name}", space)
        held = ua.Variant(value, kind)
        variables[name] = await server.nodes.objects.add_variable(node, name, held)
    unit = ua.EUInformation(UnitId=KILOPASCAL, DisplayName=ua.LocalizedText("kPa"))
    await variables["Pressure"].add_property(0, "EngineeringUnits", unit)
    for level in (ua.AttributeIds.AccessLevel, ua.AttributeIds.UserAccessLevel):
        await variables["Hidden"].write_attribute(
            level, ua.DataValue(ua.Variant(0, ua.VariantType.Byte))
        )
    least = ua.DataValue(ua.Variant(2000.0, ua.VariantType.Double))
    await variables["Slow"].write_attribute(ua.AttributeIds.MinimumSamplingInterval, least)
    await server.start()
    return server


async def _set_clock(server: Server, ahead: timedelta) -> None:
    """Let the server believe in another time, as one without a battery does."""
    clock, server.iserver.time_task = server.iserver.time_task, None
    clock.cancel()
    await asyncio.wait([clock])
    node = server.get_node(ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime))
    await node.write_value(datetime.now(UTC) + ahead)


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, int]]:
    """The plant of the pages."""
    port = _free_port()
    running = await _served(port)
    yield running, port
    await running.stop()


async def _drawn(text: str, folder: Path, server: tuple[Server, int]) -> str:
    """What `uns check --live` draws, as the page shows it."""
    ports = {USUAL: server[1], AHEAD: server[1], NOBODY: _free_port()}
    if AHEAD in text:
        await _set_clock(server[0], timedelta(hours=1))
    asked = re.sub(r":484[012]", lambda found: f":{ports[found[0]]}", text)
    folder.mkdir()
    (folder / "plant.yaml").write_text(asked)
    loaded = load(folder, catalogue())
    assert loaded.project is not None, loaded.diagnostics
    found = await check_devices(loaded.project, get_driver, within_s=WITHIN_S)
    loaded = told(loaded, folder, found)
    out = io.StringIO()
    render(Console(file=out, width=100, color_system=None), loaded.sources, loaded.diagnostics)
    drawn = "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip("\n")
    for written, port in ports.items():
        if written in text:
            drawn = drawn.replace(f":{port}", written)
    return drawn


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
async def test_a_page_tells_what_a_device_says(
    page: Path, tmp_path: Path, server: tuple[Server, int]
) -> None:
    """The wrong example draws exactly the text below it, and the right one draws nothing."""
    text = page.read_text()
    (_, wrong), (_, shown), (_, right) = FENCE.findall(text)
    assert "" == await _drawn(right, tmp_path / "right", server)
    drawn = await _drawn(wrong, tmp_path / "plant", server)
    if os.environ.get("UPDATE"):
        page.write_text(text.replace(f"```text\n{shown}```", f"```text\n{drawn}\n```", 1))
        shown = drawn + "\n"
    assert shown.rstrip("\n") == drawn
    assert {page.stem} == set(re.findall(r"\[(UNS\d{3})\]", drawn))
