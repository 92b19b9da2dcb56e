"""A host application on a real broker that writes down what it concludes and what it heard."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Self, TypeVar

from uns.message import Message
from uns.mqtt import Broker, Session, connect
from uns.sparkplug import HostApplication, NodeId
from uns.sparkplug.events import Born, Event, Problem, Publish
from uns.sparkplug.monitor import Monitor, Report

__all__ = ["LiveHost"]

_TICK_S = 0.1
_MONITOR_TICK_MS, _MONITOR_AFTER_MS = 200, 10_000
E = TypeVar("E")


def _now() -> int:
    return time.time_ns() // 1_000_000


class LiveHost:
    """The shell around a HostApplication: one session, for the length of an `async with`."""

    def __init__(self, broker: Broker, host_id: str = "uns") -> None:
        self.host = HostApplication(host_id)
        self.events: list[Event] = []
        self.heard: list[tuple[int, Message]] = []  # (when, as it was published)
        self._broker = broker
        self._born: dict[tuple[NodeId, str], Born] = {}
        self._session: Session | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._session = session = await connect(
            self._broker, self.host.host_id, will=lambda: self.host.will(_now())
        )
        await session.subscribe(self.host.subscriptions(), as_published=True)
        await self._carry_out(self.host.connected(_now()))
        for name, work in (("receive", self._receive), ("tick", self._tick)):
            self._tasks.append(asyncio.create_task(work(), name=f"host:{name}"))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._carry_out(self.host.stopping(_now()))
        await self._session.close()
        failed = [end for end in ends if not isinstance(end, asyncio.CancelledError)]
        assert [] == failed, failed

    def of(self, kind: type[E]) -> list[E]:
        """All events of one kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def slots(self, node: NodeId, device_id: str) -> dict[str, Any]:
        """The metrics of the last birth by name; their values are the current ones."""
        born = self._born.get((node, device_id))
        return {slot.name: slot for slot in born.slots} if born else {}

    def value(self, node: NodeId, device_id: str, name: str) -> Any:
        """The current value of a metric; None where there is none."""
        slot = self.slots(node, device_id).get(name)
        return slot and slot.value

    def problems(self) -> list[str]:
        """What it complained about."""
        return [problem.text for problem in self.of(Problem)]

    def payloads(self, verb: str) -> list[bytes]:
        """What was heard on topics of this type."""
        return [m.payload for _, m in self.heard if m.topic.split("/")[2:3] == [verb]]

    def report(self) -> Report:
        """What the monitor says of everybody, from what was heard."""
        monitor, last_ms = Monitor(), 0
        for at_ms, message in self.heard:
            for tick_ms in range(last_ms or at_ms, at_ms, _MONITOR_TICK_MS):
                monitor.tick(tick_ms)
            monitor.published(message, at_ms)
            last_ms = at_ms
        for tick_ms in range(last_ms, last_ms + _MONITOR_AFTER_MS, _MONITOR_TICK_MS):
            monitor.tick(tick_ms)
        return monitor.report()

    async def ask_rebirth(self, node: NodeId) -> None:
        """As a person would: at once."""
        await self._carry_out([self.host.request_rebirth(node, _now())])

    async def write(self, node: NodeId, device_id: str, name: str, value: Any) -> int:
        """Send a command; returns its id."""
        write = self.host.write(node, device_id, name, value, _now())
        await self._carry_out([write.publish])
        return write.id

    async def _receive(self) -> None:
        async for batch in self._session.batches():
            for message in batch:
                self.heard.append((_now(), message))
                await self._carry_out(self.host.received(message, _now()))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            await self._carry_out(self.host.tick(_now()))

    async def _carry_out(self, events: list[Event]) -> None:
        for event in events:
            self.events.append(event)
            if isinstance(event, Born):
                self._born[event.node, event.device_id] = event
            elif isinstance(event, Publish):
                await self._session.publish(event.message)
