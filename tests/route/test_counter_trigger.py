"""What the counter trigger promises, told as values of a filler over time."""

from __future__ import annotations

from typing import Any

import pytest

from uns.metric import Quality

NO_ORDER = {
    "trigger": {"counter": {"tags": {"good": "good", "bad": "bad"}, "every": 10}},
    "id": "= str(total.good) + ':' + str(total.bad)",
    "map": {
        "JobResponseID": "= id",
        "JobOrderID": "none",
        "JobState": "= state",
        "MaterialActuals": [
            {"MaterialUse": "Produced", "Quantity": "= total.good"},
            {"MaterialUse": "Scrap", "Quantity": "= total.bad"},
        ],
    },
}


def begun(bench: Any, **more: Any) -> Any:
    """A filler on order A that began at 1000 good and 10 bad, settled."""
    b = bench(**more)
    b.put(sg=1000, sb=10, order="A", good=1000, bad=10)
    b.wait(3)
    assert [] == b.sent()
    return b


def test_a_message_is_due_each_time_the_counters_have_counted_enough(bench: Any) -> None:
    """`every: 100` means a hundred pieces of all counters together."""
    b = begun(bench)
    b.put(good=1098)
    b.put(bad=11)
    assert [] == b.sent()
    b.put(good=1099)
    assert [("A", "Running", 99, 1)] == b.sent()
    b.put(good=1199)
    assert [("A", "Running", 199, 1)] == b.sent()


def test_nothing_counted_waits_longer_than_at_most(bench: Any) -> None:
    """A single piece is told after `at_most`, and only once."""
    b = begun(bench)
    b.put(good=1001)
    b.wait(9)
    assert [] == b.sent()
    b.wait(2)
    assert [("A", "Running", 1, 0)] == b.sent()
    b.wait(60)
    assert [] == b.sent()


def test_values_that_were_missed_in_between_change_nothing(bench: Any) -> None:
    """The total is a difference of two readings, not a sum of steps."""
    b = begun(bench)
    b.put(good=5000)
    assert [("A", "Running", 4000, 0)] == b.sent()


def test_an_order_is_closed_by_the_starts_of_the_next(bench: Any) -> None:
    """The closing total is new start minus old start, whatever the counters read by then."""
    b = begun(bench)
    b.put(good=1100)
    assert [("A", "Running", 100, 0)] == b.sent()
    b.put(good=1130, sg=1123, sb=12)
    b.put(order="B")
    b.put(bad=12)
    assert [] == b.sent()
    b.wait(3)
    assert [("A", "Completed", 123, 2)] == b.sent()
    b.wait(10)
    assert [("B", "Running", 7, 0)] == b.sent()


def test_an_order_change_is_not_believed_before_it_was_still_for_a_while(bench: Any) -> None:
    """Starts and id arrive apart; only together, and after `settle`, they mean something."""
    b = begun(bench)
    b.put(sg=1200)
    b.wait(1)
    b.put(sb=20)
    b.wait(1)
    b.put(order="B", good=1300, bad=20)
    b.wait(1.5)
    assert [] == b.sent()
    b.wait(1)
    assert [("A", "Completed", 200, 10), ("B", "Running", 100, 0)] == b.sent()


def test_an_id_that_comes_long_after_the_starts_loses_nothing(bench: Any) -> None:
    """New starts under the old id are carried: the order's total is the same."""
    b = begun(bench)
    b.put(good=1050, sg=1050)
    b.wait(30)
    assert [("A", "Running", 50, 0)] == b.sent()
    b.put(order="B", good=1060)
    b.wait(3)
    assert [("A", "Completed", 50, 0)] == b.sent()
    b.wait(10)
    assert [("B", "Running", 10, 0)] == b.sent()


