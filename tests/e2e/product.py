"""The product as a customer runs it: processes of its own, and devices in others."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from uns.testing import Device, free_port

__all__ = ["MODULES", "Product", "counting_server", "node_server", "settled"]

MODULES = Path(os.environ.get("UNS_NODE_MODULES", "node_modules")).absolute()
CATCH_UP_S = 30.0
AGAIN_S = 2.0
BRIDGES = Path(__file__).parents[1] / "bridges"


class Product:
    """Bridges and namespace service of one project, each a process; they end with the block."""

    def __init__(self, folder: Path, project: str, broker_url: str) -> None:
        self.folder = folder
        self._broker_url = broker_url
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "project").mkdir(parents=True)
        (folder / "project" / "plant.yaml").write_text(project)

    def __enter__(self) -> Self:
        for part in ("namespace", "bridges"):
            self.start(part)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._running.values():
            process.terminate()
        for process in self._running.values():
            _ended(process)

    def start(self, part: str) -> None:
        """Start one part; its talk goes to a file in the folder."""
        command = [sys.executable, "-m", "uns", "run", str(self.folder / "project"), "-v"]
        command += ["-b", self._broker_url, "--only", part]
        command += ["--state", str(self.folder / f"state-{part}")]
        with (self.folder / f"{part}.log").open("ab") as log:
            self._running[part] = subprocess.Popen(command, stdout=log, stderr=log)

    def kill(self, part: str) -> None:
        """Kill -9, and wait for the end."""
        self._running[part].kill()
        self._running[part].wait(5)

    async def until(self, is_so: Callable[[], bool], wait_s: float, what: str) -> None:
        """Wait for something, and show what was said where it does not come."""
        try:
            async with asyncio.timeout(wait_s):
                while not is_so():
                    await asyncio.sleep(0.1)
        except TimeoutError:
            logs = "\n".join(self.log(part)[-2000:] for part in ("bridges", "namespace"))
            raise AssertionError(f"not within {wait_s:g} s: {what}\n{logs}") from None

    def log(self, part: str = "bridges") -> str:
        """What a part has said."""
        return (self.folder / f"{part}.log").read_text()


@contextmanager
def counting_server(tags: int) -> Iterator[int]:
    """Our OPC UA server with counters T0 … in `urn:contract`, ten steps a second; its port."""
    serve = str(BRIDGES / "contract" / "serve.py")
    device = Device(
        lambda port, n: [sys.executable, serve, "opcua", str(port), str(n)], free_port()
    )
    try:
        device.start(tags)
        yield device.port
    finally:
        device.kill()


@contextmanager
def node_server(home: Path) -> Iterator[int]:
    """A node-opcua server with a hundred counters C0 … in `urn:plant`, as above."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    if not (MODULES / "node-opcua").is_dir():
        pytest.skip("npm package node-opcua is not installed in UNS_NODE_MODULES")
    home.mkdir(parents=True, exist_ok=True)
    script = str(BRIDGES / "opcua" / "node_server.js")
    quiet = 'exec node "$0" "$1" > >(grep --line-buffered READY)'  # of certificates it talks too
    device = Device(lambda port, _: ["bash", "-c", quiet, script, str(port)], free_port())
    try:
        device.start(100, NODE_PATH=str(MODULES), HOME=str(home))
        yield device.port
    finally:
        device.kill()


async def settled(has_all: Callable[[], bool], wait_s: float = CATCH_UP_S) -> None:
    """Wait until everything has come, or for as long as that may take; then for what comes twice."""
    until = time.monotonic() + wait_s
    while time.monotonic() < until and not has_all():
        await asyncio.sleep(1)
    await asyncio.sleep(AGAIN_S)


def _ended(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(8)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)
