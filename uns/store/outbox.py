"""The outbox: messages on their way to targets, and what their triggers remember.

A commit writes the state of the triggers and the messages they led to in one transaction, so a
crash leaves both or neither. Each (target, id) is kept once: the same id again is no second
message. Messages of one lane are handed out strictly in order, lanes do not wait for each other.

    ready     waits for its turn (after a failure: until `next_ms`)
    sending   handed to a sender
    unknown   was being sent when something broke: it may have arrived
    done      the target has it
    dead      the target refused it for good, or it could not be made; a person must look

`done` and `dead` messages are kept for a while for people who ask, then forgotten, oldest first.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from uns.errors import StorageError
from uns.store.database import Database

__all__ = ["Attempt", "Delivery", "DeliveryState", "Entry", "LaneCount", "NewDelivery", "Outbox"]

MAX_OPEN: Final = 100_000  # messages not delivered yet; at 2 kB each that is 200 MB
KEPT: Final = 20_000  # done or dead messages that stay readable
_FARTHEST_MS: Final = (
    2 * 3_600_000
)  # no pause is longer: a later `next_ms` is from a clock set back
_PRUNE_EVERY: Final = 500  # finished deliveries between two looks at what may be forgotten

_LAYOUT = """
CREATE TABLE IF NOT EXISTS trigger_state (
    route TEXT PRIMARY KEY,
    state TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS delivery (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    target TEXT NOT NULL,
    id TEXT NOT NULL,
    lane TEXT NOT NULL,
    route TEXT NOT NULL,
    event_ms INTEGER NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('ready', 'sending', 'unknown', 'done', 'dead')),
    attempts INTEGER NOT NULL DEFAULT 0,
    next_ms INTEGER NOT NULL DEFAULT 0,
    finished_ms INTEGER,
    said TEXT NOT NULL DEFAULT '',
    UNIQUE (target, id)
);
CREATE INDEX IF NOT EXISTS open_by_lane ON delivery (target, lane, number)
    WHERE state IN ('ready', 'sending', 'unknown');
