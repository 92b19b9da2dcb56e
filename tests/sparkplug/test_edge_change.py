"""Metrics and devices that come, change and go while an edge node runs."""

from __future__ import annotations

import pytest

from uns.errors import ProjectError
from uns.message import Message
from uns.metric import DataType
from uns.sparkplug import (
    Command,
    EdgeNode,
    EdgeSettings,
    HostApplication,
    Metric,
    MetricDefinition,
    NodeId,
    Payload,
    Problem,
    Template,
    decode,
    encode,
    first_alias,
)
from uns.sparkplug.varint import varint

NODE = NodeId("acme:leeds", "packaging:line1")
GOOD = MetricDefinition("good", DataType.UINT32)
SPEED = MetricDefinition("speed", DataType.FLOAT)
TORQUE = MetricDefinition("torque", DataType.FLOAT)


def kinds(messages):
    return [message.topic.split("/", 2)[2].replace("/packaging:line1", "") for message in messages]


def seqs(messages):
    return [decode(message.payload).seq for message in messages]


@pytest.fixture
def line(now):
    """An online edge node whose filler is up and has values; its capper is down."""
    edge = EdgeNode(NODE, {"filler": [GOOD, SPEED], "capper": [GOOD]})
    edge.will()
    edge.connected(now)
    edge.device_up("filler", now)
    good, speed = edge.aliases("filler").values()
    edge.observed("filler", [(good, 7, 192, now), (speed, 1.5, 192, now)], now)
    return edge


@pytest.mark.conforms(
    "tck-id-topic-structure-namespace-unique-device-id",
    "tck-id-topics-dbirth-metric-reqs",
    "tck-id-operational-behavior-data-publish-dbirth",
)
def test_a_changed_device_dies_and_is_born_with_all_its_metrics(line, now):
    """DDEATH then DBIRTH, for two DBIRTHs in a row are a duplicate id; what stays keeps its value."""
    before = line.aliases("filler")
    messages = line.change_device("filler", [TORQUE, GOOD], now + 5)
    assert ["DDEATH/filler", "DBIRTH/filler"] == kinds(messages)
    assert [3, 4] == seqs(messages)
    birth = decode(messages[1].payload)
    assert ["torque", "good"] == [metric.name for metric in birth.metrics]
    assert [None, 7] == [metric.value for metric in birth.metrics]
    assert (before["good"], now) == (birth.find("good").alias, birth.find("good").timestamp_ms)


def test_an_alias_is_never_given_to_another_metric(line, now):
    """Removed, renamed or of another type: the number means one metric for ever."""
    used = {*line.aliases("filler").values(), *line.aliases("capper").values()}
    line.change_device("filler", [TORQUE, GOOD], now)
    torque = line.alias_of("filler", "torque")
    assert torque not in used
    line.change_device("filler", [GOOD, MetricDefinition("torque", DataType.INT32)], now)
    assert line.alias_of("filler", "torque") not in used | {torque}
    line.change_device("filler", None, now)
    line.change_device("filler", [GOOD, SPEED], now)
    assert not {*line.aliases("filler").values()} & (used | {torque})


def test_a_metric_of_another_type_starts_without_a_value(line, now):
    """Nobody knows whether the old value means the same."""
    (*_, dbirth) = line.change_device(
        "filler", [MetricDefinition("good", DataType.STRING), SPEED], now
    )
    found = decode(dbirth.payload)
    assert (None, 1.5) == (found.find("good").value, found.find("speed").value)


def test_the_same_metrics_again_say_nothing(line, now):
    """No birth where nothing changed; another property is a change."""
    assert [] == line.change_device("filler", [GOOD, SPEED], now)
    changed = [GOOD, MetricDefinition("speed", DataType.FLOAT, {"engUnit": "rpm"})]
    (*_, dbirth) = line.change_device("filler", changed, now)
    assert "rpm" == decode(dbirth.payload).find("speed").properties["engUnit"].value


def test_a_new_device_is_born_when_it_is_up(line, now):
    """Adding it says nothing yet; it has aliases of its own."""
    assert [] == line.change_device("labeller", [GOOD], now)
    assert ["DBIRTH/labeller"] == kinds(line.device_up("labeller", now))
    assert line.alias_of("labeller", "good") not in line.aliases("filler").values()
    assert [] == line.change_device("capper", [GOOD, SPEED], now)  # it is down


def test_a_removed_device_dies_and_is_forgotten(line, now):
    """Its DDEATH is the last of it: not in later births, no commands, no readings."""
    assert ["DDEATH/filler"] == kinds(line.change_device("filler", None, now))
    assert [] == line.change_device("filler", None, now)
    line.disconnected()
    assert ["NBIRTH"] == kinds(line.connected(now))
    with pytest.raises(KeyError):
        line.observed("filler", [], now)
    with pytest.raises(KeyError):
        line.aliases("filler")
    dcmd = Message("spBv1.0/acme:leeds/DCMD/packaging:line1/filler", b"")
    assert [Problem] == [type(event) for event in line.received(dcmd, now)]


@pytest.mark.conforms(
    "tck-id-topics-nbirth-metric-reqs", "tck-id-operational-behavior-data-publish-nbirth"
)
def test_other_metrics_of_the_node_are_a_birth_of_everything(line, now):
    """An NBIRTH with seq 0, the same bdSeq, and its devices after it."""
    messages = line.change_device("", [MetricDefinition("dropped", DataType.UINT64)], now)
    assert (["NBIRTH", "DBIRTH/filler"], [0, 1]) == (kinds(messages), seqs(messages))
    names = [metric.name for metric in decode(messages[0].payload).metrics]
    assert ["bdSeq", "Node Control/Rebirth", "dropped"] == names
    assert 0 == decode(messages[0].payload).find("bdSeq").value
    alias = line.alias_of("", "dropped")
    assert ["NDATA"] == kinds(line.observed("", [(alias, 3, 192, now)], now))
    gone = line.change_device("", None, now)
    assert "dropped" not in [metric.name for metric in decode(gone[0].payload).metrics]


