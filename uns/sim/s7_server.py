"""An S7 CPU for simulated plants and tests: S7 communication over ISO on TCP, and faults on request.

It shares no code with our S7 driver, so that the two can check each other. Requests are answered
one after the other from one memory, so no value is ever read half-written.

    async with S7Server({("DB", 10): 100}) as server:
        server.memory.set("DB", 10, 4, 42.5, "REAL")
        ... connect to server.host, server.port ...
"""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import Callable, Mapping

from uns.sim.s7_memory import S7Memory
from uns.sim.tcp_server import TcpServer

__all__ = ["S7Server"]

_TPKT = struct.Struct(">BBH")  # RFC 1006: version 3, reserved, length with this head
_TPKT_VERSION = 3
_LONGEST = 8192  # bytes of one message; nothing we understand is longer
_CONNECT_REQUEST, _CONNECT_CONFIRM, _DATA = 0xE0, 0xD0, 0xF0  # ISO 8073
_LAST_PART = 0x80
_JOB, _ACK, _ACK_DATA, _USERDATA = 1, 2, 3, 7
_SETUP, _READ, _WRITE = 0xF0, 0x04, 0x05
_ITEM_SIZE = 12  # of an S7-ANY pointer in a request
_AREAS = {0x81: "I", 0x82: "Q", 0x83: "M", 0x84: "DB"}
_BIT = 1
_WIDTHS = {1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 4, 8: 4}  # bytes, by the pointer's type
_IN_BITS, _AS_BIT = 4, 3  # how a value's length counts
_LENGTHS_IN_BITS = (3, 4, 5)
_DONE, _PROTECTED, _NO_ADDRESS, _NO_TYPE, _NO_OBJECT = 0xFF, 0x03, 0x05, 0x06, 0x0A
_NOT_SERVED = 0x8104

Written = Callable[[str, int, int, int], None]  # area, data block, start, bytes


