"""One edge node's backlog on its way to the host: oldest first, at its pace, deleted when it is there.

A chunk is read ahead, sent, and deleted once the connection that carried it has stood for the
rewind window; nothing on the wire says that a host has it. When the connection breaks before
that, or a host asks for a rebirth, reading starts again with the oldest.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from uns.errors import StorageError
from uns.service.pace import Pace
from uns.store.backlog import Backlog
from uns.store.chunk import Chunk, Sample

__all__ = ["Replay"]

log = logging.getLogger("uns.edge")

_READ_S: Final = 0.1  # between two looks at what to read or delete, while there is more
_IDLE_S: Final = 1.0  # the same at least while what was sent waits for its window to pass
_ASLEEP_S: Final = 60.0  # the same while there is nothing; whoever puts something nudges
_TROUBLE_S: Final = 5.0  # after the disk failed
_AHEAD: Final = 2_000  # samples in memory that wait for their turn
_MOST_TIMES: Final = 3  # a chunk sent so often on one connection is there, whoever asks again


class Replay:
    """What of an edge node's backlog is in hand, and what of it is under way."""

    def __init__(
        self,
        backlog: Backlog,
        node: str,
        pace: Pace,
        window_s: float,
        *,
        on_change: Callable[[], None],
    ) -> None:
        """`on_change` is told when there is something to take, and when something has arrived."""
        self._backlog = backlog
        self._node = node
        self._pace = pace
        self._window_s = window_s
        self._on_change = on_change
        self._ready: deque[Chunk] = deque()
        self._under_way: deque[tuple[float, Chunk]] = deque()
        self._times: Counter[int] = Counter()  # sent on this connection, by chunk
        self._in_hand: set[int] = set()
        self._samples_in_hand = 0
        self._after = 0
        self._round = 0  # one more whenever reading starts again
        self._dry_at = -1  # so much had been put when there was nothing to read
        self._is_in_trouble = False
        self._credit = 0.0
        self._last_s = time.monotonic()
        self._nudged = asyncio.Event()

    @property
    def is_busy(self) -> bool:
        """Whether chunks wait for their turn."""
        return bool(self._ready)

    def take(self, may_send: Callable[[str], bool]) -> dict[str, list[Sample]]:
        """The next samples by device, as many as the pace allows; they count as sent now."""
        now_s = time.monotonic()
        self._credit = min(self._credit, 0.0) + self._pace.share(now_s - self._last_s)
        self._last_s = now_s
        taken: dict[str, list[Sample]] = {}
        while self._ready and self._credit > 0:
            chunk = self._ready.popleft()
            if not may_send(chunk.device_id):
                self._let_go(chunk)
                continue
            taken.setdefault(chunk.device_id, []).extend(chunk.samples)
            self._credit -= len(chunk.samples)
            self._under_way.append((now_s, chunk))
            self._times[chunk.number] += 1
        return taken

    def restart(self) -> None:
        """Something may have been lost: what is under way is sent again, from the oldest on."""
        tired = [chunk for _, chunk in self._under_way if self._times[chunk.number] >= _MOST_TIMES]
        self._backlog.delete(tired)
        for chunk in tired:
            del self._times[chunk.number]
        self._ready.clear()
        self._under_way.clear()
        self._in_hand.clear()
        self._samples_in_hand = 0
        self.look_again()

    def disconnected(self) -> None:
        """The connection is gone; the next one begins with the oldest."""
        self._times.clear()
        self.restart()
        self._pace.leave(self._node)

    def look_again(self) -> None:
        """A device that held back its chunks may send now."""
        self._after = 0
        self._dry_at = -1
        self._round += 1
        self._nudged.set()

    def nudge(self) -> None:
        """Something was put."""
        self._nudged.set()

    def arrived(self) -> None:
        """Every chunk that is under way has arrived: the broker answered to what came behind it."""
        self._delete(len(self._under_way))

    async def run(self, devices: Callable[[], Sequence[str]]) -> None:
        """Read ahead and delete what has arrived, until cancelled; `devices` may send now."""
        while True:
            self._nudged.clear()
            self._confirm()
            is_slow = self._wants_more() and not await self._read(devices())
            pause_s = _TROUBLE_S if is_slow else self._pause_s()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._nudged.wait()
            await asyncio.sleep(_READ_S)

    def _pause_s(self) -> float:
        if self._ready or self._wants_more():
            return 0.0
        if not self._under_way:
            return _ASLEEP_S
        arrives_s = self._under_way[0][0] + self._window_s
        return max(arrives_s - time.monotonic(), _IDLE_S)

    def _wants_more(self) -> bool:
        ahead = sum(len(chunk.samples) for chunk in self._ready)
        return (
            ahead < _AHEAD
            and self._backlog.waiting(self._node) > self._samples_in_hand
            and self._backlog.put_so_far(self._node) != self._dry_at
        )

    async def _read(self, devices: Sequence[str]) -> bool:
        """Read ahead; return whether the disk could be read."""
        round_, put = self._round, self._backlog.put_so_far(self._node)
        if not devices:
            self._dry_at = put  # until a birth, which lets us look again
            return True
        try:
            chunks = await asyncio.to_thread(
                self._backlog.read, self._node, devices, after=self._after, most_samples=_AHEAD
            )
        except StorageError as error:
            if not self._is_in_trouble:
                log.warning("the backlog of %s cannot be read: %s", self._node, error)
            self._is_in_trouble = True
            return False
        self._is_in_trouble = False
        if round_ == self._round:
            self._dry_at = -1 if chunks else put
            self._take_in_hand(chunks)
        return True

    def _take_in_hand(self, chunks: Sequence[Chunk]) -> None:
        new = [chunk for chunk in chunks if chunk.number not in self._in_hand]
        self._after = max([self._after, *(chunk.number for chunk in chunks)])
        self._ready.extend(new)
        self._in_hand.update(chunk.number for chunk in new)
        self._samples_in_hand += sum(len(chunk.samples) for chunk in new)
        if new:
            self._pace.join(self._node)
            self._on_change()

    def _confirm(self) -> None:
        oldest_s = time.monotonic() - self._window_s
        self._delete(sum(1 for sent_s, _ in self._under_way if sent_s < oldest_s))
        if not self._ready:
            self._pace.leave(self._node)

    def _delete(self, count: int) -> None:
        """The first so many that are under way are there."""
        if not count:
            return
        chunks = [self._under_way.popleft()[1] for _ in range(count)]
        self._backlog.delete(chunks)
        for chunk in chunks:
            self._let_go(chunk)
            del self._times[chunk.number]
        self._on_change()

    def _let_go(self, chunk: Chunk) -> None:
        self._in_hand.discard(chunk.number)
        self._samples_in_hand -= len(chunk.samples)
