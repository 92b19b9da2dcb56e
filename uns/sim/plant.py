"""A simulated plant: a project's machines at work, served at the addresses the project names.

Theory of operation
    Once a second the lines step, the truth is written, and then everything that counts is
    served - in that order, so that no kill can make a counter go back. Measured values are
    spread over the other quarters of the second. Only what changed is written. Between a server
    and its clients is a relay, so that any device can be hurt while the plant runs (faults).
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from uns.equipment import Tag
from uns.project.project import Project
from uns.sim.device import Device
from uns.sim.dirt import dirt_of
from uns.sim.endpoint import Showing, endpoints_of
from uns.sim.faults import Faults
from uns.sim.layout import lines_of
from uns.sim.signal import Scene, Signal, signal_for
from uns.sim.truth import recall, truth_of, write_truth

__all__ = ["SimulatedPlant"]

log = logging.getLogger("uns.sim")

_QUARTERS = 4
_COUNTED = 0  # the quarter of a second in which lines step and what counts is served
_LONGEST_STEP_S = 2.0


@dataclass(slots=True)
class _Served:
    """A tag that is served: its signal, the quarter it is asked in, and what it shows."""

    tag: Tag
    signal: Signal
    quarter: int
    shown: Showing


class SimulatedPlant:
    """The machines of `project` at work; `async with` serves them.

    `seed` decides everything but time. `speed` lets production run faster; order changes keep
    their real seconds. With `truth_path` the plant goes on where it was when it last ran. Files
    that tags are read from lie in `home`, where settings do not say more.
    """

    def __init__(
        self,
        project: Project,
        *,
        seed: int = 1,
        speed: float = 1.0,
        truth_path: Path | None = None,
        has_dirt: bool = True,
        home: Path = Path(".uns"),
    ) -> None:
        self._project = project
        self._seed = seed
        self._speed = speed
        self._truth_path = truth_path
        self.dirt = dirt_of(project, seed) if has_dirt else None
        self._totals: dict[str, float] = {}
        self._lines = lines_of(project.machines, seed)
        self._served: list[_Served] = []
        self.endpoints = endpoints_of(project)
        for endpoint in self.endpoints:
            endpoint.home = home
        self.devices = [Device(endpoint) for endpoint in self.endpoints]
        self.faults = Faults(self.devices, {m.topic.text: m.tags for m in project.machines})
        self._stack = AsyncExitStack()
        self._clock: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._age_s = 0.0
        self._last_ms = 0

    async def __aenter__(self) -> Self:
        """Remember, listen on every endpoint, and start the clock.

        Raises DeviceError where a port is taken, StorageError where the truth has no place.
        """
        self._last_ms = _now_ms()
        self._remember()
        self._served = self._signals()
        self._save()
        await self._open()
        self._clock = asyncio.create_task(self._run(), name="sim:clock")
        self._clock.add_done_callback(_say_why)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the clock, write the truth, and close every endpoint."""
        try:
            await self.faults.close()
            if self._clock is not None:
                self._clock.cancel()
                await asyncio.wait([self._clock])
            self._save()
        finally:
            await self._stack.aclose()

    async def wait(self) -> None:
        """Wait for the clock's end, which only comes with a mistake, and raise that."""
        if self._clock is not None:
            await asyncio.shield(self._clock)

    @property
    def tag_count(self) -> int:
        """How many tags are served."""
        return sum(len(endpoint.tags) for endpoint in self.endpoints)

    def truth(self) -> dict[str, Any]:
        """What the plant has made: see uns/sim/truth.py for its shape."""
        return truth_of(self._lines, self._totals, _now_ms())

    async def wind_down(self) -> None:
        """Let every machine stop counting at once and for good; returns when that is served."""
        async with self._turn:
            for line in self._lines.values():
                line.wind_down()
            await self._serve(_COUNTED)

    def _remember(self) -> None:
        if self._truth_path is not None:
            recall(self._truth_path, self._lines, self._totals)
        for line in self._lines.values():
            line.power_up(self._last_ms)

    def _signals(self) -> list[_Served]:
        found: list[_Served] = []
        for machine in self._project.machines:
            line = self._lines.get(machine.line.text)
            maker = line.seen_from(machine.topic.text) if line else None
            tags = {tag.name: tag for tag in machine.tags}
            scene = Scene(maker, self._totals, tags, self._seed)
            for tag in machine.tags:
                signal = signal_for(tag, scene)
                if signal is not None:
                    showing = Showing(tag, signal(0.0))
                    found.append(_Served(tag, signal, _quarter(tag, len(found)), showing))
        return sorted(found, key=lambda served: _is_order_id(served.tag))

    async def _open(self) -> None:
        now = {served.tag.topic.text: served.shown for served in self._served}
        async with AsyncExitStack() as stack:
            for device in self.devices:
                stack.push_async_callback(device.stop)
                mine = [now[t.topic.text] for t in device.endpoint.tags if t.topic.text in now]
                await device.start(mine, self._last_ms)
            self._stack = stack.pop_all()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due, quarter = loop.time(), _COUNTED
        while True:
            due = max(due + 1 / _QUARTERS, loop.time())
            await asyncio.sleep(due - loop.time())
            quarter = (quarter + 1) % _QUARTERS
            async with self._turn:
                self._step(quarter)
                await self._serve(quarter)

    def _step(self, quarter: int) -> None:
        now_ms = _now_ms()
        self._age_s += min(max(now_ms - self._last_ms, 0) / 1000, _LONGEST_STEP_S)
        self._last_ms = now_ms
        if quarter == _COUNTED:
            for line in self._lines.values():
                line.step(now_ms, self._speed)

    async def _serve(self, quarter: int) -> None:
        """Serve what changed since it was last shown; what counts is written down first."""
        changed: dict[str, list[Showing]] = {}
        for served in self._served:
            if served.quarter != quarter:
                continue
            showing = self._showing(served)
            if showing != served.shown:
                served.shown = showing
                changed.setdefault(_connection(served.tag), []).append(showing)
        if quarter == _COUNTED:
            self._save()
        for device in self.devices:
            for key in device.endpoint.connections:
                if key in changed:
                    await device.show(changed[key], self._last_ms)

    def _showing(self, served: _Served) -> Showing:
        tag = served.tag
        value = served.signal(self._age_s * self._speed)
        if self.dirt is None:
            return Showing(tag, value)
        if self.dirt.is_astray(tag, self._age_s):
            return Showing(tag, self.dirt.outside(tag))
        return Showing(tag, value, self.dirt.status(tag, self._age_s))

    def _save(self) -> None:
        if self._truth_path is not None:
            write_truth(self._truth_path, self.truth())


def _quarter(tag: Tag, index: int) -> int:
    """The quarter in which a tag is served: what counts in one, the rest spread over three."""
    if tag.datatype.is_real and not tag.is_counter:
        return 1 + index % (_QUARTERS - 1)
    return _COUNTED


def _is_order_id(tag: Tag) -> bool:
    """Whether a tag is written last: whoever sees a new order may rely on all else being set."""
    return tag.datatype.is_text and tag.name.rpartition("/")[2] in ("id", "order_id", "number")


def _connection(tag: Tag) -> str:
    return tag.source.connection if tag.source else ""


def _say_why(clock: asyncio.Task[None]) -> None:
    if not clock.cancelled() and clock.exception() is not None:
        log.error("the simulated plant stands still: %s", clock.exception())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
