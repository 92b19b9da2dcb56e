"""What the protocol's two ends tell their shells."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from uns.message import Message
from uns.metric import DataType
from uns.sparkplug.names import NodeId
from uns.sparkplug.slot import Slot

__all__ = [
    "Born",
    "Changed",
    "Command",
    "Died",
    "Event",
    "Leave",
    "Problem",
    "Publish",
    "Reconnect",
    "Write",
    "WriteOutcome",
    "Written",
]


@dataclass(frozen=True, slots=True)
class Born:
    """A device, or with an empty `device_id` the node itself, is there and these are its metrics.

    The slots are new and replace those of an earlier birth; they hold the birth's values.
    """

    node: NodeId
    device_id: str
    slots: tuple[Slot, ...]
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Changed:
    """New values: (slot, value, quality, source time in ms) in the order they were sent.

    Take the values from here: the slots may be further on already. Historical ones were late
    on their way and never become the slots' current values.
    """

    node: NodeId
    device_id: str
    updates: list[tuple[Slot, Any, int, int]]
    is_historical: bool = False


@dataclass(frozen=True, slots=True)
class Died:
    """A device, or with None the whole node, is gone: its values are stale from `timestamp_ms`."""

    node: NodeId
    device_id: str | None
    timestamp_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Problem:
    """The other end broke the standard; nothing of what it concerns was applied."""

    node: NodeId
    device_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Publish:
    """To be published on this server: the name that the shell gave one of its brokers."""

    message: Message
    server: str = ""


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Drop the session with this server and connect anew, with the will that is due then."""

    server: str
    reason: str


@dataclass(frozen=True, slots=True)
class Write:
    """A command to publish; a `Written` with the same id will say what became of it."""

    id: int
    publish: Publish


class WriteOutcome(StrEnum):
    """What became of a write."""

    CONFIRMED = "confirmed"  # the metric shows the value
    UNCONFIRMED = "unconfirmed"  # it did not show it in time; it may still have been written
    LOST = "lost"  # the device, or the way to it, is gone


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a write; `value` is as the metric's datatype holds it."""

    id: int
    node: NodeId
    device_id: str
    name: str
    value: Any
    outcome: WriteOutcome
    reason: str


@dataclass(frozen=True, slots=True)
class Command:
    """Someone asks to write a metric; the value has the metric's datatype."""

    device_id: str
    name: str
    value: Any
    datatype: DataType
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Leave:
    """The edge node is to leave its broker: publish what stands before this, then disconnect.

    Over MQTT 5 with reason 0x04, so that the will speaks too; then connect to `EdgeNode.server`,
    which may be the same.
    """

    reason: str


Event: TypeAlias = Born | Changed | Died | Problem | Publish | Written | Reconnect
