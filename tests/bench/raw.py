"""A raw-socket MQTT 3.1.1 peer: as little work per message as a program can do.

It is the limit that our own figures are shown beside: joined packets out, frames counted and
not looked into on the way in. It speaks QoS 0 only.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable, Sequence

__all__ = ["RawPeer", "publish_packet"]

_CHUNK = 1 << 18


def _varint(number: int) -> bytes:
    out = bytearray()
    while True:
        number, low = number >> 7, number & 0x7F
        out.append(low | (0x80 if number else 0))
        if not number:
            return bytes(out)


def publish_packet(topic: bytes, payload: bytes, *, retain: bool = False) -> bytes:
    """One QoS 0 PUBLISH (MQTT 3.1.1 §3.3)."""
    body = struct.pack("!H", len(topic)) + topic + payload
    return bytes([0x31 if retain else 0x30]) + _varint(len(body)) + body


class RawPeer:
    """One blocking socket to a broker on loopback."""

    def __init__(self, port: int, client_id: str) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        body = b"\x00\x04MQTT\x04\x02\x00\x00" + struct.pack("!H", len(client_id))
        body += client_id.encode()
        self.socket.sendall(b"\x10" + _varint(len(body)) + body)
        if self.socket.recv(4)[3] != 0:
            raise ConnectionRefusedError("the broker refused the raw peer")
        self._rest = b""

    def subscribe(self, pattern: str) -> None:
        """Subscribe at QoS 0 and wait for the SUBACK."""
        body = b"\x00\x01" + struct.pack("!H", len(pattern)) + pattern.encode() + b"\x00"
        self.socket.sendall(b"\x82" + _varint(len(body)) + body)
        if self.socket.recv(5)[0] != 0x90:
            raise ConnectionRefusedError(f"no SUBACK for {pattern}")

    def send(self, packets: bytes) -> None:
        """Write packets that were joined beforehand."""
        self.socket.sendall(packets)

    def count(self) -> int:
        """Read what is there (one recv) and return how many whole PUBLISH packets it held."""
        buffer = self._rest + self.socket.recv(_CHUNK)
        size, place, found = len(buffer), 0, 0
        while place + 4 < size:
            length = buffer[place + 1]
            if length < 0x80:
                end = place + 2 + length
            else:
                second = buffer[place + 2]
                if second < 0x80:
                    end = place + 3 + (length & 0x7F) + (second << 7)
                else:
                    third = buffer[place + 3]
                    end = place + 4 + (length & 0x7F) + ((second & 0x7F) << 7) + (third << 14)
            if end > size:
                break
            found += buffer[place] >> 4 == 3
            place = end
        self._rest = buffer[place:]
        return found

    def messages(self) -> list[tuple[bytes, bytes]]:
        """Read what is there (one recv); the topics and payloads of its whole PUBLISH packets."""
        buffer = self._rest + self.socket.recv(_CHUNK)
        place, found = 0, []
        while (size := _size(buffer, place)) and place + size[0] <= len(buffer):
            whole, head = size
            if buffer[place] >> 4 == 3:
                first = place + head + 2
                last = first + int.from_bytes(buffer[first - 2 : first], "big")
                if buffer[place] & 0x06:  # a packet id follows where QoS is above 0
                    found.append((buffer[first:last], buffer[last + 2 : place + whole]))
                else:
                    found.append((buffer[first:last], buffer[last : place + whole]))
            place += whole
        self._rest = buffer[place:]
        return found

    def drain(self, quiet_s: float = 0.5) -> int:
        """Read until nothing came for `quiet_s`; returns how many messages that was."""
        found = 0
        while select.select([self.socket], [], [], quiet_s)[0]:
            found += self.count()
        return found

    def close(self) -> None:
        """Disconnect."""
        self.socket.sendall(b"\xe0\x00")
        self.socket.close()


def _size(buffer: bytes, place: int) -> tuple[int, int] | None:
    """The bytes of the packet at `place`, and of its fixed header; None while that is cut off."""
    length = 0
    for at in range(1, 5):
        if place + at >= len(buffer):
            return None
        length |= (buffer[place + at] & 0x7F) << (7 * (at - 1))
        if buffer[place + at] < 0x80:
            return length + at + 1, at + 1
    raise ValueError("no length of a packet")


def pumped(
    source: RawPeer,
    sink: RawPeer,
    blocks: Sequence[bytes],
    per_block: int,
    *,
    total: int,
    window: int,
    on_start: Callable[[], None] = lambda: None,
) -> float:
    """Send blocks round and round, at most `window` messages ahead of the sink; seconds taken.

    A closed loop, so that no broker queue overflows and nothing is lost: raises TimeoutError
    when the sink stays silent for 10 s.
    """
    sent = received = turn = 0
    on_start()
    began = time.perf_counter()
    while received < total:
        while sent < total and sent - received < window:
            source.send(blocks[turn % len(blocks)])
            turn += 1
            sent += per_block
        if not select.select([sink.socket], [], [], 10)[0]:
            raise TimeoutError(f"{received} of {sent} messages arrived, then silence")
        received += sink.count()
    return time.perf_counter() - began
