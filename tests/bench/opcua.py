"""OPC UA: our driver beside asyncua's own decoder, on values of a server in another process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from table import Row, best_cpu_s

from bridges.driver import BoundTag
from bridges.opcua import OpcUaConfig, OpcUaDriver
from bridges.opcua.publish import decode
from bridges.opcua.values import reading
from uns.metric import DataType, Reading

TAGS = 2000
WARM_S = 2.0
MEASURED_S = 8.0
NAMESPACE = "urn:bench"
_SERVE = "serve"


def rows() -> Iterator[Row]:
    """Receive by subscription, and what decoding one message costs with each decoder."""
    rate, cpu_us = asyncio.run(_receive())
    yield Row(
        "opcua",
        "socket to readings, by subscription",
        f"{rate:,.0f}/s",
        f"{cpu_us:.2f} µs",
        "≤ 10 µs",
    )
    body = _message()
    ours = best_cpu_s(lambda: decode(body))
    theirs = best_cpu_s(lambda: _decode_with_asyncua(body))
    yield _decoded("decode a publish response: ours", ours)
    yield _decoded("decode a publish response: asyncua", theirs)


def _decoded(what: str, cpu_s: float) -> Row:
    return Row("opcua", what, f"{TAGS / cpu_s / 1e3:,.0f} k/s", f"{cpu_s / TAGS * 1e6:.2f} µs")


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


async def _receive() -> tuple[float, float]:
    """Values per second, and µs of CPU for each."""
    server = subprocess.Popen([sys.executable, __file__, _SERVE], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    config = OpcUaConfig(endpoint=server.stdout.readline().strip(), namespace=NAMESPACE)
    driver = OpcUaDriver(config)
    sink = _Counter()
    try:
        await driver.open()
        await driver.bind(
            [
                BoundTag(n, driver.parse(f"s=L.T{n}", config), DataType.DOUBLE, 0.1)
                for n in range(TAGS)
            ]
        )
        running = asyncio.create_task(driver.run(sink))
        await asyncio.sleep(WARM_S)
        count, cpu_s, began = sink.count, time.process_time(), time.monotonic()
        await asyncio.sleep(MEASURED_S)
        count, cpu_s = sink.count - count, time.process_time() - cpu_s
        took_s = time.monotonic() - began
        running.cancel()
        await asyncio.wait([running])
    finally:
        await driver.close()
        server.kill()
        server.wait()
    return count / took_s, cpu_s / count * 1e6


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
