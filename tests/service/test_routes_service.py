"""Routes between a real broker and an ERP that misbehaves: what was made is what it knows."""

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

from bridges import DRIVERS, get_driver
from uns.errors import BrokerError, TargetError
from uns.message import Message
from uns.mqtt import Broker, Session, connect
from uns.project.catalogue import Catalogue
from uns.project.load import load
from uns.route.words import RouteWords
from uns.service.broker import MosquittoBroker
from uns.service.routes import RouteService
from uns.sim.erp import ErpStandIn
from uns.store.outbox import Outbox
from uns.target import get_target

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
FILLER = "aurora/leeds/packaging/line1/filler"
QUICK = {"use": "confirm", "for_each": {"class": "filler"}, "with": {"every": 10, "at_most": "1s"}}


async def until(condition: Callable[[], Any], deadline_s: float = 15.0) -> Any:
    """Wait for something to be true."""
    async with asyncio.timeout(deadline_s):
        while not (found := condition()):
            await asyncio.sleep(0.05)
        return found


@pytest.fixture
async def broker() -> AsyncIterator[MosquittoBroker]:
    """Mosquitto on a free port."""
    made = MosquittoBroker()
    try:
        await made.__aenter__()
    except BrokerError as error:
        pytest.skip(f"needs the Debian package mosquitto: {error}")
    try:
        yield made
    finally:
        await made.__aexit__(None, None, None)


class Plant:
    """A filler as the namespace shows it, and whoever listens to the tree."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.heard: dict[str, list[Any]] = {}
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        with contextlib.suppress(BrokerError):
            async for batch in self.session.batches():
                for message in batch:
                    self.heard.setdefault(message.topic, []).append(json.loads(message.payload))

    async def shows(self, **values: Any) -> None:
        """Publish values as the namespace does, in this order."""
        names = {"order": "order/id", "sg": "order/start_good", "sb": "order/start_bad"}
        for short, value in values.items():
            now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
            payload = {"value": value, "quality": "Good", "timestamp": now}
            topic = f"{FILLER}/{names.get(short, short)}"
            await self.session.publish(Message(topic, json.dumps(payload).encode(), 1, True))

    def flow(self) -> dict[str, Any]:
        """The newest health of the flow."""
        told = self.heard.get("aurora/_flow/leeds/confirm")
        return told[-1] if told else {}

    async def is_counted(self) -> None:
        """Wait until the filler's route is past its settling; the two other lines never are."""
        await until(lambda: self.flow().get("machines_waiting") == 2)

    async def close(self) -> None:
        """Leave."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.session.close()


@pytest.fixture
async def plant(broker: MosquittoBroker) -> AsyncIterator[Plant]:
    """The filler has begun order A at 1000 good and 10 bad."""
    session = await connect(Broker.parse(broker.url), "plant")
    await session.subscribe([("aurora/_flow/#", 1), (f"{FILLER}/_job/response", 1)])
    made = Plant(session)
    await made.shows(sg=1000, sb=10, order="A", good=1000, bad=10)
    yield made
    await made.close()


@pytest.fixture
async def erp(tmp_path: Path) -> AsyncIterator[ErpStandIn]:
    """An ERP that remembers."""
    async with ErpStandIn(port=0, file=tmp_path / "erp.jsonl") as stand_in:
        yield stand_in


@pytest.fixture
def running(broker: MosquittoBroker, tmp_path: Path) -> Any:
    """A context in which the demo project's routes run, with the ERP at a URL."""
    drivers = {name: get_driver(name) for name in DRIVERS}
    catalogue = Catalogue(drivers, {name: get_target(name) for name in ("http", "file")})

    @contextlib.asynccontextmanager
    async def run(url: str) -> AsyncIterator[RouteService]:
        project = load(
            ROOT / "config/aurora", catalogue, environment={"AURORA_ERP_URL": url}
        ).project
        assert project is not None
        confirm = project.templates["confirm"]
        counter = confirm.trigger.counter.model_copy(update={"settle": "500ms"})
        trigger = confirm.trigger.model_copy(update={"counter": counter})
        project = dataclasses.replace(
            project,
            templates={"confirm": confirm.model_copy(update={"trigger": trigger})},
            routes=(RouteWords.model_validate(QUICK),),
        )
        service = RouteService(
            project, project.machines, Broker.parse(broker.url), tmp_path / "state"
        )
        task = asyncio.create_task(service.run())
        try:
            yield service
        finally:
            task.cancel()
            async with asyncio.timeout(5):
                await asyncio.gather(task, return_exceptions=True)
            assert task.cancelled()

    return run


