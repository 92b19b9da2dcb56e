"""The counter trigger: from counters that never stop to the totals of an order.

Theory of operation. A PLC counts pieces for ever. When an order begins it latches what the
counters read (`since`), and writes the order's id last. So

    total of the running order = carried + (counter - start)
    closing total of an order  = carried + (start of the next order - start)

and every figure is absolute: lost intermediate values, duplicates and restarts change nothing.
A *run* is an order together with its starts. Order and starts arrive as separate values, so a
change of run is believed only when they were still for `settle`; by the clock of arrival, or by
source time where a queue of missed values is being caught up (then no order in between is lost).
`carried` is what earlier runs of the same order counted: an interrupted order goes on, and a
PLC that latches again does not make us forget.

Without an order, totals count from the first value ever seen. Then a drop is a rollover where
the tag has one and the step is plausible, otherwise a reset: counting goes on from zero.
With an order nothing is guessed: a counter or start that falls back makes the trigger wait,
and the next order closes with the last totals known.

An input that is missing or not Good makes the trigger wait; `waiting` says for what.

What is kept holds the inputs too. After a restart a queue of missed values is worked through
from there; for anything else every input must have been shown again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from uns.metric import Value
from uns.route.trigger_state import ClosedRun, TriggerState, begun, resumed

__all__ = ["ORDER", "CounterSettings", "CounterTrigger", "Due", "span"]

ORDER: Final = (
    "order"  # the slot of the order's id; counters are `total:<name>`, starts `since:<name>`
)

_REMEMBERED_VALUES: Final = 128  # per input; a broker redelivers at most what was in flight


@dataclass(frozen=True, slots=True)
class CounterSettings:
    """What a counter trigger is told; `rollovers` is where each counter starts again at 0."""

    counters: tuple[str, ...]
    has_order: bool
    every: float
    at_most_ms: int
    settle_ms: int
    rollovers: Mapping[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Due:
    """A message is due, or (`is_silent`) only a state is to be kept.

    `time_ms` is the source time of the newest input, never a clock of ours.
    """

    order: str
    is_final: bool
    totals: Mapping[str, int]
    deltas: Mapping[str, int]
    began_ms: int
    time_ms: int
    after: TriggerState
    is_silent: bool = False
    note: str = ""  # what a person should know about these totals


@dataclass(slots=True)
class _Input:
    """The last value of one tag; `is_good` is false until a Good one came."""

    value: Value = None
    is_good: bool = False
    is_shown: bool = False  # since we started; before, it is what was kept
    timestamp_ms: int = 0
    seen: deque[tuple[int, Value]] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_VALUES))

    def is_repeat(self, value: Value, timestamp_ms: int) -> bool:
        """Whether a value from before the newest one came again."""
        if timestamp_ms > self.timestamp_ms or not self.seen:
            return False
        known = (timestamp_ms, value)
        return known != self.seen[-1] and known in self.seen


class CounterTrigger:
    """The trigger of one machine. Feed `observed`, ask `due`, answer `accept`."""

    def __init__(self, settings: CounterSettings, state: TriggerState | None = None) -> None:
        self.settings = settings
        self.state = state
        self.waiting = "no values have come yet"
        self._inputs = {slot: _Input() for slot in _slots(settings)}
        self._run_slots = frozenset(_run_slots(settings))
        self._moved_ms: int | None = None  # when order or starts last changed, by our clock …
        self._moved_source_ms: int | None = None  # … by the source; None where that says nothing
        self._grew_ms: int | None = None  # arrival of the first change that no message tells of
        self._last = dict(state.confirmed) if state else {}

    def observed(
        self,
        slot: str,
        value: Value,
        *,
        is_good: bool,
        timestamp_ms: int,
        now_ms: int,
        is_retained: bool = False,
    ) -> bool:
        """Take a value of `slot`: `order`, `total:<name>` or `since:<name>`.

        True: part of a run changed, so what is `kept` must be stored before the value is
        acknowledged; a broker does not send it again.

        What a broker kept, and what comes back after it was not Good, arrives in any order: a
        counter of the new order before the order's id. Both are believed only after `settle`.
        """
        entry = self._inputs[slot]
        checked = _checked(slot, value) if is_good else None
        if checked is None:
            entry.is_good = False
            return False
        if entry.is_repeat(checked, timestamp_ms):
            return False  # redelivered at QoS 1 after newer ones: old news
        entry.seen.append((timestamp_ms, checked))
        is_new_run = slot in self._run_slots and checked != entry.value
        if self.settings.has_order and (is_new_run or is_retained or not entry.is_good):
            self._moved_ms = now_ms
            self._moved_source_ms = None if is_retained else timestamp_ms
        entry.value, entry.is_good, entry.timestamp_ms = checked, True, timestamp_ms
        entry.is_shown = True
        return is_new_run

    @classmethod
    def restored(cls, settings: CounterSettings, kept: Mapping[str, Any]) -> CounterTrigger:
        """Go on from what `kept` returned; raises KeyError, TypeError or ValueError for others."""
        trigger = cls(settings, TriggerState.from_json(kept["state"]))
        for slot, (value, timestamp_ms) in kept["inputs"].items():
            entry = trigger._inputs[slot]
            entry.value, entry.timestamp_ms = _checked(slot, value), int(timestamp_ms)
            entry.is_good = entry.value is not None
        times = [trigger._inputs[slot].timestamp_ms for slot in trigger._run_slots]
        trigger._moved_ms = 0
        trigger._moved_source_ms = max(times, default=0)
        return trigger

    def kept(self, state: TriggerState | None = None) -> dict[str, Any] | None:
        """What must survive a crash, as plain JSON: `state`, or ours, and the inputs."""
        state = state or self.state
        if state is None:
            return None
        inputs = {
            slot: [entry.value, entry.timestamp_ms]
            for slot, entry in self._inputs.items()
            if entry.is_good
        }
        return {"state": state.to_json(), "inputs": inputs}

    def settles_before(self, slot: str, timestamp_ms: int) -> bool:
        """Whether a run that was not believed yet had settled, by source time, at this value.

        While missed values are caught up they arrive within milliseconds; their source times
        still tell that the order before was complete. Not for retained values: each of those
        carries the time of its own last change.
        """
        return (
            self._moved_source_ms is not None
            and self._moved_ms is not None
            and slot in self._run_slots
            and timestamp_ms - self._moved_source_ms >= self.settings.settle_ms
        )

    def due(self, now_ms: int, *, is_settled: bool = False) -> Due | None:
        """What is due now; the same again until `accept` answers it."""
        for slot, entry in self._inputs.items():
            if not entry.is_good or not (entry.is_shown or is_settled):
                self.waiting = f"{_plain(slot)} is missing or not Good"
                return None
        moved_ms = None if is_settled else self._moved_ms
        if moved_ms is not None and now_ms - moved_ms < self.settings.settle_ms:
            self.waiting = "the order has just changed, or values have just come back"
            return None
        self._moved_ms = None
        self.waiting = ""
        order, starts = self._run()
        if self.state is None:
            return self._begin(order, starts)
        if order != self.state.order:
            return self._change(order, starts)
        if not self.settings.has_order:
            return self._fold() or self._progress(now_ms)
        if starts != self.state.starts:
            return self._latched_again(starts)
        return self._progress(now_ms)

    def accept(self, due: Due) -> None:
        """Move on: the message of `due` is on its way."""
        is_same_run = due.is_silent and self.state and self.state.order == due.after.order
        self.state = due.after
        if is_same_run:
            return  # only bookkeeping: what was last seen, and since when it waits, still holds
        self._last = dict(due.after.confirmed)
        self._grew_ms = None

    def _run(self) -> tuple[str, dict[str, int]]:
        counters = self.settings.counters
        if self.settings.has_order:
            order = str(self._inputs[ORDER].value)
            return order, {name: self._number(f"since:{name}") for name in counters}
        starts = self.state.starts if self.state else None
        return "", dict(starts or {name: self._number(f"total:{name}") for name in counters})

    def _number(self, slot: str) -> int:
        value = self._inputs[slot].value
        assert isinstance(value, int)  # noqa: S101 - _checked lets nothing else in
        return value

    def _time_ms(self) -> int:
        return max(entry.timestamp_ms for entry in self._inputs.values())

    def _begin(self, order: str, starts: Mapping[str, int]) -> Due | None:
        """The first run ever seen: keep where it began, at once."""
        began_ms = self._inputs[ORDER].timestamp_ms if self.settings.has_order else 0
        return self._silent(begun(order, starts, began_ms))

    def _change(self, order: str, starts: dict[str, int]) -> Due | None:
        """Another order: close the one before, by what the new starts say."""
        state = self._state()
        # An order that merely ended has latched nothing: then the counters are all there is.
        has_latched = bool(order) or starts != state.starts
        totals = self._totals(starts if has_latched else None)
        if totals is None and not order:
            self.waiting = "counters fell back and no order is running; waiting for the next order"
            return None
        note = "" if totals is not None else "a counter fell back; these are the last totals known"
        totals = totals if totals is not None else dict(self._last)
        closed = {name: run for name, run in state.closed.items() if name != state.order}
        if state.order:
            closed[state.order] = ClosedRun(state.starts, state.carried, totals)
        began_ms = self._inputs[ORDER].timestamp_ms
        after = resumed(order, starts, closed, began_ms)
        if not state.order:
            return self._silent(after)
        due = self._message(state, totals, after)
        return replace(due, is_final=True, time_ms=began_ms, note=note)

    def _latched_again(self, starts: dict[str, int]) -> Due | None:
        """New starts under the same order: carry what was counted, go on from there."""
        carried = self._totals(starts)
        if carried is None:
            self.waiting = "the order's start fell back; waiting for the next order"
            return None
        return self._silent(replace(self._state(), starts=starts, carried=carried))

    def _fold(self) -> Due | None:
        """Without an order: add what was counted since the last value, whatever the counter did.

        A state is kept at once only for a reset; all else can be worked out again.
        """
        state = self._state()
        carried, starts, is_reset = dict(state.carried), {}, False
        for name in self.settings.counters:
            starts[name] = now = self._number(f"total:{name}")
            gained = span(state.starts[name], now, self.settings.rollovers.get(name))
            is_reset |= gained is None
            carried[name] += now if gained is None else gained
        folded = replace(state, starts=starts, carried=carried)
        if is_reset:
            return self._silent(folded)
        self.state = folded
        return None

    def _progress(self, now_ms: int) -> Due | None:
        state = self._state()
        if state.order == "" and self.settings.has_order:
            return None  # counted outside any order: nobody to tell
        totals = self._totals()
        if totals is None or any(totals[name] < self._last[name] for name in totals):
            self.waiting = "a counter is below what it read before; waiting for it to catch up"
            return None
        self._last = totals
        grown = sum(totals.values()) - sum(state.confirmed.values())
        if not grown:
            return None
        if self._grew_ms is None:
            self._grew_ms = now_ms
        is_late = now_ms - self._grew_ms >= self.settings.at_most_ms
        if grown < self.settings.every and not is_late:
            return None
        return self._message(state, totals, replace(state, confirmed=totals))

    def _totals(self, ends: Mapping[str, int] | None = None) -> dict[str, int] | None:
        """What was carried, and end - start; None where a counter fell back. `ends`: the counters now."""
        state = self._state()
        totals: dict[str, int] = {}
        for name in self.settings.counters:
            end = ends[name] if ends else self._number(f"total:{name}")
            gained = span(state.starts[name], end, self.settings.rollovers.get(name))
            if gained is None:
                return None
            totals[name] = state.carried[name] + gained
        return totals

    def _state(self) -> TriggerState:
        assert self.state is not None  # noqa: S101 - due() begins with a state
        return self.state

    def _message(self, state: TriggerState, totals: dict[str, int], after: TriggerState) -> Due:
        deltas = {name: totals[name] - state.confirmed.get(name, 0) for name in totals}
        return Due(
            order=state.order,
            is_final=False,
            totals=totals,
            deltas=deltas,
            began_ms=state.began_ms,
            time_ms=self._time_ms(),
            after=after,
        )

    def _silent(self, after: TriggerState) -> Due:
        nothing = dict.fromkeys(self.settings.counters, 0)
        return replace(self._message(after, nothing, after), is_silent=True)


def span(start: int, end: int, rollover: int | None) -> int | None:
    """How far a counter ran from `start` to `end`; None where it was reset in between.

    `rollover` is where it starts again at 0. More than half of it in one step is taken for a
    reset: a counter that was set to zero must not look like four billion pieces.

    >>> span(65_530, 4, 65_536), span(65_530, 4, None), span(1_000, 0, 2**32)
    (10, None, None)
    """
    if end >= start:
        return end - start
    if rollover is None:
        return None
    gained = end - start + rollover
    return gained if 0 <= gained <= rollover // 2 else None


def _slots(settings: CounterSettings) -> tuple[str, ...]:
    return (*(f"total:{name}" for name in settings.counters), *_run_slots(settings))


def _run_slots(settings: CounterSettings) -> tuple[str, ...]:
    if not settings.has_order:
        return ()
    return (ORDER, *(f"since:{name}" for name in settings.counters))


def _checked(slot: str, value: Value) -> Value:
    """The value as this slot needs it; None where it cannot be."""
    if slot == ORDER:
        return str(value) if isinstance(value, (str, int)) else None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _plain(slot: str) -> str:
    kind, _, name = slot.partition(":")
    return {"total": f"counter `{name}`", "since": f"the start of `{name}`"}.get(kind, "the order")
