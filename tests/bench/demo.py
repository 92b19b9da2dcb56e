"""The demo plant at 1,200 tags: what its simulator and its bridges cost, each a process.

A copy of config/aurora with eight lines in Leeds instead of three, on ports that are free now:
PLCs over OPC UA, Modbus, S7 and Logix, checkweighers on old brokers, orders, a laboratory, a mill.

    python demo.py sim FOLDER SHIFT
    python demo.py bridges FOLDER SHIFT BROKER
"""

from __future__ import annotations

import asyncio
import select
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from flows import flows
from raw import RawPeer
from running import memory_mb, running
from table import Row, process_cpu_s
from yardstick import Yardstick

from uns.cli.project import loaded
from uns.project.project import Project
from uns.service.broker import MosquittoBroker
from uns.sim.move import _moved
from uns.sparkplug.wire import PayloadMessage

LINES = 8
LIMIT = 0.25  # of a core, simulator and bridges together
SETTLE_S = 12.0
MEASURED_S = 30.0
START_S = 60.0
AURORA = Path(__file__).parents[2] / "config" / "aurora"


def rows() -> Iterator[Row]:
    """What each process uses of a core, and both together."""
    yardstick = Yardstick()
    try:
        seen = asyncio.run(_measured())
    except FileNotFoundError as error:
        yield Row("demo", f"not measured: {error}", "", "")
        return
    yield yardstick.row("demo")
    for name, share, memory in zip(
        ("simulator", "bridges"), seen.shares, seen.memory_mb, strict=True
    ):
        yield Row("demo", name, f"{memory:.0f} MB", f"{share:.0%} of a core")
    yield Row(
        "demo",
        f"{seen.tags:,} tags together, {seen.good:,} of the {seen.read:,} that are read are there, "
        f"over {seen.connections} connections",
        f"{seen.values_per_s:,.0f} changed values/s",
        f"{sum(seen.shares):.0%} of a core",
        f"< {LIMIT:.0%} of a core",
        is_kept=sum(seen.shares) < LIMIT and seen.good == seen.read,
    )


@dataclass(frozen=True)
class _Seen:
    """The plant as its readers and the operating system see it; simulator first."""

    tags: int
    read: int  # the others are calculated
    good: int
    connections: int
    values_per_s: float
    shares: list[float]
    memory_mb: list[float]


async def _measured() -> _Seen:
    with tempfile.TemporaryDirectory(prefix="uns-bench-") as folder:
        async with MosquittoBroker(folder=Path(folder) / "mosquitto") as broker:
            return await asyncio.to_thread(_run, broker.port, broker.url, Path(folder))


def _run(port: int, url: str, folder: Path) -> _Seen:
    folder = _stamped(folder / "aurora")
    project = loaded(folder)
    shift = str(_free_shift(project))
    with ExitStack() as stack:
        reader = RawPeer(port, "bench-demo-reader")
        reader.subscribe("spBv1.0/+/DDATA/#")
        commands = ["sim", str(folder), shift], ["bridges", str(folder), shift, url]
        pids = [
            stack.enter_context(running([__file__, *words], folder / f"{words[0]}.log"))
            for words in commands
        ]
        _heard(reader, START_S, stop_at=1)
        _heard(reader, SETTLE_S)
        before, began = [process_cpu_s(pid) for pid in pids], time.monotonic()
        values = _heard(reader, MEASURED_S)
        took_s = time.monotonic() - began
        used = [process_cpu_s(pid) - cpu_s for pid, cpu_s in zip(pids, before, strict=True)]
        told = flows(port, "aurora")
        tags = [tag for machine in project.machines for tag in machine.tags]
        return _Seen(
            tags=len(tags),
            read=sum(tag.source is not None for tag in tags),
            good=sum(one["tags_good"] for one in told if one["state"] == "running"),
            connections=len(told),
            values_per_s=values / took_s,
            shares=[cpu_s / took_s for cpu_s in used],
            memory_mb=[memory_mb(pid) for pid in pids],
        )


def _stamped(folder: Path) -> Path:
    shutil.copytree(AURORA, folder, ignore=shutil.ignore_patterns(".uns"))
    instances = folder / "instances.yaml"
    text = instances.read_text()
    assert "{n: 1..3}" in text
    instances.write_text(text.replace("{n: 1..3}", f"{{n: 1..{LINES}}}"))
    return folder


def _heard(reader: RawPeer, seconds: float, stop_at: float = float("inf")) -> int:
    """How many values came within some seconds, or until there were so many."""
    count, until = 0, time.monotonic() + seconds
    while count < stop_at and (left := until - time.monotonic()) > 0:
        if select.select([reader.socket], [], [], left)[0]:
            found = [PayloadMessage.FromString(payload) for _, payload in reader.messages()]
            count += sum(len(one.metrics) for one in found)
    return count


def _places(project: Project) -> set[tuple[str, int]]:
    found = (link.config.endpoint() for link in project.connections.values())
    return {place for place in found if place is not None}


def _free_shift(project: Project) -> int:
    """By how much all ports can be moved so that none of them is taken."""
    ports = {port for _, port in _places(project)}
    for shift in range(1000, 12000, 777):
        with suppress(OSError), ExitStack() as held:
            for port in ports:
                held.enter_context(socket.socket()).bind(("127.0.0.1", port + shift))
            return shift
    raise FileNotFoundError("no free ports for the demo plant")


def _shifted(folder: str, shift: str) -> Project:
    project = loaded(Path(folder))
    ports = {place: place[1] + int(shift) for place in _places(project)}
    links = {key: _moved(link, ports) for key, link in project.connections.items()}
    return replace(project, connections=links)


async def _sim(folder: str, shift: str) -> None:
    from uns.sim.plant import SimulatedPlant

    home = Path(folder) / ".uns"
    truth = Path(folder) / "truth.json"
    async with SimulatedPlant(_shifted(folder, shift), truth_path=truth, home=home) as plant:
        await plant.wait()


async def _bridges(folder: str, shift: str, url: str) -> None:
    from uns.mqtt import Broker
    from uns.service.runtime import Part, Runtime

    project = _shifted(folder, shift)
    home = Path(folder) / ".uns"
    await Runtime(project, [Broker.parse(url)], home, parts=[Part.BRIDGES]).run()


if __name__ == "__main__" and len(sys.argv) > 2:
    part = {"sim": _sim, "bridges": _bridges}[sys.argv[1]]
    asyncio.run(part(*sys.argv[2:]))
