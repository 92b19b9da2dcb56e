"""What an edge node could not send in its time, and what its callers must keep for later."""

from __future__ import annotations

import pytest

from uns.message import Message
from uns.metric import DataType, Quality
from uns.sparkplug import EdgeNode, Metric, MetricDefinition, NodeId, Payload, decode, encode

NODE = NodeId("acme:leeds", "packaging:line1")
DEATH = Message("spBv1.0/acme:leeds/NDEATH/packaging:line1", b"")


def rebirth():
    metric = Metric("Node Control/Rebirth", True, DataType.BOOLEAN)
    return Message("spBv1.0/acme:leeds/NCMD/packaging:line1", encode(Payload(metrics=(metric,))))


def kinds(messages):
    return [message.topic.split("/")[2] for message in messages]


def test_late_readings_are_historical_with_their_own_times(online, now):
    """By alias, marked, in a message of their own, seq counted on."""
    past = [("good", 5, 192, now - 9000), ("recipe", "r1", Quality.BAD, now - 8000)]
    (message,) = online.recalled("filler", past, now)
    payload = decode(message.payload)
    assert (["DDATA"], now, 2) == (kinds([message]), payload.timestamp_ms, payload.seq)
    good, recipe = payload.metrics
    assert [True, True] == [good.is_historical, recipe.is_historical]
    assert [now - 9000, now - 8000] == [good.timestamp_ms, recipe.timestamp_ms]
    assert [None, online.alias_of("filler", "good")] == [good.name, good.alias]
    assert (5, "r1", 0) == (good.value, recipe.value, recipe.properties["Quality"].value)
    (live,) = online.observed("filler", [(2, 6, 192, now)], now)
    assert 3 == decode(live.payload).seq
    assert not decode(live.payload).metrics[0].is_historical


def test_the_nodes_own_metrics_are_recalled_as_ndata(now):
    """The device id "" is the node itself."""
    edge = EdgeNode(NODE, {"": [MetricDefinition("dropped", DataType.UINT64)]})
    edge.connected(now)
    assert ["NDATA"] == kinds(edge.recalled("", [("dropped", 3, 192, now - 5)], now))


def test_history_is_never_a_current_value(online, now):
    """The next birth carries what is, not what was."""
    good = online.alias_of("filler", "good")
    online.observed("filler", [(good, 8, 192, now)], now)
    online.recalled("filler", [("good", 5, 192, now + 99)], now)
    births = online.received(rebirth(), now)
    assert 8 == decode(births[1].payload).find("good").value


def test_a_long_backlog_goes_out_in_pieces(online, now):
    """500 metrics each, in their order."""
    past = [("good", n, 192, now - 5000 + n) for n in range(1200)]
    messages = online.recalled("filler", past, now)
    sizes = [len(decode(message.payload).metrics) for message in messages]
    assert [500, 500, 200] == sizes
    values = [
        m.value for msg in messages for m in decode(msg.payload, known={2: DataType.UINT32}).metrics
    ]
    assert [*range(1200)] == values


def test_names_that_are_no_more_are_left_out_and_counted(online, now):
    """A backlog may be older than the project; a message without metrics is not sent."""
    past = [("good", 1, 192, now), ("gone", 1, 192, now), ("good", 2, 192, now)]
    (message,) = online.recalled("filler", past, now)
    assert (2, 1) == (len(decode(message.payload).metrics), online.unknown_recalled)
    assert [] == online.recalled("filler", [("gone", 1, 192, now)], now)
    assert 2 == online.unknown_recalled


def test_nothing_is_recalled_where_nothing_is_sent(online, now):
    """A device that is down, one that is not there, no session: keep it."""
    past = [("state", 5, 192, now), ("good", 5, 192, now)]
    assert [] == online.recalled("labeller", past, now) + online.recalled("nobody", past, now)
    online.disconnected()
    assert [] == online.recalled("filler", past, now)
    assert 0 == online.unknown_recalled


@pytest.mark.conforms("tck-id-operational-behavior-data-commands-rebirth-action-1")
def test_data_stops_while_a_rebirth_is_owed(online, now):
    """From a request that waits for its pause until its births: no data, live or late."""
    good = online.alias_of("filler", "good")
    assert online.received(rebirth(), now)
    assert online.is_sending("filler")
    assert [] == online.received(rebirth(), now + 10)
    assert not online.is_sending("filler")
    assert [] == online.observed("filler", [(good, 1, 192, now + 20)], now + 20)
    assert [] == online.observed("filler", [(good, 2, 192, now + 30)], now + 30)
    assert [] == online.recalled("filler", [("good", 1, 192, now + 20)], now + 40)
    births = online.tick(now + 1000)
    assert ["NBIRTH", "DBIRTH"] == kinds(births)
    assert 2 == decode(births[1].payload).find("good").value
    assert online.is_sending("filler")


