"""A cable pulled between the supervisor and PostgreSQL, while rows go on being written."""

from __future__ import annotations

import asyncio

import pytest

from bridges.driver import BoundTag
from bridges.sql import SqlConfig, SqlDriver
from uns.equipment import Connection
from uns.metric import DataType, Quality
from uns.service.connection import ConnectionState, ConnectionSupervisor
from uns.testing import Watch

pytestmark = pytest.mark.slow

TAGS = 10
AWAY_S = 4.0
GRACE_S = 1.0


class Outcome(Watch):
    """What was told as current, and what as late."""

    def __init__(self) -> None:
        super().__init__()
        self.late: list = []

    def news(self, handle: int) -> list[int]:
        """The current values of a tag, without what was told again."""
        told = [one[1] for one in self.ever if one[0] == handle and one[2] == Quality.GOOD]
        return [value for n, value in enumerate(told) if not n or told[n - 1] != value]

    def history(self, handle: int) -> list[int]:
        """The late values of a tag, in their order."""
        return [one[1] for one in self.late if one[0] == handle]


async def test_nothing_is_lost_and_nothing_told_twice_over_a_cut(postgres, fault_proxy):
    """Every row is current or late, once; both are in order, and the last word is the newest."""
    proxy = await fault_proxy(postgres.port)
    config = SqlConfig(
        url=f"postgresql://127.0.0.1:{proxy.port}/postgres",
        user="uns",
        password="right",
        table="orders",
        key="line",
        watermark="id",
        timestamp="at",
        timeout_s=2.0,
        limit=50,
    )
    outcome, connection = Outcome(), Connection(config.key(), "sql", config)
    tags = [
        BoundTag(n, SqlDriver.parse(f"L{n}/amount", config), DataType.INT64, 0.2, True)
        for n in range(TAGS)
    ]
    supervisor = ConnectionSupervisor(
        *(connection, SqlDriver, tags, outcome.on_readings, outcome.on_state),
        on_late=outcome.late.extend,
        grace_s=GRACE_S,
    )
    running = asyncio.create_task(supervisor.run())
    try:
        await outcome.until(lambda: outcome.state is ConnectionState.UP)
        writing = asyncio.create_task(asyncio.to_thread(_write, postgres, 80))
        await outcome.until(lambda: len(outcome.news(0)) > 5)
        proxy.cut()
        await outcome.until(lambda: outcome.state is ConnectionState.DOWN)
        await asyncio.sleep(AWAY_S)
        proxy.heal()
        await writing
        await outcome.until(lambda: all(outcome.news(n)[-1:] == [80] for n in range(TAGS)))
        await asyncio.sleep(1)
    finally:
        running.cancel()
        await asyncio.wait([running])
    for n in range(TAGS):
        news, history = outcome.news(n), outcome.history(n)
        assert sorted(news) == news
        assert sorted(history) == history
        assert list(range(1, 81)) == sorted([*news, *history])
        assert len(history) > 10


def _write(postgres, count: int) -> None:
    """A row for each tag ten times a second."""
    postgres.run(
        f"do $$ begin for v in 1..{count} loop insert into orders (line, amount, at) "
        f"select 'L' || n, v, clock_timestamp() from generate_series(0, {TAGS - 1}) n; commit; "
        "perform pg_sleep(0.1); end loop; end $$"
    )
