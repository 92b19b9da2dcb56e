"""What a host asks about and what it leaves alone: each trigger, deaths out of turn, aliases twice."""

from __future__ import annotations

import pytest

from uns.message import Message
from uns.metric import DataType
from uns.sparkplug import (
    Born,
    Changed,
    Died,
    HostApplication,
    HostSettings,
    Metric,
    NodeId,
    NodeSettings,
    Payload,
    Problem,
    Publish,
    RebirthSettings,
    encode,
)
from uns.sparkplug.rebirth import Doubt

NODE = NodeId("g", "e")
INT = DataType.INT32


def message(kind, *metrics, seq=None, at=None):
    topic = f"spBv1.0/g/{kind}/e" + ("/d" if kind.startswith("D") else "")
    return Message(topic, encode(Payload(at, metrics, seq)))


def bd_seq(number):
    return Metric("bdSeq", number, DataType.INT64)


def feed(host, now, *messages):
    return [event for one in messages for event in host.received(one, now)]


def only(kind, events):
    return [event for event in events if isinstance(event, kind)]


def born(host, now, session=0):
    return feed(
        host,
        now,
        message("NBIRTH", bd_seq(session), seq=0, at=now),
        message("DBIRTH", Metric("n", 1, INT, alias=1), seq=1, at=now),
    )


def data(seq, at=None, *, alias=1):
    return message("DDATA", Metric(None, 5, INT, alias=alias), seq=seq, at=at)


CAUSES = {
    Doubt.NO_BIRTH: [data(9)],
    Doubt.GAP: ["birth", data(7)],
    Doubt.UNKNOWN_METRIC: ["birth", data(2, alias=44)],
    Doubt.NO_DEVICE_BIRTH: [message("NBIRTH", bd_seq(0), seq=0), data(1)],
    Doubt.UNREADABLE: ["birth", Message("spBv1.0/g/NDATA/e", b"{}")],
    Doubt.EARLY_DEATH: [message("NDEATH", bd_seq(0)), message("NBIRTH", bd_seq(0), seq=0)],
    Doubt.OTHER_DEATH: ["birth", message("NDEATH", bd_seq(7))],
    Doubt.SHARED_ALIAS: [
        message("NBIRTH", bd_seq(0), *(Metric(n, 1, INT, alias=4) for n in "ab"), seq=0)
    ],
}


def asked(settings, doubt, now):
    """How often a rebirth is asked for, within four seconds of what raises the doubt."""
    host = HostApplication("uns", settings=settings)
    events = []
    for one in CAUSES[doubt]:
        events += born(host, now) if one == "birth" else feed(host, now, one)
    for ms in range(0, 4000, 100):
        events += host.tick(now + ms)
    return len(only(Publish, events))


@pytest.mark.parametrize("doubt", CAUSES)
def test_each_doubt_asks_for_a_rebirth(doubt, now):
    """The node's births put an end to it."""
    assert 1 <= asked(HostSettings(), doubt, now) <= 3


@pytest.mark.parametrize("doubt", CAUSES)
def test_each_doubt_can_be_switched_off(doubt, now):
    """What it says is a problem or nothing, and never a request."""
    triggers = frozenset(Doubt) - {doubt}
    assert 0 == asked(HostSettings(rebirth=RebirthSettings(triggers=triggers)), doubt, now)


@pytest.mark.parametrize("doubt", CAUSES)
def test_a_host_that_may_not_ask_asks_nothing(doubt, now):
    """Another host sees to it; someone who wants a rebirth still gets one."""
    assert 0 == asked(HostSettings(may_request_rebirth=False), doubt, now)


def test_a_gap_that_nobody_minds_is_no_death(now):
    """Where gaps are switched off, a node that is not asked is not expected to answer."""
    triggers = frozenset(Doubt) - {Doubt.GAP}
    host = HostApplication("uns", settings=HostSettings(rebirth=RebirthSettings(triggers=triggers)))
    born(host, now)
    feed(host, now, data(7, now))
    events = [event for ms in range(0, 60_000, 500) for event in host.tick(now + ms)]
    assert [Changed] == [type(event) for event in events]


def test_a_gap_that_may_not_be_asked_about_is_stale(now):
    """Values may be wrong, and are not shown as live."""
    host = HostApplication("uns", settings=HostSettings(may_request_rebirth=False))
    born(host, now)
    feed(host, now, data(7, now))
    events = host.tick(now + 2000) + host.tick(now + 4000)
    assert [NODE] == [died.node for died in only(Died, events)]


