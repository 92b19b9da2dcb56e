"""Templates: texts with `{name}` and `{name:filter}` places, filled once for each machine."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

__all__ = ["FILTERS", "Field", "MissingParameterError", "Template", "TemplateError"]


class TemplateError(ValueError):
    """A text that is no template; `column` (from 1) is where it goes wrong."""

    def __init__(self, message: str, column: int, *, hint: str = "", code: str = "UNS206") -> None:
        super().__init__(message)
        self.column = column
        self.hint = hint
        self.code = code


class MissingParameterError(KeyError):
    """A template asks for a parameter that the machine does not have."""

    def __init__(self, field: Field) -> None:
        super().__init__(field.name)
        self.field = field


@dataclass(frozen=True, slots=True)
class Field:
    """One `{name:filter}` of a template and the column (from 1) where it begins."""

    name: str
    filter: str
    column: int

    def fill(self, value: Any) -> str:
        """`value` as this place wants it."""
        if not self.filter:
            return str(value)
        if self.filter[-1] == "d":
            return format(_whole(value, self), self.filter)
        return FILTERS[self.filter](str(value))


@dataclass(frozen=True, slots=True)
class Template:
    """A text to be filled in; `{{` and `}}` stand for braces, `${…}` is left alone.

    >>> Template.parse("Line{n:02d}.{tag:pascal}").fill({"n": 3, "tag": "product_temp"})
    'Line03.ProductTemp'
    """

    text: str
    parts: tuple[str | Field, ...]

    @classmethod
    def parse(cls, text: str) -> Template:
        """Check `text`; raises TemplateError with the column of the mistake."""
        return _parsed(text)

    @property
    def fields(self) -> tuple[Field, ...]:
        """The places to be filled."""
        return tuple(part for part in self.parts if isinstance(part, Field))

    def fill(self, values: Mapping[str, Any]) -> str:
        """The text with every place filled; raises MissingParameterError."""
        filled = []
        for part in self.parts:
            if isinstance(part, str):
                filled.append(part)
                continue
            if part.name not in values:
                raise MissingParameterError(part)
            filled.append(part.fill(values[part.name]))
        return "".join(filled)

    def value(self, values: Mapping[str, Any]) -> Any:
        """Like `fill`, but a template that is one bare place keeps the value's own type."""
        if len(self.parts) == 1 and isinstance(only := self.parts[0], Field) and not only.filter:
            if only.name not in values:
                raise MissingParameterError(only)
            return values[only.name]
        return self.fill(values)

    def origin(self, column: int, values: Mapping[str, Any]) -> int:
        """The column of the template that column `column` of the filled text came from."""
        written, filled = 1, 1
        for part in self.parts:
            if isinstance(part, Field):
                written = part.column
                length = len(part.fill(values[part.name]))
                if column < filled + length:
                    return written
                written = part.column + self.text[part.column - 1 :].index("}") + 1
            else:
                length = len(part)
                if column < filled + length:
                    return written + column - filled
                written += length
            filled += length
        return max(1, len(self.text))


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Template:
    """The template in `text`, parsed once though thousands of machines share it."""
    parts: list[str | Field] = []
    end = 0
    for found in _PIECE.finditer(text):
        parts.append(text[end : found.start()])
        parts.append(_LITERALS.get(found[0]) or _piece(found))
        end = found.end()
    parts.append(text[end:])
    return Template(text, tuple(part for part in parts if part))


_PIECE = re.compile(r"\$\{[^{}]*\}|\{\{|\}\}|\{([^{}]*)\}|[{}]")
_LITERALS = {"{{": "{", "}}": "}"}
_FIELD = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::(.*))?\Z")
_NUMBER = re.compile(r"0?[1-9][0-9]?d\Z")
_WORD = re.compile(r"[^A-Za-z0-9]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def _piece(found: re.Match[str]) -> str | Field:
    if found[0].startswith("$"):
        return found[0]
    column = found.start() + 1
    if found[0] in "{}":
        raise TemplateError(
            f"`{found[0]}` has no partner",
            column,
            hint=f"a brace itself is written `{found[0] * 2}`",
        )
    parsed = _FIELD.match(found[1])
    if parsed is None:
        raise TemplateError(
            f"`{found[0]}` is not a place to fill in",
            column,
            hint="write `{name}` or `{name:filter}`; a brace itself is doubled",
        )
    name, chosen = parsed[1], parsed[2] or ""
    if chosen and chosen not in FILTERS and not _NUMBER.match(chosen):
        raise TemplateError(f"there is no filter `{chosen}`", column, hint=_filters(chosen))
    return Field(name, chosen, column)


def _filters(wrong: str) -> str:
    folded = wrong.casefold()
    near = next((name for name in FILTERS if folded[:3] == name[:3]), "")
    return f"did you mean `{near}`?" if near else f"one of {', '.join(FILTERS)}, 02d"


def _whole(value: Any, field: Field) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise TemplateError(
            f"`{{{field.name}:{field.filter}}}` needs a whole number, and `{field.name}` is `{value}`",
            field.column,
            hint="use another filter, or none",
        ) from None


def _pascal(text: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in _WORD.split(text))


def _camel(text: str) -> str:
    joined = _pascal(text)
    return joined[:1].lower() + joined[1:]


def _snake(text: str) -> str:
    return "_".join(word.lower() for word in _WORD.split(_HUMP.sub("_", text)) if word)


FILTERS: Mapping[str, Callable[[str], str]] = {
    "pascal": _pascal,
    "camel": _camel,
    "upper": str.upper,
    "lower": str.lower,
    "snake": _snake,
}
