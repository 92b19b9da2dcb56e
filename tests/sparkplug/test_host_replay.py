"""What an edge node sends twice after a loss: known again where it was heard, told where not."""

from __future__ import annotations

import pytest

from uns.message import Message
from uns.metric import DataType
from uns.sparkplug import (
    Born,
    Changed,
    HostApplication,
    HostSettings,
    Metric,
    NodeId,
    Payload,
    encode,
)
from uns.sparkplug.heard import Heard

NODE = NodeId("g", "e")


class Foreign:
    """A node with one device, whose messages are made by hand."""

    def __init__(self, host, now):
        self.host, self.now, self.seq = host, now, 0

    def send(self, kind, metrics, at=0):
        topic = f"spBv1.0/g/{kind}/e" + ("/d" if kind.startswith("D") else "")
        self.seq = 0 if kind == "NBIRTH" else (self.seq + 1) % 256
        payload = encode(
            Payload(at or self.now, tuple(metrics), self.seq), datatypes="BIRTH" in kind
        )
        return self.host.received(Message(topic, payload), self.now)

    def birth(self, session=0):
        self.send("NBIRTH", [Metric("bdSeq", session, DataType.INT64)])
        kinds = {"n": DataType.INT32, "x": DataType.FLOAT, "s": DataType.STRING}
        self.send(
            "DBIRTH",
            [
                Metric(name, None, kind, alias=place, timestamp_ms=self.now)
                for place, (name, kind) in enumerate(kinds.items(), 1)
            ],
        )

    def live(self, alias, value, kind, at):
        return self.send("DDATA", [_sample(alias, value, kind, at)])

    def again(self, *samples):
        """The updates of a historical message that the host passes on."""
        metrics = [_sample(*sample, is_historical=True) for sample in samples]
        found = [e for e in self.send("DDATA", metrics) if isinstance(e, Changed)]
        assert all(event.is_historical for event in found)
        return [(slot.name, value, at) for e in found for slot, value, _, at in e.updates]


def _sample(alias, value, kind, at, *, is_historical=False):
    return Metric(None, value, kind, alias=alias, timestamp_ms=at, is_historical=is_historical)


INT, FLOAT, TEXT = DataType.INT32, DataType.FLOAT, DataType.STRING


@pytest.fixture
def line(host, now):
    line = Foreign(host, now)
    line.birth()
    return line


def test_a_sample_that_was_heard_live_is_not_told_again(line, now):
    """By metric, time and value; its neighbours are told."""
    line.live(1, 5, INT, now - 9)
    line.live(2, 0.1, FLOAT, now - 8)
    line.live(3, "a", TEXT, now - 7)
    told = line.again((1, 5, INT, now - 9), (2, 0.1, FLOAT, now - 8), (3, "b", TEXT, now - 7))
    assert [("s", "b", now - 7)] == told


@pytest.mark.parametrize(
    "sample", [(1, 6, INT, -9), (1, 5, INT, -8), (2, 5.0, FLOAT, -9), (3, "5", TEXT, -9)]
)
def test_what_was_not_heard_is_never_dropped(line, now, sample):
    """Another value, another time, another metric."""
    line.live(1, 5, INT, now - 9)
    *rest, ago = sample
    assert 1 == len(line.again((*rest, now + ago)))


def test_a_historical_sample_is_told_once(line, now):
    """An edge node that lost its broker in the middle of its backlog begins that part again."""
    samples = [(1, n, INT, now - 10_000 + n) for n in range(50)]
    assert 50 == len(line.again(*samples))
    more = [(1, n, INT, now - 10_000 + n) for n in range(40, 60)]
    assert list(range(50, 60)) == [value for _, value, _ in line.again(*more)]


def test_a_sample_of_the_former_session_is_known_again(line, now):
    """Aliases changed hands meanwhile, and the node was away for ten minutes."""
    line.live(1, 5, INT, now)
    line.now += 3000
    line.host.disconnected(line.now)
    line.now += 600_000
    line.host.will(line.now)
    line.host.connected(line.now)
    line.send("NBIRTH", [Metric("bdSeq", 1, DataType.INT64)])
    line.send("DBIRTH", [Metric("n", 9, INT, alias=77, timestamp_ms=line.now)])
    assert [] == line.again((77, 5, INT, now))
    assert [("n", 6, now)] == line.again((77, 6, INT, now))


