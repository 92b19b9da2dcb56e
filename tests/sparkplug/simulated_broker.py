"""A simulated MQTT server in virtual time: per-topic order, and every other liberty a broker has.

Theory of operation
    A client's packets wait in its uplink until the server reads them (`read`), and what the
    server has for a client waits in one queue per topic until it is taken (`take`): MQTT keeps
    the order of one topic and of nothing else. A test decides what happens next: which topic's
    oldest message arrives, whether a QoS 0 one is lost or a QoS 1 one comes twice, which client's
    connection dies and how many of its last packets die with it, and when a will is published.
    Whoever watches (`tap`) sees what the server saw, in the order the server saw it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from uns.message import Message
from uns.topic import TopicFilter

WITH_WILL = 0x04  # MQTT 5.0 §3.14.2.1: disconnect, and publish the will
NORMAL = 0x00
CERTIFICATES = "$sparkplug/certificates/"


class Connect(NamedTuple):
    """What a CONNECT says."""

    protocol: int = 5
    is_clean: bool = True
    expiry_s: int = 0
    will: Message | None = None


class Tap(Protocol):
    """Someone who sees every packet that the server reads."""

    def connected(self, client: str, connect: Connect, now_ms: int) -> object: ...
    def subscribed(
        self, client: str, filters: Sequence[tuple[str, int]], now_ms: int
    ) -> object: ...
    def published(self, message: Message, now_ms: int, *, client: str = "") -> object: ...
    def disconnected(self, client: str, now_ms: int, *, reason: int | None) -> object: ...


class Queued(NamedTuple):
    """A message on its way to one client."""

    order: int  # of all that this server ever queued
    since_ms: int
    message: Message


@dataclass(slots=True)
class Session:
    """A client's connection: what it sent that is unread, what it has not received."""

    connect: Connect
    filters: dict[str, int] = field(default_factory=dict)
    uplink: deque[Message | int] = field(default_factory=deque)  # an int is a DISCONNECT's reason
    downlink: dict[str, deque[Queued]] = field(default_factory=dict)


