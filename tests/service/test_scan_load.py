"""Which scan classes wait where a device is too busy, on a clock of numbers."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.driver import BoundTag
from uns.metric import DataType
from uns.service.scan import ScanSchedule


def run(took: dict[float, float], until: float, schedule: ScanSchedule | None = None, now=0.0):
    """Scan as the runtime does; `took` says how long a scan of each class takes."""
    if schedule is None:
        tags = [BoundTag(n, None, DataType.FLOAT, scan_s) for n, scan_s in enumerate(took)]
        schedule = ScanSchedule(tags, "plc", now)
    turns = []
    while now < until:
        scan = schedule.next(now)
        now = max(now, scan.due)
        began, now = now, now + took[scan.scan_s]
        schedule.scanned(scan, began, now)
        turn = schedule.balance()
        turns += [] if turn is None else [turn]
    return schedule, turns, now


def intervals(schedule: ScanSchedule) -> list[float]:
    return [one.every_s for one in schedule.classes]


def test_a_device_that_keeps_up_is_read_as_it_was_asked_for():
    """Four fifths of the time may be scans; the busy share is measured."""
    schedule, turns, _ = run({1.0: 0.5, 10.0: 1.0}, 120)
    assert [1.0, 10.0] == intervals(schedule)
    assert [] == turns
    assert 0.6 == pytest.approx(schedule.duty, abs=0.05)


def test_the_slowest_class_waits_first():
    """It gets what is left of four fifths; the fastest keeps its rate, and it is said once."""
    schedule, turns, _ = run({1.0: 0.5, 5.0: 1.0, 10.0: 2.0}, 120)
    assert [1.0, 5.0, 20.0] == pytest.approx(intervals(schedule))
    assert [True] == turns
    assert 0.9 == pytest.approx(schedule.demand)


def test_then_the_next_slower_one():
    """None waits more than ten times as long; the fastest leaves out ticks where it must."""
    schedule, turns, _ = run({1.0: 0.7, 2.0: 0.4, 10.0: 2.0}, 400)
    assert [1.0, 5.0, 100.0] == pytest.approx(intervals(schedule), rel=0.01)
    assert [True] == turns


def test_one_class_alone_is_never_stretched():
    """It leaves out ticks, which are counted, and the reader is told that it is too much."""
    schedule, turns, _ = run({1.0: 1.4}, 60)
    assert [1.0] == intervals(schedule)
    assert [True] == turns
    (health,) = (one.health for one in schedule.classes)
    assert health.overruns >= 25
    assert (1.4, 1.4) == pytest.approx((health.p50_s, health.p95_s))


def test_when_there_is_room_again_all_is_as_before():
    """A device that became faster is said once, too; not at the first fast scan."""
    schedule, _, now = run({1.0: 0.5, 5.0: 1.0, 10.0: 2.0}, 200)
    schedule, turns, _ = run({1.0: 0.1, 5.0: 0.2, 10.0: 0.2}, now + 400, schedule, now)
    assert [False] == turns
    assert [1.0, 5.0, 10.0] == intervals(schedule)


@given(
    st.dictionaries(
        st.sampled_from([0.2, 1.0, 5.0, 30.0]), st.floats(0.001, 3.0), min_size=1, max_size=4
    )
)
def test_whatever_scans_take_every_class_is_read(took):
    """No class is stretched beyond ten times, and none faster than was asked for."""
    schedule, turns, _ = run(took, 100)
    for one in schedule.classes:
        assert one.scans >= 1
        assert one.scan_s <= one.every_s <= 10 * one.scan_s + 1e-9
    assert schedule.classes[0].every_s == schedule.classes[0].scan_s
    assert all(before is not after for before, after in pairwise(turns))
