"""The S7 driver against our simulated CPU: what it reads and writes, and what it asks for that."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from bridges.driver import BoundTag, CanDescribe, CanReadNow, CanWrite
from bridges.s7 import S7Config, S7Driver
from bridges.s7.link import bundled
from uns.errors import DeniedError, DeviceError
from uns.metric import DataType, Quality
from uns.sim.s7_server import S7Server

pytest.importorskip("snap7", reason="python-snap7 is not installed")

pytestmark = pytest.mark.slow

D = DataType
READ, WRITE = 4, 5
SIZES = {("DB", 10): 600, ("DB", 20): 600, ("M", 0): 100, ("I", 0): 100, ("Q", 0): 100}


async def test_types_and_areas_are_read_in_one_request(session):
    """Numbers, bits and texts of data blocks, memory, inputs and outputs, with one time."""
    async with S7Server(SIZES) as server:
        memory = server.memory
        memory.set("DB", 10, 0, 1.5, "REAL")
        memory.set("DB", 10, 30, "Größe", "STRING", length=20)
        memory.set("DB", 20, 4, -5, "INT")
        memory.set("M", 0, 20, 7, "INT")
        memory.set("I", 0, 0, 0xBEEF, "WORD")
        memory.set("Q", 0, 1, True, "BOOL", bit=3)
        held = await session(
            server.port,
            "DB10.DBD0",
            ("DB10.DBB30:STRING[20]", D.STRING),
            ("DB20.DBW4", D.INT16),
            ("MW20:INT", D.INT16),
            ("EW0:WORD", D.UINT16),
            ("A1.3", D.BOOLEAN),
        )
        assert [""] * 6 == held.problems
        server.requests.clear()
        before = int(time.time() * 1000)
        readings = await held.driver.read(held.handles)
        assert 1 == len({at for *_, at in readings})
        assert before <= readings[0][3] <= time.time() * 1000 + 1
        assert {READ: 1} == server.requests
        assert [1.5, "Größe", -5, 7, 0xBEEF, True] == await held.values()


async def test_five_thousand_numbers_take_few_requests(session):
    """Tags that lie together are read together, as long as the CPU's messages allow."""
    async with S7Server({("DB", 1): 20_000}) as server:
        held = await session(server.port, *(f"DB1.DBD{4 * at}" for at in range(5000)))
        server.requests.clear()
        assert [0.0] * 5000 == await held.values()
        assert 44 == server.requests[READ] == held.driver.requests_per_scan(held.handles)


async def test_scattered_tags_share_requests(session):
    """Twenty places of twenty blocks are one request, not twenty."""
    async with S7Server({("DB", db): 10 for db in range(1, 41)}) as server:
        held = await session(server.port, *(f"DB{db}.DBD0" for db in range(1, 41)))
        server.requests.clear()
        assert [0.0] * 40 == await held.values()
        assert {READ: 2} == server.requests


def test_a_message_is_never_longer_than_the_cpu_takes():
    """Requests and their answers stay within the PDU, whatever is asked together."""
    for pdu in (112, 240, 480, 960):
        for size in (1, 2, 5, 33, 90, pdu - 18):
            parts = list(bundled([size] * 50, pdu))
            assert 50 == sum(part.stop - part.start for part in parts)
            for part in parts:
                count = part.stop - part.start
                assert 12 + 12 * count <= pdu
                assert 14 + count * (4 + size + size % 2) <= pdu + 1  # the last is not filled up


async def test_a_cpu_with_short_messages(session):
    """An S7-1200 takes 240 bytes: a long text comes in several messages, and goes so too."""
    async with S7Server({("DB", 1): 600}, pdu=240) as server:
        server.memory.set("DB", 1, 0, "", "STRING", length=254)
        held = await session(server.port, ("DB1.DBB0:STRING[254]", D.STRING), "DB1.DBD300")
        text = "Flasche " * 31
        assert ["", ""] == await held.write(text, 2.5)
        assert [text, 2.5] == await held.values()
        assert text == server.memory.get("DB", 1, 0, "STRING")


