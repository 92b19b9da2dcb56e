"""A Logix scan of 2,000 tags, single and in an array, beside pylogix's own reading of a list.

The server is ours, in a process of its own. CPU is that of this process: loop and worker thread.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from table import Row

from bridges.driver import BoundTag
from bridges.logix import LogixConfig, LogixDriver
from uns.metric import DataType

SCANS = 30
TAGS = 2000
SERVER = f"""\
import asyncio
from uns.sim.logix_server import LogixServer
async def main():
    async with LogixServer() as server:
        for n in range({TAGS}):
            server.declare(f"Program:Main.Machine_{{n:04}}_Temp", "REAL")
            server.declare(f"Temps[{{n}}]", "REAL")
        print(server.port, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""
SINGLE = [f"Program:Main.Machine_{n:04}_Temp" for n in range(TAGS)]
ELEMENTS = [f"Temps[{n}]" for n in range(TAGS)]


def rows() -> Iterator[Row]:
    """Scans of single tags, of an array's elements, and pylogix asked for the same single tags."""
    with subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            for what, texts in (("single tags", SINGLE), ("elements of an array", ELEMENTS)):
                packets, cpu_s, wall_s = asyncio.run(_scans(port, texts))
                yield _row(f"{TAGS} {what}, {packets} packets", cpu_s, wall_s, "≤ 10 µs a tag")
            yield _row(f"{TAGS} single tags, pylogix alone (peer)", *_peer(port))
        finally:
            server.kill()


def _row(what: str, cpu_s: float, wall_s: float, aim: str = "") -> Row:
    rate, cpu = f"{wall_s * 1e3:.1f} ms a scan", f"{cpu_s / TAGS * 1e6:.1f} µs a tag"
    return Row("Logix scan", what, rate, cpu, aim)


async def _scans(port: int, texts: list[str]) -> tuple[int, float, float]:
    """Packets of one scan, and the least CPU and wall seconds of SCANS."""
    config = LogixConfig(host="127.0.0.1", port=port)
    driver = LogixDriver(config)
    tags = [
        BoundTag(handle, driver.parse(text, config), DataType.FLOAT)
        for handle, text in enumerate(texts)
    ]
    handles = [tag.handle for tag in tags]
    await driver.open()
    try:
        await driver.bind(tags)
        least = (float("inf"), float("inf"))
        for _ in range(SCANS):
            began, cpu = time.perf_counter(), time.process_time()
            await driver.read(handles)
            spent = time.process_time() - cpu, time.perf_counter() - began
            least = min(least[0], spent[0]), min(least[1], spent[1])
        return driver.packets_per_scan(handles), *least
    finally:
        await driver.close()


def _peer(port: int) -> tuple[float, float]:
    import pylogix

    plc = pylogix.PLC("127.0.0.1", port=port)
    plc.conn.msg_socket.close()
    try:
        plc.Read(SINGLE)  # it learns the types
        return _least(lambda: plc.Read(SINGLE))
    finally:
        plc.Close()


def _least(work: Callable[[], object]) -> tuple[float, float]:
    least = (float("inf"), float("inf"))
    for _ in range(SCANS // 3):
        began, cpu = time.perf_counter(), time.process_time()
        work()
        spent = time.process_time() - cpu, time.perf_counter() - began
        least = min(least[0], spent[0]), min(least[1], spent[1])
    return least
