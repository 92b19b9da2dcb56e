"""Rows that could not be read: told with file and line, and kept beside their file."""

from __future__ import annotations

import logging
from pathlib import Path

from bridges.file.record import Record

__all__ = ["Rejects"]

_LOG = logging.getLogger("uns.bridge.file")

_MOST_SENTENCES = 100  # of one session; every row is kept all the same
_LARGEST = 64 * 1_048_576  # bytes of one file of rejected rows


class Rejects:
    """Says once what is wrong, and writes `lab.csv.rejected` beside `lab.csv`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._said: set[str] = set()
        self._is_told = False

    def where(self, name: str) -> Path:
        """A file with its folder."""
        return self._folder / name

    def say(self, sentence: str) -> None:
        """Log a sentence that was not logged yet in this session."""
        if sentence in self._said or len(self._said) > _MOST_SENTENCES:
            return
        self._said.add(sentence)
        if len(self._said) > _MOST_SENTENCES:
            sentence = f"{self._folder}: more is wrong, and no longer told in this session"
        _LOG.warning("%s", sentence)

    def add(self, name: str, record: Record, reason: str, header: str = "") -> None:
        """Keep a broken row; `header` is the first line of the file of rejected rows."""
        self.say(f"{self._folder / name}:{record.line}: {reason}")
        if not record.raw:
            return
        path = self._folder / f"{name}.rejected"
        try:
            size = path.stat().st_size if path.exists() else 0
            if size > _LARGEST:
                return
            with path.open("a", encoding="utf-8") as file:
                if not size and header:
                    file.write(header + "\n")
                file.write(record.raw + "\n")
        except OSError as error:
            if not self._is_told:
                _LOG.warning("%s cannot be written: %s", path, error.strerror)
            self._is_told = True
