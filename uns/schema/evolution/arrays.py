"""Arrays: lists with elements of which certain facts are true."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations
from typing import Any, Final, TypeAlias

from uns.schema.evolution.candidate import UNSURE, Candidate, Finder, Goal, Path
from uns.schema.evolution.claim import Claim
from uns.schema.evolution.facts import Facts, Some

__all__ = ["find_arrays"]

_MOST_ITEMS: Final = 500  # of a witness

_Extras: TypeAlias = dict[int, Goal]


def find_arrays(finder: Finder, facts: Facts, path: Path) -> Iterator[Candidate]:
    """Yield lists of which the facts are true; none only if there are none."""
    if facts.is_unique and facts.has_twins:
        return
    extras: _Extras = {}
    for index, claim in facts.elements:
        extras[index] = extras.get(index, frozenset()) | {claim}
    for chosen in _with_some(facts, extras, facts.some):
        for twins in _twins(facts):
            yield from _filled(finder, facts, chosen, twins, path)


def _beyond(facts: Facts) -> int:
    """Return the first index from which all elements are alike."""
    tuples = [len(rule.prefix) for rule in facts.items]
    return max([*tuples, *(index + 1 for index, _ in facts.elements), 0])


def _with_some(facts: Facts, extras: _Extras, some: tuple[Some, ...]) -> Iterator[_Extras]:
    """Yield the claims on elements with a place for each of `some`.

    Where several are wanted they are put side by side; then, since they may lie apart, one alone:
    too little for most documents, and enough for a proof.
    """
    if not some:
        yield extras
        return
    first, *others = some
    last = max(first.start, _beyond(facts), *extras, 0) + 1
    for count in dict.fromkeys((min(first.count, _MOST_ITEMS + 1), 1)):
        for start in range(first.start, last + 1):
            places = range(start, start + count)
            more = {i: extras.get(i, frozenset()) | {first.claim} for i in places}
            yield from _with_some(facts, {**extras, **more}, tuple(others))


def _twins(facts: Facts) -> Iterator[tuple[int, ...]]:
    if not facts.has_twins:
        yield ()
        return
    yield from combinations(range(_beyond(facts) + 2), 2)


def _filled(
    finder: Finder, facts: Facts, extras: _Extras, twins: tuple[int, ...], path: Path
) -> Iterator[Candidate]:
    length = max([facts.fewest_items, *(index + 1 for index in (*extras, *twins))])
    if facts.most_items is not None and length > facts.most_items:
        if twins and facts.some:
            yield Candidate(UNSURE, facts.labels)  # they might be placed closer
        return
    if length > _MOST_ITEMS:
        yield Candidate(UNSURE, facts.labels)
        return
    goals = [_claims(facts, index) | extras.get(index, frozenset()) for index in range(length)]
    if twins:
        first, second = twins
        goals[first] = goals[second] = goals[first] | goals[second]
    parts: list[list[Candidate]] = []
    for goal in goals:
        parts.append(finder.variants(goal, path, length + 2 if facts.is_unique else 3))
        if not parts[-1]:
            return
    if facts.is_unique:
        parts = [[one] for one in _distinct(parts)]
    for values in finder.join(parts):
        chosen = [values[twins[0]] if index in twins else one for index, one in enumerate(values)]
        labels = facts.labels.union(*(one.labels for one in chosen))
        is_sure = all(one.is_sure for one in chosen)
        yield Candidate([one.value for one in chosen] if is_sure else UNSURE, labels)


def _claims(facts: Facts, index: int) -> frozenset[Claim]:
    return frozenset(claim for rule in facts.items for claim in rule.at(index))


def _distinct(parts: list[list[Candidate]]) -> Iterator[Candidate]:
    """Yield one of each that is like none before; UNSURE where all are."""
    taken: set[str] = set()
    for variants in parts:
        sure = [one for one in variants if one.is_sure]
        new = next((one for one in sure if _written(one.value) not in taken), None)
        taken.add(_written(new.value) if new else "")
        yield new or Candidate(UNSURE, variants[0].labels)


def _written(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
