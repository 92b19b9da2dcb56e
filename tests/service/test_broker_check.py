"""The broker check: refusals by name, limits, clocks, and brokers that hide what they refuse."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from uns.cli.catalogue import catalogue
from uns.equipment import Connection, Source
from uns.errors import BrokerError
from uns.message import Message
from uns.mqtt import Broker, connect
from uns.project.load import load
from uns.project.project import Project
from uns.service.broker import MosquittoBroker
from uns.service.broker_check import _limits, _slow, check_brokers
from uns.service.live_check import LiveFinding

pytestmark = pytest.mark.slow

PROJECT = """\
enterprise: acme
types: {clock: {tags: {half: {type: Double, calc: "1 / 2"}}}}
instances: [{path: leeds/packaging/line1/clock, is: clock}]
"""
VALUE = "acme/leeds/packaging/line1/clock/half"
BIRTH_BYTES = len("half") + len(VALUE) + 100
PLUGIN = next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"), None)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """One machine with one tag."""
    (tmp_path / "plant.yaml").write_text(PROJECT)
    found = load(tmp_path / "plant.yaml", catalogue()).project
    assert found is not None
    return found


@pytest.fixture
async def mosquitto() -> AsyncIterator[Callable[..., Any]]:
    """Start brokers with further settings."""
    async with AsyncExitStack() as stack:

        async def start(*settings: str) -> Broker:
            broker = MosquittoBroker(settings=settings)
            try:
                await stack.enter_async_context(broker)
            except BrokerError as error:
                pytest.skip(f"needs the Debian package mosquitto: {error}")
            return Broker.parse(broker.url)

        yield start


async def _asked(project: Project, broker: Broker) -> tuple[list[LiveFinding], list[str]]:
    answers = await check_brokers(
        project, [(Connection("plant", "mqtt", None), broker)], within_s=20
    )
    return answers.findings, answers.not_asked


def _dynamic_security(folder: Path) -> list[str]:
    """A Mosquitto whose role may read STATE only: it refuses subscriptions, not messages alone."""
    assert PLUGIN is not None
    path = folder / "security.json"
    subprocess.run(
        ["mosquitto_ctrl", "dynsec", "init", str(path), "admin", "admin"],
        check=True, timeout=20, stdin=subprocess.DEVNULL, capture_output=True,
    )  # fmt: skip
    path.chmod(0o666)
    security = json.loads(path.read_text())
    every = {"priority": 0, "allow": True}
    acls = [
        {"acltype": "publishClientSend", "topic": "#", **every},
        {"acltype": "publishClientReceive", "topic": "#", **every},
        {"acltype": "subscribePattern", "topic": "spBv1.0/STATE/#", **every},
    ]
    security["roles"].append({"rolename": "guest", "acls": acls})
    security["groups"] = [{"groupname": "guests", "roles": [{"rolename": "guest"}], "clients": []}]
    security["anonymousGroup"] = "guests"
    path.write_text(json.dumps(security))
    return [f"plugin {PLUGIN}", f"plugin_opt_config_file {path}"]


@pytest.mark.skipif(PLUGIN is None, reason="needs Mosquitto's dynamic security plugin")
async def test_refused_subscriptions_are_told_by_name(
    project: Project, mosquitto: Callable[..., Any], tmp_path: Path
) -> None:
    """Both filters of ours, and nothing is said of what cannot be seen then."""
    tmp_path.chmod(0o777)
    found, not_asked = await _asked(project, await mosquitto(*_dynamic_security(tmp_path)))
    assert [("UNS531", "acme/#"), ("UNS531", "spBv1.0/#")] == [
        (one.code, one.message.split("`")[1]) for one in found
    ]
    assert ["whether messages come through, and clocks"] == [
        sentence.split(": ")[1] for sentence in not_asked
    ]


@pytest.mark.parametrize(
    ("hours", "way"), [(1, "60 min ahead of our clock"), (-1, "60 min behind our clock"), (0, "")]
)
async def test_clocks_are_compared_by_fresh_values(
    project: Project, mosquitto: Callable[..., Any], hours: int, way: str
) -> None:
    """What was retained before says nothing; what comes in does, the old only if all is old."""
    broker = await mosquitto()
    session = await connect(broker, "device")

    async def publish() -> None:
        while True:
            at = (datetime.now(UTC) + timedelta(hours=hours)).isoformat()
            said = json.dumps({"value": 1, "quality": "Good", "timestamp": at}).encode()
            topics = [VALUE, *(f"{VALUE}{number}" for number in range(5))]
            await session.publish_all([Message(topic, said, retain=True) for topic in topics])
            await asyncio.sleep(0.1)

    old = b'{"value": 1, "quality": "Good", "timestamp": "2001-01-01T00:00:00Z"}'
    await session.publish(Message("acme/leeds/old", old, qos=1, retain=True))
    device = asyncio.create_task(publish())
    found, not_asked = await _asked(project, broker)
    device.cancel()
    await asyncio.wait([device])
    await session.close()
    assert ([], ["UNS535"] if way else []) == (not_asked, [one.code for one in found])
    assert not way or found[0].message.endswith(way)


async def test_our_message_is_not_kept(project: Project, mosquitto: Callable[..., Any]) -> None:
    """After a check the broker holds nothing that it did not hold before."""
    broker = await mosquitto()
    await _asked(project, broker)
    session = await connect(broker, "reader")
    await session.subscribe([("acme/#", 0)])
    batches = aiter(session.batches())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(batches), 0.5)
    await session.close()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({}, []),
        ({"maximum_packet_size": BIRTH_BYTES, "retain_available": 1}, []),
        ({"maximum_packet_size": BIRTH_BYTES - 1}, [True]),
        ({"retain_available": 0, "max_qos": 0}, [True, True]),
        ({"max_qos": 1}, []),
        ({"server_keep_alive": 2}, []),
        ({"server_keep_alive": 60}, [False]),
        ({"server_keep_alive": 0}, [False]),
    ],
)
def test_which_limits_hurt(project: Project, said: dict[str, int], told: list[bool]) -> None:
    """An error where something cannot get through, a warning where it is late."""
    assert told == [is_error for *_, is_error in _limits(said, project)]


@pytest.mark.parametrize(("took_s", "is_told"), [(0.001, False), (3.0, True)])
def test_a_narrow_window_hurts_on_a_long_way(
    project: Project, took_s: float, *, is_told: bool
) -> None:
    """Two under way: enough for a tag a second next door, not over a satellite."""
    machine = project.machines[0]
    source = Source("plc", None, "hr:1")
    tag = replace(machine.tags[0], deliver_every=True, scan_s=1.0, source=source)
    asked = replace(project, machines=(replace(machine, tags=(tag,)),))
    assert is_told == bool(_slow(2, took_s, asked))
