"""One connection to a broker: bytes out with back-pressure, packets in, and whether it lives.

A wire is used once. It is lost for one of these reasons, and `lost` says which: the socket
closed, the broker said DISCONNECT, nothing was heard for one and a half keep-alives, an
answer did not come, the bytes were no MQTT, or we closed it.

Reading stops while more messages wait than a consumer may hold back: TCP then holds the
broker back. An answer to something of ours may stand behind those messages, so while one is
due the wire reads on, up to a larger bound.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from uns.errors import BrokerError, PeerProtocolError
from uns.message import Message
from uns.mqtt import control, reason
from uns.mqtt.broker import Broker
from uns.packet import PacketReader, puback_packets

__all__ = ["Delivery", "Grant", "Wire"]

_CONNACK, _PUBACK, _SUBACK, _DISCONNECT = 0x20, 0x40, 0x90, 0xE0

ANSWER_S = 30.0
"""How long a broker may owe us an answer while it still answers pings."""
_WAITING_MESSAGES, _WAITING_BYTES = 10_000, 16 * 1024 * 1024
_WHILE_ANSWER_DUE = 20  # times as much
_TICK = 1 / 8  # of a keep-alive: how often we look
_READS_LOOKED_AT, _FAST_S, _NAP_S = 4, 0.0002, 0.001
_WRITE_HIGH, _WRITE_LOW = 256 * 1024, 64 * 1024
_PACKET_IDS = 65_535


class Delivery:
    """QoS 1 messages of one publish: how many are not acknowledged, and which were refused."""

    __slots__ = ("done", "left", "refused")

    def __init__(self) -> None:
        self.left = 0
        self.done = asyncio.Event()
        self.refused: list[tuple[str, int]] = []

    def acknowledged(self, topic: str, code: int) -> None:
        """Count an answer of the broker."""
        self.left -= 1
        if code >= reason.REFUSED:
            self.refused.append((topic, code))
        if not self.left:
            self.done.set()


class Grant:
    """A SUBSCRIBE under way, and the broker's code for each of its filters."""

    __slots__ = ("codes", "done")

    def __init__(self) -> None:
        self.codes = b""
        self.done = asyncio.Event()


