"""A simulated web server shows a project's tags as JSON, or as an MTConnect agent."""

from __future__ import annotations

import socket

import pytest

from bridges.driver import BoundTag
from bridges.http import HttpConfig, HttpDriver
from uns.equipment import Connection, Source, Tag
from uns.errors import DeviceError
from uns.metric import DataType, Quality
from uns.sim.endpoint import Showing
from uns.sim.http_endpoint import HttpEndpoint
from uns.testing import free_port
from uns.topic import Topic

pytestmark = pytest.mark.slow

NOW_MS = 1_767_868_200_000


def _served(config, *addresses, datatype=DataType.DOUBLE):
    return [
        Tag(
            f"t{number}",
            Topic(f"a/b/c/d/t{number}"),
            datatype=datatype,
            source=Source(config.key(), HttpDriver.parse(text, config), text),
        )
        for number, text in enumerate(addresses)
    ]


async def _opened(config, tags):
    driver = HttpDriver(config)
    await driver.open()
    await driver.bind([BoundTag(n, tag.source.address, tag.datatype) for n, tag in enumerate(tags)])
    return driver


async def test_json_stands_where_the_addresses_say():
    """Nested values, elements, the time, and a sensor that failed."""
    config = HttpConfig(url=f"http://127.0.0.1:{free_port()}/api", timestamp="$.ts")
    tags = _served(config, "/a $.weight.value", "/a $.lanes[1].ok", "/b $.x")
    endpoint = HttpEndpoint(Connection(config.key(), "http", config), tags)
    await endpoint.start([Showing(tag, 1.5 + n) for n, tag in enumerate(tags)], NOW_MS)
    driver = await _opened(config, tags)
    try:
        readings = await driver.read(range(3))
        assert [(0, 1.5), (1, 2.5), (2, 3.5)] == [reading[:2] for reading in readings]
        assert {(int(Quality.GOOD), NOW_MS)} == {reading[2:] for reading in readings}
        await endpoint.show([Showing(tags[0], 9.0, "BadSensorFailure")], NOW_MS + 1)
        failed, *_ = await driver.read(range(3))
        assert (0, None, Quality.BAD) == failed[:3]
    finally:
        await driver.close()
        await endpoint.stop()


async def test_an_agent_keeps_every_observation():
    """What is shown between two scans is read in order, with its times."""
    config = HttpConfig(url=f"http://127.0.0.1:{free_port()}", preset="mtconnect")
    tags = _served(config, "count", datatype=DataType.INT32)
    endpoint = HttpEndpoint(Connection(config.key(), "http", config), tags)
    await endpoint.start([Showing(tags[0], 1)], NOW_MS)
    driver = await _opened(config, tags)
    try:
        assert [(0, 1, Quality.GOOD, NOW_MS)] == await driver.read([0])
        for step in range(2, 6):
            await endpoint.show([Showing(tags[0], step)], NOW_MS + step)
        expected = [(0, step, Quality.GOOD, NOW_MS + step) for step in range(2, 6)]
        assert expected == await driver.read([0])
    finally:
        await driver.close()
        await endpoint.stop()


async def test_a_taken_port_is_named():
    """Somebody else listens there: the port and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = HttpConfig(url=f"http://127.0.0.1:{taken.getsockname()[1]}")
        tags = _served(config, "/a $.x")
        endpoint = HttpEndpoint(Connection(config.key(), "http", config), tags)
        with pytest.raises(DeviceError, match="cannot listen on"):
            await endpoint.start([Showing(tags[0], 1.0)], NOW_MS)
        await endpoint.stop()
