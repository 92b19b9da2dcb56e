"""The fast encoder, held to protobuf's own library."""

from __future__ import annotations

import math
import struct

from hypothesis import example, given
from hypothesis import strategies as st

from uns.metric import DataType, Quality
from uns.sparkplug import Metric, MetricDefinition, Payload, encode
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


@given(st.sampled_from(SCALARS), ALIASES, VALUES, TIMES)
@example(DataType.FLOAT, 1, 3.5e38, 1_700_000_000_000)
@example(DataType.STRING, 1, "x" * 110, 1_700_000_000_000)
@example(DataType.STRING, 1, "\ud800", 1_700_000_000_000)
def test_the_shortcut_writes_what_protobuf_writes(datatype, alias, value, at_ms):
    """Where the shortcut answers at all, its bytes are the thorough encoder's."""
    metric = CompiledMetric(MetricDefinition("m", datatype), alias)
    stamp = varint(at_ms)
    short = metric.shortcut(value, stamp) if len(stamp) == 6 else None
    fitted, why = fit(datatype, value)
    thorough = Metric(value=fitted, datatype=datatype, alias=alias, timestamp_ms=at_ms)
    expected = encode(Payload(5, (thorough,), seq=0), datatypes=False)
    if short is not None:
        assert not why
        assert expected == payload_bytes(5, [short], 0)
    if not why:
        assert expected == payload_bytes(5, [metric.data(value, Quality.GOOD, at_ms)], 0)


@given(
    st.sampled_from([code for code in DataType if code not in (0, 16, 19, 20, 21)]),
    VALUES,
    st.sampled_from([*Quality]),
    TIMES,
)
def test_a_birth_is_what_protobuf_writes(datatype, value, quality, at_ms):
    """Births have name, alias, datatype, properties and value, byte for byte like upb's."""
    properties = {"uns": "a/b", "engUnit": "bar", "engLow": 0, "engHigh": 6.5, "n": 3, "ok": True}
    metric = CompiledMetric(MetricDefinition("drive/temp", datatype, properties), 7)
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
                        alias=7,
                        timestamp_ms=at_ms,
                        properties=typed(properties) | judged,
                    ),
                ),
                seq=255,
            )
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
        short = metric.shortcut(value, varint(1_700_000_000_000))
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
    assert metric.shortcut(0.1, varint(1_700_000_000_000)).endswith(struct.pack("<f", 0.1))
