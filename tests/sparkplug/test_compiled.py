"""The fast encoder, held to protobuf's own library."""

from __future__ import annotations

import math
import struct
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from uns.metric import DataType, Quality
from uns.sparkplug import (
    IGNITION,
    NODE_RED,
    PROFILES,
    SPEC,
    Compression,
    DataNames,
    DataSet,
    MetaData,
    Metric,
    MetricDefinition,
    Parameter,
    Payload,
    SmallSigned,
    Template,
    UInt32Field,
    WireProfile,
    decode,
    encode,
)
from uns.sparkplug.compiled import CompiledMetric, payload_bytes
from uns.sparkplug.datatypes import fit
from uns.sparkplug.properties import quality_properties, typed
from uns.sparkplug.varint import varint
from uns.sparkplug.wire import PayloadMessage

SCALARS = [DataType(code) for code in range(1, 16)]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**66), 2**66),
    st.sampled_from([0, 1, -1, 127, 128, -128, 2**14, 2**28, 2**31, -(2**31), 2**42, 2**63, 2**64]),
    st.floats(),
    st.floats(width=32),
    st.text(max_size=200),
    st.binary(max_size=20),
)
TIMES = st.one_of(
    st.integers(1_600_000_000_000, 1_900_000_000_000), st.sampled_from([1, 2**35 - 1, 2**42])
)
ALIASES = st.one_of(st.integers(1, 300), st.integers(1, 2**32))
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=150)
WIRE_PROFILES = st.one_of(
    st.sampled_from(list(PROFILES.values())),
    st.builds(
        WireProfile,
        uint32=st.sampled_from(list(UInt32Field)),
        small_signed=st.sampled_from(list(SmallSigned)),
        data_names=st.sampled_from(list(DataNames)),
        data_datatype=st.booleans(),
        compress=st.sampled_from([None, *Compression]),
    ),
)
DEFINITIONS = st.builds(
    MetricDefinition, NAMES, st.sampled_from(SCALARS), is_transient=st.booleans()
)

WRITTEN = st.tuples(DEFINITIONS, ALIASES, WIRE_PROFILES)
TODAY = 1_700_000_000_000


def thorough(written, value, quality, at_ms, *, is_historical=False):
    """One metric of a data message as the encoder that fills protobuf messages writes it."""
    definition, alias, profile = written
    fitted, why = fit(definition.datatype, value)
    names = profile.data_names
    metric = Metric(
        definition.name if names is not DataNames.ALIAS else None,
        fitted,
        definition.datatype,
        alias=alias if names is not DataNames.NAME else None,
        timestamp_ms=at_ms,
        is_historical=is_historical,
        is_transient=definition.is_transient,
        properties=quality_properties(Quality.BAD if why else quality, why),
        metadata=definition.metadata,
    )
    return encode(Payload(5, (metric,), seq=0), profile=profile, datatypes=profile.data_datatype)


@given(WRITTEN, VALUES, TIMES)
@example((MetricDefinition("m", DataType.FLOAT), 1, SPEC), 3.5e38, TODAY)
@example((MetricDefinition("m", DataType.STRING), 1, SPEC), "x" * 110, TODAY)
@example((MetricDefinition("m", DataType.STRING), 1, SPEC), "\ud800", TODAY)
@example((MetricDefinition("m", DataType.UINT32), 1, IGNITION), 2**32 - 1, TODAY)
@example((MetricDefinition("m", DataType.INT8), 1, NODE_RED), -1, TODAY)
@example((MetricDefinition("m" * 7_990, DataType.INT8), 1, NODE_RED), -1, TODAY)
@example((MetricDefinition("m" * 20_000, DataType.INT8), 1, NODE_RED), -1, TODAY)
def test_the_shortcut_writes_what_protobuf_writes(written, value, at_ms):
    """Where the shortcut answers at all, its bytes are the thorough encoder's, in any profile."""
    definition, alias, profile = written
    metric = CompiledMetric(definition, alias, profile)
    stamp = varint(at_ms)
    short = metric.shortcut(value, stamp) if len(stamp) == 6 else None
    expected = thorough(written, value, Quality.GOOD, at_ms)
    if short is not None:
        assert not fit(definition.datatype, value)[1]
        assert expected == payload_bytes(5, [short], 0, profile)
    data = metric.data(value, Quality.GOOD, at_ms)
    if not fit(definition.datatype, value)[1]:
        assert expected == payload_bytes(5, [data], 0, profile)


