"""Servers that send too much, or without end."""

from __future__ import annotations

import asyncio
import struct
import time

import pytest

from bridges.opcua import OpcUaConfig, OpcUaDriver
from uns.errors import DeviceError

ACKNOWLEDGE = struct.pack("<4sIIIIII", b"ACKF", 28, 0, 1 << 30, 1 << 30, 0, 0)  # "no limits"


async def _endless(writer: asyncio.StreamWriter, head: bytes, chunk: bytes) -> int:
    """Send until nobody takes it any more; how much that was."""
    sent = 0
    writer.write(head)
    try:
        while True:
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)
    except OSError:
        return sent


@pytest.mark.parametrize(
    ("greeting", "head", "chunk"),
    [
        (b"", struct.pack("<4sI", b"ACKF", 0x7FFF_FFFF), bytes(65_536)),
        (ACKNOWLEDGE, struct.pack("<4sII", b"OPNF", 0x7FFF_FFFF, 0), bytes(65_536)),
        (ACKNOWLEDGE, b"", struct.pack("<4sIIIII", b"MSGC", 24, 0, 0, 1, 1) * 2000),
    ],
    ids=["endless hello", "endless chunk", "endless chunks"],
)
async def test_a_server_without_end_is_left(greeting, head, chunk):
    """Within seconds, with a sentence, and without taking in what it sends."""
    sent: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if greeting:
            await reader.read(1000)
            writer.write(greeting)
        await reader.read(1000)
        sent.append(await _endless(writer, head, chunk))
        writer.transport.abort()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"opc.tcp://127.0.0.1:{port}"
        driver = OpcUaDriver(OpcUaConfig(endpoint=url, security="none", timeout_s=3))
        began = time.monotonic()
        with pytest.raises(DeviceError):
            await driver.open()
        await driver.close()
        assert time.monotonic() - began < 8
        await asyncio.sleep(0.1)
    assert sum(sent) < 40 << 20
