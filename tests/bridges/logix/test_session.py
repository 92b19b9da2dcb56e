"""The session with pylogix: what we rely on in it, and peers that do not keep to the protocol."""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import Callable

import pytest

from bridges.logix import LogixConfig, LogixDriver
from bridges.logix import session as session_module
from uns.errors import DeviceError

pylogix = pytest.importorskip("pylogix", reason="pip install 'uns-bridge[logix]'")
pytestmark = pytest.mark.slow

Answer = Callable[[bytes], bytes]


def test_the_parts_of_pylogix_that_we_use_are_there():
    """A version that names them otherwise fails here, not in a plant."""
    plc = pylogix.PLC("127.0.0.1", 3, 1.5, port=44_818)
    connection = plc.conn
    assert ("127.0.0.1", 3, 44_818) == (plc.IPAddress, plc.ProcessorSlot, plc.Port)
    assert 1 == connection._sequence_counter
    for name in ("connect", "send", "receive_data"):
        assert callable(getattr(connection, name))
    assert callable(plc.GetTagList)
    connection.Socket.close()
    connection.msg_socket.close()


async def _opened_against(answer: Answer) -> DeviceError:
    """What a driver says of a peer that answers each packet with what `answer` makes of it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while asked := await reader.read(4096):
                writer.write(answer(asked))
        except OSError:
            pass  # it had enough
        writer.close()
        ended.set()

    ended = asyncio.Event()
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        driver = LogixDriver(LogixConfig(host="127.0.0.1", port=port, timeout_s=0.3))
        with pytest.raises(DeviceError) as caught:
            await asyncio.wait_for(driver.open(), 5)
        await driver.close()
        await asyncio.wait_for(ended.wait(), 1)
    return caught.value


def _packet(command: int, body: bytes, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return struct.pack("<HHII8sI", command, size, 7, 0, b"", 0) + body


@pytest.mark.parametrize(
    "answer",
    [
        lambda asked: b"HTTP/1.1 400 Bad Request\r\n\r\n",
        lambda asked: b"\xff" * 100,
        lambda asked: b"\0" * 100,
        lambda asked: asked[:24],
        lambda asked: _packet(0x65, b"", 65_535) + b"\0" * 3000,
        lambda asked: _packet(asked[0], b"\0" * 60_000),
    ],
    ids=["another protocol", "ones", "zeros", "half", "long", "too much"],
)
async def test_garbage_ends_the_attempt_in_a_sentence(answer):
    """Whatever comes back, it is a DeviceError in time, and nothing is left."""
    error = await _opened_against(answer)
    assert str(error).startswith("127.0.0.1:")


async def test_answers_that_trickle_are_put_together(server, tags_at, fault_proxy):
    """One byte after the other is a slow controller, not a broken one."""
    proxy = await fault_proxy(server.port)
    driver = LogixDriver(LogixConfig(host="127.0.0.1", port=proxy.port))
    received = []

    def one_by_one(sock, count, until):
        part = bytearray()
        while len(part) < count:
            part += sock.recv(1)
        received.append(count)
        return bytes(part)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(session_module, "_exactly", one_by_one)
        await driver.open()
        await driver.bind(tags_at("Speed"))
        assert 1.5 == (await driver.read([100]))[0][1]
    assert received
    await driver.close()


async def test_an_answer_to_another_question_ends_the_session(server, tags_at, driver):
    """A sequence number that was not asked for is never taken for a value."""
    await driver.bind(tags_at("Speed"))
    plc = driver._session.plc
    taken = plc.conn.receive_data

    def other() -> bytes:
        packet = bytearray(taken())
        packet[44] ^= 1
        return bytes(packet)

    plc.conn.receive_data = other
    with pytest.raises(DeviceError, match="another question"):
        await driver.read([100])


async def test_a_thread_that_stands_still_is_abandoned(server):
    """Work that gets nothing from the device for too long ends the session, not the bridge."""
    driver = LogixDriver(LogixConfig(host=server.host, port=server.port, timeout_s=0.05))
    await driver.open()
    is_over = threading.Event()
    try:
        with pytest.raises(DeviceError, match="stood still"):
            await driver._session.run(is_over.wait)
        with pytest.raises(DeviceError, match="stood still"):
            await driver.read_now([])
    finally:
        is_over.set()
        await driver.close()


async def test_an_upload_without_an_end_is_ended(driver, monkeypatch):
    """A tag list that never ends is given up, with its reason."""
    monkeypatch.setattr("bridges.logix.driver.MOST_PACKETS", 1)
    with pytest.raises(DeviceError, match="do not come to an end"):
        async for _ in driver.browse():
            pass
