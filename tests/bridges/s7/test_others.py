"""CPUs and clients that are not ours: the real Snap7 (node-snap7) and python-snap7's server.

npm install node-snap7
UNS_NODE_MODULES=$PWD/node_modules pytest tests/bridges/s7/test_others.py
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from uns.errors import DeviceError
from uns.metric import DataType
from uns.sim.s7_server import S7Server
from uns.testing import free_port as find_free_port

pytest.importorskip("snap7", reason="python-snap7 is not installed")

HERE = Path(__file__).parent
MODULES = Path(os.environ.get("UNS_NODE_MODULES", "node_modules")).absolute()
START_S = 20.0

pytestmark = pytest.mark.slow
needs_node_snap7 = pytest.mark.skipif(
    shutil.which("node") is None or not (MODULES / "node-snap7").is_dir(),
    reason="npm package node-snap7 is not installed in UNS_NODE_MODULES",
)

D = DataType


@pytest.fixture(scope="module")
def real_snap7() -> Iterator[int]:
    """The port of a CPU on the real Snap7."""
    port = find_free_port()
    process = subprocess.Popen(
        ["node", str(HERE / "node_server.js"), str(port)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NODE_PATH": str(MODULES)},
    )
    try:
        readable, _, _ = select.select([process.stdout], [], [], START_S)
        assert readable, "no Snap7 server in time"
        assert "READY" == process.stdout.readline().strip()
        yield port
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


@needs_node_snap7
async def test_the_real_snap7_is_read_and_written(real_snap7, session):
    """Numbers, a bit and a text of its memory, and what we write comes back."""
    held = await session(
        real_snap7,
        *(f"DB1.DBD{4 * at}" for at in range(50)),
        ("DB1.DBW200", D.INT16),
        ("DB1.DBX202.1", D.BOOLEAN),
    )
    assert [at * 1.5 for at in range(50)] + [-5, True] == await held.values()
    other = await session(
        real_snap7,
        ("DB1.DBB210:STRING[20]", D.STRING),
        ("DB2.DBD3996:REAL", D.FLOAT),
        ("M20.5", D.BOOLEAN),
        ("QW4:INT", D.INT16),
    )
    assert [""] * 4 == await other.write("Größe", -2.5, True, -7)
    assert ["Größe", -2.5, True, -7] == await other.values()


@needs_node_snap7
async def test_the_real_snap7_says_what_it_does_not_have(real_snap7, session):
    """A missing block and a place behind the end are told apart; neighbours are read."""
    held = await session(real_snap7, "DB1.DBD0", "DB3.DBD0", "DB1.DBD398")
    assert "" == held.problems[0]
    assert "no such data block" in held.problems[1]
    assert "no such address" in held.problems[2]
    assert [0.0, None, None] == await held.values()


@needs_node_snap7
async def test_the_real_snap7_reads_our_cpu():
    """Its client agrees with our simulator on values, bits, many at once, and refusals."""
    async with S7Server({("DB", 10): 400, ("M", 0): 100}) as server:
        memory = server.memory
        memory.set("DB", 10, 0, 1.5, "REAL")
        memory.set("DB", 10, 4, -5, "INT")
        memory.set("DB", 10, 6, True, "BOOL", bit=1)
        memory.set("DB", 10, 10, "Größe", "STRING", length=20)
        memory.set("M", 0, 20, True, "BOOL", bit=3)
        process = await asyncio.create_subprocess_exec(
            "node",
            str(HERE / "node_client.js"),
            str(server.port),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "NODE_PATH": str(MODULES)},
        )
        said, _ = await asyncio.wait_for(process.communicate(), 20)
        found = json.loads(said)
        assert (1.5, -5, 1, "Größe") == tuple(found[k] for k in ("real", "int", "bit", "text"))
        assert ["fffb", "CPU : Item not available", "01"] == found["many"]
        assert "CPU : Address out of range" == found["beyond"]
        assert ("ok", "ok") == (found["write"], found["writeBit"])
        assert 0x1234 == memory.get("DB", 10, 8, "WORD")
        assert 0b101000 == memory["M", 0][20]


async def test_the_server_of_python_snap7_is_read_and_written(session):
    """The library's own server, whose client carries our messages."""
    from snap7.server import Server
    from snap7.type import SrvArea

    port = find_free_port()
    server = Server(log=False)
    server.register_area(SrvArea.DB, 1, bytearray(400))
    server.start_to("127.0.0.1", port)
    try:
        held = await session(port, "DB1.DBD0", ("DB1.DBW4", D.INT16), "DB2.DBD0")
        assert ["", ""] == held.problems[:2]
        assert "no such data block" in held.problems[2]
        assert ["", ""] == (await held.driver.write([(held.tags[0], 2.5), (held.tags[1], -7)]))
        assert [2.5, -7, None] == await held.values()
        await held.driver.close()
        with pytest.raises(DeviceError):
            await held.values()
    finally:
        await asyncio.to_thread(server.stop)
