"""The monitor blames nobody for what is right, forgives what a listener cannot know, stays small."""

from __future__ import annotations

import random
import sys
import tracemalloc
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from monitor_scene import DEVICE, HOST, NODE, NOW, Scene

from uns.message import Message
from uns.metric import DataType
from uns.sparkplug import EdgeNode, HostApplication, MetricDefinition, NodeId
from uns.sparkplug.edge_settings import EdgeSettings
from uns.sparkplug.events import Leave, Publish
from uns.sparkplug.metrics import DataSet, Metric, Parameter, Template
from uns.sparkplug.monitor import Connect, Kind, Monitor, Outcome
from uns.sparkplug.statements import STATEMENTS, Party

UNSEEN = {
    # what a host does with a death happens inside it
    "tck-id-operational-behavior-edge-node-termination-host-action-ndeath-node-offline",
    "tck-id-operational-behavior-edge-node-termination-host-action-ndeath-node-tags-stale",
    "tck-id-operational-behavior-edge-node-termination-host-action-ndeath-devices-offline",
    "tck-id-operational-behavior-edge-node-termination-host-action-ndeath-devices-tags-stale",
    "tck-id-operational-behavior-edge-node-termination-host-action-ddeath-devices-offline",
    "tck-id-operational-behavior-edge-node-termination-host-action-ddeath-devices-tags-stale",
    # so does reordering, and who should have asked for a rebirth cannot be told
    "tck-id-operational-behavior-host-reordering-param",
    "tck-id-operational-behavior-host-reordering-start",
    "tck-id-operational-behavior-host-reordering-rebirth",
    "tck-id-operational-behavior-host-reordering-success",
    # one monitor listens to one server
    "tck-id-operational-behavior-edge-node-termination-host-offline-reconnect",
    "tck-id-operational-behavior-primary-application-state-with-multiple-servers-single-server",
    "tck-id-operational-behavior-primary-application-state-with-multiple-servers-walk",
    # allowed, and nothing follows from it
    "tck-id-topic-structure-namespace-duplicate-device-id-across-edge-node",
}


def _old_protocol(scene: Scene) -> None:
    scene.connect(lambda c: c._replace(protocol=4))
    scene.subscribe()
    scene.nbirth()
    scene.ndeath()
    scene.leave(0)
    scene.host_connect(lambda c: c._replace(protocol=4))
    scene.host_subscribe()
    scene.host_birth()
    scene.say(scene.state(False, scene.now), "")
    scene.host_birth()
    scene.host_death()
    scene.leave(None, "host")


def _primary(scene: Scene) -> None:
    scene.host_session()
    scene.connect()
    scene.subscribe((f"spBv1.0/g/NCMD/{NODE}", 1), (f"spBv1.0/STATE/{HOST}", 1))
    scene.wait(5000)
    scene.nbirth()
    scene.say(scene.state(False, scene.now - 60_000), "")
    scene.host_birth()
    scene.say(scene.state(False, scene.now - 60_000), "")
    scene.wait(5000)
    scene.ndata()
    scene.host_birth()
    scene.host_death()
    scene.ndeath()
    scene.leave()


def test_a_right_day_keeps_every_statement_that_can_be_seen() -> None:
    """Nothing is blamed, and what is neither PASS nor said to be invisible does not exist."""
    kept: set[str] = set()
    for day in (Scene.everything, _old_protocol, _primary):
        scene = Scene()
        day(scene)
        assert set() == scene.broken()
        kept |= scene.kept()
    seen = {Party.EDGE, Party.HOST, Party.PRIMARY}
    ours = {one.id for one in STATEMENTS.values() if one.who & seen}
    assert UNSEEN == ours - kept


def test_without_a_tap_what_needs_a_connect_is_not_seen() -> None:
    """A listener on a broker cannot know wills, and blames nobody for theirs."""
    scene = Scene(is_tapped=False)
    scene.everything()
    assert set() == scene.broken()
    grades = scene.conduct().grades
    for name in ("principles-persistence-clean-session-50", "topics-nbirth-bdseq-matching"):
        assert Outcome.NOT_SEEN is grades[f"tck-id-{name}"].outcome
    assert Outcome.PASS is grades["tck-id-topics-nbirth-mqtt"].outcome


def test_a_later_pass_never_hides_a_failure() -> None:
    """One wrong message stays wrong, and is told with the first time and how often."""
    scene = Scene()
    scene.session()
    scene.ddata(qos=1)
    first_ms = scene.now
    scene.ddata()
    scene.ddata(qos=1)
    grade = scene.conduct().grades["tck-id-topics-ddata-mqtt"]
    assert (Outcome.FAIL, 2) == (grade.outcome, grade.count)
    assert grade.evidence is not None
    assert (first_ms, "QoS 0", "QoS 1") == (
        grade.evidence.at_ms, grade.evidence.expected, grade.evidence.actual
    )  # fmt: skip


