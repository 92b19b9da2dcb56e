"""An EtherNet/IP server that answers as a Logix controller does, for simulated plants and tests.

It shares no code with our Logix driver, so that the two can check each other.

    async with LogixServer() as server:
        server.declare("Filler.Speed", "REAL")
        server["Filler.Speed"] = 42.5
        ... connect to server.host, server.port ...

Services: sessions, connections (small and large), multiple services in one packet, reading and
writing tags whole and in fragments, read-modify-write of bits, upload of tags, programs and
templates, identity, and the wall clock.
"""

from __future__ import annotations

import asyncio
import random
import struct
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from uns.metric import Value
from uns.sim.logix_memory import LogixMemory, NotThere, Step, Symbol
from uns.sim.tcp_server import TcpServer

__all__ = ["LogixServer"]

_HEADER = struct.Struct("<HHII8sI")  # command, length, session, status, context, options
_UNCONNECTED_BYTES = 504  # the longest message outside a connection
_MOST_SESSIONS = 64
_LIST_IDENTITY, _LIST_SERVICES, _REGISTER, _UNREGISTER = 0x63, 0x04, 0x65, 0x66
_RR_DATA, _UNIT_DATA = 0x6F, 0x70
_NAME = b"1756-L8x simulated by UNS"
_IDENTITY = struct.pack("<HHHBBHI", 1, 14, 166, 32, 11, 0x3060, 0xC0FFEE)

_PATH_ERROR, _UNSUPPORTED, _TOO_LARGE, _SHORT, _PARTIAL = 0x04, 0x08, 0x11, 0x13, 0x06
_GENERAL, _WRONG_TYPE = 0xFF, 0x2107
_NONE_LEFT = 0x0113  # out of connections

_Path = list[tuple[int | str, int]]  # (class, instance, …) or a name with 0, in their order


@dataclass(slots=True)
class _Session:
    """One client: its handle and its connections, originator's id → (ours, bytes)."""

    handle: int = 0
    connections: dict[int, tuple[int, int]] = field(default_factory=dict)


