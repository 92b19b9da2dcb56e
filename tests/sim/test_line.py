"""Physics of a simulated line: exact counts, orders that change only at rest."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uns.sim.line import SimulatedLine
from uns.sim.machine import SimulatedMachine
from uns.sim.order import OrderBook
from uns.sim.packml import CHANGEOVER, NEXT, State
from uns.sim.truth import restore, truth_of

_RATE_PER_H = 60_000.0
_HOUR = 3600


def _line(seed: int = 1, machines: int = 3, rate: float = _RATE_PER_H) -> SimulatedLine:
    row = {
        f"a/b/c/line1/m{n}": SimulatedMachine(
            rate * 1.05**n, random.Random(f"{seed}:{n}"), good=100 * n, bad=n
        )
        for n in range(machines)
    }
    return SimulatedLine(row, OrderBook("B-LINE1", seed=seed, rate_per_h=rate))


def _run(line: SimulatedLine, seconds: int, speed: float = 1.0, start_ms: int = 0):
    """Step a line once a second and hand out every moment."""
    for second in range(1, seconds + 1):
        line.step(start_ms + second * 1000, speed)
        yield second


def _snapshot(line: SimulatedLine) -> list[tuple[State, int, int, str, int, int]]:
    return [
        (m.state, m.good, m.bad, m.orders[-1].id, m.orders[-1].start_good, m.orders[-1].start_bad)
        for m in line.machines.values()
    ]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([1.0, 5.0, 60.0]), st.integers(1, 4))
def test_counters_never_go_back_and_rest_during_an_order_change(seed, speed, machines):
    """Good and bad only grow, and never in a state of an order change."""
    line = _line(seed, machines)
    line.power_up(0)
    before = _snapshot(line)
    for _ in _run(line, 400 if speed < 60 else 80, speed):
        after = _snapshot(line)
        for old, new in zip(before, after, strict=True):
            assert old[1] <= new[1]
            assert old[2] <= new[2]
            if old[1:3] != new[1:3]:
                assert old[0] not in CHANGEOVER or old[0] is State.STARTING
        before = after


def test_a_machine_counts_only_in_execute():
    """At normal speed every piece is counted across a step that began in EXECUTE."""
    line = _line()
    line.power_up(0)
    before = _snapshot(line)
    for _ in _run(line, _HOUR):
        after = _snapshot(line)
        for old, new in zip(before, after, strict=True):
            assert old[1:3] == new[1:3] or old[0] is State.EXECUTE
        before = after


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([4.0, 20.0]))
def test_an_order_begins_at_rest_with_its_counters_latched(seed, speed):
    """A new id comes with what the counters read, at least 3 s after and 5 s before counting."""
    line = _line(seed)
    line.power_up(0)
    before, counted_at, changed_at = _snapshot(line), 0, -100
    changes = 0
    for second in _run(line, 400, speed):
        after = _snapshot(line)
        if [each[3] for each in before] != [each[3] for each in after]:
            changes += 1
            assert all(old[3] != new[3] for old, new in zip(before, after, strict=True))
            assert all(new[1:3] == new[4:6] for new in after)
            assert second - counted_at >= 3
            changed_at = second
        if [each[1:3] for each in before] != [each[1:3] for each in after]:
            counted_at = second
            assert second - changed_at >= 5
        before = after
    assert changes > 0


def test_closing_totals_are_differences_of_latched_starts():
    """What an order made is the next order's start minus its own, and what its record says."""
    line = _line()
    line.power_up(0)
    for _ in _run(line, 2 * _HOUR):
        pass
    for machine in line.machines.values():
        assert len(machine.orders) > 5
        assert not machine.orders[-1].ended
        for order, following in pairwise(machine.orders):
            assert order.good == following.start_good - order.start_good
            assert order.bad == following.start_bad - order.start_bad
            assert order.started < order.finished < order.ended == following.started
        assert machine.good == machine.orders[-1].start_good + machine.orders[-1].good
        assert machine.bad == machine.orders[-1].start_bad + machine.orders[-1].bad


