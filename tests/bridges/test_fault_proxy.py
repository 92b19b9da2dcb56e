"""The fault proxy itself: what the fault tests lean on."""

from __future__ import annotations

import asyncio

import pytest

from uns.testing import Line

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


async def test_a_line_delays_and_splits(fault_proxy):
    """A line takes its delay, and passes pieces one after the other, in order."""
    server, port = await _echo_server()
    proxy = await fault_proxy(port)
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    loop = asyncio.get_running_loop()
    proxy.line = Line(delay_s=0.1)
    began = loop.time()
    writer.write(b"slow")
    assert b"slow" == await asyncio.wait_for(reader.readexactly(4), 5)
    assert loop.time() - began > 0.19
    proxy.line = Line(piece=1, pause_s=0.05)
    writer.write(b"drops")
    assert b"d" == await asyncio.wait_for(reader.read(10), 5)
    assert b"rops" == await asyncio.wait_for(reader.readexactly(4), 5)
    writer.close()
    server.close()


async def test_answers_are_spoilt_until_healed(fault_proxy):
    """Garbled answers keep their length; one truncated answer is half of it, and the end."""
    server, port = await _echo_server()
    proxy = await fault_proxy(port)
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    proxy.garble()
    writer.write(b"question")
    assert b"question" != await asyncio.wait_for(reader.readexactly(8), 5)
    proxy.heal()
    writer.write(b"question")
    assert b"question" == await asyncio.wait_for(reader.readexactly(8), 5)
    proxy.truncate()
    writer.write(b"question")
    assert b"ques" == await asyncio.wait_for(reader.read(), 5)
    writer.close()
    server.close()


async def test_a_stranded_client_is_told_nothing(fault_proxy):
    """Its connection stays open and silent; a new one gets through; answers alone can be cut."""
    server, port = await _echo_server()
    proxy = await fault_proxy(port)
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    writer.write(b"one")
    assert b"one" == await asyncio.wait_for(reader.read(10), 5)
    proxy.strand()
    writer.write(b"two")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(10), 0.2)
    fresh, onward = await asyncio.open_connection(proxy.host, proxy.port)
    onward.write(b"three")
    assert b"three" == await asyncio.wait_for(fresh.read(10), 5)
    proxy.cut_answers()
    onward.write(b"four")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(fresh.read(10), 0.2)
    proxy.heal()
    assert b"four" == await asyncio.wait_for(fresh.read(10), 5)
    for end in (writer, onward):
        end.close()
    server.close()
