"""One line's Sparkplug edge node on the broker: births, data, deaths, commands, and its backlog.

Live values go first, always. What cannot be sent in its time goes to the backlog: without a
broker, while the primary host is away, while a rebirth is owed, while a device is down, and what
was sent so lately before a break that nobody knows whether it arrived. When data flows again the
backlog follows the live values, oldest first, as historical data in messages of its own.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import NoReturn, assert_never

from uns.errors import BrokerError
from uns.message import Message
from uns.metric import Quality, Reading
from uns.mqtt import Broker, Session, sessions
from uns.service.definitions import DROPPED, WAITING
from uns.service.pace import Pace
from uns.service.replay import Replay
from uns.sparkplug import Command, EdgeNode, Leave, MetricDefinition, Problem
from uns.sparkplug.names import MessageType, topic
from uns.sparkplug.rewind import Rewind
from uns.store.backlog import Backlog
from uns.store.state import State

__all__ = ["EdgeHealth", "EdgeNodeService", "now_ms"]

log = logging.getLogger("uns.edge")

FLUSH_S = 0.1  # readings that arrive within this time travel in one DDATA
KEEPALIVE_S = 3  # a frozen bridge is dead to the broker after 1.5 times this
FULL = 5_000  # readings that wait while the broker takes no more: then devices are held back
MAXWAITING = 20_000  # readings of a device; past this the older half takes the backlog's way
LEAVE_S = 2.0
COUNT_S = 1.0  # between two values of the backlog's own metrics
HOST_LATE_S = 10.0  # a primary host that is there has said so long before
_TICK_S, _IDLE_S = 0.5, 5.0  # between two looks at the time, with and without a reason to look


def now_ms() -> int:
    """Return the wall clock in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class EdgeHealth:
    """What readers may know of one edge node; counts since the start."""

    is_online: bool = False
    connects: int = 0
    births: int = 0
    metrics_out: int = 0
    late_metrics_out: int = 0
    overtaken: int = 0  # readings that newer ones overtook because the broker was too slow
    last_error: str = ""


class _LeavingError(Exception):
    """The edge node has said goodbye to this broker."""


