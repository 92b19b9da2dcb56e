"""Nothing that was observed is lost: an edge node with its backlog and a primary host, back to back.

Two brokers; connections die with their last packets unread, hosts and lines come and go, messages
of different topics overtake each other. What is not promised does not happen here: a process that
is killed forgets what it sent lately, and a message lost between two standing connections shows
only in the next. At the end every value was heard, live, in a birth or as history, and none came as history
that had been heard before.
"""

from __future__ import annotations

import sys
from collections import deque
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

sys.path.insert(0, str(Path(__file__).parent))

from simulated_broker import SimulatedBroker
from simulated_line import EDGE, HOST, HostShell, LineShell

from uns.metric import DataType
from uns.sparkplug import (
    Born,
    Changed,
    EdgeNode,
    EdgeSettings,
    HostApplication,
    MetricDefinition,
    NodeId,
    decode,
)
from uns.sparkplug.monitor import Monitor
from uns.sparkplug.rewind import WINDOW_MS, Rewind

pytestmark = pytest.mark.property

NODE = NodeId("acme:leeds", "packaging:line1")
DEVICES = {
    "": [MetricDefinition("load", DataType.INT32)],
    "filler": [MetricDefinition("good", DataType.INT32), MetricDefinition("bad", DataType.INT64)],
    "labeller": [MetricDefinition("good", DataType.UINT32)],
}
START_MS = 1_700_000_000_000
PICK = st.integers(0, 2**16)
SOON_MS = 1_500  # servers publish wills and pass births and STATE on within this time
CHUNK = 5


class KeepingLine(LineShell):
    """A line that keeps what it cannot send, as the bridge's edge service does."""

    def __init__(self, edge, brokers):
        super().__init__(edge, brokers)
        self.rewind = Rewind()
        self.kept = deque()  # (device, (name, value, quality, timestamp)), oldest first
        self.under_way = deque()  # (sent at, the same)
        self.was_sending = False
        self.now = START_MS
        self.names = {
            device: {alias: name for name, alias in edge.aliases(device).items()}
            for device in DEVICES
        }

    def observe(self, device, readings, now):
        """Send readings or keep them."""
        self.now = now
        self.carry_out(self.edge.observed(device, readings, now))
        if self.edge.is_sending(device):
            self.rewind.sent(device, readings, now)
        else:
            self.keep(device, readings)

    def keep(self, device, readings):
        for alias, value, quality, stamp_ms in readings:
            self.kept.append((device, (self.names[device][alias], value, quality, stamp_ms)))

    def carry_out(self, effects):
        """Births begin anew: what went out lately may not have arrived."""
        for effect in effects:
            if getattr(effect, "topic", "").split("/")[2:3] == ["NBIRTH"]:
                self.start_over()
            super().carry_out([effect])
        self.settle()

    def settle(self):
        """Note where data stopped."""
        is_sending = self.edge.is_sending("")
        if self.was_sending and not is_sending:
            self.start_over()
        self.was_sending = is_sending

    def start_over(self):
        for device, readings in self.rewind.take(self.now):
            self.keep(device, readings)
        while self.under_way:
            self.kept.appendleft(self.under_way.pop()[1])

    def recall(self, now):
        """Hand in the next of what was kept; forget what surely arrived."""
        self.now = now
        while self.under_way and now - self.under_way[0][0] > WINDOW_MS:
            self.under_way.popleft()
        ready = [one for one in self.kept if self.edge.is_sending(one[0])][:CHUNK]
        for one in ready:
            device, sample = one
            self.kept.remove(one)
            self.under_way.append((now, one))
            if not self.edge.is_as_born(device, *sample):
                self.carry_out(self.edge.recalled(device, [sample], now))

    def cut(self, now, arrived):
        super().cut(now, arrived)
        self.settle()

    def leave(self, now):
        self.now = now
        super().leave(now)
        self.settle()


