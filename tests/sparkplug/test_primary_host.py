"""The primary host and several brokers: when an edge node waits, is born, leaves and walks on."""

from __future__ import annotations

import pytest

from uns.errors import ProjectError
from uns.message import Message
from uns.metric import DataType
from uns.sparkplug import (
    EdgeNode,
    EdgeSettings,
    HostState,
    Leave,
    MetricDefinition,
    NodeId,
    Problem,
    decode,
)
from uns.sparkplug.primary_host import HostVerdict, PrimaryHost

NODE = NodeId("acme:leeds", "packaging:line1")
HOST = "uns-acme"
DEVICES = {"filler": [MetricDefinition("good", DataType.UINT32)]}


def state(online, at_ms, host=HOST, *, retain=False):
    return HostState(online, at_ms).message(host)._replace(retain=retain)


def kinds(effects):
    return [
        effect.topic.split("/")[2] if isinstance(effect, Message) else type(effect).__name__
        for effect in effects
    ]


def edge_of(servers=1, **settings):
    edge = EdgeNode(NODE, DEVICES, settings=EdgeSettings(HOST, servers=servers, **settings))
    edge.device_up("filler", 0)
    return edge


def connect(edge, now):
    edge.will()
    edge.advance()
    return edge.connected(now)


@pytest.fixture
def waiting(now):
    """An edge node that is connected and has heard nothing of its host."""
    edge = edge_of()
    assert [] == connect(edge, now)
    return edge


@pytest.fixture
def born(waiting, now):
    """The same after its host came online at `now`."""
    assert ["NBIRTH", "DBIRTH"] == kinds(waiting.received(state(True, now), now))
    return waiting


@pytest.mark.conforms(
    "tck-id-operational-behavior-primary-application-state-with-multiple-servers-state-subs"
)
def test_the_hosts_state_is_subscribed():
    """Exactly its own topic, at QoS 1; without a primary host there is no such subscription."""
    assert ("spBv1.0/STATE/uns-acme", 1) in edge_of().subscriptions()
    assert not any("STATE" in text for text, _ in EdgeNode(NODE, DEVICES).subscriptions())


@pytest.mark.conforms(
    "tck-id-message-flow-edge-node-birth-publish-phid-wait",
    "tck-id-operational-behavior-edge-node-birth-sequence-wait",
)
def test_births_wait_for_the_host(waiting, now):
    """Connected is not online: nothing at all is published before STATE says so."""
    assert (True, False, False) == (
        waiting.is_waiting,
        waiting.is_online,
        waiting.is_sending("filler"),
    )
    assert [] == waiting.observed("filler", [(1, 7, 192, now)], now)
    assert [] == waiting.device_down("filler", now) + waiting.device_up("filler", now)
    assert [] == waiting.tick(now + 10**9)
    births = waiting.received(state(True, now - 5000, retain=True), now)
    assert ["NBIRTH", "DBIRTH"] == kinds(births)
    assert 7 == decode(births[1].payload).find("good").value
    assert (False, True, True) == (
        waiting.is_waiting,
        waiting.is_online,
        waiting.is_sending("filler"),
    )


@pytest.mark.conforms("tck-id-message-flow-edge-node-birth-publish-phid-wait-id")
def test_another_hosts_state_is_no_concern(waiting, born, now):
    """Online or offline: the id must be the primary host's, letter by letter."""
    for host in ("uns-acme_WRONG", "UNS-ACME", "uns"):
        assert [] == waiting.received(state(False, now + 9, host), now)
    fresh = edge_of()
    connect(fresh, now)
    assert [] == fresh.received(state(True, now, "uns-acme_WRONG"), now)
    assert fresh.is_waiting


@pytest.mark.conforms("tck-id-message-flow-edge-node-birth-publish-phid-wait-online")
def test_an_offline_host_is_waited_for(waiting, now):
    """With one broker there is nowhere to walk to: stay until it says online."""
    assert [] == waiting.received(state(False, now), now)
    assert waiting.is_waiting
    assert ["NBIRTH", "DBIRTH"] == kinds(waiting.received(state(True, now), now))


@pytest.mark.parametrize(
    "payload", [b"ONLINE", b"{}", b'{"online":"true","timestamp":1}', b'{"online":true}', b"\xff"]
)
def test_what_is_no_state_is_a_problem(waiting, now, payload):
    """It is named, and it never brings a birth."""
    (problem,) = waiting.received(Message("spBv1.0/STATE/uns-acme", payload), now)
    assert isinstance(problem, Problem)
    assert waiting.is_waiting


def test_a_cleared_state_says_nothing(waiting, now):
    """An empty retained message is neither online nor offline."""
    empty = Message("spBv1.0/STATE/uns-acme", b"", retain=True)
    assert [] == waiting.received(empty, now)
    assert waiting.is_waiting
    waiting.received(state(True, now), now)
    assert [] == waiting.received(empty, now)
    assert waiting.is_online


