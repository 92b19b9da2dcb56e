"""Writes: typed, refused where they cannot be, and followed until the device shows the value."""

from __future__ import annotations

import pytest

from uns.errors import DeviceError
from uns.message import Message
from uns.metric import DataType, Quality
from uns.sparkplug import (
    Command,
    HostApplication,
    HostSettings,
    Metric,
    NodeId,
    Payload,
    WriteOutcome,
    Written,
    decode,
    encode,
)

NODE = NodeId("acme:leeds", "packaging:line1")


def feed(host, messages, now):
    return [event for message in messages for event in host.received(message, now)]


def outcomes(events):
    return [(e.id, e.outcome) for e in events if isinstance(e, Written)]


def said(edge, name, value, at, quality=Quality.GOOD):
    return edge.observed("filler", [(edge.alias_of("filler", name), value, quality, at)], at)


@pytest.fixture
def pair(host, online, now):
    """A host that knows the edge node and its filler."""
    feed(host, online.received(host.request_rebirth(NODE, now).message, now), now)
    return host, online


@pytest.mark.conforms(
    "tck-id-topics-dcmd-topic",
    "tck-id-topics-dcmd-mqtt",
    "tck-id-topics-dcmd-timestamp",
    "tck-id-topics-dcmd-payload",
    "tck-id-payloads-dcmd-timestamp",
    "tck-id-payloads-dcmd-seq",
    "tck-id-payloads-dcmd-qos",
    "tck-id-payloads-dcmd-retain",
    "tck-id-operational-behavior-data-commands-dcmd-verb",
    "tck-id-operational-behavior-data-commands-dcmd-metric-value",
    "tck-id-payloads-alias-data-cmd-requirement",
)
def test_a_write_to_a_device_is_a_dcmd(pair, now):
    """QoS 0, no seq, by alias and without the name, the value as its datatype holds it."""
    host, edge = pair
    write = host.write(NODE, "filler", "bowl_pressure", "2.5", now)
    sent, payload = write.publish.message, decode(write.publish.message.payload)
    assert "spBv1.0/acme:leeds/DCMD/packaging:line1/filler" == sent.topic
    assert (0, False, None, now) == (sent.qos, sent.retain, payload.seq, payload.timestamp_ms)
    (metric,) = payload.metrics
    assert (None, edge.alias_of("filler", "bowl_pressure"), 2.5, DataType.FLOAT) == (
        metric.name,
        metric.alias,
        metric.value,
        metric.datatype,
    )
    assert [Command("filler", "bowl_pressure", 2.5, DataType.FLOAT, now)] == edge.received(
        sent, now
    )


@pytest.mark.conforms(
    "tck-id-topics-ncmd-topic",
    "tck-id-topics-ncmd-mqtt",
    "tck-id-topics-ncmd-timestamp",
    "tck-id-topics-ncmd-payload",
    "tck-id-payloads-ncmd-timestamp",
    "tck-id-payloads-ncmd-seq",
    "tck-id-payloads-ncmd-qos",
    "tck-id-payloads-ncmd-retain",
    "tck-id-operational-behavior-data-commands-ncmd-verb",
    "tck-id-operational-behavior-data-commands-ncmd-metric-name",
    "tck-id-operational-behavior-data-commands-ncmd-metric-value",
)
def test_a_write_to_a_node_is_an_ncmd(host, now):
    """By name where the birth gave no alias."""
    birth = (Metric("bdSeq", 0, DataType.INT64), Metric("mode", 1, DataType.INT16))
    feed(host, [Message("spBv1.0/g/NBIRTH/e", encode(Payload(now, birth, 0)))], now)
    sent = host.write(NodeId("g", "e"), "", "mode", 7, now).publish.message
    payload = decode(sent.payload)
    assert ("spBv1.0/g/NCMD/e", 0, False) == (sent.topic, sent.qos, sent.retain)
    assert (None, now) == (payload.seq, payload.timestamp_ms)
    assert [("mode", None, 7)] == [(m.name, m.alias, m.value) for m in payload.metrics]


@pytest.mark.parametrize(
    ("write", "text"),
    [
        (("labeller", "state", 1), "is not online"),
        (("filler", "ghost", 1), "has no metric `ghost`"),
        (("filler", "good", "x"), "is no UInt32"),
        (("filler", "good", -1), "is no UInt32"),
        (("filler", "good", None), "is no UInt32"),
        (("", "bdSeq", 5), "has no metric `bdSeq`"),
    ],
)
def test_a_write_that_cannot_be_is_refused_here(pair, now, write, text):
    """Before anything is sent, in words."""
    host, _ = pair
    with pytest.raises(DeviceError, match=text):
        host.write(NODE, *write, now)


