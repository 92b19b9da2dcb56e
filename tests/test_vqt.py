"""Value payloads as a reader takes them apart."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uns.vqt import read_vqt


def test_a_written_payload_is_read_back() -> None:
    """The value stays JSON text, so that no integer is rounded on the way."""
    payload = (
        b'{"value":18446744073709551615,"quality":"Good","timestamp":"2026-01-08T10:30:00.123Z"}'
    )
    seen = read_vqt(payload)
    assert seen is not None
    assert (bytes(seen.value), seen.timestamp_ms) == (b"18446744073709551615", 1_767_868_200_123)


@pytest.mark.parametrize(
    "payload", [b"", b"42", b"{}", b"[]", b"\xff", b'{"value":1,"quality":"Good"}']
)
def test_what_is_no_value_payload_is_none(payload: bytes) -> None:
    """Anybody may have written to a topic: reading it never raises."""
    assert read_vqt(payload) is None


@pytest.mark.parametrize(
    "when", ["", "yesterday", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00+14:00"]
)
def test_a_timestamp_that_is_none_is_zero(when: str) -> None:
    """What another program wrote as a time may be anything."""
    seen = read_vqt(json.dumps({"value": 1, "quality": "Good", "timestamp": when}).encode())
    assert seen is not None
    assert seen.timestamp_ms == 0


@pytest.mark.parametrize(
    ("value", "text"),
    [("Execute", "Execute"), (42.5, "42.5"), (None, "null"), (True, "true"), ([1, 2], "[1, 2]")],
)
def test_a_value_s_text_is_for_people(value: object, text: str) -> None:
    """Text stands without its quotes; the rest is as JSON has it."""
    seen = read_vqt(json.dumps({"value": value, "quality": "Good", "timestamp": ""}).encode())
    assert seen is not None
    assert text == seen.text


@given(st.binary())
def test_reading_never_raises(payload: bytes) -> None:
    """Bytes of any kind are a value payload or none."""
    assert read_vqt(payload) is None or payload
