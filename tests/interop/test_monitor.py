"""Our monitor on others and on ourselves: it names what they break, and we break nothing."""

from __future__ import annotations

import asyncio
import time

import pytest
from tap import graded

from uns.metric import DataType, Quality
from uns.mqtt import Broker
from uns.service.definitions import NODE_METRICS
from uns.service.namespace import NamespaceService
from uns.sparkplug import EdgeNode, MetricDefinition, NodeId
from uns.sparkplug.monitor import Kind, Outcome

pytestmark = pytest.mark.slow

NODE = NodeId("Plant 1", "Line 5")
OURS = NodeId("acme:leeds", "packaging:line1")
DEVICE = "Filler 1"
# What each of them breaks; UNSEEN is what stands in CONNECT, SUBSCRIBE and DISCONNECT, where
# only a tap can see it.
CLIENT_FAILS = {
    "tck-id-payloads-name-birth-data-requirement",  # its bdSeq has no timestamp
    "tck-id-payloads-metric-datatype-value",  # UInt32 in long_value
    "tck-id-message-flow-edge-node-birth-publish-will-message-payload-bdSeq",  # UInt64
    "tck-id-message-flow-edge-node-birth-publish-nbirth-payload-bdSeq",
}
CLIENT_FAILS_UNSEEN = {
    # 0 for ever; back within 2 s, its birth might be one that its death has overtaken
    "tck-id-topics-nbirth-bdseq-increment",
    "tck-id-message-flow-edge-node-birth-publish-will-message-qos",
    "tck-id-payloads-ndeath-will-message-qos",
    "tck-id-message-flow-edge-node-ncmd-subscribe",
    "tck-id-message-flow-device-dcmd-subscribe",
}
PYSPARKPLUG_FAILS = {
    "tck-id-payloads-ndeath-bdseq",  # dies with the number of the session to come
    "tck-id-topics-nbirth-rebirth-metric",
    "tck-id-payloads-nbirth-rebirth-req",
    "tck-id-operational-behavior-data-commands-rebirth-name",
    "tck-id-topics-ndata-payload",  # without a metric
}
PYSPARKPLUG_FAILS_UNSEEN = {
    "tck-id-message-flow-edge-node-birth-publish-will-message-qos",
    "tck-id-payloads-ndeath-will-message-qos",
    "tck-id-operational-behavior-edge-node-intentional-disconnect-ndeath",  # not this session's
    "tck-id-payloads-ndeath-will-message-publisher-disconnect-mqtt311",
}


def _now() -> int:
    return time.time_ns() // 1_000_000


def _failed(report, node: NodeId = NODE) -> set[str]:
    return {grade.id for grade in report.find(str(node)).failures}


async def _has_client_lived(peer, live, until) -> None:
    """sparkplug-client through births, data, a rebirth, a lost connection and a goodbye."""
    await until(lambda: live.slots(NODE, DEVICE), "the device is born")
    peer.tell(do="data", metrics=[["Inputs/PT 101", "Float", 3.5]])
    await live.ask_rebirth(NODE)
    await peer.hear("rebirth")
    peer.tell(do="drop")
    await peer.hear("birth")
    peer.tell(do="data", metrics=[["Inputs/PT 101", "Float", 4.5]])
    await until(lambda: live.value(NODE, DEVICE, "Inputs/PT 101") == 4.5, "it is back")
    peer.tell(do="stop")
    await until(lambda: len(live.payloads("NDEATH")) == 2, "it says goodbye")


async def test_sparkplug_client_is_graded(node, capture, mosquitto, live, until):
    """From what a subscriber sees, and with a tap at the broker its CONNECT too; we are right."""
    peer = await node("edge_node.js", mosquitto.url, NODE.group_id, NODE.edge_node_id)
    await peer.hear("birth")
    await _has_client_lived(peer, live, until)
    assert CLIENT_FAILS == _failed(live.report())
    tapped = graded(await capture.packets())
    assert CLIENT_FAILS | CLIENT_FAILS_UNSEEN == _failed(tapped)
    for report in (live.report(), tapped):
        assert () == report.find("uns", Kind.HOST).failures


async def test_pysparkplug_is_graded(pysparkplug, capture, mosquitto, live, until):
    """It cannot be asked for births, sends data of nothing, and dies as another than it lived."""
    peer = await pysparkplug(str(mosquitto.port), NODE.group_id, NODE.edge_node_id)
    await peer.ask(do="connect")
    await until(lambda: live.slots(NODE, DEVICE), "the device is born")
    await peer.ask(do="no_data", value=1.0)
    await live.ask_rebirth(NODE)
    await peer.ask(do="data", value=1.5)
    await until(lambda: live.value(NODE, DEVICE, "Inputs/PT 101") == 1.5, "data flows")
    await peer.ask(do="disconnect")
    await until(lambda: live.payloads("NDEATH"), "it says goodbye")
    assert PYSPARKPLUG_FAILS == _failed(live.report())
    tapped = graded(await capture.packets())
    assert PYSPARKPLUG_FAILS | PYSPARKPLUG_FAILS_UNSEEN == _failed(tapped)
    assert () == tapped.find("uns", Kind.HOST).failures


async def test_we_are_graded(capture, mosquitto, line, until):
    """Our edge node and our namespace service, tapped at the broker, break nothing at all."""
    speed = MetricDefinition("speed", DataType.DOUBLE)
    edge = EdgeNode(OURS, {"filler": [speed], "": NODE_METRICS})
    service, tree = line(edge), NamespaceService("acme", [], [Broker.parse(mosquitto.url)])
    running = [asyncio.create_task(one.run()) for one in (service, tree)]
    service.device_up("filler")
    await until(lambda: service.health.is_online and tree.health.is_online, "both are online")
    for turn in range(5):
        reading = (edge.alias_of("filler", "speed"), float(turn), int(Quality.GOOD), _now())
        service.observed("filler", [reading])
        await asyncio.sleep(0.3)
    service.device_down("filler")
    service.device_up("filler")
    await asyncio.sleep(0.3)
    for task in running:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    report = graded(await capture.packets())
    node, host = report.find(str(OURS)), report.find("uns-acme", Kind.HOST)
    assert ((), ()) == (node.failures, host.failures)
    # commands name their datatype: the specification's TCK asks for what its text advises against
    assert {grade.id for grade in host.advice} <= {"tck-id-payloads-metric-datatype-not-req"}
    assert () == node.advice
    assert node.counts[Outcome.PASS] > 100
    assert host.counts[Outcome.PASS] > 30
