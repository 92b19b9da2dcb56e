"""Templates and other rich values of an edge node: definitions, instances, tables, files."""

from __future__ import annotations

import pytest

from uns.errors import ProjectError
from uns.metric import DataType, Quality
from uns.sparkplug import (
    DataSet,
    EdgeNode,
    EdgeSettings,
    MetaData,
    Metric,
    MetricDefinition,
    NodeId,
    Parameter,
    Template,
    decode,
)
from uns.sparkplug.wire import PayloadMessage

NODE = NodeId("acme:leeds", "packaging:line1")
BEARING = Template((Metric("temp", None, DataType.FLOAT), Metric("wear", 0, DataType.INT32)))
MOTOR = Template(
    (
        Metric("rpm", None, DataType.FLOAT),
        Metric("running", False, DataType.BOOLEAN),
        Metric("front", Template(reference="Bearing"), DataType.TEMPLATE),
    ),
    (Parameter("maker", DataType.STRING, "Acme"), Parameter("poles", DataType.INT32, 4)),
    version="1.2",
)
TEMPLATES = {"Motor": MOTOR, "Bearing": BEARING}


def line_of(*definitions, templates=TEMPLATES, **settings):
    return EdgeNode(
        NODE,
        {"filler": definitions or [MetricDefinition("drive", DataType.TEMPLATE, template="Motor")]},
        templates=templates,
        settings=EdgeSettings(**settings),
    )


@pytest.fixture
def line(now):
    edge = line_of()
    edge.connected(now)
    return edge


def said(edge, message):
    """What is in a message, for one who knows the births."""
    types = {}
    for device in ("", "filler"):
        types |= {alias: metric.datatype for alias, metric in edge._devices[device].items()}
    return decode(message.payload, known=types).metrics


def members(template):
    return {metric.name: metric.value for metric in template.metrics}


@pytest.mark.conforms(
    "tck-id-topics-nbirth-templates",
    "tck-id-payloads-template-definition-is-definition",
    "tck-id-payloads-template-definition-ref",
    "tck-id-payloads-template-ref-definition",
    "tck-id-payloads-template-is-definition-definition",
    "tck-id-payloads-template-definition-members",
    "tck-id-payloads-template-definition-parameters",
    "tck-id-payloads-template-parameter-name-required",
    "tck-id-payloads-template-parameter-type-req",
    "tck-id-payloads-template-parameter-type-value",
)
def test_every_nbirth_has_the_definitions(now):
    """Whole, marked as definitions on the wire, without a reference, and without an alias."""
    (nbirth,) = line_of().connected(now)
    found = {metric.name: metric for metric in PayloadMessage.FromString(nbirth.payload).metrics}
    assert ["bdSeq", "Node Control/Rebirth", "Motor", "Bearing"] == [*found]
    motor = found["Motor"]
    assert (19, now, False) == (motor.datatype, motor.timestamp, motor.HasField("alias"))
    shape = motor.template_value
    assert (True, True, False) == (
        shape.HasField("is_definition"),
        shape.is_definition,
        shape.HasField("template_ref"),
    )
    assert ["rpm", "running", "front"] == [member.name for member in shape.metrics]
    assert [("maker", 12), ("poles", 3)] == [(p.name, p.type) for p in shape.parameters]


@pytest.mark.conforms(
    "tck-id-payloads-template-definition-nbirth-only",
    "tck-id-payloads-template-definition-nbirth",
    "tck-id-payloads-template-instance-is-definition",
    "tck-id-payloads-template-is-definition-instance",
    "tck-id-payloads-template-is-definition",
    "tck-id-payloads-template-instance-ref",
    "tck-id-payloads-template-instance-members-birth",
)
def test_an_instance_is_whole_in_its_birth(line, now):
    """Every member and parameter, nested ones too, before anything was read."""
    (dbirth,) = line.device_up("filler", now)
    (metric,) = PayloadMessage.FromString(dbirth.payload).metrics
    drive = metric.template_value
    assert (True, False, "Motor", "1.2") == (
        drive.HasField("is_definition"),
        drive.is_definition,
        drive.template_ref,
        drive.version,
    )
    assert ["rpm", "running", "front"] == [member.name for member in drive.metrics]
    assert [9, 11, 19] == [member.datatype for member in drive.metrics]
    assert [now] * 3 == [member.timestamp for member in drive.metrics]
    assert ["maker", "poles"] == [entry.name for entry in drive.parameters]
    front = drive.metrics[2].template_value
    assert ("Bearing", ["temp", "wear"]) == (front.template_ref, [m.name for m in front.metrics])


