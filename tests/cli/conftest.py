"""`uns` as a shell runs it: a process of its own, bounded in time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENOUGH_S = 60


def _environment(more: dict[str, str]) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("UNS_")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left: exit code, data, talk."""

    code: int
    out: str
    err: str


class Running:
    """A command that runs; `err` is what it has said so far."""

    def __init__(self, folder: Path, words: tuple[str, ...], environment: dict[str, str]) -> None:
        self._files = [folder / f"{time.monotonic_ns()}.{name}" for name in ("out", "err")]
        with self._files[0].open("wb") as out, self._files[1].open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "uns", *words],
                cwd=ROOT, env=_environment(environment), stdout=out, stderr=err,
            )  # fmt: skip

    @property
    def out(self) -> str:
        return self._files[0].read_text()

    @property
    def err(self) -> str:
        return self._files[1].read_text()

    def says(self, text: str, within_s: float = ENOUGH_S) -> None:
        """Wait until it has said this on stderr."""
        self.until(lambda: text in self.err, f"it never said {text!r}", within_s)

    def until(
        self, is_so: Callable[[], object], otherwise: str, within_s: float = ENOUGH_S
    ) -> None:
        """Wait for something while it runs."""
        deadline = time.monotonic() + within_s
        while not is_so():
            assert time.monotonic() < deadline, f"{otherwise}: {self.err}"
            assert self.process.poll() is None, f"it ended: {self.err}"
            time.sleep(0.1)

    def leave(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ctrl-C; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(ENOUGH_S)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(ENOUGH_S)


@pytest.fixture
def uns(tmp_path: Path) -> Callable[..., Ended]:
    """Run a command to its end."""

    def run(*words: object, **environment: str) -> Ended:
        ended = subprocess.run(
            [sys.executable, "-m", "uns", *map(str, words)],
            cwd=ROOT, env=_environment(environment), timeout=ENOUGH_S, check=False,
            capture_output=True, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    return run


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start commands that run on; they end with the test."""
    started: list[Running] = []

    def go(*words: object, **environment: str) -> Running:
        started.append(Running(tmp_path, tuple(map(str, words)), environment))
        return started[-1]

    yield go
    for running in started:
        running.kill()


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Find ports that nobody has now, none of them twice."""
    given: set[int] = set()

    def find() -> int:
        while True:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port: int = probe.getsockname()[1]
            if port not in given:
                given.add(port)
                return port

    return find
