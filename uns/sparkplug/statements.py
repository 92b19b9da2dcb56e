"""The statements of the Sparkplug 3.0 specification: id, whom it binds, how strictly, in our words.

`statements.tsv` beside this file holds one line for each of the 299 ids; the words are ours.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from types import MappingProxyType

__all__ = ["STATEMENTS", "Level", "Party", "Statement"]


class Level(StrEnum):
    """How strictly a statement binds."""

    MUST = "MUST"
    SHOULD = "SHOULD"  # SHOULD NOT counts as one
    MAY = "MAY"


class Party(StrEnum):
    """Whom a statement binds."""

    EDGE = "E"
    HOST = "H"
    PRIMARY = "P"  # a host acting as the primary host
    SERVER = "B"  # an MQTT server: compliant
    AWARE = "A"  # an MQTT server: Sparkplug-aware


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of the specification."""

    id: str
    who: frozenset[Party]
    level: Level
    chapter: int
    section: str
    words: str


def _parse(row: Mapping[str, str]) -> Statement:
    who = "E,H" if row["who"] == "ALL" else row["who"]
    return Statement(
        row["id"],
        frozenset(Party(letter) for letter in who.split(",")),
        Level(row["level"]),
        int(row["chapter"]),
        row["section"],
        row["words"],
    )


def _read() -> Mapping[str, Statement]:
    text = resources.files("uns.sparkplug").joinpath("statements.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return MappingProxyType({row["id"]: _parse(row) for row in rows})


STATEMENTS: Mapping[str, Statement] = _read()
"""Every statement by its id, in the order of the sections."""
