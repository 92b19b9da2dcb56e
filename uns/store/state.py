"""Small facts that must survive a restart: a number or a text by name, such as a bdSeq."""

from __future__ import annotations

import json
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

    def get(self, key: str, default: Any = None) -> Any:
        """The fact called `key`, or `default`."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT value FROM fact WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else default

    def set(self, key: str, value: Any) -> None:
        """Keep `value`, anything that JSON can hold; raises StorageError when it cannot."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO fact VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (key, json.dumps(value)),
            )

    def close(self) -> None:
        """Give the file back. Safe to call twice."""
        self._database.close()
