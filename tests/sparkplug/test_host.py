"""The host application: what it believes, what it doubts, what it asks."""

from __future__ import annotations

import itertools

import pytest

from uns.message import Message
from uns.metric import DataType, Quality
from uns.sparkplug import (
    Born,
    Changed,
    DataSet,
    Died,
    EdgeNode,
    HostApplication,
    HostSettings,
    Metric,
    MetricDefinition,
    NodeId,
    Payload,
    Problem,
    Publish,
    RebirthSettings,
    decode,
    encode,
)
from uns.sparkplug.envelope import Compression, compress

NODE = NodeId("acme:leeds", "packaging:line1")
STATE = "spBv1.0/STATE/uns"
NCMD = "spBv1.0/acme:leeds/NCMD/packaging:line1"


def feed(host, messages, now):
    return [event for message in messages for event in host.received(message, now)]


def requests(events):
    return [m.topic for m in published(events) if "/NCMD/" in m.topic]


def published(events):
    return [event.message for event in events if isinstance(event, Publish)]


def only(kind, events):
    return [event for event in events if isinstance(event, kind)]


def live(host, device):
    """The values that the host holds for live; None where the device is not."""
    known = host._nodes.get(NODE)
    found = known.find_device(device) if known else None
    return None if found is None else {slot.name: slot.value for slot in found.slots}


@pytest.fixture
def pair(host, edge, now):
    """A host that knows the edge node and its filler."""
    edge.will()
    edge.device_up("filler", now)
    feed(host, edge.connected(now), now)
    return host, edge


def rebirth(now):
    return HostApplication("other").request_rebirth(NODE, now).message


class TimesAsTold:
    """The payload times of an edge node that does not keep its births apart."""

    def of_birth(self, now_ms):
        return now_ms

    of_message = of_birth


def message(kind, metrics, *, seq=None, device="", at=None, **rest):
    """A message of a foreign edge node."""
    topic = f"spBv1.0/g/{kind}/e" + (f"/{device}" if device else "")
    return Message(topic, encode(Payload(at, tuple(metrics), seq)), **rest)


def bd_seq(number):
    return Metric("bdSeq", number, DataType.INT64)


# births, data, deaths -----------------------------------------------------------------------


def test_a_birth_gives_slots_with_values_and_properties(host, edge, now):
    """Alias, datatype, properties and the current value; the session's own metrics are left out."""
    edge.device_up("filler", now)
    node, device = feed(host, edge.connected(now), now)
    assert Born(NODE, "", (), now) == node
    assert (NODE, "filler", now) == (device.node, device.device_id, device.timestamp_ms)
    assert ["bowl_pressure", "good", "recipe"] == [slot.name for slot in device.slots]
    pressure = device.slots[0]
    assert "acme/leeds/packaging/line1/filler/bowl_pressure" == pressure.properties["uns"]
    assert (0.0, 6.0) == (pressure.properties["engLow"], pressure.properties["engHigh"])
    # never read: null, and nobody says that it is bad
    assert (None, Quality.GOOD) == (pressure.value, pressure.quality)


def test_data_changes_slots(pair, now):
    """Updates name slot, value, quality and source time, in order."""
    host, edge = pair
    pressure, good, recipe = edge.aliases("filler").values()
    readings = [(pressure, 1.5, 192, now + 1), (good, 0, 192, now + 2), (recipe, "", 192, now + 2)]
    (changed,) = feed(host, edge.observed("filler", readings, now + 3), now + 3)
    assert isinstance(changed, Changed)
    assert [("bowl_pressure", 1.5, 192, now + 1), ("good", 0, 192, now + 2)] == [
        (slot.name, *rest) for slot, *rest in changed.updates
    ][:2]
    assert {"bowl_pressure": 1.5, "good": 0, "recipe": ""} == live(host, "filler")