def test_evidence_calls_metrics_by_their_names() -> None:
    """An alias says nothing to people; the birth said which metric it is."""
    scene = Scene()
    scene.session()
    scene.ddata(lambda p: setattr(p.metrics[0], "double_value", 7))
    (grade,) = scene.conduct().failures
    assert grade.evidence is not None
    assert "`good`: UInt32 in double_value" == grade.evidence.actual


def test_a_broken_should_is_advice() -> None:
    """What the specification recommends fails nobody."""
    scene = Scene()
    scene.session()
    scene.ndata(lambda p: setattr(p.metrics[0], "datatype", 10))
    assert () == scene.conduct().failures
    assert ["tck-id-payloads-metric-datatype-not-req"] == [g.id for g in scene.conduct().advice]


# what a listener cannot know ------------------------------------------------------------------


class Shuffled(Scene):
    """Keeps packets back, to be handed on in another order."""

    def __init__(self, **settings) -> None:
        super().__init__(is_tapped=False, **settings)
        self.kept_back: list[Message] = []

    def put(self, topic, payload, client, **flags) -> None:
        self.now += 10
        self.kept_back.append(Message(topic, payload, **flags))

    def hand_on(self, *order: int) -> None:
        for place in order:
            self.now += 10
            self.monitor.published(self.kept_back[place], self.now)
        self.kept_back.clear()


def test_messages_of_different_topics_may_overtake_each_other() -> None:
    """Brokers order single topics only: data before its birth is no one's mistake."""
    scene = Shuffled()
    scene.nbirth()
    scene.dbirth()
    scene.ndata()
    scene.ddata()
    scene.ndata()
    scene.hand_on(3, 2, 0, 4, 1)
    assert set() == scene.broken()
    assert "tck-id-payloads-ndata-seq-inc" in scene.kept()


def test_a_rebirth_may_be_overtaken_by_what_follows_it() -> None:
    """New numbers before their NBIRTH, old ones after it."""
    scene = Shuffled()
    for _ in range(3):
        scene.nbirth()
        scene.dbirth()
        for _ in range(4):
            scene.ndata()
            scene.ddata()
    scene.hand_on(*range(9), 10, 12, 9, 11, 13, *range(14, 19), 22, 20, 19, 21, *range(23, 30))
    assert set() == scene.broken()


def test_a_gap_that_stays_is_one() -> None:
    """After the time for reordering, a missing number is a failure of the message after it."""
    scene = Shuffled()
    scene.nbirth()
    scene.hand_on(0)
    scene.wait(5000)  # who has just begun to listen may have missed something
    scene.nbirth()
    scene.dbirth()
    scene.ndata()
    scene.ddata()
    scene.hand_on(0, 1, 3)
    assert "tck-id-payloads-ddata-seq-inc" in scene.broken()


def test_a_session_that_had_begun_before_is_believed() -> None:
    """Names and numbers are unknown until a birth, and nothing is blamed for that."""
    scene = Shuffled()
    scene.nbirth()
    scene.dbirth()
    for _ in range(5):
        scene.ndata()
        scene.ddata()
    scene.ddeath()
    scene.dbirth()
    scene.hand_on(*range(5, 14))
    assert set() == scene.broken()


def test_what_was_missed_is_blamed_on_nobody() -> None:
    """After a loss of our own, everything is new to us."""
    scene = Scene(is_tapped=False)
    scene.session()
    scene.seq = 77
    scene.monitor.lost_sight()
    scene.ddata(lambda p: setattr(p.metrics[0], "alias", 50))
    scene.ndata()
    assert set() == scene.broken()


def test_the_late_will_of_an_earlier_session_is_no_death() -> None:
    """A broker may publish a will long after its client is back."""
    scene = Scene()
    scene.bd_seq = 4
    scene.session()
    will = scene.death_payload(lambda _: None)
    scene.leave(None)
    scene.bd_seq = 5
    scene.session()
    scene.put(f"spBv1.0/g/NDEATH/{NODE}", will, "edge", qos=1)
    scene.ddata()
    assert set() == scene.broken()


def test_data_under_way_when_its_node_died_is_forgiven() -> None:
    """An NDEATH at QoS 1 may overtake the last data at QoS 0."""
    scene = Shuffled()
    scene.nbirth()
    scene.dbirth()
    scene.ddata()
    scene.ndeath()
    scene.hand_on(0, 1, 3, 2)
    assert set() == scene.broken()


