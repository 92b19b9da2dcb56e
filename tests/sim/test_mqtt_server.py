"""The simulated plant-floor broker: its publisher comes back after a hang."""

from __future__ import annotations

import asyncio

import pytest

from uns.message import Message
from uns.mqtt import Broker, connect
from uns.packet import MQTT_3
from uns.sim.mqtt_server import MqttServer

pytestmark = pytest.mark.slow


async def test_a_publisher_that_was_dropped_says_it_once_more():
    """What is published next arrives, as after a process that hung longer than a keep-alive."""
    async with MqttServer() as server:
        reader = await connect(Broker("127.0.0.1", server.port), "reader", protocol=MQTT_3)
        await reader.subscribe([("plant/#", 0)])
        server._session.abort()
        await asyncio.sleep(0.1)
        async with asyncio.timeout(10):
            await server.publish([Message("plant/weight", b"12", 0, retain=False)])
            async for batch in reader.batches():
                assert ["plant/weight"] == [message.topic for message in batch]
                break
        await reader.close()