@pytest.mark.parametrize("quality", [Quality.BAD, Quality.UNCERTAIN, Quality.STALE])
def test_quality_comes_back(pair, now, quality):
    """What the edge node knew of a value, the host knows; and Good once it is good again."""
    host, edge = pair
    alias = edge.alias_of("filler", "good")
    (changed,) = feed(host, edge.observed("filler", [(alias, 7, quality, now)], now), now)
    ((slot, value, found, _),) = changed.updates
    assert (7, quality, quality.name.title()) == (value, found, slot.detail)
    feed(host, edge.observed("filler", [(alias, 8, 192, now)], now), now)
    assert (8, Quality.GOOD, "") == (slot.value, slot.quality, slot.detail)


@pytest.mark.conforms(
    "tck-id-operational-behavior-edge-node-termination-host-action-ndeath-node-offline",
    "tck-id-operational-behavior-edge-node-termination-host-action-ndeath-node-tags-stale",
    "tck-id-operational-behavior-edge-node-termination-host-action-ndeath-devices-offline",
    "tck-id-operational-behavior-edge-node-termination-host-action-ndeath-devices-tags-stale",
)
def test_a_nodes_death_is_everybodys(pair, now):
    """tck-id-operational-behavior-edge-node-termination-host-action-ndeath-…: our clock."""
    host, edge = pair
    death = edge.stopping(now)
    assert [Died(NODE, None, now + 9, "it died")] == feed(host, death, now + 9)
    assert live(host, "filler") is None


@pytest.mark.conforms(
    "tck-id-operational-behavior-edge-node-termination-host-action-ddeath-devices-offline",
    "tck-id-operational-behavior-edge-node-termination-host-action-ddeath-devices-tags-stale",
)
def test_a_devices_death_has_the_messages_time(pair, now):
    """tck-id-operational-behavior-edge-node-termination-host-action-ddeath-devices-tags-stale."""
    host, edge = pair
    (died,) = feed(host, edge.device_down("filler", now + 1), now + 9)
    assert Died(NODE, "filler", now + 1, "it died") == died
    assert {} == live(host, "")


def test_a_late_will_of_an_earlier_session_is_ignored(host, edge, now):
    """Its bdSeq is not that of the birth."""
    first = edge.will()
    feed(host, edge.connected(now), now)
    edge.disconnected()
    edge.will()
    feed(host, edge.connected(now), now)
    assert [] == feed(host, [first], now)
    assert {} == live(host, "")


def test_a_death_that_overtook_its_birth_is_not_forgotten(host, edge, now):
    """The birth is not believed; a node that lives answers the request."""
    edge.will()
    birth = edge.connected(now)
    death = edge.stopping(now)
    assert [] == feed(host, death, now)
    assert [NCMD] == requests(feed(host, birth, now + 10))
    assert live(host, "") is None
    edge.will()
    feed(host, edge.connected(now + 20), now + 20)
    assert {} == live(host, "")


def test_a_birth_that_its_own_death_overtook_is_verified(pair, now):
    """A rebirth was under way when the node died: it looks alive until it does not answer."""
    host, edge = pair
    late = edge.received(rebirth(now), now + 2000)
    feed(host, edge.stopping(now + 2000), now + 2001)
    assert [NCMD] == requests(feed(host, late, now + 2002))
    assert [None] == [died.device_id for died in only(Died, host.tick(now + 4002))]
    assert live(host, "") is None


def test_a_node_that_dies_at_every_rebirth_is_asked_once(host, now):
    """Node-RED: NDEATH and NBIRTH with the same bdSeq, whenever it is asked."""
    asked = 0
    answer = [message("NDEATH", [bd_seq(0)]), message("NBIRTH", [bd_seq(0)], seq=0)]
    feed(host, answer[1:], now)
    for second in range(100):
        events = host.tick(now + second * 1000)
        if second == 0:
            events += feed(host, answer, now)
        asked += len(requests(events))
        for _ in requests(events):
            asked += len(requests(feed(host, answer, now + second * 1000)))
    assert 1 == asked
    assert host._nodes[NodeId("g", "e")].is_online


def test_a_rebirth_never_makes_values_look_stale(pair, now):
    """Devices that are born again in time did not die."""
    host, edge = pair
    events = feed(host, edge.received(rebirth(now), now + 2000), now + 2000)
    assert [] == only(Died, events + host.tick(now + 4000))


