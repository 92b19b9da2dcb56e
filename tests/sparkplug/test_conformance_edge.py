"""What the specification demands of an edge node's session, on the bytes it publishes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from recorded_session import (
    DEVICES,
    GROUP,
    NODE_ID,
    START_MS,
    TEMPLATES,
    Recording,
    new_edge,
    record,
    said,
)

from uns.message import Message
from uns.metric import DataType
from uns.sparkplug import EdgeSettings, Leave

HOST = "uns"


@pytest.fixture(scope="module")
def tape():
    return record()


@pytest.fixture
def fresh():
    """A recording that has not begun."""
    return Recording(new_edge())


def fields(one):
    return one.message.qos, one.message.retain


def kinds(messages):
    return [one.kind if not one.device_id else f"{one.kind}/{one.device_id}" for one in messages]


def state(host=HOST, *, online, at_ms, retain=False):
    payload = json.dumps({"online": online, "timestamp": at_ms}).encode()
    return Message(f"spBv1.0/STATE/{host}", payload, qos=1, retain=retain)


# the will ---------------------------------------------------------------------------------


@pytest.mark.conforms(
    "tck-id-message-flow-edge-node-birth-publish-will-message-topic", "tck-id-topics-ndeath-topic"
)
def test_the_will_is_on_the_ndeath_topic(tape):
    """The death that the server speaks, and the one that we speak, are on one topic."""
    topics = {one.message.topic for one in (*tape.wills, *tape.of("NDEATH"))}
    assert {f"spBv1.0/{GROUP}/NDEATH/{NODE_ID}"} == topics


@pytest.mark.conforms(
    "tck-id-message-flow-edge-node-birth-publish-will-message-payload",
    "tck-id-topics-ndeath-payload",
    "tck-id-topics-ndeath-seq",
    "tck-id-payloads-ndeath-seq",
)
def test_a_death_is_bd_seq_and_nothing_else(tape):
    """One metric, by name, and no seq, on the wire."""
    for one in (*tape.wills, *tape.of("NDEATH")):
        (metric,) = one.payload.metrics
        assert ("bdSeq", False) == (metric.name, metric.HasField("alias"))
        assert not one.payload.HasField("seq")


@pytest.mark.conforms(
    "tck-id-message-flow-edge-node-birth-publish-will-message-payload-bdSeq",
    "tck-id-topics-nbirth-bdseq-increment",
)
def test_bd_seq_counts_connects_from_zero(fresh):
    """Int64; one more with each CONNECT; 255 is followed by 0; rebirths do not count."""
    for number in [*range(256), 0, 1]:
        fresh.connect()
        (metric,) = fresh.wills[-1].payload.metrics
        assert (DataType.INT64, "long_value") == (metric.datatype, metric.WhichOneof("value"))
        assert number == metric.long_value == fresh.of("NBIRTH")[-1].find("bdSeq").long_value
        fresh.ask_rebirth()
        fresh.take(fresh.edge.stopping(fresh.now_ms))


@pytest.mark.conforms(
    "tck-id-message-flow-edge-node-birth-publish-will-message-qos",
    "tck-id-message-flow-edge-node-birth-publish-will-message-will-retained",
    "tck-id-payloads-ndeath-will-message-qos",
    "tck-id-payloads-ndeath-will-message-retain",
)
def test_wills_are_qos_1_and_not_retained(tape):
    """So that no host misses one and none hears an old one."""
    assert [(1, False)] * 2 == [fields(one) for one in tape.wills]


@pytest.mark.conforms(
    "tck-id-payloads-ndeath-bdseq",
    "tck-id-topics-nbirth-bdseq-matching",
    "tck-id-message-flow-edge-node-birth-publish-nbirth-payload-bdSeq",
    "tck-id-payloads-nbirth-bdseq-repeat",
    "tck-id-operational-behavior-data-commands-rebirth-action-3",
)
def test_births_and_deaths_of_a_session_share_the_bd_seq_of_its_will(tape):
    """Of the birth, of the rebirth, and of the death that we speak."""
    numbers = [
        (one.kind, one.find("bdSeq").long_value) for one in tape.of("NBIRTH", "NDEATH", "NBIRTH")
    ]
    assert [0, 1] == [one.find("bdSeq").long_value for one in tape.wills]
    expected = [("NBIRTH", 0), ("NBIRTH", 0), ("NDEATH", 0), ("NBIRTH", 1), ("NDEATH", 1)]
    assert expected == numbers


def test_a_connect_that_never_left_uses_no_number(fresh):
    """Attempts that failed before their CONNECT leave no hole in bdSeq."""
    fresh.edge.will()
    fresh.edge.connect_failed()
    fresh.connect()
    assert 0 == fresh.of("NBIRTH")[0].find("bdSeq").long_value


# births -----------------------------------------------------------------------------------


@pytest.mark.conforms("tck-id-principles-birth-certificates-order")
def test_the_first_message_of_a_session_is_the_nbirth(tape):
    """At the start, and again after the end of a session."""
    firsts = ["NBIRTH"] + [
        after.kind
        for before, after in zip(tape.said, tape.said[1:], strict=False)
        if before.kind == "NDEATH"
    ]
    assert ["NBIRTH", "NBIRTH"] == firsts
    assert "NBIRTH" == tape.said[0].kind


@pytest.mark.conforms(
    "tck-id-message-flow-edge-node-birth-publish-nbirth-topic", "tck-id-topics-nbirth-topic"
)
def test_nbirths_are_on_their_topic(tape):
    """spBv1.0/group/NBIRTH/edge node."""
    topics = {one.message.topic for one in tape.of("NBIRTH")}
    assert {f"spBv1.0/{GROUP}/NBIRTH/{NODE_ID}"} == topics


@pytest.mark.conforms(
    "tck-id-message-flow-edge-node-birth-publish-nbirth-payload",
    "tck-id-message-flow-device-birth-publish-dbirth-payload",
)
@pytest.mark.parametrize("kind", ["NBIRTH", "DBIRTH"])
def test_births_are_sparkplug_payloads(tape, kind):
    """What upb reads by the specification's table is all there is, and nothing is empty."""
    for one in tape.of(kind):
        again = type(one.payload).FromString(one.message.payload)
        again.DiscardUnknownFields()
        assert again == one.payload
        assert len(again.metrics) > 0


