"""MQTT packets as bytes: PUBLISH written by the thousand, arriving bytes cut into messages.

Theory of operation. A value costs one PUBLISH. Encoding them one object at a time costs more
than everything else together, so `publish_packets` joins a whole batch into one buffer, and
`PacketReader` turns what a socket hands over into one list of messages. Control packets
(CONNACK, PUBACK, …) are rare and handed on as they are.

A packet is: one byte of type and flags, the length as 1-4 bytes of 7 bits, the body
(MQTT 5.0 §2.1). A PUBLISH body is: topic, packet id (QoS 1), properties (MQTT 5), payload.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from uns.errors import PeerProtocolError
from uns.message import Message

__all__ = [
    "LARGEST_PACKET",
    "MQTT_3",
    "MQTT_5",
    "Headers",
    "PacketReader",
    "puback_packets",
    "publish_packet",
    "publish_packets",
]

MQTT_3 = 4  # MQTT 3.1.1 §3.1.2.2: its protocol level in CONNECT
MQTT_5 = 5

_PUBLISH = 0x30
_RETAIN = 0x01
_QOS_1 = 0x02
_QOS_2 = 0x04
_PUBACK = 0x40
_NO_PROPERTIES = b"\0"
_SEVEN_BITS = 0x7F
_LENGTH_BYTES = 4  # MQTT 5.0 §1.5.5: a variable byte integer has at most four
_HEADERS_KEPT = 65_536
_TOPICS_KEPT = 100_000
_FLAGS = tuple(((flags >> 1) & 1, (flags & 1) == 1) for flags in range(16))  # (QoS, retain)
_new = tuple.__new__

_BySizes: TypeAlias = dict[int, dict[int, bytes]]  # by the length of the topic, of the payload
Headers: TypeAlias = dict[bool, _BySizes]
"""What stands before a topic, retained or not. Two small look-ups are cheaper than one long key."""

LARGEST_PACKET = 16 * 1024 * 1024
"""What we accept in one packet; announced to brokers that speak MQTT 5."""


def publish_packets(
    items: Iterable[tuple[bytes, bytes]], *, retain: bool, version: int, headers: Headers
) -> bytes:
    """(topic, payload) pairs as QoS 0 PUBLISH packets, end to end in one buffer.

    `headers` is the caller's cache of what stands before a topic, for one version; begin
    with an empty one.
    """
    middle = _NO_PROPERTIES if version == MQTT_5 else b""
    known = headers.setdefault(retain, {})
    parts: list[bytes] = []
    for topic, payload in items:
        try:
            header = known[len(topic)][len(payload)]
        except KeyError:
            header = _header(len(topic), len(middle) + len(payload), retain=retain)
            _keep(known, len(topic), len(payload), header)
        parts += (header, topic, middle, payload)
    return b"".join(parts)


def publish_packet(message: Message, *, packet_id: int = 0, version: int) -> bytes:
    """One PUBLISH of any sort; QoS 1 needs its packet id."""
    topic = message.topic.encode()
    head = _PUBLISH | (message.qos << 1) | message.retain
    identity = packet_id.to_bytes(2, "big") if message.qos else b""
    middle = _NO_PROPERTIES if version == MQTT_5 else b""
    length = 2 + len(topic) + len(identity) + len(middle) + len(message.payload)
    return b"".join((
        bytes((head,)),
        _variable(length),
        len(topic).to_bytes(2, "big"),
        topic,
        identity,
        middle,
        message.payload,
    ))  # fmt: skip


def puback_packets(packet_ids: Sequence[int]) -> bytes:
    """Acknowledgements of received QoS 1 messages.

    Without a reason code in both versions: MQTT 5.0 §3.4.2.1 reads that as success.
    """
    return b"".join(b"\x40\x02" + packet_id.to_bytes(2, "big") for packet_id in packet_ids)


class PacketReader:
    """Cuts arriving bytes into packets and keeps the messages until they are taken.

    `accepts(topic)` says whether a topic was subscribed to; others are dropped. Its answer is
    remembered per topic until `forget_topics`.
    """

    __slots__ = ("_accepts", "_chunks", "_missing", "_topics", "_version", "held_bytes",
                 "messages", "packet_ids")  # fmt: skip

    def __init__(self, version: int, accepts: Callable[[str], bool]) -> None:
        self.messages: list[Message] = []
        self.packet_ids: list[int] = []
        self.held_bytes = 0
        self._version = version
        self._accepts = accepts
        self._topics: dict[bytes, str] = {}
        self._chunks: list[bytes] = []
        self._missing = 0

    def take(self) -> tuple[list[Message], list[int]]:
        """The messages so far, and the packet ids of those to acknowledge once they are worked."""
        taken = self.messages, self.packet_ids
        self.messages, self.packet_ids, self.held_bytes = [], [], 0
        return taken

    def forget_topics(self) -> None:
        """Ask `accepts` again: the subscriptions have changed."""
        self._topics.clear()

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Take bytes as they came; returns the packets that are no PUBLISH, as (head, body).

        Raises PeerProtocolError where the bytes are no MQTT.
        """
        self.held_bytes += len(data)
        if len(data) < self._missing:
            self._chunks.append(data)
            self._missing -= len(data)
            return []
        if self._chunks:
            self._chunks.append(data)
            data = b"".join(self._chunks)
            self._chunks = []
        self._missing = 0
        try:
            return self._cut(data)
        except IndexError:
            raise PeerProtocolError("the broker sent a PUBLISH that ends too early") from None

    def _cut(self, data: bytes) -> list[tuple[int, bytes]]:
        others: list[tuple[int, bytes]] = []
        place, size = 0, len(data)
        while size - place > 1:
            head, length, start = data[place], data[place + 1], place + 2
            if length > _SEVEN_BITS:
                length, start = _length_at(data, place + 1)
            if start == 0:
                break
            end = start + length
            if end > size:
                self._missing = end - size
                break
            if head & 0xF0 == _PUBLISH:
                self._publish(head, data, start, end)
            else:
                others.append((head, data[start:end]))
            place = end
        if place < size:
            self._chunks.append(data[place:])
        return others

    def _publish(self, head: int, data: bytes, start: int, end: int) -> None:
        place = start + 2 + (data[start] << 8) + data[start + 1]
        raw = data[start + 2 : place]
        topic = self._topics.get(raw)
        if topic is None:
            topic = self._remember(raw)
        if head & _QOS_1:
            self.packet_ids.append((data[place] << 8) + data[place + 1])
            place += 2
        elif head & _QOS_2:
            raise PeerProtocolError("the broker sent a QoS 2 message; we never ask for one")
        if self._version == MQTT_5:
            # MQTT 5.0 §3.3.2.3: nothing in here is for us; aliases we never allowed
            skip, place = data[place], place + 1
            if skip > _SEVEN_BITS:
                skip, place = _length_at(data, place - 1)
            place += skip
        if place > end:
            raise PeerProtocolError("the broker sent a PUBLISH that is shorter than it says")
        if topic:
            # half the price of Message(...): a NamedTuple's own __new__ is a Python function
            qos, retain = _FLAGS[head & 0x0F]
            self.messages.append(_new(Message, (topic, data[place:end], qos, retain)))

    def _remember(self, raw: bytes) -> str:
        """The topic as text, or "" where nobody here subscribed to it."""
        if len(self._topics) >= _TOPICS_KEPT:
            self._topics.clear()
        # a topic that is no UTF-8 shows itself as U+FFFD rather than killing the session
        text = raw.decode(errors="replace")
        self._topics[raw] = text if self._accepts(text) else ""
        return self._topics[raw]


