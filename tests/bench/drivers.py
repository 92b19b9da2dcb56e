"""The other drivers, one line each: CPU of the reading process for 1,000 values that all changed.

What answers is a process of its own, except for SQL (a SQLite file) and the dropped files.
Logix, Modbus and OPC UA have tables of their own.
"""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from table import Row
from yardstick import Yardstick

from bridges.driver import BoundTag, Driver, PollDriver, PushDriver
from bridges.file import FileConfig, FileDriver
from bridges.http import HttpConfig, HttpDriver
from bridges.mqtt import MqttConfig, MqttDriver
from bridges.s7 import S7Config, S7Driver
from bridges.sql import SqlConfig, SqlDriver
from uns.metric import DataType, Quality, Reading

TAGS = 1000
SCANS = 20
PERIOD_S = 0.2  # of the document on the broker
PUSHED_S = 4.0
_S7 = f"""\
import asyncio, os
from uns.sim.s7_server import S7Server
async def main():
    async with S7Server({{("DB", 1): {4 * TAGS}}}) as server:
        print(server.port, flush=True)
        turn = 0
        while True:
            turn += 1
            for n in range({TAGS}):
                server.memory.set("DB", 1, 4 * n, turn + n / 8, "REAL")
            await asyncio.sleep(0.05)
asyncio.run(main())
"""
_HTTP = f"""\
import asyncio, time
from aiohttp import web
turn = 0
async def answer(request):
    global turn
    turn += 1
    return web.json_response({{f"t{{n}}": turn + n / 8 for n in range({TAGS})}})
async def main():
    app = web.Application()
    app.router.add_get("/values", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(site._server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
_MQTT = f"""\
import asyncio, json
from uns.message import Message
from uns.sim.mqtt_server import MqttServer
async def main():
    async with MqttServer() as server:
        print(server.port, flush=True)
        turn = 0
        while True:
            turn += 1
            document = json.dumps({{f"t{{n}}": turn + n / 8 for n in range({TAGS})}}).encode()
            await server.publish([Message("old/line/data", document, 0, retain=True)])
            await asyncio.sleep({PERIOD_S})
