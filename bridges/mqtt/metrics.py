"""Sparkplug of a foreign broker: a host application of our own that listens, and its tags.

It publishes nothing unless it is told to: its STATE where it has a host id, rebirth requests
where these are wanted. Without them values come with the next birth of each edge node.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridges.driver import BoundTag
from bridges.mqtt.address import MetricAddress
from uns.errors import DeviceError
from uns.message import Message
from uns.metric import DataType, Quality, Reading, Value
from uns.sparkplug.events import Born, Changed, Died, Event, Problem, Publish, Reconnect
from uns.sparkplug.host import HostApplication, HostSettings
from uns.sparkplug.names import NAMESPACE, MessageType, NodeId, state_topic
from uns.sparkplug.slot import Slot

__all__ = ["Metrics"]

_GOOD, _BAD, _STALE = int(Quality.GOOD), int(Quality.BAD), int(Quality.STALE)
_SILENT_HOST = "uns-reader"  # what a host that says nothing is called, to itself
_MAX_NEWS = 100
_NODE_LEVELS = 4  # spBv1.0/group/verb/node


@dataclass(slots=True, eq=False)
class _Metric:
    """One tag, and what is known of it."""

    tag: BoundTag
    problem: str = ""
    value: Value = None
    quality: int = _BAD
    heard_s: float = 0.0
    is_silent: bool = False


@dataclass(slots=True)
class _Device:
    """The tags of one device, or of an edge node itself, by metric."""

    metrics: dict[str, list[_Metric]] = field(default_factory=dict)
    slots: dict[str, Slot] | None = None  # of its birth; None before it
    is_live: bool = False


class Metrics:
    """The Sparkplug tags of one session. Told of messages, it returns readings."""

    def __init__(self, host_id: str, *, asks_for_births: bool) -> None:
        self.news: list[str] = []  # sentences to be logged; whoever does takes them out
        self.to_publish: list[Message] = []
        self._asks = asks_for_births
        self._is_silent = not host_id
        self._host_id = host_id or _SILENT_HOST
        settings = HostSettings(may_request_rebirth=asks_for_births)
        self._host = HostApplication(self._host_id, settings=settings)
        self._devices: dict[tuple[NodeId, str], _Device] = {}
        self._metrics: dict[int, tuple[NodeId, str, _Metric]] = {}
        self._told: set[NodeId] = set()
        self._nodes: set[tuple[str, str]] = set()  # group and edge node of every tag so far

    # ------------------------------------------------------------ as a host

    def will(self, now_ms: int) -> Message | None:
        """The STATE death for the CONNECT; None for a host that says nothing."""
        return None if self._is_silent else self._host.will(now_ms)

    def filters(self) -> list[str]:
        """What to subscribe to before `connected`."""
        return [] if self._is_silent else [state_topic(self._host_id)]

    def connected(self, now_ms: int) -> None:
        """The subscriptions are granted: say that we are there, where we say anything."""
        if not self._is_silent:
            self._react(self._host.connected(now_ms), now_ms, 0.0)

    def leaving(self, now_ms: int) -> list[Message]:
        """What to publish before the DISCONNECT."""
        events = [] if self._is_silent else self._host.stopping(now_ms)
        return [event.message for event in events if isinstance(event, Publish)]

    # ------------------------------------------------------------ tags

    def add(self, tag: BoundTag, now_ms: int, now_s: float) -> list[Reading]:
        """Introduce a tag; returns its value where its device is known already."""
        address: MetricAddress = tag.address
        self.remove((tag.handle,))
        self._nodes.add((address.group_id, address.edge_node_id))
        place = NodeId(address.group_id, address.edge_node_id), address.device_id
        device = self._devices.setdefault(place, _Device())
        metric = _Metric(tag, heard_s=now_s)
        device.metrics.setdefault(address.metric, []).append(metric)
        self._metrics[tag.handle] = *place, metric
        if device.slots is None:
            return []
        return self._born(device, now_ms, now_s, {address.metric: [metric]})

    def remove(self, handles: Iterable[int]) -> None:
        """Forget tags; what is known of their devices stays for others."""
        for handle in handles:
            node, device_id, metric = self._metrics.pop(handle, (None, "", None))
            if node is not None and metric is not None:
                self._devices[node, device_id].metrics[metric.tag.address.metric].remove(metric)

    def filters_of(self, tags: Sequence[BoundTag]) -> set[str]:
        """What has to be heard for these tags: all that their edge nodes say."""
        return {
            f"{NAMESPACE}/{tag.address.group_id}/+/{tag.address.edge_node_id}/#" for tag in tags
        }

    def problem(self, handle: int) -> str:
        """Why a tag has no value; empty where it has one, or its device is not known yet."""
        found = self._metrics.get(handle)
        return found[2].problem if found else ""

    def reads(self, topic: str) -> bool:
        """Whether a Sparkplug topic speaks of an edge node that has tags, or of ourselves."""
        levels = topic.split("/")
        if len(levels) < _NODE_LEVELS:
            return topic == state_topic(self._host_id)
        return (levels[1], levels[3]) in self._nodes

    def is_heard(self, handle: int) -> bool:
        """Whether the birth of a tag's device was heard."""
        found = self._metrics.get(handle)
        return found is not None and self._devices[found[0], found[1]].slots is not None

    def datatype(self, handle: int) -> DataType | None:
        """What the birth says that a metric is; None where it was not heard."""
        found = self._metrics.get(handle)
        if found is None:
            return None
        node, device_id, metric = found
        slot = (self._devices[node, device_id].slots or {}).get(metric.tag.address.metric)
        return slot.datatype if slot else None

    def unborn(self) -> list[str]:
        """Edge nodes and devices with tags whose birth was not heard yet."""
        return [
            f"{node}/{device_id}" if device_id else str(node)
            for (node, device_id), device in self._devices.items()
            if device.slots is None and any(device.metrics.values())
        ]

    # ------------------------------------------------------------ messages

    def heard(self, message: Message, now_ms: int, now_s: float) -> list[Reading]:
        """What a message says to the tags; raises DeviceError where another host took our id."""
        if message.retain and not message.topic.startswith(state_topic("")):
            return []  # births and data are never retained: from a time that nobody knows
        found = self._react(self._host.received(message, now_ms), now_ms, now_s)
        self._ask_unknown(message.topic)
        return found

    def tick(self, now_ms: int, now_s: float) -> list[Reading]:
        """Time passed: what became stale meanwhile."""
        found = self._react(self._host.tick(now_ms), now_ms, now_s)
        for _, _, metric in self._metrics.values():
            limit_s = metric.tag.address.trust.silence_s
            if limit_s and not metric.is_silent and now_s - metric.heard_s > limit_s:
                metric.is_silent = True
                found += _stale(metric, now_ms)
        return found

    def _react(self, events: Iterable[Event], now_ms: int, now_s: float) -> list[Reading]:
        found: list[Reading] = []
        for event in events:
            match event:
                case Changed():
                    found += self._changed(event, now_s)
                case Born():
                    device = self._devices.get((event.node, event.device_id))
                    if device is not None:
                        device.slots = {slot.name: slot for slot in event.slots}
                        device.is_live = True
                        found += self._born(device, now_ms, now_s, device.metrics)
                case Died():
                    found += self._died(event, now_ms)
                case Publish() if self._may_say(event.message):
                    self.to_publish.append(event.message)
                case Reconnect():
                    raise DeviceError(
                        f"another host application calls itself `{self._host_id}`: {event.reason}",
                        hint="give this connection a `host_id` of its own, or none",
                    )
                case Problem() if len(self.news) < _MAX_NEWS:
                    self.news.append(f"{event.node}/{event.device_id}: {event.text}")
        return found

    def _may_say(self, message: Message) -> bool:
        return not self._is_silent or not message.topic.startswith(state_topic(""))

    def _born(
        self,
        device: _Device,
        now_ms: int,
        now_s: float,
        wanted: dict[str, list[_Metric]],
    ) -> list[Reading]:
        """The values of a birth; a metric that it does not name is Bad."""
        found: list[Reading] = []
        slots = device.slots or {}
        for name, metrics in wanted.items():
            slot = slots.get(name)
            for metric in metrics:
                metric.problem = "" if slot else _unknown(name, slots)
                value, quality, at_ms = (
                    (slot.value, slot.quality, slot.timestamp_ms) if slot else (None, _BAD, now_ms)
                )
                if slot and not device.is_live and quality != _BAD:
                    quality, at_ms = _STALE, now_ms
                found.append(_read(metric, value, quality, at_ms, now_s))
        return found

    def _changed(self, event: Changed, now_s: float) -> list[Reading]:
        device = self._devices.get((event.node, event.device_id))
        if device is None:
            return []
        return [
            _read(metric, value, quality, at_ms, now_s, is_late=event.is_historical)
            for slot, value, quality, at_ms in event.updates
            for metric in device.metrics.get(slot.name, ())
        ]

    def _died(self, event: Died, now_ms: int) -> list[Reading]:
        found: list[Reading] = []
        for (node, device_id), device in self._devices.items():
            if node != event.node or event.device_id not in (None, device_id):
                continue
            device.is_live = False
            for metrics in device.metrics.values():
                for metric in metrics:
                    found += _stale(metric, now_ms)
        return found

    def _ask_unknown(self, topic: str) -> None:
        """Say once for each edge node that its data cannot be understood before its birth."""
        if self._asks or not topic.startswith(NAMESPACE):
            return
        levels = topic.split("/")
        if len(levels) < _NODE_LEVELS or levels[2] not in (MessageType.NDATA, MessageType.DDATA):
            return
        node = NodeId(levels[1], levels[3])
        devices = [device for (of, _), device in self._devices.items() if of == node]
        if node in self._told or not devices or any(device.slots for device in devices):
            return
        self._told.add(node)
        self.news.append(
            f"{node} sends data, and its birth was before our time: nothing of it can be read "
            "before its next one; `rebirth: true` asks for it"
        )


def _read(
    metric: _Metric, value: Any, quality: int, at_ms: int, now_s: float, *, is_late: bool = False
) -> Reading:
    if value is None and quality != _BAD:
        quality = _BAD
    if not isinstance(value, bool | int | float | str | bytes | None):
        metric.problem = "arrays, data sets and templates are no value of a tag"
        value, quality = None, _BAD
    metric.heard_s, metric.is_silent = now_s, False
    if not is_late:
        metric.value, metric.quality = value, quality
    return metric.tag.handle, value, quality, at_ms


def _stale(metric: _Metric, now_ms: int) -> list[Reading]:
    if metric.quality in (_BAD, _STALE):
        return []
    metric.quality = _STALE
    return [(metric.tag.handle, metric.value, _STALE, now_ms)]


def _unknown(name: str, slots: dict[str, Slot]) -> str:
    near = difflib.get_close_matches(name, slots, 1)
    guess = f"did you mean `{near[0]}`?" if near else f"it has {len(slots)} others"
    return f"its birth has no metric `{name}`; {guess}"
