"""A TCP relay whose cable can be pulled, stretched and chewed: before simulated devices, and in tests."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

__all__ = ["FaultProxy", "Line", "proxied"]

_CHUNK = 65_536
_BACKLOG = 100
_STUFFING = 2  # connections that fill a backlog of none, whether the kernel counts from 0 or 1
_LINGER_NONE = struct.pack("ii", 1, 0)  # socket(7): close sends RST
_SEED = 20_260_108  # a failing test fails again


@dataclass(frozen=True, slots=True)
class Line:
    """How bytes travel, in both directions.

    `delay_s` is the least that they take; what comes meanwhile is merged and takes up to twice
    as long. `piece` splits what is sent into so many bytes, with `pause_s` between two pieces.
    """

    delay_s: float = 0.0
    piece: int = 0
    pause_s: float = 0.0


@dataclass(eq=False, slots=True)
class _Pair:
    """One connection: its client's end, and the server's once it is there."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    is_stranded: bool = False


class FaultProxy:
    """Relays TCP between a free port of ours and a server, until it is told to misbehave.

    `cut` is a pulled cable: sockets stay open, nothing passes, new connections get no answer;
    after `heal` what was held back arrives, as TCP would retransmit it. `reset` sends RST to
    both ends of every connection, `strand` ends them without a word to the client. `refuse`
    closes the port, `accept` opens the same one again. `garble` and `truncate` spoil answers.
    `unplug` keeps even a connect from being answered, until `plug`.

    `port` 0 takes a free one, known as `port` once it listens; `host` is where the server is,
    too. `lag_s` is how much longer every answer takes.
    """

    def __init__(self, target_port: int, *, port: int = 0, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = port
        self.target_port = target_port
        self.line = Line()
        self.lag_s = 0.0
        self.accepted = 0  # connections ever taken
        self._server: asyncio.Server | None = None
        self._socket: socket.socket | None = None  # listens, while our port is open
        self._stuffing: list[socket.socket] = []
        self._can_ask = _set_event()  # towards the server
        self._can_answer = _set_event()  # towards the client
        self._is_garbling = False
        self._truncations = 0
        self._noise = random.Random(_SEED)
        self._tasks: set[asyncio.Task[None]] = set()
        self._pairs: set[_Pair] = set()

    @property
    def connections(self) -> int:
        """Connections being relayed now."""
        return len(self._tasks)

    async def accept(self) -> None:
        """Listen, on the same port as before; raises OSError where another program has it."""
        if self._socket is None:
            self._socket = socket.create_server((self.host, self.port), backlog=_BACKLOG)
            self.port = self._socket.getsockname()[1]
            self._server = await self._accepting(self._socket)

    async def refuse(self) -> None:
        """Stop listening: connection refused. Connections that exist go on."""
        await self.plug()
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def unplug(self) -> None:
        """Answer no connect any more: the kernel drops what comes to a backlog that is full."""
        if self._server is None or self._socket is None:
            return
        self._server.close()
        self._server = None
        self._socket.listen(0)
        for _ in range(_STUFFING):
            stuffing = socket.socket()
            stuffing.setblocking(False)
            stuffing.connect_ex((self.host, self.port))
            self._stuffing.append(stuffing)

    async def plug(self) -> None:
        """Answer connects again, also those that wait."""
        for stuffing in self._stuffing:
            stuffing.close()
        self._stuffing.clear()
        if self._socket is not None and self._server is None:
            self._server = await self._accepting(self._socket)

    def cut(self) -> None:
        """Let nothing pass any more, and keep every socket open."""
        self._can_ask.clear()
        self._can_answer.clear()

    def cut_answers(self) -> None:
        """Let questions through and hold the answers back: a cable broken one way."""
        self._can_answer.clear()

    def garble(self) -> None:
        """Put noise in place of answers, of the same length, until `heal`."""
        self._is_garbling = True

    def truncate(self, answers: int = 1) -> None:
        """Pass half of an answer and close, as often as this."""
        self._truncations = answers

    def strand(self) -> None:
        """End every connection at the server and tell no client; new ones go through."""
        for pair in self._pairs:
            pair.is_stranded = True
            if pair.server is not None:
                _abort(pair.server)

    def heal(self) -> None:
        """Let everything pass again, whole and at once, with what was held back first."""
        self.line = Line()
        self.lag_s = 0.0
        self._is_garbling = False
        self._truncations = 0
        self._can_ask.set()
        self._can_answer.set()

    def reset(self) -> None:
        """Send RST to both ends of every connection."""
        for pair in tuple(self._pairs):
            for writer in (pair.client, pair.server):
                if writer is not None:
                    _abort(writer)

    async def close(self) -> None:
        """Stop everything."""
        await self.refuse()
        self.reset()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accepting(self, listening: socket.socket) -> asyncio.Server:
        return await asyncio.start_server(self._serve, sock=listening.dup(), backlog=_BACKLOG)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a stream callback always runs in a task
        pair = _Pair(writer)
        self._tasks.add(task)
        self._pairs.add(pair)
        self.accepted += 1
        try:
            await self._can_ask.wait()
            source, pair.server = await asyncio.open_connection(self.host, self.target_port)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._ask(reader, pair.server, pair))
                both.create_task(self._answer(source, pair))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            pass  # either end went away; a cancelled relay is ours to end
        finally:
            self._tasks.discard(task)
            self._pairs.discard(pair)
            for end in (pair.client, pair.server):
                if end is not None:
                    end.transport.abort()

    async def _ask(
        self, reader: asyncio.StreamReader, server: asyncio.StreamWriter, pair: _Pair
    ) -> None:
        while chunk := await reader.read(_CHUNK):
            await self._can_ask.wait()
            if not pair.is_stranded:
                await self._pass(server, chunk)
        await self._can_ask.wait()
        raise ConnectionResetError  # one end closed: both do

    async def _answer(self, source: asyncio.StreamReader, pair: _Pair) -> None:
        try:
            while chunk := await source.read(_CHUNK):
                if self.lag_s:
                    await asyncio.sleep(self.lag_s)
                await self._can_answer.wait()
                if self._truncations:
                    self._truncations -= 1
                    await self._pass(pair.client, chunk[: len(chunk) // 2])
                    break
                if self._is_garbling:
                    chunk = self._noise.randbytes(len(chunk))
                await self._pass(pair.client, chunk)
        except OSError:
            if not pair.is_stranded:
                raise
        if pair.is_stranded:
            await asyncio.Event().wait()  # until the client gives up by itself
        await self._can_answer.wait()
        pair.client.transport.set_write_buffer_limits(0)  # what was answered last arrives
        await pair.client.drain()
        raise ConnectionResetError

    async def _pass(self, writer: asyncio.StreamWriter, chunk: bytes) -> None:
        line = self.line
        if line.delay_s:
            await asyncio.sleep(line.delay_s)
        size = line.piece or len(chunk) or 1
        for start in range(0, len(chunk), size):
            writer.write(chunk[start : start + size])
            await writer.drain()
            if line.piece and self.line is line:
                await asyncio.sleep(line.pause_s)


@asynccontextmanager
async def proxied(target_port: int) -> AsyncIterator[FaultProxy]:
    """A relay to a server on 127.0.0.1, for the length of a `with`."""
    proxy = FaultProxy(target_port)
    await proxy.accept()
    try:
        yield proxy
    finally:
        await proxy.close()


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


def _abort(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
    writer.transport.abort()
