"""What the specification demands of payloads, on the bytes of a whole recorded session."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from recorded_session import (
    GROUP,
    NODE,
    NODE_ID,
    START_MS,
    TEMPLATES,
    Recording,
    new_edge,
    record,
)

from uns.errors import ProjectError
from uns.metric import DataType
from uns.sparkplug import EdgeNode, MetricDefinition, NodeId, Parameter, Template
from uns.sparkplug.wire import MetricMessage, PayloadMessage, PropertySetMessage

BIRTHS, DATA = ("NBIRTH", "DBIRTH"), ("NDATA", "DDATA")
SEQUENCED = (*BIRTHS, *DATA, "DDEATH")
KINDS = (*SEQUENCED, "NDEATH")
BASIC = range(1, 15)
VALUE_FIELDS = {"int_value", "long_value", "float_value", "double_value", "boolean_value"}
VALUE_FIELDS |= {"string_value"}
UINT32 = 13  # descriptor.proto: TYPE_UINT32
YEAR_MS = 366 * 86_400_000


@pytest.fixture(scope="module")
def tape():
    return record()


def walk_templates(metrics):
    """(is the metric a member of another, template) for every template, nested ones too."""
    for metric in metrics:
        if metric.HasField("template_value"):
            yield metric, metric.template_value
            yield from walk_templates(metric.template_value.metrics)


def templates(tape, *kinds, definitions):
    found = [
        (metric, template)
        for metric, template in walk_templates(tape.metrics(*kinds))
        if template.is_definition is definitions
    ]
    assert found
    return found


def property_sets(tape):
    found = [m.properties for m in tape.metrics(*BIRTHS, *DATA) if m.HasField("properties")]
    assert found
    return found


def data_sets(tape):
    found = [m.dataset_value for m in tape.metrics(*DATA, *BIRTHS) if m.HasField("dataset_value")]
    assert found
    return found


# identifiers and topics -------------------------------------------------------------------


@pytest.mark.conforms(
    "tck-id-intro-group-id-string",
    "tck-id-intro-edge-node-id-string",
    "tck-id-intro-device-id-string",
    "tck-id-topic-structure",
    "tck-id-topic-structure-namespace-a",
    "tck-id-topic-structure-namespace-device-id-associated-message-types",
    "tck-id-topic-structure-namespace-device-id-non-associated-message-types",
)
def test_topics_are_built_from_the_ids_and_nothing_else(tape):
    """Namespace, group, type, edge node; then a device for D messages and for no others."""
    expected = {(kind, "") for kind in ("NBIRTH", "NDATA", "NDEATH")}
    expected |= {
        (kind, device) for kind in ("DBIRTH", "DDATA") for device in ("filler", "labeller")
    }
    expected |= {("DDEATH", "labeller")}
    seen = set()
    for one in tape.said:
        tail = [one.device_id] if one.kind.startswith("D") else []
        assert ["spBv1.0", GROUP, one.kind, NODE_ID, *tail] == one.message.topic.split("/")
        seen.add((one.kind, one.device_id))
    assert expected == seen


@pytest.mark.conforms(
    "tck-id-intro-group-id-chars",
    "tck-id-intro-edge-node-id-chars",
    "tck-id-intro-device-id-chars",
    "tck-id-topic-structure-namespace-valid-group-id",
    "tck-id-topic-structure-namespace-valid-edge-node-id",
    "tck-id-topic-structure-namespace-valid-device-id",
)
@pytest.mark.parametrize("bad", ["", "a/b", "a+", "#", "nul\0", "\ud800"])
def test_ids_that_mqtt_has_other_uses_for_are_refused(bad):
    """No id of ours can hold `+`, `/`, `#` or what is no UTF-8 text."""
    with pytest.raises(ProjectError):
        EdgeNode(NodeId(bad, "line1"), {})
    with pytest.raises(ProjectError):
        EdgeNode(NodeId("acme", bad), {})
    if bad:  # "" stands for the edge node itself
        with pytest.raises(ProjectError):
            EdgeNode(NODE, {bad: []})


@pytest.mark.conforms("tck-id-topic-structure-namespace-unique-device-id")
def test_a_device_is_never_born_twice_without_a_death_between(tape):
    """Between two DBIRTHs of a device stands its DDEATH or an NBIRTH."""
    alive, births = set(), 0
    for one in tape.said:
        if one.kind == "NBIRTH":
            alive.clear()
        elif one.kind == "DDEATH":
            alive.remove(one.device_id)
        elif one.kind == "DBIRTH":
            assert one.device_id not in alive
            alive.add(one.device_id)
            births += 1
    assert births > 4


@pytest.mark.conforms("tck-id-topic-structure-namespace-duplicate-device-id-across-edge-node")
def test_two_edge_nodes_may_have_a_device_of_one_name():
    """The same device id below another edge node is another device."""
    edges = [EdgeNode(NodeId("acme", name), {"filler": []}) for name in ("line1", "line2")]
    births = []
    for edge in edges:
        edge.device_up("filler", START_MS)
        births += [m.topic for m in edge.connected(START_MS) if "DBIRTH" in m.topic]
    assert ["spBv1.0/acme/DBIRTH/line1/filler", "spBv1.0/acme/DBIRTH/line2/filler"] == births


# the envelope -----------------------------------------------------------------------------


@pytest.mark.conforms(
    "tck-id-payloads-timestamp-in-UTC",
    "tck-id-topics-nbirth-timestamp",
    "tck-id-payloads-nbirth-timestamp",
    "tck-id-topics-dbirth-timestamp",
    "tck-id-payloads-dbirth-timestamp",
    "tck-id-topics-ndata-timestamp",
    "tck-id-payloads-ndata-timestamp",
    "tck-id-topics-ddata-timestamp",
    "tck-id-payloads-ddata-timestamp",
    "tck-id-payloads-ddeath-timestamp",
)
@pytest.mark.parametrize("kind", KINDS)
def test_messages_carry_the_time_they_were_sent(tape, kind):
    """The payload's timestamp is the milliseconds since 1970 that the edge node was told."""
    last_ms = START_MS
    for one in tape.of(kind):
        assert one.payload.HasField("timestamp")
        assert last_ms <= one.payload.timestamp <= tape.now_ms + 5
        last_ms = one.payload.timestamp


