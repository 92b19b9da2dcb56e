"""A simulated broker shows a project's tags in the shape that their addresses have."""

from __future__ import annotations

import asyncio

import pytest

from bridges.driver import BoundTag
from bridges.mqtt import MqttConfig, MqttDriver
from uns.equipment import Connection, Source, Tag
from uns.metric import DataType, Quality
from uns.sim.endpoint import Showing
from uns.sim.mqtt_endpoint import MqttEndpoint
from uns.testing import Collector, free_port
from uns.topic import Topic

pytestmark = pytest.mark.slow

NOW_MS = 1_767_868_200_000
ADDRESSES = (
    "legacy/cw/data $.weight.value",
    "legacy/cw/data $.lanes[1]['n ok']",
    "legacy/cw/state",
    "legacy/+/brand $.name",
)
VALUES = (501.5, 17.0, 3.0, "Café")


def _served(config):
    tags = []
    for number, text in enumerate(ADDRESSES):
        datatype = DataType.STRING if "brand" in text else DataType.DOUBLE
        source = Source(config.key(), MqttDriver.parse(text, config), text)
        tags.append(
            Tag(f"t{number}", Topic(f"a/b/c/d/t{number}"), datatype=datatype, source=source)
        )
    return tags


async def test_what_is_shown_is_what_the_driver_reads():
    """Nested values, plain ones, wildcards, the time, and a quality that is Bad."""
    config = MqttConfig(
        broker=f"mqtt://127.0.0.1:{free_port()}", timestamp="$.ts", quality="$.q", retained="good"
    )
    tags = _served(config)
    endpoint = MqttEndpoint(Connection(config.key(), "mqtt", config), tags)
    shown = [Showing(tag, value) for tag, value in zip(tags, VALUES, strict=True)]
    await endpoint.start(shown, NOW_MS)
    driver, sink = MqttDriver(config), Collector()
    try:
        await driver.open()
        bound = [BoundTag(n, tag.source.address, tag.datatype) for n, tag in enumerate(tags)]
        problems = [result.problem for result in await driver.bind(bound)]
        running = asyncio.create_task(driver.run(sink))
        assert ["", "", "", ""] == problems
        await _until(lambda: len({reading[0] for reading in sink.taken}) == 4)
        assert list(VALUES) == [sink.of(n)[-1][1] for n in range(4)]
        assert [NOW_MS, NOW_MS, NOW_MS] == [sink.of(n)[-1][3] for n in (0, 1, 3)]
        await endpoint.show([Showing(tags[0], 1.0, "BadSensorFailure")], NOW_MS + 1)
        await _until(lambda: sink.of(0)[-1][1:3] == (1.0, int(Quality.BAD)))
        running.cancel()
        await asyncio.wait([running])
    finally:
        await driver.close()
        await endpoint.stop()


async def _until(is_true):
    async with asyncio.timeout(10):
        while not is_true():
            await asyncio.sleep(0.02)