@pytest.mark.parametrize("datatype", SCALARS, ids=lambda datatype: datatype.label)
@pytest.mark.parametrize("profile", PROFILES)
def test_ordinary_values_take_the_shortcut(datatype, profile):
    """A good scalar with a time of today never needs the thorough way."""
    value = {DataType.BOOLEAN: False, DataType.FLOAT: 0.5, DataType.DOUBLE: -0.5}.get(datatype, 7)
    value = "seven" if datatype.is_text else value
    metric = CompiledMetric(MetricDefinition("a/b", datatype), 7, PROFILES[profile])
    assert metric.shortcut(value, varint(TODAY)) is not None


@pytest.mark.conforms("tck-id-payloads-alias-data-cmd-requirement")
@given(WRITTEN, VALUES, st.sampled_from([*Quality]), TIMES)
def test_history_says_so_and_is_else_the_same(written, value, quality, at_ms):
    """A value that was not delivered in time is marked, in any profile and quality."""
    definition, alias, profile = written
    metric = CompiledMetric(definition, alias, profile)
    fitted, why = fit(definition.datatype, value)
    for is_historical, data in (
        (True, metric.historical(value, quality, at_ms)),
        (False, metric.data(value, quality, at_ms)),
    ):
        found = payload_bytes(5, [data], 0, profile)
        known = {alias: definition.datatype, definition.name: definition.datatype}
        (read,) = decode(found, known=known).metrics
        expected = thorough(written, value, quality, at_ms, is_historical=is_historical)
        assert decode(expected, known=known).metrics == (read,)
        assert len(expected) == len(found)
        assert (is_historical, definition.is_transient) == (read.is_historical, read.is_transient)
        if definition.datatype is not DataType.FLOAT:
            assert (None if why else fitted) == read.value


@pytest.mark.conforms(
    "tck-id-payloads-alias-birth-requirement",
    "tck-id-payloads-metric-datatype-req",
    "tck-id-payloads-metric-datatype-value-type",
    "tck-id-payloads-metric-propertyvalue-type-req",
)
@given(
    st.sampled_from([code for code in DataType if code not in (0, 16, 19, 20, 21)]),
    VALUES,
    st.sampled_from([*Quality]),
    TIMES,
    WIRE_PROFILES,
)
def test_a_birth_is_what_protobuf_writes(datatype, value, quality, at_ms, profile):
    """Births have name, alias, datatype, properties and value, byte for byte like upb's."""
    profile = replace(profile, compress=None)
    properties = {"uns": "a/b", "engUnit": "bar", "engLow": 0, "engHigh": 6.5, "n": 3, "ok": True}
    metric = CompiledMetric(MetricDefinition("drive/temp", datatype, properties), 7, profile)
    fitted, why = fit(datatype, value)
    judged = quality_properties(Quality.BAD if why else quality, why)
    expected = PayloadMessage.FromString(
        encode(
            Payload(
                5,
                (
                    Metric(
                        "drive/temp",
                        fitted,
                        datatype,
                        alias=None if profile.data_names is DataNames.NAME else 7,
                        timestamp_ms=at_ms,
                        properties=typed(properties) | judged,
                    ),
                ),
                seq=255,
            ),
            profile=profile,
        )
    )
    data = payload_bytes(5, [metric.birth(value, quality, at_ms)], 255)
    found = PayloadMessage.FromString(data)
    assert expected.SerializeToString() == found.SerializeToString()
    assert len(data) == len(expected.SerializeToString())


@given(st.floats())
def test_nan_and_infinity_never_travel(value):
    """What is no finite number becomes null, in both ways of encoding."""
    for datatype in (DataType.FLOAT, DataType.DOUBLE):
        metric = CompiledMetric(MetricDefinition("m", datatype), 1)
        short = metric.shortcut(value, varint(TODAY))
        found = PayloadMessage.FromString(
            payload_bytes(5, [metric.data(value, 192, 5)], 0)
        ).metrics[0]
        if not math.isfinite(value):
            assert short is None
            assert found.is_null
            assert "NaN" == found.properties.values[1].string_value


@given(st.integers(0, 2**64 - 1))
def test_varints_are_protobufs(number):
    """Every number from 0 to 2**64 - 1 is written as protobuf does."""
    assert b"\x08" + varint(number) == PayloadMessage(timestamp=number).SerializeToString()


def test_a_float_keeps_its_four_bytes():
    """Float is single precision on the wire, whatever Python has."""
    metric = CompiledMetric(MetricDefinition("m", DataType.FLOAT), 1)
    assert metric.shortcut(0.1, varint(TODAY)).endswith(struct.pack("<f", 0.1))


MOTOR = Template((Metric("rpm", 0, DataType.INT32),), (Parameter("serial", DataType.STRING, "?"),))