class Wire(asyncio.Protocol):
    """One connection; `Session` is what the rest of the product holds."""

    proto_name = b"MQTT"  # gmqtt's packet builders read these two and `id_generator`

    def __init__(
        self, broker: Broker, version: int, keepalive_s: float, accepts: Callable[[str], bool]
    ) -> None:
        self.proto_ver = version
        self.id_generator = self
        self.broker = broker
        self.lost: BrokerError | None = None
        self.connack: control.Connack | None = None
        self.reader = PacketReader(version, self._is_ours)
        self._accepts = accepts
        self._is_resumed = True  # until CONNACK says otherwise; messages may stand right behind it
        self.greeted = asyncio.Event()
        self.arrived = asyncio.Event()
        self.writable = asyncio.Event()
        self.room = asyncio.Event()
        self.closed = asyncio.Event()
        self.unacknowledged: dict[int, tuple[Delivery, str]] = {}
        self.grants: dict[int, Grant] = {}
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._keepalive_s = keepalive_s
        self._timer: asyncio.TimerHandle | None = None
        self._heard = self._said = self._pinged = self._loop.time()
        self._is_paused = self._is_deaf = False
        self._reads, self._paced = 0, self._heard
        self._packet_id = 0

    # what a session does with it

    @property
    def is_connected(self) -> bool:
        """Whether TCP, and TLS where asked for, came about."""
        return self._transport is not None

    @property
    def heard_at(self) -> float:
        """When bytes last arrived, by the loop's clock."""
        return self._heard

    def write(self, data: bytes) -> None:
        """Hand bytes to the socket; nothing happens on a lost wire."""
        if self._transport is not None and not self.lost:
            self._said = self._loop.time()
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait while the socket cannot keep up; raises BrokerError when the wire is lost."""
        await self.writable.wait()  # the keep-alive bounds it: a wire that is lost is writable
        self.check()

    def check(self) -> None:
        """Raise BrokerError when the wire is lost."""
        if self.lost is not None:
            raise BrokerError(str(self.lost), hint=self.lost.hint)

    def take(self) -> tuple[list[Message], list[int]]:
        """Messages that waited, and the packet ids to acknowledge once they are worked."""
        taken = self.reader.take()
        self._balance()
        return taken

    def acknowledge(self, packet_ids: list[int]) -> None:
        """Tell the broker that these QoS 1 messages need not come again."""
        if packet_ids:
            self.write(puback_packets(packet_ids))

    def expect_puback(self, delivery: Delivery, topic: str) -> int:
        """The packet id for a QoS 1 message about to be written."""
        packet_id = self.next_id()
        self.unacknowledged[packet_id] = (delivery, topic)
        delivery.left += 1
        delivery.done.clear()
        self._balance()
        return packet_id

    def expect_suback(self, packet_id: int) -> Grant:
        """What will answer a SUBSCRIBE."""
        grant = self.grants[packet_id] = Grant()
        self._balance()
        return grant

    async def answered(self, event: asyncio.Event, progress: Callable[[], object]) -> None:
        """Wait for `event`; a broker that makes no `progress` for ANSWER_S is given up."""
        while not event.is_set():
            before = progress()
            try:
                async with asyncio.timeout(ANSWER_S):
                    await event.wait()
            except TimeoutError:
                if progress() == before:
                    self.fail(BrokerError(
                        f"{self.broker.address} left a request unanswered for {ANSWER_S:.0f} s",
                        hint="the broker is alive but stuck; look at its log and its disk",
                    ))  # fmt: skip
        self.check()

    def next_id(self) -> int:
        """A packet id that is not in use; gmqtt's builders ask for it by this name."""
        while True:
            self._packet_id = self._packet_id % _PACKET_IDS + 1
            if self._packet_id not in self.unacknowledged and self._packet_id not in self.grants:
                return self._packet_id

    def fail(self, error: BrokerError) -> None:
        """Drop the socket without DISCONNECT: the broker sends the will."""
        self._end(error)
        if self._transport is not None:
            self._transport.abort()

    async def close(self, farewell: bytes, deadline_s: float) -> None:
        """Write `farewell` and let the broker hang up; closing first could outrun our last bytes.

        A socket closed with unread bytes is reset, and a reset may overtake the DISCONNECT.
        """
        if self._transport is None:
            return
        self.write(farewell)
        self._end(BrokerError(f"the session with {self.broker.address} is closed"))
        self._is_deaf = True
        self._transport.resume_reading()
        try:
            async with asyncio.timeout(deadline_s):
                await self.closed.wait()
        except TimeoutError:
            pass
        finally:
            self._transport.abort()

    # what asyncio tells it

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected, TLS included."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 (create_connection makes those)
        self._transport = transport
        transport.set_write_buffer_limits(high=_WRITE_HIGH, low=_WRITE_LOW)
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        """Bytes arrived."""
        if self._is_deaf:
            return
        self._heard = self._loop.time()
        reader = self.reader
        try:
            for head, body in reader.feed(data):
                self._control(head & 0xF0, body)
        except PeerProtocolError as error:
            self.fail(BrokerError(f"{self.broker.address}: {error}", hint=error.hint))
            return
        if reader.messages:
            self.arrived.set()
            self._balance()
            self._pace()
        elif reader.packet_ids:  # only messages that nobody here asked for
            self.acknowledge(self.take()[1])

    def pause_writing(self) -> None:
        """The socket cannot keep up."""
        self.writable.clear()

    def resume_writing(self) -> None:
        """The socket caught up."""
        self.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        why = f"lost the connection to {self.broker.address}: {exc}" if exc else (
            f"{self.broker.address} closed the connection")  # fmt: skip
        self._end(BrokerError(why))
        self.closed.set()

    # inside

    def _end(self, error: BrokerError) -> None:
        """The first reason stays; everybody who waits here is woken and finds it."""
        self.lost = self.lost or error
        if self._timer is not None:
            self._timer.cancel()
        for event in (self.greeted, self.arrived, self.writable, self.room):
            event.set()
        for delivery, _ in self.unacknowledged.values():
            delivery.done.set()
        for grant in self.grants.values():
            grant.done.set()

    def _control(self, kind: int, body: bytes) -> None:
        if kind == _PUBACK:
            packet_id, code = control.parse_puback(body)
            delivery, topic = self.unacknowledged.pop(packet_id, (None, ""))
            if delivery is not None:
                delivery.acknowledged(topic, code)
                self.room.set()
        elif kind == _SUBACK:
            packet_id, codes = control.parse_suback(body, self.proto_ver)
            grant = self.grants.pop(packet_id, None)
            if grant is not None:
                grant.codes = codes
                grant.done.set()
        elif kind == _CONNACK:
            self.connack = control.parse_connack(body, self.proto_ver)
            self._greet(self.connack)
        elif kind == _DISCONNECT:
            code = control.parse_disconnect(body)
            sentence = f"{self.broker.address} ended the session"
            self.fail(reason.refusal(sentence, code) if code else BrokerError(sentence))
        # PINGRESP needs no more than that we heard something

    def _is_ours(self, topic: str) -> bool:
        """Whether we asked for `topic`; a resumed session asked for it before our time."""
        return self._is_resumed or self._accepts(topic)

    def _greet(self, connack: control.Connack) -> None:
        if not connack.session_present:
            self._is_resumed = False
            self.reader.forget_topics()
            self.acknowledge(self.reader.take()[1])
        self._keepalive_s = connack.properties.get("server_keep_alive", self._keepalive_s)
        self.greeted.set()
        if self._keepalive_s:
            self._timer = self._loop.call_later(self._keepalive_s * _TICK, self._watch)

    def _watch(self) -> None:
        """Ping what is silent for half a keep-alive, give up what stays silent for one and a half."""
        now, keepalive_s = self._loop.time(), self._keepalive_s
        if self._is_paused:
            self._heard = now  # we are the ones who do not listen
        is_owed = self._pinged > self._heard
        if is_owed and now - self._pinged >= keepalive_s * (1 - _TICK):
            self.fail(BrokerError(
                f"{self.broker.address} has been silent for {now - self._heard:.1f} s",
                hint="the network between here and the broker is cut, or the broker hangs",
            ))  # fmt: skip
            return
        if not is_owed and now - min(self._heard, self._said) >= keepalive_s / 2:
            self._pinged = now
            self.write(control.PINGREQ)
        self._timer = self._loop.call_later(keepalive_s * _TICK, self._watch)

    def _pace(self) -> None:
        """Let messages gather for a millisecond when they come faster than one per 0.2 ms.

        Mosquitto writes each message by itself; taking them one by one costs a system call
        and a wake-up each, three times what all the rest of a message costs.
        """
        self._reads += 1
        if self._reads < _READS_LOOKED_AT:
            return
        since, self._reads, self._paced = self._heard - self._paced, 0, self._heard
        is_busy = self._is_paused or self.unacknowledged or self.grants
        if self._transport is None or is_busy or since >= _READS_LOOKED_AT * _FAST_S:
            return
        self._transport.pause_reading()
        self._loop.call_later(_NAP_S, self._wake)

    def _wake(self) -> None:
        if not self._is_paused and not self.lost and self._transport is not None:
            self._transport.resume_reading()

    def _balance(self) -> None:
        """Read, or stop reading, by what waits."""
        is_due = self.unacknowledged or self.grants
        times = _WHILE_ANSWER_DUE if is_due else 1
        waiting = len(self.reader.messages)
        is_full = waiting >= times * _WAITING_MESSAGES or (
            waiting > 0 and self.reader.held_bytes >= times * _WAITING_BYTES
        )
        if is_full == self._is_paused or self._transport is None or self.lost:
            return
        self._is_paused = is_full
        if is_full:
            self._transport.pause_reading()
        else:
            self._heard = self._loop.time()
            self._transport.resume_reading()
