"""Edge nodes and a host, back to back over a broker that loses, reorders and delays."""

from __future__ import annotations

from collections import defaultdict, deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from uns.message import Message
from uns.metric import DataType, Quality
from uns.sparkplug import (
    Changed,
    Command,
    EdgeNode,
    HostApplication,
    MessageType,
    MetricDefinition,
    NodeId,
    Publish,
    SparkplugTopic,
    decode,
)

NODE = NodeId("acme:leeds", "packaging:line1")
DEVICES = {
    "filler": [
        MetricDefinition("speed", DataType.DOUBLE),
        MetricDefinition("good", DataType.INT32),
    ],
    "labeller": [MetricDefinition("state", DataType.STRING)],
    "": [MetricDefinition("load", DataType.FLOAT)],
}
VALUES = {
    DataType.DOUBLE: st.sampled_from([None, 0.0, 1.5, -2.25, float("nan")]),
    DataType.INT32: st.sampled_from([0, 7, -1, 2**31 - 1, 2**40, "12", "no"]),
    DataType.STRING: st.sampled_from(["", "Execute", "Held", 5]),
    DataType.FLOAT: st.sampled_from([0.0, 0.5, 3]),
}
QUALITIES = st.sampled_from([*Quality])
PICK = st.integers(0, 2**16)


