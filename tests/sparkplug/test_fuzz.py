"""Anybody can publish anything: nothing escapes, and a good node is heard through the noise."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uns.errors import PeerProtocolError
from uns.message import Message
from uns.metric import DataType
from uns.sparkplug import (
    Born,
    Changed,
    Died,
    EdgeNode,
    HostApplication,
    MetricDefinition,
    NodeId,
    Problem,
    Publish,
    Reconnect,
    decode,
)
from uns.sparkplug.wire import MetricMessage, PayloadMessage

NODE = NodeId("g", "e")
NOW = 1_700_000_000_000
TOPICS = st.one_of(
    st.text(max_size=30),
    st.builds(
        lambda *levels: "/".join(levels),
        st.sampled_from(["spBv1.0", "spAv1.0"]),
        st.sampled_from(["g", "STATE", ""]),
        st.sampled_from(
            [
                "NBIRTH",
                "NDATA",
                "NDEATH",
                "NCMD",
                "DBIRTH",
                "DDATA",
                "DDEATH",
                "DCMD",
                "STATE",
                "uns",
            ]
        ),
        st.sampled_from(["e", "f", "uns"]),
    ),
    st.sampled_from([f"spBv1.0/g/{kind}/e/d" for kind in ("DBIRTH", "DDATA", "DDEATH", "DCMD")]),
    st.just("spBv1.0/STATE/uns"),
)
TEXTS = st.sampled_from(["", "bdSeq", "m", "Node Control/Rebirth", "Quality"])
NUMBERS = st.one_of(st.integers(0, 5), st.sampled_from([127, 128, 255, 2**31, 2**32 - 1]))


@st.composite
def metrics(draw):
    """A metric with any mixture of fields, sensible or not."""
    metric = MetricMessage()
    if draw(st.booleans()):
        metric.name = draw(TEXTS)
    if draw(st.booleans()):
        metric.alias = draw(NUMBERS)
    if draw(st.booleans()):
        metric.timestamp = draw(st.one_of(NUMBERS, st.just(2**64 - 1)))
    if draw(st.booleans()):
        metric.datatype = draw(st.one_of(st.integers(0, 36), NUMBERS))
    if draw(st.booleans()):
        metric.is_null = draw(st.booleans())
    if draw(st.booleans()):
        metric.is_historical = draw(st.booleans())
    if draw(st.booleans()):
        metric.properties.keys.extend(draw(st.lists(TEXTS, max_size=2)))
        metric.properties.values.add(type=draw(st.integers(0, 40)), int_value=draw(NUMBERS))
    fill_value(draw, metric)
    return metric


def fill_value(draw, metric):
    kind = draw(st.integers(0, 9))
    if kind == 0:
        metric.int_value = draw(NUMBERS)
    elif kind == 1:
        metric.long_value = draw(st.one_of(NUMBERS, st.just(2**64 - 1)))
    elif kind == 2:
        metric.double_value = draw(st.floats())
    elif kind == 3:
        metric.boolean_value = draw(st.booleans())
    elif kind == 4:
        metric.string_value = draw(st.text(max_size=3))
    elif kind == 5:
        metric.bytes_value = draw(st.binary(max_size=9))
    elif kind == 6:
        metric.dataset_value.types.extend(draw(st.lists(NUMBERS, max_size=2)))
        metric.dataset_value.columns.extend(draw(st.lists(TEXTS, max_size=2)))
        metric.dataset_value.rows.add().elements.add(int_value=3)
    elif kind == 7:
        metric.template_value.parameters.add(name="p", type=draw(NUMBERS), string_value="x")
        metric.template_value.metrics.add(name="m", datatype=3, string_value="no")


@st.composite
def payloads(draw):
    """Bytes that are almost a payload: built, and sometimes bent."""
    message = PayloadMessage()
    if draw(st.booleans()):
        message.seq = draw(NUMBERS)
    if draw(st.booleans()):
        message.timestamp = draw(st.one_of(NUMBERS, st.just(NOW), st.just(2**64 - 1)))
    if draw(st.integers(0, 9)) == 0:
        message.uuid, message.body = "SPBV1.0_COMPRESSED", draw(st.binary(max_size=9))
    message.metrics.extend(draw(st.lists(metrics(), max_size=4)))
    data = bytearray(message.SerializeToString())
    for _ in range(draw(st.integers(0, 2))):
        if data:
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


PAYLOADS = st.one_of(st.binary(max_size=60), payloads(), st.just(b'{"online":false}'))


@given(PAYLOADS)
@settings(max_examples=500)
def test_decode_raises_nothing_but_its_own_error(data):
    """Any bytes are a payload, with problems or without, or a PeerProtocolError."""
    try:
        payload = decode(data)
    except PeerProtocolError:
        return
    assert all(isinstance(problem, str) for problem in payload.problems)


@given(st.lists(st.tuples(TOPICS, PAYLOADS, st.booleans(), st.integers(0, 3000)), max_size=12))
@settings(max_examples=300, deadline=None)
def test_a_host_survives_anything(messages):
    """No exception, only events; and afterwards a proper birth is heard."""
    host, now = HostApplication("uns"), NOW
    host.will(now)
    host.connected(now)
    for topic, payload, retain, ms in messages:
        now += ms
        events = host.received(Message(topic, payload, 0, retain), now) + host.tick(now)
        assert all(
            isinstance(e, Born | Changed | Died | Problem | Publish | Reconnect) for e in events
        )
    edge = EdgeNode(NODE, {"d": [MetricDefinition("x", DataType.DOUBLE)]}, bd_seq=9)
    edge.device_up("d", now)
    now += 5000
    host.tick(now)
    edge.will()
    for message in edge.connected(now) + edge.observed("d", [(1, 1.5, 192, now)], now):
        host.received(message, now)
    assert 1.5 == host._nodes[NODE].find_device("d").find("x").value


@given(st.lists(st.tuples(TOPICS, PAYLOADS, st.booleans()), max_size=12))
@settings(max_examples=300, deadline=None)
def test_an_edge_node_survives_anything(messages):
    """Commands from anyone are answered, refused or ignored."""
    edge = EdgeNode(NODE, {"d": [MetricDefinition("m", DataType.INT8)]})
    edge.will()
    edge.connected(NOW)
    for topic, payload, retain in messages:
        edge.received(Message(topic, payload, 0, retain), NOW)
    assert edge.is_online


def test_a_number_that_never_ends_is_refused_at_once() -> None:
    """A megabyte of 0xFF is one endless varint: it is refused, not counted to its end."""
    with pytest.raises(PeerProtocolError):
        decode(b"\xff" * 1_000_000)
