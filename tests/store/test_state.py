"""Facts that survive a restart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from uns.store.state import State


@pytest.mark.parametrize("value", [7, "text", None, {"a": [1, 2.5]}, True, 2**60])
def test_a_fact_is_there_after_a_restart(tmp_path: Path, value: Any) -> None:
    """Whatever JSON can hold comes back as it was."""
    state = State(tmp_path / "deep" / "state.db")
    state.set("bd_seq/acme", value)
    state.close()
    state = State(tmp_path / "deep" / "state.db")
    assert value == state.get("bd_seq/acme", "default")
    state.close()


def test_a_fact_that_nobody_set_is_the_default(tmp_path: Path) -> None:
    """And None where there is no default."""
    state = State(tmp_path / "state.db")
    assert (None, 3) == (state.get("x"), state.get("x", 3))
    state.close()


def test_a_newer_fact_replaces_the_older(tmp_path: Path) -> None:
    """One value for each key."""
    state = State(tmp_path / "state.db")
    for number in range(3):
        state.set("x", number)
    assert 2 == state.get("x")
    state.close()


def test_a_broken_file_is_set_aside(tmp_path: Path) -> None:
    """An edge node begins again rather than standing still."""
    path = tmp_path / "state.db"
    path.write_bytes(b"nonsense" * 1000)
    state = State(path)
    state.set("x", 1)
    assert 1 == state.get("x")
    assert (tmp_path / "state.db.broken-1").exists()
    state.close()
