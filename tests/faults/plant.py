"""A plant of separate processes to hurt: simulator, bridges, namespace and routes, each with a pid."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from uns.sim.aurora import demo_project_folder

__all__ = ["SplitPlant", "free_ports"]

SPEED = 8
START_S = 30


def free_ports(count: int) -> list[int]:
    """Ports that nobody has now, all different."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _free_row(count: int) -> int:
    """A number n such that the ports n1, n2 … (one digit appended) are all free."""
    for start in range(2100 + os.getpid() % 500, 6000):
        with ExitStack() as held:
            try:
                for digit in range(1, count + 1):
                    probe = held.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", start * 10 + digit))
            except OSError:
                continue
            return start
    raise OSError("no row of free ports")


class SplitPlant:
    """The demo project on ports of its own, run as separate `uns` processes.

    `start(name)` and `kill(name)` take `sim`, `bridges` and `north` (namespace and routes).
    """

    def __init__(self, folder: Path, broker_url: str, erp_url: str) -> None:
        self.folder = folder
        self.project = folder / "aurora"
        self.truth_path = folder / "truth.json"
        self._broker_url = broker_url
        self._environment = os.environ | {"AURORA_ERP_URL": erp_url, "NO_COLOR": "1"}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: dict[str, IO[bytes]] = {}
        shutil.copytree(demo_project_folder(), self.project)
        self._move()

    def _move(self) -> None:
        opcua, leeds, porto = free_ports(3)
        row = _free_row(2)
        moves = {r"\b48400\b": str(opcua), r"\b15031\b": str(leeds), r"\b15032\b": str(porto)}
        moves[r"\b1502(?=\{)"] = str(row)
        for path in self.project.glob("*.yaml"):
            text = path.read_text()
            for old, new in moves.items():
                text = re.sub(old, new, text)
            path.write_text(text)

    def start(self, name: str) -> None:
        """Start one process; its talk goes to a file in the folder."""
        if name not in self._logs:
            self._logs[name] = (self.folder / f"{name}.log").open("ab")
        log = self._logs[name]
        self._running[name] = subprocess.Popen(
            [sys.executable, "-m", "uns", *self._words(name)],
            env=self._environment,
            stdout=log,
            stderr=log,
        )

    def _words(self, name: str) -> list[str]:
        project = str(self.project)
        if name == "sim":
            return ["sim", project, "--speed", str(SPEED), "--truth", str(self.truth_path)]
        parts = ["bridges"] if name == "bridges" else ["namespace", "routes"]
        only = [word for part in parts for word in ("--only", part)]
        state = str(self.folder / f"state-{name}")
        return ["run", project, "-b", self._broker_url, "--state", state, "-v", *only]

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process that we started."""
        self._running[name].send_signal(number)

    def kill(self, name: str) -> None:
        """Kill -9, and wait for the end."""
        self._running[name].kill()
        self._running[name].wait(5)

    def log(self, name: str) -> str:
        """What a process has said."""
        return (self.folder / f"{name}.log").read_text()

    def truth(self) -> dict[str, Any]:
        """What the plant has made, as it wrote it."""
        truth: dict[str, Any] = json.loads(self.truth_path.read_text())
        return truth

    async def wind_down(self) -> None:
        """Let the machines stop counting for good, and wait until that is written."""
        self.signal("sim", signal.SIGUSR1)
        await asyncio.sleep(2.5)

    def close(self) -> None:
        """End everything that still runs."""
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self._running.values():
            try:
                process.wait(8)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
        for log in self._logs.values():
            log.close()


@contextmanager
def split_plant(folder: Path, broker_url: str, erp_url: str) -> Iterator[SplitPlant]:
    """A SplitPlant with every process started; all of them end with the block."""
    plant = SplitPlant(folder, broker_url, erp_url)
    try:
        for name in ("sim", "north", "bridges"):
            plant.start(name)
        yield plant
    finally:
        plant.close()
