"""The parts of gmqtt we build on, held as they are in the version we pin."""

from __future__ import annotations

import importlib.metadata
import inspect

import pytest
from gmqtt.client import Message as GmqttMessage
from gmqtt.mqtt.package import LoginPackageFactor, PublishPacket, SubscribePacket
from gmqtt.mqtt.property import PROPERTIES, Property

from uns.errors import PeerProtocolError
from uns.message import Message
from uns.mqtt import control
from uns.packet import LARGEST_PACKET


class Sender:
    """What gmqtt's builders ask of a connection."""

    proto_name = b"MQTT"

    def __init__(self, version):
        self.proto_ver = version
        self.id_generator = self

    def next_id(self):
        return 7


def test_the_version_is_the_one_we_know():
    """The packet builders are not the public interface of gmqtt: the version is pinned."""
    assert "0.8.0" == importlib.metadata.version("gmqtt")


@pytest.mark.parametrize(
    ("builder", "expected"),
    [
        (
            LoginPackageFactor,
            ["client_id", "username", "password", "clean_session", "keepalive", "protocol",
             "will_message", "kwargs"],
        ),
        (SubscribePacket, ["subscriptions", "protocol", "kwargs"]),
        (PublishPacket, ["message", "protocol"]),
    ],
)  # fmt: skip
def test_builders_take_what_we_give(builder, expected):
    """The signatures of the builders we call."""
    assert expected == list(inspect.signature(builder.build_package).parameters)


def test_a_message_takes_what_we_give():
    """A will is made of topic, payload, QoS and retain, in this order."""
    message = GmqttMessage("w", b"x", 1, True)
    assert (b"w", b"x", 1, True) == (message.topic, message.payload, message.qos, message.retain)


def test_every_property_a_broker_may_send_is_known():
    """An unknown property cannot be skipped, so all of CONNACK's must be in gmqtt's table."""
    connack = {17, 18, 19, 21, 22, 26, 28, 31, 33, 34, 36, 37, 38, 39, 40, 41, 42}
    missing = connack - {p.id for p in PROPERTIES}
    # 22 (authentication data) comes with enhanced authentication only, which we never ask for
    assert {22} == missing
    assert ({"receive_maximum": 20}, b"rest") == Property.factory(id_=33).loads(b"\0\x14rest")


def test_a_connect_of_mqtt_311():
    """A CONNECT with will and login, byte by byte as MQTT 3.1.1 §3.1 has it."""
    packet = control.connect_packet(
        Sender(4), "ä", username="u", password="p", will=Message("w", b"x", 1), keepalive_s=5,
        clean=True,
    )  # fmt: skip
    body = b"\0\x04MQTT\x04\xce\0\x05\0\x02\xc3\xa4\0\x01w\0\x01x\0\x01u\0\x01p"
    assert b"\x10" + bytes((len(body),)) + body == packet


def test_a_connect_of_mqtt_5():
    """A CONNECT of MQTT 5 says how much we take, and that a session is to last."""
    packet = control.connect_packet(
        Sender(5), "c", username="", password="", will=None, keepalive_s=5, clean=False
    )
    properties = (
        b"\x21" + control.UNACKNOWLEDGED.to_bytes(2, "big")
        + b"\x27" + LARGEST_PACKET.to_bytes(4, "big")
        + b"\x11" + b"\xff" * 4
    )  # fmt: skip
    body = b"\0\x04MQTT\x05\0\0\x05" + bytes((len(properties),)) + properties + b"\0\x01c"
    assert b"\x10" + bytes((len(body),)) + body == packet


@pytest.mark.parametrize(("version", "middle"), [(4, b""), (5, b"\0")])
def test_a_subscribe(version, middle):
    """A SUBSCRIBE for two filters, byte by byte."""
    body = b"\0\x07" + middle + b"\0\x01a\x01\0\x03b/#\0"
    expected = (7, b"\x82" + bytes((len(body),)) + body)
    assert expected == control.subscribe_packet(Sender(version), [("a", 1), ("b/#", 0)])


@pytest.mark.parametrize(("version", "option"), [(4, b"\x01"), (5, b"\x09")])
def test_retain_as_published_is_asked_for_where_there_is_such_an_option(version, option):
    """Bit 3 of the options (MQTT 5.0 §3.8.3.1), which MQTT 3.1.1 keeps at zero."""
    _, packet = control.subscribe_packet(Sender(version), [("a", 1)], as_published=True)
    assert option == packet[-1:]


@pytest.mark.parametrize(
    ("version", "with_will", "expected"),
    [
        (4, False, b"\xe0\0"),
        (4, True, b"\xe0\0"),
        (5, False, b"\xe0\x02\0\0"),
        (5, True, b"\xe0\x02\x04\0"),
    ],
)
def test_a_disconnect(version, with_will, expected):
    """Reason 0x04 asks for the will (MQTT 5.0 §3.14.2.1); MQTT 3.1.1 has no reasons."""
    assert expected == control.disconnect_packet(Sender(version), with_will=with_will)


def test_answers_are_read():
    """CONNACK, SUBACK, PUBACK and DISCONNECT in both versions."""
    assert control.Connack(True, 0, {}) == control.parse_connack(b"\x01\0", 4)
    assert control.Connack(False, 0x84, {}) == control.parse_connack(b"\0\x84\0", 5)
    assert control.Connack(False, 1, {}) == control.parse_connack(b"\0\x01", 5)
    connack = control.parse_connack(b"\0\0\x06\x21\0\x14\x13\0\x09", 5)
    assert {"receive_maximum": 20, "server_keep_alive": 9} == connack.properties
    assert (7, b"\x01\x80") == control.parse_suback(b"\0\x07\x01\x80", 4)
    assert (7, b"\x01\x87") == control.parse_suback(b"\0\x07\0\x01\x87", 5)
    assert (7, 0) == control.parse_puback(b"\0\x07")
    assert (7, 0x87) == control.parse_puback(b"\0\x07\x87\0")
    assert 0 == control.parse_disconnect(b"")
    assert 0x8E == control.parse_disconnect(b"\x8e\0")


@pytest.mark.parametrize("body", [b"", b"\0", b"\0\0\x03\x21\0", b"\0\0\x02\xfe\0"])
def test_a_malformed_connack_is_an_error_with_a_sentence(body):
    """Bytes that are no CONNACK raise PeerProtocolError and nothing else."""
    with pytest.raises(PeerProtocolError, match="CONNACK"):
        control.parse_connack(body, 5)
