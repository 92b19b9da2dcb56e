"""A Modbus scan of 5,000 mixed tags, beside the same requests with nothing done to the answers.

The server is ours, in a process of its own. The limit is a blocking socket that sends the
requests the driver plans and throws the answers away. The peer is pymodbus's asyncio client,
which asks for the same blocks from an environment of its own (UNS_PYMODBUS_VENV names it).
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from table import Row
from yardstick import Yardstick

from bridges.blocks import plan
from bridges.driver import BoundTag
from bridges.modbus import ModbusConfig, ModbusDriver
from uns.metric import DataType

SCANS = 100
LIMIT_MS = 5.0
LIMIT_REQUESTS = 100
_PEER = "UNS_PYMODBUS_VENV"
_PEER_DEADLINE_S = 60
#: 3,428 floats with holes and 1,572 words: what a packaging line's PLC looks like, five times over
TEXTS = [f"hr:{2 * i} float32" for i in range(4000) if i % 7] + [
    f"hr:{8000 + i} int16" for i in range(1572)
]
SERVER = """\
import asyncio, os
from uns.sim.modbus_server import ModbusServer
async def main():
    async with ModbusServer(units=[1]) as server:
        print(server.port, flush=True)
        turn = 0
        while True:
            await asyncio.sleep(0.005)
            turn += 1
            if {changing}:
                server[1].memory["hr"][:] = os.urandom(len(server[1].memory["hr"]))
asyncio.run(main())
"""


def rows() -> Iterator[Row]:
    """Scans of values that stand still and that all change, the bare requests, and the peer."""
    yield Yardstick().row("Modbus scan")
    for label, changing in (("nothing changes", False), ("everything changes", True)):
        command = [sys.executable, "-c", SERVER.format(changing=changing)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
            try:
                assert server.stdout is not None
                port = int(server.stdout.readline())
                blocks, cpu_s, wall_s = asyncio.run(_scans(port))
                bare_cpu_s, bare_wall_s = _bare(port, len(blocks))
                peers = list(_peer_rows(port, blocks)) if changing else []
            finally:
                server.kill()
        tags, requests = len(TEXTS), len(blocks)
        yield Row(
            "Modbus scan",
            f"{tags:,} tags, {requests} requests, {label}",
            f"{wall_s * 1e3:.1f} ms a scan, {tags / cpu_s / 1e6:.2f} M tags/s of CPU",
            f"{cpu_s * 1e3:.1f} ms a scan",
            f"< {LIMIT_REQUESTS} requests, < {LIMIT_MS:g} ms",
            is_kept=requests < LIMIT_REQUESTS and cpu_s * 1e3 < LIMIT_MS,
        )
        yield Row(
            "Modbus scan",
            f"{requests} bare requests, answers thrown away (limit)",
            f"{bare_wall_s * 1e3:.1f} ms",
            f"{bare_cpu_s * 1e3:.1f} ms",
        )
        yield from peers


def _peer_rows(port: int, blocks: list[tuple[int, int, bool]]) -> Iterator[Row]:
    folder = os.environ.get(_PEER, "")
    python = Path(folder) / "bin" / "python"
    if not folder or not python.exists():
        yield Row("Modbus scan", "pymodbus: not measured", f"{_PEER} names no venv", "")
        return
    answer = _asked(python, {"port": port, "blocks": blocks, "scans": SCANS // 4})
    label = f"pymodbus {answer['version']} (peer), {len(blocks)} requests"
    for what, (cpu_s, wall_s) in (
        ("registers as they are", answer["read"]),
        ("and values by convert_from_registers", answer["decoded"]),
    ):
        rate = f"{wall_s * 1e3:.1f} ms a scan"
        yield Row("Modbus scan", f"{label}, {what}", rate, f"{cpu_s * 1e3:.1f} ms a scan")


def _asked(python: Path, request: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(
        [str(python), str(Path(__file__).with_name("modbus_peer.py"))],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=_PEER_DEADLINE_S,
        check=False,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    )
    if done.returncode:
        raise RuntimeError(f"pymodbus in {python}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


async def _scans(port: int) -> tuple[list[tuple[int, int, bool]], float, float]:
    """The blocks of one scan, and the least CPU and wall seconds of SCANS.

    A block is its first register, how many there are, and whether they hold floats.
    """
    config = ModbusConfig(host="127.0.0.1", port=port)
    driver = ModbusDriver(config)
    tags = [
        BoundTag(handle, driver.parse(text, config), DataType.FLOAT)
        for handle, text in enumerate(TEXTS)
    ]
    handles = [tag.handle for tag in tags]
    await driver.open()
    try:
        await driver.bind(tags)
        best = (float("inf"), float("inf"))
        for _ in range(SCANS):
            cpu, wall = time.thread_time(), time.perf_counter()
            readings = await driver.read(handles)
            spent = time.thread_time() - cpu, time.perf_counter() - wall
            best = min(best[0], spent[0]), min(best[1], spent[1])
            assert len(readings) == len(tags)
        planned = plan([driver._fields[handle] for handle in handles])
        assert len(planned) == driver.requests_per_scan(handles)
        return [(one.start, one.cells, one.fields[0].code == "f") for one in planned], *best
    finally:
        await driver.close()


def _bare(port: int, requests: int) -> tuple[float, float]:
    """The least CPU and wall seconds for as many requests of 125 registers."""
    best = (float("inf"), float("inf"))
    with socket.create_connection(("127.0.0.1", port)) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        frame = struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 0, 125)
        for _ in range(SCANS // 4):
            cpu, wall = time.thread_time(), time.perf_counter()
            for _ in range(requests):
                link.sendall(frame)
                missing = 9 + 250
                while missing:
                    missing -= len(link.recv(missing))
            best = min(best, (time.thread_time() - cpu, time.perf_counter() - wall))
    return best
