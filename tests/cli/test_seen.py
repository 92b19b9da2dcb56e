"""A message as a reader sees it: lines and JSON for every kind of payload."""

from __future__ import annotations

import json

import pytest

from uns.cli.seen import Seen
from uns.message import Message

AT = "2026-01-08T10:30:00.123Z"


@pytest.mark.parametrize(
    ("payload", "line"),
    [
        (
            {"value": 42.5, "quality": "Good", "timestamp": AT, "unit": "bar"},
            f"a/b  42.5 bar  {AT}",
        ),
        ({"value": "Execute", "quality": "Good", "timestamp": AT}, f"a/b  Execute  {AT}"),
        (
            {"value": "a\nb\x1b[31m", "quality": "Good", "timestamp": AT},
            f"a/b  a\\nb\\x1b[31m  {AT}",
        ),
        (
            {"value": 3, "quality": "Uncertain", "timestamp": AT, "unit": "bar", "detail": "Stale"},
            f"a/b  3 bar  Uncertain (Stale)  {AT}",
        ),
        ({"value": None, "quality": "GoodNoData", "timestamp": AT}, f"a/b  null  GoodNoData  {AT}"),
        ({"state": "online"}, 'a/b  {"state": "online"}'),
    ],
)
def test_a_value_is_one_line(payload: dict, line: str) -> None:
    """Quality is shown where it is not Good; nothing in a payload breaks the line."""
    assert line == Seen.of(Message("a/b", json.dumps(payload).encode())).line


@pytest.mark.parametrize(
    ("payload", "line", "as_json"),
    [
        (b"", "a/b  (removed)", {"topic": "a/b", "removed": True}),
        (b"\xff\x00", "a/b  (2 bytes)", {"topic": "a/b", "payload_base64": "/wA="}),
        (b"42", "a/b  42", {"topic": "a/b", "payload": 42}),
        (b'{"state":"online"}', 'a/b  {"state":"online"}', {"topic": "a/b", "state": "online"}),
    ],
)
def test_what_is_no_value_is_shown_as_it_is(payload: bytes, line: str, as_json: dict) -> None:
    """Removed topics, bytes and other JSON have their own form."""
    seen = Seen.of(Message("a/b", payload))
    assert (line, as_json) == (seen.line, json.loads(seen.json))


def test_64_bit_integers_survive_json() -> None:
    """No reader of ours turns an integer into a float."""
    payload = b'{"value":18446744073709551615,"quality":"Good","timestamp":""}'
    assert "18446744073709551615" in Seen.of(Message("a/b", payload)).json


@pytest.mark.parametrize(
    ("topic", "is_of_system"),
    [("a/b", False), ("a/_meta", True), ("a/_quarantine/a/b", True), ("a/b_c", False)],
)
def test_reserved_nodes_are_known_by_their_name(topic: str, is_of_system: bool) -> None:
    """Levels that begin with `_` are the namespace's own."""
    assert is_of_system is Seen.of(Message(topic, b"1")).is_of_system
