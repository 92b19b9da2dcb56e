"""Ten seconds without a cable, under the supervisor: a hundred counters at 10 Hz lose nothing."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest

from bridges.driver import BoundTag
from bridges.opcua import OpcUaConfig, OpcUaDriver
from uns.equipment import Connection
from uns.metric import DataType, Reading
from uns.service.connection import ConnectionState, ConnectionSupervisor
from uns.sim.opcua_server import OpcUaServer, ServedTag

pytestmark = pytest.mark.slow

TAGS = 100
PERIOD_S = 0.1
CUT_S = 10.0


@pytest.fixture
async def counting() -> AsyncIterator[str]:
    """Our own server, with a hundred counters that count ten times a second."""
    tags = [ServedTag(f"C{n}", DataType.UINT32, 0) for n in range(TAGS)]
    async with OpcUaServer("urn:plant", tags) as server:
        task = asyncio.create_task(_count(server))
        yield server.endpoint
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
def endpoints(counting: str, request: pytest.FixtureRequest) -> list[str]:
    """Our server, and node-opcua where it is installed."""
    try:
        return [counting, request.getfixturevalue("node_endpoint")]
    except pytest.skip.Exception:
        return [counting]


async def _count(server: OpcUaServer) -> None:
    for value in itertools.count(1):
        now_ms = time.time_ns() // 1_000_000
        await server.write([(f"C{n}", value, now_ms) for n in range(TAGS)])
        await asyncio.sleep(PERIOD_S)


class Plant:
    """What a supervisor hands on of one server."""

    def __init__(self, url: str) -> None:
        config = OpcUaConfig(
            endpoint=url, namespace="urn:plant", publishing_s=0.1, security="none", timeout_s=2
        )
        tags = [
            BoundTag(n, OpcUaDriver.parse(f"s=C{n}", config), DataType.UINT32, 0.05, True)
            for n in range(TAGS)
        ]
        self.current: list[Reading] = []
        self.late: list[Reading] = []
        self.states: list[ConnectionState] = []
        self.supervisor = ConnectionSupervisor(
            Connection(config.key(), "opcua", config),
            OpcUaDriver,
            tags,
            self.current.extend,
            self.states.append,
            on_late=self.late.extend,
        )

    def check(self) -> tuple[int, int, int, int]:
        """How many are missing, how many came twice, out of order, in all."""
        missing = twice = out_of_order = 0
        for handle in range(TAGS):
            late = [reading[1] for reading in self.late if reading[0] == handle]
            current = [reading[1] for reading in self.current if reading[0] == handle]
            told = {*late, *current}
            missing += len(set(range(min(told), max(told) + 1)) - told)
            twice += len(late) + len(current) - len(told)
            out_of_order += late != sorted(late)
            out_of_order += current != sorted(current)
        return missing, twice, out_of_order, len(self.late) + len(self.current)


async def test_a_cable_that_is_out_for_ten_seconds_costs_nothing(endpoints, fault_proxy):
    """0 missing, 0 twice, order kept: with our server and with node-opcua, at the same time."""
    plants, proxies = [], []
    for endpoint in endpoints:
        parts = urlsplit(endpoint)
        proxies.append(await fault_proxy(parts.port))
        plants.append(Plant(f"opc.tcp://127.0.0.1:{proxies[-1].port}{parts.path}"))
    tasks = [asyncio.create_task(plant.supervisor.run()) for plant in plants]
    try:
        await _until(lambda: all(len(plant.current) > 20 * TAGS for plant in plants))
        for proxy in proxies:
            proxy.cut()
        await asyncio.sleep(CUT_S)
        for plant, proxy in zip(plants, proxies, strict=True):
            assert ConnectionState.DOWN is plant.states[-1]
            plant.current.append((-1, None, 0, 0))  # where the cut was
            proxy.heal()
        await _until(lambda: all(_since_the_cut(plant) > 30 * TAGS for plant in plants))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for plant in plants:
        missing, twice, out_of_order, total = plant.check()
        assert (0, 0, 0) == (missing, twice, out_of_order)
        # A busy machine counts more slowly than ten times a second.
        assert total >= 0.5 * (CUT_S / PERIOD_S + 40) * TAGS
        assert len(plant.late) >= 0.4 * CUT_S / PERIOD_S * TAGS


def _since_the_cut(plant: Plant) -> int:
    return len(plant.current) - plant.current.index((-1, None, 0, 0))


async def _until(is_true, within_s=40) -> None:
    async with asyncio.timeout(within_s):
        while not is_true():
            await asyncio.sleep(0.1)
