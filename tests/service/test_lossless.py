"""An OPC UA server whose cable is pulled for ten seconds, held by a supervisor."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import defaultdict
from pathlib import Path

import pytest

from bridges.driver import BoundTag
from bridges.opcua import OpcUaConfig, OpcUaDriver
from uns.equipment import Connection
from uns.metric import DataType
from uns.service.connection import ConnectionState, ConnectionSupervisor
from uns.sim.opcua_server import OpcUaServer, ServedTag
from uns.testing.fault_proxy import proxied

pytestmark = pytest.mark.slow  # a cut of ten seconds

TAGS = 100
STILL = TAGS  # a tag that never changes
PERIOD_S = 0.1
CUT_S = 10.0


async def _count(server: OpcUaServer) -> None:
    for value in itertools.count(1):
        now_ms = time.time_ns() // 1_000_000
        await server.write([(f"C{n}", value, now_ms) for n in range(TAGS)])
        await asyncio.sleep(PERIOD_S)


class Heard:
    """What a supervisor handed on, by tag."""

    def __init__(self) -> None:
        self.current: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self.late: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self.states: list[ConnectionState] = []

    def on_current(self, readings) -> None:
        for handle, value, _, at in readings:
            self.current[handle].append((at, value))

    def on_late(self, readings) -> None:
        for handle, value, _, at in readings:
            self.late[handle].append((at, value))

    def counts(self, handle: int) -> list[int]:
        """Every value of a tag in the order of the times, copies and all."""
        return [value for _, value in sorted(self.current[handle] + self.late[handle])]


async def _until(is_so, wait_s: float = 40.0) -> None:
    async with asyncio.timeout(wait_s):
        while not is_so():
            await asyncio.sleep(0.05)


async def test_ten_seconds_without_a_cable_lose_nothing(tmp_path: Path) -> None:
    """A hundred counters at 10 Hz: none missing, none twice, in order; what is old is late."""
    tags = [ServedTag(f"C{n}", DataType.UINT32, 0) for n in range(TAGS + 1)]
    heard = Heard()
    async with OpcUaServer("urn:plant", tags) as server, proxied(server.port) as proxy:
        counting = asyncio.create_task(_count(server))
        config = OpcUaConfig(
            endpoint=f"opc.tcp://127.0.0.1:{proxy.port}",
            namespace="urn:plant",
            publishing_s=0.25,
            security="none",
            timeout_s=2,
        )
        bound = [
            BoundTag(n, OpcUaDriver.parse(f"s=C{n}", config), DataType.UINT32, 0.05, True)
            for n in range(TAGS + 1)
        ]
        supervisor = ConnectionSupervisor(
            Connection(config.key(), "opcua", config),
            OpcUaDriver,
            bound,
            heard.on_current,
            heard.states.append,
            on_late=heard.on_late,
            home=tmp_path,
        )
        running = asyncio.create_task(supervisor.run())
        try:
            await _until(lambda: len(heard.current[0]) > 20)
            proxy.cut()
            await asyncio.sleep(CUT_S)
            assert ConnectionState.DOWN is heard.states[-1]
            proxy.reset()
            proxy.heal()
            await _until(lambda: heard.states[-1] is ConnectionState.UP)
            healed = heard.current[0][-1][1]
            await _until(lambda: heard.current[0][-1][1] > healed + 30)
            await _until(lambda: len(heard.current[STILL]) == 2)
        finally:
            running.cancel()
            counting.cancel()
            await asyncio.wait([running, counting])
    for handle in range(TAGS):
        counts = heard.counts(handle)
        assert list(range(counts[0], counts[0] + len(counts))) == counts
        assert len(heard.late[handle]) > 50
        for told in (heard.current[handle], heard.late[handle]):
            assert sorted(told) == told
    assert heard.current[STILL][0] == heard.current[STILL][1], "told again, as no longer stale"
    assert [] == heard.late[STILL]