def test_a_lost_memory_begins_at_zero() -> None:
    """BdSeq 0 after any other is a node that was installed anew."""
    scene = Scene()
    scene.bd_seq = 200
    scene.session()
    scene.ndeath()
    scene.leave()
    scene.wait(5000)
    scene.bd_seq = 0
    scene.session()
    assert set() == scene.broken()


def test_retain_is_not_judged_where_it_cannot_be_seen() -> None:
    """MQTT 3.1.1 shows no publisher's retain flag."""
    scene = Scene(is_tapped=False, sees_retain=False)
    scene.host_ms = scene.now
    scene.host_birth(retain=False)
    scene.session()
    assert set() == scene.broken()
    grades = scene.conduct(Kind.HOST).grades
    assert Outcome.NOT_SEEN is grades["tck-id-host-topic-phid-birth-retain"].outcome


def test_a_primary_host_may_be_named() -> None:
    """A listener does not see subscriptions; told the host, it judges who waits for it."""
    scene = Scene(is_tapped=False, primary_host=HOST)
    scene.put("other", b"", "")
    scene.wait(10_000)
    scene.nbirth()
    assert "tck-id-message-flow-edge-node-birth-publish-phid-wait" in scene.broken()


# our own ends ---------------------------------------------------------------------------------

MOTOR = Template(
    metrics=(Metric("speed", 0, DataType.INT32), Metric("amps", 0.0, DataType.FLOAT)),
    parameters=(Parameter("ratio", DataType.FLOAT, 1.0),),
    version="1",
    is_definition=True,
)
TABLE = DataSet(("name", "pH"), (DataType.STRING, DataType.FLOAT), (("lager", 4.5),))
DEVICES = {
    "": [MetricDefinition("load", DataType.DOUBLE)],
    "filler": [
        MetricDefinition("good", DataType.UINT32, {"engUnit": "pcs", "engLow": 0}),
        MetricDefinition("level", DataType.INT8),
        MetricDefinition("recipes", DataType.DATASET),
        MetricDefinition("motor", DataType.TEMPLATE, template="Motor"),
        MetricDefinition("hours", DataType.INT16_ARRAY, is_transient=True),
    ],
    "labeller": [MetricDefinition("state", DataType.STRING)],
}


class Plant:
    """Our edge node and our host on one server, and the monitor at its tap."""

    def __init__(self, protocol: int = 5) -> None:
        self.now = NOW
        self.protocol = protocol
        self.monitor = Monitor()
        self.host = HostApplication("uns")
        self.edge = EdgeNode(
            NodeId("acme", "line1"), DEVICES, bd_seq=254,
            templates={"Motor": MOTOR}, settings=EdgeSettings(primary_host="uns"),
        )  # fmt: skip
        self.has_left = False
        self.retained: dict[str, Message] = {}

    def send(self, effects, client: str) -> None:
        """Everything reaches the server at once, and the other end after it."""
        for effect in effects:
            message = effect.message if isinstance(effect, Publish) else effect
            if isinstance(effect, Leave):
                self.has_left = True
            if not isinstance(message, Message):
                continue
            self.now += 3
            self.monitor.published(message, self.now, client=client)
            if message.retain:
                self.retained[message.topic] = message
            if client == "host":
                self.send(self.edge.received(message, self.now), "edge")
            self.send(self.host.received(message, self.now), "host")

    def host_up(self) -> None:
        will = self.host.will(self.now)
        self.monitor.connected("host", Connect(self.protocol, True, 0, will), self.now)
        self.monitor.subscribed("host", self.host.subscriptions(), self.now)
        self.send(self.host.connected(self.now), "host")

    def host_down(self) -> None:
        self.send(self.host.stopping(self.now), "host")
        self.monitor.disconnected("host", self.now, reason=0)
        self.host.disconnected(self.now)

    def edge_up(self) -> None:
        will = self.edge.will()
        self.monitor.connected("edge", Connect(self.protocol, True, 0, will), self.now)
        self.edge.advance()
        self.monitor.subscribed("edge", self.edge.subscriptions(), self.now)
        self.send(self.edge.connected(self.now), "edge")
        for message in list(self.retained.values()):
            self.send(self.edge.received(message, self.now), "edge")

    def edge_down(self) -> None:
        self.monitor.disconnected("edge", self.now, reason=4 if self.protocol == 5 else 0)
        self.edge.disconnected()
        self.has_left = False

    def work(self, rounds: int) -> None:
        names = self.edge.aliases("filler")
        for number in range(rounds):
            self.now += 100
            at, value = self.now, number + self.now % 1000
            readings = [
                (names["good"], value, 192, at),
                (names["level"], -(value % 100), 192 if value % 7 else 0, at),
                (names["hours"], (value % 24, -1), 192, at),
            ]
            self.send(self.edge.observed("filler", readings, at), "edge")
            self.send(self.edge.observed("", [(1, value / 7, 192, at)], at), "edge")
            self.send(self.edge.tick(at), "edge")
            self.send(self.host.tick(at), "host")
            self.monitor.tick(at)


