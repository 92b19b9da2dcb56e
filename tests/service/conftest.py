"""An edge node's service and a host application, each with its files and over real brokers."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from uns.errors import BrokerError
from uns.metric import DataType
from uns.mqtt import Broker, Session, sessions
from uns.service.backlog_keeper import BacklogKeeper
from uns.service.broker import MosquittoBroker
from uns.service.definitions import NODE_METRICS
from uns.service.edge import EdgeNodeService, now_ms
from uns.service.pace import Pace
from uns.sparkplug import (
    Born,
    Changed,
    Died,
    EdgeNode,
    EdgeSettings,
    HostApplication,
    MetricDefinition,
    NodeId,
    Publish,
)
from uns.sparkplug.rewind import WINDOW_MS
from uns.store.backlog import Backlog
from uns.store.state import State

NODE = NodeId("Acme:Leeds", "Line1")
HOST_ID = "uns-acme"
DEVICES = {
    "": NODE_METRICS,
    "filler": [MetricDefinition("count", DataType.INT64), MetricDefinition("speed", DataType.DOUBLE)],
    "capper": [MetricDefinition("torque", DataType.DOUBLE)],
}  # fmt: skip
WAIT_S = 30.0


async def _until(is_so: Callable[[], object], what: str, wait_s: float = WAIT_S) -> None:
    """Wait for a condition, with a deadline and a name."""
    try:
        async with asyncio.timeout(wait_s):
            while not is_so():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"did not happen within {wait_s} s: {what}") from None


class Host:
    """A host application over its own session; remembers every value, live and late."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.core = HostApplication(HOST_ID)
        self.live: dict[str, list[tuple[int, Any]]] = defaultdict(list)
        self.late: dict[str, list[tuple[int, Any]]] = defaultdict(list)
        self.born: dict[str, list[tuple[int, Any]]] = defaultdict(list)
        self.distinct: dict[str, set[tuple[int, Any]]] = defaultdict(set)  # without nulls
        self.delays_ms: list[int] = []  # of live values of the filler
        self.deaths = 0
        self.births = 0
        self.nodes: dict[str, Any] = {}
        self._session: Session | None = None
        self._task: asyncio.Task[None] | None = None

    def heard(self, name: str) -> list[Any]:
        """All values of a metric in the order of their times, births included, without copies."""
        return [value for _, value in sorted(self.distinct[name], key=lambda item: item[0])]

    async def has_all(self, edge: Edge, wait_s: float = WAIT_S) -> None:
        """Every number that was fed was heard; nothing else, and the late ones in order."""
        await self.has_heard(edge, wait_s)
        times = [at_ms for at_ms, _ in self.late["count"]]
        assert sorted(times) == times

    async def has_heard(self, edge: Edge, wait_s: float = WAIT_S) -> None:
        """Every number that was fed was heard, and by their times they are in order."""
        await _until(lambda: len(self.distinct["count"]) >= edge.fed, "all values", wait_s)
        assert list(range(edge.fed)) == self.heard("count")

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="host")

    async def stop(self, *, politely: bool = True) -> None:
        assert self._task is not None
        if politely and self._session is not None and self._session.is_connected:
            await self._publish(self.core.stopping(now_ms()))
            await self._session.close()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.core = HostApplication(HOST_ID)

    async def _run(self) -> None:
        supply = sessions(
            Broker.parse(self.url), "host", will=lambda: self.core.will(now_ms()), keepalive_s=5
        )
        async with contextlib.aclosing(supply):
            async for session in supply:
                with contextlib.suppress(BrokerError):
                    await self._serve(session)
                self.take(self.core.disconnected(now_ms()))

    async def _serve(self, session: Session) -> None:
        await session.subscribe(self.core.subscriptions())
        self._session = session
        await self._publish(self.core.connected(now_ms()))
        ticks = asyncio.create_task(self._ticks(), name="host:tick")
        try:
            async for batch in session.batches():
                for message in batch:
                    await self._publish(self.core.received(message, now_ms()))
        finally:
            ticks.cancel()
            await asyncio.gather(ticks, return_exceptions=True)

    async def _ticks(self) -> None:
        while True:
            await asyncio.sleep(0.2)
            await self._publish(self.core.tick(now_ms()))

    async def _publish(self, events: list[Any]) -> None:
        self.take(events)
        assert self._session is not None
        for event in events:
            if isinstance(event, Publish):
                await self._session.publish(event.message)

    def take(self, events: list[Any]) -> None:
        """Remember what happened."""
        for event in events:
            match event:
                case Changed():
                    kept = self.late if event.is_historical else self.live
                    for slot, value, _, at_ms in event.updates:
                        kept[slot.name].append((at_ms, value))
                        self.distinct[slot.name].add((at_ms, value))
                    if not event.is_historical and event.device_id == "filler":
                        self.delays_ms.append(now_ms() - event.updates[-1][3])
                case Born():
                    self.births += not event.device_id
                    for slot in event.slots:
                        self.born[slot.name].append((slot.timestamp_ms, slot.value))
                        if slot.value is not None:
                            self.distinct[slot.name].add((slot.timestamp_ms, slot.value))
                case Died():
                    self.deaths += 1


