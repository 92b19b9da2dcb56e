"""Patterns: one template for texts that differ only in what tells machines apart.

`DB101.DBW0`, `DB102.DBW0` of machines 1 and 2 are `DB1{n:02d}.DBW0`. A place that follows no
known parameter makes a new one; the caller decides how many of those are too many.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from uns.project.template import FILTERS

__all__ = ["Parameters", "Values", "literal", "template"]

Values: TypeAlias = tuple[int | str, ...]  # one for each machine

_TOKEN = re.compile(r"[0-9]+|[A-Za-z]+|[^A-Za-z0-9]+")
_WIDTHS = (4, 3, 2)
_LONGEST = 15  # digits; more are a serial number and no place


@dataclass(slots=True)
class Parameters:
    """The parameters of a family of machines: a name, and a value for each machine.

    `fresh` are those that were made for addresses and connections, after the path's.
    """

    values: dict[str, Values] = field(default_factory=dict)
    fresh: list[str] = field(default_factory=list)

    def add(self, wish: str, values: Values) -> str:
        """A new parameter, called `wish` or nearly so."""
        name, number = wish, 1
        while name in self.values or name in _TAKEN:
            number += 1
            name = f"{wish}{number}"
        self.values[name] = values
        self.fresh.append(name)
        return name

    def forget(self, names: Sequence[str]) -> None:
        """Take back parameters that were added in vain."""
        for name in names:
            del self.values[name]
            self.fresh.remove(name)


_TAKEN = {"enterprise", "site", "area", "line", "cell", "machine", "path", "tag", "i"}


def literal(text: str) -> str:
    """`text` as a template that stands for itself."""
    return text.replace("{", "{{").replace("}", "}}")


def template(
    texts: Sequence[str],
    parameters: Parameters,
    wish: Callable[[str, str], str] | None = None,
) -> str | None:
    """The template that is `texts` for the machines, one each; None where there is none.

    `wish(before, after)` names a parameter for a place that follows none; without it such a
    place has no template.
    """
    if len(set(texts)) == 1:
        return literal(texts[0])
    rows = [_TOKEN.findall(text) for text in texts]
    if len({len(row) for row in rows}) > 1:
        return None
    parts: list[str] = []
    for place, tokens in enumerate(zip(*rows, strict=True)):
        part = _part(tokens, parameters)
        if part is None and wish is not None and tokens[0][0].isalnum():
            before, after = "".join(rows[0][:place]), "".join(rows[0][place + 1 :])
            part = _new(tokens, parameters, wish(before, after))
        if part is None:
            return None
        parts.append(part)
    return "".join(parts)


def _part(tokens: tuple[str, ...], parameters: Parameters) -> str | None:
    """One place of the template: the same everywhere, or said by a parameter."""
    if len(set(tokens)) == 1:
        return literal(tokens[0])
    for name, values in parameters.values.items():
        for spelling in _spellings(name, values, tokens):
            return spelling
    return None


def _spellings(name: str, values: Values, tokens: tuple[str, ...]) -> Iterator[str]:
    if all(str(value) == token for value, token in zip(values, tokens, strict=True)):
        yield f"{{{name}}}"
    if not all(isinstance(value, int) for value in values):
        for chosen, spell in FILTERS.items():
            if tuple(spell(str(value)) for value in values) == tokens:
                yield f"{{{name}:{chosen}}}"
        return
    if not tokens[0].isdecimal():
        return
    for width in _WIDTHS:
        padded = [f"{value:0{width}d}" for value in values]
        if rest := _around(padded, tokens):
            yield f"{rest[0]}{{{name}:{width:02d}d}}{rest[1]}"
    if rest := _around([str(value) for value in values], tokens):
        yield f"{rest[0]}{{{name}}}{rest[1]}"


def _around(inner: Sequence[str], tokens: Sequence[str]) -> tuple[str, str] | None:
    """What stands before and behind the values in all of `tokens`: 40101, 40201 → `40`, `01`."""
    at = tokens[0].find(inner[0])
    while at >= 0:
        before, after = tokens[0][:at], tokens[0][at + len(inner[0]) :]
        if all(token == before + one + after for one, token in zip(inner, tokens, strict=True)):
            return before, after
        at = tokens[0].find(inner[0], at + 1)
    return None


def _new(tokens: tuple[str, ...], parameters: Parameters, wish: str) -> str | None:
    if any(len(token) > _LONGEST for token in tokens):
        return None
    if not all(token.isdecimal() for token in tokens):
        return f"{{{parameters.add(wish, tokens)}}}"
    numbers = tuple(int(token) for token in tokens)
    widths = {len(token) for token in tokens}
    name = parameters.add(wish, numbers)
    if all(str(number) == token for number, token in zip(numbers, tokens, strict=True)):
        return f"{{{name}}}"
    if len(widths) == 1:
        return f"{{{name}:{widths.pop():02d}d}}"
    parameters.forget([name])
    return f"{{{parameters.add(wish, tokens)}}}"
