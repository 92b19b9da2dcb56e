"""A simulated database of orders: the table that a project's SQL tags are read from."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridges.rows import RowAddress
from bridges.sql.config import SqlConfig
from uns.equipment import Connection, Tag
from uns.errors import DeviceError
from uns.metric import DataType, Value
from uns.sim.endpoint import Endpoint, Showing, source_of
from uns.sim.raw import Raw, raw_for

__all__ = ["OrdersEndpoint"]

log = logging.getLogger("uns.sim")

_OURS = 0x756E7331  # `uns1` in the file's header, so that nobody's real orders are written over
_MOST_ROWS = 10_000  # a simulated table keeps this many
_GOOD = "Good"


class OrdersEndpoint(Endpoint):
    """An SQLite file with one table, which has a row for each machine or each change.

    A table with a watermark gets a row for every change, as a log has them; one without gets
    one row for each key. A PostgreSQL server and a query are not simulated.
    """

    def __init__(self, connection: Connection, tags: Sequence[Tag]) -> None:
        config: SqlConfig = connection.config
        self._problem = ""
        if config.dialect != "sqlite":
            self._problem = "a PostgreSQL server is not simulated"
        elif not config.table:
            self._problem = "a query is not simulated, only a table"
        if self._problem:
            log.warning("%s: %s", connection.key, self._problem)
        super().__init__(connection, () if self._problem else tags)
        self._config = config
        self._columns: dict[str, str] = {}  # and their types
        self._cells: dict[str, tuple[str, str, Raw]] = {}  # by topic: key, column
        self._rows: dict[str, dict[str, Value]] = {}  # what each key shows
        self._database: sqlite3.Connection | None = None
        for tag in self.tags:
            address: RowAddress = source_of(tag).address
            held = DataType.DOUBLE if tag.scale else tag.datatype
            self._columns[address.column] = _type_of(held)
            cell = (address.key or "", address.column, raw_for(tag, held))
            self._cells[tag.topic.text] = cell

    @property
    def has_clock(self) -> bool:
        """Whether rows have a time in them."""
        config = self._config
        return bool(config.timestamp or (config.watermark and self._is_time(config.watermark)))

    async def start(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Make the table; raises DeviceError where the file is somebody else's."""
        if self._problem:
            return
        path = self.home / self._config.database
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = _opened(path)
        self._make_table(self._database)
        await self.show(showing, now_ms)

    async def show(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Write the rows of the machines that changed, in one transaction."""
        database = self._database
        if database is None:
            return
        changed: dict[str, None] = {}
        for item in showing:
            key, column, raw = self._cells[item.tag.topic.text]
            is_there = item.status == _GOOD and item.tag.topic.text not in self.missing
            value = raw(item.value) if is_there else None
            self._rows.setdefault(key, {})[column] = value
            changed[key] = None
        with database:
            for key in changed:
                self._write(database, key, now_ms + self.skew_ms)
            if self._config.watermark:
                table = _quoted(self._config.table)
                database.execute(
                    f"delete from {table} where rowid <= (select max(rowid) from {table}) - ?",  # noqa: S608
                    (_MOST_ROWS,),
                )

    async def stop(self) -> None:
        """Close the file; it stays."""
        if self._database is not None:
            self._database.close()
        self._database = None

    def _write(self, database: sqlite3.Connection, key: str, now_ms: int) -> None:
        config = self._config
        row: dict[str, Any] = dict(self._rows[key])
        if config.key_column:
            row[config.key_column] = key
        if config.timestamp:
            row[config.timestamp] = _written(now_ms)
        if config.watermark and self._is_time(config.watermark):
            row[config.watermark] = _written(now_ms)
        table = _quoted(config.table)
        if not config.watermark:
            where = f"where {_quoted(config.key_column)} = ?" if config.key_column else ""
            given = (key,) if config.key_column else ()
            database.execute(f"delete from {table} {where}", given)  # noqa: S608
        names, marks = ", ".join(map(_quoted, row)), ", ".join("?" * len(row))
        database.execute(f"insert into {table} ({names}) values ({marks})", tuple(row.values()))  # noqa: S608

    def _make_table(self, database: sqlite3.Connection) -> None:
        """The table anew, where it has other columns than it needs."""
        config = self._config
        columns = dict(self._columns)
        for name in (config.key_column, config.timestamp):
            if name:
                columns.setdefault(name, "text")
        if config.watermark:
            is_time = self._is_time(config.watermark)
            counting = "integer primary key autoincrement"
            columns[config.watermark] = "text" if is_time else counting
        table = _quoted(config.table)
        known = {row[1] for row in database.execute(f"pragma table_info({table})")}
        if known and known != columns.keys():
            database.execute(f"drop table {table}")
        made = ", ".join(f"{_quoted(name)} {type_}" for name, type_ in columns.items())
        database.execute(f"create table if not exists {table} ({made})")

    def _is_time(self, name: str) -> bool:
        return name == self._config.timestamp or self._columns.get(name) == "text"


def _opened(path: Path) -> sqlite3.Connection:
    """The file, if it is one of ours or empty."""
    try:
        with closing(sqlite3.connect(path)) as asked:
            [[mark]] = asked.execute("pragma application_id")
            [[tables]] = asked.execute("select count(*) from sqlite_master")
        if tables and mark != _OURS:
            raise DeviceError(
                f"{path} is a database that no simulated plant made, and is left alone",
                hint="simulate a project whose `url:` names another file",
            )
        database = sqlite3.connect(path)
        database.execute(f"pragma application_id = {_OURS}")
        database.execute("pragma synchronous = off")  # a simulated order may be lost
    except sqlite3.Error as error:
        raise DeviceError(f"{path} cannot be a simulated database: {error}") from error
    return database


def _type_of(held: DataType) -> str:
    if held.is_text:
        return "text"
    return "real" if held.is_real else "integer"


def _written(now_ms: int) -> str:
    moment = datetime.fromtimestamp(now_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
