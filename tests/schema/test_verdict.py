"""Verdicts: every kind of tag against every kind of value."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uns.equipment import Tag
from uns.metric import DataType
from uns.schema.float32 import as_float32
from uns.schema.verdict import Verdict, compile_check, plain_range
from uns.topic import Topic

STATES = {2: "Stopped", 6: "Execute"}
NAN, INF = math.nan, math.inf
OK, RANGE, STATE = Verdict.ACCEPTED, Verdict.OUT_OF_RANGE, Verdict.UNKNOWN_STATE
NONE, NUMBER, TYPE = Verdict.NO_DATA, Verdict.NOT_A_NUMBER, Verdict.WRONG_TYPE


def tag(datatype: DataType, **words) -> Tag:
    return Tag("t", Topic("acme/leeds/t"), datatype, **words)


REAL = tag(DataType.FLOAT, low=0, high=6)
FREE = tag(DataType.DOUBLE)
WHOLE = tag(DataType.INT16, low=-10)
COUNT = tag(DataType.UINT64)
FLAG = tag(DataType.BOOLEAN)
TEXT = tag(DataType.STRING)
STATEFUL = tag(DataType.INT32, states=STATES)
SWITCH = tag(DataType.BOOLEAN, states={0: "Off", 1: "On"})
WHEN = tag(DataType.DATETIME)
BLOB = tag(DataType.BYTES)
LIST = tag(DataType.FLOAT_ARRAY, low=0, high=6)


@pytest.mark.parametrize(
    ("of", "value", "verdict"),
    [
        (REAL, 3.2, OK), (REAL, 0.0, OK), (REAL, 6.0, OK), (REAL, 3, OK),
        (REAL, 6.01, RANGE), (REAL, -0.001, RANGE), (REAL, 7, RANGE),
        (REAL, NAN, NUMBER), (REAL, INF, NUMBER), (REAL, -INF, NUMBER),
        (REAL, True, TYPE), (REAL, "3.2", TYPE), (REAL, b"3", TYPE), (REAL, None, NONE),
        (FREE, 1.7e308, OK), (FREE, -1.7e308, OK), (FREE, INF, NUMBER), (FREE, NAN, NUMBER),
        (FREE, 10**400, RANGE),
        (WHOLE, -10, OK), (WHOLE, 32767, OK), (WHOLE, -11, RANGE), (WHOLE, 32768, TYPE),
        (WHOLE, 3.0, TYPE), (WHOLE, True, TYPE), (WHOLE, "3", TYPE), (WHOLE, None, NONE),
        (COUNT, 2**64 - 1, OK), (COUNT, 2**64, TYPE), (COUNT, -1, TYPE),
        (FLAG, True, OK), (FLAG, False, OK), (FLAG, 1, TYPE), (FLAG, None, NONE),
        (TEXT, "", OK), (TEXT, "R-1", OK), (TEXT, 1, TYPE), (TEXT, b"x", TYPE), (TEXT, None, NONE),
        (STATEFUL, 6, OK), (STATEFUL, 7, STATE), (STATEFUL, True, TYPE), (STATEFUL, 6.0, TYPE),
        (STATEFUL, "Execute", OK), (STATEFUL, "Dancing", STATE), (STATEFUL, None, NONE),
        (SWITCH, True, OK), (SWITCH, 1, TYPE),
        (WHEN, 1767868200123, OK), (WHEN, -1, OK), (WHEN, 2**62, TYPE), (WHEN, "now", TYPE),
        (WHEN, None, NONE),
        (BLOB, b"\x00", OK), (BLOB, "x", TYPE), (BLOB, None, NONE),
        (LIST, (1.0, 2.0), OK), (LIST, (), OK), (LIST, (1.0, 7.0), RANGE), (LIST, (NAN,), NUMBER),
        (LIST, (1.0, "x"), TYPE), (LIST, (None,), TYPE), (LIST, 1.0, TYPE), (LIST, None, NONE),
    ],
)  # fmt: skip
def test_a_value_is_judged_by_its_tag(of: Tag, value: object, verdict: Verdict) -> None:
    """Type first, then NaN, then range or states."""
    assert verdict is compile_check(of)(value)


@pytest.mark.parametrize("limit", [0.1, 0.3, 0.7, 36000.1, 1e-7])
def test_a_real_at_its_limit_is_within_it(limit: float) -> None:
    """The limit as 32 bits hold it is not flagged for its last bit."""
    check = compile_check(tag(DataType.FLOAT, low=-limit, high=limit))
    assert [check(as_float32(limit)), check(as_float32(-limit))] == [OK, OK]


@given(
    st.sampled_from([t for t in DataType if t.value in range(1, 35)]),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
    | st.tuples(st.floats()) | st.lists(st.integers()),
)  # fmt: skip
def test_a_verdict_never_raises(datatype: DataType, value: object) -> None:
    """One bad value is a verdict, not an exception."""
    assert isinstance(compile_check(tag(datatype, low=0, high=9))(value), Verdict)


def test_every_verdict_that_is_not_good_says_why() -> None:
    """Uncertain and Bad carry a detail; Good and GoodNoData need none."""
    silent = {verdict for verdict in Verdict if not verdict.detail}
    assert {Verdict.ACCEPTED, Verdict.NO_DATA} == silent


@given(
    st.sampled_from([d for d in DataType if d is not DataType.UNKNOWN]),
    st.none() | st.floats(-1e40, 1e40),
    st.none() | st.floats(-1e40, 1e40),
    st.booleans(),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
)
def test_what_is_in_the_plain_range_is_accepted(datatype, low, high, has_states, value):
    """The short way of the namespace lets nothing through that the check would not."""
    of = tag(datatype, low=low, high=high, states=STATES if has_states else {})
    kind, least, most = plain_range(of)
    if type(value) is kind and least <= value <= most:
        assert Verdict.ACCEPTED is compile_check(of)(value)
    elif type(value) is kind:
        assert Verdict.ACCEPTED is not compile_check(of)(value)
