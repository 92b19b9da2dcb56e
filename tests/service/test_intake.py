"""What a connection's intake makes of readings, on a clock of numbers."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

import uns.service.intake as intake_module
from uns.service.device_clock import Turn
from uns.service.intake import Intake

NOW = 1_767_868_200_000
GOOD, BAD = 192, 0


def reading(at: int, value: int = 1, handle: int = 1, quality: int = GOOD):
    return (handle, value, quality, at)


def begun(*handles: int, resumed: bool = False, **settings) -> Intake:
    intake = Intake(handles or (1,), **settings)
    intake.began(NOW, is_resumed=resumed)
    return intake


def test_readings_without_a_time_get_ours():
    """Time 0 asks for it; a source's own time is kept."""
    current, late = begun(1, 2).take([reading(0), reading(NOW - 7, handle=2)], NOW)
    assert [(1, 1, GOOD, NOW), (2, 1, GOOD, NOW - 7)] == current
    assert [] == late


def test_with_our_clock_every_value_gets_the_time_it_came():
    """`clock: ours` is for devices whose time is wrong: none of it is believed."""
    current, late = begun(is_ours=True).take([reading(5), reading(3)], NOW)
    assert [reading(NOW), reading(NOW)] == current
    assert [] == late


def test_a_tag_that_is_gone_is_not_heard():
    """What a driver still delivers of a tag that was let go is dropped."""
    intake = begun(1, 2)
    intake.change([2])
    assert [reading(NOW, handle=2)] == intake.take([reading(NOW), reading(NOW, handle=2)], NOW)[0]


def test_an_older_value_is_late():
    """It is history, and never shown as what the tag is now; an equal time is no news of order."""
    intake = begun()
    intake.take([reading(NOW, 5)], NOW)
    assert ([], [reading(NOW - 1, 4)]) == intake.take([reading(NOW - 1, 4)], NOW)
    assert ([reading(NOW, 6)], []) == intake.take([reading(NOW, 6)], NOW)


def test_a_fault_is_current_whatever_its_time():
    """A sensor that fails and recovers with the time of its last value is Good again."""
    intake = begun()
    intake.take([reading(NOW - 50)], NOW)
    assert [reading(NOW, quality=BAD)] == intake.take([reading(NOW, quality=BAD)], NOW)[0]
    assert [reading(NOW - 50)] == intake.take([reading(NOW - 50)], NOW)[0]


def test_of_what_was_kept_all_but_the_newest_of_a_batch_is_late():
    """A source that kept ten values for us tells one current value and nine of history."""
    intake = begun(1, 2, resumed=True)
    kept = [reading(NOW - 1000 + n, n, 1 + n % 2) for n in range(10)]
    current, late = intake.take(kept, NOW + 5)
    assert kept[8:] == current
    assert kept[:8] == late


def test_what_comes_after_the_kept_values_is_live():
    """Once a batch has nothing old in it, several values of a tag in one are current again."""
    intake = begun(resumed=True)
    intake.take([reading(NOW - 2), reading(NOW - 1)], NOW)
    intake.take([reading(NOW + 1, 1)], NOW + 2)
    news = [reading(NOW + 3, 2), reading(NOW + 4, 3)]
    assert (news, []) == intake.take(news, NOW + 5)


def test_what_was_read_anew_is_not_told_twice():
    """The value that a resumed session was read is in what the source kept, too."""
    intake = begun(resumed=True, remembers=True)
    fresh = [reading(NOW + 3, 9)]
    assert fresh == intake.refreshed(fresh, NOW + 5)
    kept = [reading(NOW - 5, 7), reading(NOW + 1, 8), reading(NOW + 3, 9), reading(NOW + 6, 10)]
    current, late = intake.take(kept, NOW + 7)
    assert [kept[3]] == current
    assert kept[:2] == late


