"""A device process that tests start, freeze, kill and start again."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

START_S = 30.0
_ROOT = Path(__file__).parents[3]


class Device:
    """`serve.py` on a fixed port; it is ours, so we may do anything to it."""

    def __init__(self, protocol: str, port: int) -> None:
        self.protocol = protocol
        self.port = port
        self._process: subprocess.Popen[str] | None = None

    def start(self, tags: int) -> None:
        """Serve `tags` tags; returns when it listens."""
        script = Path(__file__).with_name("serve.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script), self.protocol, str(self.port), str(tags)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(_ROOT)},
        )
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START_S)
        assert ready, f"no {self.protocol} server within {START_S} s"
        assert "READY" == self._process.stdout.readline().strip()

    def grow(self, tags: int) -> None:
        """Let there be `tags` tags from now on, without a restart."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{tags}\n")
        self._process.stdin.flush()

    def freeze(self) -> None:
        """Hang: sockets stay open, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on as if nothing had been."""
        self._signal(signal.SIGCONT)

    def terminate(self) -> None:
        """Ask it to stop, as an operator does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it, as a power cut does. Safe to call twice."""
        self._end(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._signal(number)
        self._process.wait(10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