@pytest.mark.conforms(
    "tck-id-message-flow-edge-node-birth-publish-nbirth-qos",
    "tck-id-message-flow-edge-node-birth-publish-nbirth-retained",
    "tck-id-topics-nbirth-mqtt",
    "tck-id-payloads-nbirth-qos",
    "tck-id-payloads-nbirth-retain",
    "tck-id-message-flow-device-birth-publish-dbirth-qos",
    "tck-id-message-flow-device-birth-publish-dbirth-retained",
    "tck-id-topics-dbirth-mqtt",
    "tck-id-payloads-dbirth-qos",
    "tck-id-payloads-dbirth-retain",
    "tck-id-topics-ndata-mqtt",
    "tck-id-payloads-ndata-qos",
    "tck-id-payloads-ndata-retain",
    "tck-id-topics-ddata-mqtt",
    "tck-id-payloads-ddata-qos",
    "tck-id-payloads-ddata-retain",
    "tck-id-topics-ddeath-mqtt",
)
@pytest.mark.parametrize("kind", ["NBIRTH", "DBIRTH", "NDATA", "DDATA", "DDEATH"])
def test_births_data_and_device_deaths_are_qos_0_and_not_retained(tape, kind):
    """Every single one."""
    assert {(0, False)} == {fields(one) for one in tape.of(kind)}


@pytest.mark.conforms(
    "tck-id-topics-nbirth-metric-reqs",
    "tck-id-operational-behavior-data-publish-nbirth",
    "tck-id-topics-dbirth-metric-reqs",
    "tck-id-operational-behavior-data-publish-dbirth",
)
def test_births_name_every_metric_that_data_will_carry(tape):
    """All that is configured, once, whether it ever had a value or not."""
    own = ["bdSeq", "Node Control/Rebirth", *TEMPLATES]
    for one in tape.of("NBIRTH", "DBIRTH"):
        expected = ([] if one.device_id else own) + [m.name for m in DEVICES[one.device_id]]
        assert sorted(expected) == sorted(metric.name for metric in one.payload.metrics)


