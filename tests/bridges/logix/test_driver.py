"""The Logix driver against our simulated controller."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace

import pytest

from bridges.driver import BoundTag, CanBrowse, CanDescribe, CanReadNow, CanWrite
from bridges.logix import LogixConfig, LogixDriver
from bridges.logix.driver import LogixDriver as Driver
from uns.errors import DeviceError
from uns.metric import DataType, Quality
from uns.sim.logix_server import LogixServer

pytestmark = pytest.mark.slow


async def _values(driver: Driver, tags: list[BoundTag]) -> dict[str, object]:
    """What is read at each address; the quality where it is not Good."""
    by_handle = {tag.handle: str(tag.address) for tag in tags}
    readings = await driver.read([tag.handle for tag in tags])
    assert len(tags) == len(readings)
    return {
        by_handle[handle]: value if quality == Quality.GOOD else Quality(quality)
        for handle, value, quality, _ in readings
    }


async def test_every_type_is_read_as_the_controller_has_it(driver, tags_at, shown):
    """Numbers of all sizes, truths, texts, bits, elements, members: one packet, no type asked."""
    tags = tags_at(*shown)
    assert [""] * len(tags) == [result.problem for result in await driver.bind(tags)]
    values = await _values(driver, tags)
    assert shown == values
    assert {path: type(value) for path, value in shown.items()} == {
        path: type(value) for path, value in values.items()
    }
    assert 1 == driver.packets_per_scan([tag.handle for tag in tags])
    assert isinstance(driver, CanBrowse)
    assert isinstance(driver, CanWrite)
    assert isinstance(driver, CanReadNow)
    assert isinstance(driver, CanDescribe)


async def test_the_time_is_between_question_and_answer(driver, tags_at):
    """Readings carry the time at which they were asked for: the protocol has none."""
    tags = tags_at("Speed")
    await driver.bind(tags)
    before = time.time() * 1000
    readings = await driver.read([100])
    assert before - 1 <= readings[0][3] <= time.time() * 1000 + 1


async def test_a_refused_tag_is_told_in_words_and_spoils_no_other(driver, tags_at):
    """Each mistake has its sentence; the neighbours in the same packet are read."""
    tags = tags_at(
        "Speed", "Nope", "Counts[301]", "Flags[64]", "Speed.3", "Good.40", "Filler", "Filler.Nope",
        "Grid[1]", "Flags[32]",
    )  # fmt: skip
    results = await driver.bind(tags)
    assert [
        "",
        "it has no such tag (CIP status 0x05)",
        "the index lies behind the end of the array (CIP status 0xFF/0x2105)",
        "the index lies behind the end of the array (CIP status 0xFF/0x2105)",
        "it is of type REAL, which has no bit 3",
        "it is of type DINT, which has no bit 40",
    ] == [result.problem for result in results[:6]]
    assert "name one of its members" in results[6].problem
    assert all(result.problem for result in results[7:9])
    values = await _values(driver, tags)
    assert (1.5, False, Quality.BAD) == (values["Speed"], values["Flags[32]"], values["Nope"])


async def test_neighbours_in_an_array_are_one_question(driver, server, tags_at):
    """A hundred elements are asked for in one request; those far away in another."""
    tags = tags_at(*(f"Counts[{n}]" for n in range(100)), "Counts[300]")
    await driver.bind(tags)
    server.requests.clear()
    values = await _values(driver, tags)
    assert (9, 300) == (values["Counts[9]"], values["Counts[300]"])
    assert (2, 1) == (server.requests[0x4C], server.requests[0x0A])


async def test_many_tags_take_few_packets(driver, server):
    """2,000 tags are a dozen packets on a large connection and fit those of a small one too."""
    for n in range(2000):
        server.declare(f"T{n}", "REAL")
    tags = [
        BoundTag(n, LogixDriver.parse(f"T{n}", driver.config), DataType.FLOAT) for n in range(2000)
    ]
    handles = [tag.handle for tag in tags]
    await driver.bind(tags)
    assert driver.packets_per_scan(handles) <= 12
    server.large = False
    old = LogixDriver(driver.config)
    await old.open()
    await old.bind(tags)
    assert {Quality.GOOD} == {quality for _, _, quality, _ in await old.read(handles)}
    assert driver.packets_per_scan(handles) < old.packets_per_scan(handles) <= 100
    await old.close()


async def test_values_are_written_in_the_tags_own_type(driver, server, tags_at):
    """Numbers, truths, texts, bits and elements arrive, and nothing beside them changes."""
    wanted = {
        "Speed": 2.5,
        "Small": -128,
        "Total": -(2**62),
        "Running": False,
        "Recipe": "Öl",
        "Status.4": True,
        "Flags[33]": True,
        "Counts[8]": 88,
        "Filler.Drive.Off": True,
        "Program:Main.Filler.Speed": 0.5,
    }
    tags = tags_at(*wanted)
    await driver.bind(tags)
    problems = await driver.write(list(zip(tags, wanted.values(), strict=True)))
    assert [""] * len(tags) == problems
    assert wanted == {path: server[path] for path in wanted}
    untouched = {"Status.5": True, "Flags[40]": True, "Counts[9]": 9, "Filler.Drive.On": True}
    assert untouched == {path: server[path] for path in untouched}
    now = {reading[0]: reading[1] for reading in await driver.read_now([100, 104, 105])}
    assert {100: 2.5, 104: "Öl", 105: True} == now


@pytest.mark.parametrize(
    ("address", "written"),
    [
        ("Small", (128, "does not fit a SINT")),
        ("Good", (1.5, "no whole number")),
        ("Good", ("7", "no number")),
        ("Good", (float("nan"), "no whole number")),
        ("Running", (2, "neither true nor false")),
        ("Status.5", (7, "neither true nor false")),
        ("Recipe", ("x" * 83, "longer than 82 bytes")),
        ("Recipe", (5, "no text")),
        ("Nope", (1, "has not told its type")),
    ],
)
async def test_what_does_not_fit_is_refused_before_it_is_sent(
    driver, server, tags_at, address, written
):
    """A sentence says why, and the controller is not asked."""
    value, says = written
    tags = tags_at(address)
    await driver.bind(tags)
    server.requests.clear()
    (problem,) = await driver.write([(tags[0], value)])
    assert says in problem
    assert 0 == server.requests.total()


async def test_a_tag_whose_type_changes_is_bad_until_it_is_learnt_anew(
    server, tags_at, monkeypatch
):
    """A new program in the controller gives no wrong value, and then the new one."""
    pytest.importorskip("pylogix")
    monkeypatch.setattr("bridges.logix.driver._LEARN_AGAIN_S", 0.2)
    driver = LogixDriver(LogixConfig(host=server.host, port=server.port))
    await driver.open()
    tags = tags_at("Speed", "Good", "Counts[3]", "Counts[4]")
    await driver.bind(tags)
    for path, kind in (("Speed", "LREAL"), ("Counts[9]", "INT")):
        _redeclare(server, path, kind)
    server["Speed"] = 3.25
    server["Counts[4]"] = 44
    bad = Quality.BAD
    expected = {"Speed": bad, "Good": 70_000, "Counts[3]": bad, "Counts[4]": bad}
    assert expected == await _values(driver, tags)
    assert expected == await _values(driver, tags)
    await asyncio.sleep(0.3)
    expected = {"Speed": 3.25, "Good": 70_000, "Counts[3]": 0, "Counts[4]": 44}
    assert expected == await _values(driver, tags)
    await driver.close()


def _redeclare(server: LogixServer, path: str, kind: str) -> None:
    name = path.partition("[")[0].lower()
    del server.memory._wanted[name]
    server.declare(path, kind)


async def test_an_unbound_tag_is_read_no_more(driver, tags_at):
    """What is forgotten costs no question; the others go on."""
    tags = tags_at("Speed", "Good")
    await driver.bind(tags)
    await driver.unbind([100])
    assert {"Speed": Quality.BAD, "Good": 70_000} == await _values(driver, tags)
    assert 1 == driver.packets_per_scan([100, 101])
    assert 0 == driver.packets_per_scan([100])


async def test_descriptions_tell_types_and_the_clock(driver, server, tags_at):
    """Each tag's own type, what is missing and why, and how far the clock is off."""
    server.ahead_us = 90_000_000
    survey = await driver.describe(tags_at("Speed", "Flags[40]", "Recipe", "Nope"))
    assert [DataType.FLOAT, DataType.BOOLEAN, DataType.STRING, None] == [
        one.datatype for one in survey.tags
    ]
    assert [False, False, False, True] == [one.is_missing for one in survey.tags]
    assert 90 == pytest.approx(survey.ahead_s, abs=1)


