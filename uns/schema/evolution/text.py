"""Text: strings that match a regular expression, so that a witness can show them.

Matching is jsonschema-rs's: linear in time, and the very engine that judges documents. Samples
are put together from the expression's parts; what is not understood gives none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice, product
from typing import Final

import jsonschema_rs

__all__ = ["matches", "samples", "words"]

_MOST_SAMPLES: Final = 6
_MOST_REPEATS: Final = 200
_LINEAR = jsonschema_rs.RegexOptions(size_limit=1 << 20, dfa_size_limit=1 << 20)
_LETTERS: Final = [chr(n) for n in (*range(0x61, 0x7B), *range(0x30, 0x3A), *range(0x20, 0x7F), 9)]
_QUANTIFIER: Final = re.compile(r"(?:([*+?])|\{(\d+)(,?)(\d*)\})\??")
_CLASS: Final = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\[dDwWsS]|\.")
_GROUP: Final = re.compile(r"\((?:\?:|\?P?<\w+>)?(?!\?)")


def matches(pattern: str, text: str) -> bool:
    """Whether `pattern` occurs in `text`, as JSON Schema means it."""
    return _matcher(pattern).is_valid(text)


@lru_cache(maxsize=1024)
def _matcher(pattern: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=_LINEAR)


@lru_cache(maxsize=1024)
def samples(pattern: str) -> tuple[str, ...]:
    """Return a few strings that match, short ones first; none where it is beyond us.

    >>> samples("^a[0-9]{2}$")[0]
    'a00'
    """
    reader = _Reader(pattern)
    try:
        found = reader.choice()
    except (IndexError, ValueError, RecursionError):
        return ()
    if reader.place < len(pattern):
        return ()
    return tuple(
        sorted({text for text in found if matches(pattern, text)}, key=lambda t: (len(t), t))
    )


class _Reader:
    """Recursive descent through one expression, samples of each part on the way back."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.place = 0

    def choice(self) -> list[str]:
        found = self._sequence()
        while self._next() == "|":
            self.place += 1
            found += self._sequence()
        return found[: 4 * _MOST_SAMPLES]

    def _sequence(self) -> list[str]:
        found = [""]
        while self._next() not in {"", "|", ")"}:
            part = self._repeated(self._atom())
            found = _joined(found, part)
        return found

    def _repeated(self, part: list[str]) -> list[str]:
        quantifier = _QUANTIFIER.match(self.pattern, self.place)
        if quantifier is None:
            return part
        self.place = quantifier.end()
        sign, low, comma, high = quantifier.groups()
        least = int(low) if low else int(sign == "+")
        most = least + 1 if sign in {"*", "+"} or (comma and not high) else int(high or low or 1)
        if least > _MOST_REPEATS:
            raise ValueError(least)
        return [one * count for count in sorted({least, min(least + 1, most)}) for one in part]

    def _atom(self) -> list[str]:
        if one_of := _CLASS.match(self.pattern, self.place):
            self.place = one_of.end()
            only = f"^(?:{one_of.group()})$"
            return list(islice((c for c in _LETTERS if matches(only, c)), 3))
        if group := _GROUP.match(self.pattern, self.place):
            self.place = group.end()
            found = self.choice()
            self.place += 1  # the closing bracket, which the engine has seen
            return found
        return [self._literal()]

    def _literal(self) -> str:
        letter = self.pattern[self.place]
        self.place += 1
        if letter in "^$":
            return ""
        if letter in "()[]{}*+?":
            raise ValueError(letter)
        if letter != "\\":
            return letter
        letter = self.pattern[self.place]
        self.place += 1
        if letter.isalnum():
            return {"n": "\n", "t": "\t", "r": "\r", "b": "", "f": "\f", "v": "\v"}[letter]
        return letter

    def _next(self) -> str:
        return self.pattern[self.place : self.place + 1]


def _joined(before: list[str], after: list[str]) -> list[str]:
    """Return some of the pairs, each part in one of them at least."""
    longest = max(len(before), len(after))
    if not before or not after:
        return []
    pairs = [before[i % len(before)] + after[i % len(after)] for i in range(longest)]
    pairs += ["".join(pair) for pair in islice(product(before, after), _MOST_SAMPLES)]
    return list(dict.fromkeys(pairs))[: 2 * _MOST_SAMPLES]


def words(avoid: int) -> Iterator[str]:
    """Yield plain words, more than `avoid` of them."""
    yield from ("", "x", "0", "~")
    yield from (f"x{n}" for n in range(avoid + 4))
