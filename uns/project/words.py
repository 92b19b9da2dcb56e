"""What every word of a project file is made of: names, durations, filters, small mappings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from uns.errors import ProjectError
from uns.hierarchy import name_problem, slug
from uns.project.quantity import (
    Deadband,
    WordError,
    read_deadband,
    read_duration,
    read_series,
    shown,
)
from uns.topic import TopicFilter

__all__ = [
    "EVERY_TAG",
    "BoundName",
    "CounterWords",
    "DeadbandWords",
    "Deliver",
    "Duration",
    "Filter",
    "Name",
    "Names",
    "Parameter",
    "Parameters",
    "Series",
    "TagName",
    "Words",
    "mapping_or",
    "names_or_none",
    "or_nothing",
    "read_address",
    "read_all_tags",
    "read_band",
    "tag_name",
]

EVERY_TAG = "*"  # in a binding: all the tags that it does not name


class Words(BaseModel):
    """One mapping of a project file: an unknown key is a mistake, not a comment."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, arbitrary_types_allowed=True
    )


class Deliver(StrEnum):
    """Whether the newest value is enough, or every single one counts."""

    LATEST = "latest"
    EVERY = "every"


def _name(text: str) -> str:
    """One name of the tree."""
    if problem := name_problem(text):
        raise WordError(problem, hint=f"try `{slug(text)}`", code="UNS108")
    return text


def tag_name(text: str) -> str:
    """A tag's path below its machine, with `/` between levels; `drive.temp` is `drive/temp`."""
    path = text.replace(".", "/")
    if _PLAIN_TAG.match(path):
        return path
    for level in path.split("/"):
        if problem := name_problem(level):
            raise WordError(problem, hint=f"try `{_slug_path(path)}`", code="UNS108")
    return path


_PLAIN_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}(?:/[A-Za-z0-9][A-Za-z0-9_-]{0,63})*\Z")


def _bound_name(text: str) -> str:
    """A tag's path, or `*` for every tag that the binding does not name."""
    return text if text == EVERY_TAG else tag_name(text)


def read_all_tags(word: Any) -> Any:
    """One address for the whole binding is the address of `*`."""
    return {EVERY_TAG: word} if isinstance(word, str) else or_nothing(word)


def _slug_path(path: str) -> str:
    return "/".join(slug(level) for level in path.split("/"))


def _scalar(word: Any) -> Any:
    """A parameter: text, number or truth value."""
    if isinstance(word, str | int | float):
        return word
    raise WordError(f"a parameter is a text or a number, not {shown(word)}", code="UNS105")


def mapping_or(keyword: bool, what: str) -> BeforeValidator:  # noqa: FBT001 - used below only
    """`true` stands for the mapping's defaults and `false` for none."""

    def read(word: Any) -> Any:
        if word is keyword:
            return {}
        if word is (not keyword) or isinstance(word, Mapping | Words):
            return word or None
        raise WordError(f"{shown(word)} is neither true nor false", hint=what, code="UNS105")

    return BeforeValidator(read)


def read_address(word: Any) -> Any:
    """A bare text is the mapping's `address`."""
    if isinstance(word, str | int) and not isinstance(word, bool):
        return {"address": str(word)}
    return {} if word is None else word


def _names(word: Any) -> Any:
    return [word] if isinstance(word, str) else word


def names_or_none(word: Any) -> Any:
    """One name, a list of them, or none."""
    return [] if word is None else _names(word)


def or_nothing(word: Any) -> Any:
    """A key with nothing after it is a mapping with nothing in it."""
    return {} if word is None else word


def _topic_filter(text: str) -> str:
    try:
        return TopicFilter.parse(text).text
    except ProjectError as error:
        raise WordError(str(error), hint=error.hint, code="UNS108") from None


Name = Annotated[str, AfterValidator(_name)]
TagName = Annotated[str, AfterValidator(tag_name)]
BoundName = Annotated[str, AfterValidator(_bound_name)]
Parameter = Annotated[Any, BeforeValidator(_scalar)]
Parameters = dict[str, Parameter]
Duration = Annotated[float, BeforeValidator(read_duration)]
Series = Annotated[tuple[Any, ...], BeforeValidator(read_series)]
Filter = Annotated[str, AfterValidator(_topic_filter)]
Names = Annotated[list[str], BeforeValidator(_names), Field(min_length=1)]


class CounterWords(Words):
    """A total that only grows, until it rolls over or is reset."""

    rollover: int | None = Field(
        None, gt=0, description="The value at which it starts again at 0.", examples=["65536"]
    )


class DeadbandWords(Words):
    """How much a value must change, and how long that may wait, until it is published."""

    change: Annotated[Deadband, BeforeValidator(read_deadband)] | None = Field(
        None,
        description="A smaller change is not published: in `unit`, or a percentage of `range`.",
        examples=["0.5", "1%"],
    )
    time: Duration | None = Field(
        None,
        description="At most one publish in this time. The newest of the values that waited "
        "follows when it is over, and a change of quality at once.",
        examples=["5s"],
    )


def read_band(word: Any) -> Any:
    """A number or a percentage is a whole deadband: its `change`, and no `time`."""
    if isinstance(word, Mapping | DeadbandWords):
        return word
    return DeadbandWords(change=read_deadband(word), time=None)
