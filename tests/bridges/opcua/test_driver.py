"""The OPC UA driver against a real server."""

from __future__ import annotations

import asyncio
import time

import pytest
from asyncua import ua, uamethod

from bridges.driver import (
    BoundTag,
    CanBrowse,
    CanCall,
    CanDescribe,
    CanHistory,
    CanReadNow,
    CanResume,
    CanWrite,
)
from bridges.opcua import OpcUaConfig, OpcUaDriver
from uns.errors import DeviceError
from uns.metric import DataType, Quality
from uns.sim.opcua_server import OpcUaServer, ServedTag

pytestmark = pytest.mark.slow

NAMESPACE = "urn:test:filler"
WHEN_MS = 1_767_868_200_123


async def until(is_true, within_s=10):
    async with asyncio.timeout(within_s):
        while not is_true():
            await asyncio.sleep(0.02)


async def test_every_type_is_read(driver, collecting, tags_at):
    """Numbers, truths, texts and times arrive as Python's own types, under our handles."""
    names = ["s=Speed", "s=Good", "s=Running", "s=Recipe", "s=Since", "s=Small", "s=Serial"]
    tags = tags_at(driver.config, *names, "i=1004")
    assert [""] * 8 == [result.problem for result in await driver.bind(tags)]
    sink = collecting()
    await until(lambda: len(sink.values) == 8)
    expected = [1.5, 7, True, "Größe 1", WHEN_MS, -5, 2**63, 42]
    assert expected == [sink.values[tag.handle][0] for tag in tags]
    assert {Quality.GOOD} == {quality for _, quality, _ in sink.values.values()}


async def test_changes_arrive_with_their_source_time(server, driver, collecting, tags_at):
    """What the PLC's program writes is what is read: value, time, quality."""
    await driver.bind(tags_at(driver.config, "s=Speed", "s=Good", "s=Recipe"))
    sink = collecting()
    await until(lambda: len(sink.values) == 3)
    await server.write([("Speed", 2.5, WHEN_MS)])
    await server.write([("Good", 8, WHEN_MS)], status="BadSensorFailure")
    await server.write([("Recipe", "old", WHEN_MS)], status="UncertainLastUsableValue")
    await until(lambda: [WHEN_MS] * 3 == [value[2] for value in sink.values.values()])
    assert (2.5, Quality.GOOD, WHEN_MS) == sink.values[100]
    assert (None, Quality.BAD, WHEN_MS) == sink.values[101]
    assert ("old", Quality.STALE, WHEN_MS) == sink.values[102]


async def test_an_idle_server_shows_that_it_is_alive(driver, collecting, tags_at):
    """Without any change, signs of life come more often than every second."""
    await driver.bind(tags_at(driver.config, "s=Speed"))
    sink = collecting()
    await until(lambda: sink.values)
    before = sink.signs
    await asyncio.sleep(2)
    assert before < sink.signs
    assert driver.keepalive_s <= 1


async def test_no_change_of_a_deliver_every_tag_is_lost(server, driver, collecting, tags_at):
    """Changes faster than the publishing interval queue on the server and arrive in order."""
    await driver.bind(tags_at(driver.config, "s=Good", every=True))
    sink = collecting()
    await until(lambda: sink.values)
    for value in range(1000, 1020):
        await server.write([("Good", value, WHEN_MS)])
    await until(lambda: sink.values[100][0] == 1019)
    values = [reading[1] for batch in sink.batches for reading in batch]
    assert list(range(1000, 1020)) == values[-20:]


async def test_each_tag_has_its_own_verdict(driver, tags_at):
    """No such node, no such namespace, not a variable: sentences, and the others are bound."""
    addresses = ["s=Speed", "s=Nowhere", "nsu=urn:nobody;s=Speed", "ns=0;i=85"]
    results = await driver.bind(tags_at(driver.config, *addresses))
    assert [
        "",
        "the server has no such node",
        f"the server has no namespace `urn:nobody`; it has {driver.config.namespace}",
        "the node is an object or folder, not a variable",
    ] == [_without_own_namespace(result.problem) for result in results]


def _without_own_namespace(sentence: str) -> str:
    before, it_has, namespaces = sentence.partition("it has ")
    return before + it_has + namespaces.split(", ")[-1]


async def test_values_are_written_in_the_variables_type(server, driver, tags_at):
    """Whatever type Python has for it; the server would refuse the wrong one."""
    names = ["s=Speed", "s=Good", "s=Running", "s=Recipe", "s=Since", "s=Small", "i=1004"]
    values = [3, 9.0, 1, "Größe 2", WHEN_MS + 1000, -128, 12]
    tags = tags_at(driver.config, *names)
    assert [""] * 7 == await driver.write(list(zip(tags, values, strict=True)))
    assert [3.0, 9, True, "Größe 2", -128, 12] == [
        server.read(name) for name in ("Speed", "Good", "Running", "Recipe", "Small", 1004)
    ]


