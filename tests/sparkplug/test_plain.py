"""The fast reader of plain data, held to the thorough one."""

from __future__ import annotations

import math

import pytest
from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from uns.metric import DataType, Quality
from uns.sparkplug import IGNITION, SPEC, MetricDefinition
from uns.sparkplug.compiled import CompiledMetric, payload_bytes
from uns.sparkplug.envelope import LIMITS, compress, parse, parse_plain
from uns.sparkplug.known_device import KnownDevice
from uns.sparkplug.plain import number_of
from uns.sparkplug.profile import Compression
from uns.sparkplug.varint import varint
from uns.sparkplug.wire import MetricMessage, PayloadMessage

TODAY = 1_700_000_000_000
DATATYPES = [DataType(code) for code in (*range(1, 16), 17)]
# Of one byte, with none to spare, of two where the second looks like a tag, of three, of five
ALIASES = [0, 24, 120, 0x18 << 7, 2**14 - 8, 2**32]
METRICS = [
    (alias + place, datatype) for place, datatype in enumerate(DATATYPES) for alias in ALIASES
]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1100, 5000),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(),
    st.floats(width=32),
    st.text(max_size=150),
)
TIMES = st.one_of(st.just(TODAY), st.integers(0, 2**42), st.integers(2**42, 2**64 - 1))


def device():
    """A device with metrics of every scalar type, each with aliases of every length."""
    births = [
        CompiledMetric(MetricDefinition(f"m{alias}", datatype), alias).birth(None, 192, TODAY)
        for alias, datatype in METRICS
    ]
    return KnownDevice(parse(payload_bytes(5, births, 0), LIMITS).metrics, TODAY, is_node=False)


def told(read):
    """What was read, in a form that can be compared: NaN equals itself, and 1 is not True."""
    return [
        [(slot.name, repr(value), quality, at_ms) for slot, value, quality, at_ms in updates]
        for updates in (read.updates, read.historical)
    ] + [read.unknown, read.problems]


def state(slot):
    return (repr(slot.value), slot.quality, slot.timestamp_ms, slot.detail, slot.field)


def both(data):
    """The same message read fast and thoroughly, by devices that were born alike."""
    plain = parse_plain(data, LIMITS)
    fast, thorough = device(), device()
    result = told(fast.read_plain(plain.metrics, TODAY))
    expected = told(thorough.read(parse(data, LIMITS).metrics, TODAY))
    for slot, other in zip(fast.slots, thorough.slots, strict=True):
        assert state(other) == state(slot)
    return expected, result


@st.composite
def sent(draw):
    """A metric as our edge nodes, or others by the standard, send it."""
    alias, datatype = draw(st.sampled_from(METRICS))
    profile = draw(st.sampled_from([SPEC, IGNITION]))
    metric = CompiledMetric(MetricDefinition(f"m{alias}", datatype), alias, profile)
    write = metric.historical if draw(st.integers(0, 9)) == 0 else metric.data
    quality = draw(st.sampled_from([Quality.GOOD] * 5 + [*Quality]))
    return write(draw(VALUES), quality, draw(TIMES))


@given(st.lists(sent(), max_size=8))
@settings(max_examples=300)
def test_what_is_sent_is_read_alike(metrics):
    """Every scalar, alias, time, quality and profile: the same values in the same slots."""
    expected, result = both(payload_bytes(5, metrics, 0))
    assert expected == result


@given(sent(), st.integers(0, 200), st.integers(0, 255), st.booleans())
@settings(max_examples=500)
def test_bent_bytes_are_read_alike_or_not_at_all(metric, place, byte, is_cut):
    """Whatever protobuf makes of a metric with a wrong byte, the fast reader makes it too."""
    raw = bytearray(metric[1 + (2 if metric[1] >= 0x80 else 1) :])
    raw[place % len(raw)] = byte
    if is_cut:
        del raw[place % len(raw)]
    try:
        MetricMessage.FromString(bytes(raw))
    except DecodeError:
        return
    expected, result = both(payload_bytes(5, [b"\x12" + varint(len(raw)) + bytes(raw)], 0))
    assert expected == result


