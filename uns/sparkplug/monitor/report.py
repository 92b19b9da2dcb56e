"""What a monitor has to say in the end: every participant with its grades."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from uns.sparkplug.monitor.grade import Grade, Kind, Outcome

__all__ = ["Conduct", "Report"]


@dataclass(frozen=True, slots=True)
class Conduct:
    """One edge node or host application and the grade of every statement that binds it.

    Commands of a sender that cannot be told are graded under a host with an empty name.
    """

    kind: Kind
    name: str
    grades: Mapping[str, Grade]

    def having(self, outcome: Outcome) -> tuple[Grade, ...]:
        """The grades with this outcome, in the order of the specification."""
        return tuple(grade for grade in self.grades.values() if grade.outcome is outcome)

    @property
    def failures(self) -> tuple[Grade, ...]:
        """What was broken of what MUST be."""
        return self.having(Outcome.FAIL)

    @property
    def advice(self) -> tuple[Grade, ...]:
        """What was broken of what SHOULD be."""
        return self.having(Outcome.ADVICE)

    @property
    def counts(self) -> Mapping[Outcome, int]:
        """How many statements have each outcome."""
        found = Counter(grade.outcome for grade in self.grades.values())
        return {outcome: found[outcome] for outcome in Outcome}


@dataclass(frozen=True, slots=True)
class Report:
    """All participants, edge nodes first; `left_out` messages came from too many others."""

    participants: tuple[Conduct, ...]
    messages: int = 0
    left_out: int = 0

    def find(self, name: str, kind: Kind = Kind.EDGE_NODE) -> Conduct | None:
        """The participant with this name: `group/edge node`, or a host id."""
        return next((p for p in self.participants if (p.kind, p.name) == (kind, name)), None)

    @property
    def failures(self) -> tuple[tuple[Conduct, Grade], ...]:
        """Every broken MUST with who broke it."""
        return tuple((one, grade) for one in self.participants for grade in one.failures)
