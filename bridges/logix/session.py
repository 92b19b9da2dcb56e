"""One session with a controller: pylogix in a worker thread of its own.

pylogix opens the session and the connection (large where the controller has it), frames what is
sent and uploads the tag list. Its sockets block, so it lives in one thread; everything that
waits there has a deadline, and whoever gives up waiting shuts the socket down, which ends the
thread. What pylogix is not used for, and why, is in docs/reference/bridges/logix.md.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

from bridges.extras import load
from bridges.logix.cip import MalformedError, attributes, reply_of
from bridges.logix.config import LogixConfig
from uns.errors import DeviceError, UnsError

__all__ = ["LogixSession"]

_T = TypeVar("_T")

_HEADER_BYTES = 24  # of the encapsulation
_LENGTH_AT, _STATUS_AT = 2, 8
_UNIT_DATA = 0x70
_SEQUENCE_AT, _MESSAGE_AT = 44, 46  # behind the header, the packet's two items and their heads
_GOODBYE_S = 1.0
_NO_END = 1 << 62
_WHO = attributes(0x01, 6)  # the identity object, and its serial number
_MARGIN_BYTES = 16  # sequence numbers, and what gateways on the way add


class LogixSession:
    """Made for one session: `open`, then `run` work in the worker thread, then `close`."""

    def __init__(self, config: LogixConfig) -> None:
        self.where = f"{config.host}:{config.port}"
        self.used_at = 0.0  # when something was exchanged last, monotonic
        self._config = config
        self._plc: Any = None
        self._worker: ThreadPoolExecutor | None = None
        self._work: Future[Any] | None = None  # what the worker does last
        self._packets = 0  # received so far
        self._most_packets = _NO_END
        self._lost = ""  # why the session is over; what came first
        self._is_over = False  # nobody wants it any more

    @property
    def message_bytes(self) -> int:
        """How long a message may be, in either direction."""
        return int(self._plc.ConnectionSize) - _MARGIN_BYTES

    @property
    def requests(self) -> int:
        """How many requests were answered so far."""
        return self._packets

    async def open(self) -> None:
        """Connect; raises DeviceError."""
        self._worker = ThreadPoolExecutor(1, thread_name_prefix=f"logix:{self.where}")
        await self.run(self._open)

    async def run(self, work: Callable[[], _T], *, most_packets: int = _NO_END) -> _T:
        """What `work` returns, done in the worker thread; raises DeviceError.

        Work that stands still for twice the time-out is abandoned, and work that took more than
        `most_packets` from the device is ended: then the session is over.
        """
        if self._worker is None or self._lost:
            raise DeviceError(f"{self.where}: {self._lost or 'the session is not open'}")
        self._work = self._worker.submit(self._guarded, work, most_packets)
        done: asyncio.Future[_T] = asyncio.wrap_future(self._work)
        slice_s = 2 * self._config.timeout_s + 1
        try:
            while not done.done():
                packets = self._packets
                await asyncio.wait([done], timeout=slice_s)
                if not done.done() and packets == self._packets:
                    self._abandon(f"it stood still for {slice_s:.0f} s")
                    raise DeviceError(f"{self.where}: {self._lost}")
            return done.result()
        finally:
            done.cancel()  # where nobody waits any more, nobody asks for the result either

    async def stay(self) -> None:
        """Ask the controller who it is, so that it keeps an idle connection."""
        await self.run(lambda: self.exchange(_WHO))

    def check(self) -> None:
        """Raise DeviceError where the session is over; for work that has pylogix ask."""
        if self._lost:
            raise self._end(self._lost)

    def exchange(self, message: bytes) -> bytes:
        """Send a CIP message and return the answer; in the worker thread. Raises DeviceError."""
        plc = self._plc
        sequence = plc.conn._sequence_counter  # noqa: SLF001 - held by tests/bridges/logix
        _, packet = plc.conn.send(message)
        if not packet:
            raise self._end("it closed the connection")
        if len(packet) < _MESSAGE_AT or packet[0] != _UNIT_DATA:
            raise self._end("it answers with something that is not EtherNet/IP")
        if packet[_STATUS_AT]:
            raise self._end(
                f"it ended the session (encapsulation status 0x{packet[_STATUS_AT]:02X})"
            )
        if struct.unpack_from("<H", packet, _SEQUENCE_AT)[0] != sequence:
            raise self._end("it answers another question than was asked")
        self.used_at = time.monotonic()
        return bytes(packet[_MESSAGE_AT:])

    @property
    def plc(self) -> Any:
        """What pylogix keeps, for its tag upload; only in the worker thread."""
        return self._plc

    async def close(self) -> None:
        """Say goodbye where the controller listens, and end the thread. Safe to call twice."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        is_idle = self._work is not None and self._work.done()
        if is_idle and not self._lost and self._plc is not None:
            goodbye = asyncio.get_running_loop().run_in_executor(worker, self._plc.Close)
            with suppress(OSError, struct.error):
                await asyncio.wait([goodbye], timeout=_GOODBYE_S)
            goodbye.cancel()
        self._abandon("the session was closed")
        worker.shutdown(wait=False)

    # ------------------------------------------------------------ in the worker thread

    def _guarded(self, work: Callable[[], _T], most_packets: int) -> _T:
        self._most_packets = self._packets + most_packets
        try:
            return work()
        except UnsError:
            raise
        except MalformedError as error:
            raise self._end(f"it does not keep to the protocol: {error}") from error
        except OSError as error:
            raise self._end(_words(error, self._config.timeout_s)) from error
        except (struct.error, IndexError, KeyError, TypeError, ValueError) as error:
            # pylogix takes answers apart unguarded: whatever it stumbles over came from outside
            what = f"it answers with something that is not EtherNet/IP ({error!r})"
            raise self._end(self._lost or what) from error

    def _open(self) -> None:
        pylogix = load("pylogix", driver="logix", package="pylogix", extra="logix")
        config = self._config
        address = _ipv4(config.host, config.port)
        self._plc = plc = pylogix.PLC(address, config.slot, config.timeout_s, port=config.port)
        plc.conn.msg_socket.close()  # for messages from a controller, which nobody sends us
        plc.conn.receive_data = self._receive
        try:
            is_open, why = plc.conn.connect()
        finally:
            if self._is_over:
                plc.conn.Socket.close()  # closed while it was being opened
        if self._is_over:
            raise DeviceError(f"{self.where}: {self._lost}")
        if not is_open:
            raise self._refusal(why)
        self._lost = ""  # a large connection may have been refused by silence
        reply_of(self.exchange(_WHO), _WHO[0])  # whatever it says: it speaks the protocol

    def _refusal(self, why: OSError | str) -> DeviceError:
        """Why there is no session, as far as pylogix tells."""
        if isinstance(why, OSError):
            return DeviceError(
                f"{self.where}: {_words(why, self._config.timeout_s)}",
                hint="check host and port, and that the controller is switched on",
            )
        if self._lost:
            return DeviceError(
                f"{self.where} took the connection, and then {self._lost}",
                hint="is it the Ethernet port of a Logix controller, and has it connections left?",
            )
        return DeviceError(
            f"{self.where} opens no connection to slot {self._config.slot}",
            hint="is the controller in that slot (`slot:`), and has it connections left?",
        )

    def _receive(self) -> bytes | None:
        """One packet, whole, within the time-out; None where there is none (pylogix's way).

        pylogix's own takes half a header for none, and never ends where the peer hangs up in
        the middle of a packet.
        """
        self._packets += 1
        if self._packets > self._most_packets:
            self._lost = self._lost or "its answers do not come to an end"
            return None
        sock: socket.socket = self._plc.conn.Socket
        until = time.monotonic() + self._config.timeout_s
        try:
            head = _exactly(sock, _HEADER_BYTES, until)
            length = int.from_bytes(head[_LENGTH_AT : _LENGTH_AT + 2], "little")
            packet = head + _exactly(sock, length, until)
            sock.settimeout(self._config.timeout_s)
        except OSError as error:
            self._lost = self._lost or _words(error, self._config.timeout_s)
            return None
        return packet

    def _end(self, why: str) -> DeviceError:
        """The error that ends the session; the first reason is the true one."""
        self._lost = self._lost or why
        return DeviceError(f"{self.where}: {self._lost}")

    def _abandon(self, why: str) -> None:
        """Wake the thread out of whatever it waits for, from any thread."""
        self._lost = self._lost or why
        self._is_over = True
        if self._plc is None:
            return
        sock: socket.socket = self._plc.conn.Socket
        with suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()


def _exactly(sock: socket.socket, count: int, until: float) -> bytes:
    """`count` bytes; raises OSError where they do not come in time."""
    parts = bytearray()
    while len(parts) < count:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
        part = sock.recv(count - len(parts))
        if not part:
            raise ConnectionResetError
        parts += part
    return bytes(parts)


def _ipv4(host: str, port: int) -> str:
    """The address of a host; pylogix would take one that its sockets do not."""
    found = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)
    return str(found[0][4][0])


def _words(error: OSError, timeout_s: float) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "it refused the connection"
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_s:g} s"
    if isinstance(error, ConnectionError) or error.errno == errno.EBADF:
        return "it closed the connection"
    return f"it cannot be reached: {error.strerror or error}"
