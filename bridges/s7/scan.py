"""The blocks of some tags: asked together, and cut where the CPU refuses one.

A block that is refused is cut in halves until the place that spoils it stands alone. That place
rests for a minute and its tags are Bad meanwhile; all others are read. A data block has no holes:
behind a place that is not there nothing is, and is not asked for. Once every place is there again,
the blocks are planned anew.
"""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from collections.abc import Hashable, Iterable, Sequence
from itertools import repeat

from bridges.blocks import Block, Field, plan
from bridges.s7.link import CpuRefusal, S7Link, Stretch, bundled, reason
from uns.metric import Quality, Reading

__all__ = ["BlockScan", "bad"]

_LOG = logging.getLogger("uns.bridge.s7")

_MOST_SUSPECTS = 64  # asked in one scan: a wrong address list must not hold the other tags up
_REST_S = 60.0
_MOST_NAMED = 5  # places in one log line
_NOT_THERE = (0x05, 0x0A)  # codes of a place behind the end, and of a block that does not exist

_Answer = list[Reading] | CpuRefusal

_GOOD = int(Quality.GOOD)
_BAD = int(Quality.BAD)


def bad(handles: Iterable[int]) -> Iterable[Reading]:
    """A Bad reading for each handle, to be stamped by the runtime."""
    return zip(handles, repeat(None), repeat(_BAD), repeat(0))


class BlockScan:
    """The tags of one scan class, as blocks; `refused` says which rest, and why."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.refused: dict[Block, CpuRefusal] = {}
        self._fields = tuple(fields)
        self._blocks = plan(fields)
        self._bundles: list[list[Block]] = []  # made anew where it is empty
        self._suspects: deque[Block] = deque()

    def request_count(self, link: S7Link) -> int:
        """How many requests a scan takes while the CPU refuses nothing."""
        return len(_bundles(self._blocks, link))

    async def read(self, link: S7Link) -> list[Reading]:
        """One reading for every tag; raises DeviceError where the session is over."""
        scan = await self._read(link, _MOST_SUSPECTS)
        self._tell(scan, link.where)
        return scan.readings

    async def survey(self, link: S7Link) -> list[Reading]:
        """Like `read`, until every place that is refused is known, and without a word of it."""
        return (await self._read(link, math.inf)).readings

    async def _read(self, link: S7Link, most_suspects: float) -> _Scan:
        scan = _Scan(time.monotonic())
        self._wake(scan.now_s)
        self._bundles = self._bundles or _bundles(self._blocks, link)
        refused: list[tuple[Block, CpuRefusal]] = []
        for bundle in self._bundles:
            for block, answer in await _ask(link, bundle):
                if isinstance(answer, list):
                    scan.readings += answer
                else:
                    refused.append((block, answer))
        for block, refusal in reversed(refused):  # so that the first is the first suspect
            self._blocks.remove(block)
            self._bundles = []
            self._cut(scan, block, refusal)
        await self._ask_suspects(scan, link, most_suspects)
        for block in (*self._suspects, *self.refused):
            scan.readings += bad(block.handles)
        return scan

    def _wake(self, now_s: float) -> None:
        woken = [block for block in self.refused if block.asked_again_s <= now_s]
        for block in woken:
            del self.refused[block]
        self._suspects += woken

    async def _ask_suspects(self, scan: _Scan, link: S7Link, most: float) -> None:
        asked = 0
        while self._suspects and asked < most:
            if refusal := scan.known_of(self._suspects[0]):
                self._rest(scan, self._suspects.popleft(), refusal)
                continue
            bundle = _bundles(self._suspects, link)[0]
            asked += len(bundle)
            for block, answer in await _ask(link, bundle):
                self._suspects.remove(block)
                if isinstance(answer, list):
                    self._adopt(scan, block, answer)
                else:
                    self._cut(scan, block, answer)
        if asked and not self._suspects and not self.refused:
            self._blocks, self._bundles = plan(self._fields), []  # whole again

    def _adopt(self, scan: _Scan, block: Block, answer: list[Reading]) -> None:
        scan.readings += answer
        self._blocks.append(block)
        self._bundles = []
        if block.asked_again_s:
            block.asked_again_s = 0.0
            scan.recovered.append(block)

    def _cut(self, scan: _Scan, block: Block, refusal: CpuRefusal) -> None:
        if halves := block.halves():
            self._suspects.extendleft(reversed(halves))
        else:
            self._rest(scan, block, refusal)

    def _rest(self, scan: _Scan, block: Block, refusal: CpuRefusal) -> None:
        scan.learn(block, refusal)
        if not block.asked_again_s:
            scan.refused.append((block, refusal.code))
        block.asked_again_s = scan.now_s + _REST_S
        self.refused[block] = refusal

    def _tell(self, scan: _Scan, where: str) -> None:
        """One sentence for all that was newly refused, and one for all that came back."""
        if scan.refused:
            places = _places([block for block, _ in scan.refused])
            why = reason(scan.refused[0][1])
            _LOG.warning("%s refuses %s: %s; the tags there are Bad meanwhile", where, places, why)
        if scan.recovered:
            _LOG.info("%s gives %s again", where, _places(scan.recovered))


class _Scan:
    """What one scan brought."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s
        self.readings: list[Reading] = []
        self.refused: list[tuple[Block, int]] = []
        self.recovered: list[Block] = []
        self._ends: dict[Hashable, tuple[int, CpuRefusal]] = {}  # of data blocks

    def known_of(self, block: Block) -> CpuRefusal | None:
        """Why a block need not be asked for: it begins where nothing is any more."""
        end, refusal = self._ends.get(block.space.key, (0, None))
        return refusal if block.start >= end else None

    def learn(self, block: Block, refusal: CpuRefusal) -> None:
        """Note where a data block is over."""
        key = block.space.key
        if key[1] == "DB" and refusal.code in _NOT_THERE:
            end, _ = self._ends.get(key, (block.start, refusal))
            self._ends[key] = min(block.start, end), refusal


