"""amqtt with what it does wrong put right, as far as that is possible from outside.

Measured against amqtt 0.12.1 (docs/reference/brokers.md lists what remains): it lets silent
clients live for ever, leaves the old connection open when a client id connects again, hands
a new client everybody's retained messages, forgets what a client published right before it
left, delivers at the subscriber's quality of service
whatever the publisher's, and grants `$share` without delivering. Each is one method here;
tests/service/test_broker.py and tests/mqtt hold them.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from typing import Any

from amqtt.adapters import BufferReader
from amqtt.broker import Broker
from amqtt.errors import AMQTTError
from amqtt.plugins.base import BaseAuthPlugin

__all__ = ["CorrectedBroker", "Everyone"]

_REFUSED = 0x80  # MQTT 3.1.1 §3.9.3: a SUBACK's failure
_MQTT_3 = 4
_WRONG_VERSION = b"\x20\x02\x00\x01"  # MQTT 3.1.1 §3.2.2.3: CONNACK with return code 1
_CONNECT, _LONGEST_HEAD, _SHORTEST_CONNECT, _LONGEST_CONNECT = 0x10, 5, 10, 1024 * 1024
_CONNECT_S = 5.0
_FORGET_SESSIONS_S = 3600  # their queues have no other bound
_TAKE_OVER_S = 1.0
_STOP_S = 0.5
_QOS_0: ContextVar[bool] = ContextVar("published at QoS 0", default=False)


class Everyone(BaseAuthPlugin):  # type: ignore[misc]  # amqtt is not followed by mypy
    """Lets everyone in; amqtt's own plug-in for that loses offline messages of sessions."""

    async def authenticate(self, **_: Any) -> bool:
        """Yes."""
        return True