async def test_a_write_that_cannot_be_says_why(server, driver, tags_at):
    """Each refused value has a sentence, and the ones beside it are written."""
    names = ["s=Good", "s=Good", "s=Serial", "s=Nowhere", "s=Recipe", "s=Speed"]
    values = [-1, 1.5, 1, 1, 5, 9]
    problems = await driver.write(list(zip(tags_at(driver.config, *names), values, strict=True)))
    assert [
        "`-1` does not fit a variable of type UInt32",
        "`1.5` does not fit a variable of type UInt32",
        "this user may not do that",
        "the server does not say what type the variable has",
        "`5` does not fit a variable of type String",
        "",
    ] == problems
    assert (7, 9.0) == (server.read("Good"), server.read("Speed"))


async def test_a_server_that_takes_few_items_at_once_gets_them_in_parts(tags_at):
    """Its operation limit is asked for and kept: 250 tags in requests of 100."""
    tags = [ServedTag(f"T{n}", DataType.INT32, n) for n in range(250)]
    async with OpcUaServer(NAMESPACE, tags, max_items_per_call=100) as server:
        config = OpcUaConfig(endpoint=server.endpoint, namespace=NAMESPACE)
        driver = OpcUaDriver(config)
        await driver.open()
        try:
            results = await driver.bind(tags_at(config, *[f"s=T{n}" for n in range(250)]))
            assert [] == [result for result in results if result.problem]
        finally:
            await driver.close()


async def test_a_wrong_password_is_said_in_words():
    """The error names what the engineer has to look at; the right one opens the session."""
    async with OpcUaServer(NAMESPACE, [], users={"uns": "right"}) as server:
        wrong = OpcUaConfig(endpoint=server.endpoint, auth={"user": "uns", "password": "wrong"})
        driver = OpcUaDriver(wrong)
        with pytest.raises(DeviceError) as caught:
            await driver.open()
        await driver.close()
        assert "auth" in caught.value.hint
        right = OpcUaConfig(endpoint=server.endpoint, auth={"user": "uns", "password": "right"})
        driver = OpcUaDriver(right)
        await driver.open()
        await driver.close()


async def test_an_anonymous_client_that_is_not_wanted_is_told_so():
    """The server's offer is read before anything is tried."""
    async with OpcUaServer(NAMESPACE, [], users={"uns": "right"}) as server:
        driver = OpcUaDriver(OpcUaConfig(endpoint=server.endpoint))
        with pytest.raises(DeviceError, match="does not take anonymous clients") as caught:
            await driver.open()
        await driver.close()
        assert "auth" in caught.value.hint


async def test_closing_leaves_no_session_behind(server, driver, tags_at):
    """The server has neither session nor subscription of ours afterwards."""
    await driver.bind(tags_at(driver.config, "s=Speed"))
    core = server._server.iserver
    assert 1 == len(core._external_sessions)
    began = time.monotonic()
    await driver.close()
    assert time.monotonic() - began < 2
    assert ({}, {}) == (core._external_sessions, core.subscription_service.subscriptions)


async def test_bound_tags_are_read_now(server, driver, tags_at):
    """Asked for out of turn: the present value, and BAD for a tag that is not bound."""
    await driver.bind(tags_at(driver.config, "s=Speed", "s=Good", "s=Nowhere"))
    await server.write([("Speed", 7.25, WHEN_MS)])
    readings = await driver.read_now([101, 100, 102, 999])
    assert [101, 100, 102, 999] == [reading[0] for reading in readings]
    assert (100, 7.25, Quality.GOOD, WHEN_MS) == readings[1]
    assert [7, 7.25, None, None] == [reading[1] for reading in readings]
    await driver.unbind([100])
    assert [(100, None, Quality.BAD, 0)] == await driver.read_now([100])


