"""A rule: statements that stand or fall together, and what decides them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from uns.sparkplug.statements import STATEMENTS

__all__ = ["KEPT", "Rule", "Subject", "mask_of", "tck"]

Subject = TypeVar("Subject")

KEPT = ""
_PREFIX = "tck-id-"
_PLACES = {name: place for place, name in enumerate(STATEMENTS)}


def tck(*names: str) -> tuple[str, ...]:
    """The ids of statements by what follows their common beginning; unknown ones raise KeyError."""
    ids = tuple(_PREFIX + name for name in names)
    for one in ids:
        STATEMENTS[one]
    return ids


@dataclass(frozen=True, slots=True)
class Rule(Generic[Subject]):
    """`judge` returns what was there instead, KEPT, or None where there was nothing to judge."""

    ids: tuple[str, ...]
    expected: str
    judge: Callable[[Subject], str | None]
    remedy: str = ""
    mask: int = field(init=False)  # one bit for each id: ten thousand nodes keep theirs in an int

    def __post_init__(self) -> None:
        object.__setattr__(self, "mask", mask_of(self.ids))


def mask_of(ids: tuple[str, ...]) -> int:
    """The ids as bits of a number."""
    return sum(1 << _PLACES[one] for one in ids)
