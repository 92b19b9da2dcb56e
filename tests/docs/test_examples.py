"""The programs in docs/examples run: against a real broker, with each other."""

from __future__ import annotations

import asyncio
import doctest
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from uns import sparkplug
from uns.service.broker import MosquittoBroker

slow = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples"
PAGE = ROOT / "docs" / "reference" / "sparkplug-library.md"
PATIENCE_S = 30


class Program:
    """An example that runs in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.lines: list[str] = []

    async def until(self, pattern: str) -> re.Match[str]:
        """The first line from now on that has `pattern`; fails where it does not come."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while line := (await self._process.stdout.readline()).decode():
                    self.lines.append(line.rstrip())
                    if found := re.search(pattern, line):
                        return found
        except TimeoutError:
            pass
        raise AssertionError(f"no line with {pattern!r} in\n" + "\n".join(self.lines[-30:]))

    async def stop(self) -> int:
        """End it as Ctrl-C does, and return its exit code."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(PATIENCE_S):
                while line := await self._process.stdout.readline():
                    self.lines.append(line.decode().rstrip())
                return await self._process.wait()
        finally:
            if self._process.returncode is None:
                self._process.kill()


@pytest.fixture
async def start(tmp_path):
    """Starts an example in an empty folder, and ends what a test leaves behind."""
    programs: list[Program] = []

    async def begin(name: str, *arguments: str) -> Program:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(EXAMPLES / name),
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        )
        programs.append(Program(process))
        return programs[-1]

    yield begin
    for program in programs:
        await program.stop()


@slow
async def test_the_examples_speak_with_each_other(mosquitto, start, tmp_path):
    """The host sees births, data, a write that is carried out, and the edge node leave."""
    port = str(mosquitto.port)
    host = await start(
        "host.py", mosquitto.url, "--write", "plant/boiler-house/boiler", "setpoint", "80"
    )
    edge = await start("edge_node.py", "127.0.0.1", port)
    await host.until(r"^plant/boiler-house/boiler is born$")
    await host.until(r"boiler/temperature = \d+\.\d+ \(192\)")
    await host.until(r"boiler/setpoint = 80\.0 \(192\)")
    await host.until(r"writing 80\.0 to setpoint: confirmed")
    await host.until(r"boiler/temperature = (79|80|81)\.\d+ \(192\)")
    assert 0 == await edge.stop()
    assert ["left"] == edge.lines
    await host.until(r"^plant/boiler-house/ is stale: it died$")
    assert 0 == await host.stop()
    assert "left" == host.lines[-1]
    assert "1" == (tmp_path / "bd_seq").read_text()


@slow
async def test_an_edge_node_that_is_killed_is_stale_and_born_again(mosquitto, start, tmp_path):
    """The will speaks for it, and the next life has the next bdSeq."""
    port = str(mosquitto.port)
    host = await start("host.py", mosquitto.url)
    for lives in (1, 2):
        edge = await start("edge_node.py", "127.0.0.1", port)
        await host.until(r"boiler is born$")
        edge._process.kill()
        await host.until(r"^plant/boiler-house/ is stale: it died$")
        assert str(lives) == (tmp_path / "bd_seq").read_text()


@slow
async def test_the_examples_outlive_their_broker(mosquitto, start):
    """Both come back by themselves."""
    port = mosquitto.port
    host = await start("host.py", mosquitto.url)
    await start("edge_node.py", "127.0.0.1", str(port))
    await host.until(r"boiler is born$")
    await mosquitto.__aexit__(None, None, None)
    await host.until(r"^plant/boiler-house/ is stale: (this host lost its broker|it died)$")
    async with MosquittoBroker(port):
        await host.until(r"boiler is born$")
        await host.until(r"boiler/temperature = ")


def test_the_page_shows_what_the_library_does():
    """The page's sessions run, and end as they are printed."""
    found = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert 0 == found.failed
    assert found.attempted > 30


def test_the_page_names_everything_that_is_public():
    """Each name that `uns.sparkplug` offers is on its page."""
    page = PAGE.read_text(encoding="utf-8")
    assert [] == [name for name in sparkplug.__all__ if not re.search(rf"\b{name}\b", page)]