@pytest.mark.conforms(
    "tck-id-payloads-template-instance-members-data", "tck-id-payloads-template-instance-members"
)
def test_data_may_be_part_of_an_instance_and_births_remember_the_rest(line, now):
    """Members that were read at different times are together in the next birth."""
    line.device_up("filler", now)
    drive = line.alias_of("filler", "drive")
    partial = Template((Metric("rpm", 1500, timestamp_ms=now + 1),))
    front = Template((Metric("temp", 60.5),), reference="Bearing")
    (first,) = line.observed("filler", [(drive, partial, 192, now + 1)], now + 1)
    (metric,) = said(line, first)
    assert ({"rpm": 1500.0}, "Motor") == (members(metric.value), metric.value.reference)
    assert DataType.FLOAT is metric.value.metrics[0].datatype
    later = Template((Metric("front", front),), (Parameter("poles", DataType.INT32, 6),))
    line.observed("filler", [(drive, later, 192, now + 2)], now + 2)
    line.disconnected()
    _, dbirth = line.connected(now + 3)
    whole = decode(dbirth.payload).find("drive").value
    assert (1500.0, False) == (members(whole)["rpm"], members(whole)["running"])
    assert {"temp": 60.5, "wear": 0} == members(members(whole)["front"])
    assert {"maker": "Acme", "poles": 6} == {p.name: p.value for p in whole.parameters}
    assert [now + 1, now + 3, now + 2] == [metric.timestamp_ms for metric in whole.metrics]


def test_members_that_were_read_offline_are_in_the_birth(now):
    """Kept without a broker, part by part."""
    edge = line_of()
    edge.device_up("filler", now)
    drive = edge.alias_of("filler", "drive")
    for part in (Metric("rpm", 5.0), Metric("running", True)):
        assert [] == edge.observed("filler", [(drive, Template((part,)), 192, now)], now)
    _, dbirth = edge.connected(now)
    whole = members(decode(dbirth.payload).find("drive").value)
    assert (5.0, True) == (whole["rpm"], whole["running"])


@pytest.mark.parametrize(
    "value",
    [
        5,
        "rpm=5",
        Template((Metric("torque", 1.0),)),
        Template((Metric("rpm", 1.0),), reference="Bearing"),
        Template((), (Parameter("colour", DataType.STRING, "red"),)),
    ],
)
def test_what_is_no_instance_of_the_type_is_null_and_bad(line, now, value):
    """No member, parameter or reference that the definition lacks."""
    line.device_up("filler", now)
    drive = line.alias_of("filler", "drive")
    (message,) = line.observed("filler", [(drive, value, 192, now)], now)
    (metric,) = said(line, message)
    assert (None, 0) == (metric.value, metric.properties["Quality"].value)


def test_a_member_that_does_not_fit_spoils_no_other(line, now):
    """It is null and Bad with the reason, inside its instance."""
    line.device_up("filler", now)
    drive = line.alias_of("filler", "drive")
    value = Template((Metric("rpm", "fast"), Metric("running", 1), Metric("front", 7)))
    (message,) = line.observed("filler", [(drive, value, 192, now)], now)
    rpm, running, front = said(line, message)[0].value.metrics
    assert (None, "Type", True) == (rpm.value, rpm.properties["detail"].value, running.value)
    assert (None, 0) == (front.value, front.properties["Quality"].value)


def test_late_instances_are_historical_and_change_nothing(line, now):
    """What is recalled is typed by the definition and never a current value."""
    line.device_up("filler", now)
    past = Template((Metric("rpm", 3),))
    (message,) = line.recalled("filler", [("drive", past, 192, now - 60_000)], now)
    (metric,) = said(line, message)
    assert (True, {"rpm": 3.0}, now - 60_000) == (
        metric.is_historical,
        members(metric.value),
        metric.timestamp_ms,
    )
    line.disconnected()
    _, dbirth = line.connected(now)
    assert None is members(decode(dbirth.payload).find("drive").value)["rpm"]


