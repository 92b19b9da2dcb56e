"""The edge node: births, data, deaths and commands."""

from __future__ import annotations

import pytest

from uns.errors import ProjectError
from uns.message import Message
from uns.metric import DataType, Quality
from uns.sparkplug import (
    IGNITION,
    NODE_RED,
    SPEC,
    Command,
    Compression,
    DataNames,
    EdgeNode,
    EdgeSettings,
    Metric,
    MetricDefinition,
    NodeId,
    Payload,
    Problem,
    WireProfile,
    decode,
    encode,
)
from uns.sparkplug.wire import PayloadMessage

NODE = NodeId("acme:leeds", "packaging:line1")
NCMD = "spBv1.0/acme:leeds/NCMD/packaging:line1"
DCMD = "spBv1.0/acme:leeds/DCMD/packaging:line1/filler"


def kinds(messages):
    return [message.topic.split("/", 2)[2].replace("/packaging:line1", "") for message in messages]


def rebirth(value=True):
    metric = Metric("Node Control/Rebirth", value, DataType.BOOLEAN)
    return Message(NCMD, encode(Payload(metrics=(metric,))))


def command(*metrics, topic=DCMD, **rest):
    return Message(topic, encode(Payload(5, metrics)), **rest)


def read(edge, message):
    """A payload of the edge node's, with what its births said."""
    known = {}
    for device in edge._devices:
        known |= {alias: metric.datatype for alias, metric in edge._devices[device].items()}
    return decode(message.payload, known=known)


@pytest.mark.conforms(
    "tck-id-topics-ndeath-payload",
    "tck-id-topics-ndeath-seq",
    "tck-id-payloads-ndeath-seq",
    "tck-id-payloads-ndeath-will-message-qos",
    "tck-id-payloads-ndeath-will-message-retain",
)
def test_the_will_is_a_death_at_qos_1(edge):
    """Of bdSeq alone, without seq; QoS 1, not retained."""
    will = edge.will()
    payload = decode(will.payload)
    assert ("spBv1.0/acme:leeds/NDEATH/packaging:line1", 1, False) == (
        will.topic,
        will.qos,
        will.retain,
    )
    assert [("bdSeq", 0, DataType.INT64)] == [
        (m.name, m.value, m.datatype) for m in payload.metrics
    ]
    assert payload.seq is None


@pytest.mark.conforms(
    "tck-id-topics-nbirth-bdseq-increment",
    "tck-id-topics-nbirth-bdseq-matching",
    "tck-id-payloads-nbirth-bdseq-repeat",
    "tck-id-message-flow-edge-node-birth-publish-will-message-payload-bdSeq",
)
def test_bd_seq_advances_with_a_connect_that_left_and_nothing_else(edge, now):
    """Failed attempts and rebirths keep the number."""
    edge.will()
    edge.will()  # the first CONNECT never left
    assert 1 == edge.next_bd_seq
    edge.advance()
    edge.connected(now)
    edge.received(rebirth(), now + 5)
    assert (0, 1) == (edge.bd_seq, edge.next_bd_seq)
    edge.disconnected()
    assert 1 == decode(edge.will().payload).metrics[0].value
    assert 2 == edge.next_bd_seq
    (nbirth,) = edge.connected(now + 9)
    assert 1 == decode(nbirth.payload).find("bdSeq").value


@pytest.mark.conforms("tck-id-message-flow-edge-node-birth-publish-will-message-payload-bdSeq")
def test_bd_seq_wraps():
    """255 is followed by 0."""
    edge = EdgeNode(NODE, {}, bd_seq=255)
    edge.will()
    edge.advance()
    assert (255, 0) == (edge.bd_seq, edge.next_bd_seq)


