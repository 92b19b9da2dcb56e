"""A session with a broker: subscribe, publish, and batches of what arrives."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence

from uns.errors import BrokerError
from uns.message import Message
from uns.mqtt import reason
from uns.mqtt.broker import Broker
from uns.mqtt.control import disconnect_packet, subscribe_packet
from uns.mqtt.wire import Delivery, Wire
from uns.packet import Headers, publish_packet, publish_packets
from uns.topic import TopicFilter

__all__ = ["Filters", "Session"]

_WINDOW, _WIDEST_WINDOW = 100, 1_000
_AT_ONCE = 1_000  # packets encoded before the socket is asked whether it keeps up
_CLOSE_S = 2.0
_QOS = (0, 1)


class Filters:
    """The topics a session asked for; some brokers send others too."""

    __slots__ = ("_exact", "_wild")

    def __init__(self) -> None:
        self._exact: set[str] = set()
        self._wild: list[TopicFilter] = []

    def add(self, filters: Sequence[tuple[str, int]]) -> None:
        """Accept what these filters match; raises ProjectError where one is no filter."""
        for wanted in [TopicFilter.parse(_without_share(text)) for text, _ in filters]:
            if "+" in wanted.text or "#" in wanted.text:
                self._wild.append(wanted)
            else:
                self._exact.add(wanted.text)

    def accepts(self, topic: str) -> bool:
        """Whether `topic` was asked for."""
        return topic in self._exact or any(wanted.matches(topic) for wanted in self._wild)


class Session:
    """An open connection with a broker's answer to it; made by `connect` and `sessions`.

    Every method raises BrokerError once the connection is lost, and says why it was.
    """

    def __init__(self, broker: Broker, client_id: str, wire: Wire, filters: Filters) -> None:
        assert wire.connack is not None  # noqa: S101 (`connect` waits for it)
        self.broker = broker
        self.client_id = client_id
        self.protocol = wire.proto_ver
        self.session_present = wire.connack.session_present
        self.properties = wire.connack.properties  # the broker's limits; MQTT 3.1.1 has none
        # MQTT 3.1.1 has no receive maximum; MQTT 5 brokers may name one
        window = wire.connack.properties.get("receive_maximum", _WINDOW)
        self.window: int = min(window, _WIDEST_WINDOW)
        self._wire = wire
        self._filters = filters
        self._headers: Headers = {}
        self._is_closed = False

    @property
    def is_connected(self) -> bool:
        """Whether nothing is known to be wrong with the connection."""
        return self._wire.lost is None

    @property
    def why_lost(self) -> BrokerError | None:
        """What went wrong with the connection; None while nothing is known, or we closed it."""
        return None if self._is_closed else self._wire.lost

    @property
    def heard_at(self) -> float:
        """When the broker last sent anything, an answer to a ping included; the loop's time."""
        return self._wire.heard_at

    async def subscribe(
        self, filters: Sequence[tuple[str, int]], *, as_published: bool = False
    ) -> None:
        """Ask for topics by (filter, QoS); raises BrokerError naming the first refused filter.

        One call with all filters: some brokers send the retained messages of the first
        before they answer to the second. With `as_published` a message that arrives has the
        retain flag that its publisher gave it; in MQTT 3.1.1 the flag goes on saying that the
        message was kept.
        """
        wire = self._wire
        wire.check()
        self._filters.add(filters)
        wire.reader.forget_topics()
        packet_id, packet = subscribe_packet(wire, filters, as_published=as_published)
        grant = wire.expect_suback(packet_id)
        wire.write(packet)
        await wire.answered(grant.done, grant.done.is_set)
        for (text, _), code in zip(filters, grant.codes, strict=False):
            if code >= reason.REFUSED:
                raise reason.refusal(
                    f"{self.broker.address} refused the subscription to `{text}`", code
                )

    async def publish(self, message: Message) -> None:
        """QoS 0: returns when written. QoS 1: when acknowledged; BrokerError when refused."""
        await self.publish_all((message,))

    async def publish_all(self, messages: Sequence[Message]) -> None:
        """Publish in order; returns when every QoS 1 message of them is acknowledged.

        At most `window` QoS 1 messages are under way at once. Raises BrokerError naming the
        first message that the broker refused; the others were published all the same.
        """
        wire, delivery = self._wire, Delivery()
        place = 0
        while place < len(messages):
            await self._room(messages[place])
            packets = list(self._encoded(messages, place, delivery))
            wire.write(b"".join(packets))
            place += len(packets)
            await wire.drain()
        if delivery.left:
            await wire.answered(delivery.done, lambda: delivery.left)
        wire.check()
        if delivery.refused:
            topic, code = delivery.refused[0]
            raise reason.refusal(f"{self.broker.address} refused to publish to `{topic}`", code)

    async def publish_values(
        self, items: Sequence[tuple[bytes, bytes]], *, retain: bool = True
    ) -> None:
        """Publish (topic, payload) pairs at QoS 0, a thousand to a write; returns when written."""
        wire = self._wire
        wire.check()
        for place in range(0, len(items), _AT_ONCE):
            wire.write(
                publish_packets(
                    items[place : place + _AT_ONCE],
                    retain=retain,
                    version=self.protocol,
                    headers=self._headers,
                )
            )
            await wire.drain()

    async def batches(self) -> AsyncIterator[list[Message]]:
        """What arrives, in order, as lists; for one consumer.

        The QoS 1 messages of a list are acknowledged when the next list is asked for: a
        consumer that dies over a list gets it again (in a session that is not `clean`).
        Ends when this session is closed; raises BrokerError when the connection is lost.
        """
        wire = self._wire
        while True:
            while not wire.reader.messages:
                if self._is_closed:
                    return
                wire.check()
                wire.arrived.clear()
                await wire.arrived.wait()
            batch, packet_ids = wire.take()
            yield batch
            wire.acknowledge(packet_ids)

    async def close(self, *, with_will: bool = False) -> None:
        """Say DISCONNECT, so that the broker sends no will; takes at most two seconds.

        `with_will` asks it to send the will all the same; a DISCONNECT of MQTT 3.1.1 cannot.
        """
        self._is_closed = True
        packet = disconnect_packet(self._wire, with_will=with_will)
        await self._wire.close(packet, _CLOSE_S)

    def abort(self) -> None:
        """Drop the connection; the broker sends the will."""
        self._is_closed = True
        self._wire.fail(BrokerError(f"the session with {self.broker.address} was dropped"))

    async def _room(self, message: Message) -> None:
        """Wait until the window has room, where the message to send next needs it."""
        wire = self._wire
        wire.check()
        while message.qos and len(wire.unacknowledged) >= self.window:
            wire.room.clear()
            await wire.answered(wire.room, wire.room.is_set)

    def _encoded(
        self, messages: Sequence[Message], place: int, delivery: Delivery
    ) -> Iterator[bytes]:
        """Packets from `place` on, as many as the window and one write take."""
        wire = self._wire
        for message in messages[place : place + _AT_ONCE]:
            if message.qos not in _QOS:
                raise ValueError(f"QoS {message.qos} for {message.topic}; use 0 or 1")
            if message.qos and len(wire.unacknowledged) >= self.window:
                return
            packet_id = wire.expect_puback(delivery, message.topic) if message.qos else 0
            yield publish_packet(message, packet_id=packet_id, version=self.protocol)


def _without_share(text: str) -> str:
    """`$share/group/a/b` delivers what `a/b` matches (MQTT 5.0 §4.8.2)."""
    return text.split("/", 2)[2] if text.startswith("$share/") and text.count("/") > 1 else text
