"""The Logix driver: one session, its tags, its scan classes and its writes.

What concerns tags is done in the session's worker thread, one piece of work after the other;
the event loop only waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import struct
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from bridges.driver import (
    BindResult,
    BoundTag,
    BrowsedNode,
    Description,
    PollDriver,
    Survey,
)
from bridges.logix import cip
from bridges.logix.address import LogixAddress, parse
from bridges.logix.browse import MOST_PACKETS, browsed
from bridges.logix.config import LogixConfig
from bridges.logix.learning import Learnt, Wanted, learn
from bridges.logix.plan import Field, Question, packets, questions
from bridges.logix.session import LogixSession
from uns.errors import DeviceError
from uns.metric import DataType, Quality, Reading, Value

__all__ = ["LogixDriver"]

_LOG = logging.getLogger("uns.bridge.logix")

_GOOD, _BAD = int(Quality.GOOD), int(Quality.BAD)
_GUESSED_ANSWER = 100  # bytes, of a tag whose type is not known yet: a STRING takes 96
_LEARN_AGAIN_S = 5.0  # tags that changed or vanished are asked anew so often
_IDLE_S = 20.0  # a connection that is silent for longer is dropped by the controller after 67 s
_MOST_SCANS = 64  # plans kept; a scan class more is planned anew each time
_WALL_CLOCK, _UTC = 0x8B, 0x0B  # an object of the controller, and its attribute in microseconds


@dataclass(frozen=True, slots=True)
class _ScanClass:
    handles: Sequence[int]  # kept, so that their identity stays taken
    packets: tuple[tuple[Question, ...], ...]
    unknown: tuple[int, ...]


class LogixDriver(PollDriver):
    """A session with one ControlLogix or CompactLogix controller.

    Tags are read by name, and the controller tells their types; every answer tells them again,
    so a program that was changed gives Bad tags until they are learnt anew, never wrong values.
    """

    name = "logix"
    Config = LogixConfig
    ADDRESS_SETTINGS = frozenset()
    config: LogixConfig

    def __init__(self, config: LogixConfig) -> None:
        super().__init__(config)
        self._session = LogixSession(config)
        self._wanted: dict[int, Wanted] = {}
        self._fields: dict[int, Field] = {}
        self._doubtful: dict[int, str] = {}  # handle -> why it is to be learnt anew
        self._learn_at = 0.0
        self._scans: dict[int, _ScanClass] = {}  # by identity of the handles
        self._idling: asyncio.Task[None] | None = None

    @classmethod
    def parse(cls, text: str, config: LogixConfig) -> LogixAddress:
        """The address in `text`; raises AddressError with the column of the mistake."""
        del config  # a name means the same whatever the connection
        return parse(text)

    async def open(self) -> None:
        """Connect to the controller in its slot; raises DeviceError."""
        await self._session.open()
        self._idling = asyncio.create_task(self._idle(), name=f"logix-idle:{self._session.where}")

    async def bind(self, tags: Sequence[BoundTag]) -> list[BindResult]:
        """Ask for each tag once, to learn its type."""
        learnt = await self._session.run(partial(self._bind, tags))
        return [BindResult(tag.handle, _problem(learnt[tag.handle])) for tag in tags]

    async def unbind(self, handles: Sequence[int]) -> None:
        """Forget tags."""
        await self._session.run(partial(self._unbind, handles))

    async def read(self, handles: Sequence[int]) -> list[Reading]:
        """One reading for every handle; raises DeviceError where the session is over."""
        return await self._session.run(partial(self._scan, handles, is_kept=True))

    async def read_now(self, handles: Sequence[int]) -> list[Reading]:
        """The same, out of turn."""
        return await self._session.run(partial(self._scan, tuple(handles), is_kept=False))

    async def write(self, items: Sequence[tuple[BoundTag, Value]]) -> list[str]:
        """Write each value in the tag's own type; bits by the controller's read-modify-write."""
        return [await self._write_one(tag, value) for tag, value in items]

    async def describe(self, tags: Sequence[BoundTag]) -> Survey:
        """Ask for each tag and the clock, and time one scan of the tags that are there."""
        learnt = await self._session.run(partial(self._bind, tags))
        pace = await self._pace([tag for tag in tags if isinstance(learnt[tag.handle], Field)])
        found = [_described(tag.handle, learnt[tag.handle], pace) for tag in tags]
        return Survey(tuple(found), await self._session.run(self._ahead))

    async def browse(self, root: str = "") -> AsyncIterator[BrowsedNode]:
        """Upload the tag list, and walk it into structures, below `root`."""
        work = partial(browsed, self._session, root)
        for node in await self._session.run(work, most_packets=MOST_PACKETS):
            yield node

    async def close(self) -> None:
        """End the session."""
        if self._idling is not None:
            self._idling.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait([self._idling])
            self._idling = None
        await self._session.close()

    @property
    def requests(self) -> int:
        """How many requests of this session were answered."""
        return self._session.requests

    def packets_per_scan(self, handles: Sequence[int]) -> int:
        """How many packets one scan of these tags takes, as planned now."""
        return len(self._planned(handles).packets)

    async def _idle(self) -> None:
        """Ask the controller who it is where nothing else was asked for a while."""
        with suppress(DeviceError):  # the next read says that the session is over
            while True:
                await asyncio.sleep(_IDLE_S / 2)
                if time.monotonic() - self._session.used_at > _IDLE_S:
                    await self._session.stay()

    async def _write_one(self, tag: BoundTag, value: Value) -> str:
        where = self._session.where
        try:
            reply = await self._session.run(partial(self._put, tag.handle, value))
        except DeviceError as error:
            return f"{tag.address} was not surely written: {error}"
        if isinstance(reply, str):
            return f"{tag.address}: {reply}"
        if reply.status:
            return f"{where} refuses to write {tag.address}: {reply.reason}"
        return ""

    async def _pace(self, tags: Sequence[BoundTag]) -> dict[int, float]:
        """How long a scan takes, for the tags whose scan class it does not keep up with."""
        classes: dict[float, list[int]] = {}
        for tag in tags:
            classes.setdefault(tag.scan_s, []).append(tag.handle)
        slow: dict[int, float] = {}
        for scan_s, handles in classes.items():
            began = time.monotonic()
            await self.read_now(handles)
            took = time.monotonic() - began
            slow |= dict.fromkeys(handles, took) if took > scan_s else {}
        return slow

    # ------------------------------------------------------------ in the worker thread

    def _bind(self, tags: Sequence[BoundTag]) -> dict[int, Learnt]:
        wanted = [(tag.handle, tag.address, tag.datatype) for tag in tags]
        self._wanted |= {one[0]: one for one in wanted}
        learnt = learn(wanted, self._ask)
        self._keep(learnt)
        for handle in learnt:
            self._doubtful.pop(handle, None)  # the runtime asks again for what it is told of
        return learnt

    def _unbind(self, handles: Sequence[int]) -> None:
        for handle in handles:
            self._wanted.pop(handle, None)
            self._fields.pop(handle, None)
            self._doubtful.pop(handle, None)
        self._scans.clear()

    def _keep(self, learnt: Mapping[int, Learnt]) -> None:
        for handle, found in learnt.items():
            self._fields.pop(handle, None)
            if isinstance(found, Field):
                self._fields[handle] = found
        self._scans.clear()

    def _scan(self, handles: Sequence[int], *, is_kept: bool) -> list[Reading]:
        self._learn_doubtful()
        scan = self._scans.get(id(handles)) if is_kept else None
        if scan is None:
            scan = self._planned(handles)
            if is_kept and len(self._scans) < _MOST_SCANS:
                self._scans[id(handles)] = scan
        readings: list[Reading] = [(handle, None, _BAD, 0) for handle in scan.unknown]
        doubts: dict[int, str] = {}
        for packet in scan.packets:
            asked = time.time()
            replies = self._replies([question.request for question in packet])
            at = int((asked + time.time()) * 500)  # the middle of question and answer, in ms
            for question, reply in zip(packet, replies, strict=True):
                readings += _read_off(question, reply, at, doubts)
        self._doubt(doubts)
        return readings

    def _planned(self, handles: Sequence[int]) -> _ScanClass:
        fields = [self._fields[handle] for handle in handles if handle in self._fields]
        size = self._session.message_bytes
        return _ScanClass(
            handles,
            tuple(packets(questions(fields, size), size)),
            tuple(handle for handle in handles if handle not in self._fields),
        )

    def _doubt(self, doubts: Mapping[int, str]) -> None:
        """Take tags out of the scans until they are learnt anew."""
        if not doubts:
            return
        if not self._doubtful:
            handle, why = next(iter(doubts.items()))
            more = f", and {len(doubts) - 1} more tags" if len(doubts) > 1 else ""
            address = self._wanted[handle][1]
            _LOG.warning("%s: %s is Bad: %s%s", self._session.where, address, why, more)
        self._doubtful |= doubts
        self._learn_at = time.monotonic() + _LEARN_AGAIN_S
        for handle in doubts:
            self._fields.pop(handle, None)
        self._scans.clear()

    def _learn_doubtful(self) -> None:
        if not self._doubtful or time.monotonic() < self._learn_at:
            return
        learnt = learn([self._wanted[handle] for handle in self._doubtful], self._ask)
        self._keep(learnt)
        known = [handle for handle, found in learnt.items() if isinstance(found, Field)]
        for handle in known:
            del self._doubtful[handle]
        self._learn_at = time.monotonic() + _LEARN_AGAIN_S
        if known and not self._doubtful:
            _LOG.info("%s: all tags can be read again", self._session.where)

    def _ask(self, requests: Sequence[bytes]) -> list[cip.Reply]:
        """The answers to requests whose length is not known beforehand."""
        most = self._session.message_bytes
        replies: list[cip.Reply] = []
        packet: list[bytes] = []
        for request in requests:
            told = max(sum(map(len, packet)) + len(request), (len(packet) + 1) * _GUESSED_ANSWER)
            if packet and cip.SEVERAL_HEAD + told + 2 * len(packet) + 2 > most:
                replies += self._replies(packet)
                packet = []
            packet.append(request)
        replies += self._replies(packet) if packet else []
        for at, reply in enumerate(replies):
            if reply.status in cip.TOO_LONG:
                replies[at : at + 1] = self._replies([requests[at]])
        return replies

    def _replies(self, requests: Sequence[bytes]) -> list[cip.Reply]:
        """The answers to one packet of requests."""
        if len(requests) == 1:
            return [cip.reply_of(self._session.exchange(requests[0]), requests[0][0])]
        raw = self._session.exchange(cip.several(requests))
        return cip.several_replies(raw, [request[0] for request in requests])

    def _put(self, handle: int, value: Value) -> cip.Reply | str:
        field = self._fields.get(handle)
        if field is None:
            return "the controller has not told its type"
        path = cip.path_of(field.steps)
        if field.bit is not None:
            if value not in (0, 1):
                return f"{value!r} is neither true nor false"
            request = cip.modify(path, field.type.size, field.bit, is_on=bool(value))
            return self._replies([request])[0]
        try:
            raw = field.type.encoded(value)
        except DeviceError as error:
            return str(error)
        return self._replies([cip.write(path, field.type.tag, raw)])[0]

    def _ahead(self) -> float | None:
        """How far the controller's clock is ahead of ours, where it tells."""
        asked = time.time()
        (reply,) = self._replies([cip.attributes(_WALL_CLOCK, _UTC)])
        now = (asked + time.time()) / 2
        if reply.status or len(reply.body) < 14:  # noqa: PLR2004 - count, number, status, time
            return None
        _, _, status, microseconds = struct.unpack_from("<HHHQ", reply.body)
        return None if status else microseconds / 1e6 - now


