"""A simulated machine: PackML states, a speed, an order, and counters that never go back.

Theory of operation
    `step` is told how much time went by - real seconds, and seconds of the simulation, which
    may run faster - and what its neighbours on the line have for it. Only in EXECUTE does it
    count, and every piece is good or bad: whole numbers, for ever. A step ends EXECUTE when
    the order is done (COMPLETING), when the neighbours leave it nothing to do (SUSPENDING) or
    when something breaks (HOLDING or ABORTING). All other moves are packml.NEXT.

    `begin` gives it the next order. It latches what the counters read and is refused while
    the machine may still count, so an order's total is exact: next start minus this start.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from uns.sim.order import Order, OrderRecord
from uns.sim.packml import CHANGEOVER, DWELL_S, NEXT, State

__all__ = ["STOPS", "Feed", "SimulatedMachine", "Stop"]


@dataclass(frozen=True, slots=True)
class Stop:
    """Something that stops a machine: how often, how long, and the reason that it shows."""

    code: int
    reason: str
    mean_between_s: float
    lasts_s: tuple[float, float]
    first: State = State.HOLDING


STOPS = (
    Stop(101, "Bottle down", 240, (4, 10)),
    Stop(102, "Label end", 500, (8, 20)),
    Stop(201, "Infeed jam", 900, (20, 50)),
    Stop(202, "Drive overload", 2400, (30, 80)),
    Stop(901, "Emergency stop", 7200, (25, 60), State.ABORTING),
)
_NO_STOP = Stop(0, "", 0, (0, 0))


@dataclass(frozen=True, slots=True)
class Feed:
    """What the neighbours have for a machine.

    `supply` is how many pieces wait before it and `room` how many fit behind it; None means
    that nothing limits it. `is_last` says that no more than `supply` will come in this order.
    """

    supply: int | None = None
    room: int | None = None
    is_last: bool = False


class SimulatedMachine:
    """One machine of a line that makes pieces."""

    def __init__(
        self, rate_per_h: float, rng: random.Random, *, good: int = 0, bad: int = 0
    ) -> None:
        self.state = State.EXECUTE  # a plant that is met for the first time is at work already
        self.nominal_per_h = rate_per_h
        self.speed = 0.0  # pieces per hour
        self.load = 0.0  # 0 at rest … 1 at full speed: what drives and heat follow
        self.stop = _NO_STOP
        self.good = good
        self.bad = bad
        self.orders: list[OrderRecord] = []
        self._rng = rng
        self._left_s = 0.0
        self._part = 0.0  # of the next piece
        self._scrap = rng.uniform(*_SCRAP)
        self._is_over = False
        self._due_s = [rng.expovariate(1 / stop.mean_between_s) for stop in STOPS]

    @property
    def order(self) -> OrderRecord | None:
        """The order that it works on, or worked on last."""
        return self.orders[-1] if self.orders else None

    @property
    def is_complete(self) -> bool:
        """Whether it has finished its order and shown so long enough for everyone to see."""
        return self.state is State.COMPLETE and self._left_s <= 0

    @property
    def has_finished(self) -> bool:
        """Whether no more piece of its order will be counted."""
        return bool(self.orders and self.orders[-1].finished)

    def power_up(self) -> None:
        """Start as a PLC does after a power cut: its memory is kept, its machine stands."""
        self._enter(State.COMPLETE if self.has_finished else State.STOPPED)

    def begin(self, order: Order, now: str) -> None:
        """Take the next order; the one before is closed with what the counters read now."""
        if self.orders and self.state is not State.COMPLETE:
            raise ValueError(f"{order.id} may not begin in {self.state.name}")
        if self.orders:
            self.orders[-1].ended = now
        self.orders.append(
            OrderRecord(
                order.id, order.product.name, order.quantity, self.good, self.bad, 0, 0, now
            )
        )
        del self.orders[:-_KEPT_ORDERS]
        if self.state is State.COMPLETE:
            self._enter(State.RESETTING)

    def wind_down(self) -> None:
        """Stop counting at once, and for good."""
        self._is_over = True
        if self.state not in _AT_REST:
            self._enter(State.STOPPING)

    def step(self, real_s: float, sim_s: float, feed: Feed, now: str) -> None:
        """Let time go by."""
        self._left_s -= real_s if self.state in CHANGEOVER else sim_s
        if self.state is State.EXECUTE:
            self._execute(sim_s, feed, now)
        elif self.state is State.SUSPENDED:
            self._wait(feed)
        elif self._left_s <= 0 and not (self._is_over and self.state in _AT_REST):
            following = NEXT.get(self.state)
            if following is not None:
                self._enter(following)
        self._ramp(sim_s)

    def _execute(self, sim_s: float, feed: Feed, now: str) -> None:
        made = self._produce(sim_s, feed)
        left = None if feed.supply is None else feed.supply - made
        if self._is_filled() if left is None else feed.is_last and left == 0:
            self.orders[-1].finished = now
            self._enter(State.COMPLETING)
            return
        if left == 0 or (feed.room is not None and feed.room <= made):
            self._enter(State.SUSPENDING)
            return
        stop = self._broken(sim_s)
        if stop:
            self.stop = stop
            self._enter(stop.first)

    def _produce(self, sim_s: float, feed: Feed) -> int:
        """Count the pieces of this step and return how many there were."""
        self._part += self.speed * sim_s / 3600
        whole = int(self._part)
        self._part -= whole
        for limit in (feed.supply, feed.room):
            whole = whole if limit is None else min(whole, limit)
        record = self.orders[-1]
        made = 0
        while made < whole and not (feed.supply is None and self._is_filled()):
            if self._rng.random() < self._scrap:
                self.bad += 1
                record.bad += 1
            else:
                self.good += 1
                record.good += 1
            made += 1
        return made

    def _is_filled(self) -> bool:
        return self.orders[-1].good >= self.orders[-1].quantity

    def _broken(self, sim_s: float) -> Stop | None:
        found = None
        for index, stop in enumerate(STOPS):
            self._due_s[index] -= sim_s
            if self._due_s[index] <= 0:
                self._due_s[index] = self._rng.expovariate(1 / stop.mean_between_s)
                found = stop
        return found

    def _wait(self, feed: Feed) -> None:
        """Stay suspended until there is enough to do for a while, not just for one piece."""
        enough = self.nominal_per_h * _RESTART_S / 3600
        has_supply = feed.supply is None or feed.is_last or feed.supply >= enough
        has_room = feed.room is None or feed.room >= enough
        if has_supply and has_room and not self._is_over:
            self._enter(State.UNSUSPENDING)

    def _enter(self, state: State) -> None:
        self.state = state
        if state in (State.HELD, State.ABORTED):
            self._left_s = self._rng.uniform(*self.stop.lasts_s)
        elif state in DWELL_S:
            self._left_s = self._rng.uniform(*DWELL_S[state])
        if state in (State.EXECUTE, State.RESETTING):
            self.stop = _NO_STOP

    def _ramp(self, sim_s: float) -> None:
        """Let speed and load follow the state, as the mass of a machine does."""
        target = 0.0
        if self.state is State.EXECUTE:
            target = self.nominal_per_h * self._rng.uniform(0.985, 1.015)
        nearer = min(1.0, sim_s / _RAMP_S)
        self.speed += (target - self.speed) * nearer
        if target == 0 and self.speed < self.nominal_per_h * _STANDSTILL:
            self.speed = 0.0
        self.load = self.speed / self.nominal_per_h


_AT_REST = (State.STOPPED, State.IDLE, State.COMPLETE, State.ABORTED)
_SCRAP = (0.01, 0.03)
_RAMP_S = 2.5
_RESTART_S = 10.0
_STANDSTILL = 0.01
_KEPT_ORDERS = 500  # a week of a demo; the file of the truth stays below a few megabytes
