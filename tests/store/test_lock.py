"""One user per state folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from uns.errors import StorageError
from uns.store.lock import only_user


def test_a_second_user_is_refused_by_name(tmp_path: Path) -> None:
    """The message names the folder, the part and the process."""
    with (
        only_user(tmp_path, "routes"),
        pytest.raises(
            StorageError,
            match=f"{tmp_path} is in use: process {os.getpid()} runs the routes on it",
        ),
        only_user(tmp_path, "routes"),
    ):
        pass


def test_a_folder_is_free_again(tmp_path: Path) -> None:
    """After the block anybody may have it, and other parts may at any time."""
    with only_user(tmp_path, "routes"), only_user(tmp_path, "bridges"):
        pass
    with only_user(tmp_path, "routes"):
        pass


def test_a_file_left_behind_means_nothing(tmp_path: Path) -> None:
    """Only the kernel's lock counts."""
    (tmp_path / "routes.lock").write_text("1")
    with only_user(tmp_path, "routes"):
        assert str(os.getpid()) == (tmp_path / "routes.lock").read_text()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """What is in the way is named."""
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StorageError, match=r"cannot write .*routes\.lock"), only_user(tmp_path / "state", "routes"):  # fmt: skip
        pass
