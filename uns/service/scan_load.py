"""The load of scans: how much of the time a device is busy with us, and what to ask less often.

A device that is asked without a pause has none for a write or for other clients. So above 80 %
classes are read less often, the slowest first, since their tags can wait best; the fastest class
keeps its rate and leaves out ticks where it cannot.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from uns.service.scan_class import ScanClass

__all__ = ["Duty", "demand", "stretch"]

LIMIT = 0.8
ROOM = 0.7  # from here on everything is read at its own rate again
_LONGEST = 10.0  # times the interval that was asked for
_SPAN_S = 30.0  # what the busy share is taken over
_ENOUGH = 10  # scans of the fastest class: the first ones also plan


class Duty:
    """The busy share of the last half minute or so, from 0 to 1."""

    def __init__(self, now: float) -> None:
        self.share = 0.0
        self._until = now

    def scanned(self, took_s: float, now: float) -> None:
        """A scan that took so long has just ended."""
        passed = now - self._until
        if passed <= 0:
            return
        self._until = now
        weight = 1 - math.exp(-passed / _SPAN_S)
        self.share += weight * (min(1.0, took_s / passed) - self.share)


def demand(classes: Iterable[ScanClass]) -> float:
    """What share of the time all classes take at the rates that were asked for; may exceed 1."""
    return sum(one.usual_s / one.scan_s for one in classes)


def stretch(classes: Iterable[ScanClass]) -> bool | None:
    """Choose how often each class is read; True when it is less often, False when no more.

    None where nothing changed from the one to the other.
    """
    by_rate = sorted(classes, key=lambda one: one.scan_s)
    if not by_rate or by_rate[0].scans < _ENOUGH:
        return None
    was_stretched = any(one.is_late for one in by_rate)
    asked = demand(by_rate)
    if asked <= (ROOM if was_stretched else LIMIT):
        for one in by_rate:
            one.every_s, one.is_late = one.scan_s, False
        return False if was_stretched else None
    load = asked
    for one in reversed(by_rate):
        share = one.usual_s / one.scan_s
        room = LIMIT - (load - share)
        times = 1.0 if one is by_rate[0] or not share else _times(share, room)
        one.every_s, one.is_late = one.scan_s * times, True
        load += share / times - share
    return None if was_stretched else True


def _times(share: float, room: float) -> float:
    """How many times its interval a class gets, so that its share fits into the room."""
    if room <= share / _LONGEST:
        return _LONGEST
    return max(1.0, share / room)
