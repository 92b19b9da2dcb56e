"""Members: a template instance (a UDT) taken apart, for the tree has one value per topic.

A metric `Motor 1` of a template becomes metrics `Motor 1/Speed`, `Motor 1/Drive/Temp` and so on.
Definitions have no values and disappear. What the metric says of its quality, its members share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from uns.metric import DataType, Quality
from uns.namespace.device import Device
from uns.sparkplug.metrics import Metric, Template
from uns.sparkplug.properties import plain, quality_of
from uns.sparkplug.slot import Slot

__all__ = ["Members", "taken_apart"]

_ALWAYS_LATER = 1 << 63  # no time is: such a slot always takes the way on which it is taken apart


class Members:
    """What the slot of a template is bound to, in the place of a leaf: the slots of its members."""

    __slots__ = ("_name", "by_name", "timestamp_ms")

    def __init__(self, slot: Slot) -> None:
        """Take the instance in a birth apart; it is complete there."""
        self.timestamp_ms = _ALWAYS_LATER
        self._name = slot.name
        self.by_name: dict[str, Slot] = {}
        for name, metric in _values(slot.name, slot.value):
            self.by_name.setdefault(name, _member(name, metric, slot))

    def updates(
        self, value: Any, quality: int, timestamp_ms: int
    ) -> Iterator[tuple[Slot, Any, int, int]]:
        """Return the changes of members in a changed instance, which may be partial.

        Without a value the quality is news of every member.
        """
        if not isinstance(value, Template):
            for slot in self.by_name.values():
                yield slot, slot.value if quality == Quality.STALE else None, quality, timestamp_ms
            return
        for name, metric in _values(self._name, value):
            if name in self.by_name:
                member = self.by_name[name]
                _take(member, metric, quality, timestamp_ms)
                yield member, member.value, member.quality, member.timestamp_ms

    def past(
        self, value: Any, quality: int, timestamp_ms: int
    ) -> Iterator[tuple[Slot, Any, int, int]]:
        """Return the values that an instance had before, and touch no member."""
        for name, metric in _values(self._name, value):
            if name in self.by_name:
                then = Slot(name, metric.datatype)
                then.binding = self.by_name[name].binding
                _take(then, metric, quality, timestamp_ms)
                yield then, then.value, then.quality, then.timestamp_ms


def taken_apart(device: Device, slots: Iterable[Slot]) -> Iterator[Slot]:
    """Yield the slots of a birth that hold one value each: templates are taken apart."""
    for slot in slots:
        if slot.datatype is not DataType.TEMPLATE:
            yield slot
        elif not _is_definition(slot):
            slot.binding = members = Members(slot)
            device.bound.append(slot)
            yield from members.by_name.values()


def _is_definition(slot: Slot) -> bool:
    """Whether a slot is a template's definition: what an instance looks like, and no value."""
    value = slot.value
    if slot.datatype is not DataType.TEMPLATE or not isinstance(value, Template):
        return False
    return value.is_definition or (value.is_definition is None and value.reference is None)


def _values(prefix: str, value: Any) -> Iterator[tuple[str, Metric]]:
    """The metrics at the ends of an instance, however deep, by their path."""
    metrics: Iterable[Metric] = value.metrics if isinstance(value, Template) else ()
    for metric in metrics:
        if metric.name is None:
            continue
        name = f"{prefix}/{metric.name}"
        if isinstance(metric.value, Template):
            yield from _values(name, metric.value)
        elif metric.datatype is not DataType.TEMPLATE:
            yield name, metric


def _member(name: str, metric: Metric, of: Slot) -> Slot:
    slot = Slot(name, metric.datatype, properties=plain(metric.properties))
    _take(slot, metric, of.quality, of.timestamp_ms)
    return slot


def _take(slot: Slot, metric: Metric, quality: int, timestamp_ms: int) -> None:
    """A member's own quality, unless that of the whole is worse."""
    own, detail = quality_of(metric.properties)
    if metric.problem:
        own, detail = Quality.BAD, metric.problem
    slot.quality = int(own) if quality == Quality.GOOD else quality
    slot.detail = detail
    slot.value = metric.value
    slot.timestamp_ms = metric.timestamp_ms or timestamp_ms
