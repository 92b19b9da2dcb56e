"""Fields: what a writer sends and what a reader fills in, written into the schemas.

A writer's object is closed to fields that its schema does not name, unless it says itself what
becomes of them (`additionalProperties`, `unevaluatedProperties`). The names are those of all the
schemas in place: `allOf` with `properties` here and there closes around both.

A reader fills in a field that is missing and has a `default`, so it does not require it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from uns.schema.evolution.node import CLOSED, FILLED, Document, Node, RawSchema, around, children

__all__ = ["closed", "filled", "relaxed"]

_TURNING: Final = ("not", "if", "oneOf", "contains")

_Change: TypeAlias = Callable[[Node], dict[str, Any]]


def closed(document: Document) -> Document:
    """Return the schema as its writers use it: objects carry the fields that are named."""
    return _changed(document, _closing, whole=True)


def filled(document: Document) -> Document:
    """Return the schema as its readers use it: what has a default is not missed.

    Not under `not`, `if`, `oneOf` and `contains`, where to ask for less is to refuse more.
    """
    turning = _turning(document)

    def change(place: Node) -> dict[str, Any]:
        names = _with_default(place)
        return {FILLED: names} if names and place.pointer not in turning else {}

    return _changed(document, change, whole=False)


def relaxed(document: Document) -> RawSchema:
    """Return a filled schema in plain JSON Schema, for a judge that does not know of filling."""

    def change(place: Node) -> dict[str, Any]:
        if FILLED not in place.words:
            return {}
        return {"required": [n for n in place.words["required"] if n not in place.words[FILLED]]}

    return _changed(document, change, whole=False).root


def _turning(document: Document) -> set[str]:
    """Return the places where a document may obey because a schema refuses it."""
    found: set[str] = set()
    places = [place for value in _values(document) for place in around(value)]
    todo = [one for p in places for word in _TURNING for one in p.below(word)]
    while todo:
        place = todo.pop()
        if place.pointer in found:
            continue
        found.add(place.pointer)
        inner = [*around(place), *(one for word in _TURNING for one in place.below(word))]
        todo += [*inner, *(child for one in inner for child in children(one))]
    return found


def _changed(document: Document, change: _Change, *, whole: bool) -> Document:
    """Return a copy with `change` laid over it: at whole values, or at all schemas in place."""
    found = Document(copy.deepcopy(document.root), document.draft)
    for value in _values(document):
        for place in (value,) if whole else around(value):
            raw = found.find(place.pointer)
            if isinstance(raw, dict):
                raw.update(change(place))
    return found


def _values(document: Document) -> Iterator[Node]:
    """Yield the root and every schema about a value within."""
    todo, seen = [document.node], {""}
    while todo:
        value = todo.pop()
        yield value
        for place in around(value):
            new = [one for one in children(place) if one.pointer not in seen]
            seen |= {one.pointer for one in new}
            todo += new


def _closing(value: Node) -> dict[str, Any]:
    names: dict[str, None] = {}
    patterns: dict[str, None] = {}
    is_open = False
    for place in around(value):
        is_open |= bool({"additionalProperties", "unevaluatedProperties"} & place.words.keys())
        names |= dict.fromkeys(place.words.get("properties", ()))
        patterns |= dict.fromkeys(place.words.get("patternProperties", ()))
    if not names and not patterns and not is_open:
        return {}
    return {CLOSED: {"names": list(names), "patterns": list(patterns), "is_open": is_open}}


def _with_default(place: Node) -> list[str]:
    required = place.words.get("required")
    properties = place.words.get("properties", {})
    named = [name for name in required if name in properties] if isinstance(required, list) else []
    return [name for name in named if _has_default(place, name)]


def _has_default(place: Node, name: str) -> bool:
    return any("default" in one.raw for one in around(place.at("properties", name)))