class Session(RuleBasedStateMachine):
    """A line, a host and a bad network; `settle` is when the network is quiet again."""

    def __init__(self):
        super().__init__()
        self.now = 1_700_000_000_000
        self.stored_bd_seq = 0
        self.edge = EdgeNode(NODE, DEVICES)
        self.host = HostApplication("uns")
        self.is_edge_connected = self.is_host_connected = False
        self.will: Message | None = None
        self.late_wills: list[Message] = []
        self.to_host: dict[str, deque[tuple[int, int, Message]]] = defaultdict(deque)
        self.to_edge: deque[Message] = deque()
        self.sent = 0
        self.seqs: list[int] = []

    # what happens -------------------------------------------------------------------------

    @rule(ms=st.integers(0, 900))
    def time_passes(self, ms):
        """Brokers may hold any message back, but births for less than the reorder time-out."""
        for queue in self.to_host.values():
            while any("/NBIRTH/" in m.topic and at + 1000 < self.now + ms for _, at, m in queue):
                self.heard(self.host.received(queue.popleft()[2], self.now))
        self.now += ms
        self.publish(self.edge.tick(self.now))
        self.heard(self.host.tick(self.now))

    @precondition(lambda self: not self.is_edge_connected)
    @rule(left=st.booleans(), arrived=st.booleans())
    def edge_connects(self, left, arrived):
        """The CONNECT may never leave, or leave and find nobody; none takes less than a millisecond."""
        self.now += 1
        will = self.edge.will()
        self.stored_bd_seq = self.edge.next_bd_seq
        if not left and not arrived:
            return
        self.edge.advance()
        if not arrived:
            return
        self.will, self.is_edge_connected = will, True
        self.publish(self.edge.connected(self.now))

    @precondition(lambda self: self.is_edge_connected)
    @rule(leaves=st.booleans())
    def edge_goes(self, leaves):
        """On purpose with an NDEATH, or kicked and its will is published some time."""
        if leaves:
            self.publish(self.edge.stopping(self.now))
        else:
            self.edge.disconnected()
            self.late_wills.append(self.will)
        self.is_edge_connected, self.will = False, None
        self.to_edge.clear()

    @rule()
    def edge_is_killed(self):
        """A new process starts with the stored bdSeq and no values."""
        if self.is_edge_connected:
            self.edge_goes(leaves=False)
        self.edge = EdgeNode(NODE, DEVICES, bd_seq=self.stored_bd_seq)

    @precondition(lambda self: not self.is_host_connected)
    @rule()
    def host_connects(self):
        self.host.will(self.now)
        self.is_host_connected = True
        self.heard(self.host.connected(self.now))

    @precondition(lambda self: self.is_host_connected)
    @rule()
    def host_is_kicked(self):
        self.is_host_connected = False
        self.to_host.clear()
        self.heard(self.host.disconnected(self.now))

    @rule(device=st.sampled_from(["filler", "labeller"]), is_up=st.booleans())
    def device_changes(self, device, is_up):
        change = self.edge.device_up if is_up else self.edge.device_down
        self.publish(change(device, self.now))

    @rule(data=st.data(), device=st.sampled_from([*DEVICES]), age=st.sampled_from([0, 0, 3, 40]))
    def values_change(self, data, device, age):
        readings = [
            (
                self.edge.alias_of(device, definition.name),
                data.draw(VALUES[definition.datatype]),
                data.draw(QUALITIES),
                self.now - age * place,
            )
            for place, definition in enumerate(DEVICES[device])
        ]
        self.publish(self.edge.observed(device, readings, self.now))

    @rule(pick=PICK, is_lost=st.booleans())
    def message_to_host(self, pick, is_lost):
        """The oldest of any one topic arrives, or is lost at QoS 0."""
        waiting = [topic for topic, queue in self.to_host.items() if queue]
        if waiting:
            *_, message = self.to_host[waiting[pick % len(waiting)]].popleft()
            if not is_lost or message.qos:
                self.heard(self.host.received(message, self.now))

    @rule(is_lost=st.booleans())
    def message_to_edge(self, is_lost):
        if self.to_edge:
            message = self.to_edge.popleft()
            if not is_lost:
                self.publish(self.edge.received(message, self.now))

    @precondition(lambda self: self.late_wills)
    @rule()
    def broker_sends_a_will(self):
        self.publish([self.late_wills.pop(0)])

    # what must hold -----------------------------------------------------------------------

    @invariant()
    def settled_networks_tell_the_truth(self):
        """Checked at the end of each run, see `teardown`; here only that nothing piles up."""
        assert len(self.late_wills) < 100

    def teardown(self):
        """Everything arrives, one more message of each kind is sent, rebirths are answered."""
        if not self.is_host_connected:
            self.host_connects()
        while self.late_wills:
            self.broker_sends_a_will()
        self.quiet(seconds=1)
        if self.is_edge_connected:
            alias = self.edge.alias_of("", "load")
            self.publish(self.edge.observed("", [(alias, 0.25, 192, self.now)], self.now))
        self.quiet(seconds=200)
        self.check()

    def quiet(self, seconds):
        for _ in range(seconds * 2):
            if not self.is_waiting():
                return
            while self.to_edge or any(self.to_host.values()):
                self.message_to_edge(is_lost=False)
                self.oldest_to_host()
            self.time_passes(500)

    def oldest_to_host(self):
        """A quiet network keeps the order of all topics."""
        waiting = [(queue[0][0], topic) for topic, queue in self.to_host.items() if queue]
        if waiting:
            _, topic = min(waiting)
            self.heard(self.host.received(self.to_host[topic].popleft()[2], self.now))

    def is_waiting(self):
        known = self.host._nodes.get(NODE)
        return bool(
            self.to_edge
            or any(self.to_host.values())
            or self.host._pacer._wanted
            or self.edge._is_rebirth_owed
            or (known and (known._here.sequence.deadline_ms or known._unconfirmed))
        )

    def check(self):
        known = self.host._nodes.get(NODE)
        assert self.is_edge_connected == (known is not None and known.is_online)
        for device in DEVICES:
            slots = known.find_device(device) if known else None
            is_up = self.is_edge_connected and (not device or device in self.edge._up)
            assert is_up == (slots is not None), device
            for slot in slots.slots if slots else ():
                assert self.truth(device, slot.name) == (slot.value, slot.quality), slot

    def truth(self, device, name):
        """What the edge node would say of a metric now, by the thorough decoder."""
        payload = decode(self.edge._birth(device, self.now).payload)
        metric = payload.find(name)
        said = metric.properties.get("Quality")
        quality = said.value if said else 192
        is_uncertain = quality == 192 and "detail" in metric.properties
        return metric.value, Quality.UNCERTAIN if is_uncertain else quality

    # the broker ---------------------------------------------------------------------------

    def publish(self, messages):
        for message in messages:
            assert not isinstance(message, Command)
            assert not message.retain
            if message.topic.split("/")[2] != "NDEATH":
                self.seqs.append(decode(message.payload).seq)
                follows = len(self.seqs) < 2 or self.seqs[-1] == (self.seqs[-2] + 1) % 256
                assert follows or "/NBIRTH/" in message.topic
            if self.is_host_connected:
                self.sent += 1
                self.to_host[message.topic].append((self.sent, self.now, message))

    def heard(self, events):
        for event in events:
            if isinstance(event, Changed):
                assert self.is_host_connected
            if not isinstance(event, Publish):
                continue
            place = SparkplugTopic.parse(event.message.topic)
            if place.type is MessageType.NCMD and self.is_edge_connected:
                self.to_edge.append(event.message)


Session.TestCase.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
TestSession = Session.TestCase
