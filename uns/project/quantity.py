"""Quantities as engineers write them: durations, percentages, and series such as `1..4`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

__all__ = [
    "MAX_SERIES",
    "Deadband",
    "WordError",
    "read_deadband",
    "read_duration",
    "read_readback",
    "read_series",
    "shortened",
    "shown",
]

MAX_SERIES = 10_000  # more machines than one entry should stamp; a slip of the finger is larger


class WordError(ValueError):
    """A word that cannot be read; `hint` says what would be, `code` which page explains it."""

    def __init__(self, message: str, *, hint: str = "", code: str = "UNS109") -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


_LONGEST = 60  # a longer value is shown shortened


def shortened(value: Any) -> str:
    """`value` as text, cut where it is long."""
    text = str(value)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def shown(value: Any) -> str:
    """What somebody typed, in words where it is a collection or nothing."""
    match value:
        case None:
            return "nothing"
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case _:
            return f"`{shortened(value)}`"


@dataclass(frozen=True, slots=True)
class Deadband:
    """How big a change is worth a publish: in the tag's unit, or in per cent of its range."""

    amount: float
    is_percent: bool = False


_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|min|m|h|d)\Z")
_SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PERCENT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*%\Z")
_SERIES = re.compile(r"([0-9]+)\.\.([0-9]+)\Z")


def read_duration(text: Any) -> Any:
    """Seconds.

    >>> read_duration("200ms")
    0.2
    """
    found = _DURATION.match(text) if isinstance(text, str) else None
    if found:
        return float(found[1]) * _SECONDS[found[2]]
    if isinstance(text, bool) or not isinstance(text, int | float):
        raise WordError(f"{shown(text)} is not a duration", hint="for example `200ms`, `1s`, `5m`")
    raise WordError(
        f"`{text}` has no unit of time", hint=f"write `{text}s` for seconds, `{text}ms` for less"
    )


def read_deadband(text: Any) -> Deadband:
    """An amount, or a percentage of the range."""
    if isinstance(text, Deadband):
        return text
    if isinstance(text, int | float) and not isinstance(text, bool) and text >= 0:
        return Deadband(float(text))
    found = _PERCENT.match(text) if isinstance(text, str) else None
    if found:
        return Deadband(float(found[1]), is_percent=True)
    raise WordError(
        f"{shown(text)} is not a deadband", hint="a number in the tag's unit, or a percentage: `1%`"
    )


READBACK_S = 5.0  # how long `readback: true` waits: a PLC takes a scan or two, a gateway seconds


def read_readback(text: Any) -> Any:
    """Seconds that a device has to show a written value; none where it is not asked."""
    if isinstance(text, bool):
        return READBACK_S if text else None
    return read_duration(text)


def read_series(words: Any) -> tuple[str | int, ...]:
    """The values of a list, of `1..4`, or of one word.

    >>> read_series("1..4")
    (1, 2, 3, 4)
    """
    if isinstance(words, list | tuple):
        return tuple(value for word in words for value in read_series(word))
    if isinstance(words, bool) or not isinstance(words, str | int):
        raise WordError(
            f"{shown(words)} is not a series",
            hint="a list such as `[a, b]`, or a range such as `1..4`",
        )
    found = _SERIES.match(words) if isinstance(words, str) else None
    if not found:
        return (words,)
    first, last = int(found[1]), int(found[2])
    if last < first:
        raise WordError(f"`{words}` runs backwards", hint=f"write `{last}..{first}`")
    if last - first >= MAX_SERIES:
        raise WordError(f"`{words}` has {last - first + 1:,} steps", hint=f"at most {MAX_SERIES:,}")
    return tuple(range(first, last + 1))
