"""Meaning: unit, counter and states of a value, which readers rely on and validators ignore.

A number that was bar and is kPa has the same form and another meaning: no document shows it.
Saying the unit or the states for the first time breaks nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from uns.schema.evolution.node import Document, Node, around, children
from uns.units import canonical

__all__ = ["changes"]

_MOST_PLACES: Final = 20_000

_Place: TypeAlias = tuple[str, ...]
_Meanings: TypeAlias = dict[_Place, dict[str, tuple[str, list[Any]]]]
_WORDS: Final = ("x-unit", "x-counter", "x-states")


def changes(old: Document, new: Document) -> Iterator[tuple[str, str, str]]:
    """Yield (pointer in the new schema, keyword, sentence) of each meaning that changed."""
    before, after = _meanings(old), _meanings(new)
    for place in before.keys() & after.keys():
        for word in _WORDS:
            pointer, now = after[place][word]
            was = before[place][word][1]
            if _is_broken(word, was, now):
                yield pointer, word, _sentence(place, word, was, now)


def _is_broken(word: str, was: list[Any], now: list[Any]) -> bool:
    if word == "x-counter":
        return was != now
    if word == "x-unit":
        return bool(was) and was != now
    names = [dict(one) for one in (*was, *now) if isinstance(one, dict)]
    return bool(was) and (not now or any(_contradict(a, b) for a in names for b in names))


def _contradict(states: dict[str, Any], others: dict[str, Any]) -> bool:
    return any(states[code] != others[code] for code in states.keys() & others.keys())


def _sentence(place: _Place, word: str, was: list[Any], now: list[Any]) -> str:
    said = [", ".join(map(str, one)) or "nothing" for one in (was, now)]
    where = "/".join(place) or "the value"
    return (
        f"{word} of {where} was {said[0]} and is {said[1]}: readers would take the same value for "
        f"another quantity; keep it, or add a field of a new name"
    )


def _meanings(document: Document) -> _Meanings:
    """Return what each place of a document means: field names, `*` for elements."""
    found: _Meanings = {}
    todo: list[tuple[_Place, list[Node]]] = [((), [document.node])]
    seen: set[tuple[str, ...]] = set()
    while todo and len(found) < _MOST_PLACES:
        place, nodes = todo.pop()
        key = tuple(sorted(node.pointer for node in nodes))
        if key in seen:
            continue
        seen.add(key)
        said = [one for node in nodes for one in around(node)]
        found[place] = {word: _said(word, said) for word in _WORDS}
        below: dict[_Place, list[Node]] = {}
        for one in said:
            for child in children(one):
                below.setdefault((*place, _step(one, child)), []).append(child)
        todo += below.items()
    return found


def _said(word: str, nodes: list[Node]) -> tuple[str, list[Any]]:
    """Return where a word is written, and all that it says, each once."""
    values: list[Any] = []
    pointer = f"{nodes[0].pointer}/{word}"
    for node in nodes:
        value = node.raw.get(word)
        value = canonical(value) if word == "x-unit" and isinstance(value, str) else value
        if value is not None and value is not False and value not in values:
            values.append(value)
            pointer = f"{node.pointer}/{word}"
    return pointer, sorted(values, key=repr)


def _step(parent: Node, child: Node) -> str:
    word, *name = child.pointer[len(parent.pointer) + 1 :].split("/")
    return name[0] if word == "properties" else "/".join(["*", word, *name])