asyncio.run(main())
"""


def rows() -> Iterator[Row]:
    """S7, HTTP, MQTT, SQL and files."""
    yield Yardstick().row("drivers")
    with _served(_S7) as port:
        config = S7Config(host="127.0.0.1", port=port)
        yield _row("S7: 1,000 REAL of one block", asyncio.run(_s7(config)))
    with _served(_HTTP) as port:
        http = HttpConfig(url=f"http://127.0.0.1:{port}")
        yield _row("HTTP: a JSON document of 1,000 values", asyncio.run(_http(http)))
    with _served(_MQTT) as port:
        mqtt = MqttConfig(broker=f"mqtt://127.0.0.1:{port}")
        yield _row("MQTT: a JSON message of 1,000 values", asyncio.run(_mqtt(mqtt)))
    with tempfile.TemporaryDirectory(prefix="uns-bench-") as folder:
        yield _row("SQL: 1,000 new rows of SQLite", asyncio.run(_sql(Path(folder))))
        yield _row("file: a CSV file of 1,000 rows", asyncio.run(_file(Path(folder))))


def _row(what: str, cpu_us: float) -> Row:
    return Row(
        "drivers", what, f"{1000 / cpu_us:,.0f} k values/s of CPU", f"{cpu_us:.1f} µs a value"
    )


async def _s7(config: S7Config) -> float:
    async with _bound(S7Driver(config), [f"DB1.DBD{4 * n}:REAL" for n in range(TAGS)]) as driver:
        return await _polled(driver)


async def _http(config: HttpConfig) -> float:
    async with _bound(HttpDriver(config), [f"/values $.t{n}" for n in range(TAGS)]) as driver:
        return await _polled(driver)


async def _sql(folder: Path) -> float:
    """Rows are read once each, behind the last one that was seen."""
    path = folder / "rows.db"
    config = SqlConfig(
        url=f"sqlite:///{path}", table="seen", key="name", watermark="id", timestamp="at"
    )
    with sqlite3.connect(path) as database:
        database.execute(
            "create table seen (id integer primary key, name text, value real, at text)"
        )

        def insert(turn: int) -> None:
            stamp = f"2026-01-08T10:30:{turn:02}.000Z"
            database.executemany(
                "insert into seen (name, value, at) values (?, ?, ?)",
                [(f"t{n}", turn + n / 8, stamp) for n in range(TAGS)],
            )
            database.commit()

        insert(0)
        async with _bound(SqlDriver(config), [f"t{n}/value" for n in range(TAGS)]) as driver:
            return await _polled(driver, insert)


async def _file(folder: Path) -> float:
    """One file for each scan; it has settled as soon as it is there."""
    drop = folder / "drop"
    drop.mkdir()
    config = FileConfig(folder=str(drop), key="name", timestamp="at", settle_s=0)

    def write(turn: int) -> None:
        rows = [f"t{n},{turn + n / 8},2026-01-08T10:30:{turn:02}.000Z" for n in range(TAGS)]
        (drop / f"new-{turn:02}.part").write_text("\n".join(["name,value,at", *rows, ""]))
        (drop / f"new-{turn:02}.part").rename(drop / f"new-{turn:02}.csv")

    write(0)
    async with _bound(FileDriver(config), [f"t{n}/value" for n in range(TAGS)]) as driver:
        return await _polled(driver, write)


async def _polled(driver: Driver, prepare: Callable[[int], None] = lambda _: None) -> float:
    """The least CPU of a scan that brought 1,000 good values, in µs a value."""
    assert isinstance(driver, PollDriver)
    handles = tuple(range(TAGS))
    least = float("inf")
    for turn in range(SCANS + 1):
        prepare(turn + 1)
        began = time.process_time()
        readings = await driver.read(handles)
        cpu_s = time.process_time() - began
        good = sum(quality == Quality.GOOD for _, _, quality, _ in readings)
        if turn:  # the first makes the plan
            assert good == TAGS, f"{driver.name}: {good} good values in scan {turn}"
            least = min(least, cpu_s)
    return least / TAGS * 1e6


async def _mqtt(config: MqttConfig) -> float:
    """CPU while messages come, in µs a value."""
    sink = _Counter()
    async with _bound(MqttDriver(config), [f"old/line/data $.t{n}" for n in range(TAGS)]) as driver:
        assert isinstance(driver, PushDriver)
        running = asyncio.create_task(driver.run(sink))
        await asyncio.sleep(1)
        count, began = sink.count, time.process_time()
        await asyncio.sleep(PUSHED_S)
        cpu_s = time.process_time() - began
        running.cancel()
        await asyncio.wait([running])
    return cpu_s / (sink.count - count) * 1e6


class _Counter:
    """A sink that counts."""

    def __init__(self) -> None:
        self.count = 0

    def readings(self, batch: Sequence[Reading]) -> None:
        self.count += len(batch)

    def alive(self) -> None:
        pass

    async def ready(self) -> None:
        pass


@asynccontextmanager
async def _bound(driver: Driver, addresses: Sequence[str]) -> AsyncIterator[Driver]:
    await driver.open()
    try:
        tags = [
            BoundTag(n, driver.parse(address, driver.config), DataType.FLOAT)
            for n, address in enumerate(addresses)
        ]
        problems = [result.problem for result in await driver.bind(tags) if result.problem]
        assert not problems, problems[:3]
        yield driver
    finally:
        await driver.close()


@contextmanager
def _served(script: str) -> Iterator[int]:
    """The port that a script in a process of its own listens on."""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as server:
        try:
            assert server.stdout is not None
            yield int(server.stdout.readline())
        finally:
            server.kill()
