"""One unit's part of a scan: its blocks, and what each answer means for the tags.

- Exception 2 or 3, or an answer that is too short, concerns addresses: the block is cut in
  halves until the place that spoils it stands alone. That place rests for a minute, its tags
  are Bad; all others are read.
- Exception 1 (no such function) concerns a whole table: its block rests uncut.
- Any other exception, or no answer, concerns the unit: see units.py.
- A broken connection or garbage ends the session: DeviceError passes through.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Container, Iterable, Sequence
from itertools import chain, repeat

from bridges.blocks import Block
from bridges.modbus.address import Table
from bridges.modbus.client import TOO_SHORT, Client, DeviceRefusal
from bridges.modbus.units import Unit
from uns.metric import Quality, Reading

__all__ = ["ABOUT_ADDRESSES", "READ_FUNCTIONS", "UnitScan", "bad", "reason"]

_LOG = logging.getLogger("uns.bridge.modbus")

READ_FUNCTIONS: dict[str, int] = {
    Table.CO: 1,
    Table.DI: 2,
    Table.HR: 3,
    Table.IR: 4,
}  # function codes, V1.1b3 §6.1-6.4
_ILLEGAL_FUNCTION = 1
ABOUT_ADDRESSES = (_ILLEGAL_FUNCTION, TOO_SHORT, 2, 3)  # some devices answer 3 where they mean 2
_MOST_SUSPECTS = 64  # asked in one scan: a wrong register map must not hold the other tags up
_REFUSED_REST_S = 60.0
_MISSES = 3  # a block that a healthy unit leaves unanswered so often rests as well
_MISSED_REST_S = 10.0
_MOST_NAMED = 5  # places in one log line
_REASONS = {  # V1.1b3 §7
    TOO_SHORT: "it answers with fewer cells than were asked for",
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

_Answer = list[Reading] | DeviceRefusal | TimeoutError

_GOOD = int(Quality.GOOD)
_BAD = int(Quality.BAD)


def reason(code: int) -> str:
    """What an exception code means."""
    return f"{_REASONS.get(code, 'a reason of its own')} (exception {code})"


def bad(handles: Iterable[int]) -> Iterable[Reading]:
    """A Bad reading for each handle, to be stamped by the runtime."""
    return zip(handles, repeat(None), repeat(_BAD), repeat(0))


class UnitScan:
    """The blocks of one unit in one scan class.

    Most are asked in every scan. Parts of a block that was refused are suspects, asked a few
    in each scan until they answered once or rest.
    """

    def __init__(self, unit: Unit, blocks: Sequence[Block]) -> None:
        self.unit = unit
        self._blocks = list(blocks)
        self._suspects: deque[Block] = deque()
        self._resting: list[Block] = []
        self._refused: dict[Block, str] = {}  # resting or asked again, and why

    @property
    def request_count(self) -> int:
        """How many requests a scan takes while the device refuses nothing."""
        return len(self._blocks)

    async def read(self, client: Client, width: int) -> list[Reading]:
        """One reading for every tag, `width` requests at a time; raises DeviceError."""
        scan = _Scan(time.monotonic())
        if not self.unit.rests(scan.now_s):
            self.unit.asked_s = scan.now_s
            self._wake(scan.now_s)
            await self._ask_blocks(scan, client, width)
            await self._ask_suspects(scan, client)
            self._judge(scan)
            self._tell(scan, client.where)
        return scan.readings + self.unread(scan.answered)

    def unread(self, but: Container[Block] = ()) -> list[Reading]:
        """Bad readings for all tags, but for those of some blocks."""
        blocks = chain(self._blocks, self._suspects, self._resting)
        return [reading for block in blocks if block not in but for reading in bad(block.handles)]

    def problems(self) -> dict[int, str]:
        """Why tags cannot be read now, by handle."""
        if self.unit.problem:
            every = chain(self._blocks, self._suspects, self._resting)
            return {handle: self.unit.problem for block in every for handle in block.handles}
        refused = self._refused.items()
        return {handle: why for block, why in refused for handle in block.handles}

    def _wake(self, now_s: float) -> None:
        self._suspects += [block for block in self._resting if block.asked_again_s <= now_s]
        self._resting = [block for block in self._resting if block.asked_again_s > now_s]

    async def _ask_blocks(self, scan: _Scan, client: Client, width: int) -> None:
        blocks = tuple(self._blocks)
        for at in range(0, len(blocks), width):
            if scan.is_over:
                return
            window = blocks[at : at + width]
            answers = await self._ask(client, window)
            for block, answer in zip(window, answers, strict=True):
                if not self._take(scan, block, answer):
                    self._blocks.remove(block)

    async def _ask_suspects(self, scan: _Scan, client: Client) -> None:
        asked = 0
        while self._suspects and asked < _MOST_SUSPECTS and not scan.is_over:
            asked += 1
            block = self._suspects[0]
            answer = await self._ask_one(client, block)
            self._suspects.popleft()
            if not self._take(scan, block, answer):
                continue
            if block in scan.answered:
                self._blocks.append(block)
            else:
                self._suspects.append(block)

    async def _ask(self, client: Client, window: Sequence[Block]) -> list[_Answer]:
        if len(window) == 1:
            return [await self._ask_one(client, window[0])]
        return await asyncio.gather(*(self._ask_one(client, block) for block in window))

    async def _ask_one(self, client: Client, block: Block) -> _Answer:
        function = READ_FUNCTIONS[block.space.key[1]]
        asked = time.time()
        try:
            raw = await client.read(
                self.unit.number, function, block.start, block.cells, block.raw_bytes
            )
        except (DeviceRefusal, TimeoutError) as refusal:
            return refusal
        at = int((asked + time.time()) * 500)  # the middle of question and answer, in ms
        return list(zip(block.handles, block.values(raw), repeat(_GOOD), repeat(at)))

    def _take(self, scan: _Scan, block: Block, answer: _Answer) -> bool:
        """Keep what an answer says; whether the block stays among those it was asked with."""
        if isinstance(answer, list):
            scan.readings += answer
            scan.answered.add(block)
            scan.is_heard = True
            block.misses = 0
            if block.asked_again_s:
                block.asked_again_s = 0.0
                self._refused.pop(block, None)
                scan.recovered.append(block)
            return True
        if isinstance(answer, DeviceRefusal) and answer.code in ABOUT_ADDRESSES:
            scan.is_heard = True
            self._refused.pop(block, None)
            halves = block.halves() if answer.code != _ILLEGAL_FUNCTION else None
            if halves is None:
                self._rest(scan, block, _REFUSED_REST_S, reason(answer.code))
            self._suspects.extendleft(reversed(halves or ()))
            return False
        return self._take_failure(scan, block, answer)

    def _take_failure(self, scan: _Scan, block: Block, failure: Exception) -> bool:
        """A unit that is heard may miss one answer in a scan; one that is not is left alone."""
        scan.is_over = not scan.is_heard or scan.failure is not None
        scan.failure = failure
        block.misses += 1
        if not scan.is_heard or block.misses < _MISSES:
            return True
        self._rest(scan, block, _MISSED_REST_S, "it does not answer, while others do")
        return False

    def _rest(self, scan: _Scan, block: Block, rest_s: float, why: str) -> None:
        if not block.asked_again_s:
            scan.refused.append((block, why))
        self._refused[block] = why
        block.asked_again_s = scan.now_s + rest_s
        self._resting.append(block)

    def _judge(self, scan: _Scan) -> None:
        if scan.is_heard:
            self.unit.answered()
        elif scan.failure is not None:
            is_silent = isinstance(scan.failure, TimeoutError)
            why = reason(scan.failure.code) if isinstance(scan.failure, DeviceRefusal) else ""
            self.unit.failed(scan.now_s, why or "no answer in time", is_silent=is_silent)

    def _tell(self, scan: _Scan, where: str) -> None:
        """One sentence for all that was newly refused, and one for all that came back."""
        who = f"{where}: unit {self.unit.number}"
        if scan.refused:
            why = scan.refused[0][1]
            places = _spans(block for block, _ in scan.refused)
            _LOG.warning("%s refuses %s: %s; the tags there are Bad meanwhile", who, places, why)
        if scan.recovered:
            _LOG.info("%s answers %s again", who, _spans(scan.recovered))


class _Scan:
    """What one scan of one unit brought."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s
        self.readings: list[Reading] = []
        self.answered: set[Block] = set()
        self.refused: list[tuple[Block, str]] = []
        self.recovered: list[Block] = []
        self.failure: Exception | None = None  # the last one that concerns the unit
        self.is_heard = False  # the unit answered something about its cells
        self.is_over = False  # nothing more is to be asked


def _spans(blocks: Iterable[Block]) -> str:
    """`hr:61, hr:70-71 and 12 more places`."""
    spans = [
        f"{block.space.key[1]}:{block.start}"
        + (f"-{block.start + block.cells - 1}" if block.cells > 1 else "")
        for block in blocks
    ]
    more = len(spans) - _MOST_NAMED
    return ", ".join(spans[:_MOST_NAMED]) + (f" and {more} more places" if more > 0 else "")