def booked(erp: ErpStandIn, order: str) -> tuple[int, int, str] | None:
    """(good, bad, state) of an order."""
    totals = erp.machines_of(order).get(FILLER)
    return (totals.good, totals.bad, totals.state) if totals else None


async def test_what_is_counted_is_confirmed_archived_and_told(
    running: Any, plant: Plant, erp: ErpStandIn, tmp_path: Path
) -> None:
    """ERP, archive and tree get the same message; the flow's health says that all is well."""
    async with running(erp.url):
        await plant.shows(good=1040, bad=12)
        await until(lambda: booked(erp, "A") == (40, 2, "Running"))
        await plant.shows(sg=1050, sb=12, order="B")
        await until(lambda: booked(erp, "A") == (50, 2, "Completed"))
        events = (
            await until(lambda: len(plant.heard.get(f"{FILLER}/_job/response", [])) == 2)
            and (plant.heard[f"{FILLER}/_job/response"])
        )
        await until(lambda: plant.flow().get("delivered") == 4)
    files = [json.loads(f.read_text()) for f in (tmp_path / "state/confirmations").glob("*.json")]
    key = lambda event: event["id"]  # noqa: E731
    assert sorted(events, key=key) == sorted(files, key=key)
    assert ("running", 0, 0) == tuple(plant.heard["aurora/_flow/leeds/confirm"][-2][k] for k in (
        "state", "depth", "dead"
    ))  # fmt: skip
    await until(lambda: plant.flow()["state"] == "stopped")


async def test_lost_answers_and_a_busy_erp_change_nothing(
    running: Any, plant: Plant, erp: ErpStandIn
) -> None:
    """Booked twice is counted once; refused for now is sent again."""
    erp.faults.lose_answers = 1
    erp.faults.drop_requests = 1
    async with running(erp.url):
        await plant.is_counted()
        for step in range(1, 4):
            await plant.shows(good=1000 + 25 * step)
            await asyncio.sleep(0.3)
            erp.faults.busy += step % 2
        await plant.shows(sg=1075, sb=10, order="B", good=1105)
        await until(lambda: booked(erp, "B") == (30, 0, "Running"), 30)
    assert (75, 0, "Completed") == booked(erp, "A")
    steps = erp.machines_of("A")[FILLER]
    assert (75, 0) == (steps.good_steps, steps.bad_steps)
    assert erp.duplicates >= 1


async def test_a_dead_target_holds_up_no_other_and_is_served_when_it_is_back(
    running: Any, plant: Plant, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The archive has the message at once; the ERP within seconds of its return."""
    caplog.set_level("INFO", "uns.routes")
    async with ErpStandIn(port=0) as first:
        port = first.port
    async with running(f"http://127.0.0.1:{port}/confirmations"):
        await plant.shows(good=1040)
        await until(lambda: len(list((tmp_path / "state/confirmations").glob("*"))) == 1)
        await until(lambda: plant.flow().get("state") == "retrying")
        assert "down" == plant.flow()["targets"]["erp"]["state"]
        assert "cannot be reached" in plant.flow()["last_error"]
        await plant.shows(good=1060)
        await asyncio.sleep(4)
        async with ErpStandIn(port=port) as erp:
            await until(lambda: booked(erp, "A") == (60, 0, "Running"), 8)
            await until(lambda: plant.flow().get("state") == "running")
            assert (2, 0) == (erp.confirmations_received, erp.duplicates)
    said = [record.getMessage() for record in caplog.records if "target erp" in record.getMessage()]
    assert ["does not take messages", "takes messages again"] == [
        next(part for part in ("does not take messages", "takes messages again") if part in line)
        for line in said
    ]


async def test_a_restart_between_storing_and_sending_sends_once(
    running: Any, plant: Plant, tmp_path: Path
) -> None:
    """What was stored before the end is delivered after it."""
    async with ErpStandIn(port=0) as first:
        port = first.port
    url = f"http://127.0.0.1:{port}/confirmations"
    async with running(url):
        await plant.shows(good=1040)
        await until(lambda: plant.flow().get("depth") == 1)
    async with ErpStandIn(port=port) as erp, running(url):
        await until(lambda: booked(erp, "A") == (40, 0, "Running"))
        await asyncio.sleep(1.5)
        assert (1, 0) == (erp.confirmations_received, erp.duplicates)


async def test_orders_that_come_and_go_while_we_are_down_are_all_confirmed(
    running: Any, plant: Plant, erp: ErpStandIn
) -> None:
    """The broker keeps our session: no order in between is lost, however many."""
    async with running(erp.url):
        await plant.shows(good=1040)
        await until(lambda: booked(erp, "A") == (40, 0, "Running"))
    for number, order in enumerate("BCD", start=1):
        await plant.shows(sg=1000 + 100 * number, good=1000 + 100 * number, order=order)
        await asyncio.sleep(0.6)  # an order lasts longer than it takes to begin
    async with running(erp.url):
        await until(lambda: booked(erp, "C") == (100, 0, "Completed"))
        await plant.shows(good=1320)
        await until(lambda: booked(erp, "D") == (20, 0, "Running"))
    assert [(100, 0, "Completed")] * 3 == [booked(erp, order) for order in "ABC"]


async def test_a_full_disk_is_waited_out(
    running: Any, plant: Plant, erp: ErpStandIn, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is lost, the reason is told once, and it goes on when there is space."""
    async with running(erp.url) as service:
        await plant.is_counted()
        outbox: Outbox = service._box._outbox
        connection = outbox._database._connection
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages}")
        good = 1000
        while not service._box.problem:  # pages that are there have room for a few
            good += 20
            await plant.shows(good=good)
            await asyncio.sleep(0.1)
        booked_before = erp.confirmations_received
        await plant.shows(good=good + 50)
        await asyncio.sleep(1)
        assert booked_before == erp.confirmations_received
        connection.execute("PRAGMA max_page_count = 1000000")
        await until(lambda: booked(erp, "A") == (good - 950, 0, "Running"))
    told = [r.getMessage() for r in caplog.records if "disk is full" in r.getMessage()]
    assert 1 == len(told)
    assert "free space" in told[0]


