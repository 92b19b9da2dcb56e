"""Writes under way: commands that were sent to a metric and wait until it shows their value."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from uns.errors import DeviceError
from uns.metric import DataType, Quality
from uns.sparkplug.events import Born, Changed, Died, Event, WriteOutcome, Written
from uns.sparkplug.names import NodeId
from uns.sparkplug.slot import Slot

__all__ = ["PendingWrites"]

_SHOWN = (Quality.GOOD, Quality.UNCERTAIN)  # a value that is not: of before, or of no worth

_SHOWN_BEFORE = "it showed the value before, and has not said so again"


@dataclass(slots=True)
class _Pending:
    id: int
    name: str
    datatype: DataType
    value: Any
    until_ms: int
    was_shown: bool  # before it was written: many devices do not repeat it then


class PendingWrites:
    """Compares what devices say with what was written to them; `most` writes at a time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._last_id = 0
        self._count = 0
        self._of: dict[tuple[NodeId, str], list[_Pending]] = {}

    def __len__(self) -> int:
        return self._count

    def check_room(self) -> None:
        """Raise DeviceError where one more write is one too many."""
        if self._count >= self._most:
            raise DeviceError(
                f"{self._count:,} writes wait for their devices already",
                hint="write again once some of them are answered",
            )

    def add(self, node: NodeId, device_id: str, slot: Slot, value: Any, until_ms: int) -> int:
        """A command for `slot` is about to be sent; return the number that it goes by."""
        self._last_id += 1
        was_shown = slot.quality in _SHOWN and _is_same(slot.datatype, slot.value, value)
        pending = _Pending(self._last_id, slot.name, slot.datatype, value, until_ms, was_shown)
        self._of.setdefault((node, device_id), []).append(pending)
        self._count += 1
        return self._last_id

    def follow(self, events: Iterable[Event]) -> list[Written]:
        """What the events of a host mean for the writes."""
        written: list[Written] = []
        for event in events:
            match event:
                case Changed(is_historical=False):
                    shown = ((slot, value, quality) for slot, value, quality, _ in event.updates)
                    written += self._shown(event.node, event.device_id, shown)
                case Born():
                    shown = ((slot, slot.value, slot.quality) for slot in event.slots)
                    written += self._shown(event.node, event.device_id, shown)
                case Died():
                    written += self._lost(event)
                case _:
                    pass
        return written

    def tick(self, now_ms: int) -> list[Written]:
        """Time passed: writes that nothing was heard of."""
        written: list[Written] = []
        for key, waiting in list(self._of.items()):
            for pending in [pending for pending in waiting if now_ms >= pending.until_ms]:
                why = _SHOWN_BEFORE if pending.was_shown else "it did not show the value in time"
                written.append(self._end(key, pending, WriteOutcome.UNCONFIRMED, why))
        return written

    def _shown(
        self, node: NodeId, device_id: str, shown: Iterable[tuple[Slot, Any, int]]
    ) -> list[Written]:
        key = (node, device_id)
        waiting = self._of.get(key)
        if not waiting:
            return []
        names = {pending.name for pending in waiting}
        written: list[Written] = []
        for slot, value, quality in shown:
            if slot.name not in names or quality not in _SHOWN:
                continue
            agreed = [
                one
                for one in waiting
                if one.name == slot.name and _is_same(one.datatype, value, one.value)
            ]
            written += [self._end(key, one, WriteOutcome.CONFIRMED, "") for one in agreed]
        return written

    def _lost(self, event: Died) -> list[Written]:
        """The device died, or with None everything of the node."""
        keys = [
            (node, device_id)
            for node, device_id in self._of
            if node == event.node and event.device_id in (None, device_id)
        ]
        return [
            self._end(key, pending, WriteOutcome.LOST, event.reason)
            for key in keys
            for pending in list(self._of[key])
        ]

    def _end(
        self, key: tuple[NodeId, str], pending: _Pending, outcome: WriteOutcome, reason: str
    ) -> Written:
        waiting = self._of[key]
        waiting.remove(pending)
        if not waiting:
            del self._of[key]
        self._count -= 1
        node, device_id = key
        return Written(pending.id, node, device_id, pending.name, pending.value, outcome, reason)


def _is_same(datatype: DataType, shown: Any, written: Any) -> bool:
    """Whether a metric shows what was written to it; a Float has 24 bits of each number."""
    if datatype is DataType.FLOAT and isinstance(shown, float) and isinstance(written, float):
        return _float32(shown) == _float32(written)
    if datatype is DataType.FLOAT_ARRAY and isinstance(shown, tuple):
        return [_float32(one) for one in shown] == [_float32(one) for one in written]
    return bool(shown == written)


def _float32(number: float) -> float:
    return float(struct.unpack("<f", struct.pack("<f", number))[0])
