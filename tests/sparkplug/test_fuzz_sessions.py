"""Real sessions, bent: what was really said arrives cut, doubled, late, retained, on another server."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uns.errors import DeviceError
from uns.message import Message
from uns.metric import DataType
from uns.sparkplug import (
    Born,
    Changed,
    Command,
    DataSet,
    Died,
    EdgeNode,
    EdgeSettings,
    HostApplication,
    HostSettings,
    HostState,
    Leave,
    Metric,
    MetricDefinition,
    NodeId,
    Problem,
    Publish,
    Reconnect,
    Template,
    WireProfile,
    Written,
    encode,
)
from uns.sparkplug.payload import Payload
from uns.sparkplug.profile import PROFILES, Compression

NOW = 1_700_000_000_000
NODE = NodeId("g", "e")
HOST_EVENTS = Born | Changed | Died | Problem | Publish | Reconnect | Written
DEVICES = {
    "": [MetricDefinition("load", DataType.DOUBLE)],
    "d": [
        MetricDefinition("x", DataType.DOUBLE, {"engUnit": "bar"}),
        MetricDefinition("n", DataType.UINT32),
        MetricDefinition("s", DataType.STRING),
        MetricDefinition("a", DataType.INT16_ARRAY),
        MetricDefinition("t", DataType.DATASET),
        MetricDefinition("m", DataType.TEMPLATE, template="Motor"),
    ],
}
MOTOR = Template((Metric("rpm", 0, DataType.INT32),), is_definition=True)
TABLE = DataSet(("c",), (DataType.INT8,), ((1,), (None,)))


def edge_node(profile: WireProfile) -> EdgeNode:
    return EdgeNode(
        NODE,
        DEVICES,
        templates={"Motor": MOTOR},
        settings=EdgeSettings(profile=profile, primary_host="uns", servers=2),
    )


def session(profile: WireProfile) -> list[Message]:
    """All that an edge node and its hosts say in two lives of it."""
    edge, said, now = edge_node(profile), [], NOW
    edge.device_up("d", now)
    alias = edge.aliases("d")
    state = HostState(True, now).message("uns")
    rebirth = Metric("Node Control/Rebirth", True, DataType.BOOLEAN)
    order = Metric(value=5, datatype=DataType.UINT32, alias=alias["n"])
    for _ in range(2):
        said.append(edge.will())
        edge.advance()
        said += edge.connected(now) + [e for e in edge.received(state, now) if type(e) is Message]
        for turn in range(3):
            now += 500
            readings = [
                (alias["x"], turn / 3, 192, now),
                (alias["n"], turn, 192 if turn else 500, now),
                (alias["s"], "text" * turn, 192, now),
                (alias["a"], (1, -2), 192, now),
                (alias["t"], TABLE, 192, now),
                (alias["m"], Template((Metric("rpm", turn, DataType.INT32),)), 192, now),
            ]
            said += edge.observed("d", readings, now)
            said += edge.recalled("d", [("x", 9.5, 192, now - 9000)], now)
            said += edge.observed("", [(edge.alias_of("", "load"), 0.5, 192, now)], now)
        said += edge.device_down("d", now) + edge.device_up("d", now)
        said += edge.stopping(now)
    return [
        *said,
        state,
        HostState(False, now).message("uns"),
        Message("spBv1.0/g/NCMD/e", encode(Payload(now, (rebirth,)))),
        Message("spBv1.0/g/DCMD/e/d", encode(Payload(now, (order,)))),
    ]


SAID = [
    message
    for profile in (*PROFILES.values(), WireProfile(compress=Compression.DEFLATE))
    for message in session(profile)
]


class Bender:
    """Bends messages by a source of numbers: hypothesis', or a seeded generator."""

    def __init__(self, number) -> None:
        self._number = number
        self._next = 0

    def message(self) -> Message:
        """Mostly what was said next, as it was said; now and then another, or bent."""
        if self._number(9) == 0:
            self._next = self._number(len(SAID) - 1)
        message = SAID[self._next % len(SAID)]
        self._next += 1
        if self._number(3):
            return message
        payload = bytearray(message.payload)
        for _ in range(self._number(3)):
            self._bend(payload)
        topic = message.topic
        if self._number(19) == 0:
            topic = SAID[self._number(len(SAID) - 1)].topic
        return Message(topic, bytes(payload), message.qos, self._number(14) == 0)

    def _bend(self, payload: bytearray) -> None:
        place = self._number(max(0, len(payload) - 1))
        match self._number(4):
            case 0 if payload:
                payload[place] = self._number(255)
            case 1 if payload:
                payload[place] ^= 1 << self._number(7)
            case 2:
                del payload[place:]
            case 3:
                payload[place:place] = payload[: self._number(20)]
            case 4:
                payload += SAID[self._number(len(SAID) - 1)].payload