@pytest.mark.parametrize("datatype", DATATYPES[:15], ids=lambda datatype: datatype.label)
def test_plain_metrics_never_take_the_thorough_way(datatype, monkeypatch):
    """A good scalar of today is read by its shape, whatever its alias."""
    value = {DataType.BOOLEAN: False, DataType.FLOAT: 0.5, DataType.DOUBLE: -0.5}.get(datatype, 7)
    value = "seven" if datatype.is_text else value
    found = device()
    metrics = [
        CompiledMetric(MetricDefinition("m", datatype), alias).data(value, 192, TODAY)
        for alias, of in METRICS
        if of is datatype
    ]
    monkeypatch.setattr(KnownDevice, "_read_carefully", None)
    read = found.read_plain(parse_plain(payload_bytes(5, metrics, 0), LIMITS).metrics, 5)
    assert [value] * len(ALIASES) == [update[1] for update in read.updates]


def test_an_alias_given_twice_is_neither_metrics():
    """Whatever field carries the numbers, plain data for such an alias is nobody's."""
    message = PayloadMessage(timestamp=5, seq=0)
    for name in ("a", "b"):
        message.metrics.add(name=name, alias=7, datatype=DataType.UINT32, long_value=1)
    found = KnownDevice(message.metrics, TODAY, is_node=False)
    data = CompiledMetric(MetricDefinition("a", DataType.UINT32), 7, IGNITION).data(5, 192, TODAY)
    read = found.read_plain(parse_plain(payload_bytes(5, [data], 0), LIMITS).metrics, TODAY)
    assert ([], ["alias 7"]) == (read.updates, read.unknown)


def test_a_metric_that_cannot_be_read_is_unknown():
    """Bytes that are no metric cost their neighbours nothing; births are asked for."""
    alias = next(alias for alias, datatype in METRICS if datatype is DataType.INT32)
    good = CompiledMetric(MetricDefinition("m", DataType.INT32), alias).data(5, 192, TODAY)
    broken = b"\x12\x03\x0a\x0fx"
    read = device().read_plain(parse_plain(broken + good, LIMITS).metrics, TODAY)
    assert [5] == [update[1] for update in read.updates]
    assert ["bytes that begin with 0a 0f 78 and are no metric"] == read.unknown


def test_compressed_and_huge_payloads_take_the_thorough_way():
    """Their metrics are not where the fast reader looks."""
    plain = payload_bytes(5, [], 0)
    assert parse_plain(plain, LIMITS) is not None
    assert parse_plain(compress(plain, Compression.DEFLATE, 0), LIMITS) is None
    assert parse_plain(b"\x12\x00" * 300_000, LIMITS) is None
    assert parse_plain(b"\xff", LIMITS) is None


@pytest.mark.parametrize("value", [-5, 2**32 - 5, -(2**31), 2**14, -1025, 2**21, 2**35, -(2**63)])
@pytest.mark.parametrize("datatype", [DataType.INT32, DataType.INT64, DataType.DATETIME])
@pytest.mark.parametrize("field", ["int_value", "long_value"])
def test_whole_numbers_are_read_alike_from_either_field(value, datatype, field):
    """The bits of a negative number in one field are those of a large one in another."""
    alias = next(alias for alias, known in METRICS if known is datatype)
    message = PayloadMessage(timestamp=5, seq=0)
    for _ in range(2):  # the second time the reader knows where this peer keeps its numbers
        metric = message.metrics.add(alias=alias, timestamp=TODAY)
        setattr(metric, field, value & (2**32 if field == "int_value" else 2**64) - 1)
    expected, result = both(message.SerializeToString())
    assert expected == result


@given(st.integers(0, 2**64 - 1))
@example(2**28 - 1)
@example(2**28)
def test_numbers_come_back(number):
    """What is written as a varint is read as one, and nothing more or less is."""
    digits = varint(number)
    assert number == number_of(digits)
    assert number_of(digits + b"\x00") is None
    assert number_of(b"\x80" + digits[:-1] + b"\x80") is None
    assert number_of(b"") is None


def test_a_double_that_is_no_number_arrives_as_it_was_sent():
    """A peer may send NaN; the fast reader does not hide it."""
    alias = next(alias for alias, datatype in METRICS if datatype is DataType.DOUBLE)
    message = PayloadMessage(timestamp=5, seq=0)
    message.metrics.add(alias=alias, timestamp=TODAY, double_value=math.nan)
    ((_, value, *_),) = (
        device().read_plain(parse_plain(message.SerializeToString(), LIMITS).metrics, TODAY).updates
    )
    assert math.isnan(value)
