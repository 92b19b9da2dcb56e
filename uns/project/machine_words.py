"""Words about a machine as a whole: its relations to others, and the thing that stands there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from uns.project.quantity import WordError, shown
from uns.project.words import Name, Words

__all__ = ["RELATIONS", "AssetWords", "Assets", "RelationWords", "Relations", "read_relation"]

#: What a machine can say of another, and what the other says of it.
RELATIONS: Mapping[str, str] = {
    "feeds": "fed_by",
    "measures": "measured_by",
    "controls": "controlled_by",
    "energizes": "energized_by",
}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


class RelationWords(Words):
    """A relation of your own, by name, and what the other end says."""

    inverse: Name = Field(description="The other end's word.", examples=["lubricated_by"])
    desc: str = Field("", description="What it is, for people.")


def read_relation(word: Any) -> Any:
    """A bare text is the `inverse`."""
    return {"inverse": word} if isinstance(word, str) else word


def _targets(word: Any) -> Any:
    """One target, several, or none after all."""
    if word is None:
        return []
    return [word] if isinstance(word, str) else word


Relations = dict[str, Annotated[list[str], BeforeValidator(_targets)]]


def _date(word: Any) -> Any:
    """A day as ISO 8601 writes it."""
    if isinstance(word, date):
        return word
    if isinstance(word, str) and _DATE.match(word):
        try:
            return date.fromisoformat(word)
        except ValueError as error:
            raise WordError(f"`{word}` is no day: {error}") from None
    raise WordError(f"{shown(word)} is not a date", hint="year, month and day: `2026-01-31`")


Day = Annotated[date, BeforeValidator(_date)]


class AssetWords(Words):
    """The thing that stands at a machine's place, whose history goes with it when it moves."""

    id: str = Field(
        min_length=1,
        coerce_numbers_to_str=True,
        description="Its serial or inventory number; a template.",
        examples=["K-4711", '"{serial}"'],
    )
    from_: Day | None = Field(
        None,
        alias="from",
        description="The first day that it stood there.",
        examples=["2024-03-01"],
    )
    to: Day | None = Field(None, description="The last.", examples=["2026-01-31"])


def _assets(word: Any) -> Any:
    """One thing, by its id or in full, or several one after the other."""
    if word is None:
        return []
    if isinstance(word, list):
        return [_asset(one) for one in word]
    return [_asset(word)]


def _asset(word: Any) -> Any:
    is_id = isinstance(word, str | int) and not isinstance(word, bool)
    return {"id": word} if is_id else word


Assets = Annotated[list[AssetWords], BeforeValidator(_assets)]