class SimulatedBroker:
    """One MQTT server.

    `is_aware` makes it keep births as Sparkplug's chapter 10 describes. `is_lax` makes it a
    cluster whose nodes hear late of each other: a will may be published after its client is back.
    """

    def __init__(
        self, tap: Tap | None = None, *, is_aware: bool = False, is_lax: bool = False
    ) -> None:
        self.sessions: dict[str, Session] = {}
        self.retained: dict[str, Message] = {}
        self.owed_wills: list[tuple[str, Message]] = []
        self._tap = tap
        self._is_aware = is_aware
        self._is_lax = is_lax
        self._queued = 0

    # what clients do ----------------------------------------------------------------------

    def connect(self, client: str, connect: Connect, now_ms: int) -> None:
        """A CONNECT arrived and was granted; a second one with the same id takes over.

        The old session ends before the new one begins, and its will is published at once
        (MQTT 5.0 §3.1.4), unless the server is lax.
        """
        if client in self.sessions:
            self.cut(client, now_ms)
        for owed in [o for o in self.owed_wills if o[0] == client and not self._is_lax]:
            self.owed_wills.remove(owed)
            self._publish(owed[1], now_ms, client)
        self.sessions[client] = Session(connect)
        if self._tap:
            self._tap.connected(client, connect, now_ms)

    def subscribe(self, client: str, filters: Sequence[tuple[str, int]], now_ms: int) -> None:
        """A SUBSCRIBE arrived: it is granted, and retained messages are on their way."""
        session = self.sessions[client]
        session.filters.update(filters)
        if self._tap:
            self._tap.subscribed(client, filters, now_ms)
        for text, qos in filters:
            wanted = TopicFilter.parse(text)
            for message in [m for t, m in self.retained.items() if wanted.matches(t)]:
                granted = min(qos, message.qos)
                self._queue(session, message._replace(qos=granted, retain=True), now_ms)

    def publish(self, client: str, message: Message) -> None:
        """The client handed a message to its socket."""
        self.sessions[client].uplink.append(message)

    def disconnect(self, client: str, reason: int = NORMAL) -> None:
        """The client handed a DISCONNECT to its socket and closes it."""
        self.sessions[client].uplink.append(reason)

    # what the test decides ----------------------------------------------------------------

    def read(self, client: str, now_ms: int, count: int | None = None) -> None:
        """The server reads `count` packets of a client, or all."""
        session = self.sessions.get(client)
        while session is not None and session.uplink and count != 0:
            count = None if count is None else count - 1
            packet = session.uplink.popleft()
            if isinstance(packet, Message):
                self._publish(packet, now_ms, client)
            else:
                self._end(client, now_ms, packet)
                return

    def cut(self, client: str, now_ms: int, *, arrived: int | None = 0) -> None:
        """The connection died after `arrived` of the unread packets (None: all); a will is owed."""
        self.read(client, now_ms, arrived)
        if client in self.sessions:
            self._end(client, now_ms, None)

    def send_will(self, now_ms: int, pick: int = 0) -> None:
        """One of the wills that are owed is published."""
        client, will = self.owed_wills.pop(pick % len(self.owed_wills))
        # of a session that is over: no packet of the one that its client may have by now
        self._publish(will, now_ms, "" if client in self.sessions else client)

    def waiting(self, client: str) -> list[str]:
        """The topics that have something for a client, sorted."""
        session = self.sessions.get(client)
        return sorted(t for t, q in session.downlink.items() if q) if session else []

    def take(
        self, client: str, topic: str, *, is_lost: bool = False, is_doubled: bool = False
    ) -> Message | None:
        """The oldest message of one topic arrives; QoS 0 can be lost, QoS 1 can come again."""
        queue = self.sessions[client].downlink[topic]
        message = queue[0].message
        if not (is_doubled and message.qos):
            queue.popleft()
        return None if is_lost and not message.qos else message

    def take_oldest(self, client: str) -> Message | None:
        """What a quiet network would deliver next: the order of all topics is kept."""
        topics = self.waiting(client)
        if not topics:
            return None
        downlink = self.sessions[client].downlink
        return self.take(client, min(topics, key=lambda t: downlink[t][0].order))

    def overdue(
        self, client: str, since_ms: int, wanted: Callable[[str], bool] = lambda _: True
    ) -> Iterator[str]:
        """The topics, among those `wanted`, whose oldest message has waited since `since_ms`."""
        session = self.sessions.get(client)
        while session is not None:
            late = [
                (queue[0].order, topic)
                for topic, queue in session.downlink.items()
                if queue and queue[0].since_ms <= since_ms and wanted(topic)
            ]
            if not late or client not in self.sessions:
                return
            yield min(late)[1]

    # below --------------------------------------------------------------------------------

    def _publish(self, message: Message, now_ms: int, client: str) -> None:
        if self._tap:
            self._tap.published(message, now_ms, client=client)
        self._distribute(message, now_ms)
        is_birth = message.topic.split("/")[2:3] in (["NBIRTH"], ["DBIRTH"])
        if self._is_aware and is_birth:
            # tck-id-conformance-mqtt-aware-nbirth-mqtt-topic and its three neighbours
            self._distribute(
                message._replace(topic=CERTIFICATES + message.topic, retain=True), now_ms
            )

    def _distribute(self, message: Message, now_ms: int) -> None:
        if message.retain and message.payload:
            self.retained[message.topic] = message
        elif message.retain:
            self.retained.pop(message.topic, None)
        for session in self.sessions.values():
            granted = [
                qos
                for text, qos in session.filters.items()
                if TopicFilter(text).matches(message.topic)
            ]
            if granted:  # overlapping filters: one copy at the highest QoS (MQTT 3.1.1 §3.3.5)
                qos = min(message.qos, max(granted))
                self._queue(session, message._replace(qos=qos, retain=False), now_ms)

    def _queue(self, session: Session, message: Message, now_ms: int) -> None:
        self._queued += 1
        queue = session.downlink.setdefault(message.topic, deque())
        queue.append(Queued(self._queued, now_ms, message))

    def _end(self, client: str, now_ms: int, reason: int | None) -> None:
        """MQTT 5.0 §3.1.2.5: a will is published unless the client said goodbye without it."""
        session = self.sessions.pop(client)
        if self._tap:
            self._tap.disconnected(client, now_ms, reason=reason)
        will: Any = session.connect.will
        if will is not None and reason != NORMAL:
            self.owed_wills.append((client, will))
