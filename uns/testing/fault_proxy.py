"""A TCP relay whose cable can be pulled, stretched and chewed, for tests of networked drivers."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["FaultProxy", "proxied"]

_CHUNK = 65_536
_LINGER_NONE = struct.pack("ii", 1, 0)  # socket(7): close sends RST


class FaultProxy:
    """Relays TCP between a free port of ours and a server, until it is told to misbehave.

    `cut` is a pulled cable: sockets stay open, nothing passes, new connections get no answer;
    after `heal` what was held back arrives, as TCP would retransmit it. `reset` sends RST to
    both ends of every connection. `refuse` closes the port, `accept` opens the same one again.
    """

    def __init__(self, target_port: int) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        self.target_port = target_port
        self.accepted = 0  # connections ever taken
        self._server: asyncio.Server | None = None
        self._is_whole = asyncio.Event()
        self._is_whole.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def connections(self) -> int:
        """Connections being relayed now."""
        return len(self._tasks)

    async def accept(self) -> None:
        """Listen, on the same port as before."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, self.host, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Stop listening: connection refused. Connections that exist go on."""
        if self._server is not None:
            self._server.close()
            self._server = None

    def cut(self) -> None:
        """Let nothing pass any more, and keep every socket open."""
        self._is_whole.clear()

    def heal(self) -> None:
        """Let everything pass again, with what was held back first."""
        self._is_whole.set()

    def reset(self) -> None:
        """Send RST to both ends of every connection."""
        for writer in tuple(self._writers):
            _linger_none(writer)
            writer.transport.abort()

    async def close(self) -> None:
        """Stop everything."""
        await self.refuse()
        self.reset()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.accepted += 1
        onward: asyncio.StreamWriter | None = None
        try:
            await self._is_whole.wait()
            source, onward = await asyncio.open_connection(self.host, self.target_port)
            self._writers.add(onward)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._relay(reader, onward))
                both.create_task(self._relay(source, writer))
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            pass  # either end went away; a cancelled relay is the test's end
        finally:
            self._tasks.discard(task)
            for end in (writer, onward):
                if end is not None:
                    self._writers.discard(end)
                    end.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK):
            await self._is_whole.wait()
            writer.write(chunk)
            await writer.drain()
        await self._is_whole.wait()
        raise ConnectionResetError  # one end closed: both do


@asynccontextmanager
async def proxied(target_port: int) -> AsyncIterator[FaultProxy]:
    """A relay to a server on 127.0.0.1, for the length of a `with`."""
    proxy = FaultProxy(target_port)
    await proxy.accept()
    try:
        yield proxy
    finally:
        await proxy.close()


def _linger_none(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