@pytest.mark.conforms(
    "tck-id-payloads-dbirth-order",
    "tck-id-payloads-alias-uniqueness",
    "tck-id-payloads-alias-birth-requirement",
    "tck-id-operational-behavior-data-commands-rebirth-name-aliases",
)
def test_births_come_in_order_and_name_everything(edge, now):
    """NBIRTH, then the devices that are up; seq from 0."""
    edge.device_up("labeller", now)
    edge.device_up("filler", now)
    edge.will()
    messages = edge.connected(now)
    assert ["NBIRTH", "DBIRTH/labeller", "DBIRTH/filler"] == kinds(messages)
    payloads = [decode(message.payload) for message in messages]
    assert [0, 1, 2] == [payload.seq for payload in payloads]
    assert ["bdSeq", "Node Control/Rebirth"] == [m.name for m in payloads[0].metrics]
    assert [None, None] == [m.alias for m in payloads[0].metrics]
    assert payloads[0].metrics[1].value is False
    aliases = [m.alias for payload in payloads[1:] for m in payload.metrics]
    assert sorted(set(aliases)) == sorted(aliases)
    pressure = payloads[2].find("bowl_pressure")
    assert {
        "uns": "acme/leeds/packaging/line1/filler/bowl_pressure",
        "engUnit": "bar",
        "engLow": 0.0,
        "engHigh": 6.0,
        "schema": "filler/2",
    } == {key: entry.value for key, entry in pressure.properties.items()}
    assert (None, DataType.FLOAT, now) == (
        pressure.value,
        pressure.datatype,
        pressure.timestamp_ms,
    )
    assert all((m.qos, m.retain) == (0, False) for m in messages)


@pytest.mark.conforms("tck-id-operational-behavior-data-publish-dbirth-values")
def test_births_carry_what_was_read_while_offline(edge, now):
    """Current values, with their times."""
    alias = edge.alias_of("filler", "good")
    edge.device_up("filler", now)
    assert [] == edge.observed("filler", [(alias, 7, Quality.GOOD, now - 50)], now)
    _, dbirth = edge.connected(now)
    good = decode(dbirth.payload).find("good")
    assert (7, now - 50) == (good.value, good.timestamp_ms)


@pytest.mark.conforms(
    "tck-id-payloads-alias-data-cmd-requirement", "tck-id-payloads-name-birth-data-requirement"
)
def test_data_is_alias_time_and_value(online, now):
    """No name, no datatype; a time for each metric."""
    alias = online.alias_of("filler", "bowl_pressure")
    (message,) = online.observed(
        "filler", [(alias, 1.5, 192, now + 1), (alias, 2.5, 192, 0)], now + 3
    )
    payload = decode(message.payload)
    assert ["DDATA/filler"] == kinds([message])
    assert (now + 3, 2) == (payload.timestamp_ms, payload.seq)
    expected = [
        Metric(value=1.5, alias=alias, timestamp_ms=now + 1),
        Metric(value=2.5, alias=alias, timestamp_ms=now + 3),  # 0: stamped by us
    ]
    assert expected == list(payload.metrics)


@pytest.mark.conforms("tck-id-operational-behavior-data-publish-dbirth-order")
def test_values_in_one_message_are_in_order_of_time(online, now):
    """Readings that come out of order are put in order."""
    good, recipe = online.alias_of("filler", "good"), online.alias_of("filler", "recipe")
    readings = [(good, 1, 192, now + 9), (recipe, "a", 192, now + 2), (good, 0, 192, now + 1)]
    (message,) = online.observed("filler", readings, now + 9)
    assert [0, "a", 1] == [metric.value for metric in read(online, message).metrics]


@pytest.mark.conforms(
    "tck-id-payloads-sequence-num-incrementing",
    "tck-id-payloads-ddata-seq-inc",
    "tck-id-topics-ddata-seq-num",
)
def test_seq_wraps_after_255(online, now):
    """0…255 over node and devices together."""
    alias = online.alias_of("filler", "good")
    found = [
        decode(online.observed("filler", [(alias, n, 192, now)], now)[0].payload).seq
        for n in range(260)
    ]
    assert [*range(2, 256), *range(6)] == found


def test_a_value_that_does_not_fit_spoils_no_neighbour(online, now):
    """It becomes null and Bad with the reason; the others travel as they are."""
    pressure, good, recipe = online.aliases("filler").values()
    readings = [(good, -7, 192, now), (pressure, float("nan"), 192, now), (recipe, "r1", 192, now)]
    (message,) = online.observed("filler", readings, now)
    refused, nan, fine = read(online, message).metrics
    assert [None, None, "r1"] == [refused.value, nan.value, fine.value]
    assert ["Range", "NaN"] == [m.properties["detail"].value for m in (refused, nan)]
    assert [0, 0] == [m.properties["Quality"].value for m in (refused, nan)]
    assert {} == fine.properties


