"""The demo: a simulated plant, a broker, everything above them, and an ERP to talk to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Container, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uns.errors import BrokerError, DeviceError, TargetError
from uns.mqtt import Broker, connect
from uns.project.project import Project
from uns.service.broker import EmbeddedBroker, MosquittoBroker
from uns.service.runtime import Runtime
from uns.sim.control import controlled
from uns.sim.erp import ErpStandIn, OrderTotals
from uns.sim.move import moved
from uns.sim.plant import SimulatedPlant
from uns.store.lock import only_user

__all__ = ["Demo", "DemoSettings", "Summary", "differences"]

log = logging.getLogger("uns.demo")

MQTT_PORT, ERP_PORT = 1883, 8095
DELIVER_S = 20.0  # how long the last confirmations may take once the plant has stopped
MANY_TOPICS = 500

LoadProject = Callable[[Mapping[str, str]], Project]


@dataclass(frozen=True, slots=True)
class DemoSettings:
    """How to run the demo. `port` None is 1883, or a free one; `broker` is a kind or a URL."""

    folder: Path
    port: int | None = None
    broker: str = "embedded"
    seed: int = 1
    speed: float = 1.0


@dataclass(frozen=True, slots=True)
class Summary:
    """Where the demo stands. `differences` is empty when the ERP knows what the plant made."""

    seconds: float
    sites: int
    protocols: tuple[str, ...]
    machines: int
    machines_online: int
    topics: int
    topics_live: int
    seconds_to_many: float | None  # until more than MANY_TOPICS were live
    metrics_in: int
    values_out: int
    flagged: int
    quarantined: int
    confirmations: int
    orders: int
    good: int
    bad: int
    differences: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """One sentence on the ERP's books, for a plant that stands still."""
        if self.differences:
            orders = len(self.differences)
            return f"the ERP is wrong about {orders} order{'s' * (orders > 1)}"
        if not self.orders:
            return "the plant made nothing yet, and the ERP knows of nothing"
        return "the ERP knows exactly what the plant made"


class Demo:
    """Everything at once in this process; made by `Demo.open`, ended by leaving it."""

    def __init__(
        self, project: Project, plant: SimulatedPlant, erp: ErpStandIn, runtime: Runtime, url: str
    ) -> None:
        """Use `Demo.open`."""
        self.project = project
        self.plant = plant
        self.erp = erp
        self.runtime = runtime
        self.url = url
        self.notes: list[str] = []
        classes = {route.for_each.class_ for route in project.routes}
        #: The topics of the machines whose orders the ERP is told of.
        self.confirmed = {m.topic.text for m in project.machines if classes & set(m.lineage)}
        self._began = time.monotonic()
        self._seconds_to_many: float | None = None
        self._task: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: DemoSettings, load: LoadProject) -> AsyncIterator[Demo]:
        """Start ERP, plant, broker and runtime; on leaving, stop them in the right order.

        Raises BrokerError where a port was asked for and is taken, where Mosquitto is not there
        or a broker does not answer; StorageError where another demo uses the folder.
        """
        notes: list[str] = []
        async with AsyncExitStack() as stack:
            stack.enter_context(only_user(settings.folder, "demo"))
            stack.enter_context(only_user(settings.folder, "plant"))
            erp = await _erp(stack, notes)
            project = load({"AURORA_ERP_URL": erp.url})
            project, plant = await _serve(project, settings, stack, notes)
            await stack.enter_async_context(controlled(plant.faults, settings.folder))
            url = await _broker(settings, stack, notes)
            runtime = Runtime(project, [Broker.parse(url)], settings.folder)
            demo = cls(project, plant, erp, runtime, url)
            demo.notes = notes
            demo._task = asyncio.create_task(runtime.run(), name="demo:runtime")
            try:
                yield demo
            finally:
                demo._task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await demo._task

    async def wind_down(self) -> Summary:
        """Stop the machines and wait until the ERP has what they made; at most DELIVER_S."""
        await self.plant.wind_down()
        deadline = time.monotonic() + DELIVER_S
        while time.monotonic() < deadline and self.differences():
            self.check()
            await asyncio.sleep(0.25)
        return self.summary()

    def differences(self) -> list[str]:
        """Where the ERP's books and the plant's truth differ now."""
        return differences(self.plant.truth(), self.erp.machines_of, self.confirmed)

    def check(self) -> None:
        """Raise what ended the runtime, if something did."""
        if self._task is not None and self._task.done():
            self._task.result()

    def summary(self) -> Summary:
        """Where the demo stands now."""
        namespace, edges = self.runtime.namespace, self.runtime.bridge
        assert namespace is not None  # noqa: S101 - the demo runs every part
        assert edges is not None  # noqa: S101 - the demo runs every part
        health = namespace.health
        seconds = time.monotonic() - self._began
        if self._seconds_to_many is None and health.topics_live > MANY_TOPICS:
            self._seconds_to_many = round(seconds, 1)
        orders = self.erp.orders()
        booked = [told for order in orders for told in self.erp.machines_of(order).values()]
        return Summary(
            seconds=round(seconds, 1),
            sites=len({machine.site for machine in self.project.machines}),
            protocols=tuple(sorted({c.driver for c in self.project.connections.values()})),
            machines=len(self.project.machines),
            machines_online=health.machines_online,
            topics=self.project.tag_count,
            topics_live=health.topics_live,
            seconds_to_many=self._seconds_to_many,
            metrics_in=health.metrics_in,
            values_out=health.values_out,
            flagged=health.flagged,
            quarantined=health.quarantined,
            confirmations=self.erp.confirmations_received,
            orders=len(orders),
            good=sum(totals.good for totals in booked),
            bad=sum(totals.bad for totals in booked),
            differences=tuple(self.differences()),
        )


