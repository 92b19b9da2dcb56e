"""Keywords: the ways in which each one holds, and the ways in which it fails.

A schema that holds is all of its keywords at once; a schema that fails fails by one of them. A
way is a tuple of further claims about the same value and of facts.

What cannot be said exactly is left out. That only ever allows more documents: a document that is
found is put before the judge, and finding none is a proof.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from typing import Any, Final, NamedTuple, TypeAlias

from uns.schema.evolution.claim import NOBODY, Claim, Label, Step, Way
from uns.schema.evolution.facts import KINDS, NUMBERS, Facts, scalar
from uns.schema.evolution.inside import (
    arrays_fail,
    arrays_hold,
    closing_fails,
    closing_holds,
    contains_fails,
    contains_holds,
    fields_fail,
    fields_hold,
    names_fail,
    names_hold,
)
from uns.schema.evolution.node import CLOSED, FILLED
from uns.schema.evolution.unevaluated import (
    other_fields_fail,
    other_fields_hold,
    other_items_fail,
    other_items_hold,
)

__all__ = ["failures", "requirements"]

_MOST_EXACT_BRANCHES: Final = 6  # a `oneOf` of more is taken for an `anyOf` where it holds
_DRAFT_4: Final = 4

_Ways: TypeAlias = Callable[[Claim, Any], Iterable[Way]]


class _Keyword(NamedTuple):
    holds: _Ways
    fails: _Ways
    is_blamed: bool = True  # False where the schemas within know better what is wrong


def requirements(claim: Claim) -> Iterator[list[Way]]:
    """Yield each keyword's ways to hold; one of each must be taken."""
    if claim.node.schema is False:
        yield []
    for word, value in claim.node.words.items():
        if word in _KEYWORDS:
            yield list(_KEYWORDS[word].holds(claim, value))


def failures(claim: Claim) -> Iterator[tuple[Label | None, Way]]:
    """Yield each way to fail, and what is to blame; one of all must be taken."""
    if claim.node.schema is False:
        label = claim.label or Label(claim.node.pointer, "false")
        yield label, (_blame(label),)
    for word, value in claim.node.words.items():
        keyword = _KEYWORDS.get(word)
        if keyword is None:
            continue
        if not keyword.is_blamed:
            yield from ((claim.label, way) for way in keyword.fails(claim, value))
            continue
        label = claim.label or Label(f"{claim.node.pointer}/{word}", word)
        settled = replace(claim, label=label)
        yield from ((label, (_blame(label), *way)) for way in keyword.fails(settled, value))


def _blame(label: Label) -> Step:
    return lambda facts: facts.more(labels=frozenset({label} - {NOBODY}))


# ------------------------------------------------------------------------ about any value


def _left_out(_: Claim, __: Any) -> Iterator[Way]:
    yield ()


def _encoded(_: Claim, __: Any) -> Iterator[Way]:
    yield (lambda facts: facts.only("string"),)


def _type(claim: Claim, value: Any) -> Iterator[Way]:
    kinds: set[str] = set()
    for name in [value] if isinstance(value, str) else value:
        # To Draft 4, 1.0 is no integer.
        whole = {"whole"} if claim.node.document.draft > _DRAFT_4 else set()
        integers = {"integer"} | whole
        kinds |= {"number": NUMBERS, "integer": integers}.get(name, {name})
    wanted = kinds if claim.holds else KINDS - kinds
    yield (lambda facts: facts.only(*wanted),)


def _enum(claim: Claim, values: list[Any]) -> Iterator[Way]:
    """Scalars are a list; objects and arrays are schemas that only they obey."""
    plain = frozenset(scalar(one) for one in values if not isinstance(one, dict | list))
    nested = [
        claim.of(claim.node.made(json.dumps(one), _exactly(one, claim.node.document.draft)))
        for one in values
        if isinstance(one, dict | list)
    ]
    if not claim.holds:
        yield (lambda facts: facts.more(excluded=plain), *nested)
        return
    if plain:
        yield (lambda facts: _allow(facts, plain),)
    yield from ((one,) for one in nested)


def _const(claim: Claim, value: Any) -> Iterator[Way]:
    yield from _enum(claim, [value])


def _allow(facts: Facts, values: frozenset[Any]) -> Facts:
    allowed = values if facts.allowed is None else facts.allowed & values
    return replace(facts.only(*KINDS - {"object", "array"}), allowed=allowed)


def _exactly(value: Any, draft: int) -> dict[str, Any]:
    """Return the schema that only this object or array obeys."""
    below: Any
    if isinstance(value, dict):
        below = {name: {"const": one} for name, one in value.items()}
        closed = {"required": list(value), "additionalProperties": False}
        return {"type": "object", "properties": below, **closed}
    below = [{"const": one} for one in value]
    word = "prefixItems" if draft > 8 else "items"  # noqa: PLR2004 - 2020-12 renamed tuples
    return {"type": "array", word: below, "minItems": len(value), "maxItems": len(value)}