def test_other_definitions_are_a_birth_of_everything(line, now):
    """Members that still fit keep their values."""
    line.device_up("filler", now)
    drive = line.alias_of("filler", "drive")
    value = Template((Metric("rpm", 5.0), Metric("running", True)))
    line.observed("filler", [(drive, value, 192, now)], now)
    assert [] == line.change_templates(TEMPLATES, now)
    wider = Template((*MOTOR.metrics, Metric("amps", 0.0, DataType.FLOAT)), MOTOR.parameters)
    messages = line.change_templates({**TEMPLATES, "Motor": wider}, now + 1)
    assert ["NBIRTH", "DBIRTH"] == [message.topic.split("/")[2] for message in messages]
    assert [0, 1] == [decode(message.payload).seq for message in messages]
    whole = members(decode(messages[1].payload).find("drive").value)
    assert (5.0, True, 0.0) == (whole["rpm"], whole["running"], whole["amps"])


@pytest.mark.parametrize(
    "templates",
    [
        {"": BEARING},
        {"bdSeq": BEARING},
        {"A": Template((Metric("x", 1, DataType.UNKNOWN),))},
        {"A": Template((Metric("x", 300, DataType.INT8),))},
        {"A": Template((Metric(None, 1, DataType.INT8),))},
        {"A": Template((Metric("x", 1, DataType.INT8),) * 2)},
        {"A": Template((), (Parameter("p", DataType.UUID, "x"),))},
        {"A": Template((), (Parameter("p", DataType.INT8, 300),))},
        {"A": Template((Metric("x", None, DataType.TEMPLATE),))},
        {"A": Template((Metric("x", Template(reference="B"), DataType.TEMPLATE),))},
        {"A": Template((Metric("x", Template(reference="A"), DataType.TEMPLATE),))},
        {"A": Template((Metric("\ud800", 1, DataType.INT8),))},
        {"\ud800": BEARING},
        {"drive": BEARING},
    ],
)
def test_types_that_cannot_be_are_the_projects_error(templates):
    """No name, no type, a value that does not fit, a type of nothing or of itself."""
    own = {"": [MetricDefinition("drive", DataType.FLOAT)]}
    with pytest.raises(ProjectError):
        EdgeNode(NODE, own, templates=templates)


ROWS = DataSet(("n", "t"), (DataType.INT32, DataType.STRING), ((-1, "a"), (2, "b")))


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        (DataType.DATASET, ROWS),
        (DataType.INT16_ARRAY, (-30000, 30000)),
        (DataType.BOOLEAN_ARRAY, (True, False, True)),
        (DataType.STRING_ARRAY, ("ABC", "hello")),
        (DataType.BYTES, b"\0\xff"),
        (DataType.FILE, b"%PDF"),
        (DataType.UUID, "3f2504e0-4f89-41d3-9a0c-0305e82c3301"),
        (DataType.DATETIME, -1),
    ],
)
def test_rich_values_travel_in_births_and_data(now, datatype, value):
    """Tables, lists and files are metrics like any other."""
    metadata = MetaData(file_name="a.pdf", size=4) if datatype is DataType.FILE else None
    edge = line_of(MetricDefinition("rich", datatype, metadata=metadata))
    edge.connected(now)
    edge.device_up("filler", now)
    alias = edge.alias_of("filler", "rich")
    (data,) = edge.observed("filler", [(alias, value, 192, now)], now)
    assert (value, metadata) == (said(edge, data)[0].value, said(edge, data)[0].metadata)
    edge.disconnected()
    birth = decode(edge.connected(now)[1].payload).find("rich")
    assert (value, datatype, metadata) == (birth.value, birth.datatype, birth.metadata)


def test_a_transient_metric_says_so_always(now):
    """In births, data and history: receivers show it and do not store it."""
    edge = line_of(MetricDefinition("jog", DataType.BOOLEAN, is_transient=True))
    edge.connected(now)
    alias = edge.alias_of("filler", "jog")
    messages = edge.device_up("filler", now)
    messages += edge.observed("filler", [(alias, True, Quality.GOOD, now)], now)
    messages += edge.recalled("filler", [("jog", False, 192, now - 9)], now)
    assert [True] * 3 == [said(edge, message)[0].is_transient for message in messages]