@pytest.mark.conforms(
    "tck-id-payloads-sequence-num-always-included",
    "tck-id-payloads-nbirth-seq",
    "tck-id-payloads-dbirth-seq",
    "tck-id-payloads-ndata-seq",
    "tck-id-payloads-ddata-seq",
    "tck-id-payloads-ddeath-seq",
    "tck-id-payloads-ddeath-seq-number",
)
@pytest.mark.parametrize("kind", SEQUENCED)
def test_seq_is_on_the_wire_even_when_it_is_zero(tape, kind):
    """Presence, not value: proto2 leaves a field out unless it was written."""
    assert all(one.payload.HasField("seq") for one in tape.of(kind))


@pytest.mark.conforms("tck-id-payloads-sequence-num-always-included")
def test_a_seq_of_zero_is_two_bytes_on_the_wire(tape):
    """Tag 0x18 and a zero end the NBIRTH."""
    assert tape.of("NBIRTH")[0].message.payload.endswith(b"\x18\x00")


@pytest.mark.conforms(
    "tck-id-payloads-sequence-num-req-nbirth",
    "tck-id-topics-nbirth-seq-num",
    "tck-id-message-flow-edge-node-birth-publish-nbirth-payload-seq",
)
def test_every_nbirth_starts_the_count_at_zero(tape):
    """0 satisfies the chapter that wants 0 and those that want 0 to 255."""
    assert [0, 0, 0] == [one.payload.seq for one in tape.of("NBIRTH")]


@pytest.mark.conforms(
    "tck-id-payloads-sequence-num-incrementing",
    "tck-id-message-flow-device-birth-publish-dbirth-payload-seq",
    "tck-id-topics-dbirth-seq",
    "tck-id-payloads-dbirth-seq-inc",
    "tck-id-topics-ndata-seq-num",
    "tck-id-payloads-ndata-seq-inc",
    "tck-id-topics-ddata-seq-num",
    "tck-id-payloads-ddata-seq-inc",
    "tck-id-topics-ddeath-seq-num",
    "tck-id-payloads-ddeath-seq-inc",
)
def test_seq_counts_every_message_of_node_and_devices(tape):
    """One more than the message before, whichever of the two it was; 255 is followed by 0."""
    last, wraps, followers = None, 0, set()
    for one in tape.said:
        if one.kind not in ("NBIRTH", "NDEATH"):
            assert (last + 1) % 256 == one.payload.seq, one.message.topic
            followers.add(one.kind)
            wraps += last == 255
        if one.kind != "NDEATH":
            last = one.payload.seq
    assert {"DBIRTH", "NDATA", "DDATA", "DDEATH"} == followers
    assert wraps >= 2