def _header(topic_size: int, rest_size: int, *, retain: bool) -> bytes:
    """What stands before the topic of a QoS 0 PUBLISH."""
    head = _PUBLISH | (_RETAIN if retain else 0)
    return bytes((head,)) + _variable(2 + topic_size + rest_size) + topic_size.to_bytes(2, "big")


def _keep(known: _BySizes, topic_size: int, payload_size: int, header: bytes) -> None:
    """Remember a header; a cache that has grown too large begins again."""
    if sum(map(len, known.values())) >= _HEADERS_KEPT:
        known.clear()
    known.setdefault(topic_size, {})[payload_size] = header


def _variable(number: int) -> bytes:
    """MQTT 5.0 §1.5.5: seven bits per byte, lowest first, the top bit means "more"."""
    out = bytearray()
    while number > _SEVEN_BITS:
        out.append((number & _SEVEN_BITS) | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _length_at(data: bytes, place: int) -> tuple[int, int]:
    """(number, where it ends); (0, 0) while bytes are missing."""
    first, second = data[place], data[place + 1] if place + 1 < len(data) else 0x80
    if second <= _SEVEN_BITS:  # nearly every packet of ours has 128 to 16,383 bytes
        return (first & _SEVEN_BITS) | (second << 7), place + 2
    number = 0
    for shift, byte in enumerate(data[place : place + _LENGTH_BYTES]):
        number |= (byte & _SEVEN_BITS) << (7 * shift)
        if byte <= _SEVEN_BITS:
            if number > LARGEST_PACKET:
                raise PeerProtocolError(
                    f"the broker sent a packet of {number} bytes; we take up to {LARGEST_PACKET}",
                    hint="lower `max_packet_size` of the broker, or split that message",
                )
            return number, place + shift + 1
    if len(data) - place < _LENGTH_BYTES:
        return 0, 0
    raise PeerProtocolError("the broker sent a packet length of more than four bytes")
