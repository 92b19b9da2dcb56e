"""A host's own STATE: what it says on each server, and what it does about those who say else."""

from __future__ import annotations

import itertools
import json

import pytest

from uns.errors import ProjectError
from uns.message import Message
from uns.sparkplug import HostApplication, Problem, Publish, Reconnect, decode

STATE = "spBv1.0/STATE/uns"


def published(events):
    return [event.message for event in events if isinstance(event, Publish)]


def only(kind, events):
    return [event for event in events if isinstance(event, kind)]


def state_of(message):
    return (message.topic, message.qos, message.retain, json.loads(message.payload))


def says(is_online, at):
    return Message(STATE, json.dumps({"online": is_online, "timestamp": at}).encode(), 1)


@pytest.mark.conforms(
    "tck-id-host-topic-phid-death-qos",
    "tck-id-host-topic-phid-death-retain",
    "tck-id-host-topic-phid-death-topic",
    "tck-id-host-topic-phid-death-payload",
    "tck-id-host-topic-phid-death-payload-timestamp-connect",
    "tck-id-operational-behavior-host-application-connect-will-topic",
    "tck-id-operational-behavior-host-application-connect-will-payload",
    "tck-id-operational-behavior-host-application-connect-will-qos",
    "tck-id-operational-behavior-host-application-connect-will-retained",
    "tck-id-payloads-state-will-message",
    "tck-id-payloads-state-will-message-qos",
    "tck-id-payloads-state-will-message-retain",
    "tck-id-payloads-state-will-message-payload",
)
def test_the_will_says_offline_as_of_now(now):
    """QoS 1, retained, and never an older time than was said before."""
    host = HostApplication("uns")
    assert (STATE, 1, True, {"online": False, "timestamp": now}) == state_of(host.will(now))
    assert now + 9 == json.loads(host.will(now + 9).payload)["timestamp"]
    assert now + 9 == json.loads(host.will(now - 5000).payload)["timestamp"]


@pytest.mark.conforms(
    "tck-id-host-topic-phid-birth-message",
    "tck-id-host-topic-phid-birth-qos",
    "tck-id-host-topic-phid-birth-retain",
    "tck-id-host-topic-phid-birth-topic",
    "tck-id-host-topic-phid-birth-payload",
    "tck-id-host-topic-phid-birth-payload-timestamp",
    "tck-id-host-topic-phid-birth-required",
    "tck-id-message-flow-phid-sparkplug-state-publish",
    "tck-id-message-flow-phid-sparkplug-state-publish-payload",
    "tck-id-message-flow-phid-sparkplug-state-publish-payload-timestamp",
    "tck-id-operational-behavior-host-application-connect-birth",
    "tck-id-operational-behavior-host-application-connect-birth-topic",
    "tck-id-operational-behavior-host-application-connect-birth-payload",
    "tck-id-operational-behavior-host-application-connect-birth-qos",
    "tck-id-operational-behavior-host-application-connect-birth-retained",
    "tck-id-payloads-state-birth",
    "tck-id-payloads-state-birth-payload",
)
def test_the_birth_has_the_time_of_the_will(now):
    """It is the first that is published, however long the CONNECT took."""
    host = HostApplication("uns")
    host.will(now)
    (birth,) = host.connected(now + 80)
    assert (STATE, 1, True, {"online": True, "timestamp": now}) == state_of(birth.message)


@pytest.mark.conforms(
    "tck-id-message-flow-phid-sparkplug-subscription",
    "tck-id-host-topic-phid-birth-sub-required",
    "tck-id-payloads-state-subscribe",
)
def test_the_namespace_and_its_own_state_are_subscribed_to(now):
    """Word for word, at QoS 1."""
    assert [("spBv1.0/#", 1), (STATE, 1)] == HostApplication("uns").subscriptions()


@pytest.mark.conforms(
    "tck-id-operational-behavior-host-application-multi-server-timestamp",
    "tck-id-operational-behavior-primary-application-state-with-multiple-servers-state",
)
def test_each_server_has_a_time_of_its_own(now):
    """A session with one advances nothing on the other; each begins with a birth."""
    host = HostApplication("uns")
    times = {}
    for at, server in ((now, "a"), (now + 1000, "b"), (now + 2000, "b")):
        host.will(at, server=server)
        birth, *_ = host.connected(at + 5, server=server)
        assert server == birth.server
        times[server] = json.loads(birth.message.payload)["timestamp"]
    assert {"a": now, "b": now + 2000} == times
    (denial,) = host.received(says(False, 5), now + 3000, server="a")
    assert ("a", now) == (denial.server, json.loads(denial.message.payload)["timestamp"])


@pytest.mark.conforms("tck-id-message-flow-hid-sparkplug-state-message-delivered")
@pytest.mark.parametrize("age", [0, 1, 10**9])
def test_our_own_death_seen_while_alive_is_denied(host, now, age):
    """With the will's time, on the same server."""
    (denial,) = host.received(says(False, now - age), now + 9)
    assert {"online": True, "timestamp": now} == json.loads(denial.message.payload)


