"""A pattern: many topics written as one, `acme/{leeds,porto}/packaging/line{1..4}/filler`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["pattern"]

_MOST_NAMES = 3  # names that are listed; more are a `*`
_LONGEST = 40  # characters of a list
_NUMBERED = re.compile(r"(.*?)(0|[1-9][0-9]*)\Z")


def pattern(topics: Iterable[str]) -> str:
    """Return one text for all of `topics`; where their depth differs the rest is `**`.

    >>> pattern(["a/line1/x", "a/line2/x", "b/line1/x"])
    '{a,b}/line{1..2}/x'
    """
    paths = [topic.split("/") for topic in topics]
    depth = min(map(len, paths))
    parts = [_level({path[place] for path in paths}) for place in range(depth)]
    if any(len(path) != depth for path in paths):
        parts[-1:] = ["**"] if parts[-1].startswith(("{", "*")) else [parts[-1], "**"]
    return "/".join(parts)


def _level(names: set[str]) -> str:
    if len(names) == 1:
        return next(iter(names))
    if series := _series(sorted(names)):
        return series
    listed = ",".join(sorted(names))
    if len(names) <= _MOST_NAMES and len(listed) <= _LONGEST:
        return f"{{{listed}}}"
    return "*"


def _series(names: Sequence[str]) -> str:
    """`line{1..4}`, where that is all of them."""
    found = [_NUMBERED.match(name) for name in names]
    stems = {match[1] for match in found if match}
    if None in found or len(stems) != 1:
        return ""
    numbers = sorted(int(match[2]) for match in found if match)
    if numbers != list(range(numbers[0], numbers[-1] + 1)):
        return ""
    return f"{stems.pop()}{{{numbers[0]}..{numbers[-1]}}}"
