"""A device process that tests start, freeze, kill and start again."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import IO

import pytest

__all__ = ["Device", "free_port"]

START_S = 30.0
_END_S = 10.0
_MOST_LOG = 20_000

Command = Callable[[int, int], Sequence[str]]  # port and number of tags → program and arguments


class Device:
    """A program that serves tags on a fixed port; it is ours, so we may do anything to it.

    It prints `READY` once it listens. A line with a number on its stdin makes that many tags
    exist, where its protocol can do that while it runs.
    """

    def __init__(self, command: Command, port: int) -> None:
        """A `command` that returns nothing stands for a driver that reads no device."""
        self.port = port
        self._command = command
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[bytes] | None = None

    def start(self, tags: int, **environment: str) -> None:
        """Serve `tags` tags; returns when it listens."""
        command = list(self._command(self.port, tags))
        if not command:
            return
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the device
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                **environment,
            },
        )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START_S)
        said = self._process.stdout.readline().strip() if ready else f"nothing in {START_S:g} s"
        assert "READY" == said, f"{command} said {said!r}\n{self.log()}"

    def log(self) -> str:
        """What it said on stderr, while it runs."""
        if self._log is None:
            return ""
        return os.pread(self._log.fileno(), _MOST_LOG, 0).decode(errors="replace")

    def grow(self, tags: int) -> None:
        """Let there be `tags` tags from now on, without a restart."""
        process = self._running()
        assert process.stdin is not None
        process.stdin.write(f"{tags}\n")
        process.stdin.flush()

    def freeze(self) -> None:
        """Hang: sockets stay open, nothing is answered."""
        self._running().send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on as if nothing had been."""
        self._running().send_signal(signal.SIGCONT)

    def terminate(self) -> None:
        """Ask it to stop, as an operator does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it, as a power cut does. Safe to call twice."""
        self._end(signal.SIGKILL)

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            pytest.skip("there is no device to do this to")
        return self._process

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        self._process.wait(_END_S)
        for end in (self._process.stdin, self._process.stdout, self._log):
            if end is not None:
                end.close()
        self._process = None


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
