"""Processes of ours while a benchmark lasts: what they say is shown only where one has died."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["memory_mb", "running"]

_STOP_S = 20


@contextmanager
def running(command: Sequence[str], said: Path) -> Iterator[int]:
    """Run `python COMMAND…` and give its pid; its words go to the file `said`."""
    with (
        said.open("wb") as log,
        subprocess.Popen([sys.executable, *command], stdout=log, stderr=log) as process,
    ):
        try:
            yield process.pid
        finally:
            has_died = process.poll() is not None
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
            if has_died:
                print(said.read_text(errors="replace"), file=sys.stderr)


def memory_mb(pid: int) -> float:
    """What a process holds in memory now (proc(5): VmRSS), in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0
