"""Sources that keep what happened, a bridge that is killed over them, and the books of it."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from aiohttp import web
from product import Product, settled
from witness import Books, Value, Witness, recorded

from uns.service.broker import MosquittoBroker
from uns.sim.mtconnect_agent import MtConnectAgent

__all__ = ["AgentSource", "Source", "TableSource", "killed"]

LINES = 10
PERIOD_S = 0.1
AFTER_S = 5.0
START_S = 30.0
PROJECT = """\
enterprise: acme
sites: {{leeds: {{}}}}
sparkplug: {{primary_host: uns-acme}}
types:
  filler:
    tags:
      count: {{type: Int64, deliver: every, scan: 0.5s}}
bindings:
  source:
    driver: {driver}
    connection: {connection}
    tags: {{count: "{address}"}}
instances:
  - {{path: "leeds/packaging/line{{n}}/filler", each: {{n: 1..{lines}}}, is: filler, bind: source}}
"""


class Source(ABC):
    """Counters of some lines; ten times a second each of them is one higher."""

    driver: str
    address: str
    begins_now = False  # what happened before the first start is nobody's business

    def __init__(self) -> None:
        self.truth: dict[str, dict[int, int]] = defaultdict(dict)  # topic → value → time
        self._counting: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        self._counting = asyncio.create_task(self._count())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        await self.close()

    async def stop(self) -> None:
        """Count no further."""
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.wait([self._counting])

    @property
    def project(self) -> str:
        """Every value of every counter is wanted."""
        words = {"driver": self.driver, "connection": self.connection, "address": self.address}
        return PROJECT.format(**words, lines=LINES)

    def due(self, told: Mapping[str, list[Value]]) -> dict[str, dict[int, int]]:
        """What should have been told, by topic: values and their times."""
        first = {
            topic: min((one.value for one in values), default=1) if self.begins_now else 1
            for topic, values in told.items()
        }
        return {
            topic: {value: at_ms for value, at_ms in self.truth[topic].items() if value >= since}
            for topic, since in first.items()
        }

    async def _count(self) -> None:
        for value in itertools.count(1):
            at_ms = time.time_ns() // 1_000_000
            for line in range(1, LINES + 1):
                self.truth[_topic(line)][value] = at_ms
            self.put(value, at_ms)
            await asyncio.sleep(PERIOD_S)

    @property
    @abstractmethod
    def connection(self) -> str:
        """The connection's settings in a project."""

    @abstractmethod
    async def open(self) -> None:
        """Be there."""

    @abstractmethod
    async def close(self) -> None:
        """Be gone."""

    @abstractmethod
    def put(self, value: int, at_ms: int) -> None:
        """Take the next value of every line in."""


class TableSource(Source):
    """A table of SQLite, a row for each line and step."""

    driver = "sql"
    address = "{n}/amount"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._file = folder / "counts.db"

    @property
    def connection(self) -> str:
        words = "table: counts, key: line, watermark: id, timestamp: at, start: oldest"
        return f'{{url: "sqlite:///{self._file}", {words}}}'

    async def open(self) -> None:
        self._db = sqlite3.connect(self._file)
        self._db.execute("create table counts (id integer primary key, line, amount, at)")

    async def close(self) -> None:
        self._db.close()

    def put(self, value: int, at_ms: int) -> None:
        at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
        rows = [(str(line), value, at) for line in range(1, LINES + 1)]
        with self._db:
            self._db.executemany("insert into counts (line, amount, at) values (?, ?, ?)", rows)


class AgentSource(Source):
    """An MTConnect agent, with an observation for each line and step."""

    driver = "http"
    address = "c{n}"
    begins_now = True

    @property
    def connection(self) -> str:
        return f'{{url: "http://127.0.0.1:{self._port}", preset: mtconnect}}'

    async def open(self) -> None:
        self._agent = MtConnectAgent([f"c{line}" for line in range(1, LINES + 1)])
        app = web.Application()
        app.router.add_get("/probe", self._probe)
        app.router.add_get("/current", self._current)
        app.router.add_get("/sample", self._sample)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]

    async def close(self) -> None:
        await self._runner.cleanup()

    def put(self, value: int, at_ms: int) -> None:
        for line in range(1, LINES + 1):
            self._agent.observe(f"c{line}", value, at_ms)

    async def _probe(self, _: web.Request) -> web.Response:
        return web.Response(text=self._agent.probe(), content_type="application/xml")

    async def _current(self, _: web.Request) -> web.Response:
        return web.Response(text=self._agent.current(), content_type="application/xml")

    async def _sample(self, request: web.Request) -> web.Response:
        asked = (int(request.query["from"]), int(request.query["count"]))
        status, text = self._agent.sample(*asked)
        return web.Response(text=text, status=status, content_type="application/xml")


async def killed(source: Source, folder: Path, *, before_s: float, away_s: float) -> Books:
    """Kill -9 the bridge, start it again; the books of what was told of all that happened."""
    async with MosquittoBroker(folder=folder / "mosquitto") as broker, source:
        witness = Witness(broker.port)
        try:
            with Product(folder, source.project, broker.url) as product:
                topics = [_topic(line) for line in range(1, LINES + 1)]
                shown = lambda: [witness.shown(topic) or 0 for topic in topics]  # noqa: E731 - a word for it
                await product.until(lambda: min(shown()) > 0, START_S, "first values")
                await asyncio.sleep(before_s)
                product.kill("bridges")
                await asyncio.sleep(away_s)
                product.start("bridges")
                back_at = time.time()
                await asyncio.sleep(AFTER_S)
                await source.stop()
                await settled(lambda: not _books(source, witness.heard(topics)).missing)
        finally:
            witness.close()
    told = witness.heard(topics)
    books = _books(source, told)
    live, late = witness.historical()
    books.repeated = sum(count - (says not in live) for says, count in late.items())
    books.delay_s = max(
        (one.heard_s - back_at for values in told.values() for one in values if one.is_late),
        default=0.0,
    )
    return books


def _books(source: Source, told: Mapping[str, list[Value]]) -> Books:
    return recorded(told, source.due(told))


def _topic(line: int) -> str:
    return f"acme/leeds/packaging/line{line}/filler/count"
