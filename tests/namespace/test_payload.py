"""Payloads: exactly what the topics reference promises, byte for byte."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uns.equipment import Tag
from uns.metric import DataType, Quality
from uns.namespace.payload import Clock, tail, value_writer
from uns.schema.float32 import as_float32
from uns.topic import Topic

SCHEMAS = Path(__file__).parent.parent.parent / "schemas"
FILLER = "acme/leeds/packaging/line1/filler"
AT = '"timestamp":"2026-01-08T10:30:00.123Z"'


@pytest.mark.parametrize(
    ("name", "value", "quality", "payload"),
    [
        ("bowl_pressure", 3.5, 192, '{"value":3.5,"quality":"Good",@,"unit":"bar"}'),
        ("bowl_pressure", as_float32(0.1), 192, '{"value":0.1,"quality":"Good",@,"unit":"bar"}'),
        ("bowl_pressure", 9.0, 192,
         '{"value":9.0,"quality":"Uncertain",@,"unit":"bar","detail":"Range"}'),
        ("bowl_pressure", float("nan"), 192,
         '{"value":null,"quality":"Bad",@,"unit":"bar","detail":"NaN"}'),
        ("bowl_pressure", "high", 192,
         '{"value":null,"quality":"Bad",@,"unit":"bar","detail":"Schema"}'),
        ("bowl_pressure", None, 192, '{"value":null,"quality":"GoodNoData",@,"unit":"bar"}'),
        ("bowl_pressure", None, 0, '{"value":null,"quality":"Bad",@,"unit":"bar","detail":"Source"}'),
        ("bowl_pressure", 3.5, 64, '{"value":3.5,"quality":"Uncertain",@,"unit":"bar","detail":"Source"}'),
        ("bowl_pressure", 3.5, 500, '{"value":3.5,"quality":"Uncertain",@,"unit":"bar","detail":"Stale"}'),
        ("good", 2**64 - 1, 192, '{"value":18446744073709551615,"quality":"Good",@,"unit":"{bottle}"}'),
        ("state", 6, 192, '{"value":"Execute","quality":"Good",@}'),
        ("state", 7, 192, '{"value":"7","quality":"Uncertain",@,"detail":"State"}'),
        ("state", "Stopped", 192, '{"value":"Stopped","quality":"Good",@}'),
        ("recipe", 'a "b"\\\n\u2028é', 192, '{"value":"a \\"b\\"\\\\\\n\u2028é","quality":"Good",@}'),
        ("running", False, 192, '{"value":false,"quality":"Good",@}'),
        ("level", 0.1 + 0.2, 192, '{"value":0.30000000000000004,"quality":"Good",@}'),
        ("filled_at", 0, 192, '{"value":"1970-01-01T00:00:00.000Z","quality":"Good",@}'),
        ("image", b"\x00\xff", 192, '{"value":"AP8=","quality":"Good",@}'),
        ("torques", (as_float32(0.1), 2.0), 192, '{"value":[0.1,2.0],"quality":"Good",@}'),
        ("torques", (), 192, '{"value":[],"quality":"Good",@}'),
    ],
)  # fmt: skip
def test_a_value_is_published_as_promised(born, name, value, quality, payload) -> None:
    """Keys in their order, the unit kept, the reason given where it is not Good."""
    born.now += 1
    born.data(name, value, quality, at=born.now - 1)
    assert payload.replace("@", AT) == dict(born.log)[f"{FILLER}/{name}"].decode()


@given(
    st.sampled_from(["bowl_pressure", "good", "state", "recipe", "running", "level", "filled_at", "torques"]),
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text()
    | st.binary() | st.lists(st.floats(width=32)).map(tuple),
    st.sampled_from(list(Quality)),
    st.integers(0, 2**63),
)  # fmt: skip
def test_every_payload_is_valid_whatever_a_device_sends(plants, name, value, quality, at) -> None:
    """Any value of any type: the payload is JSON, obeys its schema, and the tree goes on."""
    plant, envelope, schemas = plants
    plant.data(name, value, quality, at=at)
    payload = dict(plant.log).get(f"{FILLER}/{name}")
    plant.log.clear()
    if payload is None:
        return  # older than what is shown
    shown = json.loads(payload)
    envelope.validate(shown)
    schemas[name].validate(shown)
    order = ["value", "quality", "timestamp", "unit", "detail"]
    assert [key for key in order if key in shown] == list(shown)


@pytest.fixture(scope="module")
def plants(request):
    """A born filler that lives through all examples, with its schemas."""
    from uns.schema.value import payload_schema

    plant_class = request.getfixturevalue("plant_class")
    plant = plant_class()
    plant.born(dict.fromkeys(tag.name for tag in plant.machine.tags))
    envelope = jsonschema_rs.validator_for(json.loads((SCHEMAS / "value/1.json").read_text()))
    schemas = {t.name: jsonschema_rs.validator_for(payload_schema(t)) for t in plant.machine.tags}
    plant.log.clear()
    return plant, envelope, schemas


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (0, b"1970-01-01T00:00:00.000Z"),
        (1_767_868_200_123, b"2026-01-08T10:30:00.123Z"),
        (-1, b"1969-12-31T23:59:59.999Z"),
        (253_402_300_799_999, b"9999-12-31T23:59:59.999Z"),
    ],
)
def test_time_is_rfc_3339_with_milliseconds(moment: int, text: bytes) -> None:
    """Always UTC, always three digits."""
    assert text == Clock().text(moment)


def test_a_time_that_no_calendar_holds_is_its_nearest_end() -> None:
    """A device whose clock is broken does not break the payload."""
    clock = Clock()
    assert [
        clock.text(2**63)[:19],
        clock.text(-(2**63))[:19],
    ] == [b"9999-12-31T23:59:59", b"0001-01-01T00:00:00"]


def test_the_clock_forgets() -> None:
    """Remembered seconds are bounded, however many a device makes up."""
    clock = Clock()
    for second in range(10_000):
        clock.second(second)
    assert len(clock._seconds) <= 4096


def test_a_64_bit_source_behind_a_float_tag_keeps_its_digits() -> None:
    """What the device sends as Double is not rounded to 32 bits."""
    write = value_writer(Tag("t", Topic("a/t"), DataType.FLOAT), DataType.DOUBLE)
    assert write(0.123456789012) == b"0.123456789012"


def test_a_tail_escapes_its_unit() -> None:
    """A unit is text like any other."""
    assert json.loads(b'{"t":"' + tail('"x')) == {"t": "", "unit": '"x'}
