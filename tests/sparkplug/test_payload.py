"""The codec: what it reads, what it forgives, what it refuses."""

from __future__ import annotations

import zlib

import pytest

from uns.errors import PeerProtocolError
from uns.metric import DataType
from uns.sparkplug import DataSet, Limits, Metric, Payload, Template, decode, encode
from uns.sparkplug.wire import PayloadMessage

# (bytes of one metric, datatype by its birth or None, value): ours, written down by hand
VECTORS = {
    "Double 1.5 named": ("0a0164 200a 69000000000000f83f", None, 1.5),
    "Double 0.0 alias 0": ("1000 690000000000000000", DataType.DOUBLE, 0.0),
    "Int8 -5 cut to 8 bits": ("1007 50fb01", DataType.INT8, -5),
    "Int8 -5 extended to 32": ("1007 50fbffffff0f", DataType.INT8, -5),
    "Int16 -2 extended": ("1007 50feffffff0f", DataType.INT16, -2),
    "Int32 -1 in long": ("1007 58ffffffffffffffffff01", DataType.INT32, -1),
    "UInt32 in int": ("1007 50ffffffff0f", DataType.UINT32, 4294967295),
    "UInt32 in long": ("1007 58ffffffff0f", DataType.UINT32, 4294967295),
    "DateTime before 1970": ("1007 5898f8ffffffffffffff01", DataType.DATETIME, -1000),
    "Boolean false": ("1007 7000", DataType.BOOLEAN, False),
    "String empty": ("1007 7a00", DataType.STRING, ""),
    "Bytes": ("1007 820102 00ff", DataType.BYTES, b"\x00\xff"),
    "Int16Array": ("1007 820104 d08a3075", DataType.INT16_ARRAY, (-30000, 30000)),
    "BooleanArray": (
        "1007 820106 0c000000 34d0",
        DataType.BOOLEAN_ARRAY,
        (False, False, True, True, False, True, False, False, True, True, False, True),
    ),
    "StringArray": ("1007 82010a 41424300 68656c6c6f00", DataType.STRING_ARRAY, ("ABC", "hello")),
    "StringArray without its last NUL": ("1007 820103 410042", DataType.STRING_ARRAY, ("A", "B")),
    "null": ("1007 3801", DataType.DOUBLE, None),
    "null with a value": ("1007 3801 690000000000000000", DataType.DOUBLE, None),
}
BROKEN = {
    "Int8 300": ("1007 50ac02", DataType.INT8, "300 does not fit 8 signed bits"),
    "UInt8 300": ("1007 50ac02", DataType.UINT8, "300 does not fit UInt8"),
    "Double as text": ("1007 7a0131", DataType.DOUBLE, "Double came in string_value"),
    "no value": ("1007", DataType.DOUBLE, "neither a value nor is_null"),
    "no such datatype": ("1007 2063 5001", None, "99 is no datatype"),
    "not UTF-8": ("1007 7a02fffe", DataType.STRING, "is not UTF-8"),
    "odd array": ("1007 820103 d08a30", DataType.INT16_ARRAY, "no whole number"),
    "short BooleanArray": ("1007 820105 0c000000 34", DataType.BOOLEAN_ARRAY, "room for 8"),
    "property set as a value": ("1007 2014 5001", None, "PropertySet came in int_value"),
}


def payload_of(*metrics: str) -> bytes:
    """A payload with seq 4 around the hexadecimal bytes of metrics."""
    raw = [bytes.fromhex(metric) for metric in metrics]
    return b"".join(b"\x12" + bytes([len(metric)]) + metric for metric in raw) + b"\x18\x04"


@pytest.mark.parametrize("name", VECTORS)
def test_one_metric_is_read(name):
    """Each form that a peer may send has its value."""
    metric, datatype, expected = VECTORS[name]
    known = {7: datatype, 0: datatype} if datatype else {}
    (found,) = decode(payload_of(metric), known=known).metrics
    assert (expected, "") == (found.value, found.problem)
    assert type(expected) is type(found.value)


@pytest.mark.parametrize("name", BROKEN)
def test_one_broken_metric_spoils_no_other(name):
    """What is wrong is said in words, and the neighbours keep their values."""
    metric, datatype, problem = BROKEN[name]
    good, _, value = VECTORS["Double 1.5 named"]
    payload = decode(payload_of(good, metric, good), known={7: datatype} if datatype else {})
    assert [value, None, value] == [metric.value for metric in payload.metrics]
    (found,) = payload.problems
    assert problem in found
    assert found.startswith("alias 7: ")