async def test_names_lead_to_variables(tags_at, collecting):
    """Browse paths are resolved when they are bound; each missing name is told where it ends."""
    tags = [
        ServedTag("a", DataType.DOUBLE, 1.5, path=("Line1", "Filler", "Speed")),
        ServedTag("b", DataType.DOUBLE, 2.5, path=("Line1", "Filler", "Sp/ed [1]")),
        ServedTag("c", DataType.DOUBLE, 3.5, True, path=("Line1", "Speed")),
    ]
    async with OpcUaServer(NAMESPACE, tags) as server:
        config = OpcUaConfig(endpoint=server.endpoint, publishing_s=0.05)
        driver = OpcUaDriver(config)
        await driver.open()
        space = driver._session._namespaces.index(NAMESPACE)
        names = [
            "/Objects/Line1/Filler/Speed",
            "/Objects/Line1/Filler/Sp&/ed &[1&]",
            f"/Objects/{space}:Line1/Speed",
            "/Objects/0:Line1/Speed",
            "/Objects/Line1/Capper/Speed",
            "/Objects/Line1",
        ]
        bound = tags_at(config, *names)
        assert [
            "",
            "",
            "",
            "the server has no `0:Line1` in /Objects",
            "the server has no `Capper` in /Objects/Line1",
            "the node is an object or folder, not a variable",
        ] == [result.problem for result in await driver.bind(bound)]
        assert [1.5, 2.5, 3.5] == [r[1] for r in await driver.read_now([100, 101, 102])]
        assert ["", "the server has no `Capper` in /Objects/Line1"] == await driver.write(
            [(bound[2], 9), (bound[4], 9)]
        )
        assert 9.0 == server.read("c")
        await driver.close()


async def test_arrays_of_our_own_server(tags_at):
    """All elements for a tag of an array type."""
    tags = [ServedTag("Lanes", DataType.INT32, [1, 2, 3], True)]
    async with OpcUaServer(NAMESPACE, tags) as server:
        driver = OpcUaDriver(OpcUaConfig(endpoint=server.endpoint, namespace=NAMESPACE))
        await driver.open()
        (single,) = tags_at(driver.config, "s=Lanes")
        whole = BoundTag(7, single.address, DataType.INT32_ARRAY)
        await driver.bind([single, whole])
        assert [None, (1, 2, 3)] == [r[1] for r in await driver.read_now([100, 7])]
        assert [""] == await driver.write([(whole, [4, 5])])
        assert [4, 5] == server.read("Lanes")
        await driver.close()


async def test_methods_of_our_own_server_are_called(server, driver):
    """The object that has the method is found by itself; a server's reason is told."""
    core = server._server

    @uamethod
    def add(_parent, one, other):
        return one + other

    kinds = [ua.VariantType.Int64, ua.VariantType.Int64]
    node = ua.NodeId("Add", 2)
    await core.nodes.objects.add_method(node, "2:Add", add, kinds, [ua.VariantType.Int64])
    assert [7] == await driver.call(driver.parse("/Objects/Add", driver.config), [3, 4.0])
    with pytest.raises(DeviceError, match="no such method"):
        await driver.call(driver.parse("s=Speed", driver.config), [])
    with pytest.raises(DeviceError, match="no `Sub` in /Objects"):
        await driver.call(driver.parse("/Objects/Sub", driver.config), [])


@pytest.mark.parametrize(
    "ability", [CanBrowse, CanCall, CanDescribe, CanHistory, CanReadNow, CanResume, CanWrite]
)
def test_it_can_whatever_the_protocol_can(ability):
    """The runtime looks for each of these by its methods."""
    assert isinstance(OpcUaDriver(OpcUaConfig(endpoint="opc.tcp://plc")), ability)


async def test_a_name_that_two_namespaces_have_needs_its_number(tags_at):
    """The connection's own namespace comes first; without one, both spellings are offered."""
    async with OpcUaServer(NAMESPACE, []) as server:
        core = server._server
        for value, space in ((1.5, await core.register_namespace("urn:other")), (2.5, 2)):
            await core.nodes.objects.add_variable(space, "Speed", value)
        for namespace, expected in ((NAMESPACE, ""), ("", "there are 2 nodes called `Speed`")):
            driver = OpcUaDriver(OpcUaConfig(endpoint=server.endpoint, namespace=namespace))
            await driver.open()
            (result,) = await driver.bind(tags_at(driver.config, "/Objects/Speed"))
            assert result.problem.startswith(expected)
            assert bool(result.problem) is bool(expected)
            await driver.close()


async def test_nothing_is_logged_about_a_lost_session(server, driver, caplog):
    """The library's own warnings and tracebacks stay out of the log; the caller gets a sentence."""
    running = asyncio.create_task(driver.run(_Nowhere()))
    await asyncio.sleep(0.2)
    await server.stop()
    with pytest.raises(DeviceError, match="connection lost"):
        await running
    ours = [record for record in caplog.records if record.name.startswith("asyncua.client")]
    assert [] == ours


class _Nowhere:
    def readings(self, batch):
        pass

    def alive(self):
        pass

    async def ready(self):
        pass
