"""What became of one statement: kept, broken with the evidence, or never seen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from uns.sparkplug.statements import STATEMENTS, Level

__all__ = ["Evidence", "Grade", "Kind", "Outcome"]

_LONGEST = 300  # characters of a peer's words that a report repeats


class Kind(StrEnum):
    """Who is graded."""

    EDGE_NODE = "edge node"
    HOST = "host application"


class Outcome(StrEnum):
    """How a statement fared; a later PASS never hides a FAIL."""

    PASS = "PASS"  # noqa: S105 - a grade, no secret
    FAIL = "FAIL"
    ADVICE = "ADVICE"  # broken, and the specification says SHOULD
    NOT_SEEN = "NOT_SEEN"


@dataclass(frozen=True, slots=True)
class Evidence:
    """The first time a statement was broken: when, where, and what should have been there."""

    at_ms: int
    topic: str
    expected: str
    actual: str
    remedy: str = ""

    @classmethod
    def of(cls, at_ms: int, topic: str, expected: str, actual: str, remedy: str) -> Evidence:
        """Make it, with a peer's words cut to what a report can show."""
        return cls(at_ms, _cut(topic), expected, _cut(actual), remedy)


@dataclass(frozen=True, slots=True)
class Grade:
    """The grade of one statement; `count` says how often it was broken."""

    id: str
    outcome: Outcome
    count: int = 0
    evidence: Evidence | None = None

    @property
    def words(self) -> str:
        """The statement, in our words."""
        return STATEMENTS[self.id].words

    @property
    def level(self) -> Level:
        """How strictly it binds."""
        return STATEMENTS[self.id].level


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