def test_a_retained_state_that_someone_cleared_is_said_again(host, now):
    """An edge node that comes now must find it."""
    (denial,) = host.received(Message(STATE, b"", 1), now + 9)
    assert {"online": True, "timestamp": now} == json.loads(denial.message.payload)


def test_a_later_death_of_ours_makes_us_begin_anew(host, now):
    """It is denied, and edge nodes that go by the time get a later birth (sparkplug#547)."""
    events = host.received(says(False, now + 500), now + 100)
    assert [True] == [json.loads(m.payload)["online"] for m in published(events)]
    assert ["two hosts seem to share the id"] == [p.text[-30:] for p in only(Problem, events)]
    assert [""] == [event.server for event in only(Reconnect, events)]
    host.disconnected(now + 110)
    assert now + 501 == json.loads(host.will(now + 120).payload)["timestamp"]
    (birth,) = host.connected(now + 130)
    assert now + 501 == json.loads(birth.message.payload)["timestamp"]


def test_two_hosts_with_one_id_do_not_storm(now):
    """Each drops the other's word with an ever longer pause."""
    host, reconnects, at = HostApplication("uns"), [], now
    host.will(now)
    host.connected(now)
    for at in range(now, now + 600_000, 250):
        events = host.received(says(False, at + 1), at) + host.tick(at)
        if only(Reconnect, events):
            reconnects.append(at)
            host.disconnected(at)
            host.will(at)
            host.connected(at)
    pauses = [b - a for a, b in itertools.pairwise(reconnects)]
    assert 1000 <= min(pauses)
    assert pauses == sorted(pauses)
    assert 12 <= len(reconnects) <= 20


def test_a_death_of_a_mad_clock_is_not_followed(host, now):
    """Who took its time over would be ahead of everybody for ever."""
    events = host.received(says(False, now + 10**9), now)
    assert [] == only(Reconnect, events + host.tick(now + 60_000))
    assert "ahead" in only(Problem, events)[0].text
    assert now + 9 == json.loads(host.will(now + 9).payload)["timestamp"]


def test_a_former_life_with_a_later_clock_is_surpassed(now):
    """Its retained STATE arrives before our birth."""
    host = HostApplication("uns")
    host.will(now)
    assert [] == published(host.received(says(False, now + 4000), now + 1))
    host.connected(now + 2)
    assert [Reconnect] == [type(event) for event in host.tick(now + 200)]
    assert now + 4001 == json.loads(host.will(now + 300).payload)["timestamp"]


@pytest.mark.conforms(
    "tck-id-host-topic-phid-death-payload-timestamp-disconnect-clean",
    "tck-id-operational-behavior-host-application-termination",
    "tck-id-operational-behavior-host-application-death-topic",
    "tck-id-operational-behavior-host-application-death-payload",
    "tck-id-operational-behavior-host-application-death-qos",
    "tck-id-operational-behavior-host-application-death-retained",
    "tck-id-intro-sparkplug-host-state",
)
def test_leaving_says_offline_as_of_now_and_is_not_denied(host, now):
    """Our own last word comes back to us (sparkplug#539)."""
    (death,) = published(host.stopping(now + 7))
    assert (STATE, 1, True, {"online": False, "timestamp": now + 7}) == state_of(death)
    assert [] == host.received(Message(STATE, death.payload), now + 8)
    assert [] == host.received(says(False, now + 900), now + 8) + host.tick(now + 9000)


def test_a_server_that_is_left_says_nothing_of_the_other(host, now):
    """Leaving one server is leaving that one."""
    host.will(now, server="b")
    host.connected(now, server="b")
    host.stopping(now + 5, server="b")
    assert [""] == [e.server for e in host.received(says(False, 5), now + 9)]


@pytest.mark.parametrize(
    "payload",
    [
        b"ONLINE",
        b"[]",
        b'{"online":"yes","timestamp":1}',
        b'{"online":true}',
        b"[" * 4000,
        b"{" * 9000,
        b'{"online":true,"timestamp":-1}',
        b'{"online":true,"timestamp":true}',
    ],
)
def test_a_state_that_is_none_is_a_problem(host, now, payload):
    """Older products send plain words; nothing raises."""
    (problem,) = host.received(Message(STATE, payload), now)
    assert "STATE" in problem.text


def test_other_hosts_states_are_theirs(host, now):
    """Whatever they say."""
    assert [] == host.received(Message("spBv1.0/STATE/other", b"OFFLINE"), now)


def test_a_host_id_must_fit_a_topic():
    """It is one level of the STATE topic."""
    with pytest.raises(ProjectError, match="host id"):
        HostApplication("a/b")


def test_asking_for_a_rebirth_goes_where_the_node_lives(host, online, now):
    """By name, to the server of its last birth."""
    host.will(now, server="b")
    host.connected(now, server="b")
    request = host.request_rebirth(online.node, now)
    assert "" == request.server
    for message in online.received(request.message, now):
        host.received(message, now, server="b")
    request = host.request_rebirth(online.node, now)
    assert "b" == request.server
    assert "Node Control/Rebirth" == decode(request.message.payload).metrics[0].name
