"""A device as the tree sees it: the leaves it feeds, and whether it is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from uns.equipment import Machine
from uns.namespace.leaf import Leaf
from uns.namespace.state import State

__all__ = ["Device", "DeviceKey"]


class DeviceKey(NamedTuple):
    """A device's place in Sparkplug's namespace."""

    group_id: str
    edge_node_id: str
    device_id: str


@dataclass(slots=True)
class Device:
    """One Sparkplug device. `machine` and `state` are None for a foreign one.

    `leaves` are by metric name. `bound` are the slots of its last birth, while it is alive;
    `was_born` stays set once it has been.
    """

    key: DeviceKey
    machine: Machine | None = None
    state: State | None = None
    leaves: dict[str, Leaf] = field(default_factory=dict)
    bound: list[Any] = field(default_factory=list)
    is_online: bool = False
    was_born: bool = False

    def unbind(self) -> None:
        """Let go of the last birth: what still refers to it reaches no leaf."""
        for slot in self.bound:
            slot.binding = None
        self.bound = []
        self.is_online = False