# metrics ----------------------------------------------------------------------------------


@pytest.mark.conforms("tck-id-payloads-name-requirement")
def test_a_metric_has_a_name_or_an_alias(tape):
    """Nothing travels that nobody could place."""
    for metric in tape.metrics(*BIRTHS, *DATA, "NDEATH"):
        assert metric.name or metric.HasField("alias")


@pytest.mark.conforms("tck-id-payloads-alias-uniqueness")
def test_aliases_are_unique_over_the_node_and_its_devices(tape):
    """One number space: no alias stands for two metrics."""
    owners = {}
    for one in tape.of(*BIRTHS):
        for metric in one.payload.metrics:
            if metric.HasField("alias"):
                owner = (one.device_id, metric.name)
                assert owner == owners.setdefault(metric.alias, owner)
    assert len(owners) == len(set(owners.values())) == 9


@pytest.mark.conforms("tck-id-payloads-alias-birth-requirement")
def test_births_carry_name_and_alias(tape):
    """All metrics of ours have both; bdSeq, the rebirth metric and definitions have no alias."""
    nameless = {"bdSeq", "Node Control/Rebirth", *TEMPLATES}
    for metric in tape.metrics(*BIRTHS):
        assert metric.HasField("name")
        assert metric.HasField("alias") == (metric.name not in nameless)


@pytest.mark.conforms("tck-id-payloads-alias-data-cmd-requirement")
def test_data_carries_the_alias_alone(tape):
    """A metric with an alias leaves its name out."""
    for metric in tape.metrics(*DATA):
        assert (True, False) == (metric.HasField("alias"), metric.HasField("name"))


@pytest.mark.conforms(
    "tck-id-payloads-name-birth-data-requirement", "tck-id-payloads-metric-timestamp-in-UTC"
)
def test_every_metric_has_its_own_time(tape):
    """Births and data say when each value was taken, in milliseconds since 1970."""
    for metric in tape.metrics(*BIRTHS, *DATA):
        assert metric.HasField("timestamp")
        assert START_MS <= metric.timestamp <= START_MS + YEAR_MS


@pytest.mark.conforms(
    "tck-id-payloads-metric-datatype-value-type",
    "tck-id-payloads-metric-datatype-value",
    "tck-id-payloads-metric-datatype-req",
)
def test_births_say_the_datatype_of_every_metric(tape):
    """A code of the specification's table, in the uint32 field made for it."""
    assert UINT32 == MetricMessage.DESCRIPTOR.fields_by_name["datatype"].type
    for metric in tape.metrics(*BIRTHS):
        assert metric.HasField("datatype")
        assert metric.datatype in range(1, 35)


@pytest.mark.conforms("tck-id-payloads-metric-datatype-not-req")
def test_data_leaves_the_datatype_out(tape):
    """The birth said it."""
    assert not any(metric.HasField("datatype") for metric in tape.metrics(*DATA))


# properties -------------------------------------------------------------------------------


@pytest.mark.conforms(
    "tck-id-payloads-propertyset-keys-array-size", "tck-id-payloads-propertyset-values-array-size"
)
def test_property_sets_have_a_value_for_every_key(tape):
    """Both lists are equally long, also where a quality joins a metric's own properties."""
    for properties in property_sets(tape):
        assert len(properties.keys) == len(properties.values) > 0
        assert len(set(properties.keys)) == len(properties.keys)


@pytest.mark.conforms(
    "tck-id-payloads-metric-propertyvalue-type-type",
    "tck-id-payloads-metric-propertyvalue-type-value",
    "tck-id-payloads-metric-propertyvalue-type-req",
)
def test_properties_say_their_type(tape):
    """A basic code, PropertySet or PropertySetList, in a uint32 field."""
    (values,) = [f for f in PropertySetMessage.DESCRIPTOR.fields if f.name == "values"]
    assert UINT32 == values.message_type.fields_by_name["type"].type
    for properties in property_sets(tape):
        for value in properties.values:
            assert value.HasField("type")
            assert value.type in (*BASIC, 20, 21)