@pytest.mark.conforms("tck-id-message-flow-edge-node-birth-publish-phid-wait-timestamp")
def test_an_old_state_never_counts_and_memory_outlives_the_connection(born, now):
    """After the host was heard at a time, an older online is an echo, on any later connection."""
    born.disconnected()
    assert [] == connect(born, now + 10)
    assert [] == born.received(state(True, now - 1, retain=True), now + 10)
    assert born.is_waiting
    assert ["NBIRTH", "DBIRTH"] == kinds(born.received(state(True, now, retain=True), now + 11))


def test_the_state_may_come_before_the_subscriptions_are_granted(now):
    """A broker sends retained messages as soon as it has the SUBSCRIBE."""
    edge = edge_of()
    edge.will()
    assert [] == edge.received(state(True, now, retain=True), now)
    assert ["NBIRTH", "DBIRTH"] == kinds(edge.connected(now))
    edge.disconnected()
    assert [] == connect(edge, now)  # and is forgotten with its session


@pytest.mark.conforms(
    "tck-id-message-flow-edge-node-birth-publish-phid-offline",
    "tck-id-operational-behavior-edge-node-termination-host-offline",
)
@pytest.mark.parametrize("later_ms", [0, 1, 10_000])
def test_the_host_going_offline_ends_the_session(born, now, later_ms):
    """NDEATH with our bdSeq at once, then leave; then all over again."""
    ndeath, leave = born.received(state(False, now + later_ms), now + later_ms)
    assert (["NDEATH", "Leave"], 1) == (kinds([ndeath, leave]), ndeath.qos)
    assert [born.bd_seq] == [metric.value for metric in decode(ndeath.payload).metrics]
    assert isinstance(leave, Leave)
    assert "uns-acme" in leave.reason
    assert (False, False) == (born.is_online, born.is_waiting)
    born.disconnected()
    assert [] == connect(born, now)
    again = born.received(state(True, now + later_ms), now)
    assert ["NBIRTH", "DBIRTH"] == kinds(again)
    assert 1 == decode(again[0].payload).find("bdSeq").value


@pytest.mark.conforms("tck-id-operational-behavior-edge-node-termination-host-offline-timestamp")
def test_an_older_offline_is_ignored(born, now):
    """The late will of an earlier session of the host's changes nothing."""
    assert [] == born.received(state(False, now - 1), now)
    assert born.is_online


def test_nothing_is_said_while_leaving(born, now):
    """Neither births nor data, whatever arrives, until the next connection."""
    born.received(state(False, now), now)
    assert [] == born.received(state(True, now + 1), now + 1)
    own_death = Message("spBv1.0/acme:leeds/NDEATH/packaging:line1", b"")
    assert [] == born.received(own_death, now + 1)
    assert [] == born.observed("filler", [(1, 5, 192, now)], now + 1)
    assert [] == born.tick(now + 10**6) + born.stopping(now + 2)
    assert [] == born.device_down("filler", now + 2)


@pytest.mark.conforms(
    "tck-id-operational-behavior-edge-node-termination-host-offline-reconnect",
    "tck-id-operational-behavior-primary-application-state-with-multiple-servers-walk",
)
def test_the_next_broker_is_tried_and_the_first_not_returned_to(now):
    """As the TCK's MultipleBrokerTest goes: births on 1, offline, births on 2, offline, births on 1."""
    edge = edge_of(servers=2)
    connect(edge, now)
    assert 0 == edge.server
    edge.received(state(True, now), now)
    assert ["NDEATH", "Leave"] == kinds(edge.received(state(False, now + 1), now + 1))
    assert 1 == edge.server
    edge.disconnected()
    assert [] == connect(edge, now + 2)
    assert ["NBIRTH", "DBIRTH"] == kinds(edge.received(state(True, now - 99), now + 2))
    assert [] == edge.tick(now + 10**7)  # born: nobody waits, and nobody goes back
    assert ["NDEATH", "Leave"] == kinds(edge.received(state(False, now + 3), now + 3))
    assert 0 == edge.server


def test_the_primary_host_test_of_the_tck(now):
    """Its steps in its order, up to the birth that its last STATE brings."""
    edge = edge_of()
    connect(edge, now)
    assert [] == edge.received(state(True, now, "uns-acme_WRONG"), now)
    assert [] == edge.received(state(False, now), now)
    assert ["NBIRTH", "DBIRTH"] == kinds(edge.received(state(True, now), now))
    assert [] == edge.received(state(False, now - 1000), now + 10)
    assert ["NDEATH", "Leave"] == kinds(edge.received(state(False, now + 20), now + 20))
    edge.disconnected()
    for attempt in range(2):  # the old online is retained: every connection hears it again
        connect(edge, now + 30 + attempt)
        assert [] == edge.received(state(True, now - 1000, retain=True), now + 30)
        edge.disconnected()
    connect(edge, now + 40)
    births = edge.received(state(True, now + 50), now + 50)
    assert (["NBIRTH", "DBIRTH"], 3) == (
        kinds(births),
        decode(births[0].payload).find("bdSeq").value,
    )