def test_a_node_that_counts_its_deaths_wrong_does_not_look_live_for_ever(host, now):
    """Pysparkplug says goodbye with the number of its next session, and answers no rebirth."""
    born(host, now)
    assert [] == feed(host, now, message("NDEATH", bd_seq(1)))
    assert [] == host.tick(now + 1999)
    assert ["spBv1.0/g/NCMD/e"] == [p.message.topic for p in host.tick(now + 2000)]
    (died, *_) = host.tick(now + 4000)
    assert (NODE, None) == (died.node, died.device_id)


@pytest.mark.parametrize("ms", [500, 2500])
def test_a_late_will_costs_a_live_node_nothing(host, now, ms):
    """It says something, before it is asked or after; then nobody expects a birth of it."""
    born(host, now, session=3)
    feed(host, now, message("NDEATH", bd_seq(2)))
    events = []
    for at in range(now, now + 60_000, 500):
        if at == now + ms:
            events += feed(host, at, data(2, at))
        events += host.tick(at)
    assert [] == only(Died, events)


def test_a_birth_without_a_number_dies_with_any_death(host, now):
    """Better stale than live in error; it is reported."""
    events = feed(host, now, message("NBIRTH", seq=0, at=now))
    assert ["NBIRTH has no bdSeq"] == [p.text[:19] for p in only(Problem, events)]
    assert [NODE] == [e.node for e in feed(host, now, message("NDEATH", bd_seq(9)))]


def test_two_metrics_with_one_alias_are_asked_about_ever_less(host, now):
    """A node that always does it is not asked in a circle."""
    twice = [Metric(n, 1, INT, alias=4) for n in "ab"]
    requests = 0
    for second in range(300):
        at = now + second * 1000
        events = host.tick(at)
        if second == 0 or only(Publish, events):
            events += feed(host, at, message("NBIRTH", bd_seq(0), *twice, seq=0, at=at))
        requests += len(only(Publish, events))
    assert 3 <= requests <= 10


@pytest.mark.conforms("tck-id-operational-behavior-host-reordering-param")
def test_how_long_a_host_waits_can_be_said(now):
    """For messages that others have overtaken, and then for the births."""
    settings = HostSettings(node=NodeSettings(reorder_timeout_ms=500, patience_ms=100))
    host = HostApplication("uns", settings=settings)
    born(host, now)
    feed(host, now, data(7, now))
    assert [] == host.tick(now + 499)
    assert only(Publish, host.tick(now + 500))
    assert only(Died, host.tick(now + 600))


@pytest.mark.parametrize("datatype", [DataType.INT64, DataType.UINT64, DataType.INT32])
@pytest.mark.parametrize("seq", [0, 7, 255])
def test_births_are_taken_as_chapters_of_the_standard_differ(host, now, datatype, seq):
    """The session is Int64 here and UInt64 there; NBIRTH begins at 0 here and anywhere there."""
    session = Metric("bdSeq", 5, datatype)
    feed(host, now, message("NBIRTH", session, seq=seq, at=now))
    after = message("DBIRTH", Metric("n", 1, INT, alias=1), seq=(seq + 1) % 256, at=now)
    assert [] == only(Problem, feed(host, now, after))
    assert [] == only(Publish, host.tick(now + 3000))
    assert [NODE] == [died.node for died in feed(host, now, message("NDEATH", session))]


def test_whoever_invents_devices_is_told_and_left_out(now):
    """More devices than an edge node may have are named once each and cost no memory."""
    host = HostApplication("uns", settings=HostSettings(node=NodeSettings(max_devices=2)))
    feed(host, now, message("NBIRTH", bd_seq(0), seq=0, at=now))
    births = [
        Message(f"spBv1.0/g/DBIRTH/e/d{number}", encode(Payload(now, (), number)))
        for number in (1, 2, 3)
    ]
    events = feed(host, now, *births)
    assert ["d1", "d2"] == [one.device_id for one in only(Born, events)]
    assert ["more than 2 devices; d3 is left out"] == [one.text for one in only(Problem, events)]
    again = Message("spBv1.0/g/DBIRTH/e/d1", encode(Payload(now, (), 4)))
    assert ["d1"] == [one.device_id for one in only(Born, feed(host, now, again))]
