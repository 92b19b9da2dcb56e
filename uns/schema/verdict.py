"""Verdicts: whether a value is what its tag's definition says, and if not, why not.

Each tag's type, unit and range are compiled once to a function of the value alone. Values that
the definition allows take the first branch; everything else is sorted out after it.

    accepted      the value obeys type, range and states
    flagged       the right type, but out of range or an unknown state: shown as Uncertain
    not a number  NaN or infinity: shown as Bad
    quarantined   the wrong type: the value is set aside and the topic shown as Bad
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum
from sys import float_info
from typing import Any, TypeAlias

from uns.equipment import Tag
from uns.metric import DataType, Value
from uns.schema.float32 import as_float32

__all__ = [
    "FIRST_DATETIME_MS",
    "LAST_DATETIME_MS",
    "Check",
    "Verdict",
    "compile_check",
    "plain_range",
]

FIRST_DATETIME_MS = -62_135_596_800_000  # 0001-01-01T00:00:00Z
LAST_DATETIME_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z: RFC 3339 has four-digit years


class Verdict(Enum):
    """What becomes of a value: its quality on the tree, and the detail that explains it."""

    ACCEPTED = ("Good", "")
    NO_DATA = ("GoodNoData", "")
    OUT_OF_RANGE = ("Uncertain", "Range")
    UNKNOWN_STATE = ("Uncertain", "State")
    NOT_A_NUMBER = ("Bad", "NaN")
    WRONG_TYPE = ("Bad", "Schema")

    @property
    def quality(self) -> str:
        """The quality a value with this verdict is published with."""
        return self.value[0]

    @property
    def detail(self) -> str:
        """Why it is not Good; empty when it is."""
        return self.value[1]


Check: TypeAlias = Callable[[Any], Verdict]

_ACCEPTED = Verdict.ACCEPTED  # looking a member up on its class would cost as much as the check


def compile_check(tag: Tag) -> Check:
    """Return the function that judges values of `tag`; it takes any value and never raises."""
    if tag.states:
        return _states_check(tag.states, is_boolean=tag.datatype is DataType.BOOLEAN)
    if tag.datatype.is_real:
        return _real_check(*_real_bounds(tag))
    if tag.datatype.is_integer:
        return _integer_check(tag)
    if tag.datatype is DataType.DATETIME:
        return _datetime_check
    if tag.datatype.element is not None:
        return _array_check(compile_check(replace(tag, datatype=tag.datatype.element)))
    if tag.datatype is DataType.BOOLEAN:
        return _type_check(bool)
    return _type_check(str if tag.datatype.is_text else bytes)


def plain_range(tag: Tag) -> tuple[type | None, float, float]:
    """Return (class, low, high) of values that need no call of the check to be accepted.

    The class is None for tags whose values are no numbers, or names of states.
    """
    if tag.states:
        return None, 0, 0
    if tag.datatype.is_real:
        return float, *_real_bounds(tag)
    return (int, *_integer_bounds(tag)) if tag.datatype.is_integer else (None, 0, 0)


def _real_bounds(tag: Tag) -> tuple[float, float]:
    """Return the finite range as this tag's type can hold it: a REAL at its limit is within it."""
    low = -float_info.max if tag.low is None else tag.low
    high = float_info.max if tag.high is None else tag.high
    if tag.datatype is not DataType.DOUBLE:
        low, high = min(low, as_float32(low)), max(high, as_float32(high))
    return max(low, -float_info.max), min(high, float_info.max)


def _integer_bounds(tag: Tag) -> tuple[float, float]:
    least, most = tag.datatype.limits or (0, 0)
    return (
        least if tag.low is None else max(least, tag.low),
        most if tag.high is None else min(most, tag.high),
    )


def _real_check(low: float, high: float) -> Check:
    def check(value: Value) -> Verdict:
        if type(value) is float and low <= value <= high:  # NaN is in no range
            return _ACCEPTED
        if value is None:
            return Verdict.NO_DATA
        if type(value) is int:
            return _ACCEPTED if low <= value <= high else Verdict.OUT_OF_RANGE
        if type(value) is not float:
            return Verdict.WRONG_TYPE
        return Verdict.OUT_OF_RANGE if math.isfinite(value) else Verdict.NOT_A_NUMBER

    return check


def _integer_check(tag: Tag) -> Check:
    least, most = tag.datatype.limits or (0, 0)
    low, high = _integer_bounds(tag)

    def check(value: Value) -> Verdict:
        if type(value) is int and low <= value <= high:
            return _ACCEPTED
        if value is None:
            return Verdict.NO_DATA
        if type(value) is int and least <= value <= most:
            return Verdict.OUT_OF_RANGE
        return Verdict.WRONG_TYPE

    return check


def _states_check(states: Mapping[int, str], *, is_boolean: bool) -> Check:
    codes = frozenset(states)
    names = frozenset(states.values())
    wanted = bool if is_boolean else int

    def check(value: Value) -> Verdict:
        if type(value) is wanted:
            return _ACCEPTED if value in codes else Verdict.UNKNOWN_STATE
        if value is None:
            return Verdict.NO_DATA
        if type(value) is str:  # a device that is not ours may send the name itself
            return _ACCEPTED if value in names else Verdict.UNKNOWN_STATE
        return Verdict.WRONG_TYPE

    return check


def _datetime_check(value: Value) -> Verdict:
    if type(value) is int and FIRST_DATETIME_MS <= value <= LAST_DATETIME_MS:
        return _ACCEPTED
    return Verdict.NO_DATA if value is None else Verdict.WRONG_TYPE


def _array_check(check_element: Check) -> Check:
    """An array is as good as its first element that is not accepted."""

    def check(value: Any) -> Verdict:
        if value is None:
            return Verdict.NO_DATA
        if not isinstance(value, tuple):
            return Verdict.WRONG_TYPE
        verdicts = (check_element(element) for element in value)
        found = next((verdict for verdict in verdicts if verdict is not _ACCEPTED), _ACCEPTED)
        return Verdict.WRONG_TYPE if found is Verdict.NO_DATA else found

    return check


def _type_check(wanted: type) -> Check:
    def check(value: Value) -> Verdict:
        if type(value) is wanted:
            return _ACCEPTED
        return Verdict.NO_DATA if value is None else Verdict.WRONG_TYPE

    return check