async def test_what_the_cpu_does_not_have_is_told_when_binding(session):
    """Each tag that is refused gets the CPU's reason, and its neighbours are read."""
    async with S7Server(SIZES) as server:
        server.memory.forbidden = {("DB", 20, 8)}
        held = await session(
            server.port, "DB10.DBD0", "DB10.DBD598", "DB11.DBD0", "DB20.DBD4", "DB20.DBD8"
        )
        assert ["", "", ""] == [held.problems[at] for at in (0, 3, 3)]
        assert "no such address" in held.problems[1]
        assert "no such data block" in held.problems[2]
        assert "protection" in held.problems[4]
        assert [0.0, None, None, 0.0, None] == await held.values()


async def test_a_block_that_is_missing_costs_few_requests(session):
    """Of thousands of tags in a block that is not there, or is short, few are asked for alone."""
    async with S7Server({("DB", 1): 10_000}) as server:
        held = await session(server.port, *(f"DB1.DBD{4 * at}" for at in range(5000)))
        assert 2500 == held.problems.count("")
        assert "" == held.problems[2499]
        assert "no such address" in held.problems[2500]
        assert server.requests[READ] < 60
        server.requests.clear()
        held = await session(server.port, *(f"DB2.DBD{4 * at}" for at in range(5000)))
        assert all("no such data block" in problem for problem in held.problems)
        assert server.requests[READ] < 60


async def test_a_text_without_length_is_a_problem_of_its_tag_alone(session):
    """Binding tells what is missing; the tag is read once its address says it."""
    async with S7Server(SIZES) as server:
        server.memory.set("DB", 10, 0, "Perla", "STRING", length=20)
        held = await session(server.port, ("DB10.DBB0", D.STRING), "DB10.DBD40")
        assert "how long its text is" in held.problems[0]
        assert [None, 0.0] == await held.values()
        corrected = held.driver.parse("DB10.DBB0:STRING[20]", held.driver.config)
        await held.driver.bind([BoundTag(0, corrected, D.STRING)])
        assert ["Perla", 0.0] == await held.values()


async def test_a_block_that_shrinks_while_it_is_read(session, caplog):
    """After a download what is gone is Bad, told once, and the rest goes on; and it comes back."""
    async with S7Server(SIZES) as server:
        held = await session(server.port, *(f"DB10.DBD{4 * at}" for at in range(100)))
        del server.memory["DB", 10][200:]
        with caplog.at_level(logging.INFO, "uns.bridge.s7"):
            seen = [await held.values() for _ in range(8)]
            assert [0.0] * 50 + [None] * 50 == seen[-1]
            server.memory.areas["DB", 10] += bytes(400)
            (scan,) = (planned.scan for planned in held.driver._scans.values())
            for block in scan.refused:
                block.asked_again_s = 0.001  # the minute is over
            assert [0.0] * 100 == await held.values()
        said = [record.getMessage() for record in caplog.records]
        assert any("refuses DB10 bytes" in line for line in said)
        assert any("gives DB10 bytes" in line for line in said)
        server.requests.clear()
        await held.values()
        assert {READ: 1} == server.requests, "whole again"


async def test_put_get_off_is_told_in_so_many_words(session):
    """A CPU that refuses to be read at all ends the session and says what to tick."""
    async with S7Server(SIZES) as server:
        server.permits_put_get = False
        with pytest.raises(DeniedError, match="PUT/GET is not permitted") as caught:
            await session(server.port, "DB10.DBD0")
        assert "TIA Portal" in caught.value.hint
        assert "Optimized" in caught.value.hint


