"""Whose turn it is with a device."""

from __future__ import annotations

import asyncio

from uns.service.turns import Rank, Turns


async def test_writes_come_before_questions_and_those_before_scans():
    """Whoever asked first within a rank; the one whose turn it is is not disturbed."""
    turns, order = Turns(), []

    async def speak(name: str, rank: Rank) -> None:
        async with turns.taken(rank):
            order.append(name)
            await asyncio.sleep(0)

    async with turns.taken(Rank.SCAN):
        asked = [("scan", 2), ("read 1", 1), ("write 1", 0), ("read 2", 1), ("write 2", 0)]
        tasks = [asyncio.create_task(speak(name, Rank(rank))) for name, rank in asked]
        await asyncio.sleep(0)
        assert [] == order
    await asyncio.gather(*tasks)
    assert ["write 1", "write 2", "read 1", "read 2", "scan"] == order


async def test_who_is_cancelled_holds_nobody_up():
    """Neither while waiting, nor when the turn came in the same moment."""
    turns = Turns()

    async def speak() -> bool:
        async with turns.taken(Rank.WRITE):
            return True

    async with turns.taken(Rank.SCAN):
        waits, has_it, last = (asyncio.create_task(speak()) for _ in range(3))
        await asyncio.sleep(0)
        waits.cancel()
        await asyncio.sleep(0)
    has_it.cancel()  # its turn has come, and it does not know yet
    async with asyncio.timeout(1):
        assert await last
        async with turns.taken(Rank.SCAN):
            pass
    assert waits.cancelled()
    assert has_it.cancelled()