def test_a_storm_of_resets_tells_nothing_twice():
    """What three sessions were read anew before one lived to hand in what was kept."""
    intake = begun(resumed=True, remembers=True)
    assert [reading(NOW + 3, 3)] == intake.refreshed([reading(NOW + 3, 3)], NOW + 4)
    intake.began(NOW + 5, is_resumed=True)
    assert [reading(NOW + 6, 6)] == intake.refreshed([reading(NOW + 6, 6)], NOW + 7)
    intake.began(NOW + 8, is_resumed=True)
    assert [reading(NOW + 9, 9)] == intake.refreshed([reading(NOW + 9, 9)], NOW + 10)
    kept = [reading(NOW + n, n) for n in range(1, 11)]
    current, late = intake.take(kept, NOW + 11)
    assert [10] == [value for _, value, _, _ in current]
    assert [1, 2, 4, 5, 7, 8] == [value for _, value, _, _ in late]


def test_a_long_absence_in_a_storm_of_resets_tells_nothing_twice():
    """A table is caught up with in steps, and behind each its newest row stands again."""
    intake = begun(resumed=True, remembers=True)
    newest = reading(NOW - 1, 9)
    intake.refreshed([newest], NOW)
    step = [reading(NOW - 10 + n, n) for n in range(1, 4)]
    assert ([], step) == intake.take([*step, newest], NOW + 1)
    intake.began(NOW + 5, is_resumed=True)
    intake.refreshed([reading(NOW, 10)], NOW + 5)
    rest = [reading(NOW - 10 + n, n) for n in range(4, 11)]
    assert ([], rest[:-2]) == intake.take(rest, NOW + 6)


def test_a_storm_without_an_end_is_remembered_in_part(monkeypatch):
    """Of what was read anew only so much is remembered; the oldest may come once more."""
    monkeypatch.setattr(intake_module, "_MOST_ANEW", 2)
    intake = begun(resumed=True, remembers=True)
    for at in (3, 6, 9):
        intake.began(NOW + at, is_resumed=True)
        intake.refreshed([reading(NOW + at, at)], NOW + at)
    _, late = intake.take([reading(NOW + n, n) for n in range(1, 11)], NOW + 11)
    assert [1, 2, 3, 4, 5, 7, 8] == [value for _, value, _, _ in late]


def test_what_was_read_anew_and_is_older_than_what_was_told_is_not_lost():
    """It was not told then, so it is history when its source hands it in."""
    intake = begun(remembers=True)
    intake.take([reading(NOW + 5, 5)], NOW + 5)
    intake.began(NOW + 6, is_resumed=True)
    assert [] == intake.refreshed([reading(NOW + 4, 4)], NOW + 7)
    kept = [reading(NOW + 4, 4), reading(NOW + 6, 6)]
    assert ([kept[1]], [kept[0]]) == intake.take(kept, NOW + 8)


def test_a_source_that_says_its_newest_again_vouches_for_it():
    """A table without a new row, after a cut: the same reading, however old, is always current."""
    intake = begun(resumed=True, remembers=True)
    row = reading(NOW - 3_600_000, 5)
    assert [row] == intake.refreshed([row], NOW)
    assert ([], []) == intake.take([row], NOW)
    for _ in range(3):
        assert ([row], []) == intake.take([row], NOW)


def test_what_did_not_change_is_told_again_after_a_resume():
    """Its source tells only changes: the last value still holds, and is stale no longer."""
    intake = begun(1, 2, remembers=True)
    intake.take([reading(NOW, 5), reading(NOW, 6, handle=2)], NOW)
    intake.change([2])
    intake.began(NOW + 9, is_resumed=True)
    assert [reading(NOW, 6, handle=2)] == intake.refreshed((), NOW + 9)


def test_a_session_that_begins_anew_may_say_older_times():
    """A server that restarted tells what is now, whatever its clock says."""
    intake = begun()
    intake.take([reading(NOW)], NOW)
    intake.began(NOW + 10, is_resumed=False)
    assert ([reading(NOW - 9)], []) == intake.take([reading(NOW - 9)], NOW + 11)


