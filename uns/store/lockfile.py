"""The lock file: `uns.lock` beside a project, read whole and replaced whole."""

from __future__ import annotations

import os
from pathlib import Path

from uns.errors import ProjectError, StorageError
from uns.plan.lock import Lock
from uns.store.folder import make_state_folder

__all__ = ["lock_path", "read_lock", "replace_text"]

_NAME = "uns.lock"


def lock_path(project: Path) -> Path:
    """Return where the lock of a project is: in its folder, or beside its one file."""
    return (project if project.is_dir() else project.parent) / _NAME


def read_lock(path: Path) -> Lock | None:
    """Read a lock; None where there is no file. Raises ProjectError where it is no lock."""
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path} cannot be read: {error}") from None
    try:
        return Lock.parse(text)
    except ProjectError as error:
        raise ProjectError(f"{path}: {error}", hint=error.hint) from None


def replace_text(path: Path, text: str) -> None:
    """Replace a file, or write the first one; a crash leaves the old or the new. StorageError."""
    beside = path.with_name(f"{path.name}.new")
    try:
        make_state_folder(path.parent)
        with beside.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror or error}",
            hint=f"may this user write into {path.parent}?",
        ) from None
