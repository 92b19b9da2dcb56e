"""`uns sim` as a process: what it says, how it ends, what a kill leaves."""

from __future__ import annotations

import asyncio
import signal
import struct
import sys
from contextlib import asynccontextmanager

import pytest

pytestmark = pytest.mark.slow


@asynccontextmanager
async def _sim(folder, *options: str):
    """A running `uns sim`; killed at the end if it is still there."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "uns", "sim", str(folder), *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _order(port: int):
    """good, bad, start_good, start_bad and the order's id, as registers hold them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 4, 26))
    raw = (await asyncio.wait_for(reader.readexactly(9 + 52), 5))[9:]
    writer.close()
    await writer.wait_closed()
    return (*struct.unpack_from(">IIII", raw), raw[32:52])


async def test_a_kill_loses_no_piece(small_folder, tmp_path):
    """After kill -9 and a new start, counters and order go on from what was on the wire."""
    folder, port = small_folder
    options = ("--truth", str(tmp_path / "truth.json"), "--speed", "20")
    async with _sim(folder, *options) as process:
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        assert str(port) in line.decode()
        await asyncio.sleep(3.3)
        before = await _order(port)
        process.kill()
        await process.wait()
    async with _sim(folder, *options) as process:
        await asyncio.wait_for(process.stdout.readline(), 20)
        after = await _order(port)
    assert before[0] > before[2]
    assert before[:2] <= after[:2]
    assert before[2:] == after[2:]


async def test_it_says_where_it_listens_and_leaves_on_ctrl_c(small_folder):
    """One line per connection on stdout, and SIGINT is a clean end."""
    folder, port = small_folder
    async with _sim(folder) as process:
        line = await asyncio.wait_for(process.stdout.readline(), 20)
        assert line.decode().split() == [
            f"modbus://127.0.0.1:{port}",
            f"127.0.0.1:{port}",
            "10",
            "tags",
        ]
        process.send_signal(signal.SIGINT)
        _, talk = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == 0
    assert "small: 1 machine, 10 tags" in talk.decode()
    assert "Traceback" not in talk.decode()


async def test_a_taken_port_is_one_sentence(small_folder):
    """A second simulation of the same project says which port is taken, and exits with 1."""
    folder, port = small_folder
    async with _sim(folder) as first:
        await asyncio.wait_for(first.stdout.readline(), 20)
        async with _sim(folder, "--duration", "5", "--state", str(folder / "other")) as second:
            _, talk = await asyncio.wait_for(second.communicate(), 20)
    assert second.returncode == 1
    assert str(port) in talk.decode()
    assert "Traceback" not in talk.decode()
