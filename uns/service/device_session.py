"""One session with one device: a driver opened, its tags bound, its readings passed on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol

from bridges.driver import (
    BindResult,
    BoundTag,
    CanCount,
    CanReadNow,
    CanResume,
    CanTidy,
    CanWrite,
    Driver,
    HasFindings,
    HasProblems,
    PollDriver,
    PushDriver,
)
from uns.errors import DeviceError, UnsError
from uns.metric import Quality, Reading, Value
from uns.service.liveness import Liveness
from uns.service.scan import ScanSchedule
from uns.service.scan_class import ScanClass
from uns.service.turns import Rank, Turns

__all__ = ["DeviceSession", "SessionOwner"]

log = logging.getLogger("uns.connection")

CONNECT_S = 10.0  # the kernel alone would try a dead address for two minutes
_STOP_S = 0.5  # for a driver's `run` to end; with the next, two seconds in all
_END_S = 1.5
WRITE_S = 10.0
READ_NOW_S = 10.0
_READY_S = 30.0  # a broker that takes nothing for so long is lost, and values go to the backlog
_LOOK_S = 0.05  # between two looks at whether there is room again
PROVEN_S = 30.0  # data flowed this long: the next failure is a new story
FIRST_RETRY_S = 5.0  # tags that the device refuses are tried again, less and less often
LONGEST_RETRY_S = 60.0
_BIND_S = 30.0
_BINDS_PER_S = 500  # a slow server takes a minute for 100,000 tags, measured with node-opcua
_ANSWER_S = 1.5  # what a scan may take at least, before it counts as silence
_READ_ALL_S = 30.0
_FIRST_SCAN_S = 30.0  # nothing is known yet of how long this device takes
_CATCH_UP_S = 1.0  # for what changed meanwhile; then the rest is known to be as it was
_VOUCH_S = 0.7  # between two times that all tags are said to be as they were
_NEVER = float("inf")


class SessionOwner(Protocol):
    """Who is told what happens in a session."""

    def flowing(self) -> None:
        """The first sign of life."""

    def proven(self) -> None:
        """Data flowed for a while, or every tag was read once."""

    def bound(self, problems: dict[int, str]) -> None:
        """Which tags the device refuses, and why."""

    def delivered(self, readings: Sequence[Reading]) -> None:
        """Readings, some with time 0."""

    def refreshed(self, readings: Sequence[Reading]) -> None:
        """A session goes on from the last one: its tags, read anew where that is possible."""

    def scanned(self, took_s: float, missed: int) -> None:
        """A scan took so long, and made so many others be skipped."""

    def balanced(self, classes: Sequence[ScanClass], demand: float, *, is_too_busy: bool) -> None:
        """Slow classes are read less often from now on, or as often as was asked for again."""

    def vouched(self) -> None:
        """The source says that every value still holds."""

    def stretched(self, scans: int) -> None:
        """So many scans were left out because values could not be handed on."""

    def is_full(self) -> bool:
        """Whether more was delivered than can be handed on for now."""


class DeviceSession:
    """Opens, binds, serves and closes one driver. Used once; the next attempt gets another."""

    def __init__(
        self,
        name: str,
        driver: Driver,
        tags: Sequence[BoundTag],
        liveness: Liveness,
        owner: SessionOwner,
        *,
        grace_s: float,
    ) -> None:
        self._name = name
        self._driver = driver
        self._resumable = driver if isinstance(driver, CanResume) else None
        self._tags = {tag.handle: tag for tag in tags}
        self._liveness = liveness
        self._owner = owner
        self._grace_s = grace_s
        self._clock = asyncio.get_running_loop().time
        self._turns = Turns()  # a write goes between two scans, never into one
        self._asked: dict[tuple[int, ...], tuple[int, ...]] = {}  # drivers plan by identity
        self._problems: dict[int, str] = {}
        self._wanted: Mapping[int, BoundTag] | None = None  # other tags than those that are bound
        self._wake = asyncio.Event()
        self._cursor: Any = None
        self._is_resumed = self._is_refresh_due = False
        self._schedule: ScanSchedule | None = None
        self._is_over = False
        self._next_within_s = _NEVER  # the next sign of life, once one was seen
        self._flowing_since = _NEVER
        self._is_proven = False
        self._vouches = isinstance(driver, PushDriver) and driver.KEEPALIVE_VOUCHES
        self._vouched_at = -_VOUCH_S
        self._retry_s = FIRST_RETRY_S
        self._retry_at = _NEVER

    @property
    def is_flowing(self) -> bool:
        """Whether the device answered since the tags were bound."""
        return self._flowing_since < _NEVER

    @property
    def cursor(self) -> Any:
        """How far what was passed on reaches, where the driver can resume; otherwise None."""
        if self._resumable is not None and isinstance(self._driver, PushDriver):
            return self._resumable.cursor
        return self._cursor

    @property
    def schedule(self) -> ScanSchedule | None:
        """The scans of a polled device, once it is read."""
        return self._schedule

    @property
    def requests(self) -> int:
        """What this session has asked of its device, where the driver counts that."""
        return self._driver.requests if isinstance(self._driver, CanCount) else 0

    @property
    def findings(self) -> tuple[str, ...]:
        """What the driver met with and somebody should know of."""
        return self._driver.findings if isinstance(self._driver, HasFindings) else ()

    @property
    def unreadable(self) -> Mapping[int, str]:
        """Tags that the device took and refuses to be read, where the driver says why."""
        return self._driver.problems if isinstance(self._driver, HasProblems) else {}

    async def open(self, cursor: Any = None) -> bool:
        """Make the one attempt to reach the device; return whether it goes on behind `cursor`."""
        resumed = self._resumed_at(cursor)
        async with _deadline(CONNECT_S, "could not connect"):
            await self._driver.open()
        if self._resumable is not None:
            self._cursor = self._resumable.cursor
        self._is_resumed = resumed is not None and cursor == self._cursor
        return self._is_resumed

    def _resumed_at(self, cursor: Any) -> CanResume | None:
        """The driver, told where to go on; None where it is to begin anew."""
        if cursor is None or self._resumable is None:
            return None
        try:
            self._resumable.resume(cursor)
        except Exception:
            log.exception("%s begins anew: its driver cannot go on from %r", self._name, cursor)
            return None
        return self._resumable

    def kept(self, cursor: Any) -> None:
        """Tell a driver that tidies up how far its source is safe."""
        if isinstance(self._driver, CanTidy):
            self._driver.kept(cursor)

    def change(self, tags: Mapping[int, BoundTag]) -> None:
        """Serve other tags from the next pause on; those that stay notice nothing."""
        self._wanted = tags
        self._wake.set()

    async def serve(self) -> None:
        """Bind the tags and pass readings on until the session is over; then raise why."""
        await self._bind(list(self._tags.values()))
        if self._is_resumed and isinstance(self._driver, CanReadNow):
            await self._read_all(self._driver)
        else:
            self._is_refresh_due = self._is_resumed
        match self._driver:
            case PushDriver() as driver:
                await self._collect(driver)
            case PollDriver() as driver:
                await self._scan(driver)
            case driver:
                raise DeviceError(f"driver {driver.name} neither polls nor pushes")

    async def write(self, items: Sequence[tuple[BoundTag, Value]]) -> list[str]:
        """Write values; one problem each, empty where it worked."""
        driver = self._driver
        if not isinstance(driver, CanWrite):
            raise DeviceError(f"driver {self._driver.name} cannot write")
        async with (
            _deadline(WRITE_S, "the write was not answered"),
            self._turns.taken(Rank.WRITE),
        ):
            return await driver.write(items)

    async def read_now(self, handles: Sequence[int]) -> list[Reading]:
        """Read a few tags out of turn, one reading each, some with time 0."""
        driver = self._driver
        asked = tuple(handles)
        asked = self._asked.setdefault(asked, asked)
        async with (
            _deadline(READ_NOW_S, "the question was not answered"),
            self._turns.taken(Rank.READ_NOW),
        ):
            match driver:
                case CanReadNow():
                    return await driver.read_now(asked)
                case PollDriver():
                    return await driver.read(asked)
        raise DeviceError(f"driver {driver.name} cannot read out of turn")

    async def end(self, *, is_lost: bool) -> None:
        """End the session within two seconds, whatever the driver does.

        One that was lost leaves the device what it keeps for the next.
        """
        self._is_over = True
        resumable = self._resumable if is_lost else None
        try:
            async with asyncio.timeout(_END_S):
                await (resumable.abandon() if resumable is not None else self._driver.close())
        except TimeoutError:
            log.warning("%s did not close within %g s and was abandoned", self._name, _END_S)
        except Exception:
            log.exception("%s failed to close", self._name)

    # ------------------------------------------------------------ what the driver tells

    def readings(self, batch: Sequence[Reading]) -> None:
        """Take readings from the driver (its Sink)."""
        if self._is_over:
            return  # a driver that was abandoned and does not know it yet
        self.alive()
        self._owner.delivered(batch)

    def alive(self) -> None:
        """Note a sign of life from the driver (its Sink)."""
        if self._is_over:
            return
        self._liveness.seen(self._next_within_s)
        now = self._liveness.last_seen
        if not self.is_flowing:
            self._flowing_since = now
            self._owner.flowing()
            self._report_refused(self._problems)
        if self._is_refresh_due and now >= self._flowing_since + _CATCH_UP_S:
            self._is_refresh_due = False
            self._owner.refreshed(())
        if self._vouches and now >= self._vouched_at + _VOUCH_S:
            self._vouched_at = now
            self._owner.vouched()
        if not self._is_proven and now - self._flowing_since > PROVEN_S:
            self._prove()

    async def ready(self) -> None:
        """Let the driver go on (its Sink) once the brokers keep up with what was delivered."""
        until = self._clock() + _READY_S
        while self._owner.is_full() and self._clock() < until:
            if self.is_flowing:
                self._liveness.seen(self._next_within_s)  # it is not the device that waits
            await asyncio.sleep(_LOOK_S)

    async def _read_all(self, driver: CanReadNow) -> None:
        """Read what did not change during the loss, too: it was marked stale meanwhile.

        What the source kept for us comes behind it, and is history then.
        """
        handles = tuple(handle for handle in self._tags if handle not in self._problems)
        try:
            async with _deadline(_READ_ALL_S, "the tags were not read anew"):
                readings = await driver.read_now(handles)
        except (UnsError, OSError) as error:
            log.warning("%s: what did not change stays stale: %s", self._name, error)
            return
        self.alive()
        self._owner.refreshed(readings)

    def _prove(self) -> None:
        self._is_proven = True
        self._owner.proven()

    # ------------------------------------------------------------ tags the device refuses

    async def _bind(self, tags: Sequence[BoundTag]) -> None:
        results: Sequence[BindResult] = ()
        if tags:
            limit_s = _BIND_S + len(tags) / _BINDS_PER_S
            async with _deadline(limit_s, "the device did not take its tags"):
                results = await self._driver.bind(tags)
        answered = {result.handle: result.problem for result in results}
        for tag in tags:
            problem = answered.get(tag.handle, "the driver said nothing about it")
            self._problems.pop(tag.handle, None)
            if problem:
                self._problems[tag.handle] = problem
        self._retry_at = self._clock() + self._retry_s if self._problems else _NEVER
        self._owner.bound(dict(self._problems))

    async def _retry_refused(self) -> None:
        """Bind the refused tags once more: a PLC may have loaded its program by now."""
        self._retry_s = min(LONGEST_RETRY_S, self._retry_s * 2)
        before = dict(self._problems)
        await self._bind([self._tags[handle] for handle in before])
        accepted = [self._tags[handle] for handle in before if handle not in self._problems]
        if accepted:
            log.info("%s: %d of the refused tags can be read now", self._name, len(accepted))
        if self._schedule is not None:
            self._schedule.add(accepted, self._clock())

    async def _change_tags(self, wanted: Mapping[int, BoundTag]) -> None:
        """Let go of tags that are gone and take up those that are new."""
        self._wanted = None
        gone = [handle for handle, tag in self._tags.items() if wanted.get(handle) != tag]
        new = [tag for handle, tag in wanted.items() if self._tags.get(handle) != tag]
        self._tags = dict(wanted)
        for handle in gone:
            self._problems.pop(handle, None)
        if self._schedule is not None:
            self._schedule.remove(gone)
        if gone:
            async with _deadline(_BIND_S, "the device did not let go of tags"):
                await self._driver.unbind(gone)
        await self._bind(new)
        refused = {tag.handle for tag in new} & self._problems.keys()
        if self.is_flowing:
            self._report_refused({handle: self._problems[handle] for handle in refused})
        if self._schedule is not None:
            self._schedule.add([tag for tag in new if tag.handle not in refused], self._clock())

    async def _nap(self, until: float) -> None:
        """Wait for a time on the loop's clock, or for something to do."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._wake.wait()
        self._wake.clear()

    def _report_refused(self, problems: dict[int, str]) -> None:
        if problems:
            self._owner.delivered([(handle, None, int(Quality.BAD), 0) for handle in problems])

    # ------------------------------------------------------------ push

    async def _collect(self, driver: PushDriver) -> None:
        silence_s = max(2 * driver.keepalive_s + 0.5, 0.8 * self._grace_s)
        self._next_within_s = max(silence_s + 0.5, self._grace_s)
        began = self._clock()
        running = asyncio.create_task(driver.run(self), name=f"push:{self._name}")
        running.add_done_callback(lambda _: self._wake.set())
        try:
            while not running.done():
                # Until the first word, the session's own age counts as silence.
                over_at = max(self._liveness.last_seen, began) + silence_s
                await self._nap(min(over_at, self._retry_at))
                if running.done():
                    break
                if self._clock() >= max(self._liveness.last_seen, began) + silence_s:
                    raise DeviceError(f"no sign of life for {silence_s:.1f} s")
                if self._wanted is not None:
                    await self._change_tags(self._wanted)
                elif self._clock() >= self._retry_at:
                    await self._retry_refused()
            running.result()
            raise DeviceError("the driver ended the session without a reason")
        finally:
            running.cancel()
            await asyncio.wait([running], timeout=_STOP_S)
            if running.done() and not running.cancelled():
                running.exception()  # told above, or of no more interest

    # ------------------------------------------------------------ poll

    async def _scan(self, driver: PollDriver) -> None:
        tags = [tag for handle, tag in self._tags.items() if handle not in self._problems]
        schedule = self._schedule = ScanSchedule(tags, self._name, self._clock())
        if not tags:
            self.alive()  # it refused every tag, which is an answer too
        while True:
            if self._wanted is not None:
                await self._change_tags(self._wanted)
                continue
            now = self._clock()
            if now >= self._retry_at:
                await self._retry_refused()
                continue
            scan = schedule.next(now)
            due = scan.due if scan else _NEVER
            if scan is None or due > now:
                await self._nap(min(due, self._retry_at))
                continue
            if self._owner.is_full():
                await self.ready()
                self._owner.stretched(schedule.postpone(self._clock()))
                if not self._owner.is_full():
                    continue
            async with self._turns.taken(Rank.SCAN):
                await self._scan_once(driver, schedule, scan)

    async def _scan_once(self, driver: PollDriver, schedule: ScanSchedule, scan: ScanClass) -> None:
        began = self._clock()
        patience_s = self._patience(scan, began)
        self._liveness.expect(patience_s + 0.5)
        async with _deadline(patience_s if scan.scans else _FIRST_SCAN_S, "no answer to a scan"):
            readings = await driver.read(scan.handles)
        now = self._clock()
        missed = schedule.scanned(scan, began, now)
        self._owner.scanned(now - began, missed)
        turned = schedule.balance()
        if turned is not None:
            self._owner.balanced(schedule.classes, schedule.demand, is_too_busy=turned)
        self.readings(readings)
        if self._resumable is not None:
            self._cursor = self._resumable.cursor
        if not self._is_proven and schedule.is_complete and _any_good(readings):
            self._prove()

    def _patience(self, scan: ScanClass, now: float) -> float:
        """How long a scan may take: up to the grace since the last answer, or twice its usual time."""
        left_of_grace = self._liveness.last_seen + 0.8 * self._grace_s - now
        return max(left_of_grace, _ANSWER_S, 2 * scan.took_s)


def _any_good(readings: Sequence[Reading]) -> bool:
    return any(quality == Quality.GOOD for _, _, quality, _ in readings)


@asynccontextmanager
async def _deadline(seconds: float, what: str) -> AsyncIterator[None]:
    """`asyncio.timeout` whose error says what was waited for."""
    try:
        async with asyncio.timeout(seconds) as timeout:
            yield
    except TimeoutError as error:
        if not timeout.expired():
            raise  # the driver's own, which knows better
        raise DeviceError(f"{what} within {seconds:.1f} s") from error
