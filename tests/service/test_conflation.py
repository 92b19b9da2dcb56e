"""What waits while a broker is slow."""

from __future__ import annotations

from collections import Counter

from uns.service.conflation import Conflation


def test_the_newest_of_each_tag_waits_and_the_rest_is_counted():
    """Tags of which every value counts never wait; with room, all goes on in order."""
    is_full, dropped = True, Counter()
    conflation = Conflation(lambda: is_full)
    for value in range(3):
        batch = [(1, value, 192, value), (2, value, 192, value)]
        assert [batch[1]] == conflation.passed(batch, {2}, dropped)
    assert Counter({1: 2}) == dropped
    assert [] == conflation.released()
    assert 1 == len(conflation)
    is_full = False
    assert [(1, 2, 192, 2), (1, 3, 192, 3)] == conflation.passed([(1, 3, 192, 3)], {2}, dropped)
    assert [] == conflation.released()
    batch = [(1, 4, 192, 4)]
    assert batch is conflation.passed(batch, {2}, dropped), "nothing is copied where nothing waits"


def test_at_the_end_all_that_waits_goes():
    """A bridge that is stopped puts it into the backlog."""
    conflation = Conflation(lambda: True)
    conflation.passed([(1, 5, 192, 5)], (), Counter())
    assert [(1, 5, 192, 5)] == conflation.released(at_once=True)