class Keeping(RuleBasedStateMachine):
    """A line, its primary host and two servers."""

    def __init__(self):
        super().__init__()
        self.now = START_MS
        self.monitors = [Monitor(), Monitor()]
        self.brokers = {
            name: SimulatedBroker(monitor)
            for name, monitor in zip(("a", "b"), self.monitors, strict=True)
        }
        edge = EdgeNode(NODE, DEVICES, settings=EdgeSettings(primary_host="uns", servers=2))
        self.line = KeepingLine(edge, list(self.brokers.values()))
        for device in ("filler", "labeller"):
            edge.device_up(device, self.now)
        self.host = HostShell(HostApplication("uns"), self.brokers)
        self.host.on_event = self.heard
        self.numbers = count(1)
        self.observed = {}  # value → (device, metric)
        self.news = set()  # values that came as data
        self.known = set()  # values that came at all
        self.births = {}  # device → values in births that were delivered

    def heard(self, event):
        """Values of a birth are those on the wire: slots may be further on when events are told."""
        if isinstance(event, Born):
            self.known |= self.births.get(event.device_id, set())
        elif isinstance(event, Changed):
            for slot, value, _, timestamp_ms in event.updates:
                key = (event.device_id, slot.name, value, timestamp_ms)
                assert not (event.is_historical and key in self.news), key
                self.news.add(key)
                self.known.add((event.device_id, slot.name, value))

    # what happens -------------------------------------------------------------------------

    @rule(ms=st.integers(1, 1_200))
    def time_passes(self, ms):
        for broker in self.brokers.values():
            for who in (EDGE, HOST):
                broker.read(who, self.now)
            while broker.owed_wills:
                broker.send_will(self.now)
            for topic in broker.overdue(EDGE, self.now):
                self.deliver_to_edge(broker, topic)
        self.now += ms
        for name, broker in self.brokers.items():
            for topic in broker.overdue(HOST, self.now - SOON_MS):
                self.deliver_to_host(name, topic)
        for monitor in self.monitors:
            monitor.tick(self.now)
        self.line.now = self.now
        self.line.carry_out(self.line.edge.tick(self.now))
        self.host.carry_out(self.host.host.tick(self.now), self.now)
        self.line.recall(self.now)

    @rule(devices=st.lists(st.sampled_from(sorted(DEVICES)), min_size=1, max_size=4))
    def values_change(self, devices):
        for device in devices:
            readings = []
            for name, alias in self.line.edge.aliases(device).items():
                value = next(self.numbers)
                self.observed[value] = (device, name)
                readings.append((alias, value, 192, self.now))
            self.line.observe(device, readings, self.now)
            self.now += 1

    @precondition(lambda self: self.line.at is None)
    @rule(arrived=st.sampled_from([True, True, True, False]))
    def edge_connects(self, arrived):
        self.now += 1
        self.line.now = self.now
        self.line.connect(self.now, arrived=arrived)

    @precondition(lambda self: len(self.host.at) < 2)
    @rule()
    def host_connects(self):
        self.now += 1
        for name in sorted(self.brokers.keys() - self.host.at):
            self.host.connect(name, self.now)

    @rule(kind=st.sampled_from(["edge", "edge", "host", "both"]), arrived=PICK, leaves=PICK)
    def someone_goes(self, kind, arrived, leaves):
        """The last packets die with a connection; now and then somebody says goodbye."""
        self.now += 1
        if kind != "host" and self.line.at is not None:
            self.line.now = self.now
            if leaves % 5 == 0:
                self.line.leave(self.now)
            else:
                self.line.cut(self.now, arrived % 4)
        if kind != "edge":
            for name in sorted(self.host.at):
                if leaves % 5 == 1:
                    self.host.leave(name, self.now)
                elif (arrived + len(name)) % 3:
                    self.host.cut(name, self.now, arrived % 3)

    @rule(device=st.sampled_from(["filler", "labeller"]), is_up=st.booleans())
    def device_changes(self, device, is_up):
        change = self.line.edge.device_up if is_up else self.line.edge.device_down
        self.line.now = self.now
        self.line.carry_out(change(device, self.now))

    @rule()
    def someone_wants_births(self):
        request = self.host.host.request_rebirth(NODE, self.now)
        self.host.carry_out([request], self.now)

    @rule(picks=st.lists(PICK, min_size=1, max_size=8))
    def messages_arrive(self, picks):
        for name, broker in self.brokers.items():
            for pick in picks:
                if waiting := broker.waiting(HOST):
                    self.deliver_to_host(name, waiting[pick % len(waiting)])
                if self.line.at is broker and (waiting := broker.waiting(EDGE)):
                    self.deliver_to_edge(broker, waiting[pick % len(waiting)])

    # what must hold -----------------------------------------------------------------------

    def teardown(self):
        """The network is quiet, everybody is back, and the backlog is empty in the end."""
        for device in ("filler", "labeller"):
            self.device_changes(device, is_up=True)
        for _ in range(400):
            if len(self.host.at) < 2:
                self.host_connects()
            if self.line.at is None:
                self.edge_connects(arrived=True)
            self.deliver_all()
            self.time_passes(500)
            self.deliver_all()
            if self.line.edge.is_online and not (self.line.kept or self.line.under_way):
                break
        self.deliver_all()
        self.time_passes(3_000)
        self.deliver_all()
        lost = [
            (value, owner)
            for value, owner in self.observed.items()
            if (*owner, value) not in self.known
        ]
        assert [] == lost, lost
        for monitor in self.monitors:
            wrong = [(who.name, g.id, g.evidence) for who, g in monitor.report().failures]
            assert [] == wrong, wrong

    def deliver_all(self):
        is_idle = False
        while not is_idle:
            is_idle = True
            for name, broker in self.brokers.items():
                for who in (EDGE, HOST):
                    broker.read(who, self.now)
                for topic in broker.overdue(HOST, self.now):
                    self.deliver_to_host(name, topic)
                    is_idle = False
                for topic in broker.overdue(EDGE, self.now):
                    self.deliver_to_edge(broker, topic)
                    is_idle = False

    def deliver_to_host(self, server, topic):
        message = self.brokers[server].take(HOST, topic)
        if topic.split("/")[2].endswith("BIRTH"):
            device = "".join(topic.split("/")[4:])
            self.births[device] = self.births.get(device, set()) | {
                (device, metric.name, metric.value) for metric in decode(message.payload).metrics
            }
        if server in self.host.at:
            self.host.receive(server, message, self.now)

    def deliver_to_edge(self, broker, topic):
        message = broker.take(EDGE, topic)
        if self.line.at is broker:
            self.line.now = self.now
            self.line.carry_out(self.line.edge.received(message, self.now))


Keeping.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestNothingIsLost = Keeping.TestCase