def test_changes_without_a_broker_are_in_the_next_births(line, now):
    """Nothing to say now; nothing lost."""
    line.disconnected()
    assert [] == line.change_device("filler", [GOOD, TORQUE], now)
    assert [] == line.change_device("", [MetricDefinition("dropped", DataType.UINT64)], now)
    _, dbirth = line.connected(now)
    assert [("good", 7), ("torque", None)] == [
        (metric.name, metric.value) for metric in decode(dbirth.payload).metrics
    ]


@pytest.mark.parametrize(
    ("device", "definitions"),
    [
        ("a/b", [GOOD]),
        ("filler", [GOOD, GOOD]),
        ("filler", [MetricDefinition("", DataType.INT8)]),
        ("filler", [MetricDefinition("x", DataType.PROPERTY_SET)]),
        ("filler", [GOOD, MetricDefinition("\ud800", DataType.INT8)]),
        ("filler", [GOOD, MetricDefinition("x", DataType.INT8, {"n": 2**70})]),
        ("filler", [MetricDefinition("x", DataType.TEMPLATE, template="Motor")]),
        ("", [MetricDefinition("Node Control/Rebirth", DataType.BOOLEAN)]),
    ],
)
def test_a_change_that_cannot_be_changes_nothing(line, now, device, definitions):
    """It is the project's error, and the device lives on as it was."""
    with pytest.raises(ProjectError):
        line.change_device(device, definitions, now)
    assert ["good", "speed"] == [*line.aliases("filler")]
    assert ["DDATA/filler"] == kinds(line.observed("filler", [(1, 8, 192, now)], now))


def test_commands_follow_the_change(line, now):
    """By the new names and aliases; the old ones are no more."""
    line.change_device("filler", [GOOD, TORQUE], now)
    metrics = (Metric("torque", 2.5, DataType.FLOAT), Metric("speed", 2.5, DataType.FLOAT))
    dcmd = Message("spBv1.0/acme:leeds/DCMD/packaging:line1/filler", encode(Payload(now, metrics)))
    known, unknown = line.received(dcmd, now)
    assert Command("filler", "torque", 2.5, DataType.FLOAT, now) == known
    assert "no such metric" in unknown.text


def test_a_host_follows_every_change(line, now):
    """The other end, fed with all of it, has the metrics and values that we have."""
    host = HostApplication("uns")
    host.will(now)
    host.connected(now)
    line.disconnected()
    messages = line.connected(now)
    messages += line.change_device("filler", [TORQUE, GOOD], now + 1)
    torque, good = line.aliases("filler").values()
    messages += line.observed("filler", [(good, 9, 192, now + 2), (torque, 0.5, 192, now + 2)], now)
    messages += line.change_device("", [MetricDefinition("dropped", DataType.UINT64)], now + 3)
    messages += line.observed("filler", [(good, 10, 192, now + 4)], now + 4)
    for place, message in enumerate(messages):
        host.received(message, now + place)
    slots = host._nodes[NODE].find_device("filler").slots
    assert {"torque": 0.5, "good": 10} == {slot.name: slot.value for slot in slots}


def test_removing_a_template_in_use_is_refused(now):
    """An instance without its definition cannot be read; the definitions stay as they were."""
    shape = Template((Metric("rpm", None, DataType.FLOAT),))
    metrics = {"filler": [MetricDefinition("drive", DataType.TEMPLATE, template="Motor")]}
    edge = EdgeNode(NODE, metrics, templates={"Motor": shape}, settings=EdgeSettings())
    with pytest.raises(ProjectError, match="Motor"):
        edge.change_templates({}, now)
    assert "Motor" in [metric.name for metric in decode(edge.connected(now)[0].payload).metrics]


def test_processes_with_other_metrics_number_them_elsewhere():
    """The same metrics have the same numbers always; others share none with them."""
    one = {"": [], "filler": [MetricDefinition("good", DataType.UINT32)]}
    other = {"": [], "filler": [MetricDefinition("bad", DataType.UINT32)]}
    numbers = []
    for devices in (one, other, one):
        edge = EdgeNode(NODE, devices, settings=EdgeSettings(first_alias=first_alias(devices)))
        numbers.append({*edge.aliases("filler").values()})
    assert numbers[0] == numbers[2]
    assert numbers[0].isdisjoint(numbers[1])
    assert 3 == len(varint(min(numbers[0])))


def test_a_metric_in_another_unit_has_no_value_of_the_old_one(now):
    """3.5 in bar is not 3.5 in kPa: the metric gets another alias and is born without a value."""
    bar, kpa = (MetricDefinition("p", DataType.FLOAT, {"engUnit": u}) for u in ("bar", "kPa"))
    edge = EdgeNode(NODE, {"filler": [bar, GOOD]})
    edge.will()
    edge.connected(now)
    edge.device_up("filler", now)
    before = edge.aliases("filler")
    edge.observed("filler", [(before["p"], 3.5, 192, now), (before["good"], 7, 192, now)], now)
    _, birth = edge.change_device("filler", [kpa, GOOD], now)
    values = {metric.name: metric.value for metric in decode(birth.payload).metrics}
    assert {"p": None, "good": 7} == values
    assert before["p"] != edge.alias_of("filler", "p")
    assert before["good"] == edge.alias_of("filler", "good")
