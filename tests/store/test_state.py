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


def test_git_leaves_a_new_state_folder_alone(tmp_path: Path) -> None:
    """State belongs to one machine; a folder that was there already is not touched."""
    State(tmp_path / ".uns" / "state.db").close()
    State(tmp_path / "state.db").close()
    assert "*\n" == (tmp_path / ".uns" / ".gitignore").read_text()
    assert not (tmp_path / ".gitignore").exists()


def test_facts_are_kept_together_and_only_once(tmp_path: Path) -> None:
    """Several cost one write, what is kept already costs none, and all are there afterwards."""
    state = State(tmp_path / "state.db")
    state.set_all({f"bd_seq/{n}": n for n in range(500)})
    written = (tmp_path / "state.db-wal").stat().st_size
    state.set("bd_seq/7", 7)
    state.set_all({"bd_seq/8": 8, "bd_seq/9": 9})
    assert written == (tmp_path / "state.db-wal").stat().st_size
    state.set("bd_seq/7", 8)
    state.close()
    state = State(tmp_path / "state.db")
    assert [8, 8, 499] == [state.get(f"bd_seq/{n}") for n in (7, 8, 499)]
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
