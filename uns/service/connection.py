"""The supervisor of one connection: it keeps a session with a device alive, and says when it is not.

    DISABLED (`enabled: false`: for good)

    CONNECTING ──▶ BINDING ──▶ RUNNING ◀──▶ DEGRADED (the device refuses some tags)
        ▲             │           │             │
        └── BACKOFF ◀─┴───────────┴─────────────┘

Drivers know nothing of this: a fresh one is made for every attempt, and whatever it raises ends
its session. One that can resume gets the cursor of the session before. Why the runtime owns
reconnecting is told in docs/explanation/decisions/0005-runtime-owns-reconnect.md.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from bridges.driver import BoundTag, Driver
from uns.equipment import Connection
from uns.errors import DeniedError, DeviceError, UnsError
from uns.metric import Reading, Value
from uns.service.connection_health import ConnectionHealth, ConnectionPhase, ConnectionState
from uns.service.device_clock import Turn
from uns.service.device_session import DeviceSession
from uns.service.intake import Intake
from uns.service.liveness import Liveness
from uns.service.scan_class import ScanClass

__all__ = ["ConnectionHealth", "ConnectionPhase", "ConnectionState", "ConnectionSupervisor"]

log = logging.getLogger("uns.connection")

GRACE_S = 3.0  # a blip shorter than this is nobody's business
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 15.0
DENIED_PAUSE_S = 60.0  # no account is locked by a try every 30 s or more, and nothing else helps


async def _no_matter(_: Any) -> None:
    """Nobody keeps cursors."""


class ConnectionSupervisor:
    """Runs one connection until cancelled; nothing that a driver does ends it.

    `on_readings` gets batches of readings with their times filled in, `on_state` gets DOWN at
    most three seconds after the last sign of life and UP before the first reading that follows.
    `on_late` gets what was overtaken before it came (see intake.py); without it that precedes the
    current readings of its batch. `on_alive` is told, every 0.7 s at most, when a source that
    reports by itself says that all its values still hold. While `is_full`, drivers wait and scans
    are left out. All are called in the event loop and must not block. `limiter` bounds how many
    connections are being opened at the same time.
    """

    def __init__(
        self,
        connection: Connection,
        driver_class: type[Driver],
        tags: Sequence[BoundTag],
        on_readings: Callable[[list[Reading]], None],
        on_state: Callable[[ConnectionState], None],
        *,
        on_late: Callable[[list[Reading]], None] | None = None,
        on_alive: Callable[[], None] = lambda: None,
        is_full: Callable[[], bool] = lambda: False,
        limiter: asyncio.Semaphore | None = None,
        label: str = "",
        grace_s: float = GRACE_S,
        home: Path = Path(".uns"),
    ) -> None:
        """`label` is what people call the device, such as `porto/line1`; it begins log lines.

        `home` is where relative paths of the settings begin.
        """
        self.name = f"{label} {connection.key}".strip()
        self.health = ConnectionHealth(tags_bad=len(tags))
        self._connection = connection
        self._driver_class = driver_class
        self._tags = {tag.handle: tag for tag in tags}
        self._on_readings = on_readings
        self._on_state = on_state
        self._on_late = on_late
        self._on_alive = on_alive
        self.is_full = is_full
        self._limiter = limiter
        self._grace_s = grace_s
        self._home = home
        self._session: DeviceSession | None = None
        self._cursor: Any = None
        self._on_begun: Callable[[Any], Awaitable[None]] = _no_matter
        self._requests = 0  # of sessions that are over
        self._intake = Intake(
            self._tags,
            is_ours=connection.config.clock == "ours",
            remembers=hasattr(driver_class, "resume"),
        )

    async def run(self) -> None:
        """Stay connected until cancelled, then close within two seconds."""
        if not self._connection.config.enabled:
            await self._stay_away()
        liveness = Liveness(self._grace_s, self._went_silent)
        liveness.lost()  # a device that is not there from the start is down like any other
        try:
            while True:
                await self._attempt(liveness)
                await self._pause()
        finally:
            liveness.stop()
            self.health.phase = ConnectionPhase.STOPPED

    @property
    def has_durable_cursor(self) -> bool:
        """Whether its `cursor` may be kept for another process."""
        return getattr(self._driver_class, "IS_DURABLE", False)

    @property
    def cursor(self) -> Any:
        """How far what was handed on reaches; None where its driver cannot resume."""
        if self._session is not None:
            self._note_cursor(self._session)
        return self._cursor

    def resume(self, cursor: Any, on_begun: Callable[[Any], Awaitable[None]] = _no_matter) -> None:
        """Go on behind `cursor` with the next session.

        `on_begun` gets the cursor of one that began anew, and is waited for before it is read.
        """
        self._cursor = cursor
        self._on_begun = on_begun

    def kept(self, cursor: Any) -> None:
        """Everything up to `cursor` is safe on the disk: the source may be tidied up."""
        if self._session is not None:
            self._session.kept(cursor)

    def change(self, tags: Sequence[BoundTag], *, label: str = "") -> None:
        """Read other tags from now on, over the session there is; those that stay notice nothing."""
        if label:
            self.name = f"{label} {self._connection.key}"
        self._tags = {tag.handle: tag for tag in tags}
        self._intake.change(self._tags)
        problems = self.health.problems
        self.bound({handle: problems[handle] for handle in problems if handle in self._tags})
        if self._session is not None:
            self._session.change(self._tags)

    async def write(self, items: Sequence[tuple[int, Value]]) -> list[str]:
        """Write values to tags by handle; one problem each, empty where it worked.

        Raises DeviceError when there is no session, or its driver cannot write.
        """
        session = self._flowing_session()
        return await session.write([(self._tags[handle], value) for handle, value in items])

    async def read_now(self, handles: Sequence[int]) -> list[Reading]:
        """Ask the device for tags out of turn, between two scans; they are not handed on.

        Raises DeviceError when there is no session, or its driver cannot be asked.
        """
        readings = await self._flowing_session().read_now(handles)
        return self._intake.stamped(readings, _now_ms())

    def _flowing_session(self) -> DeviceSession:
        session = self._session
        if session is None or not session.is_flowing:
            reason = self.health.last_error or "not connected yet"
            raise DeviceError(f"{self.name} is not connected: {reason}")
        return session

    async def _stay_away(self) -> None:
        """Leave the device alone until cancelled, as the project says."""
        self.health.phase = ConnectionPhase.DISABLED
        self.health.last_error = "disabled by `enabled: false` of its connection"
        log.info("%s is %s", self.name, self.health.last_error)
        self._enter(ConnectionState.DOWN)
        try:
            await asyncio.Event().wait()
        finally:
            self.health.phase = ConnectionPhase.STOPPED

    async def _attempt(self, liveness: Liveness) -> None:
        """One session from start to end; returns when it is over, for whatever reason."""
        session: DeviceSession | None = None
        is_lost = True
        try:
            self.health.phase = ConnectionPhase.CONNECTING
            session = self._session = self._new_session(liveness)
            async with self._limiter or nullcontext():  # each holder has a deadline
                is_resumed = await session.open(self._cursor)
            if not is_resumed and session.cursor is not None:
                await self._on_begun(session.cursor)
            self._intake.began(_now_ms(), is_resumed=is_resumed)
            self.health.phase = ConnectionPhase.BINDING
            await session.serve()
        except asyncio.CancelledError:
            is_lost = False
            raise
        except (UnsError, OSError) as error:  # TimeoutError is an OSError
            self._failed(_sentence(error), liveness, is_denied=isinstance(error, DeniedError))
        except Exception as error:
            sentence = f"the driver failed on a mistake of ours: {error!r}"
            if sentence != self.health.last_error:
                log.exception(
                    "%s: driver %s failed unexpectedly", self.name, self._connection.driver
                )
            self._failed(sentence, liveness)
        finally:
            self._session = None
            if session is not None:
                self._note_cursor(session)
                self._requests += session.requests
                await session.end(is_lost=is_lost)

    def _note_cursor(self, session: DeviceSession) -> None:
        """Remember how far this session reached; one that delivered nothing changes nothing."""
        try:
            cursor = session.cursor
        except Exception:
            log.exception("%s: driver %s lost its place", self.name, self._connection.driver)
            return
        if cursor is not None:
            self._cursor = cursor

    def _new_session(self, liveness: Liveness) -> DeviceSession:
        driver = self._driver_class(self._connection.config)
        driver.home = self._home
        tags = tuple(self._tags.values())
        return DeviceSession(self.name, driver, tags, liveness, self, grace_s=self._grace_s)

    def _failed(self, sentence: str, liveness: Liveness, *, is_denied: bool = False) -> None:
        health = self.health
        health.phase = ConnectionPhase.BACKOFF
        health.last_error = sentence
        health.is_denied = is_denied
        longest_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(health.failures, 16))
        if is_denied:
            longest_s = DENIED_PAUSE_S
        health.next_try_s = random.uniform(0.5, 1.0) * longest_s  # noqa: S311 - jitter, not a secret
        health.failures += 1
        liveness.lost()

    async def _pause(self) -> None:
        await asyncio.sleep(self.health.next_try_s)

    # ------------------------------------------------------------ what a session tells

    def flowing(self) -> None:
        """The session showed its first sign of life."""
        health = self.health
        bad = len(health.problems)
        self._settle_phase()
        if health.state is ConnectionState.UP:
            health.reconnects += 1  # a blip: nobody was told that it was down
            return
        first = not health.since_ms and not health.last_error
        health.reconnects += 0 if first else 1
        since = "" if first else " again"
        tags = f"{health.tags_good} tag{'' if health.tags_good == 1 else 's'}"
        if bad:
            said = "%s is up%s: %s, %d refused by the device"
            log.warning(said, self.name, since, tags, bad)
        else:
            log.info("%s is up%s: %s", self.name, since, tags)
        self._enter(ConnectionState.UP)

    def proven(self) -> None:
        """The session delivered enough to be believed: the next pause is a short one."""
        self.health.failures = 0

    def bound(self, problems: dict[int, str]) -> None:
        """The device said of each tag whether it knows it."""
        health = self.health
        health.problems = problems
        health.tags_bad = len(problems)
        health.tags_good = len(self._tags) - len(problems)
        if health.phase in _SERVING:
            self._settle_phase()

    def refreshed(self, readings: Sequence[Reading]) -> None:
        """A session was resumed: what did not change meanwhile is stale no longer."""
        self.health.readings += len(readings)
        current = self._intake.refreshed(readings, _now_ms())
        refused = self.health.problems
        self._on_readings([reading for reading in current if reading[0] not in refused])

    def delivered(self, readings: Sequence[Reading]) -> None:
        """The session has readings; times that the driver left open are filled in."""
        current, late = self._intake.take(readings, _now_ms())
        self.health.readings += len(readings)
        if self._intake.turn is not None and not self.has_durable_cursor:  # rows may be old
            self._tell_clock(self._intake.turn)
        if late:
            self.health.late += len(late)
            current = self._without_late(current, late)
        self._on_readings(current)

    def _without_late(self, current: list[Reading], late: list[Reading]) -> list[Reading]:
        if self._on_late is None:
            return late + current
        self._on_late(late)
        return current

    def _went_silent(self) -> None:
        health = self.health
        if health.state is ConnectionState.DOWN and health.since_ms:
            return
        reason = health.last_error
        if health.phase in _SERVING:
            reason = f"no sign of life for {self._grace_s:g} s"
        tries = f"{_ordinal(health.failures)} try" if health.failures else "first try"
        waiting = health.phase is ConnectionPhase.BACKOFF
        outlook = f"next in {health.next_try_s:.1f} s" if waiting else "under way"
        reason = reason or "no answer yet"
        log.warning("%s is down: %s (%s, %s)", self.name, reason, tries, outlook)
        self._enter(ConnectionState.DOWN)

    def _settle_phase(self) -> None:
        refused = bool(self.health.problems)
        self.health.phase = ConnectionPhase.DEGRADED if refused else ConnectionPhase.RUNNING

    def _enter(self, state: ConnectionState) -> None:
        self.health.state = state
        self.health.since_ms = _now_ms()
        self._on_state(state)

    def vouched(self) -> None:
        """The source says that every value still holds."""
        self._on_alive()

    def measure(self) -> None:
        """Bring those numbers of `health` up to date that cost something."""
        health, session = self.health, self._session
        if not self.has_durable_cursor:  # what was kept tells the age of rows, not a clock
            health.clock_offset_ms = self._intake.clock.ahead_ms
            health.clock_worst_ms = self._intake.clock.worst_ms
        if session is None:
            return
        health.requests = self._requests + session.requests
        health.unreadable = session.unreadable
        health.findings = session.findings
        if session.schedule is not None:
            health.duty = session.schedule.duty
            health.scans = tuple(scan.health for scan in session.schedule.classes)

    def balanced(self, classes: Sequence[ScanClass], demand: float, *, is_too_busy: bool) -> None:
        """Slow classes are read less often from now on, or as often as was asked for again."""
        if not is_too_busy:
            log.info("%s: all tags are read as often as they should be again", self.name)
            return
        late = [f"{one.scan_s:g} s → {one.every_s:.3g} s" for one in classes[1:]]
        what = (
            f"slow tags are read less often: {', '.join(late)}"
            if late
            else (f"tags of {classes[0].scan_s:g} s are read as often as it can")
        )
        log.warning(
            "%s: scans need %.0f %% of the time, so %s; read fewer tags, or less often",
            *(self.name, 100 * demand, what),
        )

    def _tell_clock(self, turn: Turn) -> None:
        if turn is Turn.RIGHT:
            log.info("%s: its clock is right again", self.name)
            return
        ahead_s = (self._intake.clock.ahead_ms or 0) / 1000
        side = "ahead of" if ahead_s > 0 else "behind"
        log.warning(
            "%s: its clock is %.0f s %s ours, and values carry its time; set it right, or write "
            "`clock: ours` into the connection",
            *(self.name, abs(ahead_s), side),
        )

    def stretched(self, scans: int) -> None:
        """So many scans were left out because values could not be handed on."""
        self.health.stretched += scans

    def scanned(self, took_s: float, missed: int) -> None:
        """A scan took so long, and made so many others be skipped."""
        self.health.scan_s = took_s
        self.health.overruns += missed


def _sentence(error: Exception) -> str:
    text = str(error) or type(error).__name__
    hint = getattr(error, "hint", "")
    return f"{text} - {hint}" if hint else text


def _ordinal(number: int) -> str:
    teens = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teens else _ENDINGS.get(number % 10, 'th')}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


_SERVING = (ConnectionPhase.RUNNING, ConnectionPhase.DEGRADED)
_ENDINGS = {1: "st", 2: "nd", 3: "rd"}
