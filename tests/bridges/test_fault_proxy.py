"""The fault proxy itself: what the fault tests lean on."""

from __future__ import annotations

import asyncio

import pytest

pytestmark = pytest.mark.slow


async def _echo_server():
    async def echo(reader, writer):
        try:
            while chunk := await reader.read(100):
                writer.write(chunk)
        except OSError:
            pass
        writer.transport.abort()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def test_cut_holds_back_and_heal_delivers(fault_proxy):
    """A cut passes nothing and breaks nothing; healing delivers what was held back."""
    server, port = await _echo_server()
    proxy = await fault_proxy(port)
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    writer.write(b"one")
    assert b"one" == await asyncio.wait_for(reader.read(10), 5)
    proxy.cut()
    writer.write(b"two")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(10), 0.2)
    proxy.heal()
    assert b"two" == await asyncio.wait_for(reader.read(10), 5)
    writer.close()
    server.close()


async def test_reset_and_refuse(fault_proxy):
    """Reset breaks every connection; refuse closes the port; accept opens the same one."""
    server, port = await _echo_server()
    proxy = await fault_proxy(port)
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    writer.write(b"one")
    assert b"one" == await asyncio.wait_for(reader.read(10), 5)
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(10), 5)
    writer.close()
    await proxy.refuse()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(proxy.host, proxy.port)
    await proxy.accept()
    _reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    writer.close()
    server.close()
