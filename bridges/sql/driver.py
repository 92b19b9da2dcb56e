"""The SQL driver: it asks for the rows that are new, or for the row as it is now."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from bridges.driver import BindResult, BoundTag, PollDriver
from bridges.rows import Moments, RowAddress, key_text, parse_row, value_of
from bridges.sql.config import SqlConfig
from bridges.sql.database import Database
from bridges.sql.mark import Mark
from bridges.sql.questions import Questions, probe
from uns.errors import DeviceError
from uns.metric import DataType, Quality, Reading, Value

__all__ = ["SqlDriver"]

_LOG = logging.getLogger("uns.bridge.sql")

_KEYS_AT_ONCE = 500  # names in one question; SQLite takes 32,766, and none becomes unreadable
_KNOWN_AT_ONCE = 5_001
_GOOD, _UNCERTAIN, _BAD = int(Quality.GOOD), int(Quality.UNCERTAIN), int(Quality.BAD)

_Cell = tuple[int, int, DataType]  # a tag's handle, where its column stands, its type


class SqlDriver(PollDriver):
    """A session with one table or query.

    With a watermark every row is read once, in order, and each scan takes all that is new for
    every tag. A tag with no new row is answered with its newest one again: asked, and still the
    same. Without a watermark each scan reads the rows as they are.
    """

    name = "sql"
    Config = SqlConfig
    ADDRESS_SETTINGS = frozenset({"key_column"})
    IS_DURABLE = True
    config: SqlConfig

    def __init__(self, config: SqlConfig) -> None:
        super().__init__(config)
        self._database: Database | None = None
        self._questions: Questions | None = None
        self._moments = Moments(config.timezone)
        self._tags: dict[int, BoundTag] = {}
        self._cells: dict[str | None, list[_Cell]] = {}  # by the key of the row
        self._held: dict[int, tuple[Any, Reading]] = {}  # its watermark, and the newest reading
        self._unprimed: set[int] = set()
        self._mark: Mark | None = None
        self._said: set[str] = set()

    @classmethod
    def parse(cls, text: str, config: SqlConfig) -> RowAddress:
        """`column`, or `key/column` where the connection has a key."""
        return parse_row(text, has_key=bool(config.key_column))

    @classmethod
    def takes_writes(cls, config: SqlConfig, address: RowAddress | None = None) -> bool:
        """Whether the connection says how."""
        del address
        return bool(config.write)

    # ------------------------------------------------------------ going on where it ended

    @property
    def cursor(self) -> Any:
        """How far the table was read, or where reading begins; None without a watermark."""
        return self._mark.to_json() if self._mark else None

    def resume(self, cursor: Any) -> None:
        """Go on behind `cursor`."""
        if self.config.watermark:
            self._mark = Mark.from_json(cursor, self.config.overlap)

    async def abandon(self) -> None:
        """The same as `close`: a database keeps its rows whoever reads them."""
        await self.close()

    # ------------------------------------------------------------ the session

    async def open(self) -> None:
        """Connect, look at the columns, and go on or begin; raises DeviceError."""
        self._database = Database(self.config, self.home)
        await self._database.open()
        await self._look()
        if self.config.watermark and not (self._mark and await self._goes_on(self._mark)):
            self._mark = await self._first_day()

    async def bind(self, tags: Sequence[BoundTag]) -> list[BindResult]:
        """Take tags up; one whose column is not there is a problem, also on a second look."""
        if self._tags and any(self._place(tag) is None for tag in tags):
            await self._look()
        results = []
        for tag in tags:
            problem = ""
            if self._place(tag) is None:
                problem = self._asked().missing(tag.address.column)
            else:
                self._tags[tag.handle] = tag
                self._unprimed.add(tag.handle)
            results.append(BindResult(tag.handle, problem))
        self._arrange()
        return results

    async def unbind(self, handles: Sequence[int]) -> None:
        """Forget tags."""
        for handle in handles:
            self._tags.pop(handle, None)
            self._held.pop(handle, None)
            self._unprimed.discard(handle)
        self._arrange()

    async def read(self, handles: Sequence[int]) -> list[Reading]:
        """What is new of any tag, and what is still the same of those asked for."""
        if not self.config.watermark:
            return await self._state(handles)
        if self._mark is None:
            self._mark = await self._first_day()
        fresh = await self._primed(self._mark)
        fresh += self._taken(await self._news(self._mark), are_new=True)
        last = {reading[0]: reading for reading in fresh}
        for handle in last.keys() | set(handles):
            held = self._held.get(handle, (None, (handle, None, _BAD, 0)))[1]
            if last.get(handle) != held:
                fresh.append(held)  # behind a row that came late the newest stands again
        return fresh

    async def read_now(self, handles: Sequence[int]) -> list[Reading]:
        """The newest row of these tags, whatever was read of the others."""
        if not self.config.watermark:
            return await self._state(handles)
        found = {reading[0]: reading for reading in self._taken(await self._newest(handles, None))}
        self._unprimed.difference_update(handles)
        return [found.get(handle, (handle, None, _BAD, 0)) for handle in handles]

    async def write(self, items: Sequence[tuple[BoundTag, Value]]) -> list[str]:
        """Run the write statement for each value; a problem where it was not for one row."""
        return [await self._write_one(tag, value) for tag, value in items]

    async def close(self) -> None:
        """Leave the database."""
        database, self._database = self._database, None
        if database is not None:
            await database.close()

    # ------------------------------------------------------------ rows with a watermark

    async def _first_day(self) -> Mark:
        """Begin at the newest row, or at the oldest."""
        mark = Mark(self.config.overlap)
        if self.config.start == "newest":
            await self._skip_to_newest(mark)
        return mark

    async def _skip_to_newest(self, mark: Mark) -> None:
        asked = self._asked()
        [[highest]] = await self._rows(asked.highest())
        if highest is None:
            return
        mark.reached = highest
        known = await self._rows(asked.between(mark.begin, highest, _KNOWN_AT_ONCE))
        mark.news(known, _index(asked.watermark_at))

    async def _goes_on(self, mark: Mark) -> bool:
        """Whether the table still counts on, and was not emptied to count from the start again."""
        if mark.reached is None:
            return True
        [[highest]] = await self._rows(self._asked().highest())
        if highest is None or highest >= mark.reached:
            return True
        _LOG.warning(
            "%s: the highest `%s` is %s, and %s was read before: the table was emptied or put "
            "back, and is read as on the first day (`start: %s`)",
            self.config.key(),
            self.config.watermark,
            highest,
            mark.reached,
            self.config.start,
        )
        return False

    async def _primed(self, mark: Mark) -> list[Reading]:
        """The newest rows that were read already, of tags that nobody knows the value of yet."""
        handles = list(self._unprimed)
        if not handles or mark.reached is None:
            self._unprimed.clear()
            return []
        readings = self._taken(await self._newest(handles, mark.reached))
        self._unprimed.clear()
        return [reading for reading in readings if reading[0] in handles]

    async def _newest(self, handles: Sequence[int], end: Any) -> list[Any]:
        asked, found = self._asked(), []
        for keys in _batched(self._keys(handles)):
            found += await self._rows(asked.newest(keys, end))
        return found

    async def _news(self, mark: Mark) -> list[Any]:
        asked = self._asked()
        rows = await self._rows(asked.after(mark.begin, mark.known))
        if not rows and not await self._goes_on(mark):
            self._mark = None
            self._held.clear()
            self._unprimed.update(self._tags)
        return mark.news(rows, _index(asked.watermark_at))

    def _taken(self, rows: Iterable[Any], *, are_new: bool = False) -> list[Reading]:
        """The readings of rows; the newest of each tag is held.

        Of new rows, what was told already is left out: `read_now` may have been ahead of them.
        """
        at = _index(self._asked().watermark_at)
        taken = []
        for row in rows:
            for reading in self._readings(row):
                held = self._held.get(reading[0])
                if are_new and held is not None and self._is_told(held, row[at], reading):
                    continue
                taken.append(reading)
                if held is None or row[at] >= held[0]:
                    self._held[reading[0]] = row[at], reading
        return taken

    def _is_told(self, held: tuple[Any, Reading], watermark: Any, reading: Reading) -> bool:
        """Whether a reading is the held one; without `timestamp` its time is just when we asked."""
        is_same = held[1] == reading if self.config.timestamp else held[1][:3] == reading[:3]
        return is_same and bool(held[0] == watermark)

    # ------------------------------------------------------------ rows as they are

    async def _state(self, handles: Sequence[int]) -> list[Reading]:
        asked, found = self._asked(), {}
        for keys in _batched(self._keys(handles)):
            rows = await self._rows(asked.state(keys))
            if len(rows) > self.config.limit:
                self._say(
                    f"there are more than {self.config.limit} rows, and the rest is not looked "
                    "at; raise `limit:`, or let the query give one row for each key"
                )
            for row in rows[: self.config.limit]:
                found.update({reading[0]: reading for reading in self._readings(row)})
        return [found.get(handle, (handle, None, _BAD, 0)) for handle in handles]

    # ------------------------------------------------------------ cells

    def _readings(self, row: Sequence[Any]) -> Iterator[Reading]:
        key_at = self._asked().key_at
        cells = self._cells.get(None if key_at is None else key_text(row[key_at]), ())
        if not cells:
            return
        stamp, quality = self._time_of(row)
        for handle, at, datatype in cells:
            try:
                value = value_of(row[at], datatype, self._moments)
            except ValueError as error:
                self._say(f"{error} (column `{self._asked().columns[at]}`)")
                value = None
            yield handle, value, _BAD if value is None else quality, stamp

    def _time_of(self, row: Sequence[Any]) -> tuple[int, int]:
        """When the values of a row were true, and what that makes of their quality."""
        at = self._asked().timestamp_at
        now_ms = time.time_ns() // 1_000_000 if self.config.watermark else 0
        if at is None or row[at] is None:
            return now_ms, _GOOD
        try:
            return self._moments.read(row[at]), _GOOD
        except ValueError as error:
            self._say(f"{error} (column `{self.config.timestamp}`)")
            return now_ms, _UNCERTAIN

    def _arrange(self) -> None:
        """Sort the tags by the rows that they are in."""
        self._cells = {}
        for handle, tag in self._tags.items():
            at = self._place(tag)
            if at is not None:
                self._cells.setdefault(tag.address.key, []).append((handle, at, tag.datatype))

    def _place(self, tag: BoundTag) -> int | None:
        return self._asked().find(tag.address.column)

    def _keys(self, handles: Iterable[int]) -> list[str | None]:
        keys = {self._tags[handle].address.key: None for handle in handles if handle in self._tags}
        return list(keys)

    # ------------------------------------------------------------ the database

    async def _look(self) -> None:
        """Ask for the columns; raises DeviceError where one of the settings' is missing."""
        database = self._connected()
        columns = await database.columns(probe(database.sa, self.config))
        self._questions = Questions(database.sa, self.config, columns)

    async def _rows(self, question: Any) -> list[Any]:
        return await self._connected().rows(question)

    async def _write_one(self, tag: BoundTag, value: Value) -> str:
        if not self.config.write:
            return f"{self.config.key()} is only read; give the connection a `write:` statement"
        column = '"' + tag.address.column.replace('"', '""') + '"'
        statement = self.config.write.replace("{column}", column)
        values: dict[str, Value] = {"value": value, "key": tag.address.key}
        used = {name: held for name, held in values.items() if f":{name}" in statement}
        try:
            return await self._connected().write(statement, used)
        except DeviceError as error:
            return str(error)

    def _asked(self) -> Questions:
        if self._questions is None:
            raise DeviceError(f"{self.config.key()} is not open")
        return self._questions

    def _connected(self) -> Database:
        if self._database is None:
            raise DeviceError(f"{self.config.key()} is not open")
        return self._database

    def _say(self, sentence: str) -> None:
        """Log once in a session what is wrong with the rows."""
        if sentence not in self._said and len(self._said) < _SENTENCES:
            self._said.add(sentence)
            _LOG.warning("%s: %s", self.config.key(), sentence)


def _batched(keys: Sequence[str | None]) -> Iterator[list[str]]:
    for at in range(0, len(keys), _KEYS_AT_ONCE):
        yield [key or "" for key in keys[at : at + _KEYS_AT_ONCE]]


def _index(at: int | None) -> int:
    """A column that this mode of reading has."""
    if at is None:
        raise DeviceError("this connection has no watermark")
    return at


_SENTENCES = 20