def differences(
    truth: Mapping[str, Any],
    booked: Callable[[str], Mapping[str, OrderTotals]],
    machines: Container[str],
) -> list[str]:
    """Where the ERP's totals and the plant's own differ, one sentence each.

    `booked` gives what each machine has told of an order, by the order's id. `machines` are the
    topics of those that the ERP is told of. Totals are compared, and the
    sum of the single confirmations too: one that was booked twice would show.
    """
    made = [
        (topic, record)
        for line in truth["lines"].values()
        for topic, machine in line["machines"].items()
        if topic in machines
        for record in machine["orders"].values()
        if record["good"] or record["bad"]
    ]
    compared = (_difference(topic, record, booked(record["id"])) for topic, record in made)
    return [sentence for sentence in compared if sentence]


def _difference(topic: str, made: Mapping[str, Any], booked: Mapping[str, OrderTotals]) -> str:
    order = f"{topic}: order {made['id']}"
    told = booked.get(topic)
    if told is None:
        return f"{order} was never confirmed"
    truth = (made["good"], made["bad"])
    if (told.good, told.bad) != truth:
        return f"{order} made {truth} good and bad, the ERP has {(told.good, told.bad)}"
    if (told.good_steps, told.bad_steps) != truth:
        return (
            f"{order} made {truth}, its confirmations add up to {(told.good_steps, told.bad_steps)}"
        )
    if made["ended"] and told.state != "Completed":
        return f"{order} is finished, for the ERP it is {told.state}"
    return ""


async def _serve(
    project: Project, settings: DemoSettings, stack: AsyncExitStack, notes: list[str]
) -> tuple[Project, SimulatedPlant]:
    """The plant on its own ports, or on free ones where another demo has them."""
    for attempt in (project, moved(project)):
        plant = SimulatedPlant(
            attempt,
            seed=settings.seed,
            speed=settings.speed,
            truth_path=settings.folder / "truth.json",
            home=settings.folder,
        )
        try:
            await stack.enter_async_context(plant)
        except DeviceError as error:
            taken = error
            continue
        if attempt is not project:
            notes.append(f"{taken}; the plant uses free ports instead")
        return attempt, plant
    raise taken


async def _broker(settings: DemoSettings, stack: AsyncExitStack, notes: list[str]) -> str:
    """Start the broker that was asked for, or name the one that runs already."""
    if settings.broker not in ("embedded", "mosquitto"):
        await _answers(settings.broker)
        return settings.broker
    for port in (MQTT_PORT, 0) if settings.port is None else (settings.port,):
        made: MosquittoBroker | EmbeddedBroker = EmbeddedBroker(port)
        if settings.broker == "mosquitto":
            made = MosquittoBroker(port, settings.folder / "mosquitto")
        try:
            await stack.enter_async_context(made)
        except BrokerError:
            if settings.port is not None or not port or _is_free(port):
                raise
            notes.append(f"port {port} is in use; MQTT takes a free one")
        else:
            return made.url
    raise AssertionError("the last attempt returns or raises")


async def _erp(stack: AsyncExitStack, notes: list[str]) -> ErpStandIn:
    """The ERP stand-in on its own port, or on a free one."""
    try:
        return await stack.enter_async_context(ErpStandIn("127.0.0.1", ERP_PORT))
    except TargetError:
        notes.append(f"port {ERP_PORT} is in use; the ERP stand-in takes a free one")
        return await stack.enter_async_context(ErpStandIn("127.0.0.1", 0))


async def _answers(url: str) -> None:
    """Raise BrokerError where a broker that should be there is not, or refuses us."""
    session = await connect(Broker.parse(url), f"uns-demo-{secrets.token_hex(4)}")
    await session.close()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
