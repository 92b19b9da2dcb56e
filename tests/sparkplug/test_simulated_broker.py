"""The simulated broker keeps what MQTT promises and nothing more."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from simulated_broker import NORMAL, WITH_WILL, Connect, SimulatedBroker

from uns.message import Message

WILL = Message("spBv1.0/g/NDEATH/e", b"will", qos=1)


@pytest.fixture
def broker() -> SimulatedBroker:
    """A server with one subscriber of everything at QoS 1, and a publisher with a will."""
    broker = SimulatedBroker()
    broker.connect("sub", Connect(), 0)
    broker.subscribe("sub", [("#", 1)], 0)
    broker.connect("pub", Connect(will=WILL), 0)
    return broker


def _sent(broker: SimulatedBroker, *messages: Message) -> None:
    for message in messages:
        broker.publish("pub", message)
    broker.read("pub", 1)


def _payloads(broker: SimulatedBroker) -> list[bytes]:
    found = []
    while (message := broker.take_oldest("sub")) is not None:
        found.append(message.payload)
    return found


def test_order_is_kept_within_a_topic_only(broker: SimulatedBroker) -> None:
    """Any topic's oldest message can be next, and never one behind it."""
    _sent(broker, Message("a", b"1"), Message("a", b"2"), Message("b", b"3"))
    assert ["a", "b"] == broker.waiting("sub")
    assert b"3" == broker.take("sub", "b").payload
    assert [b"1", b"2"] == _payloads(broker)


def test_qos_0_can_be_lost_and_qos_1_cannot(broker: SimulatedBroker) -> None:
    """Loss takes QoS 0 only; doubling takes QoS 1 only."""
    _sent(broker, Message("a", b"0"), Message("b", b"1", qos=1))
    assert broker.take("sub", "a", is_lost=True, is_doubled=True) is None
    assert [] == list(broker.overdue("sub", 0))
    assert b"1" == broker.take("sub", "b", is_lost=True, is_doubled=True).payload
    assert [b"1"] == _payloads(broker)


def test_a_cut_connection_loses_what_was_unread_and_owes_the_will(broker: SimulatedBroker) -> None:
    """The last packets die with the connection; the will comes when the server likes."""
    for number in (b"1", b"2", b"3"):
        broker.publish("pub", Message("a", number))
    broker.cut("pub", 5, arrived=2)
    assert [b"1", b"2"] == _payloads(broker)
    broker.send_will(9)
    assert [b"will"] == _payloads(broker)


def test_a_will_is_published_before_its_client_is_back(broker: SimulatedBroker) -> None:
    """A new session of a client, or a take-over, brings out the old one's will."""
    broker.connect("pub", Connect(will=WILL._replace(payload=b"next")), 2)
    assert [b"will"] == _payloads(broker)
    assert [] == broker.owed_wills


def test_a_lax_server_publishes_wills_after_their_client_is_back() -> None:
    """A cluster may hear late that a client moved; its will comes late too."""
    broker = SimulatedBroker(is_lax=True)
    broker.connect("pub", Connect(will=WILL), 0)
    broker.connect("pub", Connect(will=WILL), 1)
    assert [("pub", WILL)] == broker.owed_wills


def test_a_goodbye_discards_the_will_unless_it_asks_for_it(broker: SimulatedBroker) -> None:
    """Reason 0x00 says nothing more; 0x04 is followed by the will."""
    broker.disconnect("pub", NORMAL)
    broker.read("pub", 1)
    assert [] == broker.owed_wills
    broker.connect("pub", Connect(will=WILL), 2)
    broker.disconnect("pub", WITH_WILL)
    broker.read("pub", 3)
    assert [("pub", WILL)] == broker.owed_wills


def test_retained_messages_greet_new_subscribers_marked_as_such(broker: SimulatedBroker) -> None:
    """Those there already see it live; those who come later see it retained, until it is cleared."""
    _sent(broker, Message("s", b"on", qos=1, retain=True))
    assert Message("s", b"on", qos=1) == broker.take_oldest("sub")
    broker.connect("late", Connect(), 2)
    broker.subscribe("late", [("s", 1), ("#", 0)], 2)
    assert Message("s", b"on", qos=1, retain=True) == broker.take_oldest("late")
    _sent(broker, Message("s", b"", qos=1, retain=True))
    assert {} == broker.retained


def test_wildcards_do_not_reach_dollar_topics(broker: SimulatedBroker) -> None:
    """`#` sees no `$…`; who names it does (MQTT 5.0 §4.7.2)."""
    broker.connect("named", Connect(), 2)
    broker.subscribe("named", [("$sparkplug/#", 0)], 2)
    _sent(broker, Message("$sparkplug/x", b"1"))
    assert ([], ["$sparkplug/x"]) == (broker.waiting("sub"), broker.waiting("named"))


def test_an_aware_server_keeps_births() -> None:
    """Births are offered again, retained, below $sparkplug/certificates."""
    broker = SimulatedBroker(is_aware=True)
    broker.connect("pub", Connect(), 0)
    _sent(broker, Message("spBv1.0/g/NBIRTH/e", b"old"), Message("spBv1.0/g/NBIRTH/e", b"new"))
    broker.connect("sub", Connect(), 1)
    broker.subscribe("sub", [("$sparkplug/certificates/#", 1)], 1)
    expected = Message("$sparkplug/certificates/spBv1.0/g/NBIRTH/e", b"new", retain=True)
    assert expected == broker.take_oldest("sub")


def test_who_taps_sees_what_the_server_saw() -> None:
    """Packets that died on their way are in nobody's record."""

    class Tap:
        def __init__(self):
            self.seen = []

        def connected(self, client, connect, now_ms):
            self.seen.append(("connected", client))

        def subscribed(self, client, filters, now_ms):
            self.seen.append(("subscribed", client, tuple(filters)))

        def published(self, message, now_ms, *, client=""):
            self.seen.append(("published", client, message.payload))

        def disconnected(self, client, now_ms, *, reason):
            self.seen.append(("disconnected", client, reason))

    tap = Tap()
    broker = SimulatedBroker(tap)
    broker.connect("pub", Connect(will=WILL), 0)
    broker.subscribe("pub", [("x", 1)], 0)
    broker.publish("pub", Message("a", b"1"))
    broker.publish("pub", Message("a", b"2"))
    broker.cut("pub", 1, arrived=1)
    broker.send_will(2)
    assert [
        ("connected", "pub"),
        ("subscribed", "pub", (("x", 1),)),
        ("published", "pub", b"1"),
        ("disconnected", "pub", None),
        ("published", "pub", b"will"),
    ] == tap.seen
