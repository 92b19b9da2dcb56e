"""The scan schedule of a polled connection: which tags are due, and when."""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from bridges.driver import BoundTag

__all__ = ["ScanClass", "ScanSchedule"]


@dataclass(slots=True)
class ScanClass:
    """The tags that are read together; `handles` is one object until tags are added."""

    scan_s: float
    handles: Sequence[int]
    due: float
    took_s: float = 0.0  # the latest scan
    scans: int = field(default=0)


class ScanSchedule:
    """Fixed rates on a monotonic clock: a late scan does not shift the ones after it.

    Ticks that passed while a scan took too long are skipped and counted, never caught up.
    The first scan of each class is due at once; the ones after it are spread by `seed`, so
    that two hundred connections do not all ask in the same millisecond of each second.
    """

    def __init__(self, tags: Sequence[BoundTag], seed: str, now: float) -> None:
        self._phase = (zlib.crc32(seed.encode()) + 1) / 2**32  # above 0, at most 1
        self._classes: dict[float, ScanClass] = {}
        self.overruns = 0
        self.add(tags, now)

    @property
    def is_complete(self) -> bool:
        """Whether every class was scanned at least once."""
        return all(scan.scans for scan in self._classes.values())

    def add(self, tags: Sequence[BoundTag], now: float) -> None:
        """Take in more tags, which are due at once."""
        grouped: dict[float, list[int]] = {}
        for tag in tags:
            grouped.setdefault(tag.scan_s, []).append(tag.handle)
        for scan_s, handles in grouped.items():
            held = self._classes.get(scan_s)
            if held is None:
                self._classes[scan_s] = ScanClass(scan_s, tuple(handles), now)
                continue
            held.handles = (*held.handles, *handles)
            held.due = now

    def remove(self, handles: Collection[int]) -> None:
        """Leave tags out from now on."""
        gone = frozenset(handles)
        for scan in list(self._classes.values()):
            left = tuple(handle for handle in scan.handles if handle not in gone)
            if not left:
                del self._classes[scan.scan_s]
            elif len(left) < len(scan.handles):
                scan.handles = left

    def next(self, now: float) -> ScanClass | None:
        """The class to scan next: the fastest that is due, else the one due first."""
        due = [scan for scan in self._classes.values() if scan.due <= now]
        if due:
            return min(due, key=lambda scan: scan.scan_s)
        return min(self._classes.values(), key=lambda scan: scan.due, default=None)

    def postpone(self, now: float) -> int:
        """Nobody could take values until `now`: leave out the ticks that passed; how many."""
        left_out = 0
        for scan in self._classes.values():
            if scan.due < now:
                passed = int((now - scan.due) / scan.scan_s)
                scan.due += passed * scan.scan_s
                left_out += passed
        return left_out

    def scanned(self, scan: ScanClass, began: float, now: float) -> None:
        """Note that a scan is done, and when the class is due again."""
        scan.took_s = now - began
        scan.scans += 1
        scan.due += scan.scan_s * (self._phase if scan.scans == 1 else 1)
        if scan.due < now:
            missed = math.ceil((now - scan.due) / scan.scan_s)
            scan.due += missed * scan.scan_s
            self.overruns += missed
