"""Counts: what has passed through a namespace, and what has not."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Counts"]


@dataclass(slots=True)
class Counts:
    """What has passed since the start, and what has not."""

    metrics: int = 0
    flagged: int = 0  # published as Uncertain because of range or state
    quarantined: int = 0  # wrong type
    ignored: int = 0  # metrics that have no place on the tree
    late: int = 0  # older than what is shown, so not shown
    problems: int = 0  # reported by the host application
    ghosts: int = 0  # retained values found at the start that no tag of the project has
