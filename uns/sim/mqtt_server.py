"""A simulated plant-floor broker: the embedded broker, and a publisher of JSON on it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from uns.errors import BrokerError, DeviceError
from uns.message import Message
from uns.mqtt import Broker, Session, connect
from uns.packet import MQTT_3
from uns.service.broker import EmbeddedBroker

__all__ = ["MqttServer"]

_PUBLISH_S = 5.0  # for the broker's word on a publish


class MqttServer:
    """`async with MqttServer(1883) as server`, then `publish`; readers come with any client."""

    def __init__(self, port: int = 0, host: str = "127.0.0.1") -> None:
        self._broker = EmbeddedBroker(port, host)
        self._session: Session | None = None

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._broker.port

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; raises DeviceError where the port is taken."""
        try:
            await self._broker.__aenter__()
            self._session = await self._connected()
        except BrokerError as error:
            raise DeviceError(str(error), hint=error.hint) from None

    async def publish(self, messages: Sequence[Message]) -> None:
        """Publish; nothing happens where it was stopped meanwhile.

        A process that hung finds its publisher dropped: that one comes back with the next call,
        and what it had to say is said once more.
        """
        if self._session is None or not messages:
            return
        try:
            async with asyncio.timeout(_PUBLISH_S):
                await self._session.publish_all(messages)
        except BrokerError:
            await self._publish_anew(messages)

    async def _connected(self) -> Session:
        broker = Broker(self._broker.host, self._broker.port)
        return await connect(broker, "sim-publisher", protocol=MQTT_3)

    async def _publish_anew(self, messages: Sequence[Message]) -> None:
        try:
            if self._session is not None:
                await self._session.close()
            self._session = await self._connected()
            async with asyncio.timeout(_PUBLISH_S):
                await self._session.publish_all(messages)
        except BrokerError as error:
            raise DeviceError(str(error), hint=error.hint) from None

    async def stop(self) -> None:
        """Drop every client and the port."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
        await self._broker.__aexit__(None, None, None)
