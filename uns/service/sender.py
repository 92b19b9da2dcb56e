"""A sender: takes one target's messages out of the outbox, in order per lane, until it has them.

A target that cannot be reached is asked with one message at a time, with growing pauses; once
it takes that, everything that waits for it is due at once. The first minutes the pauses stay
short, so that a target that was restarted is served within seconds.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from uns.service.patient_outbox import PatientOutbox
from uns.store.outbox import Attempt, Delivery, DeliveryState
from uns.target.target import Ending, Outcome, OutgoingMessage, Target

__all__ = ["Pauses", "Sender", "SenderHealth"]

log = logging.getLogger("uns.routes")

AT_ONCE: Final = 8  # lanes served at the same time
_LOOK_S: Final = 30.0  # the clock may have been set: look at least this often
_DEADLINE_S: Final = 330.0  # longer than any target's own time-out: for one that hangs
_STATES: Final = {
    Ending.DONE: DeliveryState.DONE,
    Ending.DEAD: DeliveryState.DEAD,
    Ending.RETRY: DeliveryState.READY,
    Ending.UNKNOWN: DeliveryState.UNKNOWN,
}


@dataclass(slots=True)
class SenderHealth:
    """What readers may know of one target."""

    is_up: bool = True
    since_ms: int = 0
    last_error: str = ""


class Pauses:
    """How long to wait after the n-th failure in a row: doubling from 1 s, half of it at random.

    `lottery` draws 0..1.
    """

    def __init__(self, lottery: Callable[[], float] = random.random) -> None:
        self._lottery = lottery

    def next_s(self, failures: int, down_for_s: float, wanted_s: float | None = None) -> float:
        """Seconds; `wanted_s` is what the other end asked for."""
        widest = next(cap for since_s, cap in _CAPS if down_for_s >= since_s)
        pause_s = min(2.0 ** min(failures - 1, 16), widest)
        return max(pause_s * (0.5 + self._lottery() / 2), wanted_s or 0.0)


#: (down for so long, longest pause): a restart takes seconds, a weekend needs no hurry.
_CAPS: Final = ((900.0, 300.0), (120.0, 30.0), (0.0, 4.0))


class Sender:
    """Runs one target until cancelled."""

    def __init__(self, target: Target, box: PatientOutbox, pauses: Pauses | None = None) -> None:
        self.target = target
        self.name = target.name
        self.health = SenderHealth(since_ms=_now_ms())
        self._box = box
        self._pauses = pauses or Pauses()
        self._wake = asyncio.Event()
        self._failures = 0
        self._down_since_s = 0.0
        self._pause_s = 0.0

    def wake(self) -> None:
        """There is something new to send."""
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled."""
        await self.target.open()
        try:
            while True:
                await self._round()
        finally:
            await self.target.close()

    async def _round(self) -> None:
        if self._pause_s:
            pause_s, self._pause_s = self._pause_s, 0.0
            await asyncio.sleep(pause_s)
        # Cleared before looking: what comes while we look is not slept over.
        self._wake.clear()
        limit = AT_ONCE if self.health.is_up else 1
        claimed = await self._box.call(
            lambda outbox: outbox.claim(self.name, _now_ms(), limit=limit)
        )
        if not claimed:
            await self._rest()
            return
        outcomes = await asyncio.gather(*(self._attempt(delivery) for delivery in claimed))
        attempts = [
            self._attempt_of(delivery, outcome)
            for delivery, outcome in zip(claimed, outcomes, strict=True)
        ]
        await self._box.call(lambda outbox: outbox.finish(attempts, _now_ms()))
        await self._judge(outcomes)

    async def _rest(self) -> None:
        """Sleep until something is due or new."""
        due_ms = await self._box.call(lambda outbox: outbox.next_due_ms(self.name))
        wait_s = _LOOK_S if due_ms is None else max((due_ms - _now_ms()) / 1000, 0.01)
        try:
            async with asyncio.timeout(min(wait_s, _LOOK_S)):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _attempt(self, delivery: Delivery) -> Outcome:
        message = OutgoingMessage(delivery.id, delivery.body)
        try:
            async with asyncio.timeout(_DEADLINE_S):
                if delivery.may_have_arrived:
                    found = await self.target.probe(message)
                    if found is not None:
                        return found
                return await self.target.deliver(message)
        except TimeoutError:
            return Outcome(Ending.UNKNOWN, f"no end after {_DEADLINE_S:.0f} s")
        except Exception as error:
            log.exception("target %s: a mistake of ours with message %s", self.name, delivery.id)
            return Outcome(Ending.UNKNOWN, repr(error))

    def _attempt_of(self, delivery: Delivery, outcome: Outcome) -> Attempt:
        if outcome.ending is Ending.DEAD:
            log.error(
                "target %s refuses message %s for good: %s", self.name, delivery.id, outcome.said
            )
        next_ms = 0
        if outcome.ending in (Ending.RETRY, Ending.UNKNOWN):
            pause_s = self._pauses.next_s(
                delivery.attempts, self._down_for_s(), outcome.retry_after_s
            )
            next_ms = _now_ms() + round(pause_s * 1000)
        return Attempt(delivery, _STATES[outcome.ending], outcome.said, next_ms)

    async def _judge(self, outcomes: list[Outcome]) -> None:
        """Is the target up? One message that it took says yes; only failures say no."""
        took = [o for o in outcomes if o.ending in (Ending.DONE, Ending.DEAD)]
        failed = [
            o
            for o in outcomes
            if o.ending in (Ending.RETRY, Ending.UNKNOWN) and not o.is_about_message
        ]
        if took:
            await self._is_up()
        elif failed:
            self._is_down(failed[0])

    async def _is_up(self) -> None:
        self._failures = 0
        if self.health.is_up:
            return
        log.info("target %s takes messages again", self.name)
        self.health = SenderHealth(since_ms=_now_ms())
        await self._box.call(lambda outbox: outbox.hasten(self.name, _now_ms()))

    def _is_down(self, outcome: Outcome) -> None:
        if self.health.is_up:
            log.warning(
                "target %s does not take messages: %s. They are kept and sent later",
                self.name,
                outcome.said,
            )
            self._down_since_s = time.monotonic()
            self.health = SenderHealth(is_up=False, since_ms=_now_ms())
        self.health.last_error = outcome.said
        self._failures += 1
        self._pause_s = self._pauses.next_s(
            self._failures, self._down_for_s(), outcome.retry_after_s
        )

    def _down_for_s(self) -> float:
        return 0.0 if self.health.is_up else time.monotonic() - self._down_since_s


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
