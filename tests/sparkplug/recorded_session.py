"""A session of an edge node with something of everything, recorded message by message.

What the tests look at are protobuf messages, with `HasField` telling what is on the wire.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from uns.message import Message
from uns.metric import DataType, Quality
from uns.sparkplug import (
    DataSet,
    EdgeNode,
    Metric,
    MetricDefinition,
    NodeId,
    Parameter,
    Payload,
    Template,
    encode,
)
from uns.sparkplug.wire import PayloadMessage

GROUP, NODE_ID = "acme:leeds", "packaging:line1"
NODE = NodeId(GROUP, NODE_ID)
START_MS = 1_700_000_000_000
MOTOR = Template(
    metrics=(
        Metric("running", False, DataType.BOOLEAN),
        Metric("speed", 0.0, DataType.DOUBLE),
        Metric("drive", Template(reference="Drive"), DataType.TEMPLATE),
    ),
    parameters=(Parameter("phases", DataType.INT32, 3), Parameter("maker", DataType.STRING, "?")),
    version="2",
)
DRIVE = Template(metrics=(Metric("hours", 0, DataType.UINT32),))
TEMPLATES = {"Motor": MOTOR, "Drive": DRIVE}
RECIPES = DataSet(("step", "name"), (DataType.INT32, DataType.STRING), ((-1, "fill"), (2, "cap")))
DEVICES = {
    "": [
        MetricDefinition("load", DataType.FLOAT),
        MetricDefinition("fan", DataType.TEMPLATE, template="Drive"),
    ],
    "filler": [
        MetricDefinition("pressure", DataType.DOUBLE, {"engUnit": "bar", "engLow": 0, "on": True}),
        MetricDefinition("good", DataType.UINT32),
        MetricDefinition("recipe", DataType.STRING),
        MetricDefinition("steps", DataType.DATASET),
        MetricDefinition("motor", DataType.TEMPLATE, template="Motor"),
        MetricDefinition("offset", DataType.INT16),
    ],
    "labeller": [MetricDefinition("state", DataType.INT32)],
}


@dataclass(frozen=True, slots=True)
class Said:
    """One message: its kind and device, the message itself, and its payload as upb reads it."""

    kind: str
    device_id: str
    message: Message
    payload: Any

    def find(self, name: str) -> Any:
        """The metric of that name."""
        (found,) = (metric for metric in self.payload.metrics if metric.name == name)
        return found


def said(message: Message) -> Said:
    """A message taken apart by nothing but its slashes and upb."""
    _, _, kind, _, *device = message.topic.split("/")
    return Said(kind, "".join(device), message, PayloadMessage.FromString(message.payload))


@dataclass(slots=True)
class Recording:
    """What an edge node said, in order, and what it will say of its death."""

    edge: EdgeNode
    now_ms: int = START_MS
    said: list[Said] = field(default_factory=list)
    wills: list[Said] = field(default_factory=list)

    def take(self, messages: Iterable[Any]) -> list[Said]:
        """Record messages; whatever else the edge node returned is left out."""
        new = [said(message) for message in messages if isinstance(message, Message)]
        self.said += new
        return new

    def connect(self) -> list[Said]:
        """A CONNECT that leaves, and the births."""
        self.wills.append(said(self.edge.will()))
        self.edge.advance()
        self.now_ms += 1
        return self.take(self.edge.connected(self.now_ms))

    def observe(self, device_id: str, **values: Any) -> list[Said]:
        """Good values, read now."""
        self.now_ms += 10
        readings = [
            (self.edge.alias_of(device_id, name), value, int(Quality.GOOD), self.now_ms)
            for name, value in values.items()
        ]
        return self.take(self.edge.observed(device_id, readings, self.now_ms))

    def ask_rebirth(self, *, value: bool = True, after_ms: int = 5_000) -> list[Said]:
        """An NCMD that asks for the births, by default long after the last."""
        self.now_ms += after_ms
        metric = Metric("Node Control/Rebirth", value, DataType.BOOLEAN)
        message = Message(
            f"spBv1.0/{GROUP}/NCMD/{NODE_ID}", encode(Payload(self.now_ms, (metric,)))
        )
        return self.take(self.edge.received(message, self.now_ms))

    def of(self, *kinds: str) -> list[Said]:
        """Everything of these kinds; never nothing."""
        found = [one for one in self.said if one.kind in kinds]
        assert found, kinds
        return found

    def metrics(self, *kinds: str) -> list[Any]:
        """Every metric in messages of these kinds; never nothing."""
        found = [metric for one in self.of(*kinds) for metric in one.payload.metrics]
        assert found, kinds
        return found


def new_edge(**rest: Any) -> EdgeNode:
    """An edge node with two devices, metrics of its own, templates and a data set."""
    return EdgeNode(NODE, DEVICES, templates=TEMPLATES, **rest)


def record() -> Recording:
    """A whole life: births, data of all kinds, a device's death and return, a rebirth, the end."""
    tape = Recording(new_edge())
    edge = tape.edge
    tape.connect()
    for device_id in ("filler", "labeller"):
        tape.take(edge.device_up(device_id, tape.now_ms))
    tape.observe("filler", pressure=1.5, good=7, recipe="cola", steps=RECIPES, offset=-3)
    tape.observe("filler", motor=Template((Metric("speed", 3.5, DataType.DOUBLE),)))
    tape.observe("", load=0.5, fan=Template((Metric("hours", 2**32 - 1, DataType.UINT32),)))
    bad = (edge.alias_of("filler", "pressure"), 1.5, int(Quality.BAD), tape.now_ms)
    stale = (edge.alias_of("filler", "good"), 7, int(Quality.STALE), tape.now_ms)
    unsure = (edge.alias_of("filler", "recipe"), "x", int(Quality.UNCERTAIN), tape.now_ms)
    tape.take(edge.observed("filler", [bad, stale, unsure], tape.now_ms))
    tape.take(edge.device_down("labeller", tape.now_ms + 1))
    tape.take(edge.device_up("labeller", tape.now_ms + 2))
    tape.ask_rebirth()
    for number in range(300):  # seq passes 255
        tape.observe("filler", good=number)
        tape.observe("", load=float(number))
    tape.observe("labeller", state=-6)
    tape.take(edge.device_down("labeller", tape.now_ms))
    tape.take(edge.stopping(tape.now_ms + 5))
    tape.connect()  # once more: bdSeq goes on
    tape.take(edge.stopping(tape.now_ms + 5))
    return tape
