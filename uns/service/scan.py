"""The scan schedule of a polled connection: which tags are due, and when."""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Sequence

from bridges.driver import BoundTag
from uns.service.scan_class import ScanClass
from uns.service.scan_load import Duty, demand, stretch

__all__ = ["ScanClass", "ScanSchedule"]


class ScanSchedule:
    """Fixed rates on a monotonic clock: a late scan does not shift the ones after it.

    Ticks that passed while a scan took too long are skipped and counted, never caught up.
    The first scan of each class is due at once; the ones after it are spread by `seed`, so
    that two hundred connections do not all ask in the same millisecond of each second.
    """

    def __init__(self, tags: Sequence[BoundTag], seed: str, now: float) -> None:
        self._phase = (zlib.crc32(seed.encode()) + 1) / 2**32  # above 0, at most 1
        self._classes: dict[float, ScanClass] = {}
        self._duty = Duty(now)
        self.add(tags, now)

    @property
    def classes(self) -> list[ScanClass]:
        """All classes, fastest first."""
        return sorted(self._classes.values(), key=lambda scan: scan.scan_s)

    @property
    def overruns(self) -> int:
        """How many ticks were skipped because scans took too long."""
        return sum(scan.overruns for scan in self._classes.values())

    @property
    def duty(self) -> float:
        """The share of the time, from 0 to 1, that the device is busy with scans."""
        return self._duty.share

    @property
    def demand(self) -> float:
        """The share that they would take at the rates that were asked for; may exceed 1."""
        return demand(self._classes.values())

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
                passed = int((now - scan.due) / scan.every_s)
                scan.due += passed * scan.every_s
                left_out += passed
        return left_out

    def scanned(self, scan: ScanClass, began: float, now: float) -> int:
        """Note that a scan is done, and when the class is due again; how many ticks that cost."""
        scan.scanned(now - began)
        self._duty.scanned(now - began, now)
        scan.due += scan.every_s * (self._phase if scan.scans == 1 else 1)
        if scan.due >= now:
            return 0
        missed = math.ceil((now - scan.due) / scan.every_s)
        scan.due += missed * scan.every_s
        scan.overruns += missed
        return missed

    def balance(self) -> bool | None:
        """Read slow classes less often where the device is too busy.

        True when that begins, False when it ends, None otherwise.
        """
        return stretch(self._classes.values())