def test_the_last_running_total_and_the_final_one_are_two_messages(bench: Any) -> None:
    """Equal totals must not make the closing pass for a repetition: their ids differ."""
    b = begun(bench)
    b.put(good=1100)
    b.put(sg=1100, order="B")
    b.wait(3)
    ids = [emission.id for emission in b.emissions if emission.message]
    assert [("A", "Running", 100, 0), ("A", "Completed", 100, 0)] == b.sent()
    assert 2 == len(set(ids))


def test_two_machines_on_one_order_do_not_share_ids(bench: Any, filler: Any) -> None:
    """The same order with the same totals on two machines is two facts."""
    ids = set()
    for line in (1, 2):
        b = begun(bench, machine=filler(f"acme/leeds/packaging/line{line}/filler"))
        b.put(good=1100)
        ids |= {emission.id for emission in b.emissions if emission.message}
    assert 2 == len(ids)


def test_an_order_without_pieces_is_closed_without_a_message(bench: Any) -> None:
    """`when` is false for it; the next order counts all the same."""
    b = begun(bench)
    b.put(order="B")
    b.wait(3)
    assert [] == b.sent()
    b.put(good=1100)
    assert [("B", "Running", 100, 0)] == b.sent()


def test_an_order_that_ends_without_a_next_is_closed_by_the_counters(bench: Any) -> None:
    """An empty id latches nothing; what the counters read is all there is."""
    b = begun(bench)
    b.put(good=1040, order="")
    b.wait(3)
    assert [("A", "Completed", 40, 0)] == b.sent()
    b.put(good=1045)
    b.wait(30)
    assert [] == b.sent()
    b.put(sg=1045, order="B", good=1050)
    b.wait(15)
    assert [("B", "Running", 5, 0)] == b.sent()


def test_an_interrupted_order_goes_on_where_it_was(bench: Any) -> None:
    """A, then B, then A again: A's total is of both of its runs."""
    b = begun(bench)
    b.put(sg=1100, order="B", good=1100)
    b.wait(3)
    b.put(sg=1150, order="A", good=1150)
    b.wait(3)
    assert [("A", "Completed", 100, 0), ("B", "Completed", 50, 0)] == b.sent()
    b.put(good=1350)
    assert [("A", "Running", 300, 0)] == b.sent()


def test_counters_that_come_back_before_the_order_are_not_counted_for_the_old_one(
    bench: Any,
) -> None:
    """After a reconnect or an outage values come in any order; nothing is told until all have."""
    b = begun(bench)
    b.put(is_retained=True, good=9000)
    b.wait(1)
    b.put(is_retained=True, sg=8000)
    b.put(is_retained=True, order="B")
    b.wait(3)
    assert [("A", "Completed", 7000, 0), ("B", "Running", 1000, 0)] == b.sent()
    b.quality = Quality.STALE
    b.put(good=9000)
    b.quality = Quality.GOOD
    b.put(good=19_000)
    b.put(sg=18_000, order="C")
    b.wait(3)
    assert [("B", "Completed", 10_000, 0), ("C", "Running", 1000, 0)] == b.sent()


def test_what_was_told_too_early_is_put_right_by_the_closing(bench: Any) -> None:
    """A slow order tag lets the counters run ahead; the closing total is the truth, even 0."""
    b = begun(bench)
    b.put(good=1107)
    assert [("A", "Running", 107, 0)] == b.sent()
    b.put(order="B")
    b.wait(3)
    assert [("A", "Completed", 0, 0), ("B", "Running", 107, 0)] == b.sent()


@pytest.mark.parametrize("quality", [Quality.BAD, Quality.STALE, Quality.UNCERTAIN])
@pytest.mark.parametrize("tag", ["good", "order", "sg"])
def test_what_is_not_good_is_waited_for(bench: Any, quality: Quality, tag: str) -> None:
    """A stale counter, order or start leads to no message; the next Good one does."""
    b = begun(bench)
    value = {"good": 1000, "order": "A", "sg": 1000}[tag]
    b.quality = quality
    b.put(**{tag: value})
    b.quality = Quality.GOOD
    b.put(bad=500)
    b.wait(30)
    assert [] == b.sent()
    assert b.route.waiting
    b.put(**{tag: value})
    b.wait(30)
    assert [("A", "Running", 0, 490)] == b.sent()
    assert "" == b.route.waiting


