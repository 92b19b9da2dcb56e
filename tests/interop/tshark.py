"""Wireshark as a witness: what went over loopback, taken apart by a decoder that is not ours."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

__all__ = ["Capture", "Packet", "tshark_problem"]

_PROTOS = Path(__file__).parent  # sparkplug_b.proto
_BEGIN, _END = b"uns-capture-begins", b"uns-capture-ends"
_START_S, _STOP_S, _READ_S = 20.0, 20.0, 60.0
_KINDS = {
    1: "CONNECT", 2: "CONNACK", 3: "PUBLISH", 4: "PUBACK", 8: "SUBSCRIBE", 9: "SUBACK",
    12: "PINGREQ", 13: "PINGRESP", 14: "DISCONNECT",
}  # fmt: skip


def tshark_problem() -> str:
    """Why nothing can be captured here; empty when it can."""
    if shutil.which("tshark") is None:
        return "the Debian package tshark is not installed"
    done = subprocess.run(["tshark", "-D"], capture_output=True, text=True, timeout=20, check=False)
    names = [line.split()[1] for line in done.stdout.splitlines() if " " in line]
    return "" if "lo" in names else "tshark may not capture on `lo` here (it wants CAP_NET_RAW)"


@dataclass
class Packet:
    """One MQTT packet; a Sparkplug payload is a list of (field, value or list) as they came."""

    kind: str
    stream: int
    at_ms: int
    is_from_client: bool
    fields: list[tuple[str, str]] = field(default_factory=list)
    sparkplug: dict[str, str] = field(default_factory=dict)
    payload: list[tuple[str, Any]] | None = None

    def all(self, name: str) -> list[str]:
        """Every value of a field, `mqtt.` left out of its name."""
        return [value for key, value in self.fields if key == f"mqtt.{name}"]

    def get(self, name: str) -> str | None:
        """The first of them, if there is one."""
        return next(iter(self.all(name)), None)

    def octets(self, name: str) -> bytes:
        """The first of them, where it is bytes."""
        return bytes.fromhex((self.get(name) or "").replace(":", ""))

    def property_value(self, number: str) -> str | None:
        """The value of an MQTT 5 property, if it is there."""
        names = iter(self.fields)
        for name, value in names:
            if (name, value) == ("mqtt.property_id", number):
                return next(names)[1]
        return None

    @property
    def topic(self) -> str:
        return self.get("topic") or ""

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The payload's metrics; of a field that comes twice, the last."""
        return [dict(value) for key, value in self.payload or [] if key == "metrics"]


class Capture:
    """Everything on one TCP port of loopback, from `async with` to `packets()`."""

    def __init__(self, port: int, folder: Path) -> None:
        self._port = port
        self._path = folder / "wire.pcapng"
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            "tshark", "-i", "lo", "-f", f"tcp port {self._port}", "-w", str(self._path), "-q",
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await self._seen(_BEGIN, _START_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGINT)
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def packets(self) -> list[Packet]:
        """End the capture; every packet in order."""
        await self._seen(_END, _STOP_S)
        await self.__aexit__()
        process = await asyncio.create_subprocess_exec(
            "tshark", "-r", str(self._path), "-d", f"tcp.port=={self._port},mqtt",
            "-o", f'uat:protobuf_search_paths:"{_PROTOS}","TRUE"', "-Y", "mqtt", "-T", "pdml",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        async with asyncio.timeout(_READ_S):
            text, _ = await process.communicate()
        frames = ET.fromstring(text)
        return [packet for frame in frames for packet in _packets(frame, self._port)]

    async def _seen(self, mark: bytes, deadline_s: float) -> None:
        """Send a mark until the file has it: what came before it is in the file too."""
        async with asyncio.timeout(deadline_s):
            while not (self._path.exists() and mark in self._path.read_bytes()):
                await asyncio.to_thread(_send, self._port, mark)
                await asyncio.sleep(0.2)


def _send(port: int, mark: bytes) -> None:
    """Not MQTT: the broker drops the connection."""
    with socket.create_connection(("127.0.0.1", port), 2.0) as sock:
        sock.sendall(mark)


def _packets(frame: ET.Element, port: int) -> Iterator[Packet]:
    """The MQTT packets of a frame; the payload of each PUBLISH follows it."""
    stream = int(_value(frame, "tcp.stream"))
    at_ms = int(float(_value(frame, "frame.time_epoch")) * 1000)
    is_from_client = int(_value(frame, "tcp.dstport")) == port
    packet: Packet | None = None
    for proto in frame:
        if proto.get("name") == "mqtt":
            if packet is not None:
                yield packet
            fields = [(f.get("name", ""), f.get("show", "")) for f in proto.iter("field")]
            kind = next((value for name, value in fields if name == "mqtt.msgtype"), "0")
            packet = Packet(_KINDS.get(int(kind), kind), stream, at_ms, is_from_client, fields)
        elif proto.get("name") == "sparkplugb" and packet is not None:
            packet.sparkplug = {
                f.get("name", "").removeprefix("sparkplugb."): f.get("show", "")
                for f in proto.iter("field")
                if f.get("name", "").startswith("sparkplugb.")
            }
            message = proto.find("proto[@name='protobuf']")
            packet.payload = None if message is None else _message(message)
    if packet is not None:
        yield packet


def _value(frame: ET.Element, name: str) -> str:
    found = frame.find(f".//field[@name='{name}']")
    assert found is not None, name
    return found.get("show", "")


def _message(element: ET.Element) -> list[tuple[str, Any]]:
    """The fields of a protobuf message: PDML nests what belongs together, at any depth."""
    found: list[tuple[str, Any]] = []
    for child in element:
        name = child.find("field[@name='protobuf.field.name']")
        if name is None:
            found += _message(child)
        else:
            found.append((name.get("show", ""), _content(child)))
    return found


def _content(element: ET.Element) -> Any:
    for child in element:
        if child.get("show", "").startswith("Message:"):
            return _message(child)
    value = element.find("field[@name='protobuf.field.value']")
    assert value is not None
    for child in value:
        if child.get("name", "").startswith("protobuf.field.value."):
            return child.get("show", "")
    return value.get("show", "")
