"""How fast backlogs are handed in: a share for each edge node of one budget for the process.

A plant that comes back after a night must not drown the host, the broker or its own live values:
Mosquitto drops messages for a subscriber that cannot keep up, and tells nobody.
"""

from __future__ import annotations

from typing import Final

__all__ = ["PER_NODE", "PER_SECOND", "Pace"]

PER_SECOND: Final = 20_000  # metrics, of all edge nodes together
PER_NODE: Final = 5_000
_LONGEST_S: Final = 0.25  # a pause that was longer is not made up for


class Pace:
    """The budget. Edge nodes with a backlog and somebody to take it share it evenly."""

    def __init__(self, per_second: int = PER_SECOND, *, per_node: int = PER_NODE) -> None:
        self._per_second = per_second
        self._per_node = per_node
        self._sharing: set[str] = set()

    def join(self, node: str) -> None:
        """This edge node has something to hand in."""
        self._sharing.add(node)

    def leave(self, node: str) -> None:
        """This one has no more, or nobody to take it."""
        self._sharing.discard(node)

    def share(self, elapsed_s: float) -> float:
        """How many metrics one edge node may send for so many seconds."""
        each = min(self._per_node, self._per_second / max(len(self._sharing), 1))
        return each * min(elapsed_s, _LONGEST_S)