@pytest.mark.conforms(
    "tck-id-topics-nbirth-metrics",
    "tck-id-operational-behavior-data-publish-nbirth-values",
    "tck-id-topics-dbirth-metrics",
    "tck-id-operational-behavior-data-publish-dbirth-values",
)
@pytest.mark.parametrize("kind", ["NBIRTH", "DBIRTH"])
def test_birth_metrics_have_a_value_or_say_that_they_are_null(tape, kind):
    """Name, datatype and just one of a value and is_null."""
    for metric in tape.metrics(kind):
        assert metric.name
        assert metric.HasField("datatype")
        assert metric.is_null == (metric.WhichOneof("value") is None)


@pytest.mark.conforms(
    "tck-id-operational-behavior-data-publish-nbirth-values",
    "tck-id-operational-behavior-data-publish-dbirth-values",
)
def test_births_carry_the_current_values(tape):
    """Null before the first reading; afterwards the last one, in the rebirth too."""
    births = [one for one in tape.of("DBIRTH") if one.device_id == "filler"]
    assert [True, False, False] == [one.find("good").is_null for one in births]
    assert [7, 299] == [one.find("good").int_value for one in births[1:]]
    loads = [one.find("load") for one in tape.of("NBIRTH")]
    assert [0.5, 299.0] == [metric.float_value for metric in loads[1:]]
    assert loads[0].is_null


@pytest.mark.conforms("tck-id-topics-nbirth-bdseq-included", "tck-id-payloads-nbirth-bdseq")
def test_every_nbirth_has_a_bd_seq(tape):
    """Once, by name."""
    for one in tape.of("NBIRTH"):
        assert 1 == [metric.name for metric in one.payload.metrics].count("bdSeq")


@pytest.mark.conforms(
    "tck-id-topics-nbirth-rebirth-metric",
    "tck-id-payloads-nbirth-rebirth-req",
    "tck-id-operational-behavior-data-commands-rebirth-name",
    "tck-id-operational-behavior-data-commands-rebirth-name-aliases",
    "tck-id-operational-behavior-data-commands-rebirth-datatype",
    "tck-id-operational-behavior-data-commands-rebirth-value",
)
def test_every_nbirth_offers_the_rebirth(tape):
    """Node Control/Rebirth: Boolean, false on the wire, no alias."""
    for one in tape.of("NBIRTH"):
        metric = one.find("Node Control/Rebirth")
        assert (DataType.BOOLEAN, "boolean_value") == (metric.datatype, metric.WhichOneof("value"))
        assert metric.boolean_value is False
        assert not metric.HasField("alias")


@pytest.mark.conforms(
    "tck-id-message-flow-edge-node-ncmd-subscribe", "tck-id-message-flow-device-dcmd-subscribe"
)
def test_commands_are_subscribed_to_at_qos_1():
    """The node's topic and those of all its devices."""
    filters = new_edge().subscriptions()
    assert (f"spBv1.0/{GROUP}/NCMD/{NODE_ID}", 1) in filters
    assert (f"spBv1.0/{GROUP}/DCMD/{NODE_ID}/+", 1) in filters


# data -------------------------------------------------------------------------------------


@pytest.mark.conforms("tck-id-topics-ndata-topic", "tck-id-topics-ddata-topic")
def test_data_is_on_its_topic(tape):
    """NDATA of the node, DDATA of the device."""
    assert {f"spBv1.0/{GROUP}/NDATA/{NODE_ID}"} == {o.message.topic for o in tape.of("NDATA")}
    topics = {one.message.topic for one in tape.of("DDATA")}
    assert {f"spBv1.0/{GROUP}/DDATA/{NODE_ID}/{d}" for d in ("filler", "labeller")} == topics


