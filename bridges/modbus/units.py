"""The units behind one Modbus session, and how the session treats one that fails.

A gateway serves many units on one serial line. One that is switched off must not slow the
others down: after three failed scans it rests, 10 s at first and up to 5 min, and its tags
are Bad meanwhile. Of several that fail, each scan asks one only, for each costs a time-out.
"""

from __future__ import annotations

import logging

__all__ = ["Unit"]

_LOG = logging.getLogger("uns.bridge.modbus")

_FAILED_SCANS = 3
_FIRST_REST_S = 10.0
_LONGEST_REST_S = 300.0


class Unit:
    """What a session knows of one unit id; `now_s` is any clock that only goes forward."""

    __slots__ = (
        "_failures",
        "_next_rest_s",
        "_rests_until_s",
        "_where",
        "asked_s",
        "is_silent",
        "number",
        "problem",
    )

    def __init__(self, number: int, where: str) -> None:
        self.number = number
        self.asked_s = 0.0  # when it was asked last
        self.is_silent = False  # its last request was not answered at all
        self.problem = ""  # why its tags are Bad, once it failed too often
        self._where = where
        self._failures = 0
        self._next_rest_s = _FIRST_REST_S
        self._rests_until_s = 0.0

    @property
    def is_failing(self) -> bool:
        """Whether its last scan failed."""
        return self._failures > 0

    def rests(self, now_s: float) -> bool:
        """Whether it is not to be asked now."""
        return now_s < self._rests_until_s

    def answered(self) -> None:
        """Note that it delivered what it was asked for."""
        self.is_silent = False
        self.problem = ""
        if self._failures >= _FAILED_SCANS:
            _LOG.info("%s: unit %d answers again", self._where, self.number)
        self._failures = 0
        self._next_rest_s = _FIRST_REST_S

    def failed(self, now_s: float, why: str, *, is_silent: bool) -> None:
        """Note a failed scan, and let the unit rest where there were too many."""
        self.is_silent = is_silent
        self._failures += 1
        if self._failures < _FAILED_SCANS:
            return
        self.problem = why
        if self._failures == _FAILED_SCANS:
            _LOG.warning(
                "%s: unit %d rests after %d failed scans (%s); its tags are Bad, other units go on",
                self._where,
                self.number,
                _FAILED_SCANS,
                why,
            )
        self._rests_until_s = now_s + self._next_rest_s
        self._next_rest_s = min(2 * self._next_rest_s, _LONGEST_REST_S)
