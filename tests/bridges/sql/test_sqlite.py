"""Rows of an SQLite file become readings."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridges.driver import BoundTag, CanReadNow, CanResume, CanWrite
from bridges.sql import SqlConfig, SqlDriver
from uns.errors import DeviceError
from uns.metric import DataType, Quality

T0 = 1_767_868_200_000  # 2026-01-08T10:30:00Z
GOOD, UNCERTAIN, BAD = Quality.GOOD, Quality.UNCERTAIN, Quality.BAD


def settings(**given) -> SqlConfig:
    words = {"url": "sqlite:///orders.db", "table": "orders", "key": "line", "timestamp": "at"}
    return SqlConfig.model_validate(words | {"watermark": "id"} | given)


@asynccontextmanager
async def reading(config, folder, *addresses, cursor=None) -> AsyncIterator[SqlDriver]:
    driver = SqlDriver(config)
    driver.home = folder
    if cursor is not None:
        driver.resume(cursor)
    try:
        await driver.open()
        tags = [
            BoundTag(n, SqlDriver.parse(text, config), DataType.DOUBLE)
            for n, text in enumerate(addresses)
        ]
        driver.problems = [result.problem for result in await driver.bind(tags)]
        yield driver
    finally:
        await driver.close()
        await driver.close()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("sql:")]


def put(db, *rows) -> None:
    """Rows of (line, amount, second)."""
    for line, amount, second in rows:
        at = None if second is None else f"2026-01-08T10:{30 + second // 60}:{second % 60:02}Z"
        db.execute("insert into orders (line, amount, at) values (?, ?, ?)", (line, amount, at))


def values(readings, handle=0) -> list:
    return [value for number, value, _, _ in readings if number == handle]


async def test_every_new_row_is_a_reading(lite, tmp_path):
    """Rows come once and in order, each with its own time; then the newest is told again."""
    put(lite, ("L1", 1, 0))
    async with reading(settings(), tmp_path, "L1/amount", "L2/amount") as driver:
        first = [(0, 1.0, GOOD, T0), (1, None, BAD, 0)]
        assert first == await driver.read((0, 1))
        put(lite, ("L1", 2, 1), ("L1", 3, 2), ("L2", 9, 3))
        news = [(0, 2.0, GOOD, T0 + 1000), (0, 3.0, GOOD, T0 + 2000), (1, 9.0, GOOD, T0 + 3000)]
        assert news == await driver.read((0, 1))
        assert [news[2]] == await driver.read((1,))
        assert [news[1]] == await driver.read((0,))


async def test_what_a_later_scan_class_would_read_is_not_lost(lite, tmp_path):
    """A row read by the scan of one tag is told of every tag in it."""
    async with reading(settings(), tmp_path, "L1/amount", "L2/amount") as driver:
        await driver.read((0,))
        put(lite, ("L2", 9, 3))
        assert [9.0] == values(await driver.read((0,)), 1)


async def test_a_restart_goes_on_behind_the_last_row(lite, tmp_path):
    """The cursor is JSON; with it the newest known row comes first, then all that is new."""
    put(lite, ("L1", 1, 0), ("L2", 5, 0))
    async with reading(settings(), tmp_path, "L1/amount", "L2/amount") as driver:
        await driver.read((0, 1))
        cursor = driver.cursor
    put(lite, ("L1", 2, 1), ("L1", 3, 2))
    async with reading(settings(), tmp_path, "L1/amount", "L2/amount", cursor=cursor) as driver:
        readings = await driver.read((0, 1))
        assert [1.0, 2.0, 3.0] == values(readings)
        assert [5.0] == values(readings, 1)


async def test_the_first_day_begins_when_the_session_is_opened(lite, tmp_path):
    """A process that was killed before it read anything leaves no gap to the next."""
    put(lite, ("L1", 1, 0))
    async with reading(settings(), tmp_path, "L1/amount") as driver:
        cursor = driver.cursor
    put(lite, ("L1", 2, 1), ("L1", 3, 2))
    async with reading(settings(), tmp_path, "L1/amount", cursor=cursor) as driver:
        assert cursor == driver.cursor
        assert [1.0, 2.0, 3.0] == values(await driver.read((0,)))


async def test_a_table_that_was_emptied_has_another_first_day(lite, tmp_path):
    """The cursor after `open` is another than the one before: where reading begins now."""
    put(lite, ("L1", 1, 0), ("L1", 2, 1))
    async with reading(settings(), tmp_path, "L1/amount") as driver:
        cursor = driver.cursor
    lite.execute("delete from orders")
    lite.commit()
    put(lite, ("L1", 7, 2))
    async with reading(settings(), tmp_path, "L1/amount", cursor=cursor) as driver:
        assert driver.cursor not in (None, cursor)


@pytest.mark.parametrize("timestamp", ["at", ""])
async def test_what_was_read_out_of_turn_is_not_news(lite, tmp_path, timestamp):
    """A row that `read_now` has told already comes once, and what lies before it is not lost."""
    put(lite, ("L1", 1, 0))
    config = settings(timestamp=timestamp, limit=2)
    async with reading(config, tmp_path, "L1/amount") as driver:
        await driver.read((0,))
        put(lite, *(("L1", n, n) for n in (2, 3, 4, 5)))
        assert [5.0] == values(await driver.read_now((0,)))
        assert [2.0, 3.0, 5.0] == values(await driver.read((0,)))
        assert [4.0, 5.0] == values(await driver.read((0,)))
        put(lite, ("L1", 6, 6))
        assert [6.0] == values(await driver.read((0,)))


async def test_a_cursor_that_is_none_of_ours_is_a_first_day(lite, tmp_path):
    """Whatever stands in the state folder, reading begins."""
    put(lite, ("L1", 1, 0), ("L1", 2, 1))
    for broken in ({}, "x", {"kind": "whole"}, {"kind": "whole", "reached": "x", "known": {}}):
        async with reading(settings(), tmp_path, "L1/amount", cursor=broken) as driver:
            assert [2.0] == values(await driver.read((0,)))


async def test_the_first_day_may_begin_with_the_oldest_row(lite, tmp_path):
    """`start: oldest` reads the whole table, `limit` rows in a scan."""
    put(lite, *(("L1", n, n) for n in range(25)))
    async with reading(settings(start="oldest", limit=10), tmp_path, "L1/amount") as driver:
        scans = [values(await driver.read((0,))) for _ in range(4)]
    assert [float(n) for n in range(25)] == [*scans[0], *scans[1], *scans[2]]
    assert [24.0] == scans[3]


async def test_an_empty_table_is_read_from_its_first_row(lite, tmp_path):
    """Rows that come while nobody reads are not skipped, though there was no row before."""
    async with reading(settings(), tmp_path, "L1/amount") as driver:
        assert [(0, None, BAD, 0)] == await driver.read((0,))
        cursor = driver.cursor
    put(lite, ("L1", 1, 0), ("L1", 2, 1))
    async with reading(settings(), tmp_path, "L1/amount", cursor=cursor) as driver:
        assert [1.0, 2.0] == values(await driver.read((0,)))


async def test_rows_that_share_a_watermark_are_all_read(lite, tmp_path):
    """Also where a step ends between them, and where one more of them appears later."""
    config = settings(watermark="at", key="", limit=2, start="oldest")
    put(lite, *(("x", n, 7) for n in range(5)))
    async with reading(config, tmp_path, "amount") as driver:
        seen = [value for _ in range(3) for value in values(await driver.read((0,)))]
        put(lite, ("x", 5, 7))
        seen += values(await driver.read((0,)))
        cursor = driver.cursor
    assert [0, 1, 2, 3, 4, 5] == seen
    async with reading(config, tmp_path, "amount", cursor=cursor) as driver:
        await driver.read((0,))
        put(lite, ("x", 6, 7))
        assert [6] == values(await driver.read((0,)))


async def test_a_row_committed_late_is_read_late(lite, tmp_path):
    """Within the overlap it is delivered once, and the newest value stands behind it."""
    async with reading(settings(overlap=10), tmp_path, "L1/amount") as driver:
        lite.execute("insert into orders values (6, 'L1', 6, '2026-01-08T10:30:06Z')")
        await driver.read((0,))
        lite.execute("insert into orders values (5, 'L1', 5, '2026-01-08T10:30:05Z')")
        assert [5.0, 6.0] == values(await driver.read((0,)))
        assert [6.0] == values(await driver.read((0,)))


async def test_too_wide_an_overlap_is_refused(lite, tmp_path):
    """More rows than can be told apart end the session with what to do; nothing is skipped."""
    lite.execute("begin")
    lite.executemany(
        "insert into orders (line, amount, at) values ('L1', ?, '')", [(n,) for n in range(5100)]
    )
    lite.execute("commit")
    config = settings(overlap=10_000, start="oldest", limit=6000, timestamp="")
    async with reading(config, tmp_path, "L1/amount") as driver:
        with pytest.raises(DeviceError, match="can be told apart") as raised:
            await driver.read((0,))
        assert "overlap" in raised.value.hint


async def test_a_table_that_counts_from_one_again_is_noticed(lite, tmp_path, caplog):
    """An emptied table never makes a connection silent, and the log says once what happened."""
    put(lite, *(("L1", n, n) for n in range(10)))
    async with reading(settings(start="oldest"), tmp_path, "L1/amount") as driver:
        await driver.read((0,))
        lite.execute("delete from orders")
        assert [9.0] == values(await driver.read((0,)))
        put(lite, ("L1", 100, 11), ("L1", 101, 12))
        await driver.read((0,))
        put(lite, ("L1", 102, 13))
        assert 102.0 == values(await driver.read((0,)))[-1]
    assert 1 == len([record for record in caplog.records if "was emptied" in record.message])


async def test_a_queue_whose_rows_are_taken_away_goes_on(lite, tmp_path):
    """Rows that somebody deletes after use do not disturb reading behind them."""
    lite.execute("create table queue (id integer primary key autoincrement, n integer)")
    async with reading(settings(table="queue", key="", timestamp=""), tmp_path, "n") as driver:
        await driver.read((0,))
        for n in (1, 2, 3):
            lite.execute("insert into queue (n) values (?)", (n,))
            assert [n] == values(await driver.read((0,)))
            lite.execute("delete from queue")


async def test_a_state_is_the_row_of_now(lite, tmp_path):
    """Without a watermark each scan takes the rows as they are; a missing one is Bad."""
    put(lite, ("L1", 1, 0), ("L2", 2, 0))
    config = settings(watermark="", query="select * from orders -- all", table="")
    async with reading(config, tmp_path, "L1/amount", "L2/amount", "L3/amount") as driver:
        good = [(0, 1.0, GOOD, T0), (1, 2.0, GOOD, T0), (2, None, BAD, 0)]
        assert good == await driver.read((0, 1, 2))
        lite.execute("update orders set amount = 7 where line = 'L1'")
        lite.execute("delete from orders where line = 'L2'")
        assert [7.0, None] == [value for _, value, _, _ in await driver.read((0, 1))]
        assert None is driver.cursor


async def test_more_rows_than_the_limit_are_told_once(lite, tmp_path, caplog):
    """A state of too many rows says so, and reads what the limit allows."""
    put(lite, *(("L1", n, n) for n in range(5)))
    async with reading(settings(watermark="", limit=3), tmp_path, "L1/amount") as driver:
        await driver.read((0,))
        await driver.read((0,))
    assert 1 == len([record for record in caplog.records if "more than 3 rows" in record.message])


async def test_null_and_nonsense_spoil_one_value(lite, tmp_path):
    """NULL is Bad, a time that is none makes its row Uncertain and is told in the log."""
    lite.execute("insert into orders values (1, 'L1', NULL, '2026-01-08T10:30:00Z')")
    lite.execute("insert into orders values (2, 'L2', 2, 'soon')")
    put(lite, ("L3", 3, None))
    async with reading(
        settings(start="oldest"), tmp_path, *["L1/amount", "L2/amount", "L3/amount"]
    ) as driver:
        first, second, third = await driver.read((0, 1, 2))
    assert (0, None, BAD, T0) == first
    assert (1, 2.0, UNCERTAIN) == second[:3]
    assert second[3] > T0
    assert (2, 3.0, GOOD) == third[:3]


async def test_a_column_that_is_not_there_spoils_one_tag(lite, tmp_path):
    """The problem names the columns there are; once the column exists, the tag is taken."""
    put(lite, ("L1", 1, 0))
    async with reading(settings(), tmp_path, "L1/Amount", "L1/weight") as driver:
        assert "" == driver.problems[0]
        assert "has no column `weight`; it has id, line, amount, at" in driver.problems[1]
        await driver.read((0,))
        lite.execute("alter table orders add column weight real default 4")
        [late] = await driver.bind(
            [BoundTag(1, SqlDriver.parse("L1/weight", settings()), DataType.FLOAT)]
        )
        assert "" == late.problem
        assert {4.0} == set(values(await driver.read((0, 1)), 1))
        await driver.unbind((0,))
        assert [(0, None, BAD, 0)] == await driver.read((0,))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"url": "sqlite:///no.db"}, "there is no database file"),
        ({"table": "ordres"}, "no such table"),
        ({"table": "", "query": "select nme from orders"}, "no such column: nme"),
        ({"key": "lien"}, "has no column `lien`; it has"),
        ({"url": "sqlite:///text.db"}, "no SQLite database"),
    ],
)
async def test_what_cannot_be_read_is_told_apart(lite, tmp_path, given, words):
    """A missing file, table, column and a file that is something else have their sentences."""
    (tmp_path / "text.db").write_text("line;amount\n" * 200)
    with pytest.raises(DeviceError, match=words):
        async with reading(settings(**given), tmp_path):
            pass


async def test_reading_changes_nothing(lite, tmp_path):
    """A query that would write is refused by the database itself."""
    config = settings(table="", query="select * from orders")
    object.__setattr__(config, "query", "delete from orders returning *")
    with pytest.raises(DeviceError):
        async with reading(config, tmp_path):
            pass


async def test_a_write_changes_exactly_one_row(lite, tmp_path):
    """One row is changed and can be read back; none, or several, and nothing is written."""
    put(lite, ("L1", 1, 0), ("L2", 2, 0), ("L2", 3, 1))
    config = settings(watermark="", write="update orders set {column} = :value where line = :key")
    async with reading(config, tmp_path, "L1/amount", "L2/amount", "L3/amount") as driver:
        tags = list(driver._tags.values())
        problems = await driver.write([(tag, 8.0) for tag in tags])
        assert 8.0 == values(await driver.read_now((0,)))[0]
        assert (CanWrite, CanReadNow, CanResume) == tuple(
            can for can in (CanWrite, CanReadNow, CanResume) if isinstance(driver, can)
        )
    assert "" == problems[0]
    assert "would change 2 rows" in problems[1]
    assert "would change 0 rows" in problems[2]
    assert [(8.0,), (2.0,), (3.0,)] == lite.execute("select amount from orders").fetchall()


async def test_without_a_statement_nothing_is_written(lite, tmp_path):
    """A write says that the connection only reads."""
    put(lite, ("L1", 1, 0))
    async with reading(settings(), tmp_path, "L1/amount") as driver:
        assert "is only read" in (await driver.write([(driver._tags[0], 1)]))[0]


async def test_a_query_that_takes_for_ever_is_left_in_time(lite, tmp_path):
    """It is given up at the deadline, and its thread ends."""
    endless = (
        "with recursive n(i) as (select 1 union all select i+1 from n) select max(i) as m from n"
    )
    config = settings(table="", query=endless, key="", watermark="", timestamp="", timeout_s=0.3)
    before = threading.active_count()
    async with asyncio.timeout(5):
        with pytest.raises(DeviceError, match=r"did not answer within 0.3 s"):
            async with reading(config, tmp_path, "m") as driver:
                await driver.read((0,))
    for _ in range(100):
        if threading.active_count() <= before:
            break
        await asyncio.sleep(0.02)
    assert before >= threading.active_count()
