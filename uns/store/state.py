"""Small facts that must survive a restart: a number or a text by name, such as a bdSeq."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from uns.store.database import Database

__all__ = ["State"]

_LAYOUT = "CREATE TABLE IF NOT EXISTS fact (key TEXT PRIMARY KEY, value TEXT NOT NULL)"


class State:
    """Facts in one file. `set` returns when the fact is on the disk."""

    def __init__(self, path: Path) -> None:
        """Open or make the file; raises StorageError."""
        self._database = Database(Path(path), _LAYOUT)
        self._opening = self._database.opening
        self._kept: dict[str, str] = {}  # what this process has put on the disk

    @property
    def folder(self) -> Path:
        """Where the file is."""
        return self._database.path.parent

    def get(self, key: str, default: Any = None) -> Any:
        """The fact called `key`, or `default`."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT value FROM fact WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else default

    def set(self, key: str, value: Any) -> None:
        """Keep `value`, anything that JSON can hold; raises StorageError when it cannot."""
        self.set_all({key: value})

    def set_all(self, facts: Mapping[str, Any]) -> None:
        """Keep several at the price of one; those that are kept already cost nothing."""
        if self._opening != self._database.opening:  # the file broke, and an empty one is there
            self._kept.clear()
            self._opening = self._database.opening
        rows = [(key, json.dumps(value)) for key, value in facts.items()]
        rows = [row for row in rows if self._kept.get(row[0]) != row[1]]
        if not rows:
            return
        with self._database.transaction() as connection:
            connection.executemany(
                "INSERT INTO fact VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                rows,
            )
        self._kept.update(rows)

    def close(self) -> None:
        """Give the file back. Safe to call twice."""
        self._database.close()
