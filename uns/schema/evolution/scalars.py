"""Scalars: numbers and strings of which certain facts are true."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import Any, Final

from uns.schema.evolution.candidate import UNSURE
from uns.schema.evolution.facts import Facts
from uns.schema.evolution.text import matches, samples, words

__all__ = ["find_fractions", "find_integers", "find_strings"]

_MOST_STEPS: Final = 300  # whole numbers tried from either end
_LONGEST: Final = 10_000  # characters of a string in a witness


def find_integers(facts: Facts) -> Iterator[Any]:
    """Yield some of the whole numbers that fit; none only where there are none."""
    if facts.allowed is not None:
        listed = (v for of, v in facts.allowed if of == "number" and v.denominator == 1)
        yield from (int(value) for value in sorted(listed) if facts.fits(int(value)))
        return
    step = _step([Fraction(1), *facts.multiples])
    if any(step % avoided == 0 for avoided in facts.not_multiples):
        return
    first = None if facts.low is None else math.ceil(facts.low[0] / step)
    last = None if facts.high is None else math.floor(facts.high[0] / step)
    tries = _MOST_STEPS + len(facts.excluded)
    found = False
    for place in _places(first, last, tries):
        value = place * step
        if facts.fits(int(value)):
            found = True
            yield int(value)
    is_all = first is not None and last is not None and last - first < 2 * tries
    if not found and not is_all:
        yield UNSURE


def _places(first: int | None, last: int | None, tries: int) -> Iterator[int]:
    """Yield whole numbers from `first` to `last`: all, or those near the ends and zero."""
    if (first is None or first <= 0) and (last is None or last >= 0):
        yield 0  # what people like to read
    if first is not None and last is not None and last - first < 2 * tries:
        yield from range(first, last + 1)
        return
    if first is not None:
        yield from (first + n for n in range(tries))
    if last is not None:
        yield from (last - n for n in range(tries))
    if first is None and last is None:
        yield from (n // 2 if n % 2 == 0 else -(n // 2) - 1 for n in range(tries))


def find_fractions(facts: Facts) -> Iterator[float]:
    """Yield some of the numbers that fit and are not whole; none only where there are none."""
    if facts.allowed is not None:
        listed = (v for of, v in facts.allowed if of == "number" and v.denominator > 1)
        yield from (float(value) for value in sorted(listed) if facts.fits(float(value)))
        return
    if facts.multiples:
        step = _step(facts.multiples)
        if step.denominator == 1 or any(step % avoided == 0 for avoided in facts.not_multiples):
            return
    if facts.has_no_fraction:
        return
    low, high = facts.low and facts.low[0], facts.high and facts.high[0]
    found = False
    for value in _near(facts, low, high):
        written = float(value)
        if math.isfinite(written) and not written.is_integer() and facts.fits(written):
            found = True
            yield written
    if not found:
        yield UNSURE  # type: ignore[misc]  # it stands for a number not found


def _near(facts: Facts, low: Fraction | None, high: Fraction | None) -> Iterator[Fraction]:
    if facts.multiples:
        step = _step(facts.multiples)
        first = None if low is None else math.ceil(low / step)
        last = None if high is None else math.floor(high / step)
        yield from (place * step for place in _places(first, last, _MOST_STEPS))
        return
    start = low if low is not None else (high - 1 if high is not None else Fraction(0))
    width = high - start if high is not None else Fraction(1)
    if width == 0:
        yield start
    for parts in (2, 4, 5, 7, 11, 64 + len(facts.excluded)):
        yield from (start + width * n / parts for n in range(parts + 1))


def _step(steps: Iterator[Fraction] | list[Fraction] | tuple[Fraction, ...]) -> Fraction:
    """Return the least number that is a multiple of all."""
    found = Fraction(1)
    for index, step in enumerate(steps):
        if index == 0:
            found = step
            continue
        below = math.lcm(found.denominator, step.denominator)
        found = Fraction(math.lcm(int(found * below), int(step * below)), below)
    return found


def find_strings(facts: Facts) -> Iterator[Any]:
    """Yield some of the strings that fit; none only where there are none."""
    if facts.longest is not None and facts.longest < facts.shortest:
        return
    if set(facts.patterns) & set(facts.not_patterns):
        return
    if facts.allowed is not None:
        listed = sorted(value for of, value in facts.allowed if of == "string")
        yield from (text for text in listed if _fits(facts, text))
        return
    found = False
    for text in _candidates(facts):
        if _fits(facts, text):
            found = True
            yield text
    if not found and facts.longest != 0:
        yield UNSURE


def _candidates(facts: Facts) -> Iterator[str]:
    least = min(facts.shortest, _LONGEST)
    for pattern in facts.patterns:
        for text in samples(pattern):
            yield text
            if len(text) < least:
                filler = text[-1:] or "x"
                yield text + filler * (least - len(text))
                yield filler * (least - len(text)) + text
    for text in islice(words(len(facts.excluded)), 2000 + len(facts.excluded)):
        yield text.ljust(least, "x")
    for pattern in facts.not_patterns:
        yield from (text + "~" for text in samples(pattern))
        yield from ("~" + text for text in samples(pattern))


def _fits(facts: Facts, text: str) -> bool:
    if (
        not facts.shortest
        <= len(text)
        <= (facts.longest if facts.longest is not None else len(text))
    ):
        return False
    return (
        facts.fits(text)
        and all(matches(pattern, text) for pattern in facts.patterns)
        and not any(matches(pattern, text) for pattern in facts.not_patterns)
    )
