"""Brokers, an independent second client, and a network that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

import paho.mqtt.client as paho
import pytest

from uns.mqtt import Broker
from uns.service.broker import EmbeddedBroker

_ids = itertools.count()


async def _until(condition: Callable[[], Any], what: str, deadline_s: float = 10.0) -> Any:
    try:
        async with asyncio.timeout(deadline_s):
            while not (found := condition()):
                await asyncio.sleep(0.01)
            return found
    except TimeoutError:
        raise AssertionError(f"did not happen within {deadline_s} s: {what}") from None


@pytest.fixture
def until():
    """Wait for a condition, with a deadline and a name."""
    return _until


@pytest.fixture
def client_id() -> str:
    """A client id that no other test uses."""
    return f"uns-test-{next(_ids)}"


@pytest.fixture
async def embedded() -> AsyncIterator[EmbeddedBroker]:
    """The broker inside this process."""
    async with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture(params=[("embedded", 4), ("mosquitto", 4), ("mosquitto", 5)], ids=str)
def speaking(request: pytest.FixtureRequest) -> tuple[str, int]:
    """Each broker that we support, in each version of MQTT that it speaks."""
    return request.param


@pytest.fixture
def running(request: pytest.FixtureRequest, speaking: tuple[str, int]) -> Any:
    """A broker, started."""
    return request.getfixturevalue(speaking[0])


@pytest.fixture
def protocol(speaking: tuple[str, int]) -> int:
    """The version of MQTT to use with it."""
    return speaking[1]


@pytest.fixture
def broker(running: Any) -> Broker:
    """The address of a running broker."""
    return Broker.parse(running.url)


class Second:
    """paho-mqtt in its own thread: the independent witness."""

    def __init__(self, port: int, version: int, client_id: str) -> None:
        self.messages: list[tuple[str, bytes, int, bool]] = []
        self.codes: list[Any] = []
        self._subscribed: list[int] = []
        self.client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id, protocol=paho.MQTTProtocolVersion(version)
        )
        self.client.on_message = self._message
        self.client.on_subscribe = lambda _c, _u, mid, *_: self._subscribed.append(mid)
        self.port = port

    def _message(self, _client: Any, _userdata: Any, message: paho.MQTTMessage) -> None:
        self.messages.append((message.topic, message.payload, message.qos, bool(message.retain)))

    async def connect(self) -> None:
        await asyncio.to_thread(self.client.connect, "127.0.0.1", self.port, 30)
        self.client.loop_start()
        await _until(self.client.is_connected, "paho connects")

    async def subscribe(self, topic: str, qos: int = 0) -> None:
        _, mid = self.client.subscribe(topic, qos)
        await _until(lambda: mid in self._subscribed, f"paho subscribes to {topic}")

    async def publish(self, topic: str, payload: bytes, qos: int = 0, retain: bool = False) -> None:
        sent = self.client.publish(topic, payload, qos, retain)
        await _until(sent.is_published, f"paho publishes to {topic}")

    async def close(self) -> None:
        self.client.disconnect()
        await asyncio.to_thread(self.client.loop_stop)


@pytest.fixture
async def second(running: Any) -> AsyncIterator[Second]:
    """A second client, connected to the same broker."""
    client = Second(running.port, 4, f"paho-{next(_ids)}")
    await client.connect()
    try:
        yield client
    finally:
        await client.close()


class Cable:
    """A TCP proxy that can fall silent without closing anything, or cut everything."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._flows = asyncio.Event()
        self._flows.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def silence(self) -> None:
        self._flows.clear()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._to_port)
        self._writers |= {writer, there_writer}
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            task = asyncio.create_task(self._copy(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65_536):
                await self._flows.wait()
                sink.write(data)
                await sink.drain()
        sink.close()


@pytest.fixture
async def cable(running: Any) -> AsyncIterator[Cable]:
    """The network between a client and the broker."""
    async with Cable(running.port) as made:
        yield made


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Any], Any]]:
    """Starts servers from a handler `(reader, writer)`; returns the address; closes everything."""
    servers: list[asyncio.Server] = []
    tasks: set[asyncio.Task[Any]] = set()
    writers: list[asyncio.StreamWriter] = []

    async def start(handler: Callable[[Any, Any], Any]) -> Broker:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.add(asyncio.current_task())
            writers.append(writer)
            await handler(reader, writer)

        servers.append(await asyncio.start_server(connected, "127.0.0.1", 0))
        return Broker("127.0.0.1", servers[-1].sockets[0].getsockname()[1])

    yield start
    for server in servers:
        server.close()
    for task in tasks:
        task.cancel()
    for writer in writers:
        writer.transport.abort()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.01)