def test_a_device_that_is_not_born_again_is_gone(pair, now):
    """After the reorder time-out it is stale, and the births are asked for."""
    host, edge = pair
    nbirth, _ = edge.received(rebirth(now), now + 2000)
    feed(host, [nbirth], now + 2000)
    assert [] == host.tick(now + 3999)
    events = host.tick(now + 4000)
    assert ["filler"] == [died.device_id for died in only(Died, events)]
    assert [NCMD] == requests(events)


def test_a_second_rebirth_does_not_hide_a_device_that_is_gone(pair, now):
    """Its DDEATH was lost; the births came twice without it."""
    host, edge = pair
    edge.device_down("filler", now + 1000)
    for at in (now + 2000, now + 3500):
        feed(host, edge.received(rebirth(now), at) + edge.tick(at), at)
    assert ["filler"] == [died.device_id for died in only(Died, host.tick(now + 4000))]


def test_losing_the_broker_makes_everything_stale(pair, now):
    """What was learnt through a server is stale without it, and asked for again afterwards."""
    host, edge = pair
    assert [Died(NODE, None, now, "this host lost its broker")] == host.disconnected(now)
    assert [] == host.disconnected(now)
    host.will(now)
    assert [STATE] == [m.topic for m in published(host.connected(now))]
    asked = host.tick(now)
    assert [NCMD] == requests(asked)
    feed(host, edge.received(asked[0].message, now + 2000), now + 2000)
    assert live(host, "filler") is not None
    assert [] == host.tick(now + 90_000)


# order --------------------------------------------------------------------------------------


def numbers(edge, now, count):
    """Messages of one metric that counts 1, 2, 3."""
    alias = edge.alias_of("filler", "good")
    return [
        edge.observed("filler", [(alias, n + 1, 192, now + n)], now + n)[0] for n in range(count)
    ]


@pytest.mark.conforms(
    "tck-id-operational-behavior-host-reordering-success",
)
def test_messages_that_overtook_each_other_are_put_in_order(pair, now):
    """tck-id-operational-behavior-host-reordering-success: no rebirth where the gap is filled."""
    host, edge = pair
    first, second, third = numbers(edge, now, 3)
    assert [] == feed(host, [third, second], now)
    events = feed(host, [first], now + 1000)
    assert [1, 2, 3] == [event.updates[0][1] for event in events]
    assert [] == host.tick(now + 60_000)


@pytest.mark.conforms(
    "tck-id-operational-behavior-host-reordering-start",
    "tck-id-operational-behavior-host-reordering-rebirth",
)
def test_a_gap_that_stays_is_answered_by_a_rebirth(pair, now):
    """tck-id-operational-behavior-host-reordering-start, -rebirth: after the time-out, once."""
    host, edge = pair
    _, second, third = numbers(edge, now, 3)
    feed(host, [second, third], now)
    assert [] == host.tick(now + 1999)
    events = host.tick(now + 2000)
    assert [2, 3] == [event.updates[0][1] for event in only(Changed, events)]
    assert [NCMD] == requests(events)
    feed(host, edge.received(published(events)[0], now + 2010), now + 2010)
    assert [] == host.tick(now + 60_000)
    assert 3 == live(host, "filler")["good"]


def test_a_node_that_answers_no_rebirth_is_held_for_dead(pair, now):
    """A value may be wrong: within five seconds it does not look live any more."""
    host, edge = pair
    feed(host, numbers(edge, now, 2)[1:], now)
    events = host.tick(now + 2000) + host.tick(now + 4000)
    assert ["its births were asked for and did not come"] == [d.reason for d in only(Died, events)]
    assert live(host, "filler") is None


def test_duplicates_are_reported_and_not_applied(pair, now):
    """An old value must not come back."""
    host, edge = pair
    first, second = numbers(edge, now + 1, 2)
    feed(host, [first, second], now)
    (problem,) = feed(host, [first], now)
    assert isinstance(problem, Problem)
    assert "late or twice" in problem.text
    assert 2 == live(host, "filler")["good"]


