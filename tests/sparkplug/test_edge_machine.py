"""An edge node through any sequence of events, with the monitor for an oracle."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from uns.message import Message
from uns.metric import DataType
from uns.sparkplug import (
    DataNames,
    EdgeNode,
    EdgeSettings,
    HostState,
    Leave,
    Metric,
    MetricDefinition,
    NodeId,
    Payload,
    Template,
    WireProfile,
    decode,
    encode,
)
from uns.sparkplug.monitor import Monitor

pytestmark = pytest.mark.property

NODE = NodeId("acme:leeds", "packaging:line1")
NDEATH = "spBv1.0/acme:leeds/NDEATH/packaging:line1"
NCMD = "spBv1.0/acme:leeds/NCMD/packaging:line1"
START_MS = 1_700_000_000_000
POOL = [
    MetricDefinition("speed", DataType.DOUBLE),
    MetricDefinition("speed", DataType.FLOAT),
    MetricDefinition("good", DataType.INT32),
    MetricDefinition("state", DataType.STRING, {"engUnit": "1"}),
    MetricDefinition("drive", DataType.TEMPLATE, template="Motor"),
]
MOTORS = [
    Template((Metric("rpm", None, DataType.FLOAT),)),
    Template((Metric("rpm", None, DataType.FLOAT), Metric("amps", 0.0, DataType.FLOAT))),
]
DEVICE = st.sampled_from(["filler", "labeller", ""])
DEFINITIONS = st.lists(st.sampled_from(POOL), max_size=4, unique_by=lambda one: one.name)


def value_of(definition, number):
    if definition.datatype is DataType.TEMPLATE:
        return Template((Metric("rpm", number),))
    return str(number) if definition.datatype is DataType.STRING else number


class Life(RuleBasedStateMachine):
    """What may happen to an edge node; it must never say a wrong word on any of its brokers."""

    @initialize(
        servers=st.sampled_from([1, 2]),
        primary_host=st.sampled_from(["", "uns"]),
        names=st.sampled_from([DataNames.ALIAS, DataNames.NAME]),
    )
    def begin(self, servers, primary_host, names):
        self.now = START_MS
        self.settings = EdgeSettings(
            primary_host, servers, host_wait_ms=5000, profile=WireProfile(data_names=names)
        )
        self.devices = {"filler": POOL[1:3], "labeller": [], "": []}
        self.edge = EdgeNode(
            NODE, self.devices, templates={"Motor": MOTORS[0]}, settings=self.settings
        )
        self.monitors = [Monitor() for _ in range(servers)]
        self.number = 0
        self.is_connected = False
        self.will = None
        self.late_wills = []
        self.owners = {}  # alias → (device, name, datatype), for ever
        self.connect(arrives=True, left=True, is_host_there=True)
        self.device_comes_or_goes("filler", is_up=True)

    def say(self, server, effects):
        """Publish on the broker that the edge node is connected to; leave where it says so."""
        assert not (effects and not self.is_connected)
        for effect in effects:
            self.now += 1
            if isinstance(effect, Message):
                self.monitors[server].published(effect, self.now)
            elif isinstance(effect, Leave):
                assert effect is effects[-1]
                self.monitors[server].published(self.will, self.now)  # DISCONNECT with 0x04
                self.hang_up()

    def hang_up(self):
        self.edge.disconnected()
        self.is_connected, self.will = False, None

    # what may happen ------------------------------------------------------------------------

    @rule(ms=st.sampled_from([1, 300, 1000, 6000]))
    def time_passes(self, ms):
        self.now += ms
        for monitor in self.monitors:
            monitor.tick(self.now)
        self.say(self.edge.server, self.edge.tick(self.now))

    @precondition(lambda self: not self.is_connected)
    @rule(
        arrives=st.sampled_from([True, True, True, False]),
        left=st.booleans(),
        is_host_there=st.sampled_from([True, True, False]),
    )
    def connect(self, arrives, left, is_host_there):
        will = self.edge.will()
        if left or arrives:
            self.edge.advance()
        if not arrives:
            self.edge.connect_failed()
            return
        self.will, self.is_connected = will, True
        self.say(self.edge.server, self.edge.connected(self.now))
        if is_host_there:
            self.host_speaks(online=True, age=0)

    @precondition(lambda self: self.is_connected)
    @rule(how=st.sampled_from(["lost", "left", "", "", "", ""]))
    def session_ends(self, how):
        if how == "lost":
            self.late_wills.append((self.edge.server, self.will))
            self.hang_up()
        elif how == "left":
            self.say(self.edge.server, self.edge.stopping(self.now))
            self.hang_up()

    @precondition(lambda self: self.late_wills)
    @rule()
    def broker_publishes_a_will(self):
        server, will = self.late_wills.pop(0)
        self.now += 1
        self.monitors[server].published(will, self.now)
        if self.is_connected and server == self.edge.server:
            self.say(server, self.edge.received(will._replace(qos=1), self.now))

    @precondition(lambda self: self.is_connected)
    @rule(online=st.sampled_from([True, True, False]), age=st.sampled_from([0, 0, 50, 5000]))
    def host_speaks(self, online, age):
        state = HostState(online, self.now - age).message("uns")
        self.say(self.edge.server, self.edge.received(state, self.now))

    @precondition(lambda self: self.is_connected)
    @rule(times=st.sampled_from([1, 2, 5]))
    def hosts_ask_for_a_rebirth(self, times):
        metric = Metric("Node Control/Rebirth", True, DataType.BOOLEAN)
        message = Message(NCMD, encode(Payload(self.now, (metric,))))
        for _ in range(times):
            if self.is_connected:
                self.say(self.edge.server, self.edge.received(message, self.now))

    @rule(device=DEVICE, is_up=st.sampled_from([True, True, False]))
    def device_comes_or_goes(self, device, is_up):
        if device in self.devices:
            change = self.edge.device_up if is_up else self.edge.device_down
            self.say(self.edge.server, change(device, self.now))

    @rule(device=DEVICE, definitions=st.one_of(DEFINITIONS, st.none()))
    def device_changes(self, device, definitions):
        said = self.edge.change_device(device, definitions, self.now)
        self.say(self.edge.server, said)
        if definitions is None and device:
            self.devices.pop(device, None)
            return
        self.devices[device] = definitions or []

    @rule(motor=st.sampled_from(MOTORS))
    def template_changes(self, motor):
        self.say(self.edge.server, self.edge.change_templates({"Motor": motor}, self.now))

    @rule(device=DEVICE, ages=st.lists(st.sampled_from([0, 0, 3, 40]), min_size=1, max_size=3))
    def values_are_read(self, device, ages):
        """Either they are all said, or the caller knows that they were not."""
        if not self.devices.get(device):
            return
        server = self.edge.server
        self.say(server, self.edge.tick(self.now))
        is_sending = self.edge.is_sending(device)
        readings = [
            (self.edge.alias_of(device, one.name), value_of(one, self.next_number()), 192, at)
            for age in ages
            for one in self.devices[device]
            for at in [self.now - age]
        ]
        said = self.edge.observed(device, readings, self.now)
        count = sum(len(decode(message.payload).metrics) for message in said)
        assert count == (len(readings) if is_sending else 0)
        self.say(server, said)

    @rule(device=DEVICE)
    def values_are_recalled(self, device):
        past = [
            (one.name, value_of(one, self.next_number()), 192, self.now - 60_000)
            for one in self.devices.get(device, ())
        ]
        is_sending = self.edge.is_sending(device)
        said = self.edge.recalled(device, past, self.now)
        assert bool(said) == (is_sending and bool(past))
        self.say(self.edge.server, said)

    def next_number(self):
        self.number += 1
        return self.number

    # what must hold -------------------------------------------------------------------------

    @invariant()
    def an_alias_means_one_metric_for_ever(self):
        for device, definitions in getattr(self, "devices", {}).items():
            aliases = self.edge.aliases(device)
            assert [one.name for one in definitions] == [*aliases]
            for one in definitions:
                owner = (device, one.name, one.datatype)
                assert owner == self.owners.setdefault(aliases[one.name], owner)

    @invariant()
    def no_session_no_word(self):
        if hasattr(self, "edge") and not self.is_connected:
            assert not self.edge.is_online
            assert not self.edge.is_waiting

    def teardown(self):
        """Every broker's monitor has looked at every message: nothing that MUST be was broken."""
        for monitor in getattr(self, "monitors", ()):
            monitor.tick(self.now + 60_000)
            assert [] == [(grade.id, grade.evidence) for _, grade in monitor.report().failures]


Life.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestLife = Life.TestCase
