"""Search: the documents that obey some schemas and break others, or the proof that none does.

Claims about a value are turned into facts, way by way; from the facts of each way a value is
built, whose fields and elements are searched for in the same manner.

A search that is asked for what it is already looking for gives up there: the smallest document
does not hold a smaller one of its own kind. So references may be recursive.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, TypeAlias

from uns.schema.evolution.arrays import find_arrays
from uns.schema.evolution.candidate import UNSURE, Candidate, Goal, Path
from uns.schema.evolution.claim import Claim, Label, Step, Way
from uns.schema.evolution.facts import Facts
from uns.schema.evolution.keywords import failures, requirements
from uns.schema.evolution.objects import find_objects
from uns.schema.evolution.scalars import find_fractions, find_integers, find_strings

__all__ = ["Exhausted", "Search"]

_Fork: TypeAlias = list[tuple[Label | None, Way]]

_MOST_STEPS: Final = 15_000
_DEEPEST: Final = 24  # levels of a document that is looked for
_KINDS_IN_ORDER: Final = (
    "integer", "fraction", "whole", "string", "boolean", "null", "object", "array"
)  # fmt: skip


class Exhausted(Exception):  # noqa: N818 - an answer: it takes too long to know
    """The schemas are too complex to search within bounds."""


@dataclass(slots=True)
class _Trail:
    """How far one set of claims has been followed."""

    todo: list[Step]
    facts: Facts
    forks: list[_Fork] = field(default_factory=list)
    seen: frozenset[Claim] = frozenset()
    texts: dict[str, bool] = field(default_factory=dict)  # schema → whether it holds

    def take(self) -> bool:
        """Take the next step; return whether there can still be such a value."""
        step = self.todo.pop()
        if not isinstance(step, Claim):
            self.facts = step(self.facts)
            return bool(self.facts.kinds)
        if step in self.seen:
            return True
        self.seen |= {step}
        if self.texts.setdefault(step.node.text, step.holds) != step.holds:
            return False  # the same schema cannot hold and fail
        for fork in _forks(step):
            if len(fork) == 1 and fork[0][0] is None:
                self.todo += fork[0][1]
                continue
            self.forks.append(fork)
        return True

    def branch(self, fork: _Fork, way: Way) -> _Trail:
        """Return the trail that takes one way of a fork."""
        others = [one for one in self.forks if one is not fork]
        return _Trail(list(way), self.facts, others, self.seen, dict(self.texts))


@dataclass(slots=True)
class Search:
    """One search, bounded in steps; what is in `settled` needs no further example."""

    settled: set[Label] = field(default_factory=set)
    steps_left: int = _MOST_STEPS

    def find(self, goal: Goal, path: Path = frozenset()) -> Iterator[Candidate]:
        """Yield values of which all claims are true; none only if there are none."""
        if goal in path:
            return
        if len(path) > _DEEPEST:
            yield Candidate(UNSURE)
            return
        below = path | {goal}
        for facts in self.ways(tuple(goal)):
            if not facts.labels & self.settled:
                yield from self._values(facts, below)

    def ways(self, steps: Way, facts: Facts | None = None) -> Iterator[Facts]:
        """Yield every set of facts under which all steps are true."""
        yield from self._follow(_Trail(list(steps), facts or Facts()))

    def _follow(self, trail: _Trail) -> Iterator[Facts]:
        """Take all steps that have no alternative, then each way of the narrowest fork."""
        while trail.todo:
            self._spend()
            if not trail.take():
                return
        if not trail.forks:
            yield trail.facts
            return
        fork = min(trail.forks, key=len)
        for label, way in fork:
            if label not in self.settled:
                yield from self._follow(trail.branch(fork, way))

    def _spend(self) -> None:
        self.steps_left -= 1
        if self.steps_left < 0:
            raise Exhausted

    def _values(self, facts: Facts, path: Path) -> Iterator[Candidate]:
        for kind in _KINDS_IN_ORDER:
            if kind not in facts.kinds:
                continue
            if kind == "object":
                yield from find_objects(self, facts, path)
            elif kind == "array":
                yield from find_arrays(self, facts, path)
            else:
                for value in _scalars(kind, facts):
                    yield Candidate(value, facts.labels)

    def variants(self, goal: Goal, path: Path, most: int = 3) -> list[Candidate]:
        """Return a few values for one field or element; none only if there are none."""
        return list(islice(self.find(goal, path), most))

    def join(self, parts: Iterable[list[Candidate]]) -> Iterator[list[Candidate]]:
        """Yield one of each, in as many turns as the longest has."""
        parts = list(parts)
        for turn in range(max((len(one) for one in parts), default=1)):
            self._spend()
            yield [one[turn % len(one)] for one in parts]


def _forks(claim: Claim) -> Iterator[_Fork]:
    if not claim.holds:
        yield list(failures(claim))
        return
    for ways in requirements(claim):
        yield [(None, way) for way in ways]


def _scalars(kind: str, facts: Facts) -> Iterator[Any]:
    match kind:
        case "integer":
            yield from find_integers(facts)
        case "whole":
            yield from (v if v is UNSURE else float(v) for v in find_integers(facts))
        case "fraction":
            yield from find_fractions(facts)
        case "string":
            yield from find_strings(facts)
        case "boolean":
            yield from (value for value in (True, False) if facts.fits(value))
        case _:
            yield from (value for value in (None,) if facts.fits(value))