async def test_writing_and_reading_back(session):
    """Numbers, texts and one bit of a byte are written as they are read."""
    async with S7Server(SIZES) as server:
        server.memory.set("DB", 10, 30, "Volvic", "STRING", length=20)
        server.memory["M", 0][20] = 0xEF
        held = await session(
            server.port,
            "DB10.DBD0",
            ("DB10.DBB30:STRING[20]", D.STRING),
            ("M20.4", D.BOOLEAN),
            ("QW2:INT", D.INT16),
        )
        assert all(isinstance(held.driver, can) for can in (CanWrite, CanReadNow, CanDescribe))
        assert [""] * 4 == await held.write(-2.5, "Öl", True, -7)
        assert [-2.5, "Öl", True, -7] == await held.values()
        assert 0xFF == server.memory["M", 0][20]
        assert bytes((20, 2)) == bytes(server.memory["DB", 10][30:32])


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        (("IW0:INT", D.INT16), 1, "inputs cannot be written"),
        (("DB10.DBW0:INT", D.INT16), 40_000, "40000 does not fit INT"),
        (("DB10.DBD598:REAL", D.FLOAT), 1.0, "no such address"),
        (("DB11.DBX0.1", D.BOOLEAN), True, "no such data block"),
        (("DB10.DBB30:STRING[20]", D.STRING), "Volvic", "the PLC's text holds 4 characters"),
        (("DB10.DBB30:STRING[20]", D.STRING), "日", "a WSTRING in the PLC can"),
    ],
)
async def test_a_write_that_cannot_be_is_a_sentence(session, place, value, problem):
    """What does not fit, or the CPU refuses, is told and changes nothing."""
    async with S7Server(SIZES) as server:
        server.memory["DB", 10][30] = 4
        before = {area: bytes(held) for area, held in server.memory.areas.items()}
        held = await session(server.port, place)
        (said,) = await held.write(value)
        assert problem in said
        assert before == {area: bytes(held) for area, held in server.memory.areas.items()}


async def test_a_write_without_an_answer_says_that_it_is_not_known(session):
    """A write that was not confirmed in time is told as such, and the session is over."""
    async with S7Server(SIZES) as server:
        held = await session(server.port, ("DB10.DBW0:INT", D.INT16), timeout_s=0.2)
        server.hang()
        (said,) = await held.write(1)
        assert "did not confirm the write" in said
        server.resume()
        with pytest.raises(DeviceError, match="does not answer"):
            await held.values()


async def test_reading_out_of_turn(session):
    """A few tags are asked for at once, while scans go on undisturbed."""
    async with S7Server(SIZES) as server:
        held = await session(server.port, *(f"DB10.DBD{4 * at}" for at in range(100)))
        server.memory.set("DB", 10, 12, 2.5, "REAL")
        async with asyncio.TaskGroup() as tasks:
            scanning = tasks.create_task(held.values())
            asking = tasks.create_task(held.driver.read_now((3, 999)))
        now = {handle: (value, quality) for handle, value, quality, _ in asking.result()}
        assert {3: (2.5, Quality.GOOD), 999: (None, Quality.BAD)} == now
        assert 2.5 == scanning.result()[3]


async def test_tags_come_and_go_while_others_are_read(session):
    """A tag that is unbound is not asked for any more; one that is added is."""
    async with S7Server(SIZES) as server:
        held = await session(server.port, "DB10.DBD0", "DB20.DBD0")
        await held.driver.unbind([1])
        assert [0.0, None] == await held.values()
        await held.driver.bind([held.tags[1]])
        assert [0.0, 0.0] == await held.values()


async def test_plans_do_not_pile_up(session):
    """Whoever asks with another list each time makes the driver keep no more than a few."""
    async with S7Server(SIZES) as server:
        held = await session(server.port, "DB10.DBD0")
        for _ in range(200):
            assert 1 == len(await held.driver.read([0]))
        assert len(held.driver._scans) <= 64


async def test_a_device_describes_its_tags(session):
    """Whether each is there, and whether it can be written; S7 knows no more."""
    async with S7Server(SIZES) as server:
        held = await session(server.port, "DB10.DBD0", "DB11.DBD0", ("IW0", D.INT16))
        told = (await held.driver.describe(held.tags)).tags
        assert ["", "", ""] == [told[0].problem, told[2].problem, told[0].unit]
        assert [False, True, False] == [one.is_missing for one in told]
        assert [True, True, False] == [one.is_writable for one in told]
        assert "no such data block" in told[1].problem


async def test_a_session_that_is_not_open_says_so():
    """Reading before `open` is a sentence; closing is always possible."""
    driver = S7Driver(S7Config(host="127.0.0.1", port=1))
    with pytest.raises(DeviceError, match="not open"):
        await driver.read((1,))
    await driver.close()