def test_a_clock_that_is_set_back_does_not_silence_its_tags():
    """Times an hour back that go on at our pace are current within five seconds."""
    intake = begun()
    intake.take([reading(NOW)], NOW)
    shown = []
    for second in range(1, 9):
        now = NOW + 1000 * second
        current, _ = intake.take([reading(now - 3_600_000, second)], now)
        shown += current
    assert [6, 7, 8] == [value for _, value, _, _ in shown]


def test_a_clock_that_was_ahead_and_is_put_right_is_believed_at_once():
    """The time before was one that no right clock can say."""
    intake = begun()
    intake.take([reading(NOW + 420_000)], NOW)
    assert ([reading(NOW + 1000)], []) == intake.take([reading(NOW + 1000)], NOW + 1000)


def test_a_mistyped_year_holds_up_a_tag_until_the_next_value_only():
    """One row dated years ahead is no clock: the next right time is believed at once."""
    intake = begun()
    intake.take([reading(NOW - 60_000)], NOW)
    ahead = reading(NOW + 315_360_000_000, 7)
    assert ([ahead], []) == intake.take([ahead], NOW + 1000)
    for minute in range(1, 4):
        row = reading(NOW + 60_000 * minute, minute)
        assert ([row], []) == intake.take([row], row[3] + 1000)


def test_a_mistyped_year_does_not_make_live_values_kept_ones():
    """After it and a resumed session, values that come later are told as live."""
    intake = begun()
    intake.take([reading(NOW - 60_000)], NOW)
    intake.take([reading(NOW + 315_360_000_000)], NOW)
    intake.began(NOW + 1000, is_resumed=True)
    intake.take([reading(NOW + 2000)], NOW + 2000)
    news = [reading(NOW + 3000, 2), reading(NOW + 4000, 3)]
    assert (news, []) == intake.take(news, NOW + 5000)


def test_a_clock_that_is_hours_ahead_keeps_history_apart():
    """A wrong time zone that goes on is a clock: what is older than its news is late."""
    intake = begun()
    late = []
    for second in range(60):
        now = NOW + 1000 * second
        intake.take([reading(now + 7_200_000)], now)
        late += intake.take([reading(now + 3_000_000)], now)[1] if second > 30 else []
    assert 29 == len(late)


def test_history_between_live_values_stays_history():
    """A gateway that hands in an hour beside live values never makes old ones current."""
    intake = begun()
    for second in range(20):
        now = NOW + 1000 * second
        assert ([reading(now)], []) == intake.take([reading(now)], now)
        old = [reading(now - 3_600_000)]
        assert ([], old) == intake.take(old, now)


def test_the_clock_is_judged_by_its_news():
    """Seven minutes ahead is said once, and once that it is over; an old value says nothing."""
    intake = begun(1, 2)
    turns = []
    for second in range(120):
        now = NOW + 1000 * second
        ahead = 420_000 if second < 60 else 0
        intake.take([reading(now + ahead - 20), reading(NOW - 9_999_999, handle=2)], now)
        turns += [(intake.turn, second)] if intake.turn else []
    (wrong, at), (right, over) = turns
    assert (Turn.WRONG, Turn.RIGHT) == (wrong, right)
    assert at <= 20
    assert 60 < over <= 100
    assert -20 == intake.clock.ahead_ms
    assert 419_980 == intake.clock.worst_ms


@given(
    st.lists(st.lists(st.tuples(st.integers(1, 3), st.integers(-50, 50)), max_size=6), max_size=8),
    st.booleans(),
)
def test_nothing_is_lost_or_told_twice(batches, resumed):
    """Every reading is either current or late; current ones of a tag never go back in time."""
    intake = begun(1, 2, 3, resumed=resumed)
    number = 0
    latest: dict[int, int] = {}
    for batch in batches:
        readings = []
        for handle, offset in batch:
            number += 1
            readings.append((handle, number, GOOD, NOW + offset))
        current, late = intake.take(readings, NOW)
        assert sorted(readings) == sorted([*current, *late])
        for handle, _, _, at in current:
            assert latest.get(handle, 0) <= at
            latest[handle] = at