@pytest.mark.conforms(
    "tck-id-topics-ndata-payload",
    "tck-id-topics-ddata-payload",
    "tck-id-principles-rbe-recommended",
    "tck-id-operational-behavior-data-publish-nbirth-change",
    "tck-id-operational-behavior-data-publish-dbirth-change",
)
@pytest.mark.parametrize(("device_id", "name"), [("", "load"), ("filler", "pressure")])
def test_data_carries_what_was_observed_and_nothing_by_the_clock(fresh, device_id, name):
    """Time alone publishes nothing; a reading publishes its own metric and no other."""
    fresh.connect()
    fresh.take(fresh.edge.device_up("filler", fresh.now_ms))
    births = len(fresh.said)
    for _ in range(100):
        fresh.now_ms += 60_000
        fresh.take(fresh.edge.tick(fresh.now_ms))
    assert births == len(fresh.said)
    (data,) = fresh.observe(device_id, **{name: 2.5})
    (metric,) = data.payload.metrics
    assert fresh.edge.alias_of(device_id, name) == metric.alias


@pytest.mark.conforms(
    "tck-id-operational-behavior-data-publish-nbirth-order",
    "tck-id-operational-behavior-data-publish-dbirth-order",
)
@pytest.mark.parametrize("device_id", ["", "filler"])
def test_values_in_a_payload_are_in_the_order_of_time(fresh, device_id):
    """Readings that were handed over in any order travel oldest first."""
    fresh.connect()
    fresh.take(fresh.edge.device_up("filler", fresh.now_ms))
    alias = fresh.edge.alias_of(device_id, "pressure" if device_id else "load")
    readings = [(alias, float(age), 192, fresh.now_ms - age) for age in (3, 9, 0, 5)]
    (data,) = fresh.take(fresh.edge.observed(device_id, readings, fresh.now_ms))
    times = [metric.timestamp for metric in data.payload.metrics]
    assert [fresh.now_ms - age for age in (9, 5, 3, 0)] == times


@pytest.mark.conforms(
    "tck-id-payloads-ndata-order",
    "tck-id-payloads-ddata-order",
    "tck-id-payloads-dbirth-order",
    "tck-id-message-flow-device-birth-publish-nbirth-wait",
    "tck-id-message-flow-edge-node-birth-publish-connect",
)
def test_no_data_comes_before_the_births(fresh):
    """Before the session nothing, then the NBIRTH, all DBIRTHs, and only then data."""
    for device_id in ("filler", "labeller"):
        assert [] == fresh.take(fresh.edge.device_up(device_id, fresh.now_ms))
    fresh.edge.will()
    assert [] == fresh.observe("filler", good=1) + fresh.observe("", load=1.0)
    assert [] == fresh.take(fresh.edge.tick(fresh.now_ms))
    assert ["NBIRTH", "DBIRTH/filler", "DBIRTH/labeller"] == kinds(fresh.connect())
    assert ["NDATA"] == kinds(fresh.observe("", load=2.0))


@pytest.mark.conforms("tck-id-payloads-ddata-order")
def test_a_device_that_was_not_born_sends_no_data(fresh):
    """Its readings wait for its DBIRTH."""
    fresh.connect()
    assert [] == fresh.observe("filler", good=1)
    (birth,) = fresh.take(fresh.edge.device_up("filler", fresh.now_ms))
    assert 1 == birth.find("good").int_value


# devices ----------------------------------------------------------------------------------


@pytest.mark.conforms(
    "tck-id-message-flow-device-birth-publish-dbirth-topic",
    "tck-id-message-flow-device-birth-publish-dbirth-match-edge-node-topic",
    "tck-id-topics-dbirth-topic",
    "tck-id-topics-ddeath-topic",
)
@pytest.mark.parametrize("kind", ["DBIRTH", "DDEATH"])
def test_births_and_deaths_of_devices_are_below_their_edge_node(tape, kind):
    """Group and edge node are those of the NBIRTH, the device is the last level."""
    _, group, _, node = tape.of("NBIRTH")[0].message.topic.split("/")
    for one in tape.of(kind):
        assert f"spBv1.0/{group}/{kind}/{node}/{one.device_id}" == one.message.topic