CREATE INDEX IF NOT EXISTS finished ON delivery (number) WHERE state IN ('done', 'dead');
CREATE TABLE IF NOT EXISTS attempt (
    delivery INTEGER NOT NULL REFERENCES delivery (number),
    at_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    said TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS attempt_of ON attempt (delivery);
CREATE TABLE IF NOT EXISTS delivered (
    route TEXT NOT NULL,
    target TEXT NOT NULL,
    count INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    PRIMARY KEY (route, target)
);
"""
_OPEN = "state IN ('ready', 'sending', 'unknown')"
# The oldest open message of each lane, where it is not in a sender's hands.
_HEADS = f"""
SELECT {{columns}} FROM delivery WHERE state IN ('ready', 'unknown') AND number IN (
    SELECT min(number) FROM delivery WHERE target = :target AND {_OPEN} GROUP BY lane
)
"""  # noqa: S608 - text of ours, no values

_DUE = "AND (next_ms <= :now OR next_ms > :farthest) ORDER BY number LIMIT :limit"


class DeliveryState(StrEnum):
    """Where a message is on its way; see the head of this file."""

    READY = "ready"
    SENDING = "sending"
    UNKNOWN = "unknown"
    DONE = "done"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """A message for one target; with a `problem` it is dead on arrival, kept to be looked at."""

    target: str
    id: str
    lane: str
    event_ms: int
    body: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """What one step of a route leads to: the state of its trigger, and messages."""

    route: str
    state: Mapping[str, Any]
    deliveries: Sequence[NewDelivery] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message in a sender's hands. `may_have_arrived`: an earlier attempt ended unknown."""

    number: int
    id: str
    route: str
    body: str
    attempts: int
    may_have_arrived: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """How an attempt ended: DONE, DEAD, or READY or UNKNOWN to be tried again at `next_ms`."""

    delivery: Delivery
    state: DeliveryState
    said: str = ""
    next_ms: int = 0


@dataclass(frozen=True, slots=True)
class LaneCount:
    """Figures of one route and target, for health."""

    route: str
    target: str
    waiting: int
    unknown: int
    dead: int
    delivered: int
    oldest_event_ms: int | None
    last_delivered_ms: int | None


class Outbox:
    """One file; every change is on the disk when the call returns. Calls block: use a thread."""

    def __init__(self, path: Path, *, max_open: int = MAX_OPEN, kept: int = KEPT) -> None:
        """Open or make the file; what a crash left `sending` may have arrived.

        Raises StorageError. Must not be open twice: two processes would send everything twice.
        """
        self._database = Database(path, _LAYOUT)
        self._max_open = max_open
        self._kept = kept
        self._since_prune = 0
        with self._database.transaction() as connection:
            connection.execute("UPDATE delivery SET state = 'unknown' WHERE state = 'sending'")

    def state(self, route: str) -> dict[str, Any] | None:
        """What the trigger of `route` remembered last."""
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT state FROM trigger_state WHERE route = ?", (route,)
            ).fetchone()
        stored: dict[str, Any] | None = json.loads(row[0]) if row else None
        return stored

    def commit(self, entries: Iterable[Entry]) -> int:
        """Keep all of `entries` or none; returns how many messages were new.

        Raises StorageError when the disk or the outbox is full: the caller keeps them and tries
        again, and acknowledges nothing meanwhile.
        """
        with self._database.transaction() as connection:
            before = connection.total_changes
            states = 0
            for entry in entries:
                connection.execute(
                    "INSERT INTO trigger_state VALUES (?, ?) "
                    "ON CONFLICT (route) DO UPDATE SET state = excluded.state",
                    (entry.route, json.dumps(entry.state)),
                )
                states += 1
                connection.executemany(
                    "INSERT INTO delivery (target, id, lane, route, event_ms, body, state, said) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (target, id) DO NOTHING",
                    [_row(entry.route, delivery) for delivery in entry.deliveries],
                )
            added = connection.total_changes - before - states
            if added:
                self._check_room(connection)
        return added

    def claim(self, target: str, now_ms: int, *, limit: int = 8) -> list[Delivery]:
        """Hand out the first message of up to `limit` lanes that are due."""
        columns = "number, id, route, body, attempts, state"
        query = _HEADS.format(columns=columns) + _DUE
        with self._database.transaction() as connection:
            rows = connection.execute(
                query,
                {
                    "target": target,
                    "limit": limit,
                    "now": now_ms,
                    "farthest": now_ms + _FARTHEST_MS,
                },
            ).fetchall()
            connection.executemany(
                "UPDATE delivery SET state = 'sending', attempts = attempts + 1 WHERE number = ?",
                [(row[0],) for row in rows],
            )
        return [
            Delivery(number, id_, route, body, attempts + 1, state == DeliveryState.UNKNOWN)
            for number, id_, route, body, attempts, state in rows
        ]

    def finish(self, attempts: Sequence[Attempt], now_ms: int) -> None:
        """Write down how attempts ended."""
        with self._database.transaction() as connection:
            for attempt in attempts:
                _finish(connection, attempt, now_ms)
            self._since_prune += len(attempts)
            if self._since_prune >= _PRUNE_EVERY:
                self._since_prune = 0
                _prune(connection, self._kept)

    def release(self, target: str) -> None:
        """The sender of `target` was stopped: what it had in its hands may have arrived."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE delivery SET state = 'unknown' WHERE state = 'sending' AND target = ?",
                (target,),
            )

    def next_due_ms(self, target: str) -> int | None:
        """When the next message of `target` is due; None where none waits."""
        query = _HEADS.format(columns="min(next_ms)")
        with self._database.reading() as connection:
            row = connection.execute(query, {"target": target}).fetchone()
        due: int | None = row[0]
        return due

    def hasten(self, target: str, now_ms: int) -> None:
        """Make all that waits for `target` due now: it answers again."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE delivery SET next_ms = :now WHERE target = :target AND next_ms > :now "
                "AND state IN ('ready', 'unknown')",
                {"target": target, "now": now_ms},
            )

    def counts(self) -> list[LaneCount]:
        """Figures by route and target."""
        with self._database.reading() as connection:
            rows = connection.execute(_COUNTS).fetchall()
        return [LaneCount(*row) for row in rows]

    def attempts_of(self, target: str, id_: str) -> list[tuple[int, str, str]]:
        """The attempts at one message: (when, how it ended, what was said)."""
        with self._database.reading() as connection:
            return connection.execute(
                "SELECT at_ms, outcome, attempt.said FROM attempt "
                "JOIN delivery ON delivery.number = attempt.delivery "
                "WHERE target = ? AND id = ? ORDER BY attempt.rowid",
                (target, id_),
            ).fetchall()

    def dead(self, *, limit: int = 100) -> list[tuple[str, str, str]]:
        """The newest dead messages: (target, id, why)."""
        with self._database.reading() as connection:
            return connection.execute(
                "SELECT target, id, said FROM delivery WHERE state = 'dead' "
                "ORDER BY number DESC LIMIT ?",
                (limit,),
            ).fetchall()

    def close(self) -> None:
        """Give the file back. Safe to call twice."""
        self._database.close()

    def _check_room(self, connection: sqlite3.Connection) -> None:
        waiting = connection.execute(f"SELECT count(*) FROM delivery WHERE {_OPEN}").fetchone()[0]  # noqa: S608 - text of ours
        if waiting <= self._max_open:
            return
        worst, count = connection.execute(
            f"SELECT target, count(*) AS n FROM delivery WHERE {_OPEN} "  # noqa: S608 - text of ours
            "GROUP BY target ORDER BY n DESC"
        ).fetchone()
        raise StorageError(
            f"the outbox {self._database.path} is full: {self._max_open} messages wait, "
            f"most of them ({count}) for the target `{worst}`",
            hint=f"bring `{worst}` back, or take it out of the routes; nothing is lost meanwhile",
        )


