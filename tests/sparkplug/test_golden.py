"""The 45 reference vectors: payloads made by protobuf's own library from the field table."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from uns.metric import DataType
from uns.sparkplug import DataSet, Property, SmallSigned, UInt32Field, WireProfile, decode, encode
from uns.sparkplug.profile import Compression
from uns.sparkplug.wire import PayloadMessage

NAMES = """
    i8_neg i8_neg_ext i16_neg i16_neg_ext i32_neg i64_neg u8 u16 u32_int u32_long u64 f d b s dt
    dt_neg txt uuid by file i8a i16a i32a i64a u8a u16a u32a u64a fa da ba ba0 sa sa0 dta null
    dataset template props alias alias0 hist deflate gzip
""".split()  # noqa: SIM905  # a list of 45 names on 45 lines says no more
KNOWN = {7: DataType.INT8, 0: DataType.DOUBLE}  # what the births of the alias vectors would say
NOT_IN_DATA = ("alias", "alias0")  # vectors without datatypes
TRUNCATED = WireProfile(small_signed=SmallSigned.TRUNCATE)
LONG = WireProfile(uint32=UInt32Field.LONG)
# Forms that peers send and the specification does not: each has a profile of its own.
PROFILES = {"i8_neg": TRUNCATED, "i16_neg": TRUNCATED, "u32_long": LONG}
FOREIGN_FIELD = bytes.fromhex("c23e 0161")  # field 1000: one byte
EXTENSION_VALUE = bytes.fromhex("9a01 02 0800")  # a metric's field 19, `extension_value`
COMPRESSED = ("deflate", "gzip")  # a habit of Tahu; the time in gzip's header is not ours


VECTORS = Path(__file__).resolve().parents[1] / "cases" / "sparkplug" / "golden.json"


@pytest.fixture(scope="session")
def vectors():
    return json.loads(VECTORS.read_text(encoding="utf-8"))


def test_every_vector_is_known(vectors):
    """No vector is left out."""
    assert sorted(NAMES) == sorted(vectors)


@pytest.mark.parametrize("name", NAMES)
def test_a_vector_decodes_to_its_value(vectors, name):
    """Each payload says what it was made to say, and has no problem."""
    payload = decode(bytes.fromhex(vectors[name]["hex"]), known=KNOWN)
    value = payload.metrics[-1].value
    expected = vectors[name]["val"]
    assert () == payload.problems
    if name == "dataset":
        columns, types = ("n", "x", "ok"), (DataType.INT32, DataType.DOUBLE, DataType.BOOLEAN)
        expected = DataSet(columns, types, ((-1, 1.5, True), (7, 2.5, False)))
    elif name == "template":
        definition, instance = (metric.value for metric in payload.metrics)
        assert (True, None) == (definition.is_definition, definition.reference)
        assert (False, "_types_/Motor") == (instance.is_definition, instance.reference)
        value, expected = [instance.metrics[0].value, instance.parameters[0].value], [1500, "X1"]
    elif isinstance(value, bytes):
        expected = bytes.fromhex(expected)
    assert expected == (list(value) if isinstance(expected, list) else value)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in COMPRESSED])
def test_a_vector_is_written_byte_for_byte(vectors, name):
    """What was decoded encodes to the same bytes, in the profile that has this form."""
    data = bytes.fromhex(vectors[name]["hex"])
    payload = decode(data, known=KNOWN)
    profile = PROFILES.get(name, WireProfile())
    assert data.hex() == encode(payload, profile=profile, datatypes=name not in NOT_IN_DATA).hex()


@pytest.mark.parametrize("name", COMPRESSED)
def test_a_compressed_vector_is_written_in_its_envelope(vectors, name):
    """Packing is a profile's business: the same envelope around the same payload."""
    written = PayloadMessage.FromString(
        encode(
            decode(bytes.fromhex(vectors["d"]["hex"])),
            profile=WireProfile(compress=Compression(name.upper())),
        )
    )
    expected = PayloadMessage.FromString(bytes.fromhex(vectors[name]["hex"]))
    assert _inflated(expected.body) == _inflated(written.body)
    assert vectors["d"]["hex"] == _inflated(written.body).hex()
    expected.ClearField("body")
    written.ClearField("body")
    assert expected.SerializeToString() == written.SerializeToString()


def _inflated(body):
    """Packers differ in how well they pack, and gzip writes the time: what is inside counts."""
    return zlib.decompress(body, zlib.MAX_WBITS | 32)


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_form_of_peers_is_not_written_by_the_standard_profile(vectors, name):
    """The profile is what makes the difference, and nothing else does."""
    data = bytes.fromhex(vectors[name]["hex"])
    assert data != encode(decode(data))
    assert decode(data).metrics == decode(encode(decode(data))).metrics


@pytest.mark.parametrize("name", [name for name in NAMES if name not in COMPRESSED])
def test_a_vector_passes_through_with_fields_of_others(vectors, name):
    """Fields that the specification leaves to third parties come back where they stood."""
    message = PayloadMessage.FromString(bytes.fromhex(vectors[name]["hex"]))
    for one in _messages_in(message):
        one.MergeFromString(FOREIGN_FIELD)
    data = message.SerializeToString()
    assert data != bytes.fromhex(vectors[name]["hex"])
    profile, datatypes = PROFILES.get(name, WireProfile()), name not in NOT_IN_DATA
    payload = decode(data, known=KNOWN)
    assert data.hex() == encode(payload, profile=profile, datatypes=datatypes).hex()
    without = replace(payload, metrics=())
    assert FOREIGN_FIELD in encode(without)


def _messages_in(message):
    """The message and every message in it."""
    for field, held in message.ListFields():
        if field.message_type is not None:
            for one in [held] if hasattr(held, "ListFields") else held:
                yield from _messages_in(one)
    yield message


def test_an_extension_value_is_passed_on_and_is_no_null():
    """A value of others' making cannot be read here, and is not lost."""
    message = PayloadMessage(seq=1)
    message.metrics.add(name="x", datatype=3).MergeFromString(EXTENSION_VALUE)
    data = message.SerializeToString()
    payload = decode(data)
    assert "neither a value nor is_null" in payload.problems[0]
    assert data == encode(payload)


def test_properties_keep_their_types(vectors):
    """Quality, a unit and a nested set come back with their datatypes."""
    (metric,) = decode(bytes.fromhex(vectors["props"]["hex"])).metrics
    assert Property(DataType.INT32, 192) == metric.properties["Quality"]
    assert Property(DataType.STRING, "degC") == metric.properties["engUnit"]
    nested = {"a": Property(DataType.BOOLEAN, True)}
    assert Property(DataType.PROPERTY_SET, nested) == metric.properties["nested"]
