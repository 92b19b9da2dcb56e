"""OPC UA: values of a server in another process, by our driver and by asyncua's own handler.

The three ways receive the same values, one way after the other: our driver alone; our driver
under its supervisor, then the reporter and the edge node, up to the bytes of Sparkplug messages;
and a handler's `datachange_notification` that counts, with asyncua's client.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

from asyncua import Client, ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from table import Row, best_cpu_s
from yardstick import Yardstick

from bridges.driver import BoundTag
from bridges.opcua import OpcUaConfig, OpcUaDriver
from bridges.opcua.publish import decode
from bridges.opcua.values import reading
from uns.equipment import Connection, Tag
from uns.metric import DataType, Reading
from uns.reporting import Reporter
from uns.service.connection import ConnectionSupervisor
from uns.sparkplug import EdgeNode, MetricDefinition, NodeId
from uns.topic import Topic

TAGS = 2000
WARM_S = 2.0
MEASURED_S = 5.0
PERIOD_S = 0.1
START_S = 30.0
NAMESPACE = "urn:bench"
_SERVE = "serve"


def rows() -> Iterator[Row]:
    """Receive by subscription in three ways, and what decoding one message costs."""
    yardstick = Yardstick()
    with subprocess.Popen(
        [sys.executable, __file__, _SERVE], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            endpoint = server.stdout.readline().strip()
            received = asyncio.run(_receive(endpoint))
            encoded = asyncio.run(_encode(endpoint))
            handled = asyncio.run(_handle(endpoint))
        finally:
            server.kill()
    yield yardstick.row("OPC UA")
    yield _received("socket to readings", received, 10)
    yield _received("socket to Sparkplug bytes: session, reporter, edge node", encoded, 20)
    yield _received("socket to a handler's datachange_notification: asyncua (peer)", handled)
    body = _message()
    ours = best_cpu_s(lambda: decode(body))
    theirs = best_cpu_s(lambda: _decode_with_asyncua(body))
    yield _decoded("decode a publish response: ours", ours)
    yield _decoded("decode a publish response: asyncua (peer)", theirs)


def _received(what: str, measured: tuple[float, float], limit_us: float = 0.0) -> Row:
    rate, cpu_us = measured
    aim = f"≤ {limit_us:g} µs" if limit_us else ""
    is_kept = cpu_us <= limit_us if limit_us else None
    share = f"{rate:,.0f} values/s; 50,000 would take {0.05 * cpu_us:.0%} of a core"
    return Row("OPC UA", what, share, f"{cpu_us:.2f} µs a value", aim, is_kept)


def _decoded(what: str, cpu_s: float) -> Row:
    return Row("OPC UA", what, f"{TAGS / cpu_s / 1e3:,.0f} k/s", f"{cpu_s / TAGS * 1e6:.2f} µs")


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


async def _receive(endpoint: str) -> tuple[float, float]:
    """The driver alone: values per second, and µs of CPU for each."""
    config = OpcUaConfig(endpoint=endpoint, namespace=NAMESPACE)
    driver = OpcUaDriver(config)
    sink = _Counter()
    try:
        await driver.open()
        await driver.bind(_tags(config))
        running = asyncio.create_task(driver.run(sink))
        measured = await _measured(lambda: sink.count)
        running.cancel()
        await asyncio.wait([running])
    finally:
        await driver.close()
    return measured


async def _encode(endpoint: str) -> tuple[float, float]:
    """The same up to the bytes of DDATA messages, by what a bridge is made of."""
    config = OpcUaConfig(endpoint=endpoint, namespace=NAMESPACE)
    reporter = Reporter({n: Tag(f"t{n}", Topic(f"a/t{n}")) for n in range(TAGS)})
    definitions = [MetricDefinition(f"t{n}", DataType.DOUBLE) for n in range(TAGS)]
    edge = EdgeNode(NodeId("acme", "line1"), {"filler": definitions}, bd_seq=0)
    edge.will()
    edge.connected(_now_ms())
    edge.device_up("filler", _now_ms())
    aliases = [edge.aliases("filler")[f"t{n}"] for n in range(TAGS)]
    count = 0

    def observed(readings: Sequence[Reading]) -> None:
        nonlocal count
        worth = reporter.observed(readings, _now_ms())
        batch = [(aliases[handle], value, quality, at) for handle, value, quality, at in worth]
        count += len(batch) if edge.observed("filler", batch, _now_ms()) else 0

    supervisor = ConnectionSupervisor(
        Connection(endpoint, OpcUaDriver.name, config),
        OpcUaDriver,
        _tags(config),
        on_readings=observed,
        on_state=lambda _: None,
    )
    running = asyncio.create_task(supervisor.run())
    try:
        return await _measured(lambda: count)
    finally:
        running.cancel()
        await asyncio.wait([running])


async def _handle(endpoint: str) -> tuple[float, float]:
    """A handler and the client of asyncua, as its documentation shows."""
    handler = _Handler()
    async with Client(endpoint) as client:
        index = await client.get_namespace_index(NAMESPACE)
        nodes = [client.get_node(f"ns={index};s=L.T{n}") for n in range(TAGS)]
        subscription = await client.create_subscription(PERIOD_S * 1000, handler)
        await subscription.subscribe_data_change(nodes)
        return await _measured(lambda: handler.count)


class _Handler:
    """What asyncua calls for every value."""

    def __init__(self) -> None:
        self.count = 0

    def datachange_notification(self, node: object, value: object, notification: object) -> None:
        self.count += 1


def _tags(config: OpcUaConfig) -> list[BoundTag]:
    return [
        BoundTag(n, OpcUaDriver.parse(f"s=L.T{n}", config), DataType.DOUBLE, PERIOD_S)
        for n in range(TAGS)
    ]


async def _measured(counted: Callable[[], int]) -> tuple[float, float]:
    """Values per second, and µs of this process's CPU for each."""
    async with asyncio.timeout(START_S):
        while not counted():
            await asyncio.sleep(0.1)
    await asyncio.sleep(WARM_S)
    count, cpu_s, began = counted(), time.process_time(), time.monotonic()
    await asyncio.sleep(MEASURED_S)
    count, cpu_s = counted() - count, time.process_time() - cpu_s
    return count / (time.monotonic() - began), cpu_s / count * 1e6


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _message() -> bytes:
    now = datetime.now(UTC)
    value = ua.Variant(1.5, ua.VariantType.Double)
    held = ua.DataValue(value, SourceTimestamp=now, ServerTimestamp=now)
    items = [ua.MonitoredItemNotification(n, held) for n in range(TAGS)]
    change = ua.DataChangeNotification(MonitoredItems=items)
    message = ua.NotificationMessage(SequenceNumber=1, NotificationData=[change])
    return struct_to_binary(
        ua.PublishResponse(Parameters=ua.PublishResult(1, NotificationMessage=message))
    )


def _decode_with_asyncua(body: bytes) -> list[Reading]:
    response = struct_from_binary(ua.PublishResponse, Buffer(body))
    (change,) = response.Parameters.NotificationMessage.NotificationData
    return [reading(item.ClientHandle, item.Value) for item in change.MonitoredItems]


async def _serve() -> None:
    from uns.sim.opcua_server import OpcUaServer, ServedTag

    tags = [ServedTag(f"L.T{n}", DataType.DOUBLE, 0.0) for n in range(TAGS)]
    async with OpcUaServer(NAMESPACE, tags) as server:
        print(server.endpoint, flush=True)
        value = 0.0
        while True:
            value += 1
            now_ms = time.time_ns() // 1_000_000
            await server.write([(f"L.T{n}", value, now_ms) for n in range(TAGS)])
            await asyncio.sleep(0.4)


if __name__ == "__main__" and sys.argv[-1] == _SERVE:
    asyncio.run(_serve())
