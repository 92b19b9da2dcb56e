"""Five hundred edge nodes restart at once: all are born again soon, and the host hardly notices.

`make faults` prints how long it took and what the namespace service - the host application -
spent on it. The parts are separate processes on one Mosquitto: a plant of 500 Modbus devices,
one bridge process with an edge node for each of 500 lines, and the namespace service.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import paho.mqtt.client as paho
import pytest

from uns.service.broker import MosquittoBroker

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("mosquitto") or Path("/usr/sbin/mosquitto").exists()),
        reason="wants the Debian package mosquitto",
    ),
]

NODES = 500
BORN_S = 10.0  # the promise
GIVE_UP_S = 60.0
PROJECT = """\
enterprise: fleet
sites: {{leeds: {{}}}}
types:
  filler:
    tags:
      state: {{type: int32}}
      good: {{type: uint32, counter: true}}
      bad: {{type: uint32, counter: true}}
      speed: {{type: float, range: [0, 60000]}}
      pressure: {{type: float, range: [0, 6], unit: bar}}
bindings:
  plc:
    driver: modbus
    connection: {{host: 127.0.0.1, port: "{{port}}", unit: "{{n}}"}}
    tags:
      state: "hr:0 int32"
      good: "hr:2 uint32"
      bad: "hr:4 uint32"
      speed: "hr:6 float32"
      pressure: "hr:8 float32"
instances:
  - {{path: "leeds/hall1/line{{n}}/filler", each: {{n: 1..200}}, is: filler, bind: plc, with: {{port: {0}}}}}
  - {{path: "leeds/hall2/line{{n}}/filler", each: {{n: 1..200}}, is: filler, bind: plc, with: {{port: {1}}}}}
  - {{path: "leeds/hall3/line{{n}}/filler", each: {{n: 1..100}}, is: filler, bind: plc, with: {{port: {2}}}}}
"""


class Fleet:
    """The processes of one plant, and a reader of what the broker carries."""

    def __init__(self, folder: Path, broker: MosquittoBroker) -> None:
        self._folder = folder
        self._broker = broker
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: list[IO[bytes]] = []
        self._lock = threading.Lock()
        self._born: set[str] = set()
        self._good: dict[str, bool] = {}
        (folder / "project").mkdir()
        (folder / "project" / "plant.yaml").write_text(PROJECT.format(*_free_ports(3)))
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="judge")
        self._client.on_message = self._message
        self._client.connect("127.0.0.1", broker.port)
        self._client.subscribe([("spBv1.0/+/DBIRTH/#", 0), ("fleet/#", 0)])
        self._client.loop_start()

    def _message(self, _: paho.Client, __: Any, message: paho.MQTTMessage) -> None:
        levels = message.topic.split("/")
        with self._lock:
            if levels[0] == "spBv1.0":
                self._born.add("/".join(levels[3:]))
            elif levels[-1] == "speed":
                self._good[message.topic] = b'"Good"' in message.payload

    def start(self, name: str) -> None:
        """Start `sim`, `bridges` or `namespace`."""
        words = ["sim", str(self._folder / "project")]
        if name != "sim":
            state = str(self._folder / f"state-{name}")
            words = ["run", words[1], "-b", self._broker.url, "--state", state, "--only", name]
        log = (self._folder / f"{name}.log").open("ab")
        self._logs.append(log)
        self._running[name] = subprocess.Popen(
            [sys.executable, "-m", "uns", *words],
            stdout=log,
            stderr=log,
            env=os.environ | {"NO_COLOR": "1"},
        )

    def kill(self, name: str) -> None:
        """Kill -9: every edge node's will is published, nothing is said by itself."""
        with self._lock:
            self._born.clear()
        self._running[name].kill()
        self._running[name].wait(5)

    def cpu_s(self, name: str) -> float:
        """Processor time of a process so far (proc(5): utime and stime)."""
        stat = Path(f"/proc/{self._running[name].pid}/stat").read_text()
        utime, stime = stat.rsplit(")", 1)[1].split()[11:13]
        return (int(utime) + int(stime)) / os.sysconf("SC_CLK_TCK")

    def born(self) -> int:
        """How many devices have been born since the last kill."""
        with self._lock:
            return len(self._born)

    def good(self) -> int:
        """How many lines have a Good value on the tree."""
        with self._lock:
            return sum(self._good.values())

    async def until(self, is_so: Callable[[], bool]) -> float:
        """Wait for it; seconds that it took."""
        began = time.monotonic()
        while not is_so():
            assert time.monotonic() - began < GIVE_UP_S, self._state()
            await asyncio.sleep(0.05)
        return time.monotonic() - began

    def _state(self) -> str:
        logs = "\n".join(p.read_text()[-1500:] for p in self._folder.glob("*.log"))
        return f"{self.born()} born, {self.good()} lines Good\n{logs}"

    def close(self) -> None:
        """End everything that still runs."""
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
        self._client.disconnect()
        self._client.loop_stop()
        for log in self._logs:
            log.close()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for the project, states and logs."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


async def test_five_hundred_edge_nodes_restart_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All are born and Good on the tree within ten seconds; the host needs less than one core."""
    async with MosquittoBroker(folder=folder / "mosquitto") as broker:
        fleet = Fleet(folder, broker)
        try:
            for name in ("sim", "namespace", "bridges"):
                fleet.start(name)
            await fleet.until(lambda: fleet.good() == NODES)
            rows = [await _restart(fleet, number) for number in (1, 2, 3)]
            rows.append(await _restart_host(fleet))
        finally:
            fleet.close()
    with capsys.disabled():
        print("\n" + "\n".join(text for text, _ in rows))
    assert all(took_s < BORN_S for _, took_s in rows)


async def _restart(fleet: Fleet, number: int) -> tuple[str, float]:
    """Kill the bridges and start them again; the clock starts with the process."""
    fleet.kill("bridges")
    stale_s = await fleet.until(lambda: fleet.good() == 0)
    cpu_s, began = fleet.cpu_s("namespace"), time.monotonic()
    fleet.start("bridges")
    await fleet.until(lambda: fleet.born() == NODES)
    born_s = time.monotonic() - began
    await fleet.until(lambda: fleet.good() == NODES)
    took_s = time.monotonic() - began
    load = (fleet.cpu_s("namespace") - cpu_s) / took_s
    assert load < 1.0
    text = (
        f"{NODES} edge nodes killed, restart {number}: all stale after {stale_s:.1f} s; back, all "
        f"born in {born_s:.1f} s and Good in {took_s:.1f} s; host {load:.2f} of a core"
    )
    return text, took_s


async def _restart_host(fleet: Fleet) -> tuple[str, float]:
    """Kill the host and start it again: 500 unknown nodes, asked for their births in turn."""
    fleet.kill("namespace")
    began = time.monotonic()
    fleet.start("namespace")
    await fleet.until(lambda: fleet.born() == NODES)
    took_s = time.monotonic() - began
    load = fleet.cpu_s("namespace") / took_s
    assert load < 1.0
    text = (
        f"host killed, back: {NODES} edge nodes asked and born again in {took_s:.1f} s; "
        f"host {load:.2f} of a core, its own start included"
    )
    return text, took_s
