"""One S7 session: stretches of memory out of the CPU, and values into it.

python-snap7 carries and builds the messages; what they answer is read here, because its own
reader drops the CPU's reason for a refusal. A request that was not answered in time, or was
interrupted, ends the session: behind it answers could be mistaken for each other.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, NamedTuple

from bridges.extras import load
from bridges.s7.config import S7Config
from uns.errors import DeniedError, DeviceError

__all__ = ["PUT_GET_OFF", "CpuRefusal", "S7Link", "Stretch", "bundled", "reason"]

PUT_GET_OFF: Final = 0x8104  # what an S7-1200 or 1500 answers that forbids PUT/GET

_AREAS = {"I": 0x81, "Q": 0x82, "M": 0x83, "DB": 0x84}
_ROLES = {"pg": 1, "op": 2, "basic": 3}
_BIT = 1  # the only length a bit is written with: an S7-ANY pointer of type BOOL
_BYTE = 2
_HEADER = struct.Struct(">BBHHHHBB")  # id, type, 0, reference, two lengths, error class and code
_ITEM = struct.Struct(">BBH")  # return code, how the length counts, length
_PROTOCOL_ID = 0x32
_ANSWERS = (2, 3)  # acknowledgement without and with values
_READ, _WRITE = 4, 5
_DONE = 0xFF
_COUNTS_BITS = (4, 5)  # transport sizes whose length is in bits
_MOST_ITEMS = 20  # in one request; more are refused by every CPU
_REQUEST_HEAD, _REQUEST_ITEM = 12, 12  # bytes
_ANSWER_HEAD, _ANSWER_ITEM = 14, 4
_WRITE_HEAD = 35
_LEAST_PDU = 112  # of the smallest CPU; less is no S7
_CLOSE_S = 1.0
_ASKED_FOR = "host, port, rack and slot, and that the CPU has a connection free"
_REASONS = {
    0x01: "a hardware fault",
    0x03: "the CPU's protection does not allow it",
    0x05: "no such address: the data block is shorter, or has optimized access",
    0x06: "the CPU does not know this type here",
    0x07: "the type and the size do not go together",
    0x0A: "no such data block, or it has optimized access",
    PUT_GET_OFF: "the CPU does not serve it: PUT/GET is not permitted, or the block is optimized",
}


class CpuRefusal(Exception):  # noqa: N818 - the CPU's answer, not an error of ours
    """The CPU answered a request, or one item of it, with an error code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Stretch(NamedTuple):
    """Bytes that lie together in one area of a CPU."""

    area: str
    db: int
    start: int
    size: int


def reason(code: int) -> str:
    """What an error code means."""
    return f"{_REASONS.get(code, 'a reason of its own')} (code 0x{code:02X})"


