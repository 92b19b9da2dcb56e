"""A Modbus scan of 4,928 mixed tags, beside the same requests with nothing done to the answers.

The server is ours, in a process of its own. The limit is a blocking socket that sends the
requests the driver plans and throws the answers away.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator

from table import Row

from bridges.driver import BoundTag
from bridges.modbus import ModbusConfig, ModbusDriver
from uns.metric import DataType

SCANS = 100
#: 3,428 floats with holes and 1,500 words: what a packaging line's PLC looks like, five times over
TEXTS = [f"hr:{2 * i} float32" for i in range(4000) if i % 7] + [
    f"hr:{8000 + i} int16" for i in range(1500)
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
    """Scans of values that stand still, scans of values that all change, and the bare requests."""
    for label, changing in (("nothing changes", False), ("everything changes", True)):
        command = [sys.executable, "-c", SERVER.format(changing=changing)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
            try:
                assert server.stdout is not None
                port = int(server.stdout.readline())
                requests, cpu_s, wall_s = asyncio.run(_scans(port))
                bare_cpu_s, bare_wall_s = _bare(port, requests)
            finally:
                server.kill()
        tags = len(TEXTS)
        yield Row(
            "Modbus scan",
            f"{tags} tags, {requests} requests, {label}",
            f"{wall_s * 1e3:.1f} ms a scan, {tags / cpu_s / 1e6:.2f} M tags/s of CPU",
            f"{cpu_s * 1e3:.1f} ms a scan",
            "< 100 requests, ≥ 1 M tags/s",
        )
        yield Row(
            "Modbus scan",
            f"{requests} bare requests, answers thrown away (limit)",
            f"{bare_wall_s * 1e3:.1f} ms",
            f"{bare_cpu_s * 1e3:.1f} ms",
        )


async def _scans(port: int) -> tuple[int, float, float]:
    """Requests of one scan, and the least CPU and wall seconds of SCANS."""
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
            best = min(best, (time.thread_time() - cpu, time.perf_counter() - wall))
            assert len(readings) == len(tags)
        return driver.requests_per_scan(handles), *best
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