_COUNTS = f"""
WITH names AS (
    SELECT route, target FROM delivery UNION SELECT route, target FROM delivered
), figures AS (
    SELECT route, target,
        sum({_OPEN}) AS waiting, sum(state = 'unknown') AS unknown, sum(state = 'dead') AS dead,
        min(CASE WHEN {_OPEN} THEN event_ms END) AS oldest
    FROM delivery GROUP BY route, target
)
SELECT route, target, coalesce(waiting, 0), coalesce(unknown, 0), coalesce(dead, 0),
    coalesce(count, 0), oldest, last_ms
FROM names LEFT JOIN figures USING (route, target) LEFT JOIN delivered USING (route, target)
"""  # noqa: S608 - text of ours, no values


def _row(route: str, delivery: NewDelivery) -> tuple[str | int, ...]:
    state = DeliveryState.DEAD if delivery.problem else DeliveryState.READY
    return (
        *(delivery.target, delivery.id, delivery.lane, route, delivery.event_ms, delivery.body),
        *(state, delivery.problem),
    )


def _finish(connection: sqlite3.Connection, attempt: Attempt, now_ms: int) -> None:
    is_over = attempt.state in (DeliveryState.DONE, DeliveryState.DEAD)
    connection.execute(
        "UPDATE delivery SET state = ?, next_ms = ?, said = ?, finished_ms = ? WHERE number = ?",
        (
            *(attempt.state, attempt.next_ms, attempt.said),
            *(now_ms if is_over else None, attempt.delivery.number),
        ),
    )
    connection.execute(
        "INSERT INTO attempt VALUES (?, ?, ?, ?)",
        (attempt.delivery.number, now_ms, attempt.state, attempt.said),
    )
    if attempt.state is DeliveryState.DONE:
        connection.execute(
            "INSERT INTO delivered SELECT route, target, 1, ? FROM delivery WHERE number = ? "
            "ON CONFLICT (route, target) DO UPDATE SET count = count + 1, last_ms = excluded.last_ms",
            (now_ms, attempt.delivery.number),
        )


def _prune(connection: sqlite3.Connection, kept: int) -> None:
    """Forget the oldest finished messages and their attempts, past the newest `kept`."""
    row = connection.execute(
        "SELECT number FROM delivery WHERE state IN ('done', 'dead') "
        "ORDER BY number DESC LIMIT 1 OFFSET ?",
        (kept,),
    ).fetchone()
    if not row:
        return
    connection.execute(
        "DELETE FROM attempt WHERE delivery IN "
        "(SELECT number FROM delivery WHERE state IN ('done', 'dead') AND number <= ?)",
        row,
    )
    connection.execute("DELETE FROM delivery WHERE state IN ('done', 'dead') AND number <= ?", row)