class CorrectedBroker(Broker):  # type: ignore[misc]  # amqtt is not followed by mypy
    """The broker behind `EmbeddedBroker`."""

    connections: set[asyncio.Task[Any]]
    strangers: set[asyncio.Task[Any]]  # those that have not said CONNECT yet

    def __init__(self, port: int, host: str) -> None:
        super().__init__(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}"}},
                "session_expiry_interval": _FORGET_SESSIONS_S,
                "plugins": {f"{__name__}.{Everyone.__name__}": {}},
            }
        )
        self.connections, self.strangers = set(), set()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._servers["default"].instance.sockets[0].getsockname()[1]
        return port

    async def stream_connected(self, reader: Any, writer: Any, listener_name: str) -> None:
        """A client connected; remembered, so that closing leaves no task behind."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (asyncio runs this as a task)
        task.set_name("amqtt-client")
        self.connections.add(task)
        self.strangers.add(task)
        try:
            await super().stream_connected(reader, writer, listener_name)
        finally:
            self.connections.discard(task)
            self.strangers.discard(task)
            writer.transport.abort()

    async def shutdown(self) -> None:
        """End; those who never said CONNECT first, because Python 3.12 waits for everyone."""
        for task in self.strangers:
            task.cancel()
        await super().shutdown()

    async def _initialize_client_session(self, reader: Any, writer: Any, *peer: Any) -> Any:
        """Read a whole CONNECT before amqtt does: it loses itself in those of MQTT 5."""
        try:
            async with asyncio.timeout(_CONNECT_S):
                packet, level = await _first_packet(reader)
        except (TimeoutError, asyncio.IncompleteReadError):
            raise AMQTTError("no CONNECT came") from None
        finally:
            self.strangers.discard(asyncio.current_task())
        if level != _MQTT_3:
            writer.write(_WRONG_VERSION)
            await writer.close()
            raise AMQTTError("MQTT 3.1.1 only")
        handler, session = await super()._initialize_client_session(
            BufferReader(packet), writer, *peer
        )
        # MQTT 3.1.1 §3.1.2.10: silent for one and a half keep-alives is gone
        session.keep_alive = math.ceil(1.5 * session.keep_alive)
        handler.handle_read_timeout = partial(_hang_up, handler)
        handler.in_hand = None
        handler.mqtt_deliver_next_message = partial(
            _take_in_hand, handler, handler.mqtt_deliver_next_message
        )
        return handler, session

    async def _authenticate(self, session: Any, listener: Any) -> bool:
        """Let in, and end a connection that still holds this client id.

        The last wait before amqtt registers the session, so that two who come at once meet here.
        """
        is_allowed: bool = await super()._authenticate(session, listener)
        while self._is_connected(session.client_id):
            if session.clean_session:
                await self._delete_session(session.client_id)
                continue
            # a resumed session is the old one, and the new CONNECT has overwritten its will
            will_flag, session.will_flag = session.will_flag, False
            await self._end_connection(session.client_id)
            session.will_flag = will_flag
        return is_allowed

    async def _delete_session(self, client_id: str) -> None:
        """A clean session replaces an old one: end the old connection, its will included."""
        if self._is_connected(client_id):
            await self._end_connection(client_id)
        await super()._delete_session(client_id)

    def _is_connected(self, client_id: str) -> bool:
        session, _ = self._sessions.get(client_id, (None, None))
        return session is not None and session.transitions.is_connected()

    async def _end_connection(self, client_id: str) -> None:
        """End a connection as if the network had, and wait until amqtt has dealt with it."""
        session, handler = self._sessions[client_id]
        try:
            async with asyncio.timeout(_TAKE_OVER_S):
                while session.transitions.is_connected():
                    # again and again: it is lost on a handler that has not started yet
                    await handler.handle_connection_closed()
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AMQTTError(f"the old connection of {client_id} does not end") from None

    async def _stop_handler(self, handler: Any) -> None:
        """Stop, even where the client reads no more and amqtt waits to write."""
        try:
            async with asyncio.timeout(_STOP_S):
                await super()._stop_handler(handler)
        except TimeoutError:
            handler.writer._writer.transport.abort()  # noqa: SLF001 (it has no public end)

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Any
    ) -> None:
        """Send retained messages to one who subscribed, at the lower quality of service."""
        wanted, qos = subscription
        if not any(one is session for one, _ in self._subscriptions.get(wanted, ())):
            return
        handler = self._get_handler(session)
        kept = [m for topic, m in self._retained_messages.items() if self._matches(topic, wanted)]
        tasks = [
            asyncio.create_task(
                handler.mqtt_publish(one.topic, one.data, min(qos, one.qos or 0), retain=True)
            )
            for one in kept
        ]
        if tasks:
            await asyncio.wait(tasks)

    async def add_subscription(self, subscription: tuple[str, int], session: Any) -> int:
        """Subscribe; again means anew (MQTT 3.1.1 §3.8.4), and `$share` is refused openly."""
        wanted, _ = subscription
        if wanted.startswith("$share/"):
            return _REFUSED
        self._del_subscription(wanted, session)
        code: int = await super().add_subscription(subscription, session)
        return code

    async def _topic_filtering(self, *_: Any, **__: Any) -> bool:
        return True  # no plug-in of ours judges topics; asking all none of them costs tasks

    async def _handle_message_delivery(self, session: Any, handler: Any, arrived: Any) -> Any:
        message = arrived.result()
        if message is None or handler.in_hand is not message:
            return True  # `_handle_disconnect` was faster
        handler.in_hand = None
        _QOS_0.set(message.qos == 0)
        return await super()._handle_message_delivery(session, handler, arrived)

    async def _handle_disconnect(self, session: Any, handler: Any, *args: Any) -> None:
        """Pass on what the client had published before it left; amqtt forgets it, acknowledged or not."""
        queue = session.delivered_message_queue
        while handler.in_hand is not None or not queue.empty():
            handler.in_hand = handler.in_hand or queue.get_nowait()
            arrived = asyncio.get_running_loop().create_future()
            arrived.set_result(handler.in_hand)
            await self._handle_message_delivery(session, handler, arrived)
        await super()._handle_disconnect(session, handler, *args)

    async def _broadcast_message(
        self, session: Any, topic: Any, data: Any, force_qos: int | None = None
    ) -> None:
        """Hand a message to its subscribers; QoS 0 stays QoS 0 (MQTT 3.1.1 §3.8.4)."""
        if force_qos is None and session is not None and _QOS_0.get():
            force_qos = 0
        await super()._broadcast_message(session, topic, data, force_qos)


async def _first_packet(reader: Any) -> tuple[bytes, int]:
    """The bytes of a CONNECT, and the protocol level in it (MQTT 3.1.1 §3.1.2)."""
    head = await reader.read(2)
    while head[-1] & 0x80 and len(head) < _LONGEST_HEAD:
        head += await reader.read(1)
    length = sum((byte & 0x7F) << (7 * place) for place, byte in enumerate(head[1:]))
    if head[0] != _CONNECT or not _SHORTEST_CONNECT <= length <= _LONGEST_CONNECT:
        raise AMQTTError("the first packet is no CONNECT")
    body = await reader.read(length)
    place = 2 + int.from_bytes(body[:2], "big")
    return head + body, body[place] if place < length else 0


async def _take_in_hand(handler: Any, following: Callable[[], Awaitable[Any]]) -> Any:
    """The next message of a client, remembered until it is passed on."""
    handler.in_hand = await following()
    return handler.in_hand


def _hang_up(handler: Any) -> None:
    """End a silent client the way a cut network would, so that its will is sent."""
    if handler.reader is not None:
        handler.reader.feed_eof()
