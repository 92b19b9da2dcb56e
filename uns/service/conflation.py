"""Conflation: of a device whose edge node's broker is too slow, the newest values are enough.

While messages cannot be written as fast as values come, those of `deliver: latest` tags wait
here, one for each tag, and go on as soon as there is room. `deliver: every` tags never wait here:
they queue at the edge node, and what is too much there takes the backlog's way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Sequence

from uns.metric import Reading

__all__ = ["Conflation"]


class Conflation:
    """Of one device; bounded by the number of its tags."""

    def __init__(self, is_full: Callable[[], bool]) -> None:
        """`is_full` says whether the device's edge node has more than it can send."""
        self._is_full = is_full
        self._held: dict[int, Reading] = {}

    def __len__(self) -> int:
        return len(self._held)

    def passed(
        self, readings: Sequence[Reading], every: Container[int], dropped: Counter[int]
    ) -> Sequence[Reading]:
        """What goes on now; `dropped` counts by handle what newer values replaced."""
        if not self._is_full():
            return [*self.released(), *readings] if self._held else readings
        passed = []
        for reading in readings:
            handle = reading[0]
            if handle in every:
                passed.append(reading)
                continue
            dropped[handle] += handle in self._held
            self._held[handle] = reading
        return passed

    def released(self, *, at_once: bool = False) -> list[Reading]:
        """What waited, where there is room now; with `at_once`, wherever it goes."""
        if not self._held or (not at_once and self._is_full()):
            return []
        held, self._held = self._held, {}
        return list(held.values())