@pytest.mark.parametrize("protocol", [4, 5])
def test_our_own_edge_node_and_host_keep_every_statement(protocol: int) -> None:
    """A long day with everything that can happen between them: zero FAIL."""
    plant = Plant(protocol)
    plant.host_up()
    plant.edge_up()
    plant.send(
        [m for d in ("filler", "labeller") for m in plant.edge.device_up(d, plant.now)], "edge"
    )
    plant.work(300)
    plant.send([plant.host.request_rebirth(plant.edge.node, plant.now)], "host")
    plant.work(20)
    plant.send(plant.edge.device_down("filler", plant.now), "edge")
    plant.send(plant.edge.device_up("filler", plant.now), "edge")
    more = [*DEVICES["labeller"], MetricDefinition("speed", DataType.FLOAT)]
    plant.send(plant.edge.change_device("labeller", more, plant.now), "edge")
    samples = [("good", n, 192, plant.now - 10_000 + n) for n in range(40)]
    plant.send(plant.edge.recalled("filler", samples, plant.now), "edge")
    plant.host_down()
    assert plant.has_left
    plant.edge_down()
    plant.now += 60_000
    plant.edge_up()
    plant.work(20)
    plant.host_up()
    plant.work(50)
    plant.send(plant.edge.stopping(plant.now), "edge")
    plant.edge_down()
    plant.host_down()
    plant.monitor.tick(plant.now + 60_000)
    report = plant.monitor.report()
    assert [] == [(grade.id, grade.evidence) for _, grade in report.failures]
    edge = report.find("acme/line1")
    assert edge is not None
    assert 120 < edge.counts[Outcome.PASS]


def test_the_example_on_its_page_runs(capsys) -> None:
    """docs/how-to/check-sparkplug.md shows code that does what it says."""
    page = (Path(__file__).parents[2] / "docs/how-to/check-sparkplug.md").read_text()
    code = page.split("```python\n")[1].split("```")[0]
    exec(compile(code, "check-sparkplug.md", "exec"), {})
    out = capsys.readouterr().out
    assert "acme/line1 tck-id-payloads-ndeath-will-message-qos QoS 0" in out


# bounds -----------------------------------------------------------------------------------------


def test_memory_stays_bounded_whatever_is_sent() -> None:
    """A hundred thousand edge nodes, endless devices and names: what is too much is counted."""
    scene = Scene(is_tapped=False, max_participants=200, max_known_bytes=400_000, max_evidence=500)
    scene.nbirth()
    tracemalloc.start()
    try:
        for number in range(3_000):
            scene.monitor.published(Message(f"spBv1.0/g{number}/DDATA/e/d", b"\x18\x05"), NOW)
            scene.monitor.published(Message(f"spBv1.0/g/DBIRTH/{NODE}/{number}", b"\x18\x07"), NOW)
            scene.monitor.published(Message(f"spBv1.0/STATE/{number}", b"{}"), NOW)
            scene.monitor.published(Message(f"spBv1.0/x/y/z/{number}", b""), NOW)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    report = scene.monitor.report()
    assert 400 == len(report.participants)
    assert 5_000 < report.left_out
    assert size < 60_000_000


def test_nothing_that_is_sent_raises() -> None:
    """Mutated packets of a right day, on right and wrong topics, at any time."""
    chance = random.Random(7)  # the same day each time
    day = Shuffled()
    day.host_ms = day.now
    day.host_birth()
    day.session()
    for _ in range(3):
        day.ndata()
        day.ddata()
        day.ncmd()
        day.dcmd()
    day.ndeath()
    packets, monitor = list(day.kept_back), Monitor()
    topics = [one.topic for one in packets] + ["STATE/x", "spBv1.0", "spBv1.0/", "spBv1.0/STATE",
                                               "spBv1.0//NBIRTH//", "spAv1.0/g/NDATA/e", "", "/"]  # fmt: skip
    for number in range(6_000):
        packet = chance.choice(packets)
        payload = bytearray(packet.payload)
        for _ in range(chance.randrange(4)):
            payload[chance.randrange(len(payload))] = chance.randrange(256)
        topic = chance.choice(topics) if number % 3 == 0 else packet.topic
        message = Message(topic, bytes(payload), chance.randrange(3), chance.random() < 0.1)
        monitor.published(message, NOW + number * 7, client=chance.choice(["", "edge", "host"]))
        if number % 50 == 0:
            monitor.tick(NOW + number * 7)
    assert monitor.report().messages == 6_000
    assert DEVICE in "".join(topics)