def _read_off(
    question: Question, reply: cip.Reply, at: int, doubts: dict[int, str]
) -> list[Reading]:
    """The readings that an answer holds; tags without one are noted in `doubts`."""
    kind = question.type
    raw = reply.body[len(kind.tag) :]
    if reply.status:
        why = reply.reason
    elif not reply.body.startswith(kind.tag) or len(raw) < question.count * kind.size:
        why = f"it is no {kind.name} any more"
    else:
        values = kind.decoded(raw, question.count)
        return [_reading(handle, values[n], bit, at) for handle, n, bit in question.members]
    doubts |= dict.fromkeys((handle for handle, _, _ in question.members), why)
    return [(handle, None, _BAD, at) for handle, _, _ in question.members]


def _reading(handle: int, value: Value, bit: int | None, at: int) -> Reading:
    if bit is not None and isinstance(value, int):
        return handle, bool(value >> bit & 1), _GOOD, at
    return handle, value, _BAD if value is None else _GOOD, at


def _problem(learnt: Learnt) -> str:
    if isinstance(learnt, cip.Reply):
        return learnt.reason
    return learnt if isinstance(learnt, str) else ""


def _described(handle: int, learnt: Learnt, pace: Mapping[int, float]) -> Description:
    if not isinstance(learnt, Field):
        is_missing = isinstance(learnt, cip.Reply) and learnt.is_missing
        return Description(handle, _problem(learnt), is_missing=is_missing)
    datatype = DataType.BOOLEAN if learnt.bit is not None else learnt.type.datatype
    return Description(handle, datatype=datatype, every_s=pace.get(handle))
