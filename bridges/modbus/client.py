"""One Modbus/TCP session: requests out, answers matched by their transaction id.

An answer that comes too late is dropped, for its request is forgotten; an answer that breaks
the protocol ends the session, because behind it nothing can be told apart any more.
"""

from __future__ import annotations

import asyncio
import socket
import struct

from uns.errors import DeviceError

__all__ = ["DeviceRefusal", "MbapClient"]

_HEADER = struct.Struct(">HHHB")  # transaction, protocol, length, unit: Modbus/TCP guide §3.1.3
_HEADER_BEFORE_LENGTH = 6
_LENGTHS = range(3, 255)  # unit id, function and at least one byte; PDU at most 253 bytes
_EXCEPTION = 0x80
_CLOSE_S = 1.0


class DeviceRefusal(Exception):  # noqa: N818 - the device's answer, not an error of ours
    """The device answered with an exception code (V1.1b3 §7)."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class MbapClient(asyncio.Protocol):
    """A session; made by `connect`, ended by `close` or by the first thing that goes wrong."""

    def __init__(self, where: str, *, timeout_s: float, max_in_flight: int) -> None:
        self.where = where
        self._timeout_s = timeout_s
        self._turn = asyncio.Semaphore(max_in_flight)
        self._transaction = 0
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None
        self._end: Exception | None = None  # why the session is over
        self._closed = asyncio.Event()

    @classmethod
    async def connect(
        cls, host: str, port: int, *, timeout_s: float, connect_timeout_s: float, max_in_flight: int
    ) -> MbapClient:
        """One attempt to reach the device; raises DeviceError where it fails."""
        where = f"{host}:{port}"
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(connect_timeout_s):
                _, client = await loop.create_connection(
                    lambda: cls(where, timeout_s=timeout_s, max_in_flight=max_in_flight), host, port
                )
        except TimeoutError:
            raise DeviceError(
                f"{where} does not answer within {connect_timeout_s:g} s",
                hint="is the device switched on, and is there a route to it?",
            ) from None
        except ConnectionRefusedError:
            raise DeviceError(
                f"{where} refused the connection",
                hint="check host and port, and that the device serves Modbus/TCP",
            ) from None
        except OSError as error:
            raise DeviceError(
                f"{where} cannot be reached: {error.strerror or error}",
                hint="check host and port, and that the device serves Modbus/TCP",
            ) from error
        return client

    async def request(self, unit: int, pdu: bytes) -> bytes:
        """Ask `unit` and return the PDU of its answer.

        Raises DeviceRefusal for an exception code, TimeoutError where there is no answer in
        time, DeviceError where the session is over.
        """
        async with self._turn:
            if self._end is not None or self._transport is None:
                raise self._end or DeviceError(f"{self.where}: the session is not open")
            self._transaction = transaction = (self._transaction + 1) & 0xFFFF
            loop = asyncio.get_running_loop()
            answer: asyncio.Future[bytes] = loop.create_future()
            self._waiting[transaction] = answer
            deadline = loop.call_later(self._timeout_s, _give_up, answer)
            try:
                self._transport.write(_HEADER.pack(transaction, 0, len(pdu) + 1, unit) + pdu)
                reply = await answer
            finally:
                deadline.cancel()
                del self._waiting[transaction]  # a late answer finds nobody
        if reply[0] == pdu[0] | _EXCEPTION:
            raise DeviceRefusal(reply[1])
        if reply[0] != pdu[0]:
            raise self._broken(f"function {pdu[0]} was answered with function {reply[0]}")
        return reply

    async def read(self, unit: int, function: int, start: int, count: int, size: int) -> bytes:
        """The `size` bytes of `count` cells from `start`; raises like `request`."""
        reply = await self.request(unit, struct.pack(">BHH", function, start, count))
        if reply[1] != size or len(reply) != size + 2:
            raise self._broken(f"{size} bytes were asked for and {len(reply) - 2} came")
        return reply[2:]

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
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whoever waits (asyncio calls this)."""
        why = f": {exc}" if exc else ""
        self._finish(DeviceError(f"{self.where} closed the connection{why}"))
        self._closed.set()

    def data_received(self, data: bytes) -> None:
        """Cut the stream into answers and hand each to its request (asyncio calls this)."""
        received = self._received
        received += data
        while len(received) > _HEADER.size:
            transaction, protocol, length, _unit = _HEADER.unpack_from(received)
            if protocol != 0 or length not in _LENGTHS:
                self._broken("what it sends is not Modbus/TCP")
                return
            end = _HEADER_BEFORE_LENGTH + length
            if len(received) < end:
                return
            answer = self._waiting.get(transaction)
            if answer is not None and not answer.done():
                answer.set_result(bytes(received[_HEADER.size : end]))
            del received[:end]

    def _broken(self, what: str) -> DeviceError:
        """End the session because the device broke the protocol; returns the error to raise."""
        error = DeviceError(
            f"{self.where}: {what}", hint="is this port really a Modbus/TCP device?"
        )
        self._finish(error)
        if self._transport is not None:
            self._transport.abort()
        return error

    def _finish(self, error: DeviceError) -> None:
        self._end = self._end or error
        self._received.clear()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(self._end)


def _give_up(answer: asyncio.Future[bytes]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())
