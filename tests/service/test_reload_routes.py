"""Routes that change while they run, between a real broker and two ERPs."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from uns.cli.catalogue import catalogue
from uns.message import Message
from uns.mqtt import Broker, Session, connect
from uns.project.load import load
from uns.project.project import Project
from uns.route.words import RouteWords
from uns.service.broker import MosquittoBroker
from uns.service.runtime import Part, Runtime
from uns.sim.erp import ErpStandIn

pytestmark = pytest.mark.slow

AURORA = Path(__file__).parent.parent.parent / "config/aurora"
FILLER = "aurora/leeds/packaging/line1/filler"
NAMES = {"order": "order/id", "sg": "order/start_good", "sb": "order/start_bad"}
Until = Callable[[Callable[[], object], str], Any]


def project(url: str, *names: str, every: int = 10) -> Project:
    """The demo's project with quick confirmations to an ERP, once for each name."""
    found = load(AURORA, catalogue(), environment={"AURORA_ERP_URL": url}).project
    assert found is not None
    confirm = found.templates["confirm"]
    counter = confirm.trigger.counter.model_copy(update={"settle": "500ms"})
    trigger = confirm.trigger.model_copy(update={"counter": counter})
    words = {"use": "confirm", "for_each": {"class": "filler"}, "with": {"every": every}}
    return dataclasses.replace(
        found,
        templates={"confirm": confirm.model_copy(update={"trigger": trigger})},
        routes=tuple(RouteWords.model_validate(words | {"name": name}) for name in names),
    )


class Rig:
    """Routes that run, a filler as the tree shows it, and two ERPs."""

    def __init__(self, runtime: Runtime, session: Session, erps: list[ErpStandIn]) -> None:
        self.runtime = runtime
        self.session = session
        self.erps = erps

    async def shows(self, **values: Any) -> None:
        """Publish values as the namespace does, in this order."""
        for short, value in values.items():
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            payload = {"value": value, "quality": "Good", "timestamp": now}
            topic = f"{FILLER}/{NAMES.get(short, short)}"
            await self.session.publish(Message(topic, json.dumps(payload).encode(), 1, True))

    def booked(self, number: int, order: str = "A") -> int:
        """How many good bottles of an order an ERP knows of."""
        totals = self.erps[number].machines_of(order).get(FILLER)
        return totals.good if totals else 0


@pytest.fixture
async def rig(mosquitto: MosquittoBroker, tmp_path: Path, until: Until) -> AsyncIterator[Rig]:
    """Order A has begun, and its first 40 bottles are confirmed."""
    async with contextlib.AsyncExitStack() as stack:
        erps = [await stack.enter_async_context(ErpStandIn(port=0)) for _ in range(2)]
        broker = Broker.parse(mosquitto.url)
        session = await connect(broker, "plant")
        runtime = Runtime(
            project(erps[0].url, "one"), [broker], tmp_path / "state", parts=[Part.ROUTES]
        )
        made = Rig(runtime, session, erps)
        await made.shows(sg=1000, sb=10, order="A", good=1000, bad=10)
        task = asyncio.create_task(runtime.run())
        await made.shows(good=1040)
        await until(lambda: made.booked(0) == 40, "the first confirmation")
        try:
            yield made
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await session.close()


async def test_a_changed_route_goes_on_from_what_it_had_counted(rig: Rig, until: Until) -> None:
    """More often now, and no bottle of the order is counted twice or left out."""
    await rig.runtime.change(project(rig.erps[0].url, "one", every=3))
    await asyncio.sleep(1)
    await rig.shows(good=1044)
    await until(lambda: rig.booked(0) == 44, "a confirmation after four bottles")
    await rig.shows(sg=1050, sb=10, order="B", good=1050)
    await until(lambda: rig.booked(0) == 50, "the end of the order")


async def test_another_target_gets_what_comes_from_now_on(rig: Rig, until: Until) -> None:
    """The same route to another ERP: the totals go on, and the first ERP hears no more."""
    await rig.runtime.change(project(rig.erps[1].url, "one"))
    await rig.shows(good=1060)
    await until(lambda: rig.booked(1) == 60, "the total at the other ERP")
    assert 40 == rig.booked(0)


async def test_a_route_that_comes_leaves_the_others_alone(rig: Rig, until: Until) -> None:
    """The first route is the very object it was; a second one begins and leaves beside it."""
    assert rig.runtime.routes is not None
    before = {route.key: route for route in rig.runtime.routes.routes}
    await rig.runtime.change(project(rig.erps[0].url, "one", "two"))
    now = {route.key: route for route in rig.runtime.routes.routes}
    assert 2 * len(before) == len(now)
    assert before == {key: route for key, route in now.items() if key in before}
    await rig.shows(good=1060)
    await until(lambda: rig.booked(0) == 60, "a confirmation of both")
    await rig.runtime.change(project(rig.erps[0].url, "one"))
    assert before == {route.key: route for route in rig.runtime.routes.routes}
    await rig.shows(good=1080)
    await until(lambda: rig.booked(0) == 80, "a confirmation of the one that stayed")