def test_who_sends_and_who_does_not(edge, now):
    """Only born devices of a session do; the caller keeps what the others read."""
    assert not edge.is_sending("filler")
    edge.connected(now)
    assert [True, False, False] == [edge.is_sending(d) for d in ("", "filler", "nobody")]
    edge.device_up("filler", now)
    assert edge.is_sending("filler")
    edge.device_down("filler", now)
    assert not edge.is_sending("filler")
    edge.stopping(now)
    assert not edge.is_sending("")


def test_what_the_birth_said_need_not_be_recalled(edge, now):
    """Value, quality and time alike; also when live data has gone on since."""
    good = edge.alias_of("filler", "good")
    edge.device_up("filler", now)
    edge.observed("filler", [(good, 7, 192, now)], now)
    assert not edge.is_as_born("filler", "good", 7, 192, now)  # nothing is born yet
    edge.connected(now)
    assert edge.is_as_born("filler", "good", 7, 192, now)
    for other in ((8, 192, now), (7, 0, now), (7, 192, now - 1)):
        assert not edge.is_as_born("filler", "good", *other)
    assert not edge.is_as_born("filler", "gone", 7, 192, now)
    edge.observed("filler", [(good, 8, 192, now + 5)], now + 5)
    assert edge.is_as_born("filler", "good", 8, 192, now + 5)
    assert edge.is_as_born("filler", "good", 7, 192, now)


def test_what_was_only_kept_was_not_said(online, now):
    """While a rebirth is owed a reading is current and nobody has heard it."""
    good = online.alias_of("filler", "good")
    online.received(rebirth(), now)
    online.received(rebirth(), now)
    online.observed("filler", [(good, 9, 192, now)], now)
    assert not online.is_as_born("filler", "good", 9, 192, now)
    online.tick(now + 1000)
    assert online.is_as_born("filler", "good", 9, 192, now)


def test_our_own_death_while_we_live_is_answered_with_births(online, now):
    """A stale will, whatever its bdSeq; a storm of them costs two answers, like requests do."""
    births = online.received(DEATH, now)
    assert ["NBIRTH", "DBIRTH"] == kinds(births)
    assert [0, 0] == [decode(births[0].payload).seq, decode(births[0].payload).find("bdSeq").value]
    assert [[]] * 5 == [online.received(DEATH, now + ms) for ms in range(5)]
    assert [] == online.received(rebirth(), now + 6)
    assert ["NBIRTH", "DBIRTH"] == kinds(online.tick(now + 1000))
    assert [] == online.tick(now + 5000)


def test_our_own_death_is_subscribed_to(edge):
    """At QoS 1, like the commands."""
    assert [
        ("spBv1.0/acme:leeds/NCMD/packaging:line1", 1),
        ("spBv1.0/acme:leeds/DCMD/packaging:line1/+", 1),
        ("spBv1.0/acme:leeds/NDEATH/packaging:line1", 1),
    ] == edge.subscriptions()


def test_a_retained_death_is_reported_and_not_answered(online, now):
    """It would come with every connection; whoever keeps the broker must clear it."""
    (problem,) = online.received(DEATH._replace(retain=True), now)
    assert "retained" in problem.text
    other = Message("spBv1.0/acme:leeds/NDEATH/packaging:line2", b"")
    assert [] == online.received(other, now)


def test_a_wrong_handle_costs_no_seq(online, now):
    """Nothing is counted that is not handed out: the next message follows on."""
    readings = [(2, n, 192, now) for n in range(1500)] + [(99, 1, 192, now)]
    with pytest.raises(KeyError):
        online.observed("filler", readings, now)
    (message,) = online.observed("filler", [(2, 1, 192, now)], now)
    assert 2 == decode(message.payload).seq
    online.received(rebirth(), now)
    online.received(rebirth(), now)
    with pytest.raises(KeyError):
        online.observed("filler", [(99, 1, 192, now)], now + 2000)
    assert ["NBIRTH", "DBIRTH"] == kinds(online.tick(now + 2000))


@pytest.mark.parametrize("at", [-1, -5, 0])
def test_a_time_before_1970_is_now(online, now, at):
    """First in its batch or not."""
    (message,) = online.observed("filler", [(2, 1, 192, at), (2, 2, 192, now)], now)
    assert [now, now] == [metric.timestamp_ms for metric in decode(message.payload).metrics]