def test_the_first_machine_makes_exactly_the_quantity():
    """The head of a line stops at the ordered quantity; each next one gets what the last let by."""
    line = _line()
    line.power_up(0)
    for _ in _run(line, 2 * _HOUR):
        pass
    head, second, third = (machine.orders[:-1] for machine in line.machines.values())
    for ahead, middle, behind in zip(head, second, third, strict=True):
        assert ahead.quantity == ahead.good
        assert ahead.good == middle.good + middle.bad
        assert middle.good == behind.good + behind.bad


def test_some_scrap_and_some_stops():
    """A few per cent are bad, and every kind of stop comes up in a day."""
    line = _line()
    line.power_up(0)
    seen = set()
    for _ in _run(line, 8 * _HOUR):
        seen |= {machine.state for machine in line.machines.values()}
    assert set(State) - {State.STOPPING} == seen
    for machine in line.machines.values():
        assert 0.005 < machine.bad / (machine.good + machine.bad) < 0.05


def test_a_seed_decides_everything():
    """Two lines with the same seed and the same times are the same; another seed is not."""
    lines = [_line(7), _line(7), _line(8)]
    for line in lines:
        line.power_up(0)
        for _ in _run(line, 900):
            pass
    assert _snapshot(lines[0]) == _snapshot(lines[1])
    assert _snapshot(lines[0]) != _snapshot(lines[2])


def test_states_follow_packml():
    """A machine moves along PackML's arrows only."""
    allowed = {(start, end) for start, end in NEXT.items()} | {
        (State.EXECUTE, State.COMPLETING),
        (State.EXECUTE, State.HOLDING),
        (State.EXECUTE, State.ABORTING),
        (State.EXECUTE, State.SUSPENDING),
        (State.SUSPENDED, State.UNSUSPENDING),
        (State.COMPLETE, State.RESETTING),
    }
    line = _line()
    line.power_up(0)
    before = _snapshot(line)
    for _ in _run(line, 4 * _HOUR):
        after = _snapshot(line)
        for old, new in zip(before, after, strict=True):
            assert old[0] is new[0] or (old[0], new[0]) in allowed
        before = after


@pytest.mark.parametrize("after_s", [10, 130, 300, 700])
def test_wind_down_stops_counting_for_good(after_s):
    """After wind_down nothing counts and no order changes, whatever a machine was doing."""
    line = _line()
    line.power_up(0)
    for _ in _run(line, after_s):
        pass
    line.wind_down()
    still = [each[1:] for each in _snapshot(line)]
    for _ in _run(line, 600, start_ms=after_s * 1000):
        assert still == [each[1:] for each in _snapshot(line)]
    assert not any(machine.state is State.EXECUTE for machine in line.machines.values())


@pytest.mark.parametrize("after_s", [10, 130, 215, 300, 700])
def test_a_restart_goes_on_where_it_was(after_s):
    """A line that is restored has the same counters and order, and goes on to the next one."""
    line = _line()
    line.power_up(0)
    for _ in _run(line, after_s):
        pass
    truth = truth_of({"a/b/c/line1": line}, {}, 0)
    again = _line(seed=99)
    restore({"a/b/c/line1": again}, {}, truth)
    again.power_up(after_s * 1000)
    assert [each[1:] for each in _snapshot(line)] == [each[1:] for each in _snapshot(again)]
    assert not any(machine.state is State.EXECUTE for machine in again.machines.values())
    for _ in _run(again, 1200, start_ms=after_s * 1000):
        pass
    assert line.number < again.number
    for machine in again.machines.values():
        assert machine.good == machine.orders[-1].start_good + machine.orders[-1].good
        starts = [record.start_good for record in machine.orders]
        assert sorted(starts) == starts


def test_a_long_pause_is_not_made_up_for():
    """A simulator that was stopped for an hour counts on, but not a burst."""
    line = _line()
    line.power_up(0)
    for _ in _run(line, 20):
        pass
    before = _snapshot(line)[0][1]
    line.step(_HOUR * 1000, 1.0)
    assert _snapshot(line)[0][1] - before <= 2 * _RATE_PER_H / 3600 * 1.05


def test_an_order_may_not_begin_while_counting():
    """The machine refuses an order in EXECUTE: a total could not be exact."""
    line = _line()
    line.power_up(0)
    machine = next(iter(line.machines.values()))
    with pytest.raises(ValueError, match="may not begin in EXECUTE"):
        machine.begin(line.order, "now")
