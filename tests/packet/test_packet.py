"""Our packets are gmqtt's packets, and any cut of the bytes gives the same messages."""

from __future__ import annotations

import contextlib

import pytest
from gmqtt.client import Message as GmqttMessage
from gmqtt.mqtt.package import CommandWithMidPacket, PublishPacket
from hypothesis import given
from hypothesis import strategies as st

from uns.errors import PeerProtocolError
from uns.message import Message
from uns.packet import (
    LARGEST_PACKET,
    MQTT_3,
    MQTT_5,
    Headers,
    PacketReader,
    puback_packets,
    publish_packet,
    publish_packets,
)

versions = st.sampled_from([MQTT_3, MQTT_5])
topics = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0+#"), min_size=1)
payloads = st.binary() | st.integers(0, 40_000).map(bytes)
messages = st.builds(Message, topics, payloads, st.integers(0, 1), st.booleans())


class Sender:
    """What gmqtt's builders ask of a connection."""

    def __init__(self, version, packet_id=1):
        self.proto_ver = version
        self.id_generator = self
        self._packet_id = packet_id

    def next_id(self):
        return self._packet_id


def _gmqtt(message, version, packet_id=1):
    made = GmqttMessage(message.topic, message.payload, message.qos, message.retain)
    return bytes(PublishPacket.build_package(made, Sender(version, packet_id))[1])


@given(st.lists(st.tuples(topics, payloads)), st.booleans(), versions)
def test_a_batch_is_what_gmqtt_would_write_one_by_one(items, retain, version):
    """A batch of values is byte for byte the packets of gmqtt, end to end."""
    expected = b"".join(_gmqtt(Message(t, p, 0, retain), version) for t, p in items)
    encoded = [(topic.encode(), payload) for topic, payload in items]
    headers: Headers = {}
    for _ in range(2):  # the second time from the cache of headers
        assert expected == publish_packets(encoded, retain=retain, version=version, headers=headers)


def test_one_cache_of_headers_serves_retained_and_other_values():
    """The cache does not mix up retained values with others of the same lengths."""
    headers: Headers = {}
    for retain in (True, False, True):
        packets = publish_packets([(b"t", b"1")], retain=retain, version=4, headers=headers)
        assert _gmqtt(Message("t", b"1", 0, retain), 4) == packets


@given(messages, versions, st.integers(1, 65_535))
def test_a_message_is_what_gmqtt_would_write(message, version, packet_id):
    """A single PUBLISH of any sort is byte for byte gmqtt's."""
    assert _gmqtt(message, version, packet_id) == publish_packet(
        message, packet_id=packet_id, version=version
    )


def test_acknowledgements_are_what_gmqtt_would_write():
    """PUBACKs of a batch are gmqtt's of MQTT 3.1.1, which MQTT 5 reads as success."""
    expected = b"".join(
        CommandWithMidPacket.build_package(0x40, one, False, proto_ver=4)
        for one in (1, 256, 65_535)
    )
    assert expected == puback_packets([1, 256, 65_535])


@given(
    st.lists(messages, max_size=12),
    versions,
    st.lists(st.integers(1, 400), min_size=1),
)
def test_any_cut_of_the_bytes_gives_the_same_messages(sent, version, cuts):
    """However the network cuts the stream, the messages and packet ids are the same."""
    stream = b"".join(
        publish_packet(message, packet_id=n, version=version) + b"\xd0\0"
        for n, message in enumerate(sent, 1)
    )
    reader, others = PacketReader(version, lambda _: True), []
    place = step = 0
    while place < len(stream):
        size = cuts[step % len(cuts)]
        others += reader.feed(stream[place : place + size])
        place, step = place + size, step + 1
    assert (sent, [n for n, m in enumerate(sent, 1) if m.qos]) == reader.take()
    assert [(0xD0, b"")] * len(sent) == others


@given(st.binary(max_size=200), versions)
def test_no_bytes_raise_anything_but_a_protocol_error(data, version):
    """Whatever a broker sends is a packet, a wait for more, or PeerProtocolError."""
    reader = PacketReader(version, lambda _: True)
    with contextlib.suppress(PeerProtocolError):
        reader.feed(data)


def test_topics_nobody_asked_for_are_dropped_but_acknowledged():
    """A message of a foreign topic is dropped; its packet id is kept to be acknowledged."""
    reader = PacketReader(4, lambda topic: topic == "mine")
    for topic in ("mine", "other"):
        reader.feed(publish_packet(Message(topic, b"", 1), packet_id=len(topic), version=4))
    assert ([Message("mine", b"", 1)], [4, 5]) == reader.take()


def test_properties_of_mqtt_5_are_skipped():
    """A message expiry interval does not end up in the payload."""
    body = b"\0\x01t" + b"\x05\x02\0\0\0\x09" + b"payload"
    reader = PacketReader(5, lambda _: True)
    reader.feed(b"\x30" + bytes((len(body),)) + body)
    assert [Message("t", b"payload")] == reader.take()[0]


def test_a_topic_that_is_no_utf_8_does_not_end_the_session():
    """A topic with broken bytes is shown with U+FFFD instead of ending the session."""
    reader = PacketReader(4, lambda _: True)
    reader.feed(b"\x30\x04\0\x01\xffx")
    assert [Message("\ufffd", b"x")] == reader.take()[0]


def test_a_packet_too_large_is_refused_before_it_is_stored():
    """A packet beyond our limit ends the session at its header."""
    length = LARGEST_PACKET + 1
    head = bytes(((length >> shift) & 0x7F) | 0x80 for shift in (0, 7, 14)) + bytes((length >> 21,))
    with pytest.raises(PeerProtocolError, match=f"{length} bytes"):
        PacketReader(4, lambda _: True).feed(b"\x30" + head)


def test_qos_2_is_refused():
    """A QoS 2 message, which we never ask for, is an error of the broker."""
    with pytest.raises(PeerProtocolError, match="QoS 2"):
        PacketReader(4, lambda _: True).feed(b"\x34\x05\0\x01t\0\x01")
