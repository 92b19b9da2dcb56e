"""Edge nodes and a host, back to back over brokers that lose, reorder, double, kick and delay.

Each machine is a line with two devices, a host application, and one or two simulated brokers;
hypothesis decides what happens. Every value that is observed is observed once only, so that a
value at the host tells which reading it was. At the end the network is quiet, and then what the
host shows is what the edge node says of itself now, or is not shown as live.
"""

from __future__ import annotations

import json
import sys
from itertools import count
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

sys.path.insert(0, str(Path(__file__).parent))

from simulated_broker import Connect, SimulatedBroker
from simulated_line import EDGE, HOST, HostShell, LineShell

from uns.message import Message
from uns.metric import DataType, Quality
from uns.sparkplug import (
    Born,
    Changed,
    EdgeNode,
    EdgeSettings,
    HostApplication,
    Metric,
    MetricDefinition,
    NodeId,
    Payload,
    WriteOutcome,
    Written,
    decode,
    encode,
    first_alias,
)
from uns.sparkplug.monitor import Monitor

pytestmark = pytest.mark.property

NODE = NodeId("acme:leeds", "packaging:line1")
HOST_ID = "uns"
START_MS = 1_700_000_000_000
LOAD, SPEED, GOOD, STATE, MODE = (
    MetricDefinition("load", DataType.FLOAT),
    MetricDefinition("speed", DataType.DOUBLE),
    MetricDefinition("good", DataType.INT32),
    MetricDefinition("state", DataType.STRING),
    MetricDefinition("mode", DataType.INT32),
)
LAYOUTS = [  # of processes and of changes at run time: the same names under other numbers
    {"": [LOAD], "filler": [SPEED, GOOD], "labeller": [STATE]},
    {"": [MODE, LOAD], "filler": [MODE, GOOD, SPEED], "labeller": [STATE, GOOD]},
    {"filler": [GOOD], "labeller": [STATE, MODE], "": []},
]
DEVICES = ("", "filler", "labeller")
CONTROL = ("bdSeq", "Node Control/Rebirth")
QUALITIES = st.sampled_from([*Quality])
PICK = st.integers(0, 2**16)
BIRTHS_WITHIN_MS = 1_000  # a broker may hold anything back, births for less than the time-out
TURN_MS = 500
FEW = 30  # messages between two births


def of_datatype(datatype, number):
    """A value that no other reading has, of that type."""
    return (
        f"s{number}"
        if datatype is DataType.STRING
        else number * (datatype is DataType.INT32) or (number + 0.5)
    )


