"""Candidate: a value that should be what is claimed, and what it was made to break."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from uns.schema.evolution.claim import Claim, Label, Way
from uns.schema.evolution.facts import Facts

__all__ = ["UNSURE", "Candidate", "Finder", "Goal", "Path"]

UNSURE: Final = object()  #: there may be a value, but it was not found

Goal: TypeAlias = frozenset[Claim]
Path: TypeAlias = frozenset[Goal]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A value that should do, or UNSURE."""

    value: Any
    labels: frozenset[Label] = frozenset()

    @property
    def is_sure(self) -> bool:
        """Whether there is a value."""
        return self.value is not UNSURE


class Finder(Protocol):
    """What objects and arrays ask for their fields and elements."""

    def ways(self, steps: Way, facts: Facts | None = None) -> Iterator[Facts]:
        """Yield every set of facts under which all steps are true."""

    def variants(self, goal: Goal, path: Path, most: int = 3) -> list[Candidate]:
        """Return a few values for one field or element; none only if there are none."""

    def join(self, parts: Iterable[list[Candidate]]) -> Iterator[list[Candidate]]:
        """Yield one of each, first those in front."""
