"""Addresses of what is made up: `sine 0..6 60s`, `counter 120/min`, `packml`, `replay speed`.

    sine | triangle | ramp | square  LOW..HIGH PERIOD     walk | noise  LOW..HIGH
    counter RATE/min     packml [CYCLE]     toggle PERIOD     turn A,B,C PERIOD
    fixed VALUE          memory VALUE       replay COLUMN

Each is a function of the time and the seed alone, so that a value is the same for everybody who
asks, and after a restart too: a counter never goes back.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from uns.errors import AddressError

__all__ = ["SHAPES", "SimAddress", "parse", "plain_value"]

_MOST_S: Final = 366 * 86_400.0
_MOST_PER_S: Final = 1e6
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}
_WORD: Final = re.compile(r"\S+")
_SPAN: Final = re.compile(r"(-?\d+(?:\.\d+)?)\.\.(-?\d+(?:\.\d+)?)")
_PERIOD: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|min|h|d)")
_RATE: Final = re.compile(r"(\d+(?:\.\d+)?)/(ms|s|min|h|d)")
_WHOLE: Final = re.compile(r"[+-]?\d{1,18}")

#: What each word is followed by; an argument in brackets may be left out.
SHAPES: Final[Mapping[str, tuple[str, ...]]] = {
    "sine": ("span", "period"),
    "triangle": ("span", "period"),
    "ramp": ("span", "period"),
    "square": ("span", "period"),
    "walk": ("span",),
    "noise": ("span",),
    "counter": ("rate",),
    "packml": ("[period]",),
    "toggle": ("period",),
    "turn": ("choice", "period"),
    "fixed": ("rest",),
    "memory": ("rest",),
    "replay": ("rest",),
}


@dataclass(frozen=True, slots=True)
class SimAddress:
    """One value that is made up.

    `low` and `high` bound a wave; `seconds` is its period, or 0; `per_s` a counter's rate.
    `words` are the texts of a `turn`, the column of a `replay`, or the one fixed value.
    """

    shape: str
    text: str  # as it was written, with single blanks
    low: float = 0.0
    high: float = 0.0
    seconds: float = 0.0
    per_s: float = 0.0
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text


def parse(text: str) -> SimAddress:
    """Return the address in `text`; raises AddressError with the column of the mistake."""
    words = [(found.group(), found.start() + 1) for found in _WORD.finditer(text)]
    if not words:
        raise AddressError("the address is empty", hint=f"write {_EXAMPLES['sine']}")
    shape, column = words[0]
    if shape not in SHAPES:
        near = get_close_matches(shape, SHAPES, 1)
        hint = f"did you mean `{near[0]}`?" if near else f"one of {', '.join(SHAPES)}"
        raise AddressError(f"nothing is made up by `{shape}`", column=column, hint=hint)
    rest = words[1:]
    held: dict[str, object] = {"text": " ".join(text.split())}
    for argument in SHAPES[shape]:
        if argument == "rest":
            value = _rest(text, shape, rest)
            held |= {"words": (value,), "text": f"{shape} {value}"}
            rest = []
            continue
        if not rest and argument.startswith("["):
            continue
        if not rest:
            name = argument.strip("[]")
            raise AddressError(
                f"`{shape}` wants a {name} behind it",
                column=len(text) + 1,
                hint=f"write {_EXAMPLES[shape]}",
            )
        word, column = rest.pop(0)
        held |= _READERS[argument.strip("[]")](word, column, shape)
    if rest:
        word, column = rest[0]
        raise AddressError(
            f"`{word}` is more than `{shape}` takes",
            column=column,
            hint=f"write {_EXAMPLES[shape]}",
        )
    return SimAddress(shape, **held)  # type: ignore[arg-type]  # each reader gives its own fields


def plain_value(text: str) -> bool | int | float | str:
    """What a person means by `text`: a truth, a number, or the text itself.

    >>> plain_value("12"), plain_value("1.5"), plain_value("true"), plain_value("Lager")
    (12, 1.5, True, 'Lager')
    """
    if text in ("true", "false"):
        return text == "true"
    if _WHOLE.fullmatch(text):
        return int(text)
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def _rest(text: str, shape: str, rest: list[tuple[str, int]]) -> str:
    if not rest:
        raise AddressError(
            f"`{shape}` wants a value behind it",
            column=len(text) + 1,
            hint=f"write {_EXAMPLES[shape]}",
        )
    return text[rest[0][1] - 1 :].strip()


def _span(word: str, column: int, shape: str) -> dict[str, object]:
    found = _SPAN.fullmatch(word)
    if not found:
        raise AddressError(
            f"`{word}` is no span of two numbers", column=column, hint=f"write {_EXAMPLES[shape]}"
        )
    low, high = float(found[1]), float(found[2])
    if not (low < high < math.inf and low > -math.inf):
        raise AddressError(
            f"`{word}` ends before it begins", column=column, hint="the lower number comes first"
        )
    return {"low": low, "high": high}


def _period(word: str, column: int, shape: str) -> dict[str, object]:
    found = _PERIOD.fullmatch(word)
    seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
    if not 0.0 < seconds <= _MOST_S:
        raise AddressError(
            f"`{word}` is no period between 1ms and 366d",
            column=column,
            hint=f"write {_EXAMPLES[shape]}",
        )
    return {"seconds": seconds}


def _rate(word: str, column: int, shape: str) -> dict[str, object]:
    found = _RATE.fullmatch(word)
    per_s = float(found[1]) / _SECONDS[found[2]] if found else 0.0
    if not 0.0 < per_s <= _MOST_PER_S:
        raise AddressError(
            f"`{word}` is no rate up to a million a second",
            column=column,
            hint=f"write {_EXAMPLES[shape]}",
        )
    return {"per_s": per_s}


def _choice(word: str, column: int, shape: str) -> dict[str, object]:
    words = tuple(word.split(","))
    if len(words) < 2 or not all(words):  # noqa: PLR2004 - one thing takes no turns
        raise AddressError(
            f"`{word}` is no list of two or more", column=column, hint=f"write {_EXAMPLES[shape]}"
        )
    return {"words": words}


_READERS: Final[Mapping[str, Callable[[str, int, str], dict[str, object]]]] = {
    "span": _span,
    "period": _period,
    "rate": _rate,
    "choice": _choice,
}
_EXAMPLES: Final = {
    "sine": "`sine 0..6 60s`",
    "triangle": "`triangle 0..100 5min`",
    "ramp": "`ramp 0..100 30s`",
    "square": "`square 0..1 10s`",
    "walk": "`walk 20..25`",
    "noise": "`noise 20..25`",
    "counter": "`counter 120/min`",
    "packml": "`packml` or `packml 10min`",
    "toggle": "`toggle 5s`",
    "turn": "`turn Lemon,Cola,Orange 30min`",
    "fixed": "`fixed 42`",
    "memory": "`memory 42`",
    "replay": "`replay speed`, a column of the connection's recording",
}
