"""One unit's part of a scan: its blocks, and what each answer means for the tags.

- Exception 2 or 3 concerns addresses: the block is cut in halves until the place that spoils
  it stands alone; its tags are Bad and tried again after a minute, all others are read.
- Exception 1 (no such function) concerns a whole table: its block is not cut.
- Any other exception, or no answer, concerns the unit: see units.py.
- A broken connection or garbage ends the session: DeviceError passes through.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import repeat

from bridges.blocks import Block
from bridges.modbus.address import Table
from bridges.modbus.client import DeviceRefusal, MbapClient
from bridges.modbus.units import Unit
from uns.metric import Quality, Reading

__all__ = ["UnitScan", "bad", "reason"]

_LOG = logging.getLogger("uns.bridge.modbus")

_READ: dict[str, int] = {
    Table.CO: 1,
    Table.DI: 2,
    Table.HR: 3,
    Table.IR: 4,
}  # function codes, V1.1b3 §6.1-6.4
_ILLEGAL_FUNCTION = 1
_ABOUT_ADDRESSES = (_ILLEGAL_FUNCTION, 2, 3)  # some devices answer 3 where they mean 2
_MOST_REFUSALS = 64  # in one scan: a wrong register map must not hold the other tags up
_REFUSED_REST_S = 60.0
_MISSES = 3  # a block that a healthy unit leaves unanswered so often is set aside as well
_MISSED_REST_S = 10.0
_REASONS = {  # V1.1b3 §7
    1: "it does not know this function",
    2: "it has no such address",
    3: "it does not take this length or value",
    4: "the device failed",
    5: "the device is still at work on it",
    6: "the device is busy",
    8: "the device's memory is damaged",
    10: "the gateway has no path to the device",
    11: "the gateway gets no answer from the device",
}

# What came of one block: its readings, a refusal or a time-out, or None where it was not asked.
_Answer = list[Reading] | DeviceRefusal | TimeoutError | None

_GOOD = int(Quality.GOOD)
_BAD = int(Quality.BAD)


def reason(code: int) -> str:
    """What an exception code means."""
    return f"{_REASONS.get(code, 'a reason of its own')} (exception {code})"


def bad(handles: Iterable[int]) -> Iterable[Reading]:
    """A Bad reading for each handle, to be stamped by the runtime."""
    return zip(handles, repeat(None), repeat(_BAD), repeat(0))


class UnitScan:
    """The blocks of one unit in one scan class; they get smaller where the device refuses."""

    def __init__(self, unit: Unit, blocks: Sequence[Block]) -> None:
        self._unit = unit
        self._blocks = list(blocks)

    async def read(self, client: MbapClient, width: int) -> list[Reading]:
        """Read every block, `width` requests at a time; raises DeviceError."""
        now_s = time.monotonic()
        scan = _Pass(self._unit.number, client.where, now_s)
        waiting = deque(self._blocks)
        if not self._unit.rests(now_s):
            while waiting and not scan.is_over:
                window = [waiting.popleft() for _ in range(min(width, len(waiting)))]
                for block, answer in zip(window, await scan.ask(client, window), strict=True):
                    waiting.extendleft(reversed(scan.take(block, answer)))
            self._judge(scan, now_s)
        for block in waiting:
            scan.readings += bad(block.handles)
        self._blocks = [*scan.kept, *waiting]
        return scan.readings

    def _judge(self, scan: _Pass, now_s: float) -> None:
        if scan.is_heard:
            self._unit.answered()
        elif scan.failure is not None:
            is_silent = isinstance(scan.failure, TimeoutError)
            why = reason(scan.failure.code) if isinstance(scan.failure, DeviceRefusal) else ""
            self._unit.failed(now_s, why or "no answer in time", is_silent=is_silent)


class _Pass:
    """One scan of one unit: what was read, and what was learnt about the blocks."""

    def __init__(self, unit: int, where: str, now_s: float) -> None:
        self.readings: list[Reading] = []
        self.kept: list[Block] = []  # for the next scan
        self.failure: Exception | None = None  # the last one that concerns the unit
        self.is_heard = False  # the unit answered something about its cells
        self.is_over = False  # nothing more is to be asked in this scan
        self._unit = unit
        self._where = where
        self._now_s = now_s
        self._refusals_left = _MOST_REFUSALS

    async def ask(self, client: MbapClient, window: Sequence[Block]) -> list[_Answer]:
        if len(window) == 1:
            return [await self._ask_one(client, window[0])]
        return await asyncio.gather(*(self._ask_one(client, block) for block in window))

    async def _ask_one(self, client: MbapClient, block: Block) -> _Answer:
        if block.asked_again_s > self._now_s:
            return None
        _, table = block.space.key
        asked = time.time()
        try:
            raw = await client.read(
                self._unit, _READ[table], block.start, block.cells, block.raw_bytes
            )
        except (DeviceRefusal, TimeoutError) as refusal:
            return refusal
        at = int((asked + time.time()) * 500)  # the middle of question and answer, in ms
        return list(zip(block.handles, block.values(raw), repeat(_GOOD), repeat(at)))

    def take(self, block: Block, answer: _Answer) -> Sequence[Block]:
        """Keep what a block's answer says; returns the parts to ask for instead of it."""
        if isinstance(answer, list):
            self._take_readings(block, answer)
            return ()
        if isinstance(answer, DeviceRefusal) and answer.code in _ABOUT_ADDRESSES:
            return self._take_refusal(block, answer.code)
        self.kept.append(block)
        self.readings += bad(block.handles)
        if answer is not None:
            self._take_failure(block, answer)
        return ()

    def _take_readings(self, block: Block, readings: list[Reading]) -> None:
        self.readings += readings
        self.kept.append(block)
        self.is_heard = True
        block.misses = 0
        if block.asked_again_s:
            block.asked_again_s = 0.0
            _LOG.info("%s: unit %d answers %s again", self._where, self._unit, _span(block))

    def _take_refusal(self, block: Block, code: int) -> Sequence[Block]:
        self.is_heard = True
        halves = block.halves() if code != _ILLEGAL_FUNCTION else None
        if halves and self._refusals_left:
            self._refusals_left -= 1
            return halves
        self.readings += bad(block.handles)
        self.kept += halves or (block,)
        if not halves:
            self._set_aside(block, _REFUSED_REST_S, reason(code))
        return ()

    def _take_failure(self, block: Block, failure: Exception) -> None:
        """A unit that is heard may miss one answer in a scan; one that is not is left alone."""
        self.is_over = not self.is_heard or self.failure is not None
        self.failure = failure
        block.misses += 1
        if self.is_heard and block.misses >= _MISSES:
            self._set_aside(block, _MISSED_REST_S, "it does not answer, while others do")

    def _set_aside(self, block: Block, rest_s: float, why: str) -> None:
        if not block.asked_again_s:
            _LOG.warning(
                "%s: unit %d refuses %s: %s; the tags there are Bad and asked again every %g s",
                self._where,
                self._unit,
                _span(block),
                why,
                rest_s,
            )
        block.asked_again_s = self._now_s + rest_s


def _span(block: Block) -> str:
    _, table = block.space.key
    last = block.start + block.cells - 1
    return f"{table}:{block.start}" + (f"-{last}" if block.cells > 1 else "")
