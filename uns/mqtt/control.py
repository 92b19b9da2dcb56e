"""Control packets, as gmqtt writes and reads them; the one file that knows gmqtt.

Of gmqtt we take its packets and properties, not its client: docs/explanation/decisions/
0002-gmqtt-behind-one-module.md says why, tests/mqtt/test_control.py holds the parts used.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gmqtt.client import Message as GmqttMessage
from gmqtt.mqtt.constants import MQTTCommands
from gmqtt.mqtt.package import (
    DisconnectPacket,
    LoginPackageFactor,
    SimpleCommandPacket,
    SubscribePacket,
)
from gmqtt.mqtt.property import Property
from gmqtt.mqtt.utils import unpack_variable_byte_integer
from gmqtt.subscription import Subscription

from uns.errors import PeerProtocolError
from uns.message import Message
from uns.packet import LARGEST_PACKET, MQTT_5

__all__ = [
    "PINGREQ",
    "Connack",
    "connect_packet",
    "disconnect_packet",
    "parse_connack",
    "parse_disconnect",
    "parse_puback",
    "parse_suback",
    "subscribe_packet",
]

PINGREQ: bytes = SimpleCommandPacket.build_package(MQTTCommands.PINGREQ)

UNACKNOWLEDGED = 1_000
"""QoS 1 messages a broker may send us before we acknowledged any: the bound of our memory."""

_NO_EXPIRY = 0xFFFFFFFF  # MQTT 5.0 §3.1.2.11.2: the session never ends
_WITH_WILL = 0x04  # MQTT 5.0 §3.14.2.1: disconnect with will message
_MALFORMED = (struct.error, IndexError, ValueError, AttributeError)


class Sender(Protocol):
    """What gmqtt's packet builders ask of a connection."""

    proto_name: bytes
    proto_ver: int
    id_generator: Any


@dataclass(frozen=True, slots=True)
class Connack:
    """A broker's answer to CONNECT."""

    session_present: bool
    code: int
    properties: Mapping[str, Any]


def connect_packet(
    sender: Sender,
    client_id: str,
    *,
    username: str,
    password: str,
    will: Message | None,
    keepalive_s: int,
    clean: bool,
) -> bytes:
    """A CONNECT in the sender's protocol version; bytes in, because gmqtt counts characters."""
    properties = {"receive_maximum": UNACKNOWLEDGED, "maximum_packet_size": LARGEST_PACKET}
    if not clean:
        properties["session_expiry_interval"] = _NO_EXPIRY
    return bytes(
        LoginPackageFactor.build_package(
            client_id.encode(),
            username.encode() if username else None,
            password.encode() if username else None,
            clean,
            keepalive_s,
            sender,
            will_message=will and GmqttMessage(will.topic, will.payload, will.qos, will.retain),
            **properties,
        )
    )


def subscribe_packet(
    sender: Sender, filters: Sequence[tuple[str, int]], *, as_published: bool = False
) -> tuple[int, bytes]:
    """(packet id, SUBSCRIBE) for filters and the QoS wanted for each.

    `as_published` keeps the retain flag of what is forwarded; MQTT 3.1.1 has no such option.
    """
    keeps_retain = as_published and sender.proto_ver == MQTT_5
    packet_id, packet = SubscribePacket.build_package(
        [Subscription(text, qos=qos, retain_as_published=keeps_retain) for text, qos in filters],
        sender,
    )
    return packet_id, bytes(packet)


def disconnect_packet(sender: Sender, *, with_will: bool = False) -> bytes:
    """A DISCONNECT that tells the broker to forget the will, or in MQTT 5 to send it."""
    return bytes(DisconnectPacket.build_package(sender, _WITH_WILL if with_will else 0))


def parse_connack(body: bytes, version: int) -> Connack:
    """Raises PeerProtocolError where `body` is no CONNACK."""
    try:
        # a broker that refuses MQTT 5 answers in the words of 3.1.1: two bytes
        found = _properties(body[2:]) if version == MQTT_5 and len(body) > 2 else {}  # noqa: PLR2004
        return Connack(bool(body[0] & 1), body[1], found)
    except _MALFORMED as error:
        raise PeerProtocolError(f"the broker's CONNACK is malformed: {error}") from None


def parse_suback(body: bytes, version: int) -> tuple[int, bytes]:
    """(packet id, one code per filter); MQTT 5 puts properties between them."""
    try:
        (packet_id,) = struct.unpack_from("!H", body)
        codes = body[2:]
        if version == MQTT_5:
            size, codes = unpack_variable_byte_integer(codes)
            codes = codes[size:]
    except _MALFORMED as error:
        raise PeerProtocolError(f"the broker's SUBACK is malformed: {error}") from None
    return packet_id, codes


def parse_puback(body: bytes) -> tuple[int, int]:
    """(packet id, reason code); absent means success (MQTT 5.0 §3.4.2.1)."""
    if len(body) < 2:  # noqa: PLR2004 (a packet id has two bytes)
        raise PeerProtocolError("the broker's PUBACK is too short")
    return (body[0] << 8) + body[1], body[2] if len(body) > 2 else 0  # noqa: PLR2004


def parse_disconnect(body: bytes) -> int:
    """The reason code; absent means a normal end (MQTT 5.0 §3.14.2.1)."""
    return body[0] if body else 0


def _properties(block: bytes) -> dict[str, Any]:
    size, rest = unpack_variable_byte_integer(block)
    rest = rest[:size]
    found: dict[str, Any] = {}
    while rest:
        values, rest = Property.factory(id_=rest[0]).loads(rest[1:])
        found.update(values)
    return found
