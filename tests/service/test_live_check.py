"""The live check: devices that are not there, that hang, and that are right."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridges import get_driver
from bridges.driver import Description
from uns.cli.catalogue import catalogue
from uns.equipment import Source, Tag
from uns.metric import DataType
from uns.project.load import load
from uns.project.project import Project
from uns.service.live_check import _problems, check_devices
from uns.sim.opcua_server import OpcUaServer, ServedTag
from uns.topic import Topic

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PROJECT = """\
enterprise: acme
types:
  filler: {{tags: {{speed: {{type: Double}}, good: {{type: UInt32}}}}}}
bindings:
  plc:
    driver: opcua
    connection: {{endpoint: "opc.tcp://127.0.0.1:{{port}}", security: none, namespace: "urn:plant"}}
    tags: {{speed: "s={{line}}.Speed{slip}", good: "s={{line}}.Good"}}
instances:
  - {{path: leeds/packaging/line1/filler, is: filler, bind: plc, with: {{port: {first}}}}}
  - {{path: leeds/packaging/line2/filler, is: filler, bind: plc, with: {{port: {second}}}}}
"""


@pytest.fixture
async def plant() -> AsyncIterator[OpcUaServer]:
    """A server with all that the project asks for."""
    kinds = (("Speed", DataType.DOUBLE, 1.0), ("Good", DataType.UINT32, 7))
    tags = [
        ServedTag(f"{line}.{name}", kind, value)
        for line in ("line1", "line2")
        for name, kind, value in kinds
    ]
    async with OpcUaServer("urn:plant", tags) as server:
        yield server


@contextlib.asynccontextmanager
async def _silent() -> AsyncIterator[int]:
    """Something that takes connections and never says a word."""
    over = asyncio.Event()
    taken: list[asyncio.StreamWriter] = []

    async def wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(writer)
        await over.wait()

    async with await asyncio.start_server(wait, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        over.set()
        for writer in taken:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def _project(folder: Path, first: int, second: int, slip: str = "") -> Project:
    text = PROJECT.format(first=first, second=second, slip=slip)
    (folder / "plant.yaml").write_text(text)
    loaded = load(folder, catalogue())
    assert loaded.project is not None, loaded.diagnostics
    return loaded.project


async def test_a_plant_that_is_as_written_draws_nothing(plant: OpcUaServer, tmp_path: Path) -> None:
    """No finding where every tag is there, with its type."""
    project = _project(tmp_path, plant.port, plant.port)
    assert [] == await check_devices(project, get_driver, within_s=20)


async def test_a_device_that_hangs_holds_nobody_up(plant: OpcUaServer, tmp_path: Path) -> None:
    """It is given its time and no more, and the other device is checked meanwhile."""
    async with _silent() as port:
        project = _project(tmp_path, port, plant.port, slip="x")
        began = time.monotonic()
        found = await check_devices(project, get_driver, within_s=3)
        took = time.monotonic() - began
    assert {"UNS520", "UNS521"} == {one.code for one in found}
    assert took < 15


async def test_a_slip_in_a_binding_is_one_finding(plant: OpcUaServer, tmp_path: Path) -> None:
    """As a shell sees it: one diagnostic for all machines, exit code 1, JSON for programs."""
    _project(tmp_path, plant.port, plant.port, slip="x")
    code, out, err = await _check(tmp_path, "--live")
    assert (1, "not asked: a broker: give one with -b, or in `brokers:`\n") == (code, err)
    assert 1 == out.count("error[UNS521]")
    assert "(and 1 more like it)" in out
    assert "explain one: uns explain UNS521" in out
    assert 0 == (await _check(tmp_path))[0]
    code, out, _ = await _check(tmp_path, "--live", "--json")
    (finding,) = json.loads(out)["diagnostics"]
    assert (1, "UNS521", 8) == (code, finding["code"], finding["line"])


async def test_no_device_is_one_line_in_a_pipeline(tmp_path: Path) -> None:
    """Nothing listens: a finding with file and line, and no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    _project(tmp_path, port, port)
    code, out, err = await _check(tmp_path, "--live", "--format", "line", "--timeout", "5")
    assert (1, 1) == (code, len(out.splitlines()))
    assert out.startswith("plant.yaml:7:5: error")
    assert "UNS520" in out
    assert "Traceback" not in err


async def _check(folder: Path, *options: str) -> tuple[int, str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("UNS_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "uns", "check", str(folder), *options,
        cwd=ROOT, env={**kept, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


def _tag(datatype: DataType, **more: object) -> Tag:
    topic = Topic("acme/leeds/packaging/line1/filler/speed")
    return Tag("speed", topic, datatype, source=Source("opc", None, "s=Speed"), **more)


@pytest.mark.parametrize(
    ("wanted", "real", "found"),
    [
        (DataType.FLOAT, DataType.INT16, None),
        (DataType.INT64, DataType.UINT32, None),
        (DataType.STRING, DataType.INT16, None),
        (DataType.DOUBLE, DataType.FLOAT, None),
        (DataType.FLOAT, DataType.DOUBLE, False),
        (DataType.INT32, DataType.UINT32, False),
        (DataType.INT32, DataType.FLOAT, False),
        (DataType.BOOLEAN, DataType.INT16, False),
        (DataType.FLOAT, DataType.STRING, True),
        (DataType.DATETIME, DataType.BOOLEAN, True),
    ],
)
def test_which_types_fit(wanted: DataType, real: DataType, found: bool | None) -> None:
    """None: every value fits; False: a warning, for some do not; True: an error, for none does."""
    said = list(_problems(_tag(wanted), Description(1, datatype=real)))
    assert (found is None, [] if found is None else ["UNS522"]) == (
        not said,
        [code for code, *_ in said],
    )
    assert found is None or found is said[0][-1]


@pytest.mark.parametrize(
    ("unit", "shown", "hint"),
    [
        ("bar", "bar", ""),
        ("bar", "kPa", "write `speed: {scale: [0, 100, 0, 1]}`"),
        ("Cel", "°F", "write `speed: {scale: [0, 100, -17.7778, 37.7778]}`"),
        ("Cel", "bar", "write `speed: {unit: bar}`"),
        ("", "{bottle}/h", 'write `speed: {unit: "{bottle}/h"}`'),
        ("bar", "frobs", ""),
    ],
)
def test_the_line_that_would_put_a_unit_right(unit: str, shown: str, hint: str) -> None:
    """A unit that fits is scaled, another one is written anew, a text that is none is left alone."""
    said = list(_problems(_tag(DataType.DOUBLE, unit=unit), Description(1, unit=shown)))
    assert ([("UNS523", hint)] if hint else []) == [(code, told) for code, _, told, *_ in said]
