"""A scan class: the tags of a connection that are read together, and how that goes."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["ScanClass", "ScanHealth"]

_REMEMBERED = 100  # scans


@dataclass(frozen=True, slots=True)
class ScanHealth:
    """What readers may know of a scan class; `every_s` is above `scan_s` while it is stretched."""

    scan_s: float
    every_s: float
    tags: int
    p50_s: float
    p95_s: float
    overruns: int


@dataclass(slots=True)
class ScanClass:
    """`handles` is one object until tags are added; `due` stands on the loop's clock."""

    scan_s: float
    handles: Sequence[int]
    due: float
    took_s: float = 0.0  # the latest scan
    scans: int = 0
    overruns: int = 0
    is_late: bool = False  # stretched, or the fastest of those that are
    every_s: float = 0.0
    _lasted: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def __post_init__(self) -> None:
        self.every_s = self.scan_s

    @property
    def usual_s(self) -> float:
        """How long a scan takes on average."""
        return sum(self._lasted) / len(self._lasted) if self._lasted else 0.0

    @property
    def health(self) -> ScanHealth:
        """How it goes with this class."""
        lasted = sorted(self._lasted) or [0.0]
        p50, p95 = (lasted[int(share * (len(lasted) - 1))] for share in (0.5, 0.95))
        tags = len(self.handles)
        return ScanHealth(self.scan_s, self.every_s, tags, p50, p95, self.overruns)

    def scanned(self, took_s: float) -> None:
        """Note that a scan is done."""
        self.took_s = took_s
        self.scans += 1
        self._lasted.append(took_s)