@pytest.mark.parametrize("value", [None, "many", 1.5, True])
def test_what_is_no_whole_number_is_no_count(bench: Any, value: Any) -> None:
    """A counter with another value than a whole number is waited for."""
    b = begun(bench)
    b.put(good=value)
    b.put(bad=999)
    assert [] == b.sent()


def test_retained_repeats_say_nothing_twice(bench: Any) -> None:
    """After a reconnect the broker repeats every value; no message follows."""
    b = begun(bench)
    b.put(good=1100)
    assert 1 == len(b.sent())
    for _ in range(3):
        b.put(at=b.now, is_retained=True, order="A", good=1100, sg=1000, bad=10, sb=10)
        b.wait(15)
    assert [] == b.sent()


def test_redelivered_old_values_are_old_news(bench: Any) -> None:
    """After a lost acknowledgement QoS 1 repeats what was in flight, old order and all."""
    b = begun(bench)
    first = b.now
    b.put(at=first, good=1050)
    b.put(at=first + 1, sg=1123, good=1123)
    b.put(at=first + 2, order="B")
    b.wait(3)
    assert [("A", "Completed", 123, 0)] == b.sent()
    b.put(at=1_000_000, sg=1000, order="A", good=1000)
    b.put(at=first, good=1050)
    b.wait(5)
    assert [] == b.sent()
    b.put(at=first + 1, good=1123, sg=1123)
    b.put(at=first + 2, order="B")
    b.wait(3)
    b.put(good=1223)
    assert [("B", "Running", 100, 0)] == b.sent()


def test_an_outage_over_an_order_change_is_told_exactly(bench: Any) -> None:
    """The broker shows only the newest values; they are enough for both orders."""
    b = begun(bench)
    b.put(good=1100)
    b.sent()
    b.quality = Quality.STALE
    b.put(good=1100, bad=10, order="A", sg=1000, sb=10)
    b.wait(3600)
    assert [] == b.sent()
    b.quality = Quality.GOOD
    b.put(is_retained=True, good=9000, bad=77, order="B", sg=8000, sb=60)
    b.wait(3)
    assert [("A", "Completed", 7000, 50), ("B", "Running", 1000, 17)] == b.sent()


def test_orders_that_passed_while_we_were_down_are_each_closed(bench: Any) -> None:
    """A broker's queue replays them within a moment; source times tell them apart."""
    b = begun(bench)
    for number, order in enumerate("BCD", start=1):
        at = b.now + 60_000 * number
        b.put(at=at, good=1000 + 99 * number)
        b.put(at=at, sg=1000 + 100 * number)
        b.put(at=at + 5, order=order)
    b.wait(3)
    totals = [(order, state, good) for order, state, good, _ in b.sent()]
    assert [(order, "Completed", 100) for order in "ABC"] == totals


def test_retained_values_of_different_ages_are_no_replay(bench: Any) -> None:
    """Each retained value has the time of its own change: only arrival counts for those."""
    b = begun(bench)
    b.put(at=b.now + 90_000, is_retained=True, order="B")
    b.put(at=b.now + 30_000, is_retained=True, sg=1100)
    b.put(at=b.now + 60_000, is_retained=True, good=1100)
    b.put(at=b.now + 120_000, is_retained=True, sb=40)
    b.put(at=b.now + 150_000, is_retained=True, bad=40)
    b.wait(3)
    assert [("A", "Completed", 100, 30)] == b.sent()


