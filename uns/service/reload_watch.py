"""The files of a project, and whether they have changed since they were looked at.

Looking is cheap, and works on every file system: a stamp of each file once a second. An editor
that writes several files, or one in several steps, is not disturbed: a change counts when the
next look finds the same.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["Files"]

_ENDINGS = (".yaml", ".yml", ".csv", ".txt", ".tsv", ".json", ".lock")
_DEPTHS = ("*", "*/*", "schemas/*/*")  # lists may lie in folders
_Stamps = dict[str, tuple[int, int, int]]


class Files:
    """What of a folder a project is read from; a single file is a project too."""

    def __init__(self, path: Path) -> None:
        """Look for the first time."""
        self._path = path
        self._taken = self._last = self._stamps()

    def have_settled(self) -> bool:
        """Look again: whether they changed since this was True last, and not since the last look."""
        now = self._stamps()
        is_still, self._last = now == self._last, now
        if not is_still or now == self._taken:
            return False
        self._taken = now
        return True

    def _stamps(self) -> _Stamps:
        folder = self._path if self._path.is_dir() else self._path.parent
        stamps: _Stamps = {}
        for path in (found for depth in _DEPTHS for found in folder.glob(depth)):
            inside = path.relative_to(folder).parts
            if path.suffix not in _ENDINGS or any(part.startswith(".") for part in inside):
                continue  # our own state, an editor's
            try:
                stat = path.stat()
            except OSError:
                continue  # gone between two looks, which is a change as well
            stamps[str(path)] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        return stamps
