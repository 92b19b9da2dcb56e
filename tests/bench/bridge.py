"""One bridge process that reads 50,000 tags, all of which change every second.

500 machines of 100 floats behind 50 PLCs, simulated in a process of their own, and Mosquitto
between the bridge and a reader on a raw socket. The reader counts what arrives, and how long
after the moment it was read from the PLC.
"""

from __future__ import annotations

import asyncio
import select
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from flows import flows
from raw import RawPeer
from running import memory_mb, running
from table import Row, process_cpu_s
from yardstick import Yardstick

from uns.service.broker import MosquittoBroker
from uns.sparkplug.wire import PayloadMessage

LINES, MACHINES, TAGS = 50, 10, 100
TOTAL = LINES * MACHINES * TAGS
MEASURED_S = 15.0
WARM_S = 4.0  # from the first round of values of all tags to the measurement
FLOW_S = 10.0  # connections tell their numbers as often as this
START_S = 60
SERVERS = f"""\
import asyncio, random, struct
from contextlib import AsyncExitStack
from uns.sim.modbus_server import ModbusServer
images = [struct.pack(">{TAGS}f", *(random.uniform(20, 90) for _ in range({TAGS}))) for _ in range(7)]
async def main():
    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(ModbusServer(units=range(1, {MACHINES} + 1)))
            for _ in range({LINES})
        ]
        print(*(server.port for server in servers), flush=True)
        turn = 0
        while True:
            turn += 1
            for server in servers:
                for unit in range(1, {MACHINES} + 1):
                    server[unit].memory["hr"][:{4 * TAGS}] = images[turn % len(images)]
            await asyncio.sleep(1.0 - asyncio.get_running_loop().time() % 1.0)
asyncio.run(main())
"""


def rows() -> Iterator[Row]:
    """What the bridge process costs, delivers and holds."""
    yardstick = Yardstick()
    try:
        seen = asyncio.run(_measured())
    except FileNotFoundError as error:
        yield Row("bridge", f"not measured: {error}", "", "")
        return
    yield yardstick.row("bridge")
    rate = seen.values / seen.took_s
    yield Row(
        "bridge",
        f"{TOTAL:,} Modbus tags, all changing at 1 Hz, to Mosquitto, one process",
        f"{rate:,.0f} values/s arrive, {seen.overruns} overruns since the start",
        f"{seen.cpu_s / seen.took_s:.0%} of a core, {seen.cpu_s / seen.values * 1e6:.1f} µs a value",
        f"{TOTAL:,} /s in one process",
        is_kept=rate >= 0.99 * TOTAL,
    )
    delays = statistics.quantiles(seen.delays_ms, n=100)
    yield Row(
        "bridge",
        "from read to a subscriber of Mosquitto",
        f"median {delays[49]:.0f} ms, 99 % {delays[98]:.0f} ms, worst {max(seen.delays_ms):.0f} ms",
        f"{seen.memory_mb:.0f} MB",
    )


@dataclass
class _Seen:
    """What the reader and the operating system saw."""

    values: int = 0
    took_s: float = 0.0
    cpu_s: float = 0.0
    memory_mb: float = 0.0
    overruns: int = 0
    delays_ms: list[float] = field(default_factory=list)


async def _measured() -> _Seen:
    with tempfile.TemporaryDirectory(prefix="uns-bench-") as folder:
        async with MosquittoBroker(folder=Path(folder) / "mosquitto") as broker:
            return await asyncio.to_thread(_run, broker.port, broker.url, Path(folder))


def _run(port: int, url: str, folder: Path) -> _Seen:
    with ExitStack() as stack:
        ports = stack.enter_context(_servers())
        project = folder / "plant.yaml"
        project.write_text(_project(ports))
        reader = RawPeer(port, "bench-bridge-reader")
        reader.subscribe("spBv1.0/+/DDATA/#")
        command = ["-m", "uns", "run", str(project), "-b", url, "--only", "bridges"]
        pid = stack.enter_context(running(command, folder / "bridge.log"))
        _wait_for_all(reader)
        _read(reader, WARM_S, _Seen())
        return _observed(reader, port, pid)


def _observed(reader: RawPeer, port: int, pid: int) -> _Seen:
    seen = _Seen()
    cpu_s, began = process_cpu_s(pid), time.monotonic()
    _read(reader, MEASURED_S, seen)
    seen.took_s = time.monotonic() - began
    seen.cpu_s = process_cpu_s(pid) - cpu_s
    seen.memory_mb = memory_mb(pid)
    _read(reader, FLOW_S, _Seen())
    seen.overruns = sum(one["overruns"] for one in flows(port, "bench"))
    return seen


@contextmanager
def _servers() -> Iterator[list[int]]:
    with subprocess.Popen([sys.executable, "-c", SERVERS], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield [int(text) for text in process.stdout.readline().split()]
        finally:
            process.kill()


def _project(ports: list[int]) -> str:
    lines = ["enterprise: bench", "sites: {leeds: {}}", "types:", "  machine:", "    tags:"]
    lines += [f"      t{n}: {{type: Float}}" for n in range(TAGS)]
    lines += ["bindings:", "  plc:", "    driver: modbus"]
    lines += ['    connection: {host: 127.0.0.1, port: "{port}"}', "    tags:"]
    lines += [f'      t{n}: "{{unit}}/hr:{2 * n} float32"' for n in range(TAGS)]
    lines += ["instances:"]
    for number, port in enumerate(ports):
        lines.append(f'  - path: "leeds/packaging/line{number}/m{{unit}}"')
        lines += [f"    each: {{unit: 1..{MACHINES}}}", "    is: machine", "    bind: plc"]
        lines.append(f"    with: {{port: {port}}}")
    return "\n".join(lines)


def _wait_for_all(reader: RawPeer) -> None:
    """Every device has sent data."""
    topics: set[bytes] = set()
    until = time.monotonic() + START_S
    while len(topics) < LINES * MACHINES:
        if time.monotonic() > until:
            raise TimeoutError(f"only {len(topics)} of {LINES * MACHINES} machines sent data")
        if select.select([reader.socket], [], [], 1)[0]:
            topics.update(topic for topic, _ in reader.messages())


def _read(reader: RawPeer, seconds: float, seen: _Seen) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if not select.select([reader.socket], [], [], left)[0]:
            continue
        now_ms = time.time() * 1000
        for _, payload in reader.messages():
            metrics = PayloadMessage.FromString(payload).metrics
            seen.values += len(metrics)
            seen.delays_ms.append(now_ms - metrics[0].timestamp)
