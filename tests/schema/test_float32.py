"""Floats as text: short, and the same Float again."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uns.schema.float32 import as_float32, float32_text, shortest

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("decimal", "text"),
    [
        (0.1, b"0.1"),
        (0.0, b"0.0"),
        (-0.25, b"-0.25"),
        (42.5, b"42.5"),
        (-17.3, b"-17.3"),
        (1013.25, b"1013.25"),
        (36000, b"36000.0"),
        (16777216, b"16777216.0"),
        (3.4028235e38, b"3.4028235e38"),
        (1e-10, b"1e-10"),
        (0.30000001, b"0.3"),
    ],
)
def test_what_an_engineer_set_is_what_a_reader_sees(decimal: float, text: bytes) -> None:
    """A REAL's decimal is not drowned in the digits of a 64-bit number."""
    assert text == float32_text(as_float32(decimal))


@given(FLOATS)
def test_the_text_is_the_same_float(value: float) -> None:
    """Whatever a PLC sends, parsing its text gives that REAL again."""
    assert value == as_float32(json.loads(float32_text(value)))


@given(st.floats(width=32, min_value=-1e6, max_value=1e6))
def test_the_text_is_as_short_as_can_be(value: float) -> None:
    """At most one digit more than the shortest decimal that means this Float."""
    digits = len(_digits(float32_text(value).decode()))
    assert digits <= len(_digits(repr(shortest(value)))) + 1


@given(FLOATS)
def test_the_shortest_decimal_is_the_same_float(value: float) -> None:
    """`shortest` only drops digits that carry nothing."""
    assert value == as_float32(shortest(value))


def test_what_is_too_large_for_a_float_is_infinite() -> None:
    """Rounding to 32 bits never raises."""
    assert float("-inf") == as_float32(-1e300)


def _digits(text: str) -> str:
    return text.partition("e")[0].replace(".", "").replace("-", "").strip("0")
