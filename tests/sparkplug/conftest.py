"""What the Sparkplug tests share: a line with a few machines."""

from __future__ import annotations

import pytest

from uns.metric import DataType
from uns.sparkplug import EdgeNode, HostApplication, MetricDefinition, NodeId

NODE = NodeId("acme:leeds", "packaging:line1")
NOW = 1_700_000_000_000
DEVICES = {
    "filler": [
        MetricDefinition(
            "bowl_pressure",
            DataType.FLOAT,
            {
                "uns": "acme/leeds/packaging/line1/filler/bowl_pressure",
                "engUnit": "bar",
                "engLow": 0,
                "engHigh": 6,
                "schema": "filler/2",
            },
        ),
        MetricDefinition("good", DataType.UINT32),
        MetricDefinition("recipe", DataType.STRING),
    ],
    "labeller": [MetricDefinition("state", DataType.INT32)],
}


@pytest.fixture
def now() -> int:
    return NOW


@pytest.fixture
def edge() -> EdgeNode:
    """An edge node with two devices, not connected."""
    return EdgeNode(NODE, DEVICES)


@pytest.fixture
def online(edge: EdgeNode) -> EdgeNode:
    """The same, connected, its filler up."""
    edge.will()
    edge.connected(NOW)
    edge.device_up("filler", NOW)
    return edge


@pytest.fixture
def host() -> HostApplication:
    """A host application, connected."""
    host = HostApplication("uns")
    host.will(NOW)
    host.connected(NOW)
    return host
