"""What every Modbus session can: ask a unit, check that the answer fits, end when it does not.

How a request is framed and its answer found is the business of `mbap` (TCP) and `rtu` (serial).
"""

from __future__ import annotations

import asyncio
import struct
from abc import ABC, abstractmethod

from uns.errors import DeviceError

__all__ = ["TOO_SHORT", "Client", "DeviceRefusal", "give_up"]

#: No code of the standard: some devices answer with fewer cells, or none, where they should
#: say that an address does not exist (jsmodbus 5 does).
TOO_SHORT = 0
_EXCEPTION = 0x80


class DeviceRefusal(Exception):  # noqa: N818 - the device's answer, not an error of ours
    """The device answered with an exception code (V1.1b3 §7)."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Client(ABC):
    """A session; ended by `close` or by the first thing that goes wrong."""

    #: What a device that talks nonsense is suspected not to be.
    speaks = "Modbus"

    def __init__(self, where: str, *, timeout_s: float, max_in_flight: int = 1) -> None:
        self.where = where
        self.requests = 0  # sent so far
        self._timeout_s = timeout_s
        self._turn = asyncio.Semaphore(max_in_flight)
        self._end: Exception | None = None  # why the session is over

    async def request(self, unit: int, pdu: bytes) -> bytes:
        """Ask `unit` and return the PDU of its answer.

        Raises DeviceRefusal for an exception code, TimeoutError where there is no answer in
        time, DeviceError where the session is over.
        """
        await self._turn.acquire()  # `async with` takes two coroutines more, for each request
        try:
            if self._end is not None:
                raise self._end
            self.requests += 1
            reply = await self._exchange(unit, pdu)
        finally:
            self._turn.release()
        if reply[0] == pdu[0] | _EXCEPTION:
            raise DeviceRefusal(reply[1])
        if reply[0] != pdu[0]:
            raise self._broken(f"function {pdu[0]} was answered with function {reply[0]}")
        return reply

    async def read(self, unit: int, function: int, start: int, count: int, size: int) -> bytes:
        """The `size` bytes of `count` cells from `start`; raises like `request`."""
        reply = await self.request(unit, struct.pack(">BHH", function, start, count))
        if reply[1] == len(reply) - 2 < size:
            raise DeviceRefusal(TOO_SHORT)
        if reply[1] != size or len(reply) != size + 2:
            raise self._broken(f"{size} bytes were asked for and {len(reply) - 2} came")
        return reply[2:]

    @abstractmethod
    async def close(self) -> None:
        """End the session; safe to call twice."""

    @abstractmethod
    async def _exchange(self, unit: int, pdu: bytes) -> bytes:
        """Send a request and wait for its answer, at most as long as the session's time-out."""

    @abstractmethod
    def _finish(self, error: DeviceError) -> None:
        """Note why the session is over, fail whoever waits, and drop the line."""

    def _broken(self, what: str) -> DeviceError:
        """End the session because the device broke the protocol; returns the error to raise."""
        error = DeviceError(f"{self.where}: {what}", hint=f"is this really a {self.speaks} device?")
        self._finish(error)
        return error


def give_up(answer: asyncio.Future[bytes]) -> None:
    """Let whoever waits for `answer` wait no longer."""
    if not answer.done():
        answer.set_exception(TimeoutError())
