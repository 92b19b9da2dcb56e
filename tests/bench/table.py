"""What a benchmark prints: rows of what, how fast, at what CPU cost, beside a limit."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Row", "best_cpu_s", "process_cpu_s"]

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Row:
    """One line of the table; `aim` is what the product promises for it, if it does."""

    part: str
    what: str
    rate: str
    cpu: str
    aim: str = ""
    is_kept: bool | None = None  # None where there is nothing to keep, or nobody has compared

    @property
    def verdict(self) -> str:
        """The aim, and whether it is kept here and now."""
        if self.is_kept is None:
            return self.aim
        return f"{self.aim}: {'kept' if self.is_kept else 'NOT KEPT'}"


def best_cpu_s(work: Callable[[], object], rounds: int = 7) -> float:
    """CPU seconds of this thread for one call of `work`: the least of several rounds."""
    work()
    least = float("inf")
    gc.disable()
    try:
        for _ in range(rounds):
            began = time.thread_time()
            work()
            least = min(least, time.thread_time() - began)
    finally:
        gc.enable()
    return least


def process_cpu_s(pid: int) -> float:
    """CPU seconds, user and system, that another process has used (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