@pytest.mark.conforms("tck-id-operational-behavior-device-ddeath")
def test_a_lost_device_dies(fresh):
    """Once, and only where it was born."""
    fresh.connect()
    assert [] == fresh.take(fresh.edge.device_down("filler", fresh.now_ms))
    fresh.take(fresh.edge.device_up("filler", fresh.now_ms))
    assert ["DDEATH/filler"] == kinds(fresh.take(fresh.edge.device_down("filler", fresh.now_ms)))
    assert [] == fresh.take(fresh.edge.device_down("filler", fresh.now_ms))
    assert [] == fresh.observe("filler", good=1)


# leaving ----------------------------------------------------------------------------------


@pytest.mark.conforms(
    "tck-id-operational-behavior-edge-node-intentional-disconnect-ndeath",
    "tck-id-payloads-ndeath-will-message-publisher",
)
def test_leaving_on_purpose_says_the_death_last(fresh):
    """One NDEATH, and nothing after it whatever is read or asked."""
    fresh.connect()
    assert ["NDEATH"] == kinds(fresh.take(fresh.edge.stopping(fresh.now_ms)))
    assert [] == fresh.observe("", load=1.0) + fresh.ask_rebirth()
    assert [] == fresh.take(fresh.edge.stopping(fresh.now_ms))


# rebirth and commands ---------------------------------------------------------------------


@pytest.mark.conforms("tck-id-operational-behavior-data-commands-rebirth-action-2")
def test_a_rebirth_is_all_births_again(fresh):
    """NBIRTH and every device that is up; a request of `false` asks for nothing."""
    fresh.take(fresh.edge.device_up("filler", fresh.now_ms))
    fresh.connect()
    fresh.take(fresh.edge.device_up("labeller", fresh.now_ms))
    assert [] == fresh.ask_rebirth(value=False)
    assert ["NBIRTH", "DBIRTH/filler", "DBIRTH/labeller"] == kinds(fresh.ask_rebirth())


@pytest.mark.conforms("tck-id-operational-behavior-data-commands-rebirth-action-1")
def test_data_stops_from_a_rebirth_request_to_its_births(fresh):
    """While an answer is owed nothing but births is published; values go into them."""
    fresh.connect()
    fresh.take(fresh.edge.device_up("filler", fresh.now_ms))
    assert ["NBIRTH", "DBIRTH/filler"] == kinds(fresh.ask_rebirth())
    assert [] == fresh.ask_rebirth(after_ms=100)  # shares the answer of the next
    assert not fresh.edge.is_sending("filler")
    answers = []
    while not answers:
        answers = fresh.observe("filler", good=5)
    assert ["NBIRTH", "DBIRTH/filler"] == kinds(answers)[:2]


# the primary host -------------------------------------------------------------------------


@pytest.fixture
def waiting():
    """An edge node with a primary host and two servers, connected to the first."""
    tape = Recording(new_edge(settings=EdgeSettings(primary_host=HOST, servers=2)))
    assert [] == tape.connect()
    return tape


@pytest.mark.conforms(
    "tck-id-message-flow-edge-node-birth-publish-phid-wait",
    "tck-id-operational-behavior-edge-node-birth-sequence-wait",
    "tck-id-message-flow-edge-node-birth-publish-phid-wait-online",
)
@pytest.mark.parametrize("retain", [True, False])
def test_births_wait_for_the_primary_host(waiting, retain):
    """Nothing is said before STATE says online; then the births are, at once."""
    assert [] == waiting.observe("", load=1.0)
    assert waiting.edge.is_waiting
    online = state(online=True, at_ms=START_MS, retain=retain)
    assert ["NBIRTH"] == kinds(waiting.take(waiting.edge.received(online, waiting.now_ms)))


