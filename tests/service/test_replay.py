"""A backlog on its way: its pace, what is sent again, and when it is deleted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from uns.service.pace import Pace
from uns.service.replay import Replay
from uns.store.backlog import Backlog

NODE = "Acme/Line1"


@pytest.fixture
async def backlog(tmp_path: Path) -> AsyncIterator[Backlog]:
    """A thousand samples of two devices, in ten chunks."""
    backlog = Backlog(tmp_path / "backlog.db")
    for begin in range(0, 500, 100):
        for device in ("filler", "capper"):
            backlog.put(NODE, device, [("x", i, 192, 1 + i) for i in range(begin, begin + 100)])
        backlog.commit(1_790_000_000_000)
    yield backlog
    backlog.close()


@contextlib.asynccontextmanager
async def replaying(
    backlog: Backlog, *, devices: tuple[str, ...] = ("filler", "capper"), window_s: float = 10.0
) -> AsyncIterator[Replay]:
    """A replay whose reader runs."""
    pace = Pace(1_000_000, per_node=1_000_000)
    replay = Replay(backlog, NODE, pace, window_s, on_change=lambda: None)
    task = asyncio.create_task(replay.run(lambda: list(devices)))
    try:
        yield replay
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def taken(replay: Replay, may_send: Callable[[str], bool] = lambda _: True) -> dict:
    """What there is to send once something was read."""
    async with asyncio.timeout(10):
        while not replay.is_busy:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.02)
    return replay.take(may_send)


async def test_a_chunk_is_deleted_when_its_connection_stood_for_the_window(backlog):
    """Not when it was sent."""
    async with replaying(backlog, window_s=0.5) as replay:
        sent = await taken(replay)
        assert {"filler": 500, "capper": 500} == {d: len(s) for d, s in sent.items()}
        assert list(range(500)) == [value for _, value, _, _ in sent["filler"]]
        assert 1_000 == backlog.waiting(NODE)
        async with asyncio.timeout(10):
            while backlog.waiting(NODE):
                await asyncio.sleep(0.01)


async def test_a_connection_that_broke_within_the_window_is_made_up_for(backlog):
    """All of it goes out again on the next one."""
    async with replaying(backlog) as replay:
        await taken(replay)
        replay.disconnected()
        assert 1_000 == sum(len(samples) for samples in (await taken(replay)).values())


async def test_endless_rebirths_do_not_hold_up_a_backlog_for_ever(backlog):
    """A chunk sent three times on one connection is there, whoever asks again."""
    async with replaying(backlog) as replay:
        for _ in range(3):
            assert 1_000 == sum(len(samples) for samples in (await taken(replay)).values())
            replay.restart()
        assert 0 == backlog.waiting(NODE)


async def test_a_device_that_goes_down_keeps_its_chunks(backlog):
    """What was read ahead for it is read again when it is back."""
    async with replaying(backlog) as replay:
        assert {"capper"} == (await taken(replay, lambda device: device == "capper")).keys()
        replay.look_again()
        assert {"filler"} == (await taken(replay)).keys()


async def test_what_is_put_later_follows(backlog):
    """A dry backlog is looked at again when something was put."""
    async with replaying(backlog) as replay:
        await taken(replay)
        await asyncio.sleep(0.8)
        backlog.put(NODE, "filler", [("x", 500, 192, 501)])
        replay.nudge()
        assert {"filler": [("x", 500, 192, 501)]} == await taken(replay)


def test_edge_nodes_share_one_budget():
    """Alone each has its own limit, together they have the process's; long pauses earn nothing."""
    pace = Pace(20_000, per_node=5_000)
    for number in range(3):
        pace.join(f"line{number}")
    assert 500 == pace.share(0.1)
    for number in range(100):
        pace.join(f"line{number}")
    assert 20 == pace.share(0.1)
    for number in range(100):
        pace.leave(f"line{number}")
    assert 1_250 == pace.share(60)
