"""An S7 session with peers that refuse, lie, dawdle or are something else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import struct
import sys
import time

import pytest

from bridges.s7 import S7Config
from bridges.s7.link import CpuRefusal, S7Link, Stretch
from uns.errors import DeviceError
from uns.sim.s7_server import S7Server

pytest.importorskip("snap7", reason="python-snap7 is not installed")

pytestmark = pytest.mark.slow

TWO = [Stretch("DB", 1, 0, 4), Stretch("DB", 1, 8, 3)]
GOOD = bytes.fromhex("ff04002001020304ff040018050607")  # what answers TWO
HELLO = bytes.fromhex("03000016 11d00001000100c0010ac1020100c2020101")
SETUP_DONE = bytes.fromhex("f0000001000100f0")  # 240 bytes


def _config(port, **settings):
    return S7Config(host="127.0.0.1", port=port, **({"timeout_s": 0.5} | settings))


def _message(pdu):
    return struct.pack(">BBH3s", 3, 0, len(pdu) + 7, b"\x02\xf0\x80") + pdu


def _answer(request, data, *, parameters=b"\x04\x02", kind=3, error=0, reference=None):
    asked = struct.unpack_from(">H", request, 4)[0] if reference is None else reference
    head = struct.pack(">BBHHHHH", 0x32, kind, 0, asked, len(parameters), len(data), error)
    return head + parameters + data


@contextlib.asynccontextmanager
async def _scripted(answer):
    """A CPU that connects as it should, and whose every other request goes to `answer`."""
    tasks = {}

    async def serve(reader, writer):
        tasks[asyncio.current_task()] = writer
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                length = struct.unpack(">BBH", await reader.readexactly(4))[2]
                message = await reader.readexactly(length - 4)
                if message[1] == 0xE0:
                    writer.write(HELLO)
                elif message[3:][10] == 0xF0:
                    writer.write(_message(_answer(message[3:], b"", parameters=SETUP_DONE)))
                else:
                    await answer(message[3:], writer)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in tasks.values():
            writer.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)


def _always(data, **more):
    async def answer(request, writer):
        writer.write(_message(_answer(request, data, **more)))

    return answer


@contextlib.asynccontextmanager
async def _linked(port, **settings):
    link = await S7Link.connect(_config(port, **settings))
    try:
        yield link
    finally:
        began = time.monotonic()
        await link.close()
        await link.close()
        assert time.monotonic() - began < 2


async def test_an_answer_as_it_should_be():
    """Each stretch gets its bytes, the filling between them left out."""
    async with _scripted(_always(GOOD)) as port, _linked(port) as link:
        assert 240 == link.pdu
        assert [b"\1\2\3\4", b"\5\6\7"] == await link.read(TWO)


async def test_a_refused_stretch_spoils_no_other():
    """The CPU's code for one item, and the bytes of its neighbour."""
    for refused in ("0a000000", "05000004"):  # Siemens' and Snap7's ways to say it
        data = bytes.fromhex(refused) + GOOD[8:]
        async with _scripted(_always(data)) as port, _linked(port) as link:
            first, second = await link.read(TWO)
            assert int(refused[:2], 16) == first.code
            assert b"\5\6\7" == second


@pytest.mark.parametrize(
    ("data", "more"),
    [
        (GOOD[:-1], {}),
        (GOOD[:7], {}),
        (b"", {}),
        (GOOD + b"\0\0\0\0", {}),
        (bytes.fromhex("ff04ffff") + bytes(100), {}),
        (bytes.fromhex("ff040010 0102") + GOOD[8:], {}),
        (GOOD, {"parameters": b"\x04\x01"}),
        (GOOD, {"parameters": b"\x05\x02"}),
        (GOOD, {"parameters": b""}),
        (GOOD, {"reference": 0xBEEF}),
        (GOOD, {"kind": 1}),
    ],
)
async def test_an_answer_to_another_question_ends_the_session(data, more):
    """What is cut, too long, or of another request is never taken for values."""
    async with _scripted(_always(data, **more)) as port, _linked(port) as link:
        with pytest.raises(DeviceError, match=r"answers another question|breaks off"):
            await link.read(TWO)
        with pytest.raises(DeviceError):
            await link.read(TWO)


async def test_garbage_of_any_kind_is_a_device_error():
    """Random bytes, endless ones, and none: an error in time, never a hang."""

    async def noise(_request, writer):
        writer.write(os.urandom(3000))

    async def short(_request, writer):
        writer.write(_message(b"\x32"))

    async def empty(_request, writer):
        writer.write(b"\x03\x00\x00\x00" * 10)

    for answer in (noise, short, empty):
        async with _scripted(answer) as port, _linked(port) as link:
            with pytest.raises(DeviceError):
                await link.read(TWO)


