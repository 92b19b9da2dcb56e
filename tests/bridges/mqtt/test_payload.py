"""What a payload says, and that no payload does harm."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.moments import milliseconds
from bridges.mqtt.payload import document, leaf, plain, quality_of
from uns.metric import DataType, Quality


@pytest.mark.parametrize(
    ("payload", "datatype", "value"),
    [
        (b" 21.5 ", DataType.FLOAT, 21.5),
        (b"-3", DataType.INT32, -3),
        (b"1e3", DataType.DOUBLE, 1000.0),
        (b".5", DataType.DOUBLE, 0.5),
        (b"TRUE", DataType.BOOLEAN, True),
        (b"on", DataType.BOOLEAN, "on"),
        (b"running", DataType.INT32, "running"),
        (b" 7 ", DataType.STRING, " 7 "),
        (b'{"a":1}', DataType.STRING, '{"a":1}'),
        (b"\xff\x00", DataType.BYTES, b"\xff\x00"),
        (b"1_000", DataType.INT32, "1_000"),
    ],
)
def test_a_payload_without_a_path_is_the_value(payload, datatype, value):
    """Numbers and truths are read, text stays text."""
    assert (type(value), value) == (type(plain(payload, datatype)), plain(payload, datatype))


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [(b"", "empty"), (b"\xff", "no text"), (b'{"a":1}', "add the value's place")],
)
def test_a_payload_that_is_no_value_says_why(payload, sentence):
    """The sentence is what the engineer has to do something about."""
    with pytest.raises(ValueError, match=sentence):
        plain(payload, DataType.FLOAT)


@pytest.mark.parametrize(
    ("found", "at_ms"),
    [
        ("2026-01-08T10:30:00.123Z", 1_767_868_200_123),
        ("2026-01-08T11:30:00.123+01:00", 1_767_868_200_123),
        ("2026-01-08T10:30:00", 1_767_868_200_000),
        (1_767_868_200, 1_767_868_200_000),
        (1_767_868_200.123, 1_767_868_200_123),
        (1_767_868_200_123, 1_767_868_200_123),
        (1_767_868_200_123_000, 1_767_868_200_123),
        (1_767_868_200_123_000_000, 1_767_868_200_123),
        ("1767868200123", 1_767_868_200_123),
    ],
)
def test_times_are_read_in_the_ways_that_people_write_them(found, at_ms):
    """RFC 3339, and numbers of seconds, milliseconds, microseconds or nanoseconds."""
    assert at_ms == milliseconds(found)


@pytest.mark.parametrize(
    "found", ["yesterday", "", None, True, [], {}, 0, -5, math.nan, math.inf, 10**400, "9" * 500]
)
def test_what_is_no_time_is_said_so(found):
    """Nothing is guessed."""
    with pytest.raises(ValueError, match="no time"):
        milliseconds(found)


@pytest.mark.parametrize(
    ("found", "quality"),
    [
        ("good", Quality.GOOD),
        (" GOOD ", Quality.GOOD),
        (True, Quality.GOOD),
        (192, Quality.GOOD),
        ("192", Quality.GOOD),
        (216, Quality.GOOD),
        ("uncertain", Quality.UNCERTAIN),
        (64, Quality.UNCERTAIN),
        ("bad", Quality.BAD),
        (0, Quality.BAD),
        (False, Quality.BAD),
        (24, Quality.BAD),
        (0x80000000, Quality.BAD),
        (500, Quality.STALE),
        ("great", Quality.UNCERTAIN),
        (None, Quality.UNCERTAIN),
        ([1], Quality.UNCERTAIN),
    ],
)
def test_qualities_are_read_as_words_codes_and_truths(found, quality):
    """What is not understood is Uncertain: neither praised nor thrown away."""
    assert quality == quality_of(found)


def test_json_that_writers_send_although_it_is_none_is_read():
    """Python writes NaN and Infinity; one wrong number spoils no neighbour."""
    found = document(b'{"a": NaN, "b": 1, "c": 1e999, "d": -Infinity}')
    assert (1, math.inf, -math.inf) == (found["b"], found["c"], found["d"])
    assert math.isnan(found["a"])


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        (b"", "empty"),
        (b"<a/>", "no JSON: it begins with `<a/>`"),
        (b'{"a":', "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 1_000_000, "nested too deeply"),
        (b'{"a":' * 200_000, "nested too deeply"),
        (b"9" * 1_000_000, "no JSON"),
    ],
)
def test_hostile_json_is_refused_in_no_time(payload, sentence):
    """Whatever is sent ends in a sentence, and soon."""
    began = time.monotonic()
    with pytest.raises(ValueError, match=sentence):
        document(payload)
    assert time.monotonic() - began < 2


def test_objects_are_values_of_text_tags_only():
    """A text tag takes the JSON; any other says what it found."""
    assert '{"b":[1]}' == leaf({"b": [1]}, DataType.STRING)
    with pytest.raises(ValueError, match="is an array"):
        leaf([1], DataType.FLOAT)


@pytest.mark.property
@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_any_bytes_are_a_value_or_a_sentence(payload):
    """No other exception leaves this module."""
    for read in (document, lambda held: plain(held, DataType.DOUBLE)):
        try:
            found = read(payload)
        except ValueError as error:
            found = str(error)
        assert found is None or str(found) is not None


@pytest.mark.property
@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30))
def test_any_value_is_a_time_and_a_quality_or_a_sentence(found):
    """No other exception leaves this module."""
    assert quality_of(found) in list(Quality)
    try:
        at_ms = milliseconds(found)
    except ValueError:
        at_ms = 1
    assert 0 <= at_ms < 253_402_300_800_000
