"""The driver against a server that is not ours: node-opcua, when it is installed.

npm install node-opcua
UNS_NODE_MODULES=$PWD/node_modules pytest tests/bridges/opcua/test_node_opcua.py
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bridges.driver import BoundTag
from bridges.opcua import OpcUaConfig, OpcUaDriver
from uns.errors import DeviceError
from uns.metric import DataType, Quality

pytestmark = pytest.mark.slow


@pytest.fixture(params=["none", "auto"])
async def driver(node_endpoint: str, request: pytest.FixtureRequest, tmp_path: Path):
    """A session without security, and one with the server's best: signed and encrypted."""
    config = OpcUaConfig(
        endpoint=node_endpoint,
        namespace="urn:plant",
        publishing_s=0.1,
        security=request.param,
        certificates=str(tmp_path),
    )
    opened = OpcUaDriver(config)
    await opened.open()
    yield opened
    await opened.close()


async def until(is_true, within_s=10):
    async with asyncio.timeout(within_s):
        while not is_true():
            await asyncio.sleep(0.02)


async def test_its_values_are_read(driver, collecting, tags_at):
    """Types, texts, qualities and 64-bit integers of a server with another encoder than ours."""
    names = ["s=Bool", "s=Int16", "s=UInt32", "s=Int64", "s=Float", "s=String", "s=Bad"]
    results = await driver.bind(tags_at(driver.config, *names, "s=Uncertain", "s=Nowhere"))
    assert [""] * 8 + ["the server has no such node"] == [result.problem for result in results]
    sink = collecting()
    await until(lambda: len(sink.values) == 8)
    values = [sink.values[100 + n][0] for n in range(8)]
    assert [True, -5, 4_000_000_000, 77, 1.5, "Größe 1", None, 2.0] == values
    assert (Quality.BAD, Quality.STALE) == (sink.values[106][1], sink.values[107][1])


async def test_a_counter_arrives_without_gaps(driver, collecting, tags_at):
    """A `deliver: every` tag that counts ten times a second loses nothing between collections."""
    await driver.bind(tags_at(driver.config, "s=Counter", every=True))
    sink = collecting()
    await until(lambda: sum(len(batch) for batch in sink.batches) > 20)
    counted = [int(reading[1]) for batch in sink.batches for reading in batch]
    assert list(range(counted[0], counted[0] + len(counted))) == counted


async def test_it_takes_our_writes(driver, collecting, tags_at):
    """A value in the variable's type, without status and times, and read back."""
    tags = tags_at(driver.config, "s=Setpoint", "s=UInt32")
    await driver.bind(tags)
    sink = collecting()
    await until(lambda: sink.values)
    assert [""] == await driver.write([(tags[0], 12)])
    await until(lambda: sink.values.get(100, (None,))[0] == 12.0)
    assert await driver.write([(tags[1], "text")]) != [""]


async def test_its_limits_are_kept(driver, tags_at):
    """It takes 50 items in a request and 150 in a subscription; 200 are bound."""
    results = await driver.bind(tags_at(driver.config, *[f"s=T{n}" for n in range(200)]))
    assert [] == [result for result in results if result.problem]
    subscriptions = driver._session._link.kept.subscriptions.values()
    assert [150, 50] == [one.count for one in subscriptions]


async def test_arrays_are_read_whole_and_by_element(driver, collecting, tags_at):
    """A tag of an array type gets all values, `[1]` one of them, also to write; others are Bad."""
    element, beyond, single = tags_at(driver.config, "s=Lanes [1]", "s=Lanes [9]", "s=Lanes")
    whole = BoundTag(200, single.address, DataType.DOUBLE_ARRAY, 0.05)
    results = await driver.bind([element, beyond, single, whole])
    assert {"", "the array has no such element"} >= {result.problem for result in results}
    sink = collecting()
    await until(lambda: {100, 102, 200} <= set(sink.values))
    assert (2.5, Quality.GOOD) == sink.values[100][:2]
    assert ((1.5, 2.5, 3.5), Quality.GOOD) == sink.values[200][:2]
    assert (None, Quality.BAD) == sink.values[102][:2]
    assert [(100, 2.5), (200, (1.5, 2.5, 3.5)), (101, None)] == [
        reading[:2] for reading in await driver.read_now([100, 200, 101])
    ]
    assert [""] == await driver.write([(element, 7)])
    await until(lambda: sink.values[200][0] == (1.5, 7.0, 3.5))
    assert [""] == await driver.write([(whole, (1.5, 2.5, 3.5))])
    await until(lambda: sink.values[100][0] == 2.5)


async def test_its_variables_are_found_by_name(driver, tags_at):
    """Browse paths, through its limits, and what browsing says of one of them."""
    names = [f"/Objects/Line1/T{n}" for n in range(120)]
    assert {""} == {result.problem for result in await driver.bind(tags_at(driver.config, *names))}
    (lanes,) = [node async for node in driver.browse("/Objects/Line*/Lanes")]
    assert (("Line1", "Lanes"), "nsu=urn:plant;s=Lanes") == (lanes.path, lanes.address)
    assert (DataType.DOUBLE, True, True) == (lanes.datatype, lanes.is_array, lanes.is_writable)


async def test_its_methods_are_called(driver):
    """By node id or by name, with arguments in the types that the method wants."""
    for text in ("s=Scale", "/Objects/Line1/Scale"):
        method = driver.parse(text, driver.config)
        assert [4.5, ("a", "ö")] == await driver.call(method, [3, "a"])
    for arguments, says in (
        ([-1, "a"], "outside"),
        ([70_000, "a"], "does not fit the argument factor: Int16"),
        ([1], "takes 2 arguments and got 1"),
    ):
        with pytest.raises(DeviceError, match=says):
            await driver.call(method, arguments)
    with pytest.raises(DeviceError, match="no such method"):
        await driver.call(driver.parse("s=Nowhere", driver.config), [])


async def test_its_history_is_read_page_by_page(driver, tags_at):
    """Everything between two times, oldest first, though it takes more than one answer."""
    (tag,) = tags_at(driver.config, "s=Past")
    begin = 1_767_868_200_000
    told = await driver.history(tag, begin + 1, begin + 11_500)
    assert [(100, float(n), Quality.GOOD, begin + n) for n in range(1, 11_501)] == told
    assert [] == await driver.history(tag, begin - 5000, begin - 1000)
    (none,) = tags_at(driver.config, "s=Setpoint")
    with pytest.raises(DeviceError, match=r"no history|server answers"):
        await driver.history(none, begin, begin + 1000)
