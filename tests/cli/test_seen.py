"""A message as a reader sees it: lines and JSON for every kind of payload."""

from __future__ import annotations

import json

import pytest

from uns.cli.seen import Seen
from uns.message import Message
from uns.units import Unit, UnitError

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


def _seen(value: object, unit: str = "bar", **more: object) -> Seen:
    said = {"value": value, "quality": "Good", "timestamp": AT, "unit": unit, **more}
    return Seen.of(Message("a/b", json.dumps(said).encode()))


def test_a_value_can_be_told_in_another_unit() -> None:
    """Value and unit change, everything else stays; no value stays no value."""
    kilopascal = Unit.parse("kPa")
    assert f"a/b  350.0 kPa  {AT}" == _seen(3.5).told_in(kilopascal).line
    assert f"a/b  300 kPa  Uncertain (Stale)  {AT}" == (
        _seen(3, quality="Uncertain", detail="Stale").told_in(kilopascal).line
    )
    assert f"a/b  293.15 K  {AT}" == _seen(20, "°C").told_in(Unit.parse("K")).line
    assert f"a/b  null kPa  Bad  {AT}" == _seen(None, quality="Bad").told_in(kilopascal).line
    assert (
        18446744073709551615 * 100 == json.loads(_seen(2**64 - 1).told_in(kilopascal).json)["value"]
    )


@pytest.mark.parametrize(
    "seen",
    [
        _seen(3.5, "Cel"),
        _seen(3.5, ""),
        _seen(3.5, "no unit"),
        _seen("text"),
        _seen(True),
        _seen([1]),
        Seen.of(Message("a/b", b"")),
        Seen.of(Message("a/b", b'{"kind":"machine"}')),
        Seen.of(Message("a/b", b'{"value":1e999,"quality":"Good","timestamp":"","unit":"bar"}')),
    ],
)
def test_what_does_not_fit_a_unit_is_refused(seen: Seen) -> None:
    """Another quantity, no unit, a text, or no value at all: one sentence, no invented number."""
    with pytest.raises(UnitError):
        seen.told_in(Unit.parse("kPa"))


def test_a_huge_whole_number_is_refused_where_it_cannot_be_told() -> None:
    """A payload can hold any number; none ends the command."""
    with pytest.raises(UnitError):
        _seen(10**400, "kPa").told_in(Unit.parse("bar"))