def test_a_birth_overtaken_by_its_devices_birth(pair, now):
    """Brokers in a cluster order each topic, not all of them (sparkplug#212, #93)."""
    host, edge = pair
    feed(host, numbers(edge, now, 9), now)
    edge.disconnected()
    edge.will()
    nbirth, dbirth = edge.connected(now + 50)
    assert [] == feed(host, [dbirth], now + 60)
    assert ["", "filler"] == [born.device_id for born in feed(host, [nbirth], now + 70)]
    assert [] == host.tick(now + 60_000)


def test_data_that_overtook_a_rebirth_is_not_put_back(pair, now):
    """It looked like the next of the old births, which had the same seq; the new value stays."""
    host, edge = pair
    nbirth, dbirth = edge.received(rebirth(now), now + 2000)
    (data,) = edge.observed("filler", [(edge.alias_of("filler", "good"), 9, 192, 0)], now + 2001)
    events = feed(host, [dbirth, data, nbirth], now + 2001) + host.tick(now + 9000)
    assert [] == requests(events)
    assert 9 == live(host, "filler")["good"]


def test_a_birth_in_the_millisecond_of_a_rebirth_is_asked_for_again(host, edge, now):
    """The old DBIRTH made the host ask, and cannot be told from the one that follows."""
    edge._times = TimesAsTold()
    edge.will()
    edge.connected(now - 9)
    (asked,) = published(feed(host, edge.device_up("filler", now), now))
    edge.observed("filler", [(edge.alias_of("filler", "good"), 5, 192, now)], now)
    assert NCMD in requests(feed(host, edge.received(asked, now), now) + host.tick(now + 2000))
    feed(host, edge.received(asked, now + 2000), now + 2000)
    assert 5 == live(host, "filler")["good"]


def test_a_clock_set_back_costs_two_rebirths_at_most(pair, now):
    """Its data is older than its birth, until it is born again by the new clock."""
    host, edge = pair
    back, asked = 3_600_000, 0
    for second in range(120):
        at = now + second * 1000
        readings = [(edge.alias_of("filler", "good"), second, 192, 0)]
        for event in feed(host, edge.observed("filler", readings, at - back), at) + host.tick(at):
            if isinstance(event, Publish):
                asked += 1
                feed(host, edge.received(event.message, at - back), at)
    assert 1 <= asked <= 2
    assert 119 == live(host, "filler")["good"]


# doubts -------------------------------------------------------------------------------------


@pytest.mark.conforms(
    "tck-id-operational-behavior-data-commands-ncmd-rebirth-verb",
    "tck-id-operational-behavior-data-commands-ncmd-rebirth-name",
    "tck-id-operational-behavior-data-commands-ncmd-rebirth-value",
)
def test_data_of_an_unknown_node_asks_for_its_birth(host, online, now):
    """The host started later than the node."""
    assert [NCMD] == requests(feed(host, numbers(online, now, 1), now))
    (request,) = published(feed(host, numbers(online, now, 1), now + 2000))
    payload = decode(request.payload)
    (metric,) = payload.metrics
    assert ("Node Control/Rebirth", True, DataType.BOOLEAN) == (
        metric.name,
        metric.value,
        metric.datatype,
    )
    assert (None, None, now + 2000) == (payload.seq, metric.alias, payload.timestamp_ms)


def test_data_of_a_device_without_a_birth_asks_for_it(pair, now):
    """Nothing of it is applied."""
    host, _ = pair
    stray = Metric("x", 1, DataType.INT32, timestamp_ms=now)
    data = Message(
        "spBv1.0/acme:leeds/DDATA/packaging:line1/ghost", encode(Payload(now, (stray,), 2))
    )
    events = feed(host, [data], now)
    assert ["DDATA came without a birth"] == [p.text for p in only(Problem, events)]
    assert [NCMD] == requests(events)


