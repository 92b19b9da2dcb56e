"""What a connection said, and when: notes that tests take."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from uns.metric import Quality, Reading
from uns.service.connection import ConnectionState

__all__ = ["Collector", "Watch"]

BACK_S = 20.0  # how long a device may take to be noticed again, on a busy machine
_LOOK_S = 0.02


class _Notes:
    """Readings, in the order in which they came."""

    def __init__(self) -> None:
        self.taken: list[Reading] = []  # tests clear it
        self.ever: list[Reading] = []
        self.last_reading_at = 0.0

    def good(self) -> set[int]:
        """Handles whose latest reading is Good."""
        latest = {reading[0]: reading[2] for reading in self.taken}
        return {handle for handle, quality in latest.items() if quality == Quality.GOOD}

    async def until(self, is_true: Callable[[], bool], within_s: float = BACK_S) -> None:
        """Wait until something is true; the test fails when it does not become so."""
        async with asyncio.timeout(within_s):
            while not is_true():  # noqa: ASYNC110 - what tests ask for has no event
                await asyncio.sleep(_LOOK_S)

    async def more_readings(self, within_s: float = BACK_S) -> None:
        """Wait until good readings arrive that were not there before."""
        self.taken.clear()
        await self.until(lambda: len(self.good()) > 0, within_s)

    def _note(self, batch: Sequence[Reading]) -> None:
        self.taken += batch
        self.ever += batch
        self.last_reading_at = time.monotonic()


class Watch(_Notes):
    """What a supervisor said."""

    def __init__(self) -> None:
        super().__init__()
        self.late: list[Reading] = []  # what a source kept meanwhile, and was overtaken
        self.states: list[tuple[ConnectionState, float]] = []

    def on_readings(self, readings: list[Reading]) -> None:
        """Note a batch."""
        self._note(readings)

    def on_late(self, readings: list[Reading]) -> None:
        """Note history, which is never current."""
        self.late += readings

    def on_state(self, state: ConnectionState) -> None:
        """Note a state, and when it was entered."""
        self.states.append((state, time.monotonic()))

    @property
    def state(self) -> ConnectionState | None:
        """The latest state; None before the first."""
        return self.states[-1][0] if self.states else None


class Collector(_Notes):
    """A sink for a driver without a supervisor; `hold` makes it take nothing more for now."""

    def __init__(self) -> None:
        super().__init__()
        self.signs = 0  # of life, with readings or without
        self._is_open = asyncio.Event()
        self._is_open.set()

    def of(self, handle: int) -> list[Reading]:
        """What came of one tag."""
        return [reading for reading in self.taken if reading[0] == handle]

    def hold(self) -> None:
        """Have whoever asks `ready` wait."""
        self._is_open.clear()

    def release(self) -> None:
        """Let them go on."""
        self._is_open.set()

    def readings(self, batch: Sequence[Reading]) -> None:
        """Note a batch."""
        self.signs += 1
        self._note(batch)

    def alive(self) -> None:
        """Note a sign of life."""
        self.signs += 1

    async def ready(self) -> None:
        """Wait while it is held."""
        await self._is_open.wait()