@pytest.mark.conforms(
    "tck-id-payloads-propertyset-quality-value-value",
    "tck-id-payloads-propertyset-quality-value-type",
)
@pytest.mark.parametrize(
    ("quality", "code", "detail"),
    [(Quality.BAD, 0, "Bad"), (Quality.STALE, 500, "Stale"), (Quality.UNCERTAIN, 192, "Uncertain")],
)
def test_quality_travels_where_it_is_not_good(online, now, quality, code, detail):
    """As 0, 192 or 500, an Int32."""
    alias = online.alias_of("filler", "good")
    (message,) = online.observed("filler", [(alias, 7, quality, now)], now)
    (metric,) = read(online, message).metrics
    assert (7, code, detail) == (
        metric.value,
        metric.properties["Quality"].value,
        metric.properties["detail"].value,
    )
    assert DataType.INT32 is metric.properties["Quality"].datatype


@pytest.mark.conforms("tck-id-operational-behavior-device-ddeath", "tck-id-payloads-ddeath-seq-inc")
def test_a_lost_device_dies_and_its_values_are_stale_when_it_returns(online, now):
    """A DDEATH at once; and a birth must not make old values look live."""
    alias = online.alias_of("filler", "good")
    online.observed("filler", [(alias, 7, 192, now)], now)
    down = online.device_down("filler", now + 1)
    assert [] == online.observed("filler", [], now + 2)
    up = online.device_up("filler", now + 3)
    assert ["DDEATH/filler", "DBIRTH/filler"] == kinds(down + up)
    assert (3, ()) == (decode(down[0].payload).seq, decode(down[0].payload).metrics)
    good = decode(up[0].payload).find("good")
    assert (7, 500, now) == (good.value, good.properties["Quality"].value, good.timestamp_ms)


def test_going_up_or_down_twice_says_nothing(online, now):
    """Births and deaths alternate."""
    assert [] == online.device_up("filler", now)
    online.device_down("filler", now)
    assert [] == online.device_down("filler", now)


@pytest.mark.conforms("tck-id-payloads-ddata-order")
def test_only_born_devices_send_data(online, now):
    """A device that is down keeps its values for its birth."""
    alias = online.alias_of("labeller", "state")
    assert [] == online.observed("labeller", [(alias, 6, 192, now)], now)
    (dbirth,) = online.device_up("labeller", now)
    assert 6 == decode(dbirth.payload).find("state").value


def test_the_nodes_own_metrics_travel_as_ndata(now):
    """The device id "" is the node itself."""
    edge = EdgeNode(NODE, {"": [MetricDefinition("dropped", DataType.UINT64)]})
    edge.will()
    (nbirth,) = edge.connected(now)
    assert decode(nbirth.payload).find("dropped").alias == edge.alias_of("", "dropped")
    assert ["NDATA"] == kinds(edge.observed("", [(1, 3, 192, now)], now))


@pytest.mark.conforms(
    "tck-id-operational-behavior-edge-node-intentional-disconnect-ndeath",
    "tck-id-payloads-ndeath-will-message-publisher",
)
def test_leaving_on_purpose_says_so(online, now):
    """An NDEATH, then nothing more."""
    (ndeath,) = online.stopping(now)
    assert (["NDEATH"], 1) == (kinds([ndeath]), ndeath.qos)
    assert [0] == [metric.value for metric in decode(ndeath.payload).metrics]
    assert [] == online.stopping(now)
    assert [] == online.observed("filler", [(1, 1.0, 192, now)], now)


@pytest.mark.conforms("tck-id-operational-behavior-data-commands-rebirth-action-2")
def test_a_rebirth_request_is_answered_at_once(online, now):
    """Everything is born again, with seq from 0."""
    messages = online.received(rebirth(), now)
    assert ["NBIRTH", "DBIRTH/filler"] == kinds(messages)
    assert [0, 1] == [decode(message.payload).seq for message in messages]


