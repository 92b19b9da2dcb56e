"""The listener of `uns sparkplug check`: a subscriber that hands every message to the monitor."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time

import click

from uns.errors import BrokerError
from uns.message import Message
from uns.mqtt import Broker, Session, connect
from uns.packet import MQTT_5
from uns.sparkplug.monitor import Monitor, MonitorSettings
from uns.sparkplug.names import NAMESPACE, NodeId
from uns.sparkplug.rebirth import rebirth_request

__all__ = ["Listener"]

_FILTERS = ((f"{NAMESPACE}/#", 1),)
_STRAYS = (("spAv1.0/#", 1), ("STATE/+", 1))  # of those who speak an older Sparkplug
_TICK_S = 0.25
_BEFORE_ASKING_S = 2.0  # who is there shows itself meanwhile
_ASKED_PER_S = 5  # births of a plant at once would be a storm
_PAUSE_S = 1.0
_SOON_S = 5.0


class Listener:
    """Listens for a while; `monitor` has the grades then."""

    def __init__(self, broker: Broker, *, primary_host: str, asks: bool, is_quiet: bool) -> None:
        self._broker = broker
        self._primary_host = primary_host
        self._asks = asks
        self._is_quiet = is_quiet
        self._asked: dict[NodeId, None] = {}
        self._own: set[Message] = set()  # requests of ours that come back to us
        self.monitor = Monitor()
        self.listened_s = 0.0
        self.losses = 0  # of the broker, meanwhile

    async def listen(self, duration_s: float) -> None:
        """Listen for so long, or until Ctrl-C; raises BrokerError where there is no broker."""
        session = await connect(self._broker, f"uns-sparkplug-check-{secrets.token_hex(4)}")
        is_mqtt5 = session.protocol == MQTT_5
        self.monitor = Monitor(
            MonitorSettings(primary_host=self._primary_host, sees_retain=is_mqtt5)
        )
        if not self._is_quiet:
            _say(f"listening to {self._broker} for {duration_s:g} s (Ctrl-C ends it sooner)")
        if not is_mqtt5:
            _say("the broker speaks MQTT 3.1.1: retain flags cannot be judged")
        started = time.monotonic()
        try:
            async with asyncio.timeout(duration_s):
                await self._follow(session)
        except TimeoutError:
            pass  # heard enough
        finally:
            self.listened_s = time.monotonic() - started
            self.monitor.tick(_now_ms())

    async def _follow(self, session: Session) -> None:
        """One session after the other: after a loss, nothing is judged by what was before."""
        while True:
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._receive(session), name="sparkplug-check:receive")
                    group.create_task(self._tick(session), name="sparkplug-check:tick")
            except* BrokerError as errors:
                self.losses += 1
                _say(f"lost the broker: {errors.exceptions[0]}; trying again")
            finally:
                await session.close()
            self.monitor.lost_sight()
            session = await self._again()

    async def _again(self) -> Session:
        while True:
            await asyncio.sleep(_PAUSE_S)
            with contextlib.suppress(BrokerError):  # the loss was told; it is tried until the end
                name = f"uns-sparkplug-check-{secrets.token_hex(4)}"
                session = await connect(self._broker, name, deadline_s=_SOON_S)
                _say("the broker is back")
                return session

    async def _receive(self, session: Session) -> None:
        await session.subscribe(_FILTERS, as_published=True)
        try:
            await session.subscribe(_STRAYS, as_published=True)
        except BrokerError as error:
            _say(f"older Sparkplug cannot be looked for: {error}")
        async for batch in session.batches():
            now_ms = _now_ms()
            for message in batch:
                if self._own and message._replace(qos=0, retain=False) in self._own:
                    continue
                self.monitor.published(message, now_ms)

    async def _tick(self, session: Session) -> None:
        listens_since = time.monotonic()
        while True:
            await asyncio.sleep(_TICK_S)
            self.monitor.tick(_now_ms())
            if self._asks and time.monotonic() - listens_since > _BEFORE_ASKING_S:
                await self._ask(session)

    async def _ask(self, session: Session) -> None:
        """Ask one node for its births, and wait a little before the next."""
        for node in self.monitor.nodes:
            if node in self._asked:
                continue
            self._asked[node] = None
            now_ms = _now_ms()
            request = rebirth_request(node, now_ms)
            self._own.add(request)
            self.monitor.asked_for_rebirth(node, now_ms)
            await session.publish(request)
            await asyncio.sleep(1 / _ASKED_PER_S)
            return


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
