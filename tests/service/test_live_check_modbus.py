"""The live check of a real Modbus server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridges import get_driver
from uns.cli.catalogue import catalogue
from uns.project.load import load
from uns.service.live_check import LiveFinding, check_devices
from uns.sim.modbus_server import ModbusServer

pytestmark = pytest.mark.slow

DELAY_S = 0.4
PROJECT = """\
enterprise: acme
types: {{pump: {{tags: {{flow: {{scan: 200ms}}, temp: {{}}, total: {{type: UInt32}}}}}}}}
bindings:
  plc:
    driver: modbus
    connection: {{host: 127.0.0.1, port: {port}, timeout_s: 1, unit: {unit}}}
    tags: {tags}
instances: [{{path: leeds/water/line1/pump1, is: pump, bind: plc}}]
"""
GOOD = '{flow: "hr:0 float32", temp: "ir:4 int16", total: "hr:8 uint32"}'


async def _findings(folder: Path, port: int, tags: str, unit: int = 1) -> list[LiveFinding]:
    (folder / "plant.yaml").write_text(PROJECT.format(port=port, tags=tags, unit=unit))
    loaded = load(folder, catalogue())
    assert loaded.project is not None, loaded.diagnostics
    return await check_devices(loaded.project, get_driver, within_s=20)


def _told(found: list[LiveFinding]) -> list[tuple[str, str]]:
    return [(one.code, one.tag.name if one.tag else "") for one in found]


@contextlib.asynccontextmanager
async def _slow_line(port: int) -> AsyncIterator[int]:
    """A serial line between us and the device: everything that it says comes late."""
    tasks: list[asyncio.Task[None]] = []

    async def pump(
        source: asyncio.StreamReader, drain: asyncio.StreamWriter, delay_s: float
    ) -> None:
        while data := await source.read(4096):
            await asyncio.sleep(delay_s)
            drain.write(data)
        drain.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        tasks.append(asyncio.create_task(pump(reader, back, 0.0)))
        tasks.append(asyncio.create_task(pump(there, writer, DELAY_S)))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as line:
        yield line.sockets[0].getsockname()[1]
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)


async def test_a_device_that_has_everything_draws_nothing(tmp_path: Path) -> None:
    """No finding where every register is there."""
    async with ModbusServer(units=[1]) as plc:
        assert [] == await _findings(tmp_path, plc.port, GOOD)


async def test_a_missing_register_spoils_only_its_own_tag(tmp_path: Path) -> None:
    """The block that holds it is taken apart, and the others are found to be there."""
    async with ModbusServer(units=[1], cells=9) as plc:
        found = await _findings(tmp_path, plc.port, GOOD)
    assert [("UNS521", "total")] == _told(found)
    assert "the device has no `hr:8 uint32`: it has no such address" in found[0].message


async def test_a_table_that_cannot_be_written(tmp_path: Path) -> None:
    """`write` of an input register is told, though no device was asked to write."""
    tags = GOOD.replace('temp: "ir:4 int16"', 'temp: {address: "ir:4 int16", write: true}')
    async with ModbusServer(units=[1]) as plc:
        assert [("UNS525", "temp")] == _told(await _findings(tmp_path, plc.port, tags))
        assert not [1 for (_, function) in plc.requests if function > 4]


async def test_a_unit_that_is_not_there(tmp_path: Path) -> None:
    """A wrong unit id is told of every tag: it cannot be read, which is not that it is missing."""
    async with ModbusServer(units=[1]) as plc:
        found = await _findings(tmp_path, plc.port, GOOD, unit=9)
    assert {("UNS524", "flow"), ("UNS524", "temp"), ("UNS524", "total")} == set(_told(found))


async def test_a_unit_that_hangs(tmp_path: Path) -> None:
    """Silence behind a connection that stands is told of every tag, and waited for once."""
    async with ModbusServer(units=[1]) as plc:
        plc.hang()
        found = await _findings(tmp_path, plc.port, GOOD)
        plc.resume()
    assert {"UNS524"} == {one.code for one in found}
    assert "unit 1 does not answer, though the connection stands" in found[0].message


async def test_a_slow_line_is_told(tmp_path: Path) -> None:
    """A scan that takes longer than it is asked for every time is a warning with what to write."""
    async with ModbusServer(units=[1]) as plc, _slow_line(plc.port) as port:
        (found,) = await _findings(tmp_path, port, GOOD)
    assert ("UNS527", "flow", False) == (found.code, found.tag and found.tag.name, found.is_error)
    assert found.hint.startswith("write `flow: {scan: 0.4")


async def test_a_device_that_is_not_there(tmp_path: Path) -> None:
    """A refused connection is one finding, about the connection."""
    async with ModbusServer(units=[1]) as plc:
        port = plc.port
    assert [("UNS520", "")] == _told(await _findings(tmp_path, port, GOOD))
