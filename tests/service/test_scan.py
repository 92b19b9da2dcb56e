"""The scan schedule, on a clock of numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridges.driver import BoundTag
from uns.metric import DataType
from uns.service.scan import ScanSchedule


def tags(*scans: float) -> list[BoundTag]:
    return [BoundTag(n, None, DataType.FLOAT, scan_s) for n, scan_s in enumerate(scans)]


def test_every_class_is_due_at_once_and_the_fastest_goes_first():
    """After a connect each class is read without delay, short intervals before long ones."""
    schedule = ScanSchedule(tags(1, 0.2, 30, 1), "plc", 100.0)
    order = []
    while not schedule.is_complete:
        scan = schedule.next(100.0)
        order.append((scan.scan_s, tuple(scan.handles)))
        schedule.scanned(scan, 100.0, 100.0)
    assert [(0.2, (1,)), (1, (0, 3)), (30, (2,))] == order


def test_a_rate_is_kept_although_scans_take_time():
    """Ten scans of a second take ten seconds, however long each of them takes."""
    schedule = ScanSchedule(tags(1), "plc", 0.0)
    schedule.scanned(schedule.next(0.0), 0.0, 0.1)
    first = schedule.next(0.1).due
    for _ in range(10):
        scan = schedule.next(0.1)
        schedule.scanned(scan, scan.due, scan.due + 0.7)
    assert abs(first + 10 - schedule.next(0).due) < 1e-6
    assert 0 == schedule.overruns


def test_missed_ticks_are_skipped_and_counted():
    """A scan of 3.5 s in a class of 1 s makes up for nothing: three ticks are gone."""
    schedule = ScanSchedule(tags(1), "plc", 0.0)
    schedule.scanned(schedule.next(0.0), 0.0, 0.0)
    scan = schedule.next(0.0)
    due = scan.due
    schedule.scanned(scan, due, due + 3.5)
    assert 3 == schedule.overruns
    assert abs(due + 4 - scan.due) < 1e-6


def test_connections_are_spread_over_the_interval():
    """Two hundred devices with the same scan do not ask in the same tenth of it."""
    tenths = set()
    for n in range(200):
        schedule = ScanSchedule(tags(1), f"modbus://10.0.0.{n}:502", 0.0)
        schedule.scanned(schedule.next(0.0), 0.0, 0.0)
        tenths.add(int(schedule.next(0.0).due * 10 % 10))
    assert set(range(10)) == tenths


def test_the_handles_of_a_class_stay_one_object_until_tags_are_added():
    """Drivers keep their plan by identity; a tag that appears late makes a new one."""
    schedule = ScanSchedule(tags(1, 1), "plc", 0.0)
    before = schedule.next(0.0).handles
    assert before is schedule.next(5.0).handles
    schedule.add([BoundTag(9, None, DataType.FLOAT, 1)], 6.0)
    assert (0, 1, 9) == tuple(schedule.next(6.0).handles)


def test_nothing_to_scan_is_nothing_due():
    """A connection whose tags are all refused has no scan."""
    assert None is ScanSchedule([], "plc", 0.0).next(0.0)


@given(st.floats(0.05, 60), st.floats(0, 500), st.integers(1, 30))
def test_the_next_scan_is_never_more_than_one_interval_away(scan_s, took_s, rounds):
    """Whatever a scan took, the class is due again within its interval and not in the past."""
    schedule = ScanSchedule(tags(scan_s), "plc", 0.0)
    now = 0.0
    for _ in range(rounds):
        scan = schedule.next(now)
        began = max(now, scan.due)
        now = began + took_s
        schedule.scanned(scan, began, now)
        assert now <= scan.due + 1e-6
        assert scan.due <= now + scan_s + 1e-6


def test_tags_that_are_gone_are_not_scanned():
    """Their class is rid of them, and gone itself with its last one; the others keep their rate."""
    schedule = ScanSchedule(tags(1, 1, 5), "plc", 0.0)
    while not schedule.is_complete:
        schedule.scanned(schedule.next(0.0), 0.0, 0.0)
    due = schedule.next(0.0).due
    schedule.remove([0, 2])
    assert ((1,), due) == (tuple(schedule.next(0.0).handles), schedule.next(0.0).due)
    schedule.remove([1])
    assert None is schedule.next(9.0)


def test_scans_that_nobody_could_take_are_left_out():
    """Whole intervals that passed are, and are no overruns; what is due stays due once."""
    schedule = ScanSchedule(tags(1, 10), "plc", 0.0)
    assert 5 == schedule.postpone(5.5)
    assert 5.0 == schedule.next(5.5).due
    assert 0 == schedule.overruns
    assert 0 == schedule.postpone(5.9)