def test_rebirth_requests_within_a_second_share_one_answer(online, now):
    """Ten hosts that start together cost two births, and none is left without."""
    assert online.received(rebirth(), now)
    assert [[]] * 9 == [online.received(rebirth(), now + ms) for ms in range(100, 1000, 100)]
    assert [] == online.tick(now + 999)
    assert ["NBIRTH", "DBIRTH/filler"] == kinds(online.tick(now + 1000))
    assert [] == online.tick(now + 9000)


def test_an_owed_rebirth_goes_before_data(online, now):
    """Data asks for it too, so a shell need not tick often."""
    online.received(rebirth(), now)
    online.received(rebirth(), now + 1)
    messages = online.observed("filler", [(1, 1.0, 192, now)], now + 1000)
    assert ["NBIRTH", "DBIRTH/filler", "DDATA/filler"] == kinds(messages)


def test_rebirth_false_asks_for_nothing(online, now):
    """Only true is a request."""
    assert [] == online.received(rebirth(value=False), now)


def test_commands_come_typed_by_name_or_alias(online, now):
    """A host may leave out the datatype, and may send a whole number for a Float."""
    good = online.alias_of("filler", "good")
    message = command(
        Metric("bowl_pressure", 3, DataType.INT32, timestamp_ms=now),
        Metric(value=9, alias=good, datatype=DataType.UINT32),
        Metric("recipe", "r2", DataType.TEXT),
    )
    expected = [
        Command("filler", "bowl_pressure", 3.0, DataType.FLOAT, now),
        Command("filler", "good", 9, DataType.UINT32, 5),
        Command("filler", "recipe", "r2", DataType.STRING, 5),
    ]
    assert expected == online.received(message, now)
    untyped = Message(DCMD, bytes.fromhex("1205 10") + bytes([good]) + bytes.fromhex("50ac02"))
    assert [300] == [found.value for found in online.received(untyped, now)]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (command(Metric("nothing", 1, DataType.INT32)), "there is no such metric"),
        (command(Metric("good", -1, DataType.INT32)), "-1 does not fit UInt32 (Range)"),
        (command(Metric("good", None, DataType.INT32)), "it is null"),
        (command(Metric("good", 1, DataType.INT32), retain=True), "is retained"),
        (command(topic=DCMD + "x"), "there is no device `fillerx`"),
        (Message(DCMD, b"{}"), "no Sparkplug B payload"),
        (Message("acme/leeds", b""), "is no Sparkplug topic"),
    ],
)
def test_a_command_that_cannot_be_is_a_problem(online, now, message, text):
    """It is named and explained, and nothing is written."""
    (problem,) = online.received(message, now)
    assert isinstance(problem, Problem)
    assert text in problem.text


def test_a_flood_of_bad_commands_is_ten_problems_a_minute(online, now):
    """Whoever may publish a command must not fill logs with it; what is right is carried out."""
    wrong = [Metric(f"x{number}", 1, DataType.INT32) for number in range(1_000)]
    flood = command(*wrong, Metric("good", 5, DataType.UINT32))
    found = online.received(flood, now)
    assert [10, 1] == [sum(isinstance(e, kind) for e in found) for kind in (Problem, Command)]
    assert [Command] == [type(e) for e in online.received(flood, now + 59_000)]
    assert 11 == len(online.received(flood, now + 60_000))


def test_messages_for_others_are_ignored(online, now):
    """A wide subscription may bring other nodes' commands, and data."""
    other = "spBv1.0/acme:leeds/NCMD/packaging:line2"
    assert [] == online.received(Message(other, rebirth().payload), now)
    assert [] == online.received(Message(NCMD.replace("NCMD", "NDATA"), b""), now)


@pytest.mark.parametrize(
    ("node", "devices"),
    [
        (NodeId("a/b", "c"), {}),
        (NodeId("a", ""), {}),
        (NodeId("a", "b"), {"d#": []}),
        (NodeId("a", "b"), {"d": [MetricDefinition("", DataType.INT8)]}),
        (NodeId("a", "b"), {"d": [MetricDefinition("x", DataType.INT8)] * 2}),
        (NodeId("a", "b"), {"": [MetricDefinition("bdSeq", DataType.INT64)]}),
    ],
)
def test_names_that_cannot_be_are_the_projects_error(node, devices):
    """Ids with wildcards, and metrics without a name of their own."""
    with pytest.raises(ProjectError):
        EdgeNode(node, devices)


