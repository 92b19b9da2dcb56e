"""The backlog: readings that nobody could take yet, on the disk, oldest forgotten first.

One file for all edge nodes of a process. `put` only remembers; `commit`, called twice a second
from a thread, writes what came together since then as one transaction: what a power cut or
kill -9 takes is what came after the last commit. Bounded by size and age; what had to give way
is counted for each edge node.

A disk that is full or gone loses nothing at first: the newest readings stay in memory up to a
bound, are counted when they are dropped, and are written once there is room again. SQLite cannot
even delete on a full disk, so what was handed in is remembered as gone until it can be.

Calls from several threads are fine; `commit` and `read` block for the disk.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from itertools import takewhile
from operator import itemgetter
from pathlib import Path
from typing import Final

from uns.errors import StorageError
from uns.store.chunk import MOST_SAMPLES, Chunk, Sample, is_storable, pack, unpack
from uns.store.database import Database

__all__ = ["Backlog"]

MAX_BYTES: Final = 256_000_000
MAX_AGE_S: Final = 259_200.0  # three days: a weekend and the way to the plant
MOST_IN_MEMORY: Final = 200_000  # samples that wait for the disk; some 40 MB
_AT_ONCE: Final = 50  # chunks that give way in one step
_MOST_ROWS: Final = 1_000  # looked at by one read
_CLOCK_IS_SET_MS: Final = 1_577_836_800_000  # 2020; before, the clock was never set

_LAYOUT = """
CREATE TABLE IF NOT EXISTS chunk (
    number INTEGER PRIMARY KEY,
    node TEXT NOT NULL,
    device TEXT NOT NULL,
    put_ms INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS chunk_of_node ON chunk (node, number, device, samples);
CREATE TABLE IF NOT EXISTS dropped (node TEXT PRIMARY KEY, samples INTEGER NOT NULL);
"""


class Backlog:
    """One file; opening it takes what an earlier run left. Raises StorageError."""

    def __init__(
        self,
        path: Path,
        *,
        max_bytes: int = MAX_BYTES,
        max_age_s: float = MAX_AGE_S,
        most_in_memory: int = MOST_IN_MEMORY,
    ) -> None:
        self._database = Database(path, _LAYOUT)
        self._max_bytes = max_bytes
        self._max_age_ms = int(max_age_s * 1000)
        self._most_in_memory = most_in_memory
        self._disk = threading.Lock()  # one commit or read at a time
        self._memory = threading.Lock()  # held for moments only
        self._staged: dict[tuple[str, str], list[Sample]] = {}
        self._pending: deque[Chunk] = deque()  # sealed, not on the disk yet
        self._in_memory = 0
        self._put: Counter[str] = Counter()
        self._gone: dict[int, Chunk] = {}  # handed in; to be deleted with the next commit
        self._opening = self._database.opening
        with self._database.reading() as connection:
            row = connection.execute("SELECT coalesce(max(number), 0) FROM chunk").fetchone()
            self._number: int = row[0]
            self._waiting = Counter(dict(connection.execute(
                "SELECT node, sum(samples) FROM chunk GROUP BY node")))  # fmt: skip
            self._dropped = Counter(dict(connection.execute("SELECT node, samples FROM dropped")))
        self._said_dropped = Counter(self._dropped)

    def put(self, node: str, device_id: str, samples: Iterable[Sample]) -> None:
        """Keep samples of one device behind those it has here; on the disk after `commit`."""
        with self._memory:
            staged = self._staged.setdefault((node, device_id), [])
            before = len(staged)
            staged.extend(samples)
            added = len(staged) - before
            self._waiting[node] += added
            self._put[node] += added
            self._in_memory += added
            if self._in_memory > self._most_in_memory:
                self._seal()
                self._make_room()

    def waiting(self, node: str) -> int:
        """How many samples of an edge node wait."""
        return self._waiting[node]

    def put_so_far(self, node: str) -> int:
        """How many samples of an edge node were put by this process."""
        return self._put[node]

    def dropped(self, node: str) -> int:
        """How many samples of an edge node had to give way since the file was made."""
        return self._dropped[node]

    @property
    def is_dirty(self) -> bool:
        """Whether the disk does not know everything yet."""
        return bool(self._in_memory or self._gone)

    def commit(self, now_ms: int) -> None:
        """Write what came since the last time, forget what was handed in, drop what is too much.

        Raises StorageError where the disk refuses; everything stays in memory then.
        """
        with self._disk:
            with self._memory:
                self._seal()
                writing, self._pending = list(self._pending), deque()
                gone = dict(self._gone)
            try:
                lost = self._write([c for c in writing if c.number not in gone], gone, now_ms)
            except StorageError:
                with self._memory:
                    self._pending.extendleft(reversed(writing))
                    self._check_replaced()
                    self._make_room()
                raise
            with self._memory:
                self._in_memory -= sum(len(chunk.samples) for chunk in writing)
                for number in gone:
                    del self._gone[number]
                self._count_dropped(lost)

    def read(
        self, node: str, devices: Iterable[str], *, after: int = 0, most_samples: int = 2_000
    ) -> list[Chunk]:
        """The oldest chunks of these devices behind chunk `after`; about as many samples as asked.

        Raises StorageError. A chunk that rotted on the disk is dropped and counted.
        """
        wanted = frozenset(devices)
        with self._disk:
            rows, is_all = self._rows(node, wanted, after, most_samples)
            with self._memory:
                chunks = [c for row in rows if (c := self._unpacked(node, row)) is not None]
                if is_all:
                    self._seal()
                    chunks += [
                        chunk
                        for chunk in self._pending
                        if chunk.node == node
                        and chunk.number > after
                        and chunk.device_id in wanted
                        and chunk.number not in self._gone
                    ]
        return _first(chunks, most_samples)

    def delete(self, chunks: Iterable[Chunk]) -> None:
        """These were handed in; they are off the disk with the next commit."""
        with self._memory:
            for chunk in chunks:
                if chunk.number not in self._gone:
                    self._gone[chunk.number] = chunk
                    self._waiting[chunk.node] -= len(chunk.samples)

    def close(self) -> None:
        """Give the file back; what was not committed is lost. Safe to call twice."""
        self._database.close()

    # ------------------------------------------------------------------ memory

    def _seal(self) -> None:
        """Make chunks of what was put, each device's samples in order of time."""
        staged, self._staged = self._staged, {}
        for (node, device_id), samples in staged.items():
            samples.sort(key=itemgetter(3))
            for start in range(0, len(samples), MOST_SAMPLES):
                self._number += 1
                part = samples[start : start + MOST_SAMPLES]
                self._pending.append(Chunk(self._number, node, device_id, part))

    def _make_room(self) -> None:
        """Drop the oldest that waits in memory; the disk takes nothing, or too slowly."""
        lost: Counter[str] = Counter()
        while self._pending and self._in_memory > self._most_in_memory:
            chunk = self._pending.popleft()
            self._in_memory -= len(chunk.samples)
            if self._gone.pop(chunk.number, None) is None:
                lost[chunk.node] += len(chunk.samples)
        self._count_dropped(lost)

    def _count_dropped(self, lost: Counter[str]) -> None:
        self._dropped += lost
        self._waiting -= lost

    def _check_replaced(self) -> None:
        """A file that broke was set aside by Database: what it held counts as dropped."""
        if self._opening == self._database.opening:
            return
        self._opening = self._database.opening
        left = Counter[str]()
        for chunk in self._pending:
            if chunk.number not in self._gone:
                left[chunk.node] += len(chunk.samples)
        self._gone.clear()
        self._count_dropped(self._waiting - left)

    def _unpacked(self, node: str, row: tuple[int, str, int, bytes]) -> Chunk | None:
        number, device_id, count, body = row
        try:
            return Chunk(number, node, device_id, unpack(body))
        except StorageError:
            self._gone[number] = Chunk(number, node, device_id, ())
            self._count_dropped(Counter({node: count}))
            return None

    # ------------------------------------------------------------------ disk

    def _write(self, chunks: Sequence[Chunk], gone: Iterable[int], now_ms: int) -> Counter[str]:
        """One transaction; returns how many samples had to give way."""
        lost: Counter[str] = Counter()
        rows = [_row(chunk, now_ms, lost) for chunk in chunks]
        with self._database.transaction() as connection:
            connection.executemany(
                "DELETE FROM chunk WHERE number = ?", [(number,) for number in gone]
            )
            connection.executemany("INSERT INTO chunk VALUES (?, ?, ?, ?, ?, ?)", rows)
            self._drop_oldest(connection, now_ms, lost)
            dropped = self._dropped + lost
            if dropped != self._said_dropped:
                connection.executemany(
                    "INSERT INTO dropped VALUES (?, ?) "
                    "ON CONFLICT (node) DO UPDATE SET samples = excluded.samples",
                    dropped.items(),
                )
        self._said_dropped = dropped
        return lost

    def _drop_oldest(self, connection: sqlite3.Connection, now_ms: int, lost: Counter[str]) -> None:
        oldest_ms = now_ms - self._max_age_ms
        while True:
            rows = connection.execute(
                "SELECT number, node, samples, put_ms FROM chunk ORDER BY number LIMIT ?",
                (_AT_ONCE,),
            ).fetchall()
            if _used_bytes(connection) <= self._max_bytes:
                rows = list(takewhile(lambda r: _CLOCK_IS_SET_MS < r[3] < oldest_ms, rows))
            if not rows:
                return
            connection.execute("DELETE FROM chunk WHERE number <= ?", (rows[-1][0],))
            for _, node, samples, _ in rows:
                lost[node] += samples

    def _rows(
        self, node: str, devices: Iterable[str], after: int, most_samples: int
    ) -> tuple[list[tuple[int, str, int, bytes]], bool]:
        """Rows in their order until they hold enough samples, and whether those are all."""
        with self._database.reading() as connection:
            found = connection.execute(
                "SELECT number, samples FROM chunk WHERE node = ? AND number > ? "
                "AND device IN (SELECT value FROM json_each(?)) ORDER BY number LIMIT ?",
                (node, after, json.dumps(list(devices)), _MOST_ROWS),
            ).fetchall()
            numbers, count = [], 0
            for number, samples in found:
                if count >= most_samples:
                    break
                if number not in self._gone:
                    numbers.append(number)
                    count += samples
            rows = connection.execute(
                "SELECT number, device, samples, body FROM chunk "
                "WHERE number IN (SELECT value FROM json_each(?)) ORDER BY number",
                (json.dumps(numbers),),
            ).fetchall()
        return rows, count < most_samples and len(found) < _MOST_ROWS


def _row(chunk: Chunk, now_ms: int, lost: Counter[str]) -> tuple[int, str, str, int, int, bytes]:
    samples = chunk.samples
    try:
        body = pack(samples)
    except TypeError:
        samples = [sample for sample in samples if is_storable(sample[1])]
        lost[chunk.node] += len(chunk.samples) - len(samples)
        body = pack(samples)
    return chunk.number, chunk.node, chunk.device_id, now_ms, len(samples), body


def _used_bytes(connection: sqlite3.Connection) -> int:
    """What the file needs without the pages that are free to be used again."""
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _first(chunks: Sequence[Chunk], most_samples: int) -> list[Chunk]:
    """As many from the front as reach `most_samples`."""
    count = 0
    for place, chunk in enumerate(chunks):
        if count >= most_samples:
            return list(chunks[:place])
        count += len(chunk.samples)
    return list(chunks)