@pytest.mark.conforms("tck-id-message-flow-edge-node-birth-publish-phid-wait-online")
@pytest.mark.parametrize(
    "payload",
    [b"", b"ONLINE", b'{"online":1,"timestamp":9}', b'{"online":"true","timestamp":9}', b"{}"],
)
def test_only_online_true_counts_as_online(waiting, payload):
    """Neither an empty payload nor words, numbers or a missing timestamp."""
    message = Message(f"spBv1.0/STATE/{HOST}", payload, 1, retain=True)
    assert [] == waiting.take(waiting.edge.received(message, waiting.now_ms))
    assert waiting.edge.is_waiting


@pytest.mark.conforms("tck-id-message-flow-edge-node-birth-publish-phid-wait-id")
def test_another_hosts_state_counts_for_nothing(waiting):
    """Neither to be born nor to leave."""
    other = state("uns_WRONG", online=True, at_ms=START_MS)
    assert [] == waiting.take(waiting.edge.received(other, waiting.now_ms))
    waiting.take(waiting.edge.received(state(online=True, at_ms=START_MS), waiting.now_ms))
    other = state("uns_WRONG", online=False, at_ms=START_MS + 9)
    assert [] == waiting.edge.received(other, waiting.now_ms)
    assert waiting.edge.is_online


@pytest.mark.conforms("tck-id-message-flow-edge-node-birth-publish-phid-wait-timestamp")
def test_an_older_state_is_not_believed_even_after_a_reconnect(waiting):
    """Any first timestamp is taken, an equal one too; an older one is not, for ever."""
    edge = waiting.edge
    assert waiting.take(edge.received(state(online=True, at_ms=5_000), waiting.now_ms))
    edge.disconnected()
    waiting.connect()
    assert [] == edge.received(state(online=True, at_ms=4_999, retain=True), waiting.now_ms)
    assert ["NBIRTH"] == kinds(
        waiting.take(edge.received(state(online=True, at_ms=5_000), waiting.now_ms))
    )


@pytest.mark.conforms(
    "tck-id-message-flow-edge-node-birth-publish-phid-offline",
    "tck-id-operational-behavior-edge-node-termination-host-offline",
    "tck-id-operational-behavior-edge-node-termination-host-offline-reconnect",
    "tck-id-operational-behavior-primary-application-state-with-multiple-servers-walk",
    "tck-id-operational-behavior-primary-application-state-with-multiple-servers-single-server",
)
@pytest.mark.parametrize("later_ms", [0, 7])
def test_an_offline_host_is_left_with_a_death_for_the_next_server(waiting, later_ms):
    """NDEATH, then Leave; births come on the other server, once its STATE says online."""
    edge = waiting.edge
    waiting.take(edge.received(state(online=True, at_ms=5_000), waiting.now_ms))
    effects = edge.received(state(online=False, at_ms=5_000 + later_ms), waiting.now_ms)
    assert ["NDEATH"] == [said(e).kind for e in effects[:-1]]
    assert isinstance(effects[-1], Leave)
    assert (1, False) == (edge.server, edge.is_online)
    edge.disconnected()
    assert [] == waiting.connect()
    born = waiting.take(edge.received(state(online=True, at_ms=1), waiting.now_ms))
    assert ["NBIRTH"] == kinds(born)


@pytest.mark.conforms("tck-id-operational-behavior-edge-node-termination-host-offline-timestamp")
def test_an_older_offline_state_is_ignored(waiting):
    """Data flows on."""
    edge = waiting.edge
    waiting.take(edge.received(state(online=True, at_ms=5_000), waiting.now_ms))
    assert [] == edge.received(state(online=False, at_ms=4_999), waiting.now_ms)
    assert ["NDATA"] == kinds(waiting.observe("", load=1.0))


@pytest.mark.conforms(
    "tck-id-operational-behavior-primary-application-state-with-multiple-servers-state-subs"
)
def test_an_edge_node_with_a_primary_host_subscribes_to_its_state(waiting):
    """At QoS 1; without a primary host there is nothing to subscribe to."""
    assert (f"spBv1.0/STATE/{HOST}", 1) in waiting.edge.subscriptions()
    assert not any("STATE" in text for text, _ in new_edge().subscriptions())
