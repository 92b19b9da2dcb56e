"""Inside: keywords about the fields of an object and the elements of an array."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from uns.schema.evolution.claim import Claim, Step, Way
from uns.schema.evolution.facts import Closing, FieldRule, ItemRule, Some, Wanted
from uns.schema.evolution.node import Node

__all__ = [
    "arrays_fail",
    "arrays_hold",
    "closing_fails",
    "closing_holds",
    "contains_fails",
    "contains_holds",
    "fields_fail",
    "fields_hold",
    "names_fail",
    "names_hold",
]


def fields_hold(claim: Claim, value: Any) -> Iterator[Way]:
    """One rule for the three keywords, given by the first of them that is there."""
    node = claim.node
    if not _is_first(node, value, ("properties", "patternProperties", "additionalProperties")):
        yield ()
        return
    rest = [claim.of(one) for one in node.below("additionalProperties")]
    rule = FieldRule(
        {name: claim.of(node.at("properties", name)) for name in node.words.get("properties", {})},
        {
            pattern: claim.of(node.at("patternProperties", pattern))
            for pattern in node.words.get("patternProperties", {})
        },
        rest[0] if rest else None,
    )
    yield (lambda facts: facts.more(fields=[rule]),)


def fields_fail(claim: Claim, value: Any) -> Iterator[Way]:
    """A named field, one that matches a pattern or one beyond both fails."""
    node, words = claim.node, claim.node.words
    names, patterns = words.get("properties", {}), words.get("patternProperties", {})
    if value is words.get("properties"):
        yield from (_field_fails(name, claim.of(node.at("properties", name))) for name in names)
    elif value is words.get("patternProperties"):
        for pattern in patterns:
            inner = claim.of(node.at("patternProperties", pattern))
            yield (_wants(Wanted(inner, matches=(pattern,))),)
    else:
        inner = claim.of(node.at("additionalProperties"))
        yield (_wants(Wanted(inner, avoids=tuple(patterns), names=frozenset(names))),)


def closing_holds(_: Claim, value: Any) -> Iterator[Way]:
    """Only the fields that the writer's schemas name."""
    closing = Closing(tuple(value["names"]), tuple(value["patterns"]), value["is_open"])
    yield (lambda facts: facts.more(closings=[closing]),)


def closing_fails(_: Claim, __: Any) -> Iterator[Way]:
    """A writer that breaks another rule still sends named fields only."""
    yield from ()


def names_hold(claim: Claim, _: Any) -> Iterator[Way]:
    """Every field's name obeys `propertyNames`."""
    inner = claim.of(claim.node.at("propertyNames"))
    yield (lambda facts: facts.more(field_names=[inner]),)


def names_fail(claim: Claim, _: Any) -> Iterator[Way]:
    """There is a field whose name does not."""
    inner = claim.of(claim.node.at("propertyNames"))
    yield (_wants(Wanted(None, name=inner)),)


def arrays_hold(claim: Claim, value: Any) -> Iterator[Way]:
    """One rule for the places of a tuple and the rest."""
    if not _is_first(claim.node, value, ("items", "prefixItems", "additionalItems")):
        yield ()
        return
    rest = claim.node.rest
    prefix = tuple(claim.of(one) for one in claim.node.prefix)
    rule = ItemRule(prefix, None if rest is None else claim.of(rest))
    yield (lambda facts: facts.more(items=[rule]),)


def arrays_fail(claim: Claim, value: Any) -> Iterator[Way]:
    """An element at a tuple's place, or one beyond, fails."""
    if not _is_first(claim.node, value, ("items", "prefixItems", "additionalItems")):
        return
    prefix = claim.node.prefix
    for index, node in enumerate(prefix):
        yield (_element_fails(index, claim.of(node)),)
    if (rest := claim.node.rest) is not None:
        inner = Some(claim.of(rest), start=len(prefix))
        yield (lambda facts: facts.only("array").more(some=[inner]),)


def contains_holds(claim: Claim, _: Any) -> Iterator[Way]:
    """At least `minContains` elements obey; that there are not too many is left to the judge."""
    inner = claim.of(claim.node.at("contains"))
    least = claim.node.words.get("minContains", 1)
    rule = Some(inner, count=int(least))
    yield (lambda facts: facts.more(some=[rule] if least else []),)


def contains_fails(claim: Claim, _: Any) -> Iterator[Way]:
    """No element obeys; or too few or too many do."""
    words = claim.node.words
    inner = claim.of(claim.node.at("contains"))
    least, most = words.get("minContains", 1), words.get("maxContains")
    if least == 1:
        none = ItemRule((), inner)
        yield (lambda facts: facts.only("array").more(items=[none]),)
    elif least:
        yield (lambda facts: facts.only("array"),)
    if most is not None:
        many = Some(claim.turned(inner.node), count=int(most) + 1)
        yield (lambda facts: facts.only("array").more(some=[many]),)


def _is_first(node: Node, value: Any, words: tuple[str, ...]) -> bool:
    return value is next(node.words[word] for word in words if word in node.words)


def _field_fails(name: str, claim: Claim) -> Way:
    return (lambda facts: facts.only("object").more(present=[(name, claim)]),)


def _element_fails(index: int, claim: Claim) -> Step:
    return lambda facts: facts.only("array").more(elements=[(index, claim)])


def _wants(wanted: Wanted) -> Step:
    return lambda facts: facts.only("object").more(wanted=[wanted])
