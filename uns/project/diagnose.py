"""A diagnostic: a mistake with a code, a place, a sentence and a hint.

Most begin as pydantic's errors. Its `loc` is walked down the source's own tree, so that steps
nobody typed fall away; an unknown key points at the key, everything else at the value; options
for a suggestion come from the model's annotations. Every problem is reported at once.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from uns.project.nearest import find_nearest, suggestion
from uns.project.quantity import shortened, shown
from uns.project.source import Mistake, Source, Span, Steps, Written

__all__ = ["Diagnostic", "Related", "Severity", "diagnostic", "mistakes", "problems", "validate"]

W = TypeVar("W")


class Severity(StrEnum):
    """An error keeps a project from running; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Related:
    """Another place that belongs to a diagnostic, and what it has to do with it."""

    label: str
    file: str
    span: Span


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: what is wrong, where, and what to do about it."""

    code: str
    message: str
    file: str
    span: Span
    hint: str = ""
    related: tuple[Related, ...] = ()
    severity: Severity = Severity.ERROR

    @property
    def is_error(self) -> bool:
        """Whether a project with this cannot run."""
        return self.severity is Severity.ERROR

    @property
    def order(self) -> tuple[str, int, int, str]:
        """Sorts by file and place."""
        return self.file, self.span.line, self.span.column, self.code


def diagnostic(
    code: str,
    message: str,
    at: Written,
    *,
    hint: str = "",
    of_key: bool = False,
    related: Iterable[tuple[str, Written]] = (),
    severity: Severity = Severity.ERROR,
) -> Diagnostic:
    """A diagnostic that points at what is written at `at`, or at its key."""
    others = tuple(
        Related(label, other.source.name, other.span(of_key=True)) for label, other in related
    )
    return Diagnostic(code, message, at.source.name, at.span(of_key=of_key), hint, others, severity)


def mistakes(source: Source) -> list[Diagnostic]:
    """What is wrong with a file as YAML."""
    return [_from_mistake(mistake, source.name) for mistake in source.mistakes]


def _from_mistake(mistake: Mistake, file: str) -> Diagnostic:
    related = (Related("first written here", file, mistake.first),) if mistake.first else ()
    return Diagnostic(mistake.code, str(mistake), file, mistake.span, mistake.hint, related)


def validate(model: Any, value: Any, at: Written) -> tuple[Any, list[Diagnostic]]:
    """`value` as `model` (anything pydantic understands), or None and every problem with it."""
    try:
        return _adapter(model).validate_python(value), []
    except ValidationError as error:
        found = error.errors(include_url=False)[:_MANY]
        return None, problems(model, found, at)


_MANY = 100  # problems of one entry that are told; whoever has more begins with these


def problems(model: Any, errors: Iterable[Any], at: Written) -> list[Diagnostic]:
    """The findings of pydantic as ours, without those that only echo a misspelt key."""
    return [_diagnose(model, dict(e), at) for e in errors if not _is_echo(model, e)]


_adapters: dict[Any, TypeAdapter[Any]] = {}


def _adapter(model: Any) -> TypeAdapter[Any]:
    key = model if isinstance(model, type) else id(model)
    return _adapters.setdefault(key, TypeAdapter(model)) if key not in _adapters else _adapters[key]


# pydantic's error type → our code and our sentence
_SENTENCES = {
    "extra_forbidden": ("UNS101", "unknown key `{name}`"),
    "missing": ("UNS102", "`{name}` is required here"),
    "enum": ("UNS104", "`{input}` is not one of the words for `{name}`"),
    "literal_error": ("UNS104", "`{input}` is not one of the words for `{name}`"),
    "int_parsing": ("UNS105", "`{name}` must be a whole number, not `{input}`"),
    "int_type": ("UNS105", "`{name}` must be a whole number, not {shown}"),
    "int_from_float": ("UNS105", "`{name}` must be a whole number, not `{input}`"),
    "float_parsing": ("UNS105", "`{name}` must be a number, not `{input}`"),
    "float_type": ("UNS105", "`{name}` must be a number, not {shown}"),
    "finite_number": ("UNS105", "`{name}` must be a finite number, not `{input}`"),
    "bool_parsing": ("UNS105", "`{name}` must be true or false, not `{input}`"),
    "bool_type": ("UNS105", "`{name}` must be true or false, not {shown}"),
    "string_type": ("UNS105", "`{name}` must be text, not {shown}"),
    "dict_type": ("UNS105", "`{name}` must be a mapping (`key: value`), not {shown}"),
    "model_type": ("UNS105", "`{name}` must be a mapping (`key: value`), not {shown}"),
    "model_attributes_type": ("UNS105", "`{name}` must be a mapping (`key: value`), not {shown}"),
    "list_type": ("UNS105", "`{name}` must be a list (`[…]`), not {shown}"),
    "tuple_type": ("UNS105", "`{name}` must be a list (`[…]`), not {shown}"),
    "too_short": ("UNS106", "`{name}` must not be empty"),
    "string_too_short": ("UNS106", "`{name}` must not be empty"),
    "too_long": ("UNS106", "`{name}` takes {max_length} values, and here are {actual_length}"),
    "greater_than": ("UNS106", "`{name}` must be more than {gt}, not {input}"),
    "greater_than_equal": ("UNS106", "`{name}` must be at least {ge}, not {input}"),
    "less_than": ("UNS106", "`{name}` must be less than {lt}, not {input}"),
    "less_than_equal": ("UNS106", "`{name}` must be at most {le}, not {input}"),
    "value_error": ("UNS100", "{error}"),
}
_MAPPING_TYPES = {"dict_type", "model_type", "model_attributes_type"}
_OTHERWISE = ("UNS100", "`{name}`: {msg}")


def _diagnose(model: Any, error: dict[str, Any], at: Written) -> Diagnostic:
    kind, context = error["type"], error.get("ctx", {})
    is_of_key = error["loc"][-1:] == ("[key]",)
    loc: Steps = error["loc"][:-1] if is_of_key else error["loc"]
    steps = at.source.written(at.steps + loc)
    code, sentence = _SENTENCES.get(kind, _OTHERWISE)
    name = next((step for step in reversed(steps) if isinstance(step, str)), "the file")
    cause = context.get("error")
    words = {**context, "name": name, "input": shortened(error["input"]), "msg": error["msg"]}
    if isinstance(steps[-1] if steps else None, int) and kind in _MAPPING_TYPES:
        sentence = "every entry of `{name}` must be a mapping (`key: value`), not {shown}"
    words["shown"] = shown(error["input"])
    place, hint = Written(at.source, steps), getattr(cause, "hint", "")
    if kind == "missing":
        return _missing(steps, loc, at, error)
    if kind == "extra_forbidden":
        hint, is_of_key = suggestion(str(steps[-1]), _keys(model, loc[:-1])), True
    if kind in ("enum", "literal_error"):
        hint = suggestion(str(error["input"]), _options(str(context["expected"])))
    code = getattr(cause, "code", code)
    return diagnostic(code, sentence.format_map(words), place, hint=hint, of_key=is_of_key)


def _missing(steps: Steps, loc: Steps, at: Written, error: dict[str, Any]) -> Diagnostic:
    """A key that is not there: point at what should hold it."""
    holder = Written(at.source, steps[:-1])
    if isinstance(loc[-1], int):  # `range: [1]`
        name, number = loc[-2] if len(loc) > 1 else "the list", len(error["input"])
        return diagnostic("UNS106", f"`{name}` has too few values: {number}", holder)
    return diagnostic("UNS102", f"`{loc[-1]}` is required here", holder, of_key=True)


def _options(expected: str) -> list[str]:
    return [word.strip(" '") for word in expected.replace(" or ", ",").split(",")]


def _is_echo(model: Any, error: Any) -> bool:
    """A misspelt key is one mistake: its `missing` echo says nothing new."""
    if error["type"] != "missing" or not isinstance(error["input"], dict):
        return False
    known, name = _keys(model, error["loc"][:-1]), str(error["loc"][-1])
    typed = {str(key) for key in error["input"]}
    return any(find_nearest(key, known) == name for key in typed - known)


def _keys(model: Any, loc: Steps) -> set[str]:
    """The keys that are understood at `loc`, following annotations as pydantic does."""
    here: list[Any] = _members(model)
    for step in loc:
        here = [below for one in here for below in _step(one, step)] or here
    return {
        field.alias or name
        for one in here
        for name, field in getattr(one, "model_fields", {}).items()
    }


def _step(model: Any, step: str | int) -> list[Any]:
    origin, arguments = typing.get_origin(model), typing.get_args(model)
    if origin in (list, tuple):
        return _members(arguments[0])
    if origin is dict:
        return _members(arguments[1])
    if isinstance(model, type) and issubclass(model, BaseModel):
        for name, field in model.model_fields.items():
            if step in (name, field.alias):
                return _members(field.annotation)
    return []


def _members(annotation: Any) -> list[Any]:
    if typing.get_origin(annotation) is typing.Annotated:
        return _members(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return [one for member in typing.get_args(annotation) for one in _members(member)]
    return [annotation]