def test_an_unknown_alias_asks_and_its_neighbours_are_applied(pair, now):
    """One metric that no birth named does not cost the message."""
    host, edge = pair
    good = edge.alias_of("filler", "good")
    metrics = (
        Metric(value=1, datatype=DataType.UINT32, alias=99),
        Metric(value=5, datatype=DataType.UINT32, alias=good),
    )
    data = encode(Payload(now, metrics, 2), datatypes=False)
    events = feed(host, [Message("spBv1.0/acme:leeds/DDATA/packaging:line1/filler", data)], now)
    assert 5 == live(host, "filler")["good"]
    assert "1 metrics that no birth named: alias 99" in only(Problem, events)[0].text
    assert [NCMD] == requests(events)


def test_bytes_that_are_no_payload_are_a_problem_and_a_question(pair, now):
    """The node may have lost its mind or its encoder; ask once."""
    host, _ = pair
    broken = Message("spBv1.0/acme:leeds/NDATA/packaging:line1", b"{}")
    events = feed(host, [broken] * 3, now)
    assert 3 == len(only(Problem, events))
    assert [NCMD] == requests(events)


def test_retained_births_are_no_sign_of_life(host, edge, now):
    """The broker may have kept them for a year."""
    retained = [m._replace(retain=True) for m in edge.connected(now)]
    events = feed(host, retained, now)
    assert ["a retained NBIRTH is ignored"] == [p.text for p in only(Problem, events)]
    assert [NCMD] == requests(events)
    assert live(host, "") is None


def test_requests_back_off_and_end(host, online, now):
    """A node that never answers is asked ever less, and then left alone until it speaks."""
    feed(host, numbers(online, now, 1), now)
    asked = [s for s in range(1, 600) if requests(host.tick(now + s * 1000))]
    pauses = [b - a for a, b in itertools.pairwise(asked)]
    assert pauses == sorted(pauses)
    assert 7 == len(asked)
    assert 60 <= pauses[-1] <= 76


def test_a_node_whose_births_cure_nothing_is_asked_ever_less(pair, now):
    """Its data names a metric that its births never do: no storm of rebirths."""
    host, edge = pair
    asked = 0
    for second in range(300):
        at = now + second * 1000
        metric = Metric("ghost", 1, DataType.INT32)
        seq = edge._seq
        edge._seq = (edge._seq + 1) % 256
        data = encode(Payload(at, (metric,), seq))
        topic = "spBv1.0/acme:leeds/DDATA/packaging:line1/filler"
        for event in feed(host, [Message(topic, data)], at) + host.tick(at):
            if isinstance(event, Publish):
                asked += 1
                feed(host, edge.received(event.message, at), at)
    assert 5 <= asked <= 10
    assert live(host, "filler") is not None


def test_a_start_up_does_not_ask_everybody_at_once(now):
    """A budget over all nodes: 50 at once and 20 a second."""
    host = HostApplication("uns")
    for n in range(200):
        data = encode(Payload(now, (), 5))
        host.received(Message(f"spBv1.0/g/NDATA/e{n}", data), now)
    asked = [len(requests(host.tick(now + second * 1000))) for second in range(1, 4)]
    assert [20, 20, 20] == asked


def test_problems_of_one_device_are_not_repeated_for_ever(pair, now):
    """Ten a minute tell the story."""
    host, _ = pair
    broken = Message("spBv1.0/acme:leeds/NDATA/packaging:line1", b"{}")
    assert 10 == len(only(Problem, feed(host, [broken] * 100, now)))
    assert 10 == len(only(Problem, feed(host, [broken] * 100, now + 60_000)))


def test_nodes_have_a_limit(now):
    """Beyond it the silent ones are forgotten first, and the next is left out with a word."""
    host = HostApplication("uns", settings=HostSettings(max_nodes=2))
    for n in range(5):
        host.received(Message(f"spBv1.0/g/NDATA/e{n}", encode(Payload(now, (), 5))), now)
    assert 2 == len(host._nodes)
    for n in range(2):
        host.received(Message(f"spBv1.0/g/NBIRTH/b{n}", encode(Payload(now, (), 0))), now)
    (problem,) = host.received(Message("spBv1.0/g/NBIRTH/b2", encode(Payload(now, (), 0))), now)
    assert "more than 2 edge nodes" in problem.text