async def test_browsing_walks_structures_and_programs(driver):
    """Every elementary value has its node, with the address of a binding and its type."""
    nodes = {node.address: node async for node in driver.browse()}
    assert {
        "Counts": (DataType.INT32, True),
        "Filler.Alarms": (DataType.INT16, True),
        "Filler.Drive.Off": (DataType.BOOLEAN, False),
        "Filler.Drive.On": (DataType.BOOLEAN, False),
        "Filler.Drive.Temp": (DataType.FLOAT, False),
        "Filler.Name": (DataType.STRING, False),
        "Flags": (DataType.BOOLEAN, True),
        "Good": (DataType.INT32, False),
        "Grid": (DataType.INT16, True),
        "Lines[0].Speed": (DataType.FLOAT, False),
        "Lines[1].Speed": (DataType.FLOAT, False),
        "Lines[2].Speed": (DataType.FLOAT, False),
        "Middle": (DataType.INT16, False),
        "Precise": (DataType.DOUBLE, False),
        "Program:Main.Filler.Speed": (DataType.FLOAT, False),
        "Program:Main.Step": (DataType.INT32, False),
        "Recipe": (DataType.STRING, False),
        "Running": (DataType.BOOLEAN, False),
        "Serial": (DataType.UINT32, False),
        "Small": (DataType.INT8, False),
        "Speed": (DataType.FLOAT, False),
        "Status": (DataType.INT32, False),
        "Total": (DataType.INT64, False),
    } == {address: (nodes[address].datatype, nodes[address].is_array) for address in sorted(nodes)}
    assert ("Main", "Filler", "Speed") == nodes["Program:Main.Filler.Speed"].path
    below = [node.address async for node in driver.browse("filler.drive")]
    assert ["Filler.Drive.Temp", "Filler.Drive.On", "Filler.Drive.Off"] == below


