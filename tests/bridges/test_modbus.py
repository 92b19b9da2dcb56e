"""The Modbus driver against real servers: what it reads and writes, and what breaks it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import struct
import subprocess
import time

import pytest

from bridges.driver import BoundTag, CanCount, CanWrite
from bridges.modbus import ModbusConfig, ModbusDriver
from bridges.modbus.mbap import MbapClient
from uns.errors import DeviceError
from uns.metric import DataType, Quality
from uns.sim.modbus_server import ModbusServer

pytestmark = pytest.mark.slow

GOOD, BAD = int(Quality.GOOD), int(Quality.BAD)

# Registers written by hand: what devices of each byte order have in their memory.
MEMORY = {
    "hr:0 float32": ("40490FDB", 3.1415927410125732),
    "hr:2 float32 CDAB": ("0FDB4049", 3.1415927410125732),
    "hr:4 float32 BADC": ("4940DB0F", 3.1415927410125732),
    "hr:6 float32 DCBA": ("DB0F4940", 3.1415927410125732),
    "hr:8 float64 CDAB": ("2D18544421FB4009", 3.141592653589793),
    "hr:12 int32 BADC": ("FEFFC01D", -123456),
    "hr:14 uint32 CDAB": ("56781234", 0x12345678),
    "hr:16 int16": ("FFFE", -2),
    "hr:17 uint16 BADC": ("3412", 0x1234),
    "hr:18.0": ("8001", True),
    "hr:18.7": ("8001", False),
    "hr:18.15": ("8001", True),
    "hr:20 string[6]": ("4772C3BC6E00", "Grün"),
    "hr:24 string[6] BADC": ("6F56766C6369", "Volvic"),
    "hr:30 int64": ("FFFFFFFFFFFFFFFE", -2),
}


async def _opened(port, texts, *, datatype=DataType.FLOAT, **settings):
    """A driver in session, with a tag for each address; the handles are the places in `texts`."""
    config = ModbusConfig(host="127.0.0.1", port=port, **({"timeout_s": 1.0} | settings))
    driver = ModbusDriver(config)
    await driver.open()
    tags = [BoundTag(at, driver.parse(text, config), datatype) for at, text in enumerate(texts)]
    assert all(not result.problem for result in await driver.bind(tags))
    return driver, tags


@contextlib.asynccontextmanager
async def _session(port, texts, **settings):
    driver, tags = await _opened(port, texts, **settings)
    handles = range(len(tags))
    try:
        yield driver, handles
    finally:
        await driver.close()


def _values(readings):
    """Values by handle; a tag that is not Good is None."""
    assert len(readings) == len({handle for handle, *_ in readings})
    assert all((quality == GOOD) == (value is not None) for _, value, quality, _ in readings)
    return {handle: value for handle, value, _, _ in readings}


def _listed(readings):
    values = _values(readings)
    return [values[handle] for handle in sorted(values)]


@contextlib.asynccontextmanager
async def _scripted(answer):
    """A server whose every request is handed to `answer(header, pdu, writer)`."""
    sessions = {}

    async def serve(reader, writer):
        sessions[asyncio.current_task()] = writer
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                header = struct.unpack(">HHHB", await reader.readexactly(7))
                await answer(header, await reader.readexactly(header[2] - 1), writer)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in sessions.values():
            writer.transport.abort()
        await asyncio.gather(*sessions, return_exceptions=True)


def _answer(header, pdu, first=0):
    """A right answer to a read of registers: each holds `first` plus its own number."""
    _, start, count = struct.unpack(">BHH", pdu)
    body = struct.pack(f">{count}H", *(first + start + at for at in range(count)))
    reply = bytes((pdu[0], len(body))) + body
    return struct.pack(">HHHB", header[0], 0, len(reply) + 1, header[3]) + reply


# ---------------------------------------------------------------- what it reads and writes


async def test_every_type_and_order_is_read_from_bytes_written_by_hand():
    """Registers filled by hand come out as the values they stand for, in one request."""
    async with ModbusServer() as server:
        for text, (wire, _) in MEMORY.items():
            start = 2 * int(text.split(":")[1].split()[0].split(".")[0])
            raw = bytes.fromhex(wire)
            server[1].memory["hr"][start : start + len(raw)] = raw
        async with _session(server.port, list(MEMORY)) as (driver, handles):
            before = int(time.time() * 1000)
            readings = await driver.read(handles)
            after = int(time.time() * 1000) + 1
        assert [value for _, value in MEMORY.values()] == _listed(readings)
        assert all(before <= at <= after for *_, at in readings)
        assert {(1, 3): 1} == server.requests


async def test_the_simulators_setter_stores_bytes_written_by_hand():
    """The server's typed setter, which shares no code with the driver, agrees with the vectors."""
    server = ModbusServer()
    for text, (_, value) in MEMORY.items():
        place, *words = text.split()
        start, _, bit = place[3:].partition(".")
        type_name, _, length = (words[0] if words else "bool").rstrip("]").partition("[")
        order = words[1] if len(words) > 1 else "ABCD"
        more = {"order": order, "bit": int(bit) if bit else None, "length": int(length or 0)}
        server[1].set("hr", int(start), value, type_name, **more)
        assert value == server[1].get("hr", int(start), type_name, **more)
    for text, (wire, _) in MEMORY.items():
        start = int(text[3:].split()[0].split(".")[0])
        stored = server[1].memory["hr"][2 * start :][: len(wire) // 2]
        assert wire == bytes(stored).hex().upper()


async def test_a_session_counts_its_requests():
    """One block is one request, and the health of the connection can tell."""
    async with ModbusServer() as server:
        driver, _ = await _opened(server.port, ["hr:0 int16", "hr:1 int16"])
        assert isinstance(driver, CanCount)
        for scans in (1, 2, 3):
            await driver.read((0, 1))
            assert scans == driver.requests
        await driver.close()


async def test_writing_and_reading_back():
    """Coils, registers, numbers of many words, texts and single bits are written as read."""
    texts = ["co:3", "hr:0 int16", "hr:2 float32 CDAB", "hr:8 string[5] BADC", "hr:20.4", "hr:30"]
    async with ModbusServer() as server:
        server[1].set("hr", 20, 0xFFEF)
        driver, tags = await _opened(server.port, texts, datatype=DataType.DOUBLE)
        assert isinstance(driver, CanWrite)
        values = [True, -7, 3.25, "Öl", True, 2.5]
        assert [""] * 6 == await driver.write(list(zip(tags, values, strict=True)))
        assert values == _listed(await driver.read(range(6)))
        assert 0xFFFF == server[1].get("hr", 20)
        assert {5: 1, 6: 1, 16: 3, 22: 1} == {
            f: n for (_, f), n in server.requests.items() if f > 4
        }
        await driver.close()


@pytest.mark.parametrize(
    ("text", "value", "problem"),
    [
        ("ir:0 int16", 1, "input registers cannot be written"),
        ("di:0", True, "discrete inputs cannot be written"),
        ("hr:0 int16", 40_000, "40000 does not fit int16"),
        ("hr:0 float32", 1e39, "does not fit float32"),
        ("hr:0 float32", float("nan"), "is no number"),
        ("hr:0 int16", 1.5, "1.5 is no whole number"),
        ("hr:0 int16", "1", "is no number"),
        ("hr:0 int16", None, "is no number"),
        ("co:0", 2, "neither true nor false"),
        ("hr:0.1", "on", "neither true nor false"),
        ("hr:0 string[4]", "Volvic", "longer than 4 bytes"),
        ("hr:0 string[4]", 4, "is no text"),
        ("hr:9000 int16", 1, "it has no such address (exception 2)"),
    ],
)
async def test_a_write_that_cannot_be_is_a_sentence(text, value, problem):
    """What does not fit, or the device refuses, is told and changes nothing."""
    async with ModbusServer(cells=100) as server:
        driver, tags = await _opened(server.port, [text])
        (said,) = await driver.write([(tags[0], value)])
        assert problem in said
        assert bytes(200) == bytes(server[1].memory["hr"])
        await driver.close()


async def test_a_write_without_an_answer_says_that_it_is_not_known():
    """A write that was not confirmed in time is told as such, never as done."""
    async with ModbusServer() as server:
        driver, tags = await _opened(server.port, ["hr:0 int16"])
        server.hang()
        (said,) = await driver.write([(tags[0], 1)])
        assert "did not confirm the write" in said
        await driver.close()


async def test_a_text_without_length_is_a_problem_of_its_tag_alone():
    """Binding tells which tag cannot be read; the others are, and so is the tag once corrected."""
    async with ModbusServer() as server:
        config = ModbusConfig(host="127.0.0.1", port=server.port)
        driver = ModbusDriver(config)
        await driver.open()
        tags = [
            BoundTag(0, driver.parse("hr:0", config), DataType.STRING),
            BoundTag(1, driver.parse("hr:5", config), DataType.INT16),
        ]
        results = await driver.bind(tags)
        assert "how long its text is" in results[0].problem
        assert "" == results[1].problem
        handles = [0, 1]
        assert [None, 0] == _listed(await driver.read(handles))
        await driver.bind([BoundTag(0, driver.parse("hr:0 string[4]", config), DataType.STRING)])
        assert ["", 0] == _listed(await driver.read(handles))
        await driver.close()


async def test_a_write_passes_between_the_requests_of_a_scan():
    """A write does not wait for a whole scan, and disturbs none of its answers."""
    texts = [f"hr:{100 * at} int16" for at in range(20)]
    async with ModbusServer() as server:
        driver, tags = await _opened(server.port, texts)
        handles = range(20)
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(driver.read(handles))
            writing = tasks.create_task(driver.write([(tags[19], 7)]))
        assert [""] == writing.result()
        assert [0] * 19 + [7] == _listed(reading.result())
        await driver.close()


async def test_five_thousand_mixed_tags_take_fewer_than_a_hundred_requests():
    """A scan of about 5,000 registers, floats and holes is packed into under 100 requests."""
    texts = [f"hr:{2 * at} float32" for at in range(4000) if at % 7]
    texts += [f"hr:{8000 + at} int16" for at in range(1500)]
    texts += [f"co:{at}" for at in range(64)]
    async with (
        ModbusServer() as server,
        _session(server.port, texts, timeout_s=2) as (driver, handles),
    ):
        readings = await driver.read(handles)
        assert len(texts) == len(_values(readings))
        assert sum(server.requests.values()) < 100


# ---------------------------------------------------------------- programs that others wrote


def _mbpoll(port, *arguments):
    if shutil.which("mbpoll") is None:
        pytest.skip("mbpoll is not installed (Debian package mbpoll)")
    command = ["mbpoll", "-m", "tcp", "-p", str(port), "-0", "-1", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    return done.stdout + done.stderr


async def test_mbpoll_reads_and_writes_our_server():
    """An independent master agrees with our server on registers, words, floats and coils."""
    async with ModbusServer(units=[3]) as server:
        server[3].set("hr", 10, 0x12345678, "uint32")
        server[3].set("ir", 20, -1.5, "float32")
        server[3].set("co", 5, True)
        run = asyncio.to_thread
        shown = await run(_mbpoll, server.port, "-a3", "-r10", "-c2", "-t4:hex", "127.0.0.1")
        assert "0x1234" in shown
        assert "0x5678" in shown
        shown = await run(_mbpoll, server.port, "-a3", "-B", "-r20", "-t3:float", "127.0.0.1")
        assert "-1.5" in shown
        shown = await run(_mbpoll, server.port, "-a3", "-r4", "-c3", "-t0", "127.0.0.1")
        assert ["[4]: \t0", "[5]: \t1", "[6]: \t0"] == shown.split("\n")[-5:-2]
        await run(_mbpoll, server.port, "-a3", "-r30", "-t4", "127.0.0.1", "77", "78")
        assert (77, 78) == (server[3].get("hr", 30), server[3].get("hr", 31))
        await run(_mbpoll, server.port, "-a3", "-r7", "-t0", "127.0.0.1", "1", "0", "1")
        assert [1, 0, 1] == list(server[3].memory["co"][7:10])
        shown = await run(_mbpoll, server.port, "-a3", "-r9999", "-c5", "127.0.0.1")
        assert "Illegal data address" in shown


LIBMODBUS_SERVER = r"""
#include <modbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv) {
  modbus_t *bus = modbus_new_tcp("127.0.0.1", atoi(argv[1]));
  modbus_mapping_t *map = modbus_mapping_new(100, 100, 100, 100);
  uint16_t words[] = {0x4049, 0x0FDB, 0x0FDB, 0x4049, 0x4940, 0xDB0F, 0xDB0F, 0x4940, 0xFFFE};
  for (int i = 0; i < 9; i++) map->tab_registers[i] = words[i];
  map->tab_input_registers[7] = 0x8001;
  map->tab_bits[3] = 1;
  map->tab_input_bits[99] = 1;
  int listening = modbus_tcp_listen(bus, 1);
  puts("READY");
  fflush(stdout);
  alarm(30);
  while (modbus_tcp_accept(bus, &listening) >= 0) {
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    int length;
    while ((length = modbus_receive(bus, query)) >= 0)
      if (length > 0) modbus_reply(bus, query, length, map);
    modbus_close(bus);
  }
  return 0;
}
"""


@pytest.fixture
def libmodbus_port(tmp_path, free_port):
    """A server compiled against libmodbus, which shares nothing with us but the standard."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed (Debian package gcc)")
    source = tmp_path / "server.c"
    source.write_text(LIBMODBUS_SERVER)
    program = tmp_path / "server"
    command = ["gcc", str(source), "-I/usr/include/modbus", "-lmodbus", "-o", str(program)]
    built = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if built.returncode:
        pytest.skip("libmodbus is not installed (Debian package libmodbus-dev)")
    with subprocess.Popen([program, str(free_port)], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert "READY\n" == server.stdout.readline()
        yield free_port
        server.kill()


async def test_a_libmodbus_server_is_read_and_written(libmodbus_port):
    """Every table, order and write function works against a server that others wrote."""
    texts = [f"hr:{2 * at} float32 {order}" for at, order in enumerate(("ABCD", "CDAB"))]
    texts += ["hr:4 float32 BADC", "hr:6 float32 DCBA", "hr:8 int16", "ir:7.15", "ir:7.1"]
    texts += ["co:3", "co:4", "di:99", "hr:95 float64", "hr:99 int32"]
    driver, tags = await _opened(libmodbus_port, texts)
    handles = range(len(texts))
    pi = 3.1415927410125732
    expected = [pi, pi, pi, pi, -2, True, False, True, False, True, 0.0, None]
    assert expected == _listed(await driver.read(handles))
    items = [(tags[1], 2.5), (tags[4], 300), (tags[7], False), (tags[10], -1e300)]
    assert [""] * 4 == await driver.write(items)
    values = _values(await driver.read(handles))
    assert [2.5, 300, False, -1e300] == [values[tag.handle] for tag, _ in items]
    await driver.close()


# ---------------------------------------------------------------- addresses that do not exist


async def test_an_illegal_address_spoils_its_own_tag_only():
    """A hole in the register map costs its tag; neighbours are read, and it is not asked again.

    Binding a tag once more does not make the driver forget what it learnt.
    """
    texts = [f"hr:{at} uint16" for at in range(100)]
    async with (
        ModbusServer() as server,
        _session(server.port, texts) as (driver, handles),
    ):
        server[1].forbidden.add(("hr", 61))
        for at in range(100):
            server[1].set("hr", at, at)
        expected = [None if at == 61 else at for at in range(100)]
        assert expected == _listed(await driver.read(handles))
        assert sum(server.requests.values()) < 20
        server.requests.clear()
        config = driver.config
        again = [BoundTag(5, driver.parse("hr:5 uint16", config), DataType.FLOAT)]
        assert "" == (await driver.bind(again))[0].problem
        assert expected == _listed(await driver.read(handles))
        assert sum(server.requests.values()) < 10


async def test_a_refused_address_is_tried_again(monkeypatch):
    """A tag that was Bad because of its address comes back when the device learns it."""
    monkeypatch.setattr("bridges.modbus.scan._REFUSED_REST_S", 1.0)
    async with (
        ModbusServer() as server,
        _session(server.port, ["hr:0 int16", "hr:1 int16"]) as (driver, handles),
    ):
        server[1].forbidden.add(("hr", 1))
        assert [0, None] == _listed(await driver.read(handles))
        server[1].forbidden.clear()
        assert [0, None] == _listed(await driver.read(handles))
        await asyncio.sleep(1.1)
        assert [0, 0] == _listed(await driver.read(handles))


async def test_a_wrong_register_map_does_not_hold_up_the_scan():
    """With every address wrong, a scan asks a bounded number of times, and others are read."""
    texts = [f"hr:{at} uint16" for at in range(50, 1050)] + ["ir:0 int16"]
    async with (
        ModbusServer(cells=50) as server,
        _session(server.port, texts) as (driver, handles),
    ):
        for scan in range(40):
            server.requests.clear()
            values = _listed(await driver.read(handles))
            assert [None] * 1000 + [0] == values
            assert sum(server.requests.values()) <= 200, scan
        assert {(1, 4): 1} == server.requests


async def test_an_unknown_function_is_not_asked_for_each_tag():
    """A device without a table is asked for it once, not once for each tag."""

    async def answer(header, pdu, writer):
        requests.append(pdu[0])
        reply = bytes((pdu[0] | 0x80, 1))
        if pdu[0] == 4:
            writer.write(struct.pack(">HHHB", header[0], 0, 3, header[3]) + reply)
        else:
            writer.write(_answer(header, pdu))

    requests: list[int] = []
    texts = [f"ir:{at} int16" for at in range(20)] + ["hr:5 int16"]
    async with _scripted(answer) as port, _session(port, texts) as (driver, handles):
        assert [None] * 20 + [5] == _listed(await driver.read(handles))
        assert [4, 3] == requests


# ---------------------------------------------------------------- units that fail


UNITS = ["1/hr:0 int16", "2/hr:0 int16", "3/hr:0 int16"]


async def test_a_silent_unit_costs_three_time_outs_and_then_rests(monkeypatch):
    """A dead unit's tags are Bad, the others go on, it is left alone for a while, and returns."""
    monkeypatch.setattr("bridges.modbus.units._FIRST_REST_S", 2.0)
    async with (
        ModbusServer(units=[1, 2, 3]) as server,
        _session(server.port, UNITS, timeout_s=0.4) as (driver, handles),
    ):
        server[2].is_on = False
        for _ in range(5):
            assert [0, None, 0] == _listed(await driver.read(handles))
        assert 3 == server.requests[2, 3]
        assert 5 == server.requests[3, 3]
        server[2].is_on = True
        assert [0, None, 0] == _listed(await driver.read(handles))
        await asyncio.sleep(2.1)
        assert [0, 0, 0] == _listed(await driver.read(handles))
        assert [0, 0, 0] == _listed(await driver.read(handles))


async def test_many_silent_units_cost_one_time_out_in_each_scan():
    """With half of a gateway's units dead, healthy ones are read about as often as before."""
    texts = [f"{unit}/hr:0 int16" for unit in range(1, 9)]
    async with (
        ModbusServer(units=range(1, 9)) as server,
        _session(server.port, texts, timeout_s=0.4) as (driver, handles),
    ):
        for unit in (1, 3, 5, 7):
            server[unit].is_on = False
        assert [None, 0] * 4 == _listed(await driver.read(handles))
        for _ in range(8):
            before = server.requests.total()
            assert [None, 0] * 4 == _listed(await driver.read(handles))
            assert 5 == server.requests.total() - before
        assert [3] * 4 == [server.requests[unit, 3] for unit in (1, 3, 5, 7)]
        assert [None, 0] * 4 == _listed(await driver.read(handles))
        assert [9 + 1] * 4 == [server.requests[unit, 3] for unit in (2, 4, 6, 8)]


@pytest.mark.parametrize("code", [4, 5, 6, 10, 11])
async def test_a_gateway_that_reports_a_dead_unit(code):
    """Exceptions about the device concern its unit: no tag is blamed, others go on."""
    async with (
        ModbusServer(units=[1, 2, 3]) as server,
        _session(server.port, [*UNITS, "2/hr:900 int16"]) as (driver, handles),
    ):
        server[2].gateway_code = code
        for _ in range(5):
            assert [0, None, 0, None] == _listed(await driver.read(handles))
        assert 3 == server.requests[2, 3]


async def test_a_rest_doubles_up_to_five_minutes():
    """A unit that stays dead is asked less and less: 10 s, 20 s, … 300 s; an answer ends that."""
    from bridges.modbus.units import Unit

    unit, now_s, rests = Unit(2, "10.2.1.20:502"), 0.0, []
    for _ in range(10):
        unit.failed(now_s, "no answer in time", is_silent=True)
        began = now_s
        while unit.rests(now_s):
            now_s += 1.0
        rests.append(now_s - began)
    assert [0, 0, 10, 20, 40, 80, 160, 300, 300, 300] == rests
    unit.answered()
    unit.failed(now_s, "no answer in time", is_silent=True)
    assert not unit.rests(now_s)


async def test_a_block_that_is_never_answered_does_not_take_its_unit_along():
    """A device that swallows requests for some registers keeps all its other tags."""

    async def answer(header, pdu, writer):
        asked.append(pdu[2])
        if pdu[2] != 50:
            writer.write(_answer(header, pdu))

    asked: list[int] = []
    texts = ["hr:10 int16", "hr:50 int16", "hr:90 int16"]
    async with (
        _scripted(answer) as port,
        _session(port, texts, timeout_s=0.4) as (driver, handles),
    ):
        for _ in range(6):
            assert [10, None, 90] == _listed(await driver.read(handles))
        assert (6, 3) == (asked.count(90), asked.count(50))


# ---------------------------------------------------------------- links that fail


async def test_no_answer_from_any_unit_ends_the_session():
    """When nobody answers any more, the session is over - though TCP is up."""
    async with ModbusServer(units=[1, 2, 3]) as server:
        async with _session(server.port, UNITS, timeout_s=0.4) as (driver, handles):
            assert [0, 0, 0] == _listed(await driver.read(handles))
            server.hang()
            with pytest.raises(DeviceError, match="no answer from unit 1, 2, 3 within"):
                await driver.read(handles)
        server.resume()
        async with _session(server.port, UNITS) as (driver, handles):
            assert [0, 0, 0] == _listed(await driver.read(handles))


async def test_a_cut_cable_ends_the_session_in_time_and_closing_is_quick(fault_proxy):
    """A pulled cable is noticed after one time-out, and close() does not wait for it."""
    async with ModbusServer() as server:
        proxy = await fault_proxy(server.port)
        driver, _ = await _opened(proxy.port, ["hr:0 int16"])
        handles = [0]
        assert [0] == _listed(await driver.read(handles))
        proxy.cut()
        with pytest.raises(DeviceError, match="no answer"):
            await driver.read(handles)
        async with asyncio.timeout(2):
            await driver.close()
            await driver.close()


async def test_a_reset_and_a_restart(fault_proxy):
    """A broken connection raises at once; a fresh session reads again when the server is back."""
    async with ModbusServer() as server:
        proxy = await fault_proxy(server.port)
        driver, _ = await _opened(proxy.port, ["hr:0 int16"])
        handles = [0]
        await driver.read(handles)
        proxy.reset()
        with pytest.raises(DeviceError, match="closed the connection"):
            await driver.read(handles)
        await driver.close()
        await server.close()
        with pytest.raises(DeviceError, match="refused the connection"):
            await _opened(server.port, ["hr:0 int16"])
        await server.start()
        async with _session(server.port, ["hr:0 int16"]) as (again, handles):
            assert [0] == _listed(await again.read(handles))


async def test_who_hangs_up_without_any_answer_may_be_no_modbus_device():
    """The sentence comes with what to check, as that of a refused connection does."""

    async def hang_up(reader, writer):
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        driver, _ = await _opened(server.sockets[0].getsockname()[1], ["hr:0 int16"])
        with pytest.raises(DeviceError, match="closed the connection") as caught:
            await driver.read([0])
        await driver.close()
    assert "serves Modbus/TCP" in caught.value.hint


async def test_a_read_that_waits_fails_when_the_connection_breaks(fault_proxy):
    """Whoever waits for an answer learns at once that there will be none."""
    async with ModbusServer() as server:
        proxy = await fault_proxy(server.port)
        driver, _ = await _opened(proxy.port, ["hr:0 int16"], timeout_s=30)
        server.hang()
        async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(_failing_read(driver))
            await asyncio.sleep(0.1)
            proxy.reset()
        assert "closed the connection" in str(reading.result())
        await driver.close()
        server.resume()


async def _failing_read(driver):
    with pytest.raises(DeviceError) as caught:
        await driver.read([0])
    return caught.value


@pytest.mark.parametrize(
    "garbage",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        bytes.fromhex("0001 0001 0005 01 03 02 0000"),
        bytes.fromhex("0001 0000 FFFF 01 03 02 0000"),
        bytes.fromhex("0001 0000 0001 01 03 02 0000"),
        bytes.fromhex("0001 0000 0005 01 04 02 0000"),
        bytes.fromhex("0001 0000 0005 01 03 04 0000"),
        bytes.fromhex("0001 0000 0007 01 03 04 0000 0000"),
    ],
    ids=["http", "protocol", "huge", "tiny", "function", "count", "longer"],
)
async def test_garbage_ends_the_session(garbage):
    """What breaks the protocol - or answers another question - is never a value."""

    async def answer(header, pdu, writer):
        writer.write(garbage)

    async with _scripted(answer) as port, _session(port, ["hr:0 int16"]) as (driver, handles):
        with pytest.raises(DeviceError) as caught:
            await driver.read(handles)
        assert "Modbus/TCP" in caught.value.hint
        with pytest.raises(DeviceError):
            await driver.read(handles)


async def test_a_wrong_transaction_id_is_not_taken_for_an_answer():
    """An answer to a question that was not asked is dropped."""

    async def answer(header, pdu, writer):
        writer.write(_answer((header[0] + 1, *header[1:]), pdu))

    async with _scripted(answer) as port, _session(port, ["hr:7 int16"]) as (driver, handles):
        with pytest.raises(DeviceError, match="no answer"):
            await driver.read(handles)


async def test_a_late_answer_is_not_taken_for_the_next_one():
    """An answer that comes after its time-out does not become another tag's value."""

    async def answer(header, pdu, writer):
        if header[3] == 2:
            await asyncio.sleep(0.6)
        writer.write(_answer(header, pdu, first=100 * header[3]))

    texts = ["2/hr:5 int16", "1/hr:5 int16"]
    async with (
        _scripted(answer) as port,
        _session(port, texts, timeout_s=0.4) as (driver, handles),
    ):
        for _ in range(3):
            assert [None, 105] == _listed(await driver.read(handles))


async def test_a_trickle_is_an_answer():
    """One byte every 10 ms is slow, not wrong."""

    async def answer(header, pdu, writer):
        for byte in _answer(header, pdu):
            writer.write(bytes((byte,)))
            await asyncio.sleep(0.01)

    async with (
        _scripted(answer) as port,
        _session(port, ["hr:7 int16", "hr:8 int16"], timeout_s=2) as (driver, handles),
    ):
        assert [7, 8] == _listed(await driver.read(handles))


async def test_answers_in_one_piece_and_in_any_order():
    """With several requests in flight, merged and reordered answers find their tags."""
    waiting: list[bytes] = []

    async def answer(header, pdu, writer):
        waiting.append(_answer(header, pdu))
        if len(waiting) == 4:
            whole = b"".join(reversed(waiting))
            waiting.clear()
            writer.write(whole[:15])
            await writer.drain()
            await asyncio.sleep(0.02)
            writer.write(whole[15:])

    texts = [f"hr:{100 * at} int16" for at in range(1, 5)]
    async with (
        _scripted(answer) as port,
        _session(port, texts, max_in_flight=4, timeout_s=2) as (driver, handles),
    ):
        assert [100, 200, 300, 400] == _listed(await driver.read(handles))


async def test_a_cancelled_read_harms_nothing():
    """After a read was cancelled half-way, the next one is right and complete."""

    async def answer(header, pdu, writer):
        await asyncio.sleep(0.02)
        writer.write(_answer(header, pdu))

    texts = [f"hr:{100 * at} int16" for at in range(1, 9)]
    async with _scripted(answer) as port, _session(port, texts) as (driver, handles):
        for delay in (0.01, 0.05, 0.09):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(delay):
                    await driver.read(handles)
        assert [100 * at for at in range(1, 9)] == _listed(await driver.read(handles))


async def test_a_port_that_swallows_connections_is_given_up_in_time():
    """A connection that is never established fails after connect_timeout_s, not after minutes."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):  # fill the queue of connections that nobody accepts
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        port = full.getsockname()[1]
        async with asyncio.timeout(5):
            with pytest.raises(DeviceError, match=r"does not answer within 0\.2 s"):
                await _opened(port, [], connect_timeout_s=0.2)


async def test_two_hundred_sessions_leave_nothing_behind():
    """Sessions that end well or badly leave no task and no socket."""
    async with ModbusServer() as server:
        tasks = len(asyncio.all_tasks())
        for at in range(200):
            driver, _ = await _opened(server.port, ["hr:0 int16"])
            if at % 2:
                await driver.read([0])
            await driver.close()
        await asyncio.sleep(0.2)
        assert tasks == len(asyncio.all_tasks())


async def test_a_taken_port_is_named():
    """A simulated device that cannot listen says which port is taken."""
    async with ModbusServer() as server:
        with pytest.raises(DeviceError, match=f"127.0.0.1:{server.port}") as caught:
            await ModbusServer(port=server.port).start()
        assert str(server.port) in caught.value.hint


async def test_each_request_gives_up_in_its_own_time() -> None:
    """Requests that wait at the same time share a timer, and none waits longer or shorter for it."""
    async with ModbusServer() as server:
        server[1].is_on = False
        client = await MbapClient.connect(
            server.host, server.port, timeout_s=0.5, connect_timeout_s=2, max_in_flight=2
        )
        clock = asyncio.get_running_loop().time

        async def waited(pause_s: float) -> float:
            await asyncio.sleep(pause_s)
            began = clock()
            with pytest.raises(TimeoutError):
                await client.request(1, b"\x03\x00\x00\x00\x01")
            return clock() - began

        took = await asyncio.gather(waited(0), waited(0.3))
        server[1].is_on = True
        answer = await client.request(1, b"\x03\x00\x00\x00\x01")
        await client.close()
    assert all(0.45 < seconds < 5 for seconds in took)
    assert b"\x03\x02\x00\x00" == answer