class World(RuleBasedStateMachine):
    """A line, a host and a bad network; `teardown` is when the network is quiet again."""

    servers: ClassVar = ("",)
    primary_host: ClassVar = ""
    strangers_say: ClassVar = ("rebirth",)
    is_judged: ClassVar = True  # by the monitor; then servers are not lax and no request is lost

    def __init__(self):
        super().__init__()
        self.now = START_MS
        self.monitors = {name: Monitor() for name in self.servers}
        self.brokers = {
            name: SimulatedBroker(self.monitors[name], is_lax=not self.is_judged)
            for name in self.servers
        }
        self.layout = 0
        self.line = LineShell(self.new_edge(), list(self.brokers.values()))
        self.host = HostShell(HostApplication(HOST_ID), self.brokers)
        self.host.on_event = self.heard
        self.numbers = count(10)
        self.line.on_command = self.obey
        self.writes = {}  # number → value, of writes whose end is open
        self.obeyed = set()
        self.owners = {}  # value → (device, metric) that it was read from

    def new_edge(self, bd_seq=0):
        layout = LAYOUTS[self.layout]
        where = EdgeSettings(
            primary_host=self.primary_host,
            servers=len(self.servers),
            first_alias=first_alias(layout),
        )
        return EdgeNode(NODE, layout, bd_seq=bd_seq, settings=where)

    @property
    def edge(self):
        return self.line.edge

    # what happens -------------------------------------------------------------------------

    @initialize(data=st.data())
    def all_is_well(self, data):
        """Most runs begin with a session that stands."""
        for device in DEVICES[1:]:
            self.line.carry_out(self.edge.device_up(device, self.now))
        if data.draw(st.integers(0, 3)):
            for server in self.servers:
                self.host.connect(server, self.now)
            self.quiet(seconds=1)
            self.line.connect(self.now)
            self.quiet(seconds=5)
            for _ in range(FEW):
                self.speak_once_more()
            self.deliver_all()

    @rule(ms=st.integers(0, 900))
    def time_passes(self, ms):
        """Births are overtaken for less than the time-out, and requests are answered soon."""
        self.servers_read()
        for server, broker in self.brokers.items():
            late = self.now + ms - BIRTHS_WITHIN_MS
            for topic in broker.overdue(HOST, late, lambda topic: "/NBIRTH/" in topic):
                self.deliver_to_host(server, topic)
            if self.line.at is broker:
                for topic in broker.overdue(EDGE, self.now):
                    self.deliver_to_edge(topic)
                    if self.line.at is not broker:
                        break
        self.now += ms
        for monitor in self.monitors.values():
            monitor.tick(self.now)
        self.line.carry_out(self.edge.tick(self.now))
        self.host.carry_out(self.host.host.tick(self.now), self.now)

    @rule()
    def servers_read(self):
        for broker in self.brokers.values():
            for who in (EDGE, HOST):
                broker.read(who, self.now)

    @precondition(lambda self: self.line.at is None)
    @rule(left=st.booleans(), arrived=st.sampled_from([True, True, True, False]))
    def edge_connects(self, left, arrived):
        """No attempt takes less than a millisecond."""
        self.now += 1
        self.line.connect(self.now, left=left, arrived=arrived)

    @precondition(lambda self: len(self.host.at) < len(self.servers))
    @rule(server=PICK)
    def host_connects(self, server):
        away = [name for name in self.servers if name not in self.host.at]
        self.now += 1
        self.host.connect(away[server % len(away)], self.now)

    @rule(
        kind=st.sampled_from(
            ["edge leaves", "edge is cut", "edge is killed", "host is cut", "host leaves"]
        ),
        arrived=st.sampled_from([None, 0, 1, 2]),
        layout=st.sampled_from([0, 0, 1, 2]),
        server=PICK,
    )
    def someone_goes(self, kind, arrived, layout, server):
        """The last packets may die with a connection, and a will is published some time."""
        name = self.servers[server % len(self.servers)]
        match kind:
            case "edge leaves" if self.line.at is not None:
                self.line.leave(self.now)
            case "edge is cut" if self.line.at is not None:
                self.line.cut(self.now, arrived)
            case "edge is killed":
                self.edge_is_killed(layout)
            case "host is cut" if name in self.host.at:
                self.host.cut(name, self.now, arrived)
            case "host leaves" if name in self.host.at:
                self.host.leave(name, self.now)

    def edge_is_killed(self, layout):
        """A new process has the stored bdSeq, no values, and perhaps other metrics."""
        self.now += 10  # a process takes longer to start
        if self.line.at is not None:
            self.line.cut(self.now, None)
        self.layout = layout
        self.line.edge = self.new_edge(self.line.stored_bd_seq)
        for device in DEVICES[1:]:
            self.edge.device_up(device, self.now)

    @rule(device=st.sampled_from(DEVICES[1:]), is_up=st.booleans())
    def device_changes(self, device, is_up):
        change = self.edge.device_up if is_up else self.edge.device_down
        self.line.carry_out(change(device, self.now))

    @rule(device=st.sampled_from(DEVICES), layout=st.sampled_from([0, 1, 2]))
    def metrics_change(self, device, layout):
        """At run time: some appear, some go, some stay."""
        self.line.carry_out(self.edge.change_device(device, LAYOUTS[layout][device], self.now))

    @rule(devices=st.lists(st.sampled_from(DEVICES), min_size=1, max_size=4), data=st.data())
    def values_change(self, devices, data):
        """Each value is new; some do not fit their datatype, some are older than others."""
        for device in devices:
            self.value_changes(device, data, data.draw(st.sampled_from([0, 0, 3, 40])))

    def value_changes(self, device, data, age):
        readings = []
        for name, alias in self.edge.aliases(device).items():
            number = next(self.numbers)
            datatype = self.edge._space.metrics(device)[alias].datatype
            value = of_datatype(datatype, number)
            self.owners[value] = (device, name)
            if data.draw(st.sampled_from([False] * 9 + [True])):
                value = "no" if datatype is not DataType.STRING else None
            readings.append((alias, value, data.draw(QUALITIES), self.now - age * number % 100))
        self.line.carry_out(self.edge.observed(device, readings, self.now))

    @rule(device=st.sampled_from(DEVICES), pick=PICK)
    def someone_writes(self, device, pick):
        """To a metric that the host shows as live; a device does what it is told, at once."""
        names = sorted(n for d, n in self.host.live if d == device and n not in CONTROL)
        if not names:
            return
        name = names[pick % len(names)]
        device_known = self.host.host._nodes[NODE].find_device(device)
        if device_known is None:  # its node was born again, and its own birth is awaited
            return
        value = of_datatype(device_known.find(name).datatype, next(self.numbers))
        self.owners[value] = (device, name)
        write = self.host.host.write(NODE, device, name, value, self.now)
        self.writes[write.id] = value
        self.host.carry_out([write.publish], self.now)

    def obey(self, command):
        """The device shows what was written to it, where it still has that metric."""
        self.obeyed.add(command.value)
        alias = self.edge.aliases(command.device_id).get(command.name)
        assert alias is not None
        reading = (alias, command.value, 192, self.now)
        self.line.carry_out(self.edge.observed(command.device_id, [reading], self.now))

    @rule(picks=st.lists(PICK, min_size=1, max_size=8), server=PICK, ways=PICK)
    def messages_to_host(self, picks, server, ways):
        """The oldest of any one topic arrives, is lost at QoS 0, or comes twice at QoS 1."""
        name = self.servers[server % len(self.servers)]
        for place, pick in enumerate(picks):
            if waiting := self.brokers[name].waiting(HOST):
                topic = waiting[pick % len(waiting)]
                is_lost = (ways >> place) % 4 == 3
                self.deliver_to_host(name, topic, is_lost, pick % 5 == 0)

    @rule(pick=PICK, is_lost=st.booleans(), is_doubled=st.booleans())
    def message_to_edge(self, pick, is_lost, is_doubled):
        """A monitor cannot tell a request that was lost from one that was not heeded."""
        is_lost = is_lost and not self.is_judged
        waiting = self.line.at.waiting(EDGE) if self.line.at else []
        if waiting:
            self.deliver_to_edge(waiting[pick % len(waiting)], is_lost, is_doubled)

    @precondition(lambda self: any(b.owed_wills for b in self.brokers.values()))
    @rule(pick=PICK)
    def a_server_sends_a_will(self, pick):
        owing = [broker for broker in self.brokers.values() if broker.owed_wills]
        owing[pick % len(owing)].send_will(self.now, pick)

    @rule(server=PICK, verb=PICK, age=PICK)
    def a_stranger_speaks(self, server, verb, age):
        """Asks for a rebirth, or speaks ill of the host as of now or before.

        Times to come would keep edge nodes away until then, whatever a host does that has not
        heard them: the specification has no remedy.
        """
        broker = self.brokers[self.servers[server % len(self.servers)]]
        state = json.dumps({"online": False, "timestamp": self.now - age % 2_000})
        metric = Metric("Node Control/Rebirth", True, DataType.BOOLEAN)
        message = {
            "rebirth": Message(
                "spBv1.0/acme:leeds/NCMD/packaging:line1", encode(Payload(self.now, (metric,)))
            ),
            "offline": Message(f"spBv1.0/STATE/{HOST_ID}", state.encode(), 1, retain=True),
            "clear": Message(f"spBv1.0/STATE/{HOST_ID}", b"", 1, retain=True),
        }[self.strangers_say[verb % len(self.strangers_say)]]
        broker.connect("stranger", Connect(), self.now)
        broker.publish("stranger", message)
        broker.read("stranger", self.now)

    # what must hold -----------------------------------------------------------------------

    @invariant()
    def the_host_shows_nothing_without_a_session(self):
        """Chapter 5, without an id: what was learnt through a server is stale without it."""
        assert self.host.at or not self.host.live

    def heard(self, event):
        """tck-id-payloads-alias-uniqueness: no value comes out under another metric's name.

        Data that has overtaken the NBIRTH of another process, and goes on with the old numbers by
        chance, is read by the old births until that NBIRTH is here; nothing tells it apart.
        """
        if isinstance(event, Written):
            assert self.writes.pop(event.id) == event.value
            assert event.outcome is not WriteOutcome.CONFIRMED or event.value in self.obeyed
        if any("/NBIRTH/" in t for broker in self.brokers.values() for t in broker.waiting(HOST)):
            return
        if isinstance(event, Born):
            found = [(slot.name, slot.value) for slot in event.slots]
        elif isinstance(event, Changed):
            found = [(slot.name, value) for slot, value, *_ in event.updates]
        else:
            return
        for name, value in found:
            owner = self.owners.get(value) if not isinstance(value, bool) else None
            if name not in CONTROL and value is not None:
                assert (event.device_id, name) == owner, value

    def teardown(self):
        """Everything arrives, one more message is sent, rebirths are answered; then compare."""
        for server in self.servers:
            if server not in self.host.at:
                self.now += 1
                self.host.connect(server, self.now)
        self.quiet(seconds=2)
        self.settle()
        has_spoken = self.speak_once_more()
        self.quiet(seconds=200)
        if has_spoken:
            self.check()
        self.time_passes(6_000)
        assert {} == self.writes  # every write has had an outcome, and one only
        self.judge()

    def speak_once_more(self):
        """So that a host which heard nothing at all knows that there is someone.

        An edge node without a device that is up may have nothing to say.
        """
        for device in DEVICES:
            for name, alias in self.edge.aliases(device).items():
                if self.edge.is_sending(device):
                    value = of_datatype(self.edge._space.metrics(device)[alias].datatype, 1)
                    self.owners[value] = (device, name)
                    reading = (alias, value, 192, self.now)
                    self.line.carry_out(self.edge.observed(device, [reading], self.now))
                    return True
        return not self.edge.is_online

    def settle(self):
        """A line with a primary host walks until it finds it; others stay as they are."""

    def judge(self):
        """The monitor saw all that the servers saw, and finds nothing wrong with us."""
        if not self.is_judged:
            return
        for name, monitor in self.monitors.items():
            wrong = [(who.name, g.id, g.evidence) for who, g in monitor.report().failures]
            assert [] == wrong, (name, wrong)

    def quiet(self, seconds):
        """Time passes and everything arrives, in the order it was sent."""
        for _ in range(int(seconds * 1000 / TURN_MS)):
            self.deliver_all()
            self.line.kicked()
            self.time_passes(TURN_MS)
            self.deliver_all()
            if not self.is_waiting():
                return

    def deliver_all(self):
        is_idle = False
        while not is_idle:
            is_idle = True
            for name, broker in self.brokers.items():
                while broker.owed_wills:
                    broker.send_will(self.now)
                for who in (EDGE, HOST):
                    broker.read(who, self.now)
                while name in self.host.at and (message := broker.take_oldest(HOST)) is not None:
                    self.host.receive(name, message, self.now)
                    is_idle = False
                while self.line.at is broker and (message := broker.take_oldest(EDGE)) is not None:
                    self.line.carry_out(self.edge.received(message, self.now))
                    is_idle = False

    def is_waiting(self):
        known = self.host.host._nodes.get(NODE)
        return bool(
            self.host.host._pacer._wanted
            or self.edge._is_rebirth_owed
            or any(session.uplink for b in self.brokers.values() for session in b.sessions.values())
            or any(state._is_overwritten for state in self.host.host._states.values())
            or (
                known
                and (
                    known._here.sequence.deadline_ms
                    or known._unconfirmed
                    or known._patience_until_ms
                    or any(side.ask_ms is not None for side in known._elsewhere.values())
                )
            )
        )

    def check(self):
        """The host's values are the edge node's; what is not live there is not live here."""
        known = self.host.host._nodes.get(NODE)
        assert self.edge.is_online == (known is not None and known.is_online)
        expected = {}
        for device in DEVICES:
            if self.edge.is_online and (not device or device in self.edge._up):
                for metric in decode(self.edge._birth(device, self.now).payload).metrics:
                    if metric.name not in CONTROL:
                        expected[device, metric.name] = (metric.value, quality_of(metric))
        shown = {key: (value, quality) for key, (value, quality, _) in self.host.live.items()}
        control = [key for key in shown if key[1] in CONTROL]
        for key in control:
            del shown[key]
        assert expected == shown, (expected, shown)

    def deliver_to_host(self, server, topic, is_lost=False, is_doubled=False):
        """Two things do not happen here, because Sparkplug has no remedy for them.

        A lost NBIRTH whose followers go on with the old numbers is noticed by nobody, ever. A
        death that overtakes two births of its session cannot be told from one before the second.
        """
        broker = self.brokers[server]
        births = broker.sessions[HOST].downlink.get(topic.replace("DEATH", "BIRTH"), ())
        if "/NDEATH/" in topic and len(births) > 1:
            return
        known = self.host.host._nodes.get(NODE)
        expected = known._here.sequence._expected if known else None
        is_lost = is_lost and ("/NBIRTH/" not in topic or expected is None or expected > FEW)
        message = broker.take(HOST, topic, is_lost=is_lost, is_doubled=is_doubled)
        if message is not None and server in self.host.at:
            self.host.receive(server, message, self.now)

    def deliver_to_edge(self, topic, is_lost=False, is_doubled=False):
        message = self.line.at.take(EDGE, topic, is_lost=is_lost, is_doubled=is_doubled)
        if message is not None:
            self.line.carry_out(self.edge.received(message, self.now))


