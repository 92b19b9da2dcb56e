"""Whatever others publish, the namespace service goes on serving."""

from __future__ import annotations

import asyncio
import json
import secrets

import pytest

from uns.message import Message
from uns.metric import DataType, Quality
from uns.mqtt import Broker, Session, connect
from uns.service.broker import EmbeddedBroker
from uns.sparkplug import EdgeNode, MetricDefinition, NodeId

pytestmark = pytest.mark.slow

PUMP = "acme/leeds/utilities/water/pump1"
PROJECT = """\
enterprise: acme
types: {pump: {tags: {flow: {unit: L/min}}}}
bindings: {plc: {driver: modbus, connection: {host: 127.0.0.1}, tags: {flow: "hr:100 float32"}}}
instances: [{path: leeds/utilities/water/pump1, is: pump, bind: plc}]
"""
OURS = NodeId("acme:leeds", "utilities:water")
NOW = 1_800_000_000_000


def edge(node: NodeId, device: str, topic: str, metric: str = "flow") -> EdgeNode:
    """An edge node with one device of one metric, which says that it is `topic`."""
    definition = MetricDefinition(metric, DataType.FLOAT, {"uns": topic, "schema": "pump/1"})
    return EdgeNode(node, {device: [definition]}, bd_seq=0)


async def born(session: Session, made: EdgeNode, device: str, metric: str, value: float) -> None:
    made.will()
    made.advance()
    alias = made.alias_of(device, metric)
    made.observed(device, [(alias, value, Quality.GOOD, NOW)], NOW)
    made.device_up(device, NOW)
    for message in made.connected(NOW):
        await session.publish(message)


async def shown(uns, url: str) -> dict[str, object]:
    """What the modelled tag shows."""
    ended = await asyncio.to_thread(uns, "get", f"{PUMP}/flow", "--json", "-b", url)
    return json.loads(ended.out) if ended.out else {}


async def becomes(uns, url: str, value: float, running) -> None:
    async with asyncio.timeout(30):
        while (await shown(uns, url)).get("value") != value:
            assert running.process.poll() is None, running.err


async def test_the_namespace_survives_what_others_publish(uns, start, tmp_path) -> None:
    """Garbage, retained garbage, a megabyte, and a stranger who says that it is our pump."""
    (tmp_path / "plant.yaml").write_text(PROJECT)
    async with EmbeddedBroker() as broker:
        enemy = await connect(Broker.parse(broker.url), "enemy")
        garbage = ["spBv1.0/acme:leeds/DBIRTH/utilities:water/pump1", "spBv1.0/a/NBIRTH/b",
                   "spBv1.0/STATE/uns", "spBv1.0/x", "spBv1.0/a/FLY/b/c/d/e", f"{PUMP}/flow"]  # fmt: skip
        for topic in garbage:
            await enemy.publish(Message(topic, secrets.token_bytes(64), 1, retain=True))
        running = start("run", tmp_path, "-b", broker.url, "--only", "namespace")
        async with asyncio.timeout(30):
            while (await shown(uns, broker.url)).get("quality") != "GoodNoData":
                assert running.process.poll() is None, running.err
        ours = edge(OURS, "pump1", f"{PUMP}/flow")
        await born(enemy, ours, "pump1", "flow", 3.5)
        await becomes(uns, broker.url, 3.5, running)

        for topic in garbage:
            for payload in (b"", secrets.token_bytes(300), b"{}", b"\xff" * 1_000_000):
                await enemy.publish(Message(topic.replace("acme:leeds", "other"), payload, 1))
        stranger = edge(NodeId("evil", "node"), "device", f"{PUMP}/flow")
        await born(enemy, stranger, "device", "flow", 666.0)
        await asyncio.sleep(2)
        assert 3.5 == (await shown(uns, broker.url))["value"]

        alias = ours.alias_of("pump1", "flow")
        for message in ours.observed("pump1", [(alias, 4.5, Quality.GOOD, NOW + 9)], NOW + 9):
            await enemy.publish(message)
        await becomes(uns, broker.url, 4.5, running)
        assert 0 == await asyncio.to_thread(running.leave)
        await enemy.close()
    assert "Traceback" not in running.err
