"""Templates as written: their leaves, their `{param}` places, and maps turned into code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from uns.equipment import Machine
from uns.route.expression import (
    Expression,
    ExpressionError,
    compile_expression,
    is_expression,
)
from uns.route.unit_words import InUnit
from uns.route.words import RouteWords, TemplateWords
from uns.topic import TopicFilter

__all__ = [
    "PLACE",
    "YamlPath",
    "compiled",
    "duration_ms",
    "filled",
    "in_units_of",
    "leaves",
    "machines_of",
    "renderer",
    "tags_in",
    "units_of",
]

YamlPath: TypeAlias = tuple[str | int, ...]

PLACE: Final = re.compile(r"\{([A-Za-z_]\w*)\}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d)\Z")
_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}


def machines_of(words: RouteWords, machines: Sequence[Machine]) -> list[Machine]:
    """The machines that a route is stamped on: by type or ancestor, and by topic."""
    chosen = [machine for machine in machines if words.for_each.class_ in machine.lineage]
    if words.for_each.select is None:
        return chosen
    select = TopicFilter.parse(words.for_each.select)
    return [machine for machine in chosen if select.matches(machine.topic.text)]


def leaves(path: YamlPath, words: TemplateWords) -> Iterator[tuple[YamlPath, str]]:
    """Every text of a template that may be an expression or hold places, with where it is."""
    for word in ("when", "key", "id"):
        text = getattr(words, word)
        if isinstance(text, str):
            # These are expressions whether or not the `=` was written.
            yield (*path, word), text if is_expression(text) else f"={text}"
    yield from _texts((*path, "map"), words.map)
    counter = words.trigger.counter
    yield from _texts((*path, "trigger", "counter"), counter.model_dump())


def _texts(path: YamlPath, tree: Any) -> Iterator[tuple[YamlPath, str]]:
    if isinstance(tree, str):
        yield path, tree
    elif isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _texts((*path, key), value)
    elif isinstance(tree, list):
        for place, value in enumerate(tree):
            yield from _texts((*path, place), value)


def tags_in(leaf: str) -> Iterator[str]:
    """The tags that an expression looks at by tag('…')."""
    if not is_expression(leaf):
        return
    try:
        names = compile_expression(leaf).names
    except ExpressionError:
        return  # told as a problem of its own
    for name in names:
        if name.startswith("tag."):
            yield name.removeprefix("tag.").replace(".", "/")


def in_units_of(leaf: str) -> tuple[InUnit, ...]:
    """What an expression wants in a unit by in_unit(…)."""
    if not is_expression(leaf):
        return ()
    try:
        return compile_expression(leaf).in_units
    except ExpressionError:
        return ()  # told as a problem of its own


def units_of(machine: Machine, counters: Mapping[str, str]) -> dict[str, str]:
    """The units of what expressions can name; `counters` are tags by their name in the trigger."""
    units = {f"tag.{tag.name.replace('/', '.')}": tag.unit for tag in machine.tags}
    for name, tag_name in counters.items():
        if tag := machine.find_tag(tag_name):
            units |= {f"total.{name}": tag.unit, f"delta.{name}": tag.unit}
    return units


def renderer(tree: Any, params: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Any]:
    """Turn a map into code that fills it; a key whose expression is null is left out."""
    if is_expression(tree):
        return compile_expression(tree).evaluate
    if isinstance(tree, Mapping):
        parts = {str(key): renderer(value, params) for key, value in tree.items()}
        return lambda values: {
            key: value for key, part in parts.items() if (value := part(values)) is not None
        }
    if isinstance(tree, list):
        items = [renderer(value, params) for value in tree]
        return lambda values: [item(values) for item in items]
    constant = filled(tree, params)
    return lambda _values: constant


def compiled(text: str) -> Expression:
    """A word that is always an expression, compiled; its `=` may be left out."""
    return compile_expression(text if is_expression(text) else f"={text}")


def filled(word: Any, params: Mapping[str, Any]) -> Any:
    """The word with its `{param}` places filled; a word that is one place keeps the value's type."""
    if not isinstance(word, str):
        return word
    whole = PLACE.fullmatch(word)
    if whole:
        return params.get(whole[1], word)
    return PLACE.sub(lambda place: str(params.get(place[1], place[0])), word)


def duration_ms(text: Any) -> int | None:
    """Milliseconds of `10s`, `5m` …; None for anything else."""
    found = _DURATION.match(text) if isinstance(text, str) else None
    return round(float(found[1]) * _MS[found[2]]) if found else None
