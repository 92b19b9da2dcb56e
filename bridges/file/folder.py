"""A folder that others drop files into: which are new, which grew, which were written anew.

Everything here blocks, so it runs in a thread beside the loop (bridges/file/driver.py). A file
that was read to a place is known again by the bytes before that place, so that a rename, a copy
over it and a rotation are told from a truncation, whatever the clock of the writer says.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, BinaryIO

from bridges.file.address import Format
from bridges.file.config import FileConfig
from bridges.file.lines import LONGEST, Line, encoding_of, lines_of
from bridges.file.progress import Progress, tail_of
from bridges.file.record import Header, Record, document_records, line_record
from bridges.file.rejects import Rejects
from bridges.file.tidy import put_away

__all__ = ["Folder"]

_LOG = logging.getLogger("uns.bridge.file")

_MOST_FILES = 10_000
_MOST_GONE = 1_000  # files that vanished and may come back, as when a share is mounted again
_COST_OF_LONG = 100  # lines that one too long counts for, so that a scan of them ends
_LARGEST_DOCUMENT = 32 * 1_048_576  # bytes


class Folder:
    """The files of one connection and how far each was read; `known` is by name."""

    def __init__(self, config: FileConfig, path: Path) -> None:
        self.known: dict[str, Progress] = {}
        self.rejects = Rejects(path)
        self.has_changed = False
        self._config = config
        self._path = path
        self._headers: dict[str, Header] = {}
        self._since: dict[str, float] = {}  # unchanged since, on our own clock
        self._is_crowded = False
        self._cannot_tidy = False

    def records(self) -> Iterator[tuple[str, Record]]:
        """The next rows, `limit` at most but documents whole; raises OSError for the folder."""
        taken = 0
        for name, stat in self._due(self._list()):
            for record in self._read(name, stat, self._config.limit - taken):
                taken += 1
                yield name, record
            if taken >= self._config.limit:
                return

    def to_json(self) -> dict[str, list[Any]]:
        """How far every file was read."""
        return {name: progress.to_json() for name, progress in self.known.items()}

    def tidy(self, safe: Mapping[str, Any]) -> None:
        """Put away files that are done and whose rows are safe, as `safe` tells of each."""
        if self._config.on_done == "keep":
            return
        for name, progress in list(self.known.items()):
            is_read = progress.at == progress.size and name in self._since
            if not is_read or not self._is_still(name, self._config.done_after_s):
                continue
            if safe.get(name) != progress.to_json():
                continue
            try:
                is_gone = put_away(self._config, self._path, name, progress)
            except OSError as error:
                self._complain(name, error)
                continue
            if is_gone:
                del self.known[name]
                self.has_changed = True

    # ------------------------------------------------------------ which files

    def _list(self) -> dict[str, os.stat_result]:
        found = {}
        with os.scandir(self._path) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # gone while we looked
                    if entry.is_file():
                        found[entry.name] = entry.stat()
        return found

    def _due(self, found: Mapping[str, os.stat_result]) -> list[tuple[str, os.stat_result]]:
        """The files to look into, those written first before the others."""
        matching = {name for name in found if self._is_ours(name)}
        self._follow(found, matching)
        followed = [name for name, known in self.known.items() if known.is_followed]
        due = [name for name in {*matching, *followed} if name in found]
        due.sort(key=lambda name: (found[name].st_mtime_ns, name))
        self._check_number(len(due))
        for name in due[:_MOST_FILES]:
            self._know(name, found[name])
        self._since = {name: since for name, since in self._since.items() if name in found}
        return [(name, found[name]) for name in due[:_MOST_FILES]]

    def _is_ours(self, name: str) -> bool:
        is_hidden = name.startswith(".") or name.endswith(".rejected")
        return not is_hidden and fnmatchcase(name, self._config.files)

    def _follow(self, found: Mapping[str, os.stat_result], matching: set[str]) -> None:
        """Know files again that have another name now, and forget the longest gone."""
        names = {stat.st_ino: name for name, stat in found.items() if name not in self.known}
        gone = []
        for old, progress in list(self.known.items()):
            stat = found.get(old)
            if stat is not None and self._continues(old, progress, stat):
                continue
            name = names.get(progress.inode, "") if progress.inode else ""
            if name and self._continues(name, progress, found[name]):
                self.known[name] = self.known.pop(old)
                self._headers.pop(old, None)
                progress.is_followed = name not in matching
                self.has_changed = True
            elif stat is None:
                gone.append(old)
        for old in gone[: max(0, len(gone) - _MOST_GONE)]:
            del self.known[old]
            self.has_changed = True

    def _know(self, name: str, stat: os.stat_result) -> None:
        """Have a progress for a file, from its start where it is not what was read before."""
        progress = self.known.get(name)
        if progress is not None and not self._continues(name, progress, stat):
            if self._config.format.is_lines:
                _LOG.info("%s was written anew and is read from its start", self._path / name)
            progress = None
        if progress is None:
            progress = self.known[name] = Progress()
            self._headers.pop(name, None)
        if progress.looked(stat) or name not in self._since:
            self._since[name] = time.monotonic()
            self.has_changed = True

    def _continues(self, name: str, progress: Progress, stat: os.stat_result) -> bool:
        """Whether the file still has what was read of it."""
        if progress.is_as(stat) or not progress.at:
            return True
        if stat.st_size < progress.at or not self._config.format.is_lines:
            return False
        try:
            with (self._path / name).open("rb") as file:
                return tail_of(file, progress.at) == progress.tail
        except OSError:
            return True  # not now: reading it says why

    def _is_still(self, name: str, seconds: float) -> bool:
        return time.monotonic() - self._since[name] >= seconds

    def _check_number(self, count: int) -> None:
        if count > _MOST_FILES and not self._is_crowded:
            _LOG.warning(
                "%s: %d files match, and only the oldest %d are looked at; use `on_done: archive`",
                self._path,
                count,
                _MOST_FILES,
            )
        self._is_crowded = count > _MOST_FILES

    # ------------------------------------------------------------ what is in them

    def _read(self, name: str, stat: os.stat_result, limit: int) -> Iterator[Record]:
        progress = self.known[name]
        if progress.at >= stat.st_size:
            progress.is_followed &= not self._is_still(name, self._config.done_after_s)
            return
        is_still = self._is_still(name, self._config.settle_s)
        try:
            if self._config.format.is_lines:
                yield from self._lines(name, progress, limit, is_still=is_still)
            elif is_still:
                yield from self._document(name, progress)
        except OSError as error:
            self.rejects.say(f"{self._path / name} cannot be read: {error.strerror}")

    def _document(self, name: str, progress: Progress) -> Iterator[Record]:
        with (self._path / name).open("rb") as file:
            raw = file.read(_LARGEST_DOCUMENT + 1)
        progress.at, progress.line = progress.size, 1
        self.has_changed = True
        try:
            if len(raw) > _LARGEST_DOCUMENT:
                raise ValueError(f"it is larger than {_LARGEST_DOCUMENT // 1_048_576} MB")
            config = self._config
            encoding = encoding_of(raw, config.encoding)
            yield from document_records(raw, encoding, config.format, config.rows_at())
        except ValueError as error:
            self.rejects.say(f"{self._path / name}: {error}; it is not read until it changes")

    def _lines(
        self, name: str, progress: Progress, limit: int, *, is_still: bool
    ) -> Iterator[Record]:
        with (self._path / name).open("rb") as file:
            encoding = encoding_of(file.read(4), self._config.encoding)
            begin = progress.at
            try:
                while limit > 0:
                    file.seek(progress.at)
                    chunk = file.read(LONGEST)
                    is_last = is_still and len(chunk) < LONGEST
                    lines = lines_of(chunk, encoding, is_last=is_last)
                    if not lines and len(chunk) == LONGEST:
                        self._skip(name, progress, len(chunk))
                        limit -= _COST_OF_LONG
                        continue
                    if not lines or not self._has_header(name, lines, progress, file):
                        return
                    for line in lines[:limit]:
                        progress.at += line.size
                        record = self._line(name, progress, line.text)
                        if record is not None:
                            yield record
                    limit -= len(lines)
            finally:
                progress.tail = tail_of(file, progress.at)
                self.has_changed |= progress.at != begin

    def _line(self, name: str, progress: Progress, text: str) -> Record | None:
        progress.line += 1
        if progress.is_skipping:  # the end of the one that was too long
            progress.is_skipping = False
            return None
        try:
            return line_record(progress.line, text, self._headers.get(name))
        except ValueError as error:
            self.reject(name, Record(progress.line, text, None), str(error))
        return None

    def reject(self, name: str, record: Record, reason: str) -> None:
        """Say what is wrong with a row, and put it beside its file."""
        header = self._headers.get(name)
        is_named = header is not None and not self._config.columns
        first = header.delimiter.join(header.names) if header and is_named else ""
        self.rejects.add(name, record, reason, first)

    def _skip(self, name: str, progress: Progress, size: int) -> None:
        if not progress.is_skipping:
            self.rejects.say(
                f"{self._path / name}:{progress.line + 1}: the line is longer than "
                f"{LONGEST // 1024} KB and is left out"
            )
        progress.is_skipping = True
        progress.at += size

    def _has_header(
        self, name: str, lines: Sequence[Line], progress: Progress, file: BinaryIO
    ) -> bool:
        """Know the columns before the first row; False where those that are needed are missing."""
        config = self._config
        if config.format is not Format.CSV or name in self._headers:
            return True
        if progress.at:
            file.seek(0)
            head = file.read(LONGEST)
            lines = lines_of(head, encoding_of(head, config.encoding), is_last=True)
        first = next((line.text for line in lines if line.text.strip()), "")
        try:
            header = Header.of(first, config.delimiter, config.columns)
        except ValueError as error:
            self.rejects.say(f"{self._path / name} is not read: its first line: {error}")
            return False
        for setting, place in (("key", config.key_at()), ("timestamp", config.time_at())):
            if place is not None and place not in header.names:
                known = ", ".join(header.names[:20])
                self.rejects.say(
                    f"{self._path / name} is not read: it has no column `{place}`, which "
                    f"`{setting}:` names, only {known}"
                )
                return False
        self._headers[name] = header
        return True

    def _complain(self, name: str, error: OSError) -> None:
        if not self._cannot_tidy:
            _LOG.warning(
                "%s was read and cannot be put away: %s", self._path / name, error.strerror
            )
        self._cannot_tidy = True