def test_a_birth_has_told_its_values(line, now):
    """They need not come as history as well."""
    line.send("DBIRTH", [Metric("n", 9, INT, alias=1, timestamp_ms=now - 3)])
    assert [] == line.again((1, 9, INT, now - 3))


def test_history_never_touches_the_present(line, now):
    """Nor does what was dropped."""
    line.live(1, 5, INT, now)
    line.again((1, 4, INT, now - 5), (1, 5, INT, now))
    slot = line.host._nodes[NODE].find_device("d").find("n")
    assert (5, now) == (slot.value, slot.timestamp_ms)


def test_beyond_the_window_a_sample_is_told_twice(line, now):
    """Rather than never."""
    line.live(1, 5, INT, now)
    line.now += 20_000
    assert [] == line.again((1, 5, INT, now))
    line.now += 20_001
    line.live(1, 6, INT, line.now)
    assert [("n", 5, now)] == line.again((1, 5, INT, now))


def test_the_memory_of_a_node_has_a_limit(now):
    """The oldest is forgotten first: told twice, not lost."""
    host = HostApplication("uns", settings=HostSettings(remember_bytes=2_000))
    host.connected(now)
    line = Foreign(host, now)
    line.birth()
    for n in range(1000):
        line.live(1, n, INT, now + n)
    heard = host._nodes[NODE]._heard
    assert heard._size <= 2_000
    assert [("n", 0, now)] == line.again((1, 0, INT, now), (1, 999, INT, now + 999))
    assert heard._size <= 2_000 + 100
    assert len(heard._index) <= 200


def test_without_history_nothing_is_read_twice(line, now):
    """Live messages cost one entry each; the index comes and goes with history."""
    heard = line.host._nodes[NODE]._heard
    line.live(1, 5, INT, now)
    assert not heard._index
    line.again((1, 4, INT, now))
    assert heard._index
    for second in range(1, 60):
        line.now = now + second * 1000
        line.live(1, second, INT, line.now)
    assert not heard._index
    assert 20 == len(heard._said) - 1


def test_a_clock_that_was_set_back_forgets_nothing(line, now):
    """And does not raise."""
    line.live(1, 5, INT, now)
    line.now -= 3_600_000
    line.live(1, 6, INT, line.now)
    assert [] == line.again((1, 5, INT, now), (1, 6, INT, line.now))


def test_values_that_cannot_be_compared_by_hash_are_compared_by_their_text():
    """A template holds mappings."""
    heard = Heard()
    update = [(type("S", (), {"name": "t"})(), {"a": [1]}, 192, 5)]
    assert update == heard.unheard("d", update, 0)
    assert [] == heard.unheard("d", update, 0)


def test_our_own_edge_node_may_send_its_last_seconds_again(host, edge, now):
    """Back on line it does not know what arrived: the host tells each sample once."""
    edge.will()
    edge.device_up("filler", now)
    told, sent = heard(host, edge.connected(now), now), []
    values = {"bowl_pressure": 0.1, "good": 4_000_000_000, "recipe": "Größe 1"}
    for n in range(20):
        readings = {
            name: (alias, values[name], 192, now + 10 * n + alias)
            for name, alias in edge.aliases("filler").items()
        }
        sent += [(name, *rest) for name, (_, *rest) in readings.items()]
        messages = edge.observed("filler", list(readings.values()), now + 10 * n)
        if n < 15:  # the others were in the broker when it died
            told += heard(host, messages, now + 10 * n)
    host.disconnected(now + 300)
    edge.disconnected()
    now += 60_000
    host.will(now)
    host.connected(now)
    edge.will()
    told += heard(host, edge.connected(now), now)
    for chunk in (sent[:30], sent[30:], sent[:60]):
        told += heard(host, edge.recalled("filler", chunk, now + 1000), now + 1000)
    told = [(name, at) for name, value, at in told if value is not None]
    assert sorted((name, at) for name, _, _, at in sent) == sorted(told)


def heard(host, messages, now):
    """The samples that a consumer of the events would store."""
    found = []
    for event in (event for message in messages for event in host.received(message, now)):
        match event:
            case Born():
                found += [(slot.name, slot.value, slot.timestamp_ms) for slot in event.slots]
            case Changed():
                found += [(slot.name, value, at) for slot, value, _, at in event.updates]
    return found
