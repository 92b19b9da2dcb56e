"""What the edge nodes of our bridges say in their births: a metric for each tag, an alias for each metric."""

from __future__ import annotations

from collections.abc import Iterable

from uns.equipment import Machine, Tag
from uns.metric import DataType, Value
from uns.sparkplug import EdgeNode, EdgeSettings, MetricDefinition, NodeId, first_alias

__all__ = ["DROPPED", "NODE_METRICS", "WAITING", "alias_of", "definitions_of", "devices_of"]

WAITING, DROPPED = "Backlog/Waiting", "Backlog/Dropped"
NODE_METRICS = tuple(MetricDefinition(name, DataType.UINT64) for name in (WAITING, DROPPED))
"""What every edge node says of itself: an EdgeNode for this service has them as device `""`."""


def devices_of(machines: Iterable[Machine]) -> dict[str, tuple[MetricDefinition, ...]]:
    """The metrics of an edge node, by device; its own stand under `""`."""
    return {"": NODE_METRICS} | {
        machine.sparkplug.device_id: definitions_of(machine) for machine in machines
    }


def definitions_of(machine: Machine) -> tuple[MetricDefinition, ...]:
    """The metrics of one device."""
    return tuple(_definition(machine, tag) for tag in machine.tags)


def alias_of(machines: Iterable[Machine], machine: Machine, tag: Tag) -> int:
    """The alias that a tag's metric gets when a bridge starts with these machines.

    A bridge that runs only some machines of a line, or that took a changed project while it
    ran, may use another one; its births say which.
    """
    ids = machine.sparkplug
    place = (ids.group_id, ids.edge_node_id)
    together = [m for m in machines if (m.sparkplug.group_id, m.sparkplug.edge_node_id) == place]
    devices = devices_of(together)
    settings = EdgeSettings(first_alias=first_alias(devices))
    return EdgeNode(NodeId(*place), devices, settings=settings).alias_of(ids.device_id, tag.name)


def _definition(machine: Machine, tag: Tag) -> MetricDefinition:
    """What the birth says of a tag, for hosts that know nothing of our project."""
    properties: dict[str, Value] = {"uns": tag.topic.text}
    if tag.unit:
        properties["engUnit"] = tag.unit
    if tag.low is not None:
        properties["engLow"] = float(tag.low)
    if tag.high is not None:
        properties["engHigh"] = float(tag.high)
    properties["schema"] = f"{machine.type_name}/{machine.version}"
    return MetricDefinition(tag.name, tag.datatype, properties)