# ------------------------------------------------------------------------ combined schemas


def _branches(claim: Claim, word: str) -> list[Claim]:
    return [claim.of(node) for node in claim.node.below(word)]


def _reference(claim: Claim, _: Any) -> Iterator[Way]:
    target = claim.node.reference
    if target is not None:
        yield (claim.of(target),)


def _all(claim: Claim, _: Any) -> Iterator[Way]:
    yield tuple(_branches(claim, "allOf"))


def _any_of_all(claim: Claim, _: Any) -> Iterator[Way]:
    yield from ((one,) for one in _branches(claim, "allOf"))


def _any(claim: Claim, _: Any) -> Iterator[Way]:
    yield from ((one,) for one in _branches(claim, "anyOf"))


def _none(claim: Claim, _: Any) -> Iterator[Way]:
    yield tuple(_branches(claim, "anyOf"))


def _one(claim: Claim, _: Any) -> Iterator[Way]:
    branches = _branches(claim, "oneOf")
    for chosen in branches:
        others = [claim.turned(one.node) for one in branches if one is not chosen]
        if len(branches) > _MOST_EXACT_BRANCHES:
            others = []
        yield (chosen, *others)


def _not_one(claim: Claim, _: Any) -> Iterator[Way]:
    branches = _branches(claim, "oneOf")
    yield tuple(branches)
    for first, second in combinations(branches, 2):
        yield claim.turned(first.node), claim.turned(second.node)


def _not(claim: Claim, _: Any) -> Iterator[Way]:
    yield tuple(claim.turned(node) for node in claim.node.below("not"))


def _if(claim: Claim, _: Any) -> Iterator[Way]:
    """Either the condition and `then`, or not the condition and `else`; or those fail."""
    label = Label(f"{claim.node.pointer}/if", "if")
    for condition in claim.node.below("if"):
        for word, is_met in (("then", True), ("else", False)):
            outcome = tuple(_branches(claim, word))
            if claim.holds or outcome:
                yield (Claim(condition, is_met, claim.label or label), *outcome)


# ---------------------------------------------------------------------- numbers and texts


def _number(value: Any) -> Fraction:
    return Fraction(repr(value))


def _minimum(claim: Claim, value: Any) -> Iterator[Way]:
    is_open = claim.node.words.get("exclusiveMinimum") is True  # Draft 4
    yield from _limit(claim, value, is_low=True, is_open=is_open)


def _maximum(claim: Claim, value: Any) -> Iterator[Way]:
    is_open = claim.node.words.get("exclusiveMaximum") is True
    yield from _limit(claim, value, is_low=False, is_open=is_open)


def _above(claim: Claim, value: Any) -> Iterator[Way]:
    yield from _limit(claim, value, is_low=True, is_open=True)


def _below(claim: Claim, value: Any) -> Iterator[Way]:
    yield from _limit(claim, value, is_low=False, is_open=True)


def _limit(claim: Claim, value: Any, *, is_low: bool, is_open: bool) -> Iterator[Way]:
    if isinstance(value, bool):  # Draft 4's word for how to read its neighbour
        yield from [()] if claim.holds else []
        return
    limit = _number(value)
    if claim.holds:
        bound = Facts.above if is_low else Facts.below
        yield (lambda facts: bound(facts, limit, is_open=is_open),)
        return
    bound = Facts.below if is_low else Facts.above
    yield (lambda facts: bound(facts.only(*NUMBERS), limit, is_open=not is_open),)


def _multiple(claim: Claim, value: Any) -> Iterator[Way]:
    step = _number(value)
    if claim.holds:
        yield (lambda facts: facts.more(multiples=[step]),)
        return
    yield (lambda facts: facts.only(*NUMBERS).more(not_multiples=[step]),)


def _pattern(claim: Claim, value: str) -> Iterator[Way]:
    if claim.holds:
        yield (lambda facts: facts.more(patterns=[value]),)
        return
    yield (lambda facts: facts.only("string").more(not_patterns=[value]),)


def _at_least(kind: str, low: str, high: str) -> _Keyword:
    """Return `minLength`, `minItems` or `minProperties`."""

    def holds(_: Claim, value: Any) -> Iterator[Way]:
        yield (lambda facts: facts.longer(low, int(value)),)

    def fails(_: Claim, value: Any) -> Iterator[Way]:
        if value > 0:
            yield (lambda facts: facts.only(kind).shorter(high, int(value) - 1),)

    return _Keyword(holds, fails)


def _at_most(kind: str, low: str, high: str) -> _Keyword:
    """Return `maxLength`, `maxItems` or `maxProperties`."""

    def holds(_: Claim, value: Any) -> Iterator[Way]:
        yield (lambda facts: facts.shorter(high, int(value)),)

    def fails(_: Claim, value: Any) -> Iterator[Way]:
        yield (lambda facts: facts.only(kind).longer(low, int(value) + 1),)

    return _Keyword(holds, fails)


