"""Sparkplug in, one retained JSON topic per tag out, through Mosquitto - beside a raw socket.

Both ways send as many messages to the same subscriber through the same Mosquitto:
  limit   a raw socket publishes the JSON messages themselves, joined
  ours    a raw socket publishes Sparkplug DDATA of 100 metrics; `uns run --only namespace`
          turns each into 100 messages
The loop is closed (at most WINDOW messages ahead of the subscriber), so no queue overflows and
every message that is sent is counted as received.

The CPU cost depends on the machine, and on what else runs on it: see yardstick.py.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from raw import RawPeer, publish_packet, pumped
from running import running
from table import Row, process_cpu_s
from yardstick import Yardstick

from uns.metric import DataType, Quality
from uns.service.broker import MosquittoBroker
from uns.sparkplug import EdgeNode, MetricDefinition, NodeId

MACHINES, TAGS = 10, 100
TOTAL = 200_000
WINDOW = 20_000
ROUNDS = 3
START_MS = 1_700_000_000_000

PROJECT = """\
enterprise: bench
sites: {leeds: {}}
types:
  machine:
    tags:
%s
instances:
  - {path: "leeds/packaging/line1/m{n}", each: {n: 0..9}, is: machine}
"""


def rows() -> Iterator[Row]:
    """Median of three rounds, the two ways in turn."""
    yardstick = Yardstick()
    try:
        limits, ours, cpus = asyncio.run(_measured())
    except FileNotFoundError as error:
        yield Row("Sparkplug → topics", f"not measured: {error}", "", "")
        return
    yield yardstick.row("Sparkplug → topics")
    limit, rate, cpu = (statistics.median(column) for column in (limits, ours, cpus))
    yield Row(
        "Sparkplug → topics",
        "raw socket → Mosquitto → subscriber (limit)",
        f"{limit / 1e3:.1f} k messages/s",
        "",
    )
    yield Row(
        "Sparkplug → topics",
        "DDATA → Mosquitto → namespace → Mosquitto → subscriber",
        f"{rate / 1e3:.1f} k messages/s = {rate / limit:.0%} of the limit",
        f"{cpu:.2f} µs/metric in the namespace service",
        "≥ 85 %, ≤ 3 µs",
        is_kept=rate >= 0.85 * limit and cpu <= 3,
    )


async def _measured() -> tuple[list[float], list[float], list[float]]:
    with tempfile.TemporaryDirectory(prefix="uns-bench-") as folder:
        project = Path(folder) / "plant.yaml"
        tags = "\n".join(f"      t{i}: {{type: double, range: [-1e9, 1e9]}}" for i in range(TAGS))
        project.write_text(PROJECT % tags)
        async with MosquittoBroker(folder=Path(folder) / "mosquitto") as broker:
            return await asyncio.to_thread(_rounds, broker.port, broker.url, project)


def _rounds(port: int, url: str, project: Path) -> tuple[list[float], list[float], list[float]]:
    limits: list[float] = []
    ours: list[float] = []
    cpus: list[float] = []
    command = ["-m", "uns", "run", str(project), "-b", url, "--only", "namespace"]
    with running(command, project.with_suffix(".log")) as pid:
        edge = _Edge(port)
        for _ in range(ROUNDS):
            limits.append(TOTAL / _limit(port))
            took, cpu_s = edge.pump(port, pid)
            ours.append(TOTAL / took)
            cpus.append(cpu_s / TOTAL * 1e6)
    return limits, ours, cpus


def _limit(port: int) -> float:
    """Seconds for TOTAL retained JSON messages from a raw socket."""
    source, sink = RawPeer(port, "limit-source"), RawPeer(port, "limit-sink")
    payload = b'{"value":1234.5678,"quality":"Good","timestamp":"2026-01-08T10:30:00.123Z"}'
    topics = [
        f"limit/leeds/packaging/line1/m{m}/t{t}".encode()
        for m in range(MACHINES)
        for t in range(TAGS)
    ]
    blocks = [
        b"".join(publish_packet(topic, payload, retain=True) for topic in topics[i : i + TAGS])
        for i in range(0, len(topics), TAGS)
    ]
    sink.subscribe("limit/#")
    sink.drain()
    took = pumped(source, sink, blocks, TAGS, total=TOTAL, window=WINDOW)
    source.close()
    sink.close()
    return took


class _Edge:
    """An edge node on a raw socket, born once the namespace service listens."""

    def __init__(self, port: int) -> None:
        node = NodeId("bench:leeds", "packaging:line1")
        metrics = [MetricDefinition(f"t{i}", DataType.DOUBLE) for i in range(TAGS)]
        self._edge = EdgeNode(node, {f"m{m}": metrics for m in range(MACHINES)}, bd_seq=0)
        self._edge.will()
        self._peer = RawPeer(port, "bench-edge")
        self._turn = 0
        self._births(port)

    def _births(self, port: int) -> None:
        watcher = RawPeer(port, "bench-births")
        watcher.subscribe("bench/leeds/packaging/line1/m9/t99")
        births = self._edge.connected(START_MS)
        for m in range(MACHINES):
            births += self._edge.device_up(f"m{m}", START_MS)
        deadline = time.monotonic() + 30
        self._send(births)
        while not watcher.drain(0.5):
            if time.monotonic() > deadline:
                raise TimeoutError("the namespace service never showed the bench's tags")
            self._send(self._edge.connected(START_MS))
        watcher.close()

    def _send(self, messages: list) -> None:
        self._peer.send(b"".join(publish_packet(m.topic.encode(), m.payload) for m in messages))

    def pump(self, port: int, pid: int) -> tuple[float, float]:
        """Seconds and the service's CPU seconds for TOTAL metrics."""
        sink = RawPeer(port, "bench-sink")
        sink.subscribe("bench/leeds/packaging/line1/+/+")
        sink.drain()
        blocks = [self._block() for _ in range(TOTAL // TAGS)]
        before = process_cpu_s(pid)
        took = pumped(self._peer, sink, blocks, TAGS, total=TOTAL, window=WINDOW)
        cpu_s = process_cpu_s(pid) - before
        sink.close()
        return took, cpu_s

    def _block(self) -> bytes:
        """One DDATA with a new value for every tag of one machine."""
        self._turn += 1
        turn, machine = self._turn, self._turn % MACHINES
        first = machine * TAGS + 1
        at = START_MS + turn * 10
        readings = [(first + t, 1000 + turn / 8 + t, int(Quality.GOOD), at) for t in range(TAGS)]
        (message,) = self._edge.observed(f"m{machine}", readings, at)
        return publish_packet(message.topic.encode(), message.payload)