def test_every_broker_has_times_of_its_own(now):
    """The host's session with broker 2 may be far older."""
    memory = PrimaryHost()
    assert HostVerdict.ONLINE is memory.heard(state(True, now).payload, 0)
    assert HostVerdict.ONLINE is memory.heard(state(True, 5).payload, 1)
    assert HostVerdict.OUTDATED is memory.heard(state(False, now - 1).payload, 0)
    assert HostVerdict.OFFLINE is memory.heard(state(False, 6).payload, 1)
    assert HostVerdict.OUTDATED is memory.heard(state(True, 5).payload, 1)
    assert HostVerdict.UNKNOWN is memory.heard(b"", 1)


def test_an_offline_older_than_an_offline_still_counts(now):
    """Only an online of later is a reason to doubt it."""
    memory = PrimaryHost()
    memory.heard(state(True, 10).payload, 0)
    memory.heard(state(False, 30).payload, 0)
    assert HostVerdict.OFFLINE is memory.heard(state(False, 20).payload, 0)
    assert HostVerdict.OUTDATED is memory.heard(state(True, 20).payload, 0)
    assert HostVerdict.ONLINE is memory.heard(state(True, 30).payload, 0)


def test_without_a_state_the_next_broker_follows(now):
    """After `host_wait_ms`; there was no birth, so there is no death."""
    edge = edge_of(servers=2, host_wait_ms=5000)
    connect(edge, now)
    assert [] == edge.tick(now + 4999)
    assert ["Leave"] == kinds(edge.tick(now + 5000))
    assert (1, []) == (edge.server, edge.tick(now + 6000))
    edge.disconnected()
    connect(edge, now + 7000)
    assert [] == edge.tick(now + 11_999)
    assert ["Leave"] == kinds(edge.tick(now + 12_000))
    assert 0 == edge.server


def test_a_clock_put_back_does_not_prolong_the_wait_for_long(now):
    """The wait begins anew at the earlier time."""
    edge = edge_of(servers=2, host_wait_ms=5000)
    connect(edge, now)
    assert [] == edge.tick(now - 3_600_000)
    assert ["Leave"] == kinds(edge.tick(now - 3_600_000 + 5000))


def test_a_host_that_is_away_everywhere_does_not_send_us_round_and_round(now):
    """One quick round over three brokers; then each is given its time."""
    edge = edge_of(servers=3, host_wait_ms=5000)
    for expected in (1, 2):
        connect(edge, now)
        assert ["Leave"] == kinds(edge.received(state(False, now), now))
        assert expected == edge.server
        edge.disconnected()
    connect(edge, now)
    assert [] == edge.received(state(False, now), now)
    assert ["Leave"] == kinds(edge.tick(now + 5000))
    edge.disconnected()
    connect(edge, now)
    assert [] == edge.received(state(False, now), now)
    assert ["NBIRTH", "DBIRTH"] == kinds(edge.received(state(True, now), now))
    assert ["NDEATH", "Leave"] == kinds(edge.received(state(False, now), now))  # a new round
    edge.disconnected()
    connect(edge, now)
    assert ["Leave"] == kinds(edge.received(state(False, now), now))


def test_a_broker_that_cannot_be_reached_is_passed_over(now):
    """A lost connection tries the same broker first; only a failed attempt goes to the next."""
    edge = EdgeNode(NODE, DEVICES, settings=EdgeSettings(servers=2))
    assert ["NBIRTH"] == kinds(connect(edge, now))
    edge.disconnected()
    assert 0 == edge.server
    edge.will()
    edge.connect_failed()
    assert (1, 1) == (edge.server, edge.bd_seq + 1)  # the CONNECT never left
    edge.will()
    edge.connect_failed()
    assert 0 == edge.server


def test_a_rebirth_request_does_not_end_the_wait(waiting, now):
    """Whoever asks: births come with the host's STATE and not before."""
    metric = bytes.fromhex("12 1a 0a14") + b"Node Control/Rebirth" + bytes.fromhex("20 0b 70 01")
    ncmd = Message("spBv1.0/acme:leeds/NCMD/packaging:line1", metric)
    assert [] == waiting.received(ncmd, now)
    assert [] == waiting.tick(now + 5000)
    assert waiting.is_waiting


@pytest.mark.parametrize("wrong", [{"primary_host": "a/b"}, {"servers": 0}])
def test_settings_that_cannot_be_are_the_projects_error(wrong):
    """An id with a level in it, and no broker at all."""
    with pytest.raises(ProjectError):
        EdgeSettings(**wrong)
