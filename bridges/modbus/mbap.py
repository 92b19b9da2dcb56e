"""One Modbus/TCP session: requests out, answers matched by their transaction id.

An answer that comes too late is dropped, for its request is forgotten; an answer that breaks
the protocol ends the session, because behind it nothing can be told apart any more.
"""

from __future__ import annotations

import asyncio
import struct

from bridges.modbus.client import Client, give_up
from bridges.modbus.stream import connected
from uns.errors import DeviceError

__all__ = ["MbapClient"]

_HEADER = struct.Struct(">HHHB")  # transaction, protocol, length, unit: Modbus/TCP guide §3.1.3
_HEADER_BEFORE_LENGTH = 6
_LENGTHS = range(3, 255)  # unit id, function and at least one byte; PDU at most 253 bytes
_CLOSE_S = 1.0
_NEVER_ANSWERED = "check host and port, and that the device serves Modbus/TCP and has room for us"


class MbapClient(Client, asyncio.Protocol):
    """A session over TCP; made by `connect`."""

    speaks = "Modbus/TCP"

    def __init__(self, where: str, *, timeout_s: float, max_in_flight: int) -> None:
        super().__init__(where, timeout_s=timeout_s, max_in_flight=max_in_flight)
        self._transaction = 0
        self._waiting: dict[int, tuple[asyncio.Future[bytes], float]] = {}  # and until when
        self._timer: asyncio.TimerHandle | None = None  # one for all: they wait equally long
        self._has_answered = False
        self._rest = b""  # of an answer that is not complete yet
        self._transport: asyncio.Transport | None = None
        self._closed = asyncio.Event()

    @classmethod
    async def connect(
        cls, host: str, port: int, *, timeout_s: float, connect_timeout_s: float, max_in_flight: int
    ) -> MbapClient:
        """One attempt to reach the device; raises DeviceError where it fails."""
        where = f"{host}:{port}"
        return await connected(
            lambda: cls(where, timeout_s=timeout_s, max_in_flight=max_in_flight),
            host,
            port,
            timeout_s=connect_timeout_s,
        )

    async def close(self) -> None:
        """End the session; safe to call twice."""
        if self._transport is None:
            return
        self._transport.abort()
        async with asyncio.timeout(_CLOSE_S):
            await self._closed.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the new connection (asyncio calls this)."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what create_connection makes
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whoever waits (asyncio calls this)."""
        why = f": {exc}" if exc else ""
        hint = "" if self._has_answered else _NEVER_ANSWERED
        self._finish(DeviceError(f"{self.where} closed the connection{why}", hint=hint))
        self._closed.set()

    def data_received(self, data: bytes) -> None:
        """Cut the stream into answers and hand each to its request (asyncio calls this)."""
        received, place = self._rest + data, 0
        while len(received) - place > _HEADER.size:
            transaction, protocol, length, _unit = _HEADER.unpack_from(received, place)
            if protocol != 0 or length not in _LENGTHS:
                self._broken("what it sends is not Modbus/TCP")
                return
            end = place + _HEADER_BEFORE_LENGTH + length
            if len(received) < end:
                break
            waiting = self._waiting.get(transaction)
            if waiting is not None and not waiting[0].done():
                self._has_answered = True
                waiting[0].set_result(received[place + _HEADER.size : end])
            place = end
        self._rest = received[place:]

    async def _exchange(self, unit: int, pdu: bytes) -> bytes:
        if self._transport is None:
            raise DeviceError(f"{self.where}: the session is not open")
        self._transaction = transaction = (self._transaction + 1) & 0xFFFF
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bytes] = loop.create_future()
        due = loop.time() + self._timeout_s
        self._waiting[transaction] = (answer, due)
        if self._timer is None:
            self._timer = loop.call_at(due, self._give_up)
        try:
            self._transport.write(_HEADER.pack(transaction, 0, len(pdu) + 1, unit) + pdu)
            return await answer
        finally:
            del self._waiting[transaction]  # a late answer finds nobody

    def _give_up(self) -> None:
        """Let those who waited too long wait no longer; look again when the next one has.

        A timer for every request would cost more than its answer.
        """
        loop = asyncio.get_running_loop()
        self._timer, now = None, loop.time()
        for answer, due in self._waiting.values():  # oldest first
            if due > now:
                self._timer = loop.call_at(due, self._give_up)
                return
            give_up(answer)

    def _finish(self, error: DeviceError) -> None:
        self._end = self._end or error
        self._rest = b""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for answer, _ in self._waiting.values():
            if not answer.done():
                answer.set_exception(self._end)
        if self._transport is not None:
            self._transport.abort()
