"""Unevaluated: fields and elements of which no schema in place has spoken.

Which schemas in place count depends on the document. Where the keyword holds, every schema that
might count is taken to; where it fails, only those that must (`allOf`, `$ref`). Both allow more
than is true, so a proof stays a proof.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from uns.schema.evolution.claim import Claim, Way
from uns.schema.evolution.facts import FieldRule, ItemRule, Some, Wanted
from uns.schema.evolution.node import Node, around

__all__ = ["other_fields_fail", "other_fields_hold", "other_items_fail", "other_items_hold"]

_ALL_FIELDS: Final = {"additionalProperties", "unevaluatedProperties"}
_ALL_ITEMS: Final = {"items", "additionalItems", "contains", "unevaluatedItems"}


def other_fields_hold(claim: Claim, _: Any) -> Iterator[Way]:
    """Whatever field nobody speaks of obeys."""
    others = [place for place in around(claim.node) if place != claim.node]
    if any(_ALL_FIELDS & place.words.keys() for place in others) or _has_rest(claim.node):
        yield ()
        return
    anything = claim.of(claim.node.made("anything", schema=True))
    names, patterns = _spoken_of([claim.node, *others])
    rest = claim.of(claim.node.at("unevaluatedProperties"))
    rule = FieldRule(dict.fromkeys(names, anything), dict.fromkeys(patterns, anything), rest)
    yield (lambda facts: facts.more(fields=[rule]),)


def other_fields_fail(claim: Claim, _: Any) -> Iterator[Way]:
    """There is a field that nobody speaks of, and it does not obey."""
    if _has_rest(claim.node):
        return
    names, patterns = _spoken_of(_always(claim.node))
    inner = claim.of(claim.node.at("unevaluatedProperties"))
    wanted = Wanted(inner, avoids=tuple(patterns), names=frozenset(names))
    yield (lambda facts: facts.only("object").more(wanted=[wanted]),)


def other_items_hold(claim: Claim, _: Any) -> Iterator[Way]:
    """Whatever element nobody speaks of obeys."""
    others = [place for place in around(claim.node) if place != claim.node]
    own = {*claim.node.words} - {"unevaluatedItems"}
    if _ALL_ITEMS & own.union(*(place.words for place in others)):
        yield ()
        return
    anything = claim.of(claim.node.made("anything", schema=True))
    longest = max(len(place.prefix) for place in (claim.node, *others))
    rule = ItemRule((anything,) * longest, claim.of(claim.node.at("unevaluatedItems")))
    yield (lambda facts: facts.more(items=[rule]),)


def other_items_fail(claim: Claim, _: Any) -> Iterator[Way]:
    """There is an element that nobody speaks of, and it does not obey."""
    if claim.node.rest is not None:
        return
    start = max(len(place.prefix) for place in _always(claim.node))
    some = Some(claim.of(claim.node.at("unevaluatedItems")), start=start)
    yield (lambda facts: facts.only("array").more(some=[some]),)


def _has_rest(node: Node) -> bool:
    return "additionalProperties" in node.words


def _spoken_of(places: Iterable[Node]) -> tuple[list[str], list[str]]:
    names: dict[str, None] = {}
    patterns: dict[str, None] = {}
    for place in places:
        names |= dict.fromkeys(place.words.get("properties", ()))
        patterns |= dict.fromkeys(place.words.get("patternProperties", ()))
    return list(names), list(patterns)


def _always(node: Node) -> list[Node]:
    """Return the node and the schemas that every document it accepts obeys."""
    found, todo = [], [node]
    while todo:
        place = todo.pop()
        if place in found:
            continue
        found.append(place)
        todo += place.below("allOf")
        if (target := place.reference) is not None:
            todo.append(target)
    return found