def test_a_handle_of_another_device_is_refused(online, now):
    """A reading with a foreign alias would be another machine's value."""
    with pytest.raises(KeyError):
        online.observed("filler", [(online.alias_of("labeller", "state"), 1, 192, now)], now)


def test_many_readings_are_split(online, now):
    """No message carries more than a thousand metrics."""
    messages = online.observed("filler", [(2, n, 192, now) for n in range(2500)], now)
    assert [1000, 1000, 500] == [len(decode(m.payload).metrics) for m in messages]


def test_a_connection_after_leaving_is_a_session_like_any_other(online, now):
    """The next bdSeq, births, data."""
    online.stopping(now)
    online.will()
    nbirth, _ = online.connected(now + 1)
    assert 1 == decode(nbirth.payload).find("bdSeq").value
    assert ["DDATA/filler"] == kinds(online.observed("filler", [(1, 1.0, 192, now)], now + 1))


def profiled(profile, now):
    """An edge node of this profile and what it publishes: births, data, history."""
    metrics = {"d": [MetricDefinition("n", DataType.UINT32), MetricDefinition("t", DataType.TEXT)]}
    edge = EdgeNode(NODE, metrics, settings=EdgeSettings(profile=profile))
    messages = edge.connected(now) + edge.device_up("d", now)
    messages += edge.observed("d", [(1, 2**31, 192, now)], now)
    return edge, messages + edge.recalled("d", [("n", 2**31 - 1, 192, now - 9)], now)


def test_uint32_travels_as_the_profile_says(now):
    """In births, data and history alike: Node-RED and older Ignition read `long_value`."""
    edge, messages = profiled(NODE_RED, now)
    *_, data, late = (PayloadMessage.FromString(message.payload) for message in messages)
    assert (2**31, 2**31 - 1) == (data.metrics[0].long_value, late.metrics[0].long_value)
    edge.disconnected()
    birth = PayloadMessage.FromString(edge.connected(now)[1].payload)
    assert 2**31 == birth.metrics[0].long_value
    _, messages = profiled(SPEC, now)
    assert 2**31 == PayloadMessage.FromString(messages[2].payload).metrics[0].int_value


def test_a_profile_of_names_has_no_aliases(now):
    """Births without an alias, data by name; the handles of readings stay numbers."""
    _, messages = profiled(WireProfile(data_names=DataNames.NAME), now)
    found = [metric for message in messages for metric in decode(message.payload).metrics]
    assert {None} == {metric.alias for metric in found}
    assert ["n", "n"] == [metric.name for metric in found[-2:]]


def test_a_packed_session_says_the_same(now):
    """Births, data and history in Tahu's envelope, seq outside it too; the will is never packed."""
    edge, packed = profiled(WireProfile(compress=Compression.DEFLATE), now)
    _, plain = profiled(SPEC, now)
    assert [decode(m.payload) for m in plain] == [decode(m.payload) for m in packed]
    outer = [PayloadMessage.FromString(message.payload) for message in packed]
    assert [0, 1, 2, 3] == [payload.seq for payload in outer]
    assert {"SPBV1.0_COMPRESSED"} == {payload.uuid for payload in outer}
    assert "" == PayloadMessage.FromString(edge.will().payload).uuid


@pytest.mark.parametrize("profile", [SPEC, NODE_RED, IGNITION])
def test_commands_are_read_in_any_form(now, profile):
    """Whatever our own profile is: either integer field, packed or not, by name or alias."""
    edge, _ = profiled(SPEC, now)
    topic = "spBv1.0/acme:leeds/DCMD/packaging:line1/d"
    for metric in (Metric("n", 7, DataType.UINT32), Metric(None, 7, DataType.UINT32, alias=1)):
        for form in (profile, WireProfile(uint32=profile.uint32, compress=Compression.GZIP)):
            sent = Message(topic, encode(Payload(now, (metric,)), profile=form))
            assert [Command("d", "n", 7, DataType.UINT32, now)] == edge.received(sent, now)
