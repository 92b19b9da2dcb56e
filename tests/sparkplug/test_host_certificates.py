"""Births that an aware server keeps: they explain data, and are no sign of life."""

from __future__ import annotations

import pytest

from uns.message import Message
from uns.metric import Quality
from uns.sparkplug import Born, Changed, Died, HostApplication, HostSettings, NodeId, Publish

NODE = NodeId("acme:leeds", "packaging:line1")
KEPT = "$sparkplug/certificates/"


def feed(host, messages, now):
    return [event for message in messages for event in host.received(message, now)]


def requests(events):
    return [e.message.topic for e in events if isinstance(e, Publish)]


def kept(messages):
    """As the server hands them to who subscribes."""
    return [Message(KEPT + m.topic, m.payload, 0, True) for m in messages]


def count(edge, now, number=1):
    return edge.observed("filler", [(edge.alias_of("filler", "good"), number, 192, now)], now)


@pytest.fixture
def aware(now):
    host = HostApplication("uns", settings=HostSettings(is_server_aware=True))
    host.will(now)
    host.connected(now)
    return host


@pytest.fixture
def births(edge, now):
    """Of a node with a filler that has said a few things since."""
    edge.will()
    edge.device_up("filler", now)
    found = edge.connected(now)
    for n in range(5):
        count(edge, now, n)
    return found


def test_certificates_are_subscribed_to_first(aware):
    """So that they arrive before the data that they explain."""
    assert [("$sparkplug/certificates/#", 1), ("spBv1.0/#", 1)] == aware.subscriptions()[:2]


def test_a_kept_birth_is_no_sign_of_life(aware, births, now):
    """The node may have died a year ago; it is asked, some time later."""
    assert [] == feed(aware, kept(births), now) + aware.tick(now + 9_999)
    assert ["spBv1.0/acme:leeds/NCMD/packaging:line1"] == requests(aware.tick(now + 10_000))
    assert not aware._nodes[NODE].is_online


def test_data_is_understood_without_a_birth(aware, edge, births, now):
    """Any seq is the next, the rest is stale, and nobody is asked at once."""
    feed(aware, kept(births), now)
    node, device, changed = feed(aware, count(edge, now, 7), now + 1)
    assert [("", Born), ("filler", Born)] == [(b.device_id, type(b)) for b in (node, device)]
    assert {Quality.STALE} == {slot.quality for slot in device.slots if slot.name != "good"}
    assert [("good", 7, 192)] == [(slot.name, *rest[:2]) for slot, *rest in changed.updates]
    assert [Changed] == [type(event) for event in feed(aware, count(edge, now + 2, 8), now + 2)]
    assert [] == aware.tick(now + 5000)


def test_unchanged_values_become_current_with_the_rebirth(aware, edge, births, now):
    """One paced request makes them so."""
    feed(aware, kept(births), now)
    feed(aware, count(edge, now, 7), now + 1)
    (asked,) = aware.tick(now + 10_000)
    events = feed(aware, edge.received(asked.message, now + 10_001), now + 10_001)
    assert [] == [event for event in events if isinstance(event, Died)]
    slots = aware._nodes[NODE].find_device("filler").slots
    assert Quality.STALE not in {slot.quality for slot in slots}
    assert [] == aware.tick(now + 90_000)


def test_data_just_before_its_certificate_does_not_hurry(aware, edge, births, now):
    """The server sends both at once, in any order: no storm of requests."""
    assert [] == requests(feed(aware, count(edge, now), now))
    feed(aware, kept(births), now + 100)
    assert [] == requests(aware.tick(now + 5000))
    assert requests(aware.tick(now + 10_100))


def test_data_without_a_certificate_is_asked_about(aware, edge, births, now):
    """The server may be new as well."""
    feed(aware, count(edge, now), now)
    assert [] == aware.tick(now + 999)
    assert requests(aware.tick(now + 1000))


def test_a_certificate_of_a_live_node_is_no_news(aware, edge, births, now):
    """The birth itself came on its own topic."""
    feed(aware, births, now)
    assert [] == feed(aware, kept(births), now)
    assert [Changed] == [type(event) for event in feed(aware, numbers_after(edge, now), now)]


def numbers_after(edge, now):
    """The first data after a birth that was just repeated."""
    edge._seq = 2
    return count(edge, now)


def test_a_death_voids_what_was_kept(aware, edge, births, now):
    """The session that they describe is over."""
    feed(aware, kept(births), now)
    late = count(edge, now)
    feed(aware, edge.stopping(now), now)
    assert [] == feed(aware, late, now + 1)
    assert not aware._nodes[NODE].is_online


def test_other_hosts_do_not_look_at_certificates(host, births, now):
    """Where the servers are not said to be aware."""
    assert [] == feed(host, kept(births), now) + host.tick(now + 20_000)
    assert NODE not in host._nodes


@pytest.mark.parametrize(
    "topic", [KEPT, KEPT + "spBv1.0", KEPT + "spBv1.0/g/NDATA/e", KEPT + "x/y"]
)
def test_other_topics_there_are_ignored_or_reported(aware, topic, now):
    """Nothing raises."""
    assert all(not isinstance(e, Born) for e in feed(aware, [Message(topic, b"\x18\x01")], now))