def quality_of(metric):
    """What a birth says of a metric's quality, by the thorough decoder."""
    said = metric.properties.get("Quality")
    quality = said.value if said else 192
    return Quality.UNCERTAIN if quality == 192 and "detail" in metric.properties else quality


class WithPrimaryHost(World):
    """Two servers, and births wait for the host."""

    servers = ("a", "b")
    primary_host = HOST_ID

    def settle(self):
        """The line finds its host in the end, wherever it is."""
        for _ in range(10):
            if self.edge.is_online:
                return
            if self.line.at is None:
                self.now += 1
                self.line.connect(self.now)
            self.quiet(seconds=40)
        raise AssertionError("the line did not find its host")

    @invariant()
    def nothing_is_born_without_its_host(self):
        """tck-id-message-flow-edge-node-birth-publish-phid-wait."""
        assert not self.edge.is_online or self.line.at is not None


class Slandered(WithPrimaryHost):
    """Someone speaks in the host's name; the monitor cannot tell who, so it does not judge."""

    strangers_say = ("rebirth", "offline", "clear")
    is_judged = False


class TwoServers(World):
    """Two servers in order of preference, and nobody to wait for."""

    servers = ("a", "b")


class LaxServers(TwoServers):
    """Wills may come long after their clients are back, and requests are lost."""

    is_judged = False