@pytest.mark.conforms(
    "tck-id-payloads-template-instance-is-definition",
    "tck-id-payloads-template-instance-ref",
    "tck-id-payloads-template-is-definition",
    "tck-id-payloads-template-is-definition-instance",
    "tck-id-payloads-template-ref-instance",
)
def test_an_instance_of_a_template_names_its_definition():
    """The reference comes from the metric's definition where the value has none."""
    metric = CompiledMetric(MetricDefinition("M1", DataType.TEMPLATE, template="Motor"), 3)
    for data in (metric.birth(MOTOR, 192, 5), metric.data(MOTOR, 192, 5)):
        message = PayloadMessage.FromString(payload_bytes(5, [data], 0)).metrics[0].template_value
        assert "Motor" == message.template_ref
        assert (True, False) == (message.HasField("is_definition"), message.is_definition)
        assert ["rpm"] == [member.name for member in message.metrics]


@pytest.mark.conforms(
    "tck-id-payloads-template-definition-is-definition",
    "tck-id-payloads-template-definition-ref",
    "tck-id-payloads-template-is-definition-definition",
    "tck-id-payloads-template-parameter-type-req",
    "tck-id-payloads-template-ref-definition",
)
def test_a_definition_of_a_template_has_no_reference():
    """A definition says that it is one, and refers to nothing."""
    metric = CompiledMetric(MetricDefinition("Motor", DataType.TEMPLATE), None)
    data = payload_bytes(5, [metric.birth(replace(MOTOR, is_definition=True), 192, 5)], 0)
    (found,) = PayloadMessage.FromString(data).metrics
    assert found.template_value.is_definition
    assert not found.template_value.HasField("template_ref")
    assert [12] == [parameter.type for parameter in found.template_value.parameters]


@pytest.mark.parametrize(
    ("datatype", "value", "reason"),
    [
        (DataType.TEMPLATE, replace(MOTOR, metrics=(Metric("rpm", "x", DataType.INT32),)), "Type"),
        (DataType.TEMPLATE, replace(MOTOR, metrics=(Metric("x", 300, DataType.INT8),)), "Range"),
        (DataType.TEMPLATE, "text", "Type"),
        (DataType.DATASET, DataSet(("a",), (), ()), "Type"),
        (DataType.DATASET, DataSet(("a",), (DataType.INT8,), ((300,),)), "Range"),
        (DataType.DATASET, DataSet(("a",), (DataType.INT8,), ((1, 2),)), "Type"),
        (DataType.DATASET, DataSet(("a",), (DataType.BYTES,), ((b"",),)), "Type"),
        (DataType.FILE, 5, "Type"),
        (DataType.INT8_ARRAY, [1, 200], "Range"),
    ],
)
def test_a_structure_that_does_not_fit_is_null_and_bad(datatype, value, reason):
    """Nothing that a driver hands over can stop the metrics beside it."""
    metric = CompiledMetric(MetricDefinition("m", datatype), 1)
    assert metric.shortcut(value, varint(TODAY)) is None
    for data in (metric.data(value, 192, 5), metric.birth(value, 192, 5)):
        (found,) = PayloadMessage.FromString(payload_bytes(5, [data], 0)).metrics
        assert found.is_null
        assert found.WhichOneof("value") is None
        assert reason == found.properties.values[1].string_value


def test_a_file_travels_with_its_name():
    """What describes the bytes goes with them, in births, data and history."""
    about = MetaData(file_name="recipe.csv", content_type="text/csv")
    metric = CompiledMetric(MetricDefinition("recipe", DataType.FILE, metadata=about), 9)
    for data in (
        metric.birth(b"a;b", 192, 5),
        metric.data(b"a;b", 192, 5),
        metric.historical(b"a;b", 192, 5),
    ):
        (found,) = decode(payload_bytes(5, [data], 0), known={9: DataType.FILE}).metrics
        assert (b"a;b", about) == (found.value, found.metadata)


def test_names_alone_come_without_aliases():
    """A profile for peers that know no aliases gives none in births, and names in data."""
    metric = CompiledMetric(MetricDefinition("m", DataType.INT32), 4, NODE_RED)
    birth, data = (
        PayloadMessage.FromString(payload_bytes(5, [raw], 0)).metrics[0]
        for raw in (metric.birth(1, 192, 5), metric.data(1, 192, 5))
    )
    assert ("m", False, 3) == (birth.name, birth.HasField("alias"), birth.datatype)
    assert ("m", False, 3) == (data.name, data.HasField("alias"), data.datatype)


@pytest.mark.parametrize("compression", list(Compression))
def test_a_compressed_message_says_its_seq_outside(compression):
    """The envelope repeats seq, and what is inside is the message as it would have been."""
    plain = payload_bytes(5, [], 255)
    packed = payload_bytes(5, [], 255, WireProfile(compress=compression))
    assert 255 == PayloadMessage.FromString(packed).seq
    assert decode(plain) == decode(packed)
