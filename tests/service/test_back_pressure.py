"""A broker that is slower than the devices: who waits, what is left out, and what never is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bridges.driver import BindResult, BoundTag, DriverConfig, PollDriver, PushDriver
from uns.equipment import Connection
from uns.errors import DeviceError
from uns.metric import DataType
from uns.mqtt import Broker, connect
from uns.project.catalogue import Catalogue
from uns.project.load import load
from uns.service import edge as edge_module
from uns.service.bridge import BridgeService
from uns.service.broker import MosquittoBroker
from uns.service.connection import ConnectionState, ConnectionSupervisor
from uns.service.edge import now_ms
from uns.sparkplug import Born, Changed, HostApplication
from uns.store.backlog import Backlog
from uns.store.state import State

pytestmark = pytest.mark.slow  # real seconds pass

PROJECT = """\
enterprise: acme
sites: {leeds: {}}
sparkplug: {backlog: {window: 2s}}
types:
  press:
    tags:
      strokes: {type: uint32, deliver: every}
TAGS
bindings:
  fast:
    driver: fast
    connection: {}
    tags: {strokes: "0"
ADDRESSES
      }
instances:
  - {path: leeds/packaging/line1/press, is: press, bind: fast}
"""
WIDTH = 400


class FastConfig(DriverConfig):
    model_config: ClassVar[dict[str, Any]] = {"extra": "allow", "frozen": False}

    def key(self) -> str:
        return "fast://press"

    def endpoint(self):
        return None

    def moved_to(self, port: int):
        return self


class Fast(PushDriver):
    """Tells all its tags as often as it is let."""

    name: ClassVar[str] = "fast"
    Config: ClassVar[type[DriverConfig]] = FastConfig
    rounds: ClassVar[int] = 0
    is_fast: ClassVar[bool] = False

    @classmethod
    def parse(cls, text: str, config: Any) -> int:
        return int(text)

    async def open(self) -> None:
        self._tags: list[BoundTag] = []

    async def bind(self, tags):
        self._tags += tags
        return [BindResult(tag.handle) for tag in tags]

    async def run(self, sink) -> None:
        at = now_ms()
        while True:
            await sink.ready()
            Fast.rounds += 1
            at = max(at + 1, now_ms())
            sink.readings([(tag.handle, Fast.rounds, 192, at) for tag in self._tags])
            await asyncio.sleep(0.002 if Fast.is_fast else 0.2)

    async def close(self) -> None:
        pass


@pytest.fixture
async def heard(mosquitto: MosquittoBroker) -> AsyncIterator[dict[str, set[int]]]:
    """Every value of every metric that a host heard."""
    found: dict[str, set[int]] = {}

    async def listen() -> None:
        session = await connect(Broker.parse(mosquitto.url), "listener")
        await session.subscribe([("spBv1.0/#", 1)])
        core = HostApplication("listener")
        core.connected(now_ms())
        async for batch in session.batches():
            for event in [e for message in batch for e in core.received(message, now_ms())]:
                match event:
                    case Changed() if event.device_id:
                        for slot, value, quality, _ in event.updates:
                            found.setdefault(slot.name, set()).update([value] * (quality == 192))
                    case Born() if event.device_id:
                        for slot in event.slots:
                            found.setdefault(slot.name, set()).add(slot.value)

    task = asyncio.create_task(listen())
    await asyncio.sleep(0.2)
    yield found
    task.cancel()
    await asyncio.wait([task])


async def test_a_slow_broker_holds_devices_back_and_loses_no_value_that_counts(
    tmp_path: Path, cable: Any, heard: dict[str, set[int]], until: Any, monkeypatch: Any
) -> None:
    """The newest of each other tag is enough; what is left out is counted, and memory is bounded."""
    monkeypatch.setattr(edge_module, "KEEPALIVE_S", 60)  # the broker stays, and takes nothing
    names = [f"t{number}" for number in range(1, WIDTH)]
    types = "\n".join(f"      {name}: {{type: uint32}}" for name in names)
    places = "\n".join(f'      , {name}: "{number}"' for number, name in enumerate(names, 1))
    (tmp_path / "plant.yaml").write_text(
        PROJECT.replace("TAGS", types).replace("ADDRESSES", places)
    )
    loaded = load(tmp_path / "plant.yaml", Catalogue({"fast": Fast}, {}))
    assert loaded.project is not None, loaded.diagnostics
    state, backlog = State(tmp_path / "state.db"), Backlog(tmp_path / "backlog.db")
    Fast.rounds, Fast.is_fast = 0, False
    machines, brokers = loaded.project.machines, [Broker.parse(cable.url)]
    service = BridgeService(loaded.project, machines, brokers, state, backlog, lambda _: Fast)
    task = asyncio.create_task(service.run())
    (edge,), (link,) = service.edges, service.connections.values()
    try:
        await until(lambda: heard.get("strokes"), "a birth")
        cable.silence()
        Fast.is_fast = True
        await until(lambda: edge.is_full, "a broker that takes no more")
        await asyncio.sleep(1.0)
        held_at = Fast.rounds
        await asyncio.sleep(1.0)
        assert Fast.rounds <= held_at + 1, "the device waits"
        assert ConnectionState.UP is link.health.state
        assert link.health.queue > edge_module.FULL
        assert edge.waiting <= edge_module.FULL + 3 * WIDTH
        Fast.is_fast = False
        cable.mend()
        await until(lambda: not edge.is_full, "room again")
        last = Fast.rounds
        await until(lambda: last in heard["strokes"] and last in heard["t7"], "the newest value")
        first = min(value for value in heard["strokes"] if value)
        assert set(range(first, last + 1)) <= heard["strokes"]
    finally:
        task.cancel()
        await asyncio.wait([task])
        state.close()
        backlog.close()


class Asked(PollDriver):
    """A device that is read."""

    name: ClassVar[str] = "asked"
    Config: ClassVar[type[DriverConfig]] = FastConfig
    reads: ClassVar[list[tuple[int, ...]]] = []

    @classmethod
    def parse(cls, text: str, config: Any) -> str:
        return text

    async def open(self) -> None:
        pass

    async def bind(self, tags):
        return [BindResult(tag.handle) for tag in tags]

    async def read(self, handles):
        Asked.reads.append(handles)
        return [(handle, len(Asked.reads), 192, 0) for handle in handles]

    async def close(self) -> None:
        pass


class Supervised:
    """A supervisor that runs."""

    def __init__(self, driver_class, **settings: Any) -> None:
        self.current: list[tuple] = []
        self.states: list[ConnectionState] = []
        tags = [BoundTag(n, n, DataType.INT32, 0.1) for n in (1, 2)]
        self.supervisor = ConnectionSupervisor(
            Connection("fast://press", driver_class.name, FastConfig()),
            driver_class,
            tags,
            self.current.extend,
            self.states.append,
            **settings,
        )

    async def __aenter__(self):
        self.task = asyncio.create_task(self.supervisor.run())
        async with asyncio.timeout(5):
            while not self.current:
                await asyncio.sleep(0.01)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


async def test_scans_are_left_out_while_nobody_takes_their_values():
    """They are counted apart from overruns, which are the device's; it is not taken for dead."""
    full = False
    async with Supervised(Asked, is_full=lambda: full, grace_s=0.5) as watched:
        full = True
        await asyncio.sleep(0.2)
        count = len(Asked.reads)
        await asyncio.sleep(1.0)
        assert count == len(Asked.reads)
        assert [ConnectionState.UP] == watched.states
        full = False
        await asyncio.sleep(0.5)
        assert len(Asked.reads) > count
        assert watched.supervisor.health.stretched >= 8
        assert watched.supervisor.health.overruns <= 2


async def test_tags_are_read_out_of_turn():
    """The device is asked at once, in one and the same object for the same tags; ours is the time."""
    async with Supervised(Asked) as watched:
        before = len(watched.current)
        ((handle, value, quality, at),) = await watched.supervisor.read_now([2])
        assert (2, 192) == (handle, quality)
        assert value > 1
        assert abs(at - now_ms()) < 2000
        await watched.supervisor.read_now([2])
        first, second = [one for one in Asked.reads if one == (2,)][-2:]
        assert first is second
        assert len(watched.current) - before <= 4, "what was asked is not handed on"


async def test_a_source_that_only_reports_cannot_be_asked():
    """Unless its driver says otherwise; nor can one that is not connected."""
    async with Supervised(Fast) as watched:
        with pytest.raises(DeviceError, match="fast cannot read out of turn"):
            await watched.supervisor.read_now([1])
    with pytest.raises(DeviceError, match="is not connected"):
        await watched.supervisor.read_now([1])