class Edge:
    """An edge node's service with its files, and a PLC that counts."""

    def __init__(self, folder: Path, urls: list[str], primary_host: str, **settings: Any) -> None:
        self.state = State(folder / "state.db")
        self.backlog = Backlog(folder / "backlog.db")
        node = EdgeNode(
            NODE,
            DEVICES,
            bd_seq=self.state.get(f"bd_seq/{NODE}", 0),
            settings=EdgeSettings(primary_host=primary_host, servers=len(urls)),
        )
        self.aliases = {d: node.aliases(d) for d in ("filler", "capper")}
        self.service = EdgeNodeService(
            node,
            [Broker.parse(url) for url in urls],
            self.state,
            self.backlog,
            pace=settings.pop("pace", Pace()),
            window_s=settings.pop("window_s", WINDOW_MS / 1000),
            on_command=lambda _: None,
        )
        self.keeper = BacklogKeeper(self.backlog)
        self.fed = 0
        self._tasks = [
            asyncio.create_task(self.service.run(), name="edge"),
            asyncio.create_task(self.keeper.run(), name="keeper"),
        ]
        self.last_ms = 0

    def feed(self, count: int = 1, *, at_ms: int = 0) -> None:
        """The next numbers of the filler, each with a time of its own."""
        readings = []
        for _ in range(count):
            self.last_ms = max(self.last_ms + 1, at_ms or now_ms())
            readings.append((self.aliases["filler"]["count"], self.fed, 192, self.last_ms))
            self.fed += 1
        self.service.observed("filler", readings)

    async def feed_for(self, seconds: float) -> None:
        """A hundred numbers a second."""
        for _ in range(int(seconds * 20)):
            self.feed(5)
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.keeper.commit()
        self.state.close()
        self.backlog.close()

    @property
    def waiting(self) -> int:
        return self.backlog.waiting(str(NODE))


class Cable:
    """A TCP proxy whose network can fall silent: nothing is closed, nothing arrives."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._flows = asyncio.Event()
        self._flows.set()
        self._tasks: list[asyncio.Task[None]] = []
        self._server: asyncio.Server | None = None
        self.url = ""

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"mqtt://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def silence(self) -> None:
        self._flows.clear()

    def mend(self) -> None:
        self._flows.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            self._tasks.append(asyncio.create_task(self._copy(source, sink)))

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError):
                while data := await source.read(65_536):
                    await self._flows.wait()
                    sink.write(data)
                    await sink.drain()
        finally:
            sink.transport.abort()


@pytest.fixture
def until() -> Any:
    """Wait for a condition, with a deadline and a name."""
    return _until


@pytest.fixture
async def cable(mosquitto: MosquittoBroker) -> AsyncIterator[Cable]:
    """The network between a client and the broker."""
    made = Cable(mosquitto.port)
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def hosts() -> AsyncIterator[Callable[[str], Host]]:
    """Starts host applications."""
    started: list[Host] = []

    def start(url: str) -> Host:
        started.append(Host(url))
        started[-1].start()
        return started[-1]

    yield start
    for host in started:
        await host.stop()


@pytest.fixture
async def host(mosquitto: MosquittoBroker) -> AsyncIterator[Host]:
    """A host that listens."""
    host = Host(mosquitto.url)
    host.start()
    yield host
    await host.stop()


@pytest.fixture
async def edges(tmp_path: Path) -> AsyncIterator[Callable[..., Edge]]:
    """Starts edge nodes on the files of one folder; the filler answers at once."""
    started: list[Edge] = []

    def start(*urls: str, primary_host: str = HOST_ID, **settings: Any) -> Edge:
        edge = Edge(tmp_path, list(urls), primary_host, **settings)
        edge.service.device_up("filler")
        started.append(edge)
        return edge

    yield start
    for edge in started:
        await edge.stop()