class _Refused(Exception):  # noqa: N818 - an answer of the protocol, not an error of ours
    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class S7Server(TcpServer):
    """A CPU on loopback; `port` 0 takes a free one, known as `port` once it listens.

    `permits_put_get = False` makes it refuse every read and write, as a new S7-1500 does.
    """

    plays = "S7"

    def __init__(
        self,
        sizes: Mapping[tuple[str, int], int],
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        pdu: int = 480,
        on_written: Written | None = None,
    ) -> None:
        super().__init__(host, port)
        self.memory = S7Memory(sizes)
        self.permits_put_get = True
        self.requests: Counter[int] = Counter()  # by function
        self._pdu = pdu
        self._on_written = on_written

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await self._answer_one(reader, writer)

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        version, _, length = _TPKT.unpack(await reader.readexactly(_TPKT.size))
        if version != _TPKT_VERSION or not _TPKT.size < length <= _LONGEST:
            raise ConnectionError("not ISO on TCP")
        message = await reader.readexactly(length - _TPKT.size)
        await self._is_awake.wait()
        try:
            answer = self._answered(message)
        except (struct.error, IndexError):
            raise ConnectionError("a message that breaks off") from None
        writer.write(_TPKT.pack(_TPKT_VERSION, 0, len(answer) + _TPKT.size) + answer)
        await writer.drain()

    def _answered(self, message: bytes) -> bytes:
        if message[1] == _CONNECT_REQUEST:
            return _confirmed(message)
        if message[1] != _DATA:
            raise ConnectionError("not a connection that goes on")
        return bytes((2, _DATA, _LAST_PART)) + self._answer(message[3:])

    def _answer(self, pdu: bytes) -> bytes:
        protocol, kind, _, reference, head, body = struct.unpack_from(">BBHHHH", pdu)
        parameters, values = pdu[10 : 10 + head], pdu[10 + head : 10 + head + body]
        if protocol != 0x32 or kind not in (_JOB, _USERDATA) or not parameters:  # noqa: PLR2004 - S7's mark
            raise ConnectionError("not S7")
        if kind == _USERDATA:
            return _userdata_refused(reference, parameters)
        self.requests[parameters[0]] += 1
        try:
            done, found = self._done(parameters, values)
        except _Refused as refused:
            return struct.pack(">BBHHHHH", 0x32, _ACK, 0, reference, 0, 0, refused.code)
        counts = (len(done), len(found))
        return struct.pack(">BBHHHHH", 0x32, _ACK_DATA, 0, reference, *counts, 0) + done + found

    def _done(self, parameters: bytes, values: bytes) -> tuple[bytes, bytes]:
        function = parameters[0]
        if function == _SETUP:
            (wanted,) = struct.unpack_from(">H", parameters, 6)
            return struct.pack(">BBHHH", _SETUP, 0, 1, 1, min(wanted, self._pdu)), b""
        if function not in (_READ, _WRITE) or not self.permits_put_get:
            raise _Refused(_NOT_SERVED)
        count = parameters[1]
        pointers = [parameters[2 + _ITEM_SIZE * at :][:_ITEM_SIZE] for at in range(count)]
        if function == _READ:
            return parameters[:2], self._read(pointers)
        return parameters[:2], self._written(pointers, values)

    def _read(self, pointers: list[bytes]) -> bytes:
        found = b""
        for pointer in pointers:
            found += b"\0" * (len(found) % 2)  # every item begins at an even place
            try:
                found += self._item(pointer)
            except _Refused as refused:
                found += struct.pack(">BBH", refused.code, 0, 0)
        return found

    def _item(self, pointer: bytes) -> bytes:
        held, _, _, start, size, bit = self._place(pointer)
        if bit is None:
            raw = bytes(held[start : start + size])
            return struct.pack(">BBH", _DONE, _IN_BITS, 8 * size) + raw
        return struct.pack(">BBHB", _DONE, _AS_BIT, 1, held[start] >> bit & 1)

    def _written(self, pointers: list[bytes], values: bytes) -> bytes:
        done = b""
        at = 0
        for pointer in pointers:
            at += at % 2
            _, counting, length = struct.unpack_from(">BBH", values, at)
            size = (length + 7) // 8 if counting in _LENGTHS_IN_BITS else length
            raw = values[at + 4 : at + 4 + size]
            at += 4 + size
            try:
                self._put(pointer, raw)
                done += bytes((_DONE,))
            except _Refused as refused:
                done += bytes((refused.code,))
        return done

    def _put(self, pointer: bytes, raw: bytes) -> None:
        held, area, db, start, size, bit = self._place(pointer)
        if len(raw) != size:
            raise _Refused(_NO_TYPE)
        if bit is None:
            held[start : start + size] = raw
        else:
            mask = 1 << bit
            held[start] = held[start] | mask if raw[0] else held[start] & ~mask
        if self._on_written is not None:
            self._on_written(area, db, start, size)

    def _place(self, pointer: bytes) -> tuple[bytearray, str, int, int, int, int | None]:
        """The bytes that an S7-ANY pointer means; the last is the bit, where it means one."""
        _, _, _, kind, count, db, area, high, low = struct.unpack(">BBBBHHBBH", pointer)
        if kind not in _WIDTHS or area not in _AREAS:
            raise _Refused(_NO_TYPE)
        start, bit = divmod(high << 16 | low, 8)
        name = _AREAS[area]
        number = db if name == "DB" else 0
        held = self.memory.areas.get((name, number))
        if held is None or number in self.memory.optimized:
            raise _Refused(_NO_OBJECT)
        size = count * _WIDTHS[kind]
        if start + size > len(held):
            raise _Refused(_NO_ADDRESS)
        for cells, code in (
            (self.memory.missing, _NO_ADDRESS),
            (self.memory.forbidden, _PROTECTED),
        ):
            if cells and any((name, number, at) in cells for at in range(start, start + size)):
                raise _Refused(code)
        return held, name, number, start, size, bit if kind == _BIT else None


def _confirmed(request: bytes) -> bytes:
    """The confirmation of a connection: its parameters as they were asked for."""
    theirs = request[4:6]
    confirm = bytes((_CONNECT_CONFIRM,)) + theirs + b"\0\1" + b"\0" + request[7:]
    return bytes((len(confirm),)) + confirm


def _userdata_refused(reference: int, parameters: bytes) -> bytes:
    """What a CPU says to a service that it does not have: clocks, system lists, diagnostics."""
    if len(parameters) < 8:  # noqa: PLR2004 - the shortest request of user data
        raise ConnectionError("not S7")
    group, function = parameters[5] & 0x0F | 0x80, parameters[6]
    head = struct.pack(">3sBBBBBBBH", b"\0\1\x12", 8, 0x12, group, function, 1, 0, 0, _NOT_SERVED)
    body = struct.pack(">BBH", _NO_OBJECT, 0, 0)
    return struct.pack(">BBHHHH", 0x32, _USERDATA, 0, reference, len(head), len(body)) + head + body
