"""Liveness on the event loop's clock, in tenths of seconds."""

from __future__ import annotations

import asyncio

import pytest

from uns.service.liveness import Liveness

pytestmark = pytest.mark.slow  # real seconds pass


async def test_silence_is_said_once():
    """When the next sign of life is overdue, and not again while it stays so."""
    said = []
    liveness = Liveness(0.1, lambda: said.append("silent"))
    liveness.seen(0.05)
    await asyncio.sleep(0.3)
    assert ["silent"] == said
    liveness.stop()


async def test_signs_of_life_keep_it_quiet():
    """As long as each comes before it is due nothing is said, however long it goes on."""
    said = []
    liveness = Liveness(0.1, lambda: said.append("silent"))
    for _ in range(10):
        liveness.seen(0.3)
        await asyncio.sleep(0.05)
    liveness.stop()
    await asyncio.sleep(0.4)
    assert [] == said


async def test_a_lost_session_has_what_is_left_of_the_grace():
    """Back in time nobody hears of it; too late and it is said at the end of the grace."""
    said = []
    liveness = Liveness(0.2, lambda: said.append("silent"))
    liveness.seen()
    liveness.lost()
    await asyncio.sleep(0.05)
    liveness.seen()
    await asyncio.sleep(0.3)
    assert [] == said
    liveness.lost()
    await asyncio.sleep(0.05)
    assert ["silent"] == said
    liveness.stop()


async def test_asking_makes_a_silent_device_no_livelier():
    """An answer is due after a question, but a new question does not move what was due before."""
    said = []
    liveness = Liveness(0.1, lambda: said.append("silent"))
    liveness.seen()
    liveness.expect(0.2)
    for _ in range(6):
        await asyncio.sleep(0.05)
        liveness.expect(0.2)
    assert ["silent"] == said
    liveness.stop()
