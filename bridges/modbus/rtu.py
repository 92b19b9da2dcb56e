"""One Modbus RTU session: a serial line, or a gateway that passes its bytes through TCP as they are.

Nothing in an RTU frame says which request it answers. So there is one request at a time, the
line is emptied before each, and an answer counts when unit, function, length and check sum fit.
What does not fit is noise on the line, or a late answer, and is passed over.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, Final

from bridges.extras import load
from bridges.modbus.client import Client, give_up
from bridges.modbus.stream import connected
from bridges.spoken import spoken
from uns.errors import DeviceError

__all__ = ["RtuClient", "SerialLine", "checked", "checksum"]

_MOST = 256  # bytes of a frame, serial line guide V1.02 §2.5.1
_EXCEPTION = 0x80
_COUNTED: Final = frozenset((1, 2, 3, 4))  # functions whose answer says how long it is
_FIXED: Final = {5: 8, 6: 8, 15: 8, 16: 8, 22: 10}  # length of a whole answer by function
_EXCEPTION_LENGTH = 5
_HEAD = 3  # bytes after which an answer's length is known
_BITS = 11  # of one character: start, eight, parity, stop
_FAST_BAUD = 19_200
_FAST_GAP_S = 0.00175  # between frames at more than 19,200 baud, guide §2.5.1.1
_QUIET_S = 0.05  # after noise or a missing answer: what is still on its way passes by


class SerialLine:
    """A serial device as a transport: bytes out, bytes in, on the event loop."""

    def __init__(self, device: str, receive: Any, lost: Any, **settings: Any) -> None:
        """Open the device; `settings` are pyserial's. Raises DeviceError where it cannot be."""
        serial = load("serial", driver="modbus", package="pyserial", extra="serial")
        try:
            self._port = serial.Serial(device, timeout=0, exclusive=True, **settings)
        except (OSError, ValueError) as error:  # SerialException is an OSError
            why = spoken(error) if isinstance(error, OSError) and error.errno else error
            raise DeviceError(
                f"the serial device {device} cannot be opened: {why}",
                hint="is it plugged in, may this user open it (group `dialout`), is it in use?",
            ) from error
        self._receive = receive
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._port.fileno(), self._readable)

    def write(self, frame: bytes) -> None:
        """Send one frame, which always fits the kernel's buffer."""
        try:
            os.write(self._port.fileno(), frame)
        except OSError as error:
            self._end(error)

    def abort(self) -> None:
        """Close the device; safe to call twice."""
        if self._port.is_open:
            self._loop.remove_reader(self._port.fileno())
            self._port.close()

    def _readable(self) -> None:
        try:
            data = os.read(self._port.fileno(), _MOST)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)
            return
        if data:
            self._receive(data)
        else:
            self._end(None)

    def _end(self, error: OSError | None) -> None:
        if self._port.is_open:
            self.abort()
            self._lost(error)


class RtuClient(Client, asyncio.Protocol):
    """A session with the units of one line; made by `dial` (serial) or `connect` (TCP)."""

    speaks = "Modbus RTU"

    def __init__(self, where: str, *, timeout_s: float, baud: int) -> None:
        super().__init__(where, timeout_s=timeout_s)
        self._gap_s = _FAST_GAP_S if baud > _FAST_BAUD else 3.5 * _BITS / baud
        self._transport: Any = None  # an asyncio transport or a SerialLine
        self._received = bytearray()
        self._answer: asyncio.Future[bytes] | None = None
        self._asked = (0, 0)  # unit and function of the request under way

    @classmethod
    async def connect(
        cls, host: str, port: int, *, timeout_s: float, connect_timeout_s: float
    ) -> RtuClient:
        """Reach a line through a gateway; raises DeviceError where it fails."""
        where = f"{host}:{port}"
        return await connected(
            lambda: cls(where, timeout_s=timeout_s, baud=_FAST_BAUD + 1),
            host,
            port,
            timeout_s=connect_timeout_s,
        )

    @classmethod
    def dial(cls, device: str, *, timeout_s: float, baud: int, parity: str, stop: int) -> RtuClient:
        """Open a serial device; raises DeviceError where it fails."""
        client = cls(device, timeout_s=timeout_s, baud=baud)
        client._transport = SerialLine(
            device,
            client.data_received,
            client.connection_lost,
            baudrate=baud,
            parity=parity[0].upper(),
            stopbits=stop,
        )
        return client

    async def close(self) -> None:
        """End the session; safe to call twice."""
        self._finish(DeviceError(f"{self.where}: the session is closed"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the new connection (asyncio calls this)."""
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whoever waits (asyncio calls this)."""
        why = f": {exc}" if exc else ""
        self._finish(DeviceError(f"{self.where} closed the line{why}"))

    def data_received(self, data: bytes) -> None:
        """Gather the answer; what nobody waits for is dropped (asyncio calls this)."""
        answer = self._answer
        if answer is None or answer.done():
            return
        received = self._received
        received += data
        while (length := _length_of(received, *self._asked)) is not None:
            if len(received) < length:
                return
            frame = bytes(received[:length])
            if length and checksum(frame[:-2]) == frame[-2:]:
                answer.set_result(frame[1:-2])
                return
            del received[0]  # noise, or the late answer of another unit: ours may lie behind

    async def _exchange(self, unit: int, pdu: bytes) -> bytes:
        if self._transport is None:
            raise DeviceError(f"{self.where}: the session is not open")
        await asyncio.sleep(self._gap_s)
        if self._end is not None:
            raise self._end
        loop = asyncio.get_running_loop()
        self._received.clear()
        self._asked = (unit, pdu[0])
        answer: asyncio.Future[bytes] = loop.create_future()
        self._answer = answer
        deadline = loop.call_later(self._timeout_s, give_up, answer)
        try:
            self._transport.write(checked(bytes((unit,)) + pdu))
            return await answer
        except TimeoutError:
            self._answer = None
            await asyncio.sleep(_QUIET_S)
            raise
        finally:
            deadline.cancel()
            self._answer = None

    def _finish(self, error: DeviceError) -> None:
        self._end = self._end or error
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(self._end)
        if self._transport is not None:
            self._transport.abort()


def checksum(frame: bytes) -> bytes:
    """The CRC-16 of a frame, low byte first (serial line guide V1.02 §2.5.1.2).

    >>> checksum(bytes.fromhex("0207")).hex()  # the guide's own example
    '4112'
    """
    crc = 0xFFFF
    for byte in frame:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


def checked(frame: bytes) -> bytes:
    """A frame with its check sum behind it."""
    return frame + checksum(frame)


def _length_of(received: bytearray, unit: int, function: int) -> int | None:
    """How long the answer that begins with `received` is; None: not known yet; 0: it is none."""
    if len(received) < _HEAD:
        return None
    if received[0] != unit or received[1] & ~_EXCEPTION != function:
        return 0
    if received[1] & _EXCEPTION:
        return _EXCEPTION_LENGTH
    if function in _COUNTED:
        return _HEAD + received[2] + 2
    return _FIXED.get(function, 0)


def _remainder(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ 0xA001 if byte & 1 else byte >> 1
    return byte


_TABLE: Final = tuple(_remainder(byte) for byte in range(256))