@pytest.mark.conforms(
    "tck-id-payloads-propertyset-quality-value-type",
    "tck-id-payloads-propertyset-quality-value-value",
)
def test_quality_is_an_int32_of_three_codes(tape):
    """Bad and stale travel as 0 and 500; uncertain is Good to those who know three codes only."""
    codes = []
    for properties in property_sets(tape):
        for key, value in zip(properties.keys, properties.values, strict=True):
            if key == "Quality":
                assert (3, "int_value") == (value.type, value.WhichOneof("value"))
                codes.append(value.int_value)
    assert {0, 192, 500} == set(codes)


# data sets --------------------------------------------------------------------------------


@pytest.mark.conforms(
    "tck-id-payloads-dataset-column-size",
    "tck-id-payloads-dataset-column-num-headers",
    "tck-id-payloads-dataset-types-num",
    "tck-id-payloads-dataset-parameter-type-req",
)
def test_data_sets_say_their_columns_and_types(tape):
    """As many names as types as columns, and the number of columns is said."""
    for table in data_sets(tape):
        assert table.HasField("num_of_columns")
        assert (2, 2, 2) == (table.num_of_columns, len(table.columns), len(table.types))


@pytest.mark.conforms(
    "tck-id-payloads-dataset-types-def",
    "tck-id-payloads-dataset-types-type",
    "tck-id-payloads-dataset-types-value",
)
def test_the_types_of_a_data_set_are_basic_codes(tape):
    """Each is a uint32 between 1 and 14."""
    for table in data_sets(tape):
        assert UINT32 == table.DESCRIPTOR.fields_by_name["types"].type
        assert [DataType.INT32, DataType.STRING] == list(table.types)
        assert all(code in BASIC for code in table.types)


@pytest.mark.conforms("tck-id-payloads-template-dataset-value")
def test_every_cell_of_a_data_set_has_a_value_of_its_type(tape):
    """int_value for Int32, string_value for String; no cell is empty."""
    for table in data_sets(tape):
        for row in table.rows:
            fields = [cell.WhichOneof("value") for cell in row.elements]
            assert ["int_value", "string_value"] == fields


# templates --------------------------------------------------------------------------------


@pytest.mark.conforms("tck-id-payloads-template-definition-nbirth-only")
def test_definitions_stand_in_nbirths_only(tape):
    """No other message says is_definition true, however deep."""
    kinds = {
        one.kind
        for one in tape.said
        for _, template in walk_templates(one.payload.metrics)
        if template.is_definition
    }
    assert {"NBIRTH"} == kinds


@pytest.mark.conforms(
    "tck-id-payloads-template-definition-is-definition",
    "tck-id-payloads-template-is-definition-definition",
    "tck-id-payloads-template-definition-ref",
    "tck-id-payloads-template-ref-definition",
    "tck-id-topics-nbirth-templates",
)
def test_every_nbirth_defines_every_template(tape):
    """is_definition is true and template_ref is absent."""
    for one in tape.of("NBIRTH"):
        for name in TEMPLATES:
            template = one.find(name).template_value
            assert template.is_definition is True
            assert not template.HasField("template_ref")


@pytest.mark.conforms(
    "tck-id-payloads-template-is-definition",
    "tck-id-payloads-template-instance-is-definition",
    "tck-id-payloads-template-is-definition-instance",
)
def test_is_definition_is_on_the_wire_even_when_it_is_false(tape):
    """Presence, not value; nested instances too."""
    found = list(walk_templates(tape.metrics(*BIRTHS, *DATA)))
    assert all(template.HasField("is_definition") for _, template in found)
    assert any(not template.is_definition for _, template in found)


@pytest.mark.conforms(
    "tck-id-payloads-template-instance-ref",
    "tck-id-payloads-template-ref-instance",
    "tck-id-payloads-template-definition-nbirth",
)
def test_instances_name_a_definition_of_the_nbirth(tape):
    """template_ref is the name of the definition's metric, as text."""
    for _, template in templates(tape, *BIRTHS, *DATA, definitions=False):
        assert template.HasField("template_ref")
        assert template.template_ref in TEMPLATES


