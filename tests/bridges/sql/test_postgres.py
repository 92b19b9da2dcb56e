"""Rows of a PostgreSQL server become readings, and what it says when they do not."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager

import pytest

from bridges.driver import BoundTag
from bridges.sql import SqlConfig, SqlDriver
from uns.errors import DeniedError, DeviceError
from uns.metric import DataType

pytestmark = pytest.mark.slow


def settings(server, **given) -> SqlConfig:
    words = {"url": f"postgresql://127.0.0.1:{server.port}/postgres", "table": "orders"}
    words |= {"user": "uns", "password": "right", "key": "line", "timestamp": "at"}
    return SqlConfig.model_validate(words | {"watermark": "id", "timeout_s": 3} | given)


@asynccontextmanager
async def reading(config, *addresses, datatype=DataType.DOUBLE, cursor=None):
    driver = SqlDriver(config)
    if cursor is not None:
        driver.resume(cursor)
    try:
        await driver.open()
        await driver.bind(
            [
                BoundTag(n, SqlDriver.parse(text, config), datatype)
                for n, text in enumerate(addresses)
            ]
        )
        yield driver
    finally:
        async with asyncio.timeout(2):
            await driver.close()
            await driver.close()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("sql:")]


def values(readings, handle=0) -> list:
    return [value for number, value, _, _ in readings if number == handle]


@pytest.mark.parametrize("watermark", ["id", "at", "amount", "name", "day", "plain", "real"])
async def test_a_watermark_of_any_type_that_sorts(postgres, watermark):
    """Numbers, times with and without zone, days and texts: all rows once, over a restart too."""
    postgres.run(
        "alter table orders add name varchar, add day date, add plain timestamp, add real float8"
    )
    put = (
        "insert into orders (line, amount, name, day, plain, real, at) select 'L1', n, "
        "'row ' || to_char(n, '000'), date '2026-01-01' + n, timestamp '2026-01-01' + n * "
        "interval '1 minute', n / 2.0, timestamptz '2026-01-01T00:00Z' + n * interval '1 s' "
        "from generate_series({}, {}) n"
    )
    config = settings(postgres, watermark=watermark, start="oldest", limit=10)
    postgres.run(put.format(1, 15))
    async with reading(config, "L1/amount") as driver:
        seen = values(await driver.read((0,)))
        cursor = driver.cursor
    postgres.run(put.format(16, 25))
    async with reading(config, "L1/amount", cursor=cursor) as driver:
        driver._unprimed.clear()
        for _ in range(2):
            seen += [value for value in values(await driver.read((0,))) if value is not None]
        cursor = driver.cursor
        assert [25.0] == values(await driver.read((0,)))
    assert [float(n) for n in range(1, 26)] == seen


async def test_transactions_that_commit_out_of_order(postgres):
    """With an overlap the row of a slow transaction is read, and the newest stands behind it."""
    async with reading(settings(postgres, overlap=100), "L1/amount") as driver:
        await driver.read((0,))
        postgres.run("insert into orders (id, line, amount) values (6, 'L1', 6)")
        assert [6.0] == values(await driver.read((0,)))
        postgres.run("insert into orders (id, line, amount) values (5, 'L1', 5)")
        assert [5.0, 6.0] == values(await driver.read((0,)))


async def test_types_of_the_server_become_values(postgres):
    """Numeric is exact, bigint is whole, texts and times are what they are."""
    postgres.run(
        "alter table orders add big bigint, add id2 uuid, add doc jsonb, add ok boolean;"
        "insert into orders (line, amount, big, id2, doc, ok, at) values ('L1', 4.50,"
        " 9007199254740993, '00000000-0000-0000-0000-000000000001', '{\"a\": 1}', true,"
        " '2026-01-08 11:30+01')"
    )
    names = ["L1/amount", "L1/big", "L1/id2", "L1/doc", "L1/ok", "L1/at"]
    async with reading(settings(postgres), *names, datatype=DataType.STRING) as driver:
        readings = await driver.read(tuple(range(6)))
    found = [value for _, value, _, _ in sorted(readings)]
    assert ["4.50", 9_007_199_254_740_993] == found[:2]
    assert ["00000000-0000-0000-0000-000000000001", '{"a": 1}', True] == found[2:5]
    assert "2026-01-08T10:30:00+00:00" == found[5]
    assert {1_767_868_200_000} == {stamp for _, _, _, stamp in readings}


async def test_a_wrong_password_is_told_as_one(postgres):
    """The runtime learns that only a person can help, and tries again slowly."""
    with pytest.raises(DeniedError, match="refuses the password") as raised:
        async with reading(settings(postgres, password="wrong")):
            pass
    assert "wrong" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"password": "wrong"}, "refuses the password of `uns`"),
        ({"user": "nobody"}, "refuses the password of `nobody`"),
        ({"url": "postgresql://127.0.0.1:{port}/mes"}, "has no database `mes`"),
        ({"table": "ordres"}, 'no such table: relation "ordres"'),
        ({"table": "pg_authid", "key": "", "watermark": "", "timestamp": ""}, "does not let `uns`"),
        ({"table": "", "query": "select nme from orders"}, "no such column"),
        ({"table": "", "query": "select from where"}, "does not understand the query"),
        ({"table": "", "query": "select *, id from orders"}, "two columns called `id`"),
        ({"key": "lien"}, "has no column `lien`"),
        ({"tls": "require"}, "."),
        ({"url": "postgresql://127.0.0.1:1/mes"}, "cannot be reached"),
        ({"url": "postgresql://no.such.host.invalid/mes"}, "cannot be reached"),
    ],
)
async def test_what_goes_wrong_is_told_apart(postgres, given, words):
    """Password, database, table, rights, query and network have sentences of their own."""
    if "url" in given:
        given = {"url": given["url"].format(port=postgres.port)}
    with pytest.raises(DeviceError, match=words):
        async with reading(settings(postgres, **given)):
            pass


async def test_only_the_write_statement_writes(postgres):
    """The session is read-only; a write is one row, in a transaction of its own."""
    postgres.run(
        "insert into orders (line, amount) values ('L1', 1), ('L2', 2), ('L2', 3);"
        "grant update on orders to uns"
    )
    write = "update orders set {column} = :value where line = :key"
    config = settings(postgres, watermark="", write=write)
    async with reading(config, "L1/amount", "L2/amount") as driver:
        tags = list(driver._tags.values())
        problems = await driver.write([(tag, 8) for tag in tags])
        refused = await driver.write([(tags[0], "eight")])
        with pytest.raises(DeviceError, match="only lets us read"):
            await driver._database._run("update orders set amount = 99")
        assert [8.0] == values(await driver.read_now((0,)))
    assert ["", "the statement would change 2 rows, not one: nothing was written"] == problems
    assert refused[0]
    assert ["2", "3", "8"] == sorted(postgres.run("select amount from orders").split())


async def test_a_server_that_is_restarted_is_noticed_at_once(postgres):
    """The session ends with a sentence; the next one goes on where it ended."""
    config = settings(postgres)
    async with reading(config, "L1/amount") as driver:
        await driver.read((0,))
        cursor = driver.cursor
        postgres.stop(signal.SIGQUIT)
        try:
            with pytest.raises(DeviceError):
                await driver.read((0,))
        finally:
            postgres.start()
    postgres.run("insert into orders (line, amount) values ('L1', 1), ('L1', 2)")
    async with reading(config, "L1/amount", cursor=cursor) as driver:
        assert [1.0, 2.0] == values(await driver.read((0,)))


async def test_a_pulled_cable_has_a_deadline(postgres, fault_proxy):
    """A server that falls silent ends the session in time, and closing takes no time."""
    proxy = await fault_proxy(postgres.port)
    async with reading(settings(proxy_of(proxy), timeout_s=0.5), "L1/amount") as driver:
        await driver.read((0,))
        proxy.cut()
        with pytest.raises(DeviceError, match=r"did not answer within 0.5 s"):
            await driver.read((0,))


async def test_cancelling_leaves_nothing(postgres, fault_proxy):
    """A scan that is given up from outside ends soon, and no task is left."""
    proxy = await fault_proxy(postgres.port)
    before = asyncio.all_tasks()
    driver = SqlDriver(settings(proxy_of(proxy)))
    await driver.open()
    await driver.bind([BoundTag(0, SqlDriver.parse("L1/amount", driver.config), DataType.FLOAT)])
    proxy.cut()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await driver.read((0,))
    async with asyncio.timeout(2):
        await driver.close()
    assert not {task for task in asyncio.all_tasks() - before if "sql" in task.get_name()}


async def test_sessions_leave_nothing_on_the_server(postgres):
    """After many sessions the server has no connection of ours."""
    for _ in range(20):
        async with reading(settings(postgres), "L1/amount") as driver:
            await driver.read((0,))
    count = "select count(*) from pg_stat_activity where application_name = 'uns'"
    for _ in range(50):
        if postgres.run(count).strip() == "0":
            break
        await asyncio.sleep(0.05)
    assert "0" == postgres.run(count).strip()


class proxy_of:  # noqa: N801 - reads as a phrase
    """The server, reached through a relay."""

    def __init__(self, proxy) -> None:
        self.port = proxy.port
