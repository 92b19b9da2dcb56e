"""A host on two servers: where a node lives, who may kill it, and what a lost server takes along."""

from __future__ import annotations

import pytest

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
    decode,
)

NODE = NodeId("g", "e")
DEVICES = {"d": [MetricDefinition("n", DataType.INT32)]}


def feed(host, messages, now, server):
    return [e for message in messages for e in host.received(message, now, server=server)]


def only(kind, events):
    return [event for event in events if isinstance(event, kind)]


def requests(events):
    """The servers on which a rebirth is asked for."""
    return [e.server for e in only(Publish, events) if "/NCMD/" in e.message.topic]


def value(host):
    known = host._nodes.get(NODE)
    device = known.find_device("d") if known else None
    return device and device.find("n").value


class Line:
    """An edge node that has several brokers to connect to."""

    def __init__(self):
        self.edge = EdgeNode(NODE, DEVICES)
        self.edge.device_up("d", 0)
        self.said = 0

    def connect(self, now):
        self.edge.disconnected()
        will = self.edge.will()
        self.edge.advance()
        return will, self.edge.connected(now)

    def count(self, now):
        self.said += 1
        alias = self.edge.alias_of("d", "n")
        return self.edge.observed("d", [(alias, self.said, 192, now)], now)


@pytest.fixture
def host(now):
    host = HostApplication("uns")
    for server in "ab":
        host.will(now, server=server)
        host.connected(now, server=server)
    return host


@pytest.fixture
def line():
    return Line()


def test_a_node_moves_with_its_birth(host, line, now):
    """Its values go on, nothing looks stale in between, commands follow it."""
    _, births = line.connect(now)
    feed(host, births + line.count(now), now, "a")
    assert "a" == host.write(NODE, "d", "n", 5, now).publish.server
    _, births = line.connect(now + 10)
    events = feed(host, births + line.count(now + 11), now + 11, "b") + host.tick(now + 9000)
    assert [] == only(Died, events)
    assert 2 == value(host)
    assert "b" == host.write(NODE, "d", "n", 5, now).publish.server


def test_a_late_will_of_the_server_that_was_left_kills_nobody(host, line, now):
    """Not even where a node numbers all its sessions 0."""
    will, births = line.connect(now)
    feed(host, births, now, "a")
    _, births = line.connect(now + 10)
    feed(host, births + line.count(now + 10), now + 10, "b")
    same_number = line.edge.stopping(now + 20)
    assert [] == feed(host, [will, *same_number], now + 20, "a") + host.tick(now + 60_000)
    assert 1 == value(host)


def test_late_data_of_the_server_that_was_left_changes_nothing(host, line, now):
    """It is reported; the value of the new server stays and its order is not disturbed."""
    _, births = line.connect(now)
    feed(host, births, now, "a")
    late = line.count(now + 1)
    _, births = line.connect(now + 10)
    feed(host, births + line.count(now + 11), now + 11, "b")
    assert ["came late from a server"] == [
        p.text[6:29] for p in only(Problem, feed(host, late, now + 12, "a"))
    ]
    assert 2 == value(host)
    assert [Changed] == [type(e) for e in feed(host, line.count(now + 13), now + 13, "b")]
    assert [] == host.tick(now + 60_000)


def test_data_that_overtook_the_birth_on_the_new_server_waits_for_it(host, line, now):
    """Servers differ in speed as topics do."""
    _, births = line.connect(now)
    feed(host, births, now, "a")
    _, (nbirth, dbirth) = line.connect(now + 10)
    data = line.count(now + 11)
    assert [] == feed(host, [dbirth, *data], now + 11, "b")
    events = feed(host, [nbirth], now + 12, "b")
    assert [Born, Born, Changed] == [type(event) for event in events]
    assert [] == host.tick(now + 60_000)


def test_a_move_that_was_not_heard_is_asked_about(host, line, now):
    """Data comes on the other server and no birth: the request goes there, after the time-out."""
    _, births = line.connect(now)
    feed(host, births, now, "a")
    line.connect(now + 10)
    assert [] == requests(feed(host, line.count(now + 11), now + 11, "b"))
    assert [] == requests(host.tick(now + 2010))
    (asked,) = only(Publish, host.tick(now + 2011))
    assert "b" == asked.server
    feed(host, line.edge.received(asked.message, now + 2012), now + 2012, "b")
    assert 1 == value(host)
    assert "b" == host.write(NODE, "d", "n", 5, now).publish.server


def test_an_old_birth_does_not_take_a_node_back(host, line, now):
    """A server that was held up delivers the birth of a session that is over."""
    _, old = line.connect(now)
    _, births = line.connect(now + 10)
    feed(host, births + line.count(now + 11), now + 11, "b")
    assert [] == only(Born, feed(host, old, now + 12, "a"))
    assert (1, "b") == (value(host), host.write(NODE, "d", "n", 5, now).publish.server)


def test_a_lost_server_takes_its_own_nodes_only(host, line, now):
    """What was learnt through it is stale; nodes on the other one live on."""
    other = EdgeNode(NodeId("g", "f"), DEVICES)
    other.will()
    feed(host, line.connect(now)[1], now, "a")
    feed(host, other.connected(now), now, "b")
    events = host.disconnected(now + 5, server="a")
    assert [Died(NODE, None, now + 5, "this host lost its broker")] == events
    assert [] == host.disconnected(now + 6, server="a")
    assert [] == host.tick(now + 60_000)


def test_nobody_is_asked_on_a_server_that_is_gone(host, line, now):
    """The request waits for the next session, and goes there."""
    feed(host, line.connect(now)[1], now, "a")
    host.disconnected(now, server="a")
    assert [] == requests(host.tick(now + 5000))
    host.will(now + 6000, server="a")
    host.connected(now + 6000, server="a")
    assert ["a"] == requests(host.tick(now + 6000))


def test_messages_of_a_session_that_is_over_are_not_heard(host, line, now):
    """Left over in a queue, they would make a node live whose death nobody would tell."""
    _, births = line.connect(now)
    host.disconnected(now, server="a")
    assert [] == feed(host, births, now, "a")
    assert value(host) is None


def test_a_session_that_begins_anew_voids_the_last(host, line, now):
    """The shell may not have noticed the end of it."""
    feed(host, line.connect(now)[1], now, "a")
    events = host.connected(now + 5, server="a")
    assert [NODE] == [died.node for died in only(Died, events)]
    assert ["a"] == requests(host.tick(now + 5))


def test_one_id_on_two_servers_is_asked_ever_less(host, now):
    """Two nodes of one name take each other over; the requests do not become a storm."""
    first, second, asked = Line(), Line(), 0
    lines = {"a": first, "b": second}
    for server, line in lines.items():
        feed(host, line.connect(now)[1], now, server)
    for at in range(now, now + 300_000, 500):
        for server, line in lines.items():
            events = feed(host, line.count(at), at, server) + host.tick(at)
            for event in only(Publish, events):
                asked += 1
                there = lines[event.server]
                feed(host, there.edge.received(event.message, at), at, event.server)
    assert asked <= 20


def test_a_rebirth_is_by_name_on_the_nodes_server(host, line, now):
    """The request of an unknown node's data goes where it was heard."""
    line.connect(now)
    (asked,) = only(Publish, feed(host, line.count(now), now, "b"))
    assert ("b", "Node Control/Rebirth") == (
        asked.server,
        decode(asked.message.payload).metrics[0].name,
    )
