"""A measured value that drifts: two slow waves and a little noise, inside the tag's range."""

from __future__ import annotations

import math
import random

from uns.equipment import Tag

__all__ = ["Wave"]


class Wave:
    """An analogue value over time, in the tag's unit.

    `middle` is half-way between the alarm limits where there are any, else inside the range:
    a plant in which every alarm stands is no use to anybody.
    """

    __slots__ = ("_digits", "_high", "_low", "_noise", "_parts", "_rest", "_rng", "middle")

    def __init__(self, tag: Tag, rng: random.Random) -> None:
        self._low, self._high = _bounds(tag)
        least, most = _calm(tag, self._low, self._high)
        span = most - least
        self.middle = round(least + span * rng.uniform(*_MIDDLE), _digits(span))
        self._digits = _digits(span)
        self._noise = span * _NOISE
        self._rest = self._low if self._low >= 0 else 0.0
        self._parts = tuple(
            (span * share, math.tau / rng.uniform(*period), rng.uniform(0, math.tau))
            for share, period in _PARTS
        )
        self._rng = rng

    def at(self, now: float) -> float:
        """The value without noise: the same whenever it is asked for."""
        value = self.middle
        for amplitude, omega, phase in self._parts:
            value += amplitude * math.sin(omega * now + phase)
        return min(max(value, self._low), self._high)

    def rounded(self, now: float, share: float = 1.0) -> float:
        """What an instrument shows; `share` of the way from rest (0) to full load (1)."""
        value = self._rest + (self.at(now) - self._rest) * share
        value += self._noise * share * (self._rng.random() - 0.5)
        return round(min(max(value, self._low), self._high), self._digits)


def _bounds(tag: Tag) -> tuple[float, float]:
    usual = _USUAL.get(tag.unit, (0.0, 100.0))
    low = usual[0] if tag.low is None else tag.low
    high = max(usual[1], low + 1) if tag.high is None else tag.high
    return low, high


def _calm(tag: Tag, low: float, high: float) -> tuple[float, float]:
    """The stretch in which no alarm stands."""
    if tag.alarm is None:
        return low, high
    below = [limit for limit in (tag.alarm.lolo, tag.alarm.lo) if limit is not None]
    above = [limit for limit in (tag.alarm.hi, tag.alarm.hihi) if limit is not None]
    return max([low, *below]), min([high, *above])


def _digits(span: float) -> int:
    """Decimal places that resolve about a thousandth of `span`.

    >>> _digits(6.0), _digits(150.0), _digits(60000.0)
    (2, 1, 0)
    """
    return max(0, round(-math.log10(span / _STEPS))) if span > 0 else 2


_USUAL = {"Cel": (5.0, 80.0), "bar": (0.0, 8.0), "V": (220.0, 240.0), "Hz": (49.9, 50.1)}
_MIDDLE = (0.45, 0.65)
_NOISE = 0.006
_PARTS = ((0.06, (90.0, 400.0)), (0.03, (20.0, 60.0)))  # share of the span, period in seconds
_STEPS = 1000