# foreign edge nodes -------------------------------------------------------------------------


def test_a_node_that_uses_names_only(host, now):
    """No aliases, datatypes everywhere, no times of its own, seq that does not begin at 0."""
    birth = [bd_seq(0), Metric("Temp", 20.5, DataType.DOUBLE), Metric("n", -3, DataType.INT16)]
    (born,) = feed(host, [message("NBIRTH", birth, seq=9)], now)
    assert {"Temp": 20.5, "n": -3} == {slot.name: slot.value for slot in born.slots}
    data = message("NDATA", [Metric("n", -4, DataType.INT16)], seq=10)
    (changed,) = feed(host, [data], now + 5)
    assert [(born.slots[1], -4, 192, now + 5)] == changed.updates


def test_alias_zero_is_an_alias(host, now):
    """It is legal, and not the same as none."""
    birth = [Metric("a", 1, DataType.INT32, alias=0), Metric("b", 2, DataType.INT32)]
    feed(host, [message("NBIRTH", [bd_seq(0), *birth], seq=0)], now)
    data = [Metric(value=5, datatype=DataType.INT32, alias=0), Metric("b", 6, DataType.INT32)]
    payload = Message("spBv1.0/g/NDATA/e", encode(Payload(now, tuple(data), 1), datatypes=False))
    (changed,) = feed(host, [payload], now)
    assert [("a", 5), ("b", 6)] == [(slot.name, value) for slot, value, _, _ in changed.updates]


def test_an_alias_given_twice_means_nobody(host, now):
    """A value must not land on the wrong metric."""
    birth = [Metric(name, 1, DataType.INT32, alias=4) for name in "ab"]
    events = feed(host, [message("NBIRTH", [bd_seq(0), *birth], seq=0)], now)
    assert ["`b`: alias 4 is another metric's already"] == [p.text for p in only(Problem, events)]
    data = message("NDATA", [Metric(value=5, datatype=DataType.INT32, alias=4)], seq=1)
    assert [] == only(Changed, feed(host, [data], now))


def test_integers_in_the_other_field_are_understood(host, now):
    """Tahu keeps UInt32 in long_value; the second message takes the fast way and agrees."""
    birth = [bd_seq(0), Metric("n", 1, DataType.UINT32, alias=1)]
    (born,) = feed(host, [message("NBIRTH", birth, seq=0)], now)
    for seq, raw in enumerate(["58ffffffff0f", "58ffffffff0f", "5805", "5007", "58ffffffffff0f"]):
        metric = bytes.fromhex("1001" + raw)
        data = b"\x12" + bytes([len(metric)]) + metric + b"\x18" + bytes([seq + 1])
        feed(host, [Message("spBv1.0/g/NDATA/e", data)], now)
        expected = [4294967295, 4294967295, 5, 7, None][seq]
        assert expected == born.slots[0].value
    assert Quality.BAD == born.slots[0].quality


def test_broken_values_are_bad_and_their_neighbours_fine(host, now):
    """Out of range, the wrong field, no value at all, not UTF-8."""
    kinds = [DataType.INT8, DataType.DOUBLE, DataType.BOOLEAN, DataType.STRING, DataType.INT32]
    birth = [Metric(f"m{n}", None, kind, alias=n + 1) for n, kind in enumerate(kinds)]
    (born,) = feed(host, [message("NBIRTH", [bd_seq(0), *birth], seq=0)], now)
    metrics = [
        bytes.fromhex(m) for m in ("100150ac02", "10025005", "1003", "10047a02fffe", "10055009")
    ]
    data = b"".join(b"\x12" + bytes([len(m)]) + m for m in metrics) + b"\x18\x01"
    events = feed(host, [Message("spBv1.0/g/NDATA/e", data)], now)
    assert [None, None, None, None, 9] == [slot.value for slot in born.slots]
    assert [0, 0, 0, 0, 192] == [slot.quality for slot in born.slots]
    assert 4 == len(only(Problem, events))


