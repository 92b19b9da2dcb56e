"""A simulated line: machines in a row with finite buffers between them, and one order at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from uns.sim.machine import Feed, SimulatedMachine
from uns.sim.order import Order, OrderBook

__all__ = ["SimulatedLine", "stamp"]

_BUFFER_S = 45.0  # of work between two machines: a bottle down is absorbed, a jam is not
_MOST_SLICES = 100  # of a step that spans more than a second of the simulation
_LONGEST_STEP_S = 2.0  # a simulator that was held up does not make up for it in a burst


class SimulatedLine:
    """Machines in the order in which pieces pass them.

    The next order begins on all of them at once, when all have shown COMPLETE for a while:
    the buffers are empty then, and nobody counts.
    """

    def __init__(self, machines: Mapping[str, SimulatedMachine], book: OrderBook) -> None:
        self.machines = dict(machines)
        self.number = 0  # of the running order
        self._book = book
        self._last_ms = 0
        self._is_over = False

    @property
    def order(self) -> Order:
        """The running order."""
        return self._book.order(self.number)

    def seen_from(self, topic: str) -> SimulatedMachine:
        """The machine at `topic`; what makes nothing itself (an order desk) sees the first one."""
        return self.machines.get(topic) or next(iter(self.machines.values()))

    def power_up(self, now_ms: int) -> None:
        """Go on with the order that was running before a power cut, or begin the first."""
        self._last_ms = now_ms
        if self.number == 0:
            self._begin_next(now_ms)
            return
        for machine in self.machines.values():
            machine.power_up()

    def step(self, now_ms: int, speed: float) -> None:
        """Let time go by until `now_ms`, `speed` times as fast."""
        real_s = min(max(now_ms - self._last_ms, 0) / 1000, _LONGEST_STEP_S)
        self._last_ms = now_ms
        now = stamp(now_ms)
        row = list(self.machines.values())
        slices = min(max(1, math.ceil(real_s * speed)), _MOST_SLICES)
        for _ in range(slices):
            for index, machine in enumerate(row):
                machine.step(real_s / slices, real_s * speed / slices, _feed(row, index), now)
        if not self._is_over and all(machine.is_complete for machine in row):
            self._begin_next(now_ms)

    def wind_down(self) -> None:
        """Let all machines stop counting at once, and for good."""
        self._is_over = True
        for machine in self.machines.values():
            machine.wind_down()

    def _begin_next(self, now_ms: int) -> None:
        self.number += 1
        for machine in self.machines.values():
            machine.begin(self.order, stamp(now_ms))


def _feed(row: list[SimulatedMachine], index: int) -> Feed:
    """What waits before machine `index` of the row, and what fits behind it."""
    machine = row[index]
    before = row[index - 1] if index else None
    behind = row[index + 1] if index + 1 < len(row) else None
    room = None
    if behind is not None:
        room = max(0, round(machine.nominal_per_h * _BUFFER_S / 3600) - _between(machine, behind))
    if before is None:
        return Feed(room=room)
    return Feed(supply=_between(before, machine), room=room, is_last=before.has_finished)


def _between(first: SimulatedMachine, second: SimulatedMachine) -> int:
    """Pieces that left `first` in this order and have not passed `second`."""
    left, passed = first.order, second.order
    if left is None or passed is None:
        return 0
    return max(0, left.good - passed.good - passed.bad)


def stamp(now_ms: int) -> str:
    """A time as text: RFC 3339, UTC, milliseconds.

    >>> stamp(1767868200123)
    '2026-01-08T10:30:00.123Z'
    """
    when = datetime.fromtimestamp(now_ms / 1000, UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
