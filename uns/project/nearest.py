"""The nearest word: what somebody probably meant to type."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["find_nearest", "suggestion"]

_MANY = 12  # a longer list helps nobody


def find_nearest(word: str, options: Iterable[str], *, likeness: float = 0.6) -> str | None:
    """The option that looks most like `word`, whatever its capitals; 1.0 is the same word."""
    folded = {option.casefold(): option for option in options}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=likeness)
    return folded[near[0]] if near else None


def suggestion(word: str, options: Iterable[str], *, otherwise: str = "") -> str:
    """A question with the nearest option, or the options, or nothing when there are too many."""
    known = sorted(set(options))
    if near := find_nearest(word, known):
        return f"did you mean `{near}`?"
    if otherwise or not known or len(known) > _MANY:
        return otherwise
    return f"one of {', '.join(known)}" if len(known) > 1 else f"there is only `{known[0]}`"
