"""`uns drift` and `uns plan --from live` against a real broker."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from uns.cli.catalogue import catalogue
from uns.message import Message
from uns.mqtt import Broker, connect
from uns.namespace import Namespace
from uns.project.load import load
from uns.service.broker import MosquittoBroker

pytestmark = pytest.mark.slow

ACME = Path(__file__).parents[2] / "config/acme"
AT = "2026-01-08T10:30:00.000Z"


@pytest.fixture
async def shown():
    """A broker that shows the example plant as its files are, every value Good."""
    project = load(ACME, catalogue()).project
    assert project is not None
    values = [
        Message(
            tag.topic.text,
            json.dumps(
                {"value": 1, "quality": "Good", "timestamp": AT}
                | ({"unit": tag.unit} if tag.unit else {})
            ).encode(),
            1,
            retain=True,
        )
        for machine in project.machines
        for tag in machine.tags
    ]
    async with MosquittoBroker() as broker:
        session = await connect(Broker.parse(broker.url), "publisher")
        await session.publish_all([*Namespace("acme", project.machines).definitions(), *values])
        yield broker.url, session
        await session.close()


async def test_a_tree_and_its_project_agree(shown, uns) -> None:
    """What the namespace made of the files has neither drift nor plan."""
    url, _ = shown
    drift = await asyncio.to_thread(uns, "drift", ACME, "-b", url)
    assert (0, f"drift: none (on {url.removeprefix('mqtt://')})\n") == (drift.code, drift.out)
    plan = await asyncio.to_thread(uns, "plan", ACME, "-b", url, "--from", "live")
    assert (0, True) == (plan.code, plan.out.startswith("plan: no changes (from the live tree on"))


async def test_drift_is_listed_and_an_exit_code(shown, uns) -> None:
    """A removed value, a stranger and a ghost are there, for people and for programs."""
    url, session = shown
    line = "acme/leeds/packaging/line1"
    await session.publish_all(
        [
            Message(f"{line}/filler/speed", b"", 1, retain=True),
            Message(f"{line}/filler/extra", _value("Good"), 1, retain=True),
            Message(f"{line}/labeller/speed", _value("Uncertain"), 1, retain=True),
        ]
    )
    found = await asyncio.to_thread(uns, "drift", ACME, "-b", url)
    assert (1, True) == (found.code, found.out.startswith("drift: 1 silent, 1 undeclared, 1 ghost"))
    data = json.loads((await asyncio.to_thread(uns, "drift", ACME, "-b", url, "--json")).out)
    assert {
        ("silent", f"{line}/filler/speed"),
        ("undeclared", f"{line}/filler/extra"),
        ("ghost", f"{line}/labeller/speed"),
    } == {(row["kind"], row["topic"]) for row in data["drift"]}


async def test_another_project_on_the_same_broker_is_let_be(shown, uns, tmp_path) -> None:
    """A project of one site neither misses nor clears what another has at the next."""
    url, _ = shown
    (tmp_path / "leeds.yaml").write_text(
        (ACME / "plant.yaml")
        .read_text()
        .partition("overrides:")[0]
        .replace("leeds, porto", "leeds")
    )
    drift = await asyncio.to_thread(uns, "drift", tmp_path, "-b", url)
    assert (0, True) == (drift.code, "drift: none" in drift.out)
    assert "sites that the project does not have: porto" in drift.err
    applied = await asyncio.to_thread(uns, "apply", tmp_path, "-b", url, "--yes", "--clear-ghosts")
    assert (0, True) == (applied.code, "0 topics cleared" in applied.out)


async def test_without_a_broker_it_says_so(uns, free_port) -> None:
    """No broker is a sentence and exit code 1, and no drift is claimed."""
    found = await asyncio.to_thread(uns, "drift", ACME, "-b", f"mqtt://127.0.0.1:{free_port()}")
    assert (1, "") == (found.code, found.out)
    assert "Traceback" not in found.err


def _value(quality: str) -> bytes:
    return json.dumps({"value": 7, "quality": quality, "timestamp": AT}).encode()
