"""One line's Sparkplug edge node on the broker: births, data, deaths, commands."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import assert_never

from uns.errors import BrokerError
from uns.message import Message
from uns.metric import Reading
from uns.mqtt import Broker, Session, sessions
from uns.sparkplug import Command, EdgeNode, Leave, Problem
from uns.store.state import State

__all__ = ["EdgeHealth", "EdgeNodeService", "now_ms"]

log = logging.getLogger("uns.edge")

FLUSH_S = 0.1  # readings that arrive within this time travel in one DDATA
KEEPALIVE_S = 3  # a frozen bridge is dead to the broker after 1.5 times this
MAX_WAITING = 20_000  # readings; past this, older ones of `deliver: latest` tags give way
LEAVE_S = 2.0


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
    conflated: int = 0
    last_error: str = ""


class EdgeNodeService:
    """Wires an EdgeNode to a broker: the core decides, this sends and reconnects.

    Readings may be given at any time; while there is no broker the core keeps the newest of
    each, and the next birth carries them.
    """

    def __init__(
        self,
        edge: EdgeNode,
        broker: Broker,
        state: State,
        *,
        every: frozenset[int],
        on_command: Callable[[Command], None],
    ) -> None:
        """`every` holds the aliases of tags that are never conflated."""
        self.edge = edge
        self.health = EdgeHealth()
        self._broker = broker
        self._state = state
        self._every = every
        self._on_command = on_command
        self._is_born = False
        self._waiting: dict[str, list[Reading]] = {}
        self._urgent: list[Message] = []  # births, deaths and their data: already in seq order
        self._wake = asyncio.Event()
        self._bd_seq_key = f"bd_seq/{edge.node}"

    def observed(self, device_id: str, readings: Sequence[Reading]) -> None:
        """Take readings of a device; their handles are aliases."""
        if not self._is_born:
            self.edge.observed(device_id, readings, now_ms())  # kept for the birth; says nothing
            return
        waiting = self._waiting.setdefault(device_id, [])
        waiting.extend(readings)
        if len(waiting) > MAX_WAITING:
            self._waiting[device_id] = self._conflated(waiting)
        self._wake.set()

    def device_up(self, device_id: str) -> None:
        """Say that a device answers: it is born with the values given so far."""
        self._flush_into_urgent()
        self._urgent += self.edge.device_up(device_id, now_ms())
        self._wake.set()

    def device_down(self, device_id: str) -> None:
        """Say that a device no longer answers: its death is published."""
        self._flush_into_urgent()
        self._urgent += self.edge.device_down(device_id, now_ms())
        self._wake.set()

    async def run(self) -> None:
        """Stay connected until cancelled; then leave with a death of our own."""
        endless = sessions(
            self._broker,
            client_id=f"uns-edge-{self.edge.node}".replace("/", "-"),
            will=self._will,
            keepalive_s=KEEPALIVE_S,
            on_state=self._said,
            on_connect_sent=self.edge.advance,
        )
        async with aclosing(endless):
            async for session in endless:
                try:
                    await self._serve(session)
                except* BrokerError as errors:
                    self.health.last_error = str(errors.exceptions[0])
                finally:
                    self._forget_session()

    def _will(self) -> Message:
        """Return the NDEATH of the session to come; its bdSeq is on disk before CONNECT leaves."""
        will = self.edge.will()
        self._state.set(self._bd_seq_key, self.edge.next_bd_seq)
        return will

    async def _serve(self, session: Session) -> None:
        try:
            await session.subscribe(self.edge.subscriptions())
            births = self.edge.connected(now_ms())
            self._is_born = True  # from here on, seq counts: everything waits for its turn
            await session.publish_all(births)
            self.health.is_online = True
            self.health.connects += 1
            self.health.births += len(births)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._send(session), name=f"edge:{self.edge.node}:send")
                tasks.create_task(self._receive(session), name=f"edge:{self.edge.node}:receive")
        except asyncio.CancelledError:
            await self._leave(session)
            raise

    async def _leave(self, session: Session) -> None:
        """Publish the death and disconnect; a broker that is gone has our will."""
        try:
            async with asyncio.timeout(LEAVE_S):
                await session.publish_all(self.edge.stopping(now_ms()))
                await session.close()
        except (BrokerError, TimeoutError) as error:
            log.warning(
                "%s could not say goodbye (%s); its will speaks for it", self.edge.node, error
            )
            session.abort()

    async def _send(self, session: Session) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(FLUSH_S)
            self._wake.clear()
            self._flush_into_urgent()
            messages, self._urgent = self._urgent, []
            await session.publish_all(messages)

    async def _receive(self, session: Session) -> None:
        async for batch in session.batches():
            for message in batch:
                for effect in self.edge.received(message, now_ms()):
                    self._carry_out(effect)

    def _carry_out(self, effect: Message | Command | Problem | Leave) -> None:
        match effect:
            case Message():
                self._urgent.append(effect)
                self._wake.set()
            case Command():
                self._on_command(effect)
            case Problem():
                log.warning("edge node %s: %s", self.edge.node, effect.text)
            case Leave():
                raise BrokerError(f"edge node {self.edge.node} leaves the broker: {effect.reason}")
            case _:
                assert_never(effect)

    def _flush_into_urgent(self) -> None:
        """Turn waiting readings into messages, so that seq follows the order of events."""
        waiting, self._waiting = self._waiting, {}
        for device_id, readings in waiting.items():
            self._urgent += self.edge.observed(device_id, readings, now_ms())
            self.health.metrics_out += len(readings)

    def _forget_session(self) -> None:
        """With no session, waiting readings become the values of the next birth."""
        self._is_born = self.health.is_online = False
        self.edge.disconnected()
        waiting, self._waiting = self._waiting, {}
        for device_id, readings in waiting.items():
            self.edge.observed(device_id, readings, now_ms())
        self._urgent.clear()

    def _conflated(self, waiting: list[Reading]) -> list[Reading]:
        """Keep every reading of `deliver: every` tags and the newest of each other."""
        newest = {reading[0]: place for place, reading in enumerate(waiting)}
        kept = [
            reading
            for place, reading in enumerate(waiting)
            if reading[0] in self._every or newest[reading[0]] == place
        ]
        self.health.conflated += len(waiting) - len(kept)
        return kept[-MAX_WAITING:]

    def _said(self, sentence: str, is_up: bool) -> None:  # noqa: FBT001 - the shape of on_state
        log.log(
            logging.INFO if is_up else logging.WARNING, "edge node %s: %s", self.edge.node, sentence
        )
