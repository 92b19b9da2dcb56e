"""Schemas of values: valid JSON Schema, and neither stricter nor looser than the verdict."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import pytest

from uns.equipment import Machine, SparkplugId, Tag
from uns.metric import DataType
from uns.schema.value import machine_schema, payload_schema, value_schema
from uns.topic import Topic

ENVELOPE = Path(__file__).parent.parent.parent / "schemas/value/1.json"
WHEN = "2026-01-08T10:30:00.123Z"


def tag(datatype: DataType = DataType.FLOAT, **words) -> Tag:
    return Tag("bowl_pressure", Topic("acme/leeds/f/bowl_pressure"), datatype, **words)


@pytest.mark.parametrize(
    ("payload", "is_valid"),
    [
        ({"value": 1, "quality": "Good", "timestamp": WHEN}, True),
        ({"value": 1, "quality": "Good", "timestamp": WHEN, "unit": "bar", "new": 1}, True),
        ({"value": None, "quality": "Bad", "timestamp": WHEN, "detail": "NaN"}, True),
        ({"value": None, "quality": "GoodNoData", "timestamp": WHEN}, True),
        ({"value": 1, "quality": "Uncertain", "timestamp": WHEN, "detail": "Stale"}, True),
        ({"value": 1, "quality": "Uncertain", "timestamp": WHEN}, False),
        ({"value": None, "quality": "Good", "timestamp": WHEN}, False),
        ({"value": None, "quality": "Uncertain", "timestamp": WHEN, "detail": "Stale"}, False),
        ({"value": 1, "quality": "Good", "timestamp": WHEN, "detail": "Stale"}, False),
        ({"value": 1, "quality": "good", "timestamp": WHEN}, False),
        ({"value": 1, "quality": "Good", "timestamp": "2026-01-08 10:30"}, False),
        ({"value": {}, "quality": "Good", "timestamp": WHEN}, False),
        ({"value": 1, "quality": "Good"}, False),
    ],
)
def test_the_envelope(payload: dict, is_valid: bool) -> None:
    """schemas/value/1.json says what any value payload looks like."""
    schema = json.loads(ENVELOPE.read_text())
    assert is_valid is jsonschema_rs.validator_for(schema).is_valid(payload)


@pytest.mark.parametrize(
    ("of", "good", "refused"),
    [
        (tag(low=0, high=6), [0, 3.2, 6], [-1, 6.1, "3", None]),
        (tag(low=0.1, high=0.3), [0.1, 0.3], [0.09, 0.31]),
        (tag(DataType.INT16), [-32768, 5], [32768, 1.5, "5"]),
        (tag(DataType.UINT64, is_counter=True), [2**64 - 1], [-1, 2**64]),
        (tag(DataType.BOOLEAN), [True], [1, "true"]),
        (tag(DataType.STRING), ["", "x"], [1]),
        (tag(DataType.INT32, states={6: "Execute"}), ["Execute"], [6, "Dancing"]),
        (tag(DataType.DATETIME), [WHEN], [1767868200123, "today"]),
        (tag(DataType.BYTES), ["AA=="], [0]),
        (tag(DataType.INT8_ARRAY), [[1, 2]], [[1, "x"], 1]),
    ],
)
def test_a_good_value_obeys_its_tag(of: Tag, good: list, refused: list) -> None:
    """Type, range and states are in the schema."""
    check = jsonschema_rs.validator_for(value_schema(of)).is_valid
    assert [True] * len(good) == [check(value) for value in good]
    assert [False] * len(refused) == [check(value) for value in refused]


def test_a_value_that_is_not_good_may_be_out_of_range() -> None:
    """A flagged value is shown as it is; the promise of the range is for Good ones."""
    check = jsonschema_rs.validator_for(payload_schema(tag(low=0, high=6, unit="bar"))).is_valid
    flagged = {"value": 9, "quality": "Uncertain", "timestamp": WHEN, "unit": "bar", "detail": "Range"}  # fmt: skip
    assert check(flagged)
    assert not check({**flagged, "quality": "Good"})
    assert not check({**flagged, "unit": "psi"})


def test_annotations_travel_with_the_schema() -> None:
    """Unit and counter are there for people and for compatibility checks."""
    schema = value_schema(tag(DataType.UINT32, unit="{bottle}", is_counter=True, desc="good ones"))
    assert (
        schema["x-unit"], schema["x-counter"], schema["description"],
    ) == ("{bottle}", True, "good ones")  # fmt: skip


def test_a_machine_is_an_object_of_its_tags() -> None:
    """Tags stand under their names; optional ones may be missing."""
    topic = Topic("acme/leeds/packaging/line1/filler")
    names = {"drive/temp": False, "recipe": True}
    tags = tuple(Tag(n, topic.child(n), is_optional=o, low=0) for n, o in names.items())
    ids = SparkplugId("acme:leeds", "packaging:line1", "filler")
    schema = machine_schema(Machine(topic, "filler", 2, ("filler",), tags, ids, desc="The filler"))
    check = jsonschema_rs.validator_for(schema).is_valid
    assert schema["title"] == "filler/2"
    assert check({"drive/temp": 21.5})
    assert not check({"recipe": 1})
    assert not check({"drive/temp": -1})
