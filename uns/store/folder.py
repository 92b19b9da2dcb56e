"""The folder where state is kept: of one machine, and so not for git."""

from __future__ import annotations

from pathlib import Path

__all__ = ["make_state_folder"]


def make_state_folder(folder: Path) -> None:
    """Make `folder` where it is not there yet, and tell git to leave it alone; raises OSError.

    Sequence numbers, outbox and backlog belong to the machine that runs the project. A clone
    that brought them along would repeat what was sent.
    """
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".gitignore").write_text("*\n")