def test_a_datatype_unknown_to_births_leaves_the_raw_value():
    """Without a birth the field's content is all there is to say."""
    (metric,) = decode(payload_of("1009 50fbffffff0f")).metrics
    assert (DataType.UNKNOWN, 4294967291, "") == (metric.datatype, metric.value, metric.problem)


@pytest.mark.parametrize("data", [b"\xff", b"\x12\x05\x01", b"{}", b"ONLINE", b"\x12\x80"])
def test_bytes_that_are_no_payload_raise_one_error(data):
    """JSON, text and cut messages are PeerProtocolError and nothing else."""
    with pytest.raises(PeerProtocolError, match="no Sparkplug B payload"):
        decode(data)


def test_a_payload_that_is_too_large_is_refused_unread():
    """Bytes and metrics have limits, and the message says which."""
    data = payload_of(*["1007 5001"] * 50)
    with pytest.raises(PeerProtocolError, match="the limit is 100"):
        decode(data, limits=Limits(payload_bytes=100))
    with pytest.raises(PeerProtocolError, match="more than 20 metrics"):
        decode(data, limits=Limits(metrics=20))
    assert 50 == len(decode(data, limits=Limits(metrics=50)).metrics)


def test_metrics_are_counted_whatever_stands_between():
    """Fields of every wire type, and tags written longer than needed, do not fool the count."""
    between = bytes.fromhex("0801 1803 2a0161 31 0102030405060708 3d 01020304")
    metric = bytes.fromhex("9200 02 5001")  # the tag of `metrics` in two bytes
    with pytest.raises(PeerProtocolError, match="more than 5 metrics"):
        decode((between + metric) * 6, limits=Limits(metrics=5))


def test_a_zip_bomb_stops_at_the_limit():
    """A compressed payload is inflated no further than a payload may be."""
    bomb = PayloadMessage(uuid="SPBV1.0_COMPRESSED", body=zlib.compress(bytes(10_000_000)))
    with pytest.raises(PeerProtocolError, match="holds more than 1,000,000 bytes"):
        decode(bomb.SerializeToString(), limits=Limits(payload_bytes=1_000_000))


@pytest.mark.parametrize("body", [b"", b"not zlib", zlib.compress(b"\x18\x04" * 9)[:-5]])
def test_a_broken_compressed_payload_is_refused(body):
    """What cannot be inflated to its end is no payload."""
    outer = PayloadMessage(uuid="SPBV1.0_COMPRESSED", body=body)
    with pytest.raises(PeerProtocolError, match="compressed payload"):
        decode(outer.SerializeToString())


def test_templates_nested_too_deeply_are_one_metrics_problem():
    """Depth is bounded, and only the metric that exceeds it is lost."""
    metric = Metric("m", 1, DataType.INT32)
    for _ in range(20):
        metric = Metric("m", Template((metric,), reference="T"), DataType.TEMPLATE)
    payload = decode(encode(Payload(metrics=(metric, Metric("n", 2, DataType.INT32)))))
    assert "nested too deeply" in payload.metrics[0].problem
    assert 2 == payload.metrics[1].value


def test_an_empty_cell_of_a_data_set_is_null():
    """The specification has no null here; an absent value is one."""
    dataset = DataSet(("a", "b"), (DataType.INT32, DataType.STRING), ((None, "x"), (-3, None)))
    (metric,) = decode(encode(Payload(metrics=(Metric("d", dataset, DataType.DATASET),)))).metrics
    assert dataset == metric.value


def test_a_data_set_whose_parts_disagree_is_a_problem():
    """As many columns as types, as many cells as columns."""
    message = PayloadMessage()
    dataset = message.metrics.add(name="d", datatype=16).dataset_value
    dataset.columns.extend(["a", "b"])
    dataset.types.append(3)
    assert "2 columns and 1 types" in decode(message.SerializeToString()).problems[0]
    dataset.types.append(3)
    dataset.rows.add().elements.add(int_value=1)
    assert "row 0 of a DataSet has 1 cells" in decode(message.SerializeToString()).problems[0]


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        (DataType.INT8, 200),
        (DataType.UINT32, -1),
        (DataType.BOOLEAN, "yes"),
        (DataType.STRING, "\ud800"),
        (DataType.INT16_ARRAY, (1, 70000)),
        (DataType.STRING_ARRAY, ("a\0b",)),
        (DataType.UNKNOWN, 1),
    ],
)
def test_a_value_that_does_not_fit_is_not_encoded(datatype, value):
    """The thorough encoder raises rather than bend a value."""
    with pytest.raises(ValueError, match=r"."):
        encode(Payload(metrics=(Metric("m", value, datatype),)))
