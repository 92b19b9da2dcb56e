"""A session of our own on a foreign broker: its failures told as a device's, and nothing waits for ever."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from bridges.mqtt.config import MqttConfig
from uns.errors import BrokerError, DeniedError, DeviceError
from uns.message import Message
from uns.mqtt.broker import Broker
from uns.mqtt.connect import connect
from uns.mqtt.session import Session

__all__ = ["Link"]

_FAREWELL_S, _CLOSE_S = 0.4, 1.2  # together below the two seconds that a close may take
# bad user name or password, not authorised, banned, bad method: as uns.mqtt.reason writes them
_DENIED = ("(0x86)", "(0x87)", "(0x8A)", "(0x8C)")
_AT_ONCE = 200  # filters of one SUBSCRIBE; brokers have limits of their own
_QOS = 1  # a message lost on the way to us is lost for good


class Link:
    """One session; used once. Every method raises DeviceError once the broker is lost."""

    def __init__(self, config: MqttConfig, home: Path) -> None:
        self._config = config
        self._home = home
        self._session: Session | None = None
        self._batches: AsyncIterator[list[Message]] | None = None
        self._next: asyncio.Task[list[Message] | None] | None = None

    @property
    def heard_at(self) -> float:
        """When the broker last sent anything, by the loop's clock."""
        return self._opened().heard_at

    async def open(self, will: Callable[[], Message | None]) -> None:
        """Connect and log in."""
        config = self._config
        client_id = config.client_id or f"uns-bridge-{secrets.token_hex(4)}"
        try:
            self._session = await connect(
                self._broker(),
                client_id,
                will=will,
                keepalive_s=config.keepalive_s,
                deadline_s=config.timeout_s,
            )
        except BrokerError as error:
            raise _as_device(error) from None
        self._batches = self._session.batches()

    async def subscribe(self, filters: Sequence[str]) -> dict[str, str]:
        """Ask for topics; returns which filters the broker refuses, and its reason."""
        refused: dict[str, str] = {}
        for begin in range(0, len(filters), _AT_ONCE):
            refused |= await self._subscribe(filters[begin : begin + _AT_ONCE])
        return refused

    async def next(self, within_s: float) -> list[Message]:
        """Messages that arrived; none where nothing does in time."""
        waiting = self._next
        if waiting is None:
            name = f"mqtt:{self._config.key()}"
            waiting = self._next = asyncio.create_task(self._take(), name=name)
        await asyncio.wait([waiting], timeout=within_s)
        if not waiting.done():
            return []
        self._next = None
        batch = None if waiting.cancelled() else waiting.result()
        if batch is None:
            raise DeviceError(f"the session with {self._config.key()} is closed")
        return batch

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish, and wait for the broker's word where one is due."""
        try:
            async with asyncio.timeout(self._config.timeout_s):
                await self._opened().publish_all(messages)
        except BrokerError as error:
            raise _as_device(error) from None

    async def close(self, farewell: Sequence[Message]) -> None:
        """Say goodbye and leave. Safe to call twice."""
        session, self._session = self._session, None
        waiting, self._next = self._next, None
        if waiting is not None:
            waiting.cancel()
            await asyncio.wait([waiting])
            if not waiting.cancelled():
                waiting.exception()  # whoever asked for messages has been told
        if session is None:
            return
        try:
            if farewell and session.is_connected:
                async with asyncio.timeout(_FAREWELL_S):
                    await session.publish_all(farewell)
        except (BrokerError, TimeoutError):
            pass  # it is the broker that is gone; the will speaks for us
        try:
            async with asyncio.timeout(_CLOSE_S):
                await session.close()
        except TimeoutError:
            session.abort()

    async def _subscribe(self, filters: Sequence[str]) -> dict[str, str]:
        try:
            await self._ask(filters)
        except BrokerError as error:
            self._check(error)
            if len(filters) == 1:
                return {filters[0]: str(error)}
        else:
            return {}
        refused: dict[str, str] = {}
        for text in filters:
            refused |= await self._subscribe([text])
        return refused

    async def _take(self) -> list[Message] | None:
        assert self._batches is not None  # noqa: S101 - `open` came first
        try:
            return await anext(self._batches, None)
        except BrokerError as error:
            raise _as_device(error) from None

    async def _ask(self, filters: Sequence[str]) -> None:
        await self._opened().subscribe([(text, _QOS) for text in filters])

    def _check(self, error: BrokerError) -> None:
        if not self._opened().is_connected:
            raise _as_device(error) from None

    def _opened(self) -> Session:
        if self._session is None:
            raise DeviceError(f"{self._config.key()} is not open")
        return self._session

    def _broker(self) -> Broker:
        config = self._config
        host, port = config.endpoint()
        return Broker(
            host,
            port,
            config.user,
            config.password.get_secret_value(),
            config.scheme,
            *(self._file(name) for name in (config.cafile, config.certfile, config.keyfile)),
        )

    def _file(self, name: str) -> str:
        return str(self._home / name) if name else ""


def _as_device(error: BrokerError) -> DeviceError:
    """The same sentence; the hints are those of a broker that is not ours."""
    text = str(error)
    if any(code in text for code in _DENIED):
        return DeniedError(text, hint="check `user:` and `password:` of this connection")
    if "is not trusted" in text:
        return DeniedError(text, hint="name the authority that signed it: `cafile: ca.pem`")
    if "connection refused" in text:
        return DeviceError(text, hint="does that broker run, and is its port right?")
    return DeviceError(text, hint=error.hint)