def test_a_write_is_confirmed_by_data(pair, now):
    """Once, by the first message that shows the value; others do not count."""
    host, edge = pair
    write = host.write(NODE, "filler", "good", 7, now)
    assert [] == outcomes(feed(host, said(edge, "good", 6, now + 1), now + 1))
    events = feed(host, said(edge, "good", 7, now + 2), now + 2)
    assert Written(write.id, NODE, "filler", "good", 7, WriteOutcome.CONFIRMED, "") == events[-1]
    assert [] == outcomes(feed(host, said(edge, "good", 7, now + 3), now + 3))
    assert [] == outcomes(host.tick(now + 60_000))


def test_a_float_is_compared_as_the_device_holds_it(pair, now):
    """0.1 comes back as 0.10000000149."""
    host, edge = pair
    write = host.write(NODE, "filler", "bowl_pressure", 0.1, now)
    events = feed(host, said(edge, "bowl_pressure", 0.1, now + 1), now + 1)
    assert [(write.id, WriteOutcome.CONFIRMED)] == outcomes(events)


def test_a_write_is_confirmed_by_a_birth(pair, now):
    """A rebirth in between shows the value as well, and does not lose the write."""
    host, edge = pair
    write = host.write(NODE, "filler", "good", 7, now)
    edge.observed("filler", [(edge.alias_of("filler", "good"), 7, 192, now)], now)  # lost
    births = edge.received(host.request_rebirth(NODE, now).message, now + 2000)
    assert [(write.id, WriteOutcome.CONFIRMED)] == outcomes(feed(host, births, now + 2000))


@pytest.mark.parametrize("quality", [Quality.BAD, Quality.STALE])
def test_a_value_without_worth_confirms_nothing(pair, now, quality):
    """What is old or bad was not written."""
    host, edge = pair
    host.write(NODE, "filler", "good", 7, now)
    assert [] == outcomes(feed(host, said(edge, "good", 7, now + 1, quality), now + 1))


def test_a_write_that_nobody_answers_is_unconfirmed(pair, now):
    """After its own time-out, once; and it says where the value was there before."""
    host, edge = pair
    feed(host, said(edge, "good", 7, now), now)
    first = host.write(NODE, "filler", "good", 7, now, timeout_ms=1000)
    second = host.write(NODE, "filler", "recipe", "cola", now)
    assert [] == host.tick(now + 999)
    (written,) = host.tick(now + 1000)
    assert (first.id, WriteOutcome.UNCONFIRMED) == (written.id, written.outcome)
    assert "it showed the value before, and has not said so again" == written.reason
    assert [(second.id, WriteOutcome.UNCONFIRMED)] == outcomes(host.tick(now + 5000))


@pytest.mark.parametrize("how", ["device", "node", "broker"])
def test_a_write_to_what_dies_is_lost(pair, now, how):
    """The device, its node, or the way to it; nothing waits for the time-out."""
    host, edge = pair
    write = host.write(NODE, "filler", "good", 7, now)
    if how == "broker":
        events = host.disconnected(now + 1)
    else:
        death = edge.device_down("filler", now) if how == "device" else edge.stopping(now)
        events = feed(host, death, now + 1)
    assert [(write.id, WriteOutcome.LOST)] == outcomes(events)
    assert [] == outcomes(host.tick(now + 60_000))


def test_two_writes_to_one_metric_are_two(pair, now):
    """Each is confirmed by its own value."""
    host, edge = pair
    ids = [host.write(NODE, "filler", "good", value, now).id for value in (1, 2)]
    messages = said(edge, "good", 1, now) + said(edge, "good", 2, now)
    assert [(n, WriteOutcome.CONFIRMED) for n in ids] == outcomes(feed(host, messages, now))


def test_writes_under_way_have_a_limit(online, now):
    """More are refused until some are answered."""
    host = HostApplication("uns", settings=HostSettings(max_writes=2))
    feed(host, online.received(host.request_rebirth(NODE, now).message, now), now)
    for value in (1, 2):
        host.write(NODE, "filler", "good", value, now)
    with pytest.raises(DeviceError, match="2 writes wait"):
        host.write(NODE, "filler", "good", 3, now)
    host.tick(now + 5000)
    host.write(NODE, "filler", "good", 3, now + 5000)