@pytest.mark.parametrize(
    ("start", "now", "rollover"),
    [
        (2**32 - 50, 50, None),  # a UInt32 wraps by itself
        (65_500, 64, 65_536),
        (950, 50, 1000),
    ],
)
def test_a_counter_that_rolls_over_goes_on(
    bench: Any, filler: Any, start: int, now: int, rollover: int | None
) -> None:
    """Past its end a counter begins at 0 again; the total does not."""
    b = bench(machine=filler(good=rollover))
    b.put(sg=start, sb=0, order="A", good=start, bad=0)
    b.wait(3)
    b.put(good=now)
    assert [("A", "Running", 100, 0)] == b.sent()


def test_with_an_order_a_reset_is_waited_out_and_never_guessed(bench: Any) -> None:
    """A counter below the start makes no message; the next order closes with the last totals."""
    b = begun(bench)
    b.put(good=1100)
    b.sent()
    b.put(good=3)
    b.wait(60)
    assert [] == b.sent()
    assert "below" in b.route.waiting
    b.put(sg=20, sb=1, order="B", good=20, bad=1)
    b.wait(3)
    notes = [emission.note for emission in b.emissions]
    assert [("A", "Completed", 100, 0)] == b.sent()
    assert "a counter fell back; these are the last totals known" in notes


def test_zeros_of_a_starting_server_close_no_order(bench: Any) -> None:
    """A server that shows empty values for a while and then the real ones leads to nothing."""
    b = begun(bench)
    b.put(good=1100)
    b.sent()
    b.put(good=0, bad=0, order="", sg=0, sb=0)
    b.wait(30)
    b.put(good=1150, bad=10, order="A", sg=1000, sb=10)
    b.wait(30)
    assert [("A", "Running", 150, 0)] == b.sent()


def test_without_an_order_totals_count_from_the_first_value(bench: Any) -> None:
    """There is nothing to be relative to but the beginning."""
    b = bench(**NO_ORDER)
    b.put(good=700, bad=0)
    b.put(good=715)
    assert [("none", "Running", 15, 0)] == b.sent()


def test_without_an_order_a_reset_goes_on_from_zero(bench: Any) -> None:
    """A drop that is no rollover is a reset: what was counted is kept, the new count added."""
    b = bench(**NO_ORDER)
    b.put(good=700, bad=0)
    b.put(good=705)
    b.put(good=4)
    b.put(good=6)
    assert [("none", "Running", 11, 0)] == b.sent()


def test_without_an_order_a_counter_may_roll_over_many_times(bench: Any, filler: Any) -> None:
    """Each lap is added to the ones before."""
    b = bench(machine=filler(good=100), **NO_ORDER)
    b.put(good=0, bad=0)
    for step in range(1, 51):
        b.now += 1000
        b.put(good=step * 10 % 100)
    assert ("none", "Running", 500, 0) == b.sent()[-1]


def test_after_a_crash_the_same_things_have_the_same_ids(bench: Any) -> None:
    """A route that goes on from what was kept tells the same, or what came after."""
    b = begun(bench)
    kept = b.route._trigger.kept()
    b.put(good=1100)
    b.put(sg=1100, order="B")
    b.wait(3)
    ids = [emission.id for emission in b.emissions if emission.message]
    again = bench()
    assert "" == again.route.restore(kept)
    again.put(good=1100, bad=10, sg=1000, sb=10, order="A")
    again.wait(3)
    again.put(sg=1100, order="B")
    again.wait(3)
    assert ids == [emission.id for emission in again.emissions if emission.message]


@pytest.mark.parametrize("kept", [{}, {"state": 1}, [], {"state": {"order": "A"}, "inputs": {}}])
def test_a_state_that_cannot_be_read_begins_anew_and_says_so(bench: Any, kept: Any) -> None:
    """What an older version or a broken disk left behind stops nothing."""
    b = bench()
    assert "begins anew" in b.route.restore(kept)
    b.put(sg=0, sb=0, order="A", good=100, bad=0)
    b.wait(3)
    assert [("A", "Running", 100, 0)] == b.sent()
