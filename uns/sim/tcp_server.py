"""What every simulated device on TCP does: listen, serve clients, hang on request, leave none."""

from __future__ import annotations

import asyncio
import struct
from abc import ABC, abstractmethod
from typing import ClassVar, Self

from uns.errors import DeviceError

__all__ = ["TcpServer"]


class TcpServer(ABC):
    """A server on loopback; `port` 0 takes a free one, known as `port` once it listens."""

    #: What it is, for a message: `S7`.
    plays: ClassVar[str]

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.host = host
        self.port = port
        self._server: asyncio.Server | None = None
        self._is_awake = asyncio.Event()
        self._is_awake.set()
        self._sessions: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def clients(self) -> int:
        """How many clients are connected."""
        return len(self._sessions)

    async def start(self) -> None:
        """Listen; raises DeviceError naming the port where another program has it."""
        try:
            self._server = await asyncio.start_server(self._serve, self.host, self.port)
        except OSError as error:
            raise DeviceError(
                f"the simulated {self.plays} cannot listen on {self.host}:{self.port}: "
                f"{error.strerror}",
                hint=f"stop the program that has port {self.port}, or choose another port",
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop every session; `start` may follow, on the same port."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task, writer in tuple(self._sessions.items()):
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    def hang(self) -> None:
        """Answer nothing from now on, and keep every connection open."""
        self._is_awake.clear()

    def resume(self) -> None:
        """Answer again, the requests that waited first."""
        self._is_awake.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a stream callback always runs in a task
        self._sessions[task] = writer
        try:
            await self._session(reader, writer)
        except (asyncio.IncompleteReadError, OSError, struct.error, asyncio.CancelledError):
            pass  # the client went away or speaks something else, or close() ended us
        finally:
            del self._sessions[task]
            writer.transport.abort()

    @abstractmethod
    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client until it leaves; wait for `_is_awake` before each answer."""
