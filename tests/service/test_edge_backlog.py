"""Store and forward, with real brokers and a real host: nothing is lost, live values go first."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from uns.errors import BrokerError
from uns.metric import DataType
from uns.mqtt import Broker, Session, connect, sessions
from uns.service.backlog_keeper import BacklogKeeper
from uns.service.broker import MosquittoBroker
from uns.service.edge import NODE_METRICS, EdgeNodeService, now_ms
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
from uns.sparkplug.rebirth import rebirth_request
from uns.sparkplug.rewind import WINDOW_MS
from uns.store.backlog import Backlog
from uns.store.state import State

pytestmark = pytest.mark.slow

NODE = NodeId("Acme:Leeds", "Line1")
HOST_ID = "uns-acme"
DEVICES = {
    "": NODE_METRICS,
    "filler": [MetricDefinition("count", DataType.INT64), MetricDefinition("speed", DataType.DOUBLE)],
    "capper": [MetricDefinition("torque", DataType.DOUBLE)],
}  # fmt: skip
SAMPLES = int(os.environ.get("UNS_BACKLOG_SAMPLES", "120_000"))
WAIT_S = 30.0


async def until(is_so: Callable[[], object], what: str, wait_s: float = WAIT_S) -> None:
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
                self._take(self.core.disconnected(now_ms()))

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
        self._take(events)
        assert self._session is not None
        for event in events:
            if isinstance(event, Publish):
                await self._session.publish(event.message)

    def _take(self, events: list[Any]) -> None:
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


@pytest.fixture
async def mosquitto() -> AsyncIterator[MosquittoBroker]:
    """Mosquitto with our configuration."""
    try:
        broker = await MosquittoBroker().__aenter__()
    except BrokerError as error:
        pytest.skip(f"needs the Debian package mosquitto: {error}")
    yield broker
    await broker.__aexit__(None, None, None)


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


async def has_all(host: Host, edge: Edge, wait_s: float = WAIT_S) -> None:
    """Every number that was fed was heard; nothing else, and the late ones in order."""
    await until(lambda: len(host.distinct["count"]) >= edge.fed, "all values", wait_s)
    assert list(range(edge.fed)) == host.heard("count")
    times = [at_ms for at_ms, _ in host.late["count"]]
    assert sorted(times) == times


async def test_a_broker_killed_with_a_backlog_costs_no_value(mosquitto, host, edges):
    """Kill -9 in full flow, eight seconds without it: every value is heard, in order of time."""
    edge = edges(mosquitto.url)
    await until(lambda: edge.service.health.is_online, "births")
    await edge.feed_for(2)
    await mosquitto.kill()
    await edge.feed_for(8)
    assert edge.waiting > 500
    await mosquitto.start()
    await edge.feed_for(3)
    await has_all(host, edge)
    assert len(host.late["count"]) > 500
    await until(lambda: edge.waiting == 0, "the backlog is confirmed and deleted", 25)
    assert 0 == edge.backlog.dropped(str(NODE))


@pytest.mark.parametrize("politely", [True, False])
async def test_a_primary_host_that_was_away_gets_what_it_missed(mosquitto, host, edges, politely):
    """Without it there are no births and no data, only a backlog; back again it misses nothing."""
    edge = edges(mosquitto.url)
    await until(lambda: edge.service.health.is_online, "births")
    await edge.feed_for(1)
    await host.stop(politely=politely)
    await until(lambda: not edge.service.health.is_online, "the edge node notices")
    await edge.feed_for(2)
    assert edge.waiting >= 200
    births = host.births
    host.start()
    await until(lambda: host.births > births, "births for the host that is back", 10)
    await has_all(host, edge)


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


async def test_what_a_dying_primary_host_did_not_hear_is_said_again(mosquitto, edges):
    """A host behind a cut network is online for its broker until the keep-alive is over.

    What was sent to it meanwhile lies in no one's hands: it is within the window.
    """
    cable = Cable(mosquitto.port)
    await cable.start()
    host = Host(cable.url)
    host.start()
    edge = edges(mosquitto.url)
    await until(lambda: edge.service.health.is_online, "births")
    await edge.feed_for(1)
    await until(lambda: len(host.distinct["count"]) == edge.fed, "all values")
    cable.silence()
    sent, began_ms = edge.service.health.metrics_out, now_ms()
    async with asyncio.timeout(20):
        while edge.service.health.is_online:
            await edge.feed_for(0.2)
    print(f"\nthe broker noticed after {(now_ms() - began_ms) / 1000:.1f} s")
    assert edge.service.health.metrics_out - sent > 200
    host.url = mosquitto.url
    await host.stop(politely=False)
    await cable.stop()
    host.start()
    await edge.feed_for(1)
    await has_all(host, edge)
    assert len(host.late["count"]) > 200
    await host.stop()


async def test_a_new_process_hands_in_what_the_last_one_could_not(mosquitto, host, edges):
    """The bridge may be restarted while the broker is away."""
    await mosquitto.stop()
    edge = edges(mosquitto.url)
    await edge.feed_for(1)
    await edge.stop()
    fed, last_ms = edge.fed, edge.last_ms
    edge = edges(mosquitto.url)
    edge.fed, edge.last_ms = fed, last_ms
    assert fed == edge.waiting
    await edge.feed_for(1)
    await mosquitto.start()
    await has_all(host, edge)


async def test_a_second_broker_takes_over_what_the_first_one_lost(mosquitto, edges, tmp_path):
    """The next broker of the list is tried within seconds, and gets births, backlog and data."""
    async with MosquittoBroker() as other:
        host = Host(other.url)
        host.start()
        edge = edges(mosquitto.url, other.url, primary_host="")
        await until(lambda: edge.service.health.is_online, "births")
        await edge.feed_for(2)
        assert [] == host.heard("count")
        await mosquitto.kill()
        await edge.feed_for(3)
        await until(lambda: host.births, "births on the other broker", 10)
        await has_all(host, edge)
        assert 1 == edge.service.edge.server
        await host.stop()


@pytest.mark.conforms("tck-id-operational-behavior-data-commands-rebirth-action-1")
async def test_a_rebirth_brings_back_what_may_have_been_lost(mosquitto, host, edges):
    """Whoever asks for a rebirth has missed something: the window is sent again, known as such.

    A host that had heard it all hears nothing twice; another one sees it as historical.
    """
    edge = edges(mosquitto.url)
    await until(lambda: edge.service.health.is_online, "births")
    edge.feed(300)
    await until(lambda: len(host.heard("count")) == 300, "all values")
    stranger = Host(mosquitto.url)
    session = await connect(Broker.parse(mosquitto.url), "stranger")
    await session.subscribe([("spBv1.0/#", 1)])
    await session.publish(rebirth_request(NODE, now_ms()))
    async with asyncio.timeout(10):
        async for batch in session.batches():
            for message in batch:
                stranger._take(stranger.core.received(message, now_ms()))
            if len(stranger.heard("count")) == 300:
                break
    assert len(stranger.late["count"]) >= 299
    await asyncio.sleep(0.5)
    assert [] == host.late["count"]
    assert list(range(300)) == host.heard("count")
    await session.close()


async def test_a_device_that_is_down_holds_up_nobody(mosquitto, host, edges):
    """Its backlog waits for its birth; that of its neighbours does not."""
    await mosquitto.stop()
    edge = edges(mosquitto.url)
    torque = edge.aliases["capper"]["torque"]
    for number in range(50):
        edge.service.observed("capper", [(torque, float(number), 192, now_ms() + number)])
    edge.feed(500)
    await mosquitto.start()
    await has_all(host, edge)
    assert [] == host.heard("torque")
    edge.service.device_up("capper")
    await until(lambda: len(host.heard("torque")) == 50, "the capper's backlog")
    assert [float(n) for n in range(50)] == host.heard("torque")


async def test_a_flood_takes_the_backlogs_way(mosquitto, host, edges):
    """More at once than may wait in memory: the newest go first, and nothing is lost."""
    edge = edges(mosquitto.url)
    await until(lambda: edge.service.health.is_online, "births")
    for _ in range(30):
        edge.feed(1_000)
    await has_all(host, edge)
    assert edge.service.health.overtaken > 0
    assert 29_999 == host.live["count"][-1][1]


async def test_stale_marks_are_no_values(mosquitto, edges):
    """What a lost device leaves behind is said by its death and its next birth."""
    await mosquitto.stop()
    edge = edges(mosquitto.url)
    count = edge.aliases["filler"]["count"]
    edge.service.observed("filler", [(count, 7, 500, now_ms()), (count, 8, 192, now_ms())])
    assert 1 == edge.waiting


@pytest.mark.parametrize("samples", [SAMPLES])
async def test_live_values_do_not_wait_for_the_backlog(mosquitto, host, edges, samples):
    """While ten minutes of a large line drain, a live value is as fast as it always is."""
    await mosquitto.stop()
    edge = edges(mosquitto.url, pace=Pace(40_000, per_node=40_000))
    began_ms = now_ms() - samples
    for _ in range(samples // 20_000):
        edge.feed(20_000, at_ms=began_ms)
        await until(lambda: not edge.backlog.is_dirty, "the backlog is on the disk")
    await mosquitto.start()
    await until(lambda: edge.service.health.is_online, "births")
    seen = edge.service.health
    async with asyncio.timeout(120):
        while seen.late_metrics_out < samples - 2_000:
            edge.feed(1)
            await asyncio.sleep(0.05)
    during = sorted(host.delays_ms)
    await has_all(host, edge, 60)
    print(
        f"\n{samples} late values, {len(during)} live ones meanwhile: delay median "
        f"{during[len(during) // 2]} ms, 99 % {during[int(len(during) * 0.99)]} ms, "
        f"most {during[-1]} ms"
    )
    assert len(during) > 10
    assert during[len(during) // 2] < 1_000
    assert during[-1] < 3_000


async def test_the_backlog_is_a_metric_of_the_node(mosquitto, host, edges):
    """Backlog/Waiting stands in the birth and goes to zero as it is handed in."""
    await mosquitto.stop()
    edge = edges(mosquitto.url, window_s=1.0)
    edge.feed(200)
    await mosquitto.start()
    await until(lambda: host.live["Backlog/Waiting"][-1:] and
                host.live["Backlog/Waiting"][-1][1] == 0, "nothing waits any more")  # fmt: skip
    assert 200 == next(value for _, value in host.born["Backlog/Waiting"] if value)
    assert {0} == {value for _, value in host.born["Backlog/Dropped"]}


async def test_a_clean_stop_leaves_nothing_to_send_again(mosquitto, host, edges):
    """The broker acknowledged the death behind the data; a new process has no backlog."""
    edge = edges(mosquitto.url)
    await until(lambda: edge.service.health.is_online, "births")
    edge.feed(100)
    await edge.stop()
    await until(lambda: len(host.heard("count")) == 100, "all values")
    edge = edges(mosquitto.url)
    assert 0 == edge.waiting
