"""The 45 reference vectors: payloads made by protobuf's own library from the field table."""

from __future__ import annotations

import json

import pytest

from uns.metric import DataType
from uns.sparkplug import DataSet, Property, SmallSigned, UInt32Field, WireProfile, decode, encode
from uns.sparkplug.envelope import compress
from uns.sparkplug.profile import Compression

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
COMPRESSED = ("deflate", "gzip")  # a habit of Tahu; the time in gzip's header is not ours


@pytest.fixture(scope="session")
def vectors(research):
    return json.loads((research / "sparkplug_golden.json").read_text())


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


@pytest.mark.parametrize("compression", list(Compression))
def test_compression_goes_both_ways(vectors, compression):
    """A payload that we compress reads as the one that was compressed."""
    data = bytes.fromhex(vectors["d"]["hex"])
    assert decode(data) == decode(compress(data, compression, seq=3))


def test_properties_keep_their_types(vectors):
    """Quality, a unit and a nested set come back with their datatypes."""
    (metric,) = decode(bytes.fromhex(vectors["props"]["hex"])).metrics
    assert Property(DataType.INT32, 192) == metric.properties["Quality"]
    assert Property(DataType.STRING, "degC") == metric.properties["engUnit"]
    nested = {"a": Property(DataType.BOOLEAN, True)}
    assert Property(DataType.PROPERTY_SET, nested) == metric.properties["nested"]
