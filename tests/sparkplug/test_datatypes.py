"""Values and the datatypes they fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uns.metric import DataType
from uns.sparkplug.arrays import pack, unpack
from uns.sparkplug.datatypes import fit, signed

FITS = [
    (DataType.FLOAT, 5, 5.0),
    (DataType.DOUBLE, "12.5", 12.5),
    (DataType.INT32, 5.0, 5),
    (DataType.INT32, " 12 ", 12),
    (DataType.INT32, True, 1),
    (DataType.UINT64, 2**64 - 1, 2**64 - 1),
    (DataType.BOOLEAN, 1, True),
    (DataType.BOOLEAN, "False", False),
    (DataType.STRING, 12, "12"),
    (DataType.STRING, True, "true"),
    (DataType.STRING, b"abc", "abc"),
    (DataType.DATETIME, -5, -5),
    (DataType.BYTES, bytearray(b"a"), b"a"),
    (DataType.INT8_ARRAY, [1, "2", 3.0], (1, 2, 3)),
    (DataType.BOOLEAN_ARRAY, (), ()),
    (DataType.DOUBLE, None, None),
]
REFUSED = [
    (DataType.INT8, 128, "Range"),
    (DataType.UINT32, -1, "Range"),
    (DataType.FLOAT, 1e39, "Range"),
    (DataType.DOUBLE, 10**400, "Range"),
    (DataType.DATETIME, 2**63, "Range"),
    (DataType.INT32, 1.5, "Type"),
    (DataType.INT32, "abc", "Type"),
    (DataType.DOUBLE, "abc", "Type"),
    (DataType.BOOLEAN, 2, "Type"),
    (DataType.BOOLEAN, "yes", "Type"),
    (DataType.STRING, "\ud800", "Type"),
    (DataType.STRING, b"\xff", "Type"),
    (DataType.BYTES, "text", "Type"),
    (DataType.INT8_ARRAY, 5, "Type"),
    (DataType.INT8_ARRAY, [1, 300], "Range"),
    (DataType.INT8_ARRAY, [1, None], "Type"),
    (DataType.STRING_ARRAY, ["a\0"], "Type"),
    (DataType.UNKNOWN, 5, "Type"),
    (DataType.DATASET, 5, "Type"),
    (DataType.INT32, float("inf"), "NaN"),
    (DataType.DOUBLE, float("nan"), "NaN"),
    (DataType.DOUBLE, "nan", "NaN"),
]


@pytest.mark.parametrize(("datatype", "value", "expected"), FITS)
def test_a_value_is_converted_where_nothing_is_lost(datatype, value, expected):
    """Whole floats, numeric texts and ones for True are what they say."""
    fitted, why = fit(datatype, value)
    assert (expected, "") == (fitted, why)
    assert type(expected) is type(fitted)


@pytest.mark.parametrize(("datatype", "value", "expected"), REFUSED)
def test_a_value_that_would_change_is_refused(datatype, value, expected):
    """The reason is one word and the value is gone."""
    assert (None, expected) == fit(datatype, value)


@given(st.sampled_from([8, 16, 32, 64]), st.data())
def test_negative_numbers_come_back_from_every_form(bits, data):
    """Cut to their width, extended to 32 bits or to 64: the same number."""
    value = data.draw(st.integers(-(1 << bits - 1), (1 << bits - 1) - 1))
    for width in (width for width in (bits, 32, 64) if width >= bits):
        assert value == signed(bits)(value & (1 << width) - 1)


@given(st.lists(st.booleans(), max_size=40))
def test_boolean_arrays_come_back(values):
    """Any number of bits, padded or not."""
    packed = pack(DataType.BOOLEAN_ARRAY, values)
    assert tuple(values) == unpack(DataType.BOOLEAN_ARRAY, packed)


@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8")), max_size=9))
def test_string_arrays_come_back(values):
    """Any texts without NUL, empty ones too."""
    packed = pack(DataType.STRING_ARRAY, values)
    assert tuple(values) == unpack(DataType.STRING_ARRAY, packed)