class LogixServer(TcpServer):
    """A server on loopback; `port` 0 takes a free one, known as `port` once it listens.

    `ahead_us` is how far its clock is ahead of ours. `large = False` makes it refuse large
    connections, as old controllers do; `connections` is how many it has left to give.
    """

    plays = "Logix controller"

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(host, port)
        self.memory = LogixMemory()
        self.large = True
        self.connections = _MOST_SESSIONS
        self.ahead_us = 0
        self.requests: Counter[int] = Counter()  # service -> how often
        self._random = random.Random(port)

    def declare(self, path: str, kind: str) -> None:
        """Let there be a tag; see LogixMemory.declare."""
        self.memory.declare(path, kind)

    def __setitem__(self, path: str, value: Value) -> None:
        self.memory[path] = value

    def __getitem__(self, path: str) -> Value:
        return self.memory[path]

    # ------------------------------------------------------------ encapsulation

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.clients > _MOST_SESSIONS:
            return
        session = _Session()
        while await self._answer_one(session, reader, writer):
            pass

    async def _answer_one(
        self, session: _Session, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        header = await reader.readexactly(_HEADER.size)
        command, length, _, _, context, _ = _HEADER.unpack(header)
        body = await reader.readexactly(length)
        await self._is_awake.wait()
        if command == _UNREGISTER:
            return False
        status, answer = self._encapsulated(session, command, body)
        writer.write(
            _HEADER.pack(command, len(answer), session.handle, status, context, 0) + answer
        )
        await writer.drain()
        return True

    def _encapsulated(self, session: _Session, command: int, body: bytes) -> tuple[int, bytes]:
        if command == _REGISTER:
            session.handle = self._random.getrandbits(31)
            return 0, body
        if command == _LIST_IDENTITY:
            return 0, self._listed()
        if command == _LIST_SERVICES:
            return 0, struct.pack("<HHHHH16s", 1, 0x0100, 20, 1, 0x0120, b"Communications")
        if command == _RR_DATA:
            answer = self._unconnected(session, _items(body)[0xB2])
            return 0, struct.pack("<IHHHHHH", 0, 0, 2, 0, 0, 0xB2, len(answer)) + answer
        if command == _UNIT_DATA:
            return 0, self._connected(session, _items(body))
        return 1, b""  # the client's command is not known

    def _listed(self) -> bytes:
        item = struct.pack("<H", 1) + struct.pack(">hH4s8x", 2, self.port, b"\x7f\0\0\1")
        item += _IDENTITY + bytes((len(_NAME),)) + _NAME + b"\3"
        return struct.pack("<HHH", 1, 0x0C, len(item)) + item

    def _connected(self, session: _Session, items: dict[int, bytes]) -> bytes:
        (ours,) = struct.unpack("<I", items[0xA1])
        if ours not in session.connections:
            raise ConnectionError("a connection that was not opened")
        theirs, size = session.connections[ours]
        sequence, message = items[0xB1][:2], items[0xB1][2:]
        answer = sequence + self._answer(message, size - 2)
        head = struct.pack("<IHHHHIHH", 0, 0, 2, 0xA1, 4, theirs, 0xB1, len(answer))
        return head + answer

    def _unconnected(self, session: _Session, message: bytes) -> bytes:
        service, path, data = _request(message)
        if path[:1] != [(0x20, 6)]:
            return self._answer(message, _UNCONNECTED_BYTES)
        self.requests[service] += 1
        if service == 0x52:  # noqa: PLR2004 - Unconnected_Send: the message within
            (size,) = struct.unpack_from("<H", data, 2)
            return self._answer(data[4 : 4 + size], _UNCONNECTED_BYTES)
        if service in (0x54, 0x5B):
            return self._open(session, service, data)
        if service == 0x4E:  # noqa: PLR2004 - Forward_Close
            serial, vendor, originator = struct.unpack_from("<HHI", data, 2)
            session.connections.clear()
            return _reply(service, 0, struct.pack("<HHIBB", serial, vendor, originator, 0, 0))
        return _reply(service, _UNSUPPORTED)

    def _open(self, session: _Session, service: int, data: bytes) -> bytes:
        """Forward_Open, small (0x54) or large (0x5B)."""
        is_large = service == 0x5B  # noqa: PLR2004 - Large_Forward_Open
        if is_large and not self.large:
            return _reply(service, _UNSUPPORTED)
        if len(self._sessions) > self.connections:
            return _reply(service, 0x01, extended=_NONE_LEFT)
        theirs, serial, vendor, originator = struct.unpack_from("<4xIHHI", data, 2)
        wanted, size = struct.unpack_from("<II" if is_large else "<IH", data, 22)
        size &= 0xFFFF if is_large else 0x1FF
        ours = self._random.getrandbits(32)
        session.connections = {ours: (theirs, size)}
        told = (ours, theirs, serial, vendor, originator, wanted, wanted, 0, 0)
        return _reply(service, 0, struct.pack("<IIHHIIIBB", *told))

    # ------------------------------------------------------------ CIP

    def _answer(self, message: bytes, size: int) -> bytes:
        """The answer to one message, of at most `size` bytes."""
        service, path, data = _request(message)
        self.requests[service] += 1
        try:
            if service == 0x0A and path[:1] == [(0x20, 2)]:  # noqa: PLR2004 - Multiple_Service
                return self._several(data, size)
            first = path[0] if path else ("", 0)
            if first[0] == 0x20 and first[1] in _OBJECTS:  # noqa: PLR2004 - a class segment
                return _OBJECTS[first[1]](self, service, path, data, size)
            if service == 0x55:  # noqa: PLR2004 - Get_Instance_Attribute_List below a program
                return _upload(self, service, path, data, size)
            if service not in _TAG_SERVICES:
                return _reply(service, _UNSUPPORTED)
            return _TAG_SERVICES[service](self, service, _steps(path), data, size)
        except NotThere as missing:
            return _reply(service, missing.status, extended=missing.extended)
        except (struct.error, IndexError):
            return _reply(service, _SHORT)

    def _several(self, data: bytes, size: int) -> bytes:
        (count,) = struct.unpack_from("<H", data)
        begins = struct.unpack_from(f"<{count}H", data, 2)
        ends = (*begins[1:], len(data))
        head = 2 + 2 * count
        left = size - 4 - head
        answers: list[bytes] = []
        for begin, end in zip(begins, ends, strict=True):
            answer = self._answer(data[begin:end], max(left, 0))
            if len(answer) > left:
                answer = _reply(data[begin], _TOO_LARGE)
            left -= len(answer)
            answers.append(answer)
        offsets, at = [], head
        for answer in answers:
            offsets.append(at)
            at += len(answer)
        body = struct.pack(f"<H{count}H", count, *offsets) + b"".join(answers)
        failed = any(answer[2] for answer in answers)
        return _reply(0x0A, 0x1E if failed else 0, body)


def _read(server: LogixServer, service: int, steps: list[Step], data: bytes, size: int) -> bytes:
    place = server.memory.find(steps)
    (count,) = struct.unpack_from("<H", data)
    raw = server.memory.read(place, count)
    if service == 0x52:  # noqa: PLR2004 - Read_Tag_Fragmented
        raw = raw[struct.unpack_from("<I", data, 2)[0] :]
    room = size - 4 - len(place.type.tag)
    if len(raw) <= room:
        return _reply(service, 0, place.type.tag + raw)
    if place.type.size > room:
        return _reply(service, _TOO_LARGE)
    whole = room - room % place.type.size
    return _reply(service, _PARTIAL, place.type.tag + raw[:whole])


def _write(server: LogixServer, service: int, steps: list[Step], data: bytes, _: int) -> bytes:
    place = server.memory.find(steps)
    tag = place.type.tag
    if data[: len(tag)] != tag:
        return _reply(service, _GENERAL, extended=_WRONG_TYPE)
    (count,) = struct.unpack_from("<H", data, len(tag))
    at = 0
    rest = data[len(tag) + 2 :]
    if service == 0x53:  # noqa: PLR2004 - Write_Tag_Fragmented
        (at,) = struct.unpack_from("<I", rest)
        rest = rest[4:]
    elif len(rest) < count * place.type.size:
        return _reply(service, _SHORT)
    server.memory.write(place, rest[: count * place.type.size], at)
    return _reply(service, 0)


def _modify(server: LogixServer, service: int, steps: list[Step], data: bytes, _: int) -> bytes:
    """Read_Modify_Write: set the bits of one mask, then keep those of another."""
    place = server.memory.find(steps)
    (size,) = struct.unpack_from("<H", data)
    if size != place.type.size or len(data) != 2 + 2 * size:
        return _reply(service, _SHORT)
    put, keep = data[2 : 2 + size], data[2 + size :]
    old = server.memory.read(place, 1)
    new = bytes((byte | on) & still for byte, on, still in zip(old, put, keep, strict=True))
    server.memory.write(place, new)
    return _reply(service, 0)


def _symbols(server: LogixServer, service: int, path: _Path, data: bytes, size: int) -> bytes:
    """Class 0x6B: the list of tags, or a tag by its instance id."""
    if service == 0x55:  # noqa: PLR2004 - Get_Instance_Attribute_List
        return _upload(server, service, path, data, size)
    symbol = next((s for s in server.memory.symbols() if (0x24, s.instance) == path[1]), None)
    if symbol is None or service not in _TAG_SERVICES:
        return _reply(service, _UNSUPPORTED if symbol else _PATH_ERROR)
    steps = _steps([(symbol.name, 0), *path[2:]])
    return _TAG_SERVICES[service](server, service, steps, data, size)


def _upload(server: LogixServer, service: int, path: _Path, data: bytes, size: int) -> bytes:
    program = path[0][0] if isinstance(path[0][0], str) else ""
    first = path[-1][1] if path[-1][0] == 0x24 else 0  # noqa: PLR2004 - an instance segment
    (count,) = struct.unpack_from("<H", data)
    wanted = struct.unpack_from(f"<{count}H", data, 2)
    body = b""
    for symbol in server.memory.symbols(program):
        if symbol.instance < first:
            continue
        told = struct.pack("<I", symbol.instance) + b"".join(
            _ATTRIBUTES[attribute](symbol) for attribute in wanted if attribute in _ATTRIBUTES
        )
        if len(body) + len(told) + 4 > size:
            return _reply(service, _PARTIAL, body)
        body += told
    return _reply(service, 0, body)


def _templates(server: LogixServer, service: int, path: _Path, data: bytes, size: int) -> bytes:
    """Class 0x6C: what a structure is made of."""
    made = server.memory.templates.get(path[1][1])
    if made is None:
        return _reply(service, _PATH_ERROR)
    definition = made.definition
    words = (len(definition) + 23 + 3) // 4
    if service == 0x03:  # noqa: PLR2004 - Get_Attribute_List
        told = {1: ("H", made.handle), 2: ("H", len(made.members)), 3: ("H", 0)} | {
            4: ("I", words),
            5: ("I", made.size),
        }
        return _listed_attributes(service, data, told)
    at, length = struct.unpack_from("<IH", data)
    raw = definition.ljust(4 * words, b"\0")[at : at + length]
    room = size - 4
    return _reply(service, _PARTIAL if len(raw) > room else 0, raw[:room])


def _identity(_: LogixServer, service: int, path: _Path, data: bytes, size: int) -> bytes:
    del path, data, size
    return _reply(service, 0, _IDENTITY + bytes((len(_NAME),)) + _NAME)


def _clock(server: LogixServer, service: int, path: _Path, data: bytes, size: int) -> bytes:
    """Class 0x8B: microseconds since 1970, UTC (attribute 0x0B)."""
    del path, size
    now = time.time_ns() // 1000 + server.ahead_us
    return _listed_attributes(service, data, {0x0B: ("Q", now), 0x06: ("Q", now)})


def _listed_attributes(service: int, data: bytes, told: dict[int, tuple[str, int]]) -> bytes:
    (count,) = struct.unpack_from("<H", data)
    body = struct.pack("<H", count)
    for attribute in struct.unpack_from(f"<{count}H", data, 2):
        form, value = told.get(attribute, ("", 0))
        body += struct.pack("<HH", attribute, 0 if form else 0x14)
        body += struct.pack("<" + form, value) if form else b""
    return _reply(service, 0, body)


def _reply(service: int, status: int, body: bytes = b"", extended: int = 0) -> bytes:
    more = struct.pack("<H", extended) if extended else b""
    return bytes((service & 0x7F | 0x80, 0, status, len(more) // 2)) + more + body


def _request(message: bytes) -> tuple[int, _Path, bytes]:
    """Service, path and data of a message; raises struct.error where it is none."""
    service, words = struct.unpack_from("<BB", message)
    return service, _path(message[2 : 2 + 2 * words]), message[2 + 2 * words :]


def _path(raw: bytes) -> _Path:
    """The segments of a path: names, and numbers with their kind (0x20 class, 0x24 instance …)."""
    found: _Path = []
    at = 0
    while at < len(raw):
        kind = raw[at]
        if kind == 0x91:  # noqa: PLR2004 - ANSI extended symbol
            length = raw[at + 1]
            found.append((raw[at + 2 : at + 2 + length].decode("latin-1"), 0))
            at += 2 + length + length % 2
            continue
        size = {0: 1, 1: 2, 2: 4}.get(kind & 3, 0)
        if not size or kind & 0xE0 != 0x20:  # noqa: PLR2004 - a logical segment
            raise struct.error("a segment of no known kind")
        begin = at + 1 if size == 1 else at + 2
        found.append((kind & 0xFC, int.from_bytes(raw[begin : begin + size], "little")))
        at = begin + size
    return found


def _steps(path: _Path) -> list[Step]:
    """Names with the indices behind them."""
    steps: list[Step] = []
    for kind, number in path:
        if isinstance(kind, str):
            steps.append((kind, ()))
        elif kind == 0x28 and steps:  # noqa: PLR2004 - a member segment: an index
            name, indices = steps[-1]
            steps[-1] = name, (*indices, number)
        else:
            raise NotThere(_PATH_ERROR)
    return steps


def _items(body: bytes) -> dict[int, bytes]:
    """The items of a packet by their type; raises struct.error where it has not the usual two."""
    (count,) = struct.unpack_from("<H", body, 6)
    items: dict[int, bytes] = {}
    at = 8
    for _ in range(count):
        kind, length = struct.unpack_from("<HH", body, at)
        items[kind] = body[at + 4 : at + 4 + length]
        at += 4 + length
    if not items.keys() & {0xB1, 0xB2}:
        raise struct.error("no message in the packet")
    return items


_Service = Callable[[LogixServer, int, list[Step], bytes, int], bytes]
_Object = Callable[[LogixServer, int, _Path, bytes, int], bytes]
_TAG_SERVICES: dict[int, _Service] = {
    0x4C: _read,
    0x52: _read,
    0x4D: _write,
    0x53: _write,
    0x4E: _modify,
}
_OBJECTS: dict[int, _Object] = {0x01: _identity, 0x6B: _symbols, 0x6C: _templates, 0x8B: _clock}
_ATTRIBUTES: dict[int, Callable[[Symbol], bytes]] = {
    1: lambda symbol: struct.pack("<H", len(symbol.name)) + symbol.name.encode(),
    2: lambda symbol: struct.pack("<H", symbol.code),
    3: lambda _: bytes(4),
    5: lambda _: bytes(4),
    6: lambda _: bytes(4),
    7: lambda symbol: struct.pack("<H", symbol.element_size),
    8: lambda symbol: struct.pack("<III", *(*symbol.dimensions, 0, 0, 0)[:3]),
    10: lambda _: b"\0",
}