def _bundles(blocks: Iterable[Block], link: S7Link) -> list[list[Block]]:
    """Blocks that are asked together; one that needs several messages stands alone."""
    short = [block for block in blocks if block.cells <= link.longest]
    long = [[block] for block in blocks if block.cells > link.longest]
    return [short[part] for part in bundled([block.cells for block in short], link.pdu)] + long


async def _ask(link: S7Link, bundle: Sequence[Block]) -> list[tuple[Block, _Answer]]:
    """What the CPU says of each block."""
    asked = time.time()
    try:
        if bundle[0].cells > link.longest:
            raws = [await link.read_long(_stretch(bundle[0]))]
        else:
            raws = await link.read([_stretch(block) for block in bundle])
    except CpuRefusal as refusal:
        if len(bundle) == 1:
            return [(bundle[0], refusal)]
        return [answer for block in bundle for answer in await _ask(link, [block])]
    at = int((asked + time.time()) * 500)  # the middle of question and answer, in ms
    return [(block, _read(block, raw, at)) for block, raw in zip(bundle, raws, strict=True)]


def _read(block: Block, raw: bytes | CpuRefusal, at: int) -> _Answer:
    if isinstance(raw, CpuRefusal):
        return raw
    values = block.values(raw)
    if None not in values:
        return list(zip(block.handles, values, repeat(_GOOD), repeat(at)))
    return [
        (handle, value, _BAD if value is None else _GOOD, at)
        for handle, value in zip(block.handles, values, strict=True)
    ]


def _stretch(block: Block) -> Stretch:
    db, area = block.space.key
    return Stretch(area, db, block.start, block.cells)


def _places(blocks: Sequence[Block]) -> str:
    """`DB10 byte 4, M bytes 20-23 and 12 more places`."""
    named = []
    for block in blocks[:_MOST_NAMED]:
        db, area = block.space.key
        last = block.start + block.cells - 1
        bytes_ = f"bytes {block.start}-{last}" if block.cells > 1 else f"byte {block.start}"
        named.append(f"{area}{db or ''} {bytes_}")
    more = len(blocks) - _MOST_NAMED
    return ", ".join(named) + (f" and {more} more places" if more > 0 else "")