@pytest.mark.conforms(
    "tck-id-payloads-template-definition-members",
    "tck-id-payloads-template-instance-members",
    "tck-id-payloads-template-definition-parameters",
)
def test_instances_have_no_member_and_no_parameter_of_their_own(tape):
    """What an instance holds is in its definition."""
    for _, template in templates(tape, *BIRTHS, *DATA, definitions=False):
        shape = TEMPLATES[template.template_ref]
        members = {metric.name: int(metric.datatype) for metric in shape.metrics}
        for metric in template.metrics:
            assert members[metric.name] == metric.datatype
        assert {p.name for p in template.parameters} <= {p.name for p in shape.parameters}


@pytest.mark.conforms("tck-id-payloads-template-instance-members-birth")
def test_instances_in_births_are_complete(tape):
    """Every member of the definition is there, before and after the first value."""
    for _, template in templates(tape, *BIRTHS, definitions=False):
        shape = TEMPLATES[template.template_ref]
        assert [m.name for m in shape.metrics] == [m.name for m in template.metrics]


@pytest.mark.conforms("tck-id-payloads-template-instance-members-data")
def test_instances_in_data_carry_what_changed(tape):
    """One member alone may travel; the next birth has it among the others."""
    partial = [t for _, t in templates(tape, "DDATA", definitions=False)]
    assert [["speed"]] == [[m.name for m in t.metrics] for t in partial]
    last = [one for one in tape.of("DBIRTH") if one.device_id == "filler"][-1]
    members = {metric.name: metric for metric in last.find("motor").template_value.metrics}
    assert 3.5 == members["speed"].double_value


@pytest.mark.conforms(
    "tck-id-payloads-template-definition-parameters-default",
    "tck-id-payloads-template-instance-parameters",
)
def test_parameters_of_instances_are_the_definitions_until_said_otherwise():
    """A parameter's default stands in the birth; one that an instance gives stands instead."""
    tape = Recording(new_edge())
    tape.connect()
    tape.take(tape.edge.device_up("filler", tape.now_ms))
    tape.observe("filler", motor=Template(parameters=(Parameter("phases", DataType.INT32, 1),)))
    tape.ask_rebirth()
    phases = [
        {p.name: (p.int_value, p.string_value) for p in one.find("motor").template_value.parameters}
        for one in tape.of("DBIRTH")
    ]
    assert [
        {"phases": (3, ""), "maker": (0, "?")},
        {"phases": (1, ""), "maker": (0, "?")},
    ] == phases


@pytest.mark.conforms("tck-id-payloads-template-version")
def test_the_version_of_a_template_is_text(tape):
    """Where there is a version it is what was configured; where there is none, none is said."""
    one = tape.of("NBIRTH")[0]
    motor, drive = one.find("Motor").template_value, one.find("Drive").template_value
    assert ("2", False) == (motor.version, drive.HasField("version"))


@pytest.mark.conforms(
    "tck-id-payloads-template-parameter-name-required",
    "tck-id-payloads-template-parameter-name-type",
    "tck-id-payloads-template-parameter-value-type",
    "tck-id-payloads-template-parameter-type-value",
    "tck-id-payloads-template-parameter-type-req",
    "tck-id-payloads-template-parameter-value",
)
def test_parameters_have_a_name_a_basic_type_and_a_value(tape):
    """In definitions and instances alike."""
    count = 0
    for _, template in walk_templates(tape.metrics(*BIRTHS)):
        for parameter in template.parameters:
            assert UINT32 == parameter.DESCRIPTOR.fields_by_name["type"].type
            assert parameter.name
            assert parameter.HasField("type")
            assert parameter.type in BASIC
            assert parameter.WhichOneof("value") in VALUE_FIELDS
            count += 1
    assert count >= 8


@pytest.mark.conforms("tck-id-payloads-template-definition-nbirth")
def test_an_instance_without_a_definition_is_refused():
    """An edge node whose births would break the rule cannot be made."""
    wrong = {"d": [MetricDefinition("m", DataType.TEMPLATE, template="Nobody")]}
    with pytest.raises(ProjectError, match="Nobody"):
        EdgeNode(NODE, wrong)


def test_payloads_are_the_specifications_protobuf(tape):
    """Every byte of every message belongs to a field that upb knows, in place."""
    for one in tape.said:
        again = PayloadMessage.FromString(one.message.payload)
        again.DiscardUnknownFields()
        assert len(again.SerializeToString()) == len(one.message.payload)