class EdgeNodeService:
    """Wires an EdgeNode to its brokers: the core decides, this sends, keeps and reconnects.

    Readings may be given at any time. `brokers` stand in order of preference; the core chooses.
    """

    def __init__(
        self,
        edge: EdgeNode,
        brokers: Sequence[Broker],
        state: State,
        backlog: Backlog,
        *,
        pace: Pace,
        window_s: float,
        on_command: Callable[[Command], None],
        is_kept: Callable[[str, str], bool] = lambda _device_id, _name: True,
    ) -> None:
        """`is_kept(device_id, name)` is whether a metric is worth something when it is late."""
        self.edge = edge
        self.health = EdgeHealth()
        self._node = str(edge.node)
        self._brokers = brokers
        self._state = state
        self._backlog = backlog
        self._rewind = Rewind(window_ms=int(window_s * 1000))
        self._wake = asyncio.Event()
        self._replay = Replay(backlog, self._node, pace, window_s, on_change=self._wake.set)
        self._on_command = on_command
        self._is_kept = is_kept
        self._names: dict[str, dict[int, str]] = {}
        self._up: dict[str, None] = {"": None}
        self._waiting: dict[str, list[Reading]] = {}
        self._urgent: list[Message] = []  # in the order of their seq, not sent yet
        self._was_sending = False
        self._goodbye = ""
        self._is_writing = False
        self._waits_since_s = 0.0  # for the primary host; 0 while it is there, or no broker is
        self._has_said_waiting = False
        self._counted: tuple[float, int, int] = (0.0, -1, -1)
        self._nbirth = topic(MessageType.NBIRTH, edge.node)
        self._births = (self._nbirth, topic(MessageType.DBIRTH, edge.node))

    # ------------------------------------------------------------------ what the bridge tells

    @property
    def waiting(self) -> int:
        """How many readings wait to be made messages of."""
        return sum(map(len, self._waiting.values()))

    @property
    def is_full(self) -> bool:
        """Whether readings come faster than the broker takes them."""
        return self._is_writing and self.waiting > FULL

    def observed(self, device_id: str, readings: Sequence[Reading]) -> None:
        """Take readings of a device; their handles are aliases."""
        if not self.edge.is_sending(device_id):
            self._observe(device_id, [*self._waiting.pop(device_id, ()), *readings])
            return
        waiting = self._waiting.setdefault(device_id, [])
        waiting.extend(readings)
        if len(waiting) > MAXWAITING:
            half = len(waiting) // 2
            self._keep(device_id, waiting[:half])
            self._waiting[device_id] = waiting[half:]
            self.health.overtaken += half
        self._wake.set()

    def late(self, device_id: str, readings: Sequence[Reading]) -> None:
        """Take readings that newer ones overtook: they go out behind the live values, as history.

        Each has a time of its own.
        """
        self._keep(device_id, readings)

    def device_up(self, device_id: str) -> None:
        """Say that a device answers: it is born with the values given so far."""
        self._flush()
        self._queue(self.edge.device_up(device_id, now_ms()))
        self._up[device_id] = None
        self._replay.look_again()

    def device_down(self, device_id: str) -> None:
        """Say that a device no longer answers: its death is published."""
        self._flush()
        self._queue(self.edge.device_down(device_id, now_ms()))
        self._up.pop(device_id, None)

    def change_device(self, device_id: str, definitions: Sequence[MetricDefinition] | None) -> None:
        """Other metrics for a device, a new device, or with None one less; see EdgeNode.

        Ask for aliases again. Names of metrics that are gone are remembered for what of them is
        not surely there yet.
        """
        self._flush()
        before = self._names_of(device_id)
        self._queue(self.edge.change_device(device_id, definitions, now_ms()))
        if definitions is None:
            self._up.pop(device_id, None)
        del self._names[device_id]
        self._names[device_id] = before | self._names_of(device_id)

    # ------------------------------------------------------------------ sessions

    async def run(self) -> None:
        """Stay connected until cancelled; then leave with a death of our own."""
        endless = sessions(
            lambda: self._brokers[self.edge.server],
            client_id=f"uns-edge-{self._node}".replace("/", "-"),
            will=self._will,
            keepalive_s=KEEPALIVE_S,
            on_state=self._said,
            on_connect_sent=self.edge.advance,
            on_failed=self.edge.connect_failed,
        )
        async with aclosing(endless):
            async for session in endless:
                try:
                    await self._serve(session)
                except* BrokerError as errors:
                    self.health.last_error = str(errors.exceptions[0])
                except* _LeavingError:
                    level = logging.DEBUG if self._has_said_waiting else logging.WARNING
                    log.log(level, "edge node %s left its broker: %s", self._node, self._goodbye)
                finally:
                    self._forget_session()

    def _will(self) -> Message:
        """Return the NDEATH of the session to come; its bdSeq is on disk before CONNECT leaves."""
        will = self.edge.will()
        self._state.set(f"bd_seq/{self._node}", self.edge.next_bd_seq)
        return will

    async def _serve(self, session: Session) -> None:
        try:
            await session.subscribe(self.edge.subscriptions())
            self._count(is_due=True)
            self.health.connects += 1
            self._queue(self.edge.connected(now_ms()))
            name = f"edge:{self._node}"
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send(session), name=f"{name}:send")
                tasks.create_task(self._receive(session), name=f"{name}:receive")
                tasks.create_task(self._replay.run(self._sending), name=f"{name}:replay")
        except asyncio.CancelledError:
            await self._leave(session)
            raise

    async def _send(self, session: Session) -> None:
        """Live values, then what the backlog's pace allows, until the core says goodbye."""
        while True:
            self._flush()
            self._carry_out(self.edge.tick(now_ms()))
            self._look_for_host(session)
            self._count()
            self._recall()
            messages, self._urgent = self._urgent, []
            if self._goodbye:
                await self._part(session, messages)
            self._is_writing = True  # a stop from here on cuts them short
            await session.publish_all(messages)
            self._is_writing = False
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s()):
                    await self._wake.wait()
            await asyncio.sleep(FLUSH_S)
            self._wake.clear()

    def _pause_s(self) -> float:
        """How long to sleep where nothing happens."""
        if not self.edge.is_sending(""):
            return _TICK_S
        return FLUSH_S if self._replay.is_busy else _IDLE_S

    async def _part(self, session: Session, last_words: Sequence[Message]) -> NoReturn:
        """Leave this broker: with its will, which says the same as our last words."""
        try:
            async with asyncio.timeout(LEAVE_S):
                await session.publish_all(last_words)
                await session.close(with_will=True)
        except TimeoutError:
            session.abort()
        raise _LeavingError

    async def _receive(self, session: Session) -> None:
        async for batch in session.batches():
            for message in batch:
                self._carry_out(self.edge.received(message, now_ms()))

    async def _leave(self, session: Session) -> None:
        """Publish the rest and the death and disconnect; a broker that is gone has our will."""
        self._flush()
        rest, self._urgent = self._urgent, []
        try:
            async with asyncio.timeout(LEAVE_S):
                await session.publish_all([*rest, *self.edge.stopping(now_ms())])
                if not self._is_writing:  # acknowledged is what came behind all data
                    self._rewind.take(_monotonic_ms())
                    self._replay.arrived()
                # tck-id-payloads-ndeath-will-message-publisher-disconnect-mqtt50
                await session.close(with_will=True)
        except (BrokerError, TimeoutError) as error:
            log.warning("%s could not say goodbye (%s); its will speaks for it", self._node, error)
            session.abort()

    def _forget_session(self) -> None:
        """With no session, waiting readings become the values of the next birth."""
        self._is_writing = False
        self._goodbye, self._waits_since_s = "", 0.0
        self.edge.disconnected()
        self._settle()
        self._urgent.clear()
        self._replay.disconnected()
        self._flush()

    # ------------------------------------------------------------------ effects of the core

    def _carry_out(self, effects: Iterable[Message | Command | Problem | Leave]) -> None:
        for effect in effects:
            match effect:
                case Message():
                    self._queue([effect])
                case Command():
                    self._on_command(effect)
                case Problem():
                    log.warning("edge node %s: %s", self._node, effect.text)
                case Leave():
                    self._goodbye = effect.reason
                    self._wake.set()
                case _:
                    assert_never(effect)
        self._settle()

    def _queue(self, messages: Iterable[Message]) -> None:
        """Line messages up; births of the node make those that wait before them worthless."""
        self._settle()
        for message in messages:
            if message.topic == self._nbirth:
                self._start_over()
            self.health.births += message.topic.startswith(self._births)
            self._urgent.append(message)
            self._wake.set()

    def _settle(self) -> None:
        """Note whether data flows; where it stopped, what was sent lately may not have arrived."""
        is_sending = self.edge.is_sending("")
        self.health.is_online = is_sending
        if self._was_sending and not is_sending:
            self._start_over()
        self._was_sending = is_sending

    def _start_over(self) -> None:
        """No data from before a rebirth or a break is sent any more: it takes the backlog's way.

        tck-id-operational-behavior-data-commands-rebirth-action-1.
        """
        self._urgent.clear()
        for device_id, readings in self._rewind.take(_monotonic_ms()):
            self._keep(device_id, readings)
        self._replay.restart()

    # ------------------------------------------------------------------ readings

    def _flush(self) -> None:
        """Turn waiting readings into messages, so that seq follows the order of events."""
        waiting, self._waiting = self._waiting, {}
        for device_id, readings in waiting.items():
            self._observe(device_id, readings)

    def _observe(self, device_id: str, readings: Sequence[Reading]) -> None:
        """Give readings to the core, and remember them until they have surely arrived."""
        at_ms = now_ms()
        self._queue(self.edge.observed(device_id, readings, at_ms))
        if not self.edge.is_sending(device_id):
            self._keep(device_id, readings, at_ms)
            return
        self.health.metrics_out += len(readings)
        self._rewind.sent(device_id, readings, _monotonic_ms(), stamp_ms=at_ms)

    def _keep(self, device_id: str, readings: Sequence[Reading], at_ms: int = 0) -> None:
        """Put readings into the backlog; a stale mark says nothing that a death does not say."""
        names = self._names_of(device_id)
        self._backlog.put(
            self._node,
            device_id,
            [
                (names[alias], value, int(quality), stamp_ms or at_ms or now_ms())
                for alias, value, quality, stamp_ms in readings
                if alias in names
                and quality != Quality.STALE
                and self._is_kept(device_id, names[alias])
            ],
        )
        self._replay.nudge()

    def _names_of(self, device_id: str) -> dict[int, str]:
        """The metrics of a device, by alias; none for one that is gone."""
        if device_id not in self._names:
            try:
                aliases = self.edge.aliases(device_id)
            except KeyError:
                aliases = {}
            self._names[device_id] = {alias: name for name, alias in aliases.items()}
        return self._names[device_id]

    # ------------------------------------------------------------------ the backlog

    def _sending(self) -> list[str]:
        return [device_id for device_id in self._up if self.edge.is_sending(device_id)]

    def _recall(self) -> None:
        """Line up the next of the backlog behind the live values, without what births said."""
        if not self.edge.is_sending(""):
            return
        for device_id, samples in self._replay.take(self.edge.is_sending).items():
            is_known = self.edge.is_as_born
            unknown = [sample for sample in samples if not is_known(device_id, *sample)]
            self._queue(self.edge.recalled(device_id, unknown, now_ms()))
            self.health.late_metrics_out += len(unknown)

    def _count(self, *, is_due: bool = False) -> None:
        """Say how much waits and how much was dropped, at most once a second."""
        last_s, waiting, dropped = self._counted
        now = (self._backlog.waiting(self._node), self._backlog.dropped(self._node))
        now_s = time.monotonic()
        if now == (waiting, dropped) or not (is_due or now_s - last_s >= COUNT_S):
            return
        self._counted = (now_s, *now)
        aliases, at_ms = self.edge.aliases(""), now_ms()
        if not aliases.keys() >= {WAITING, DROPPED}:
            return
        counts = zip((WAITING, DROPPED), now, (waiting, dropped), strict=True)
        readings: list[Reading] = [
            (aliases[name], value, Quality.GOOD, at_ms)
            for name, value, before in counts
            if value != before  # tck-id-principles-rbe-recommended
        ]
        self._queue(self.edge.observed("", readings, at_ms))

    def _look_for_host(self, session: Session) -> None:
        """Say once that the primary host is missing, and once that it is there after all."""
        if not self.edge.is_waiting:
            self._waits_since_s = 0.0
        elif not self._waits_since_s:
            self._waits_since_s = time.monotonic()
        host_id = self.edge.settings.primary_host
        if self.edge.is_online and self._has_said_waiting:
            self._has_said_waiting = False
            self._said(f"the primary host `{host_id}` is online; births are out", True)
        waited_s = time.monotonic() - self._waits_since_s
        if self._has_said_waiting or not self._waits_since_s or waited_s < HOST_LATE_S:
            return
        self._has_said_waiting = True
        self._said(
            f"the primary host `{host_id}` is not online on {session.broker.address}; nothing is "
            "published, values wait in the backlog. Start that host, or correct `sparkplug: "
            "primary_host:`",
            False,
        )

    def _said(self, sentence: str, is_up: bool) -> None:  # noqa: FBT001 - the shape of on_state
        log.log(
            logging.INFO if is_up else logging.WARNING, "edge node %s: %s", self._node, sentence
        )


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000