def bundled(sizes: Sequence[int], pdu: int) -> Iterator[slice]:
    """Neighbours that go into one request and whose answers go into one message."""
    first = 0
    answer = _ANSWER_HEAD
    most = min(_MOST_ITEMS, (pdu - _REQUEST_HEAD) // _REQUEST_ITEM)
    for at, size in enumerate(sizes):
        takes = _ANSWER_ITEM + size + size % 2
        if at > first and (at - first == most or answer + takes > pdu):
            yield slice(first, at)
            first, answer = at, _ANSWER_HEAD
        answer += takes
    if first < len(sizes):
        yield slice(first, len(sizes))


class S7Link:
    """A session; made by `connect`, ended by `close` or by the first thing that goes wrong."""

    def __init__(self, config: S7Config) -> None:
        self.where = f"{config.host}:{config.port}"
        self.pdu = config.max_pdu
        self.requests = 0  # sent so far
        self._config = config
        self._client: Any = None
        self._turn = asyncio.Lock()
        self._end: DeviceError | None = None  # why the session is over
        self._has_read = False

    @property
    def longest(self) -> int:
        """How many bytes one answer can carry."""
        return self.pdu - _ANSWER_HEAD - _ANSWER_ITEM

    @classmethod
    async def connect(cls, config: S7Config) -> S7Link:
        """One attempt to reach the CPU; raises DeviceError where it fails."""
        library = load("snap7.async_client", driver="s7", package="python-snap7", extra="s7")
        link = cls(config)
        client = link._client = library.AsyncClient()
        client.set_connection_type(_ROLES[config.role])
        client.pdu_length = config.max_pdu
        try:
            async with link._wait(config.connect_timeout_s):
                await client.connect(config.host, config.rack, config.slot, config.port)
        except BaseException:
            await link.close()
            raise
        link.pdu = min(client.pdu_length, config.max_pdu)
        if link.pdu < _LEAST_PDU:
            await link.close()
            raise link._broken(f"it wants messages of at most {link.pdu} bytes")
        client.connection.timeout = config.timeout_s
        return link

    async def read(self, stretches: Sequence[Stretch]) -> list[bytes | CpuRefusal]:
        """The bytes of each stretch, or why there are none; they fit one message.

        Raises CpuRefusal where the CPU refuses the request as a whole, DeviceError where the
        session is over.
        """
        protocol = self._session().protocol
        request = protocol.build_multi_read_request(
            [(_AREAS[area], db, start, size) for area, db, start, size in stretches]
        )
        body = await self._exchange(request, _READ, len(stretches))
        with self._expecting("an answer that breaks off"):
            found = list(_items(body, stretches))
        self._has_read = self._has_read or any(isinstance(one, bytes) for one in found)
        return found

    async def read_long(self, stretch: Stretch) -> bytes | CpuRefusal:
        """The bytes of a stretch of any length; a long one comes in several messages."""
        whole = b""
        while len(whole) < stretch.size:
            size = min(self.longest, stretch.size - len(whole))
            (part,) = await self.read(
                [stretch._replace(start=stretch.start + len(whole), size=size)]
            )
            if isinstance(part, CpuRefusal):
                return part
            whole += part
        return whole

    async def write(self, area: str, db: int, start: int, raw: bytes) -> None:
        """Write bytes, the last ones first where one message does not carry all.

        So the head of a text, which says how long it is, comes after what it speaks of. Raises
        CpuRefusal, or DeviceError where the session is over.
        """
        longest = self.pdu - _WRITE_HEAD
        for at in range((len(raw) - 1) // longest * longest, -1, -longest):
            await self._write(area, db, start + at, _BYTE, raw[at : at + longest])

    async def write_bit(self, area: str, db: int, start: int, bit: int, *, is_set: bool) -> None:
        """Write one bit and leave its neighbours alone; raises like `write`."""
        await self._write(area, db, 8 * start + bit, _BIT, bytes((is_set,)))

    async def close(self) -> None:
        """End the session; safe to call twice."""
        client, self._client = self._client, None
        if client is None:
            return
        self._end = self._end or DeviceError(f"{self.where}: the session is closed")
        writer = getattr(client.connection, "_writer", None)
        try:
            async with asyncio.timeout(_CLOSE_S):
                await client.disconnect()
        except TimeoutError:
            pass  # a peer that takes nothing any more; cut off below
        finally:
            if writer is not None:
                writer.transport.abort()

    def _session(self) -> Any:
        if self._end is not None or self._client is None:
            raise self._end or DeviceError(f"{self.where}: the session is not open")
        return self._client

    async def _write(self, area: str, db: int, start: int, kind: int, raw: bytes) -> None:
        request = self._session().protocol.build_write_request(_AREAS[area], db, start, kind, raw)
        body = await self._exchange(request, _WRITE, 1)
        if len(body) != 1:
            raise self._broken("its confirmation is not one")
        if body[0] != _DONE:
            raise CpuRefusal(body[0])

    async def _exchange(self, request: bytes, function: int, items: int) -> bytes:
        """Ask, and return what stands behind the answer's head."""
        async with self._turn:
            client = self._session()
            self.requests += 1
            async with self._wait(self._config.timeout_s):
                answer = bytes(await client.iso_exchange_buffer(bytearray(request)))
        with self._expecting("an answer that breaks off"):
            protocol, kind, _, reference, head, body, *error = _HEADER.unpack_from(answer)
        asked: int = _HEADER.unpack_from(request)[3]
        if (protocol, reference) != (_PROTOCOL_ID, asked) or kind not in _ANSWERS:
            raise self._broken("what it sends answers another question")
        if code := error[0] << 8 | error[1]:
            raise self._refused(code)
        start = _HEADER.size + head
        if answer[_HEADER.size : start] != bytes((function, items)) or len(answer) != start + body:
            raise self._broken("what it sends answers another question")
        return answer[start:]

    def _refused(self, code: int) -> Exception:
        """A request that the CPU refuses as a whole; the first one already means all of them."""
        if code != PUT_GET_OFF or self._has_read:
            return CpuRefusal(code)
        return DeniedError(
            f"{self.where} connects, and refuses to be read: PUT/GET is not permitted",
            hint="in TIA Portal: CPU, Protection & Security, Connection mechanisms, permit access "
            "with PUT/GET; compile and download the hardware. Data blocks: switch `Optimized "
            "block access` off",
        )

    @asynccontextmanager
    async def _wait(self, seconds: float) -> AsyncIterator[None]:
        """Await an answer; whatever else comes ends the session, as a DeviceError."""
        errors = load("snap7.error", driver="s7", package="python-snap7", extra="s7")
        try:
            async with asyncio.timeout(seconds):
                yield
        except (TimeoutError, errors.S7TimeoutError):
            self._end = DeviceError(
                f"{self.where} does not answer within {seconds:g} s",
                hint="is the CPU switched on, and is there a route to it?",
            )
            raise self._end from None
        except (OSError, errors.S7Error) as error:
            self._end = _told(self.where, error)
            raise self._end from None
        except asyncio.CancelledError:
            self._end = self._end or DeviceError(f"{self.where}: a request was interrupted")
            raise

    @contextmanager
    def _expecting(self, what: str) -> Iterator[None]:
        try:
            yield
        except (struct.error, ValueError):
            raise self._broken(f"it sent {what}") from None

    def _broken(self, what: str) -> DeviceError:
        """End the session because the CPU broke the protocol; returns the error to raise."""
        self._end = DeviceError(
            f"{self.where}: {what}", hint="is this port really an S7 CPU (ISO on TCP)?"
        )
        return self._end


def _items(body: bytes, stretches: Sequence[Stretch]) -> Iterator[bytes | CpuRefusal]:
    """What an answer says of each stretch; raises ValueError where it says something else."""
    at = 0
    for stretch in stretches:
        code, counting, length = _ITEM.unpack_from(body, at)
        at += _ITEM.size
        if code != _DONE:  # no bytes follow, whatever the length says
            yield CpuRefusal(code)
            continue
        size = length // 8 if counting in _COUNTS_BITS else length
        raw = body[at : at + size]
        if size != stretch.size or len(raw) != size:
            raise ValueError
        yield raw
        at += size + size % 2
    if at - len(body) not in (0, 1):  # the last of an odd size needs no filling
        raise ValueError


def _told(where: str, error: Exception) -> DeviceError:
    """What the library says, in words for whoever set the connection up."""
    cause = error.__context__
    if isinstance(cause, ConnectionRefusedError):
        return DeviceError(
            f"{where} refused the connection",
            hint="check host and port, and that this is an S7 CPU with ISO on TCP (port 102)",
        )
    if isinstance(cause, ConnectionError | EOFError) or "Expected COTP CC" in str(error):
        return DeviceError(f"{where} closed the connection", hint=f"check {_ASKED_FOR}")
    if isinstance(cause, OSError):
        why = cause.strerror or cause
        return DeviceError(f"{where} cannot be reached: {why}", hint=f"check {_ASKED_FOR}")
    return DeviceError(
        f"{where}: what it sends is not S7: {error}",
        hint="is this port really an S7 CPU (ISO on TCP)?",
    )