def test_historical_values_do_not_touch_the_present(pair, now):
    """is_historical keeps its own time and its own event."""
    host, edge = pair
    feed(host, numbers(edge, now, 1), now)
    alias = edge.alias_of("filler", "good")
    old = Metric(
        value=77, datatype=DataType.UINT32, alias=alias, timestamp_ms=5, is_historical=True
    )
    data = encode(Payload(now, (old,), 3), datatypes=False)
    (changed,) = feed(host, [Message("spBv1.0/acme:leeds/DDATA/packaging:line1/filler", data)], now)
    assert changed.is_historical
    assert [(77, 192, 5)] == [update[1:] for update in changed.updates]
    assert 1 == live(host, "filler")["good"]


def test_arrays_and_data_sets_are_values_too(host, now):
    """A tuple and a DataSet, in births and in data."""
    table = DataSet(("a",), (DataType.INT32,), ((1,),))
    birth = [
        Metric("l", (1, 2), DataType.INT16_ARRAY, alias=1),
        Metric("d", table, DataType.DATASET),
    ]
    (born,) = feed(host, [message("NBIRTH", [bd_seq(0), *birth], seq=0)], now)
    assert [(1, 2), table] == [slot.value for slot in born.slots]
    data = [Metric(value=(3,), datatype=DataType.INT16_ARRAY, alias=1)]
    (changed,) = feed(host, [message("NDATA", data, seq=1)], now)
    assert (3,) == changed.updates[0][1]


def test_compressed_payloads_are_read(pair, now):
    """Tahu's envelope around a data message."""
    host, edge = pair
    (data,) = numbers(edge, now, 1)
    squeezed = data._replace(payload=compress(data.payload, Compression.GZIP, seq=2))
    (changed,) = feed(host, [squeezed], now)
    assert 1 == changed.updates[0][1]


def test_times_that_no_calendar_has_are_not_believed(host, now):
    """A metric of the year 584 million is as old as its message."""
    birth = [bd_seq(0), Metric("n", 1, DataType.INT32, alias=1, timestamp_ms=2**64 - 1)]
    (born,) = feed(host, [message("NBIRTH", birth, seq=0, at=2**63)], now)
    data = Metric(value=2, datatype=DataType.INT32, alias=1, timestamp_ms=2**60)
    payload = encode(Payload(now, (data,), 1), datatypes=False)
    (changed,) = feed(host, [Message("spBv1.0/g/NDATA/e", payload)], now + 1)
    assert (now, now) == (born.timestamp_ms, changed.updates[0][3])


def test_a_death_without_a_number_is_believed_and_asked_about(host, now):
    """Better stale for a moment than live in error."""
    feed(host, [message("NBIRTH", [bd_seq(0)], seq=0)], now)
    events = feed(host, [message("NDEATH", [])], now)
    assert [None] == [died.device_id for died in only(Died, events)]
    assert ["spBv1.0/g/NCMD/e"] == requests(events)


# the rest -------------------------------------------------------------------------------------


def test_commands_on_the_wire_are_none_of_the_hosts_business(host, now):
    """`spBv1.0/#` brings our own back."""
    assert [] == host.received(rebirth(now), now)


def test_settings_reach_their_places(now):
    """A reorder time-out and a budget of one's own."""
    settings = HostSettings(rebirth=RebirthSettings(burst=0, per_second=0))
    host = HostApplication("uns", settings=settings)
    edge = EdgeNode(NODE, {"d": [MetricDefinition("x", DataType.INT8)]})
    edge.device_up("d", now)
    edge.connected(now)
    data = edge.observed("d", [(1, 1, 192, now)], now)
    assert [] == feed(host, data, now) + host.tick(now + 60_000)


def test_nodes_that_anybody_may_invent_share_ten_lines(now):
    """Bytes that are no payload, on a thousand topics: a log is not filled with them."""
    host = HostApplication("h")
    host.connected(now)
    strays = [Message(f"spBv1.0/g/NBIRTH/e{number}", b"\xff") for number in range(1_000)]
    problems = only(Problem, feed(host, strays, now))
    assert 10 == len(problems)
    assert "`spBv1.0/g/NBIRTH/e0`" in problems[0].text
