"""The rewind window remembers what was sent lately, and no more."""

from __future__ import annotations

from uns.sparkplug.rewind import Rewind


def reading(number, at_ms=None):
    return (1, number, 192, number if at_ms is None else at_ms)


def test_what_was_sent_within_the_window_comes_back_in_order():
    """By device, oldest first, and only once."""
    rewind = Rewind(window_ms=10_000)
    rewind.sent("filler", [reading(1), reading(2)], 1_000)
    rewind.sent("capper", [reading(3)], 5_000)
    rewind.sent("filler", [reading(4)], 10_900)
    expected = [
        ("filler", [reading(1), reading(2)]),
        ("capper", [reading(3)]),
        ("filler", [reading(4)]),
    ]
    assert expected == rewind.take(10_999)
    assert ([], 0) == (rewind.take(11_000), rewind.count)


def test_what_was_sent_before_the_window_is_forgotten():
    """It has arrived, or the connection would have been found dead."""
    rewind = Rewind(window_ms=10_000)
    rewind.sent("filler", [reading(1)], 1_000)
    rewind.sent("filler", [reading(2)], 11_001)
    assert 1 == rewind.count
    assert [("filler", [reading(2)])] == rewind.take(11_500)


def test_memory_is_bounded():
    """A flood keeps the newest."""
    rewind = Rewind(most_readings=100)
    for number in range(50):
        rewind.sent("filler", [reading(number)] * 10, 1_000)
    assert 100 == rewind.count
    assert 40 == rewind.take(1_000)[0][1][0][1]


def test_a_reading_without_a_time_gets_the_one_it_travelled_with():
    """Or a host could not tell that it has heard it already."""
    rewind = Rewind()
    rewind.sent("filler", [reading(7, at_ms=0), reading(8)], 5_000, stamp_ms=1_790_000_000_000)
    assert [("filler", [reading(7, 1_790_000_000_000), reading(8)])] == rewind.take(5_000)