async def test_a_broker_that_restarts_loses_nothing(
    running: Any, broker: MosquittoBroker, plant: Plant, erp: ErpStandIn
) -> None:
    """The session resumes, and what was counted meanwhile is confirmed."""
    async with running(erp.url):
        await plant.shows(good=1040)
        await until(lambda: booked(erp, "A") == (40, 0, "Running"))
        await broker.restart()
        again = Plant(await connect(Broker.parse(broker.url), "plant"))
        await again.shows(good=1090, bad=10, sg=1000, sb=10, order="A")
        await until(lambda: booked(erp, "A") == (90, 0, "Running"), 20)
        await again.close()


async def test_a_message_that_is_refused_for_good_is_shown_and_blocks_nothing(
    running: Any, plant: Plant, erp: ErpStandIn
) -> None:
    """It is counted as dead, with what the ERP said; the next is delivered."""
    erp.faults.refuse = 1
    async with running(erp.url):
        await plant.shows(good=1040)
        await until(lambda: plant.flow().get("dead") == 1)
        assert "problem" == plant.flow()["state"]
        await plant.shows(good=1080)
        await until(lambda: booked(erp, "A") == (80, 0, "Running"))


async def test_nonsense_on_a_topic_is_waited_out(
    running: Any, plant: Plant, erp: ErpStandIn
) -> None:
    """Bytes that are no value make the route wait for the next Good one."""
    async with running(erp.url):
        await plant.is_counted()
        await plant.session.publish(Message(f"{FILLER}/good", b"\xff{nonsense", 1))
        await plant.shows(bad=90)
        await asyncio.sleep(1.5)
        assert erp.confirmations_received == 0
        await plant.shows(good=1040)
        await until(lambda: booked(erp, "A") == (40, 80, "Running"))


async def test_the_stand_in_says_that_its_port_is_taken(erp: ErpStandIn) -> None:
    """And what to do."""
    with pytest.raises(TargetError, match=f"port {erp.port} is taken") as caught:
        await ErpStandIn(port=erp.port).__aenter__()
    assert "another port" in caught.value.hint


async def test_the_stand_in_remembers_what_it_booked(tmp_path: Path) -> None:
    """Over a restart the same key is known, and totals are there."""
    event = {
        "source": FILLER,
        "data": {
            "JobOrderID": "A",
            "JobState": "Running",
            "MaterialActuals": [{"MaterialUse": "Produced", "Quantity": 7}],
        },
    }
    file = tmp_path / "books.jsonl"
    import aiohttp

    for answer in (201, 409):
        async with ErpStandIn(port=0, file=file) as erp, aiohttp.ClientSession() as client:
            headers = {"Idempotency-Key": "k"}
            async with client.post(erp.url, json=event, headers=headers) as response:
                assert answer == response.status
            async with client.get(erp.url.replace("confirmations", "orders")) as response:
                assert 7 == (await response.json())["A"]["good"]