class HostRun:
    """A host application on two servers, to which anything happens."""

    def __init__(self, number) -> None:
        self._number, self._bender = number, Bender(number)
        settings = HostSettings(is_server_aware=bool(number(1)))
        self.host, self.now = HostApplication("uns", settings=settings), NOW
        self.events: Counter[type] = Counter()
        for server in ("a", "b"):
            self.host.will(self.now, server=server)
            self._check(self.host.connected(self.now, server=server))

    def step(self) -> None:
        """One thing more."""
        host, server = self.host, "aaaaaaab"[self._number(7)]
        self.now += (0, 0, 0, 1, 1, 50, 50, 500, 1000, 30_000)[self._number(9)]
        what = self._number(49)
        if what == 0:
            self._check(host.disconnected(self.now, server=server))
        elif what == 1:
            host.will(self.now, server=server)
            self._check(host.connected(self.now, server=server))
        elif what == 2:
            self._check(host.stopping(self.now, server=server))
        elif what == 3:
            self._write()
        elif what <= 6:
            self._check(host.tick(self.now))
        else:
            message = self._bender.message()
            if what == 7:
                message = message._replace(topic="$sparkplug/certificates/" + message.topic)
            now = self.now - (5000, *[0] * 9)[self._number(9)]  # clocks are set back at times
            self._check(host.received(message, now, server=server))

    def _write(self) -> None:
        with suppress(DeviceError):
            self.host.write(NODE, "d", "xnsatm"[self._number(5)], self._number(300), self.now)

    def _check(self, events) -> None:
        assert all(isinstance(event, HOST_EVENTS) for event in events)
        self.events.update(type(event) for event in events)

    def finish(self) -> None:
        """Afterwards a good edge node is heard as if nothing had been."""
        host = self.host
        self.now += 120_000
        for server in ("a", "b"):
            host.disconnected(self.now, server=server)
            host.will(self.now, server=server)
            host.connected(self.now, server=server)
        edge = EdgeNode(NodeId("g", "good"), {"": [MetricDefinition("x", DataType.DOUBLE)]})
        edge.will()
        said = edge.connected(self.now) + edge.observed("", [(1, 1.5, 192, self.now)], self.now)
        heard = [e for m in said for e in host.received(m, self.now, server="a")]
        assert [1.5] == [e.updates[0][1] for e in heard if isinstance(e, Changed)]


@given(st.data())
@settings(max_examples=60)
def test_a_host_takes_a_bent_session_as_it_comes(data):
    """Whatever of it arrives, where and when: events, no exception, and a good node is heard."""
    run = HostRun(lambda most: data.draw(st.integers(0, most)))
    for _ in range(data.draw(st.integers(1, 25))):
        run.step()
    run.finish()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_host_takes_thousands_of_bent_messages(seed):
    """A long run by a seeded generator, through one host; what it publishes stays bounded."""
    lottery = random.Random(seed)
    run, steps = HostRun(lambda most: lottery.randint(0, most)), 5_000
    for _ in range(steps):
        run.step()
    assert run.events[Publish] < steps
    assert all(run.events[kind] for kind in (Born, Changed, Died, Problem, Publish, Written))
    run.finish()


@given(st.data())
@settings(max_examples=60)
def test_an_edge_node_takes_a_bent_session_as_it_comes(data):
    """STATE, commands, its own deaths and the births of others: effects, no exception."""

    def number(most):
        return data.draw(st.integers(0, most))

    edge, bender, now = edge_node(list(PROFILES.values())[number(2)]), Bender(number), NOW
    edge.device_up("d", now)
    for _ in range(number(20) + 1):
        now += (0, 1, 50, 1000, 31_000)[number(4)]
        what = number(9)
        if what == 0:
            edge.will()
            edge.advance()
            effects = edge.connected(now)
        elif what == 1:
            edge.disconnected()
            effects = []
        elif what == 2:
            effects = edge.tick(now)
        elif what == 3:
            effects = edge.observed("d", [(edge.alias_of("d", "x"), 1.5, 192, now)], now)
        else:
            effects = edge.received(bender.message(), now)
        assert all(isinstance(e, Message | Command | Problem | Leave) for e in effects)
    edge.will()
    edge.advance()
    births = edge.connected(now)
    births += edge.received(HostState(True, now + 10**9).message("uns"), now)
    assert any(isinstance(e, Message) and "NBIRTH" in e.topic for e in births)