def _unique(claim: Claim, value: bool) -> Iterator[Way]:  # noqa: FBT001 - as the tables call it
    if not value:
        yield from [()] if claim.holds else []
        return
    if claim.holds:
        yield (lambda facts: replace(facts, is_unique=True),)
        return
    yield (lambda facts: replace(facts.only("array"), has_twins=True),)


# --------------------------------------------------------------------------------- fields


def _required(_: Claim, names: Any) -> Iterator[Way]:
    if isinstance(names, list):
        yield (lambda facts: facts.more(present=[(name, None) for name in names]),)


def _missing(claim: Claim, names: Any) -> Iterator[Way]:
    given = claim.node.words.get(FILLED, ())
    for name in names if isinstance(names, list) else []:
        if name not in given:
            yield (_lacks(name),)


def _lacks(name: str) -> Step:
    return lambda facts: facts.only("object").more(absent=frozenset({name}))


def _has(name: str) -> Step:
    return lambda facts: facts.only("object").more(present=[(name, None)])


def _dependencies(word: str) -> _Keyword:
    """Return what follows from a field that is there: further fields, or a schema."""

    def holds(claim: Claim, value: Mapping[str, Any]) -> Iterator[Way]:
        """A field is not there, or what it needs is: one choice for each, as `anyOf`."""
        yield tuple(
            claim.of(claim.node.made(f"{word}\0{name}", _without_or_with(name, needs)))
            for name, needs in value.items()
        )

    def fails(claim: Claim, value: Mapping[str, Any]) -> Iterator[Way]:
        for name, needs in value.items():
            if isinstance(needs, list):
                yield from ((_has(name), _lacks(other)) for other in needs)
                continue
            yield _has(name), claim.of(claim.node.at(word, name))

    return _Keyword(holds, fails)


def _without_or_with(name: str, needs: Any) -> dict[str, Any]:
    with_it = {"required": needs} if isinstance(needs, list) else needs
    return {"anyOf": [{"not": {"type": "object", "required": [name]}}, with_it]}


_FIELDS = _Keyword(fields_hold, fields_fail, is_blamed=False)
_ITEMS = _Keyword(arrays_hold, arrays_fail, is_blamed=False)
_KEYWORDS: Final[Mapping[str, _Keyword]] = {
    "$ref": _Keyword(_reference, _reference, is_blamed=False),
    "type": _Keyword(_type, _type),
    "enum": _Keyword(_enum, _enum),
    "const": _Keyword(_const, _const),
    "allOf": _Keyword(_all, _any_of_all, is_blamed=False),
    "anyOf": _Keyword(_any, _none),
    "oneOf": _Keyword(_one, _not_one),
    "not": _Keyword(_not, _not),
    "if": _Keyword(_if, _if, is_blamed=False),
    "minimum": _Keyword(_minimum, _minimum),
    "maximum": _Keyword(_maximum, _maximum),
    "exclusiveMinimum": _Keyword(_above, _above),
    "exclusiveMaximum": _Keyword(_below, _below),
    "multipleOf": _Keyword(_multiple, _multiple),
    "pattern": _Keyword(_pattern, _pattern),
    "minLength": _at_least("string", "shortest", "longest"),
    "maxLength": _at_most("string", "shortest", "longest"),
    "minItems": _at_least("array", "fewest_items", "most_items"),
    "maxItems": _at_most("array", "fewest_items", "most_items"),
    "minProperties": _at_least("object", "fewest_fields", "most_fields"),
    "maxProperties": _at_most("object", "fewest_fields", "most_fields"),
    "uniqueItems": _Keyword(_unique, _unique),
    "contains": _Keyword(contains_holds, contains_fails),
    "required": _Keyword(_required, _missing),
    "propertyNames": _Keyword(names_hold, names_fail),
    "dependentRequired": _dependencies("dependentRequired"),
    "dependentSchemas": _dependencies("dependentSchemas"),
    "dependencies": _dependencies("dependencies"),
    **dict.fromkeys(("properties", "patternProperties", "additionalProperties"), _FIELDS),
    **dict.fromkeys(("items", "prefixItems", "additionalItems"), _ITEMS),
    CLOSED: _Keyword(closing_holds, closing_fails),
    "unevaluatedProperties": _Keyword(other_fields_hold, other_fields_fail),
    "unevaluatedItems": _Keyword(other_items_hold, other_items_fail),
    **dict.fromkeys(("$recursiveRef", "$dynamicRef"), _Keyword(_left_out, _left_out)),
    **dict.fromkeys(("contentEncoding", "contentMediaType"), _Keyword(_left_out, _encoded)),
}
