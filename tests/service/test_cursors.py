"""Cursors on their way to the disk."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from uns.service.cursors import Cursors
from uns.store.state import State


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    """A state file."""
    made = State(tmp_path / "state.db")
    yield made
    made.close()


async def _keep(cursors: Cursors, now_s: float) -> dict[str, Any]:
    """What is told to be kept by a time."""
    told: dict[str, Any] = {}
    await cursors.keep(cursors.settled(now_s), told.__setitem__)
    return told


async def test_a_cursor_is_kept_when_what_is_before_it_is_safe(state: State):
    """The newest of those that are old enough; the others wait."""
    cursors = Cursors(state, 16.0)
    for second in range(5):
        cursors.taken("sql://mes", {"id": second}, float(second))
    assert {} == await _keep(cursors, 15.9)
    assert {"sql://mes": {"id": 2}} == await _keep(cursors, 18.5)
    assert {"id": 2} == state.get("cursor/sql://mes")
    assert {"sql://mes": {"id": 4}} == await _keep(cursors, 100.0)
    assert {} == await _keep(cursors, 101.0)


async def test_a_process_that_is_killed_begins_behind_what_was_kept(state: State):
    """The next one gets the last cursor on the disk; this one its own newest."""
    cursors = Cursors(state, 16.0)
    assert None is cursors.first("file:///drop")
    cursors.taken("file:///drop", 5, 0.0)
    await _keep(cursors, 20.0)
    cursors.taken("file:///drop", 9, 21.0)
    assert 9 == cursors.first("file:///drop")
    assert 5 == Cursors(state, 16.0).first("file:///drop")


def test_an_orderly_stop_keeps_the_newest(state: State):
    """Nothing is read again after it."""
    cursors = Cursors(state, 16.0)
    cursors.taken("file:///drop", 5, 0.0)
    cursors.taken("sql://mes", "7", 0.0)
    cursors.taken("sql://mes", None, 0.5)
    cursors.keep_all()
    after = Cursors(state, 16.0)
    assert [5, "7"] == [after.first("file:///drop"), after.first("sql://mes")]


async def test_where_a_connection_begins_is_kept_at_once(state: State):
    """Nothing before it matters, not even what was about to be kept."""
    cursors = Cursors(state, 16.0)
    cursors.taken("sql://mes", {"id": 900}, 0.0)
    await cursors.begun("sql://mes", {"id": 3})
    assert {"id": 3} == state.get("cursor/sql://mes")
    cursors.taken("sql://mes", {"id": 3}, 1.0)
    assert {} == await _keep(cursors, 60.0)
    cursors.taken("sql://mes", {"id": 4}, 61.0)
    assert {"sql://mes": {"id": 4}} == await _keep(cursors, 80.0)


async def test_a_cursor_that_is_no_json_is_said_once(state: State, caplog):
    """The driver is at fault; its source is read on, and read again after a restart."""
    caplog.set_level(logging.ERROR)
    cursors = Cursors(state, 1.0)
    for second in range(3):
        cursors.taken("sql://mes", {second, "set"}, float(second))
        assert {} == await _keep(cursors, second + 1.5)
    assert 1 == len(caplog.records)
    assert "cannot be kept" in caplog.text


async def test_what_waits_for_a_slow_broker_is_not_safe(state: State):
    """The time of its cursor begins anew, for as long as that lasts."""
    cursors = Cursors(state, 16.0)
    for second in range(30):
        cursors.taken("sql://mes", second, float(second))
        cursors.hold("sql://mes", float(second))
    assert {} == await _keep(cursors, 44.0)
    assert {"sql://mes": 29} == await _keep(cursors, 45.5)