HOW = settings(
    max_examples=40,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
for machine in (World, TwoServers, WithPrimaryHost, LaxServers, Slandered):
    machine.TestCase.settings = HOW

# What would fail in `heard`, `check` or `judge` if it were broken; the monitor's rules are more.
TestOneServer = pytest.mark.conforms(
    "tck-id-payloads-alias-uniqueness",
    "tck-id-payloads-sequence-num-incrementing",
    "tck-id-operational-behavior-data-publish-nbirth-values",
    "tck-id-operational-behavior-data-publish-dbirth-values",
    "tck-id-operational-behavior-data-commands-rebirth-action-1",
    "tck-id-operational-behavior-data-commands-rebirth-action-2",
    "tck-id-operational-behavior-edge-node-termination-host-action-ndeath-node-offline",
    "tck-id-operational-behavior-edge-node-termination-host-action-ndeath-node-tags-stale",
    "tck-id-operational-behavior-edge-node-termination-host-action-ndeath-devices-tags-stale",
    "tck-id-operational-behavior-edge-node-termination-host-action-ddeath-devices-tags-stale",
    "tck-id-operational-behavior-host-reordering-success",
    "tck-id-operational-behavior-host-reordering-rebirth",
)(World.TestCase)
TestTwoServers = TwoServers.TestCase
TestPrimaryHost = pytest.mark.conforms(
    "tck-id-message-flow-edge-node-birth-publish-phid-wait",
    "tck-id-operational-behavior-edge-node-termination-host-offline",
    "tck-id-operational-behavior-primary-application-state-with-multiple-servers-walk",
)(WithPrimaryHost.TestCase)
TestLaxServers = LaxServers.TestCase
TestSlanderedHost = pytest.mark.conforms(
    "tck-id-message-flow-hid-sparkplug-state-message-delivered",
)(Slandered.TestCase)
