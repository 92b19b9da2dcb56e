"""The order of messages: seq 0…255 in a circle."""

from __future__ import annotations

import pytest

from uns.sparkplug.sequence import Place, Sequence

NOW = 1_000_000


def born(seq=0, sent_ms=NOW):
    sequence: Sequence[str] = Sequence(timeout_ms=2000)
    sequence.restart(seq, sent_ms, NOW)
    return sequence


def taken(sequence):
    found = []
    while (item := sequence.take(NOW)) is not None:
        found.append(item)
    return found


def test_the_circle_closes():
    """After 255 comes 0."""
    sequence = born(seq=254)
    places = [sequence.place(seq, "x", NOW, NOW) for seq in (255, 0, 1)]
    assert [Place.NEXT] * 3 == places


def test_a_gap_is_waited_for_once():
    """Later gaps do not push the first one's deadline on."""
    sequence = born()
    assert Place.EARLY is sequence.place(2, "two", NOW, NOW + 100)
    assert Place.EARLY is sequence.place(4, "four", NOW, NOW + 900)
    assert NOW + 2100 == sequence.deadline_ms
    assert Place.NEXT is sequence.place(1, "one", NOW, NOW + 1000)
    assert ["two"] == taken(sequence)
    assert NOW + 2100 == sequence.deadline_ms
    sequence.place(3, "three", NOW, NOW + 1000)
    assert ["four"] == taken(sequence)
    assert sequence.deadline_ms is None


def test_giving_up_keeps_the_order_and_what_follows():
    """What was held comes in order, and the count goes on behind it."""
    sequence = born()
    for seq in (5, 3, 9):
        sequence.place(seq, str(seq), NOW, NOW)
    assert ["3", "5", "9"] == sequence.give_up()
    assert sequence.deadline_ms is None
    assert Place.NEXT is sequence.place(10, "ten", NOW, NOW)


def test_a_message_of_the_life_before_is_not_held_for_this_one():
    """Applied after a gap was given up, its aliases would mean what the new birth made of them."""
    sequence = born(seq=0)
    assert Place.LATE is sequence.place(33, "straggler", NOW - 11, NOW)
    assert (None, []) == (sequence.deadline_ms, sequence.give_up())


def test_an_older_number_is_late_and_a_younger_message_early():
    """A number behind us belongs to the past, unless its message is younger than all we took."""
    sequence = born(seq=100)
    assert Place.LATE is sequence.place(99, "duplicate", NOW, NOW)
    assert Place.EARLY is sequence.place(1, "next life", NOW + 1, NOW)


def test_a_birth_keeps_what_is_not_older():
    """Messages of the new life that overtook their birth stay; those of the old one go."""
    sequence = born(seq=100)
    sequence.place(102, "old", NOW + 1, NOW)
    sequence.place(1, "new", NOW + 50, NOW, is_birth=True)
    sequence.restart(0, NOW + 50, NOW)
    assert ["new"] == taken(sequence)
    assert sequence.deadline_ms is None


def test_what_is_left_of_an_old_life_is_not_taken_later():
    """A held message whose turn seems to come, but that is older than the one before it, is dropped."""
    sequence = born(seq=0)
    sequence.place(3, "left over", NOW + 5, NOW)
    sequence.place(1, "one", NOW + 10, NOW)
    sequence.place(2, "two", NOW + 20, NOW)
    assert [] == taken(sequence)


def test_messages_of_a_life_without_birth_are_not_given_out():
    """When the birth does not come in time, its followers are no use: their aliases are unknown."""
    sequence = born(seq=100)
    sequence.place(1, "next life", NOW + 1, NOW)
    assert [] == sequence.give_up()


def test_an_unborn_node_is_heard_a_little():
    """Sixteen messages wait for an NBIRTH that they overtook; there is no deadline for them."""
    sequence: Sequence[int] = Sequence(timeout_ms=2000)
    for seq in range(1, 41):
        assert Place.EARLY is sequence.place(seq, seq, NOW + 1, NOW)
    assert sequence.deadline_ms is None
    sequence.restart(24, NOW, NOW)
    assert list(range(25, 41)) == taken(sequence)


def test_a_stopped_sequence_expects_nothing():
    """After a death everything held is forgotten."""
    sequence = born()
    sequence.place(5, "five", NOW, NOW)
    sequence.stop()
    assert sequence.deadline_ms is None
    sequence.restart(4, NOW, NOW)
    assert [] == taken(sequence)


def test_a_message_older_than_the_birth_does_not_follow_it():
    """Its number is the next one by chance: it is the old life's, and late."""
    sequence = born(seq=0, sent_ms=NOW)
    assert Place.STRAY is sequence.place(1, "old", NOW - 1, NOW)
    assert Place.NEXT is sequence.place(1, "new", NOW, NOW)


def test_followers_that_were_taken_before_their_birth_are_taken_again():
    """They looked like the old life's next; the birth has put back what they said."""
    sequence = born(seq=0, sent_ms=NOW)
    assert Place.NEXT is sequence.place(1, "device", NOW + 8, NOW, is_birth=True)
    assert Place.NEXT is sequence.place(2, "data", NOW + 9, NOW)
    sequence.restart(0, NOW + 8, NOW)
    assert ["device", "data"] == taken(sequence)
    assert Place.NEXT is sequence.place(3, "next", NOW + 10, NOW)


@pytest.mark.parametrize("sent_ms", [NOW + 1, NOW + 8])
def test_what_led_to_a_birth_does_not_follow_it(sent_ms):
    """Data as old as the birth, or older, belongs to the old life: it made a host ask."""
    sequence = born(seq=0, sent_ms=NOW)
    sequence.place(1, "old", sent_ms, NOW)
    sequence.place(3, "held", sent_ms, NOW)
    sequence.restart(0, NOW + 8, NOW)
    assert [] == taken(sequence)
    assert sequence.deadline_ms is None
