"""A database file that survives power cuts, and is set aside when it is broken.

Every commit is on the disk before it returns (WAL, synchronous=FULL). A file that SQLite cannot
read is never repaired in place and never deleted: it is renamed, said loudly, and an empty one
takes its place, so that a line does not stand still for it.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from uns.errors import StorageError
from uns.store.folder import make_state_folder

__all__ = ["Database"]

log = logging.getLogger("uns.store")

_BUSY_S: Final = 5.0  # how long another process may hold the file
_BROKEN: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_FULL: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
_COMPANIONS: Final = ("", "-wal", "-shm")  # the files of one database in WAL mode


class Database:
    """One SQLite file. Calls block for a disk write: a few milliseconds, more on slow disks.

    May be used from any thread, by one at a time. `layout` is SQL that creates what is missing.
    """

    def __init__(self, path: Path, layout: str) -> None:
        self.path = path
        self._layout = layout
        self._lock = threading.RLock()
        self.opening = 1  # one more after a file that broke in use was replaced by an empty one
        self._connection = self._open()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and on the disk when it ends well; raises StorageError."""
        with self._lock, self._told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):  # SQLite has often rolled back by itself
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Read only; raises StorageError."""
        with self._lock, self._told():
            yield self._connection

    def close(self) -> None:
        """Give the file back. Safe to call twice."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn SQLite's errors into sentences; a file that broke while in use is replaced."""
        try:
            yield
        except sqlite3.Error as error:
            if _code(error) in _BROKEN:
                self._connection.close()
                self._connection = self._open()
                self.opening += 1
            raise self._sentence(error) from error

    def _open(self) -> sqlite3.Connection:
        try:
            make_state_folder(self.path.parent)
            return self._connect()
        except OSError as error:
            raise StorageError(
                f"cannot make the folder {self.path.parent}: {error.strerror}",
                hint="make it, or let the user that runs this write there",
            ) from error
        except sqlite3.Error as error:
            if _code(error) not in _BROKEN:
                raise self._sentence(error) from error
        self._set_aside()
        return self._told_connect()

    def _told_connect(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.Error as error:
            raise self._sentence(error) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if problem != "ok":
                broken = sqlite3.DatabaseError(problem)
                broken.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
                raise broken
            connection.executescript(self._layout)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self) -> None:
        number = 1
        while (aside := self._aside(number)).exists():
            number += 1
        try:
            for companion in _COMPANIONS:
                file = self.path.with_name(self.path.name + companion)
                if file.exists():
                    file.rename(aside.with_name(aside.name + companion))
        except OSError as error:
            raise StorageError(
                f"{self.path} is broken and cannot be set aside: {error.strerror}",
                hint="rename it by hand",
            ) from error
        log.error(
            "%s is broken; it was set aside as %s and an empty one takes its place. "
            "What it held is not used any more: keep it for whoever looks into this",
            self.path,
            aside.name,
        )

    def _aside(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.broken-{number}")

    def _sentence(self, error: sqlite3.Error) -> StorageError:
        code = _code(error)
        if code in _FULL:
            return StorageError(
                f"cannot write {self.path}: {error}",
                hint="free space on this disk, or move the state directory; nothing is lost meanwhile",
            )
        for wanted, message, hint in _SENTENCES:
            if code == wanted:
                return StorageError(message(self.path), hint=hint)
        return StorageError(f"{self.path}: {error}", hint="is this disk healthy and writable?")


def _code(error: sqlite3.Error) -> int:
    """The primary result code; extended ones keep theirs in the low byte (sqlite.org/rescode)."""
    code: int = getattr(error, "sqlite_errorcode", None) or 0
    return code & 0xFF


_SENTENCES: Final[tuple[tuple[int, Callable[[Path], str], str], ...]] = (
    (
        sqlite3.SQLITE_BUSY,
        lambda path: f"{path} is held by another process",
        "does another `uns run` use the same state directory?",
    ),
    (
        sqlite3.SQLITE_READONLY,
        lambda path: f"{path} may only be read",
        "let the user that runs this write there",
    ),
    (
        sqlite3.SQLITE_CANTOPEN,
        lambda path: f"{path} cannot be opened",
        "is it a folder, or may this user not write there?",
    ),
    (
        sqlite3.SQLITE_CORRUPT,
        lambda path: f"{path} broke while it was in use and was set aside",
        "an empty one took its place; check the disk",
    ),
    (
        sqlite3.SQLITE_NOTADB,
        lambda path: f"{path} was overwritten by something else and was set aside",
        "an empty one took its place; find out who writes there",
    ),
)