async def test_five_hundred_tags_are_uploaded(driver, server):
    """A tag list of many packets is complete."""
    for n in range(500):
        server.declare(f"Machine_{n:03}_Temperature", "REAL")
    addresses = {node.address async for node in driver.browse()}
    assert {f"Machine_{n:03}_Temperature" for n in range(500)} <= addresses


async def test_a_hung_controller_costs_one_timeout_and_no_thread(driver, server, tags_at):
    """The session is over in time, says why, and stays over."""
    tags = tags_at("Speed")
    await driver.bind(tags)
    server.hang()
    began = time.monotonic()
    with pytest.raises(DeviceError, match="no answer within 1 s"):
        await driver.read([100])
    assert time.monotonic() - began < 3
    server.resume()
    with pytest.raises(DeviceError, match="no answer within 1 s"):
        await driver.read([100])
    await driver.close()
    await _no_worker(server.port)


async def test_closing_while_a_question_is_open_ends_the_thread(driver, server, tags_at):
    """Cancelled in the middle of a scan, it closes at once and leaves no thread."""
    await driver.bind(tags_at("Speed"))
    server.hang()
    reading = asyncio.create_task(driver.read([100]))
    await asyncio.sleep(0.2)
    reading.cancel()
    began = time.monotonic()
    await driver.close()
    assert time.monotonic() - began < 0.5
    await _no_worker(server.port)


async def _no_worker(port: int) -> None:
    async with asyncio.timeout(1):
        while any(
            thread.name.startswith(f"logix:127.0.0.1:{port}") for thread in threading.enumerate()
        ):
            await asyncio.sleep(0.02)


async def test_an_orderly_end_tells_the_controller(server):
    """The connection is closed at the controller too: it has few."""
    pytest.importorskip("pylogix")
    driver = LogixDriver(LogixConfig(host=server.host, port=server.port))
    await driver.open()
    assert 1 == server.clients
    await driver.close()
    async with asyncio.timeout(1):
        while server.clients:
            await asyncio.sleep(0.02)
    assert 1 == server.requests[0x4E]
    await driver.close()


async def test_a_controller_without_connections_left_is_told(server):
    """It answers and gives none: the sentence names the slot and what to look at."""
    pytest.importorskip("pylogix")
    server.connections = 0
    driver = LogixDriver(LogixConfig(host=server.host, port=server.port, slot=3))
    with pytest.raises(DeviceError, match="opens no connection to slot 3") as caught:
        await driver.open()
    assert "connections left" in caught.value.hint
    await driver.close()


async def test_an_idle_connection_is_kept(server, tags_at, monkeypatch):
    """One that is asked seldom is asked for its identity in between."""
    pytest.importorskip("pylogix")
    monkeypatch.setattr("bridges.logix.driver._IDLE_S", 0.1)
    driver = LogixDriver(LogixConfig(host=server.host, port=server.port))
    await driver.open()
    server.requests.clear()
    async with asyncio.timeout(2):
        while server.requests[0x03] < 2:
            await asyncio.sleep(0.02)
    await driver.bind(tags_at("Speed"))
    assert 1.5 == (await driver.read([100]))[0][1]
    await driver.close()


async def test_a_string_type_of_ones_own_is_a_text(driver, server, tags_at):
    """A structure of LEN and DATA is read and written as text; one without sense is Bad."""
    server.declare("Lot.Name.LEN", "DINT")
    server.declare("Lot.Name.DATA[19]", "SINT")
    numbers = [replace(tag, datatype=DataType.INT16) for tag in tags_at("Lot.Name", "Recipe")]
    results = await driver.bind(numbers)
    assert "give the tag the type string" in results[0].problem
    assert not results[1].problem  # a STRING is one, whatever is wanted
    tags = tags_at("Lot.Name", "Speed")
    assert ["", ""] == [result.problem for result in await driver.bind(tags)]
    assert [""] == await driver.write([(tags[0], "Größe 12")])
    assert {"Lot.Name": "Größe 12", "Speed": 1.5} == await _values(driver, tags)
    assert 10 == server["Lot.Name.LEN"]
    (problem,) = await driver.write([(tags[0], "x" * 21)])
    assert "longer than 17 bytes" in problem
    server["Lot.Name.LEN"] = 2**31 - 1
    assert {"Lot.Name": Quality.BAD, "Speed": 1.5} == await _values(driver, tags)


async def test_nobody_listening_is_told_with_what_to_check(free_port):
    """A refused connection names host, port and what to look at."""
    pytest.importorskip("pylogix")
    driver = LogixDriver(LogixConfig(host="127.0.0.1", port=free_port))
    with pytest.raises(DeviceError, match=f"127.0.0.1:{free_port}: it refused") as caught:
        await driver.open()
    assert caught.value.hint
    await driver.close()