async def test_a_trickle_is_not_waited_for():
    """One byte now and then does not keep a request alive beyond its time."""

    async def trickle(request, writer):
        for byte in _message(_answer(request, GOOD)):
            writer.write(bytes((byte,)))
            await asyncio.sleep(0.1)

    async with _scripted(trickle) as port, _linked(port) as link:
        began = time.monotonic()
        with pytest.raises(DeviceError, match="does not answer within"):
            await link.read(TWO)
        assert time.monotonic() - began < 2


async def test_put_get_off_and_the_same_code_later():
    """Before anything was read it concerns the CPU; afterwards that one request."""
    off = _always(b"", parameters=b"", kind=2, error=0x8104)
    async with _scripted(off) as port, _linked(port) as link:
        with pytest.raises(DeviceError, match="PUT/GET is not permitted"):
            await link.read(TWO)
    asked = []

    async def later(request, writer):
        asked.append(request)
        await (_always(GOOD) if len(asked) == 1 else off)(request, writer)

    async with _scripted(later) as port, _linked(port) as link:
        await link.read(TWO)
        with pytest.raises(CpuRefusal) as caught:
            await link.read(TWO)
        assert 0x8104 == caught.value.code


async def test_a_request_that_was_interrupted_ends_the_session():
    """An answer that nobody waited for can not be taken for another's."""

    async def never(_request, _writer):
        await asyncio.sleep(0)

    async with _scripted(never) as port, _linked(port, timeout_s=5) as link:
        reading = asyncio.create_task(link.read(TWO))
        await asyncio.sleep(0.05)
        reading.cancel()
        await asyncio.wait([reading], timeout=1)
        assert reading.cancelled()
        with pytest.raises(DeviceError, match="interrupted"):
            await link.read(TWO)


async def test_why_there_is_no_session(free_port):
    """Nobody there, nobody answering, hung up, and something that is no S7: each its sentence."""
    with pytest.raises(DeviceError, match="refused the connection"):
        await S7Link.connect(_config(free_port))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(DeviceError, match=r"does not answer within 0\.3 s"):
            await S7Link.connect(_config(port, connect_timeout_s=0.3))
    for said, sentence in ((b"", "closed the connection"), (b"SSH-2.0-x\r\n", "is not S7")):
        async with await asyncio.start_server(_saying(said), "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(DeviceError, match=sentence) as caught:
                await S7Link.connect(_config(port))
            assert caught.value.hint


def _saying(words):
    async def serve(reader, writer):
        writer.write(words)
        await reader.read(100)
        writer.close()

    return serve


async def test_a_session_that_is_cancelled_while_it_connects_leaves_nothing():
    """No socket stays open of a connection that was not wanted any more."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connecting = asyncio.create_task(S7Link.connect(_config(silent.getsockname()[1])))
        await asyncio.sleep(0.1)
        connecting.cancel()
        await asyncio.wait([connecting], timeout=1)
        assert connecting.cancelled()
        peer, _ = silent.accept()
        with peer:
            peer.settimeout(1)
            while peer.recv(100):
                pass  # until the end that our side made


async def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    """Opening a session names the package that is missing, and the command that installs it."""
    monkeypatch.setitem(sys.modules, "snap7.async_client", None)
    with pytest.raises(DeviceError, match="needs the package python-snap7") as caught:
        await S7Link.connect(_config(1))
    assert "uns-bridge[s7]" in caught.value.hint


async def test_our_cpu_outlives_whatever_is_sent_to_it():
    """Messages that break off or mean nothing end their own connection, and no other."""
    noise = random.Random(7)
    async with S7Server({("DB", 1): 20}) as server, _linked(server.port) as link:
        for length in [*range(1, 60), 300]:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            body = b"\x02\xf0\x80\x32" + bytes((noise.choice((1, 7)),)) + noise.randbytes(length)
            writer.write(struct.pack(">BBH", 3, 0, len(body) + 4) + body)
            writer.write_eof()
            await asyncio.wait_for(reader.read(), 2)
            writer.close()
            await writer.wait_closed()
        assert [bytes(4)] == await link.read(TWO[:1])


async def test_the_library_has_what_we_use():
    """The one private name of python-snap7 that a session is cut off by is there."""
    async with S7Server({("DB", 1): 20}) as server, _linked(server.port) as link:
        assert link._client.connection._writer.transport is not None
