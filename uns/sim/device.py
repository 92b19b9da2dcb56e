"""A simulated device: an endpoint behind its cable, and what is wrong with it now."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from uns.errors import DeviceError
from uns.sim.endpoint import Endpoint, Showing
from uns.sim.fault_proxy import FaultProxy

__all__ = ["WELL", "Condition", "Device"]

log = logging.getLogger("uns.sim")

_AGAIN_S = 1.0  # until a server whose port was taken meanwhile is started once more


@dataclass(frozen=True, slots=True)
class Condition:
    """What is wrong with a device now; everything at its default is nothing."""

    is_silent: bool = False  # accepts, answers nothing
    is_unplugged: bool = False  # not even a connect is answered
    is_down: bool = False  # its port is closed
    lag_s: float = 0.0  # how much longer every answer takes
    skew_ms: int = 0  # how far its clock is ahead
    missing: frozenset[str] = frozenset()  # topics of the tags that it lost


WELL = Condition()


class Device:
    """One endpoint, and the relay that has its public port where it is on the network.

    What is shown while the server is down or does not write is shown when it is back.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.condition = WELL
        self.topics = frozenset(tag.topic.text for tag in endpoint.tags)
        self._relay: FaultProxy | None = None
        if endpoint.port:
            self._relay = FaultProxy(0, port=endpoint.port, host=endpoint.host)
        self._shown: dict[str, Showing] = {}
        self._turn = asyncio.Lock()
        self._is_up = False
        self._is_begun = False  # its server is there, perhaps not whole

    @property
    def name(self) -> str:
        """Which one, for people: `opcua 127.0.0.1:4840`; without a network its connection's key."""
        return str(self.endpoint) if self.is_networked else self.endpoint.where

    @property
    def is_networked(self) -> bool:
        """Whether it has a port; files and SQLite databases have none."""
        return self._relay is not None

    async def start(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Serve these values; raises DeviceError where a port is taken."""
        self._shown = {item.tag.topic.text: item for item in showing}
        async with self._turn:
            await self._up(now_ms)

    async def show(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Show values, or keep them for later."""
        for item in showing:
            self._shown[item.tag.topic.text] = item
        if not self._writes() or self._turn.locked():
            return
        async with self._turn:
            await self.endpoint.show(showing, now_ms)

    async def become(self, condition: Condition) -> None:
        """Let this be what is wrong with it from now on."""
        async with self._turn:
            was, self.condition = self.condition, condition
            self.endpoint.skew_ms = condition.skew_ms
            await self._relay_as(condition)
            begins_anew = condition.missing != was.missing
            if self._is_up and (condition.is_down or begins_anew):
                await self._down()
            if not condition.is_down and not self._is_up:
                await self._up_at_last()
            elif was.is_silent and self._writes() and not self.is_networked:
                await self.endpoint.show(tuple(self._shown.values()), _now_ms())

    async def stop(self) -> None:
        """Drop every client and the port."""
        self._is_up = False
        if self._relay is not None:
            await self._relay.close()
        await self._end()

    def _writes(self) -> bool:
        return self._is_up and (self.is_networked or not self.condition.is_silent)

    async def _relay_as(self, condition: Condition) -> None:
        relay = self._relay
        if relay is None:
            return
        if condition.is_unplugged:
            await relay.unplug()
        else:
            await relay.plug()
        if condition.is_silent or condition.is_unplugged:
            relay.cut()
        else:
            relay.heal()
        relay.lag_s = condition.lag_s

    async def _up(self, now_ms: int) -> None:
        endpoint, relay = self.endpoint, self._relay
        endpoint.missing = self.condition.missing
        if relay is not None:
            endpoint.inner_port = 0
        shown = dict(self._shown)
        self._is_begun = True
        await endpoint.start(tuple(shown.values()), now_ms)
        if relay is not None:
            relay.target_port = endpoint.inner_port
            await self._take_port(relay)
        self._is_up = True
        late = [item for topic, item in self._shown.items() if item is not shown.get(topic)]
        await endpoint.show(late, now_ms)

    async def _take_port(self, relay: FaultProxy) -> None:
        try:
            await relay.accept()
            if self.condition.is_unplugged:
                await relay.unplug()
        except OSError as error:
            await self._end()
            raise DeviceError(
                f"the simulated {self.endpoint.driver} device cannot listen on "
                f"{self.endpoint.where}: {error.strerror}",
                hint=f"stop the program that has port {self.endpoint.port}, or choose another port",
            ) from error

    async def _up_at_last(self) -> None:
        """Start as often as it takes: somebody may have taken the port meanwhile."""
        told = ""
        while not self._is_up:
            try:
                await self._up(_now_ms())
            except DeviceError as error:
                if str(error) != told:
                    told = str(error)
                    log.warning("%s is tried again every second: %s", self.name, told)
                await asyncio.sleep(_AGAIN_S)
        if told:
            log.info("%s is back", self.name)

    async def _down(self) -> None:
        self._is_up = False
        if self._relay is not None:
            await self._relay.refuse()
            self._relay.reset()
        await self._end()

    async def _end(self) -> None:
        if self._is_begun:
            self._is_begun = False
            await self.endpoint.stop()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
