"""`uns explain --broker`: the last value, and why it is not Good or not there at all."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from uns.cli.catalogue import catalogue
from uns.message import Message
from uns.mqtt import Broker, connect
from uns.project.load import load
from uns.service.broker import EmbeddedBroker
from uns.service.runtime import Part, Runtime
from uns.sim.modbus_server import ModbusServer

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FILLER = "acme/leeds/packaging/line1/filler"
PROJECT = """\
enterprise: acme
types:
  filler:
    tags:
      pressure: {{unit: bar, range: [0, 6]}}
      mode: {{states: {{1: idle, 2: running}}}}
      lost: {{unit: A}}
      bare: {{unit: A}}
bindings:
  plc:
    driver: modbus
    connection: {{host: 127.0.0.1, port: {port}}}
    tags: {{pressure: "hr:4 float32", mode: "hr:6 int16", lost: "hr:60000 int16"}}
instances: [{{path: leeds/packaging/line1/filler, is: filler, bind: plc}}]
"""
WAIT_S = 30


@dataclass
class Plant:
    """A PLC, a broker and a folder with their project."""

    plc: ModbusServer
    broker: EmbeddedBroker
    folder: Path

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run `uns run`'s own runtime for a while."""
        project = load(self.folder, catalogue()).project
        assert project is not None
        runtime = Runtime(
            project,
            [Broker.parse(self.broker.url)],
            self.folder / ".uns",
            parts=[Part.BRIDGES, Part.NAMESPACE],
        )
        task = asyncio.create_task(runtime.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def explain(self, topic: str, *options: str) -> tuple[int, str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("UNS_")}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "uns", "explain", topic, str(self.folder), *options,
            cwd=ROOT, env={**kept, "PYTHONPATH": str(ROOT), "UNS_BROKER": self.broker.url},
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with asyncio.timeout(WAIT_S):
            out, err = await process.communicate()
        return process.returncode or 0, out.decode(), err.decode()

    async def until_said(self, tag: str, sentence: str) -> str:
        """Ask until the answer holds a sentence."""
        out = ""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                while sentence not in out:
                    _, out, _ = await self.explain(f"{FILLER}/{tag}")
        assert sentence in out
        return out


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    """A plant where nothing runs yet."""
    async with ModbusServer(port=0, units=[1]) as plc, EmbeddedBroker() as broker:
        plc[1].set("hr", 4, 3.5, "float32")
        plc[1].set("hr", 6, 2, "int16")
        folder = tmp_path / "plant"
        folder.mkdir()
        (folder / "plant.yaml").write_text(PROJECT.format(port=plc.port))
        yield Plant(plc, broker, folder)


async def test_a_value_is_followed_through_its_life(plant: Plant) -> None:
    """Not there, Good, out of range, an unknown state, a refused address, stale: each has its why."""
    await plant.until_said("pressure", "no namespace service of `acme` ever ran on this broker")
    async with plant.running():
        out = await plant.until_said("pressure", "value       3.5 bar  Good")
        assert "why" not in out
        plant.plc[1].set("hr", 4, 9.5, "float32")
        await plant.until_said("pressure", "9.5 is outside of its range, 0 … 6 bar")
        plant.plc[1].set("hr", 6, 7, "int16")
        await plant.until_said("mode", "code 7 is none of its states (1, 2 …)")
        await plant.until_said("lost", "the device refuses it, calls it bad, or says what does not")
        await plant.until_said("bare", "nothing feeds it: no binding")
        await plant.plc.close()
        out = await plant.until_said("pressure", "it is old: nothing new since")
        assert f"{FILLER} is offline since" in out
    out = await plant.until_said("pressure", "the namespace service is off")
    assert "Uncertain (Stale)" in out


async def test_another_project_is_running(plant: Plant) -> None:
    """Where the running project says something else of the tag, that is said."""
    async with plant.running():
        await plant.until_said("pressure", "Good")
        text = PROJECT.replace("unit: bar", "unit: kPa").replace("hr:4 f", "hr:8 f")
        text = text.replace("      bare:", "      extra: {{calc: pressure * 2}}\n      bare:")
        (plant.folder / "plant.yaml").write_text(text.format(port=plant.plc.port))
        out = await plant.until_said("pressure", "there its unit is `bar`, here `kPa`")
        assert "there its address is `hr:4 float32`, here `hr:8 float32`" in out
        await plant.until_said("extra", "the running namespace service does not know this tag")


async def test_topics_that_others_own(plant: Plant) -> None:
    """A foreign device's topic, a ghost, an alias and a stranger's are told apart; exit code 0."""
    session = await connect(Broker.parse(plant.broker.url), "others")
    value = b'{"value":1,"quality":"Good","timestamp":"2026-01-08T10:30:00.123Z"}'
    ids = {"group_id": "G", "edge_node_id": "E", "device_id": "D", "metric": "m"}
    definitions: dict[str, dict[str, Any] | None] = {
        "acme/x/foreign": {"kind": "tag", "sparkplug": ids},
        "acme/x/ghost": {"kind": "tag", "machine": "acme/x"},
        "acme/x/moved": {"deprecated": {"moved_to": "acme/y", "until": "2026-02-01"}},
        "acme/x/stranger": None,
    }
    for topic, said in definitions.items():
        await session.publish(Message(topic, value, 1, retain=True))
        if said is not None:
            await session.publish(Message(f"{topic}/_meta", json.dumps(said).encode(), 1, True))
    sentences = {
        "acme/x/foreign": "a foreign Sparkplug device publishes it: G/E/D, metric m",
        "acme/x/ghost": "a ghost",
        "acme/x/moved": "it has moved to `acme/y`",
        "acme/x/stranger": "not our namespace service that wrote it",
    }
    for topic, sentence in sentences.items():
        code, out, _ = await plant.explain(topic)
        assert (0, True) == (code, sentence in out), out
    code, out, _ = await plant.explain("acme/x/ghost", "--json")
    assert (0, 1) == (code, json.loads(out)["last"]["value"]["value"])
    assert 3 == (await plant.explain("acme/x/nothing"))[0]
    await session.close()


async def test_the_last_value_as_json(plant: Plant) -> None:
    """`last` has the value, the definition, the states and the reasons."""
    async with plant.running():
        await plant.until_said("pressure", "Good")
        _, out, _ = await plant.explain(f"{FILLER}/pressure", "--json")
    last = json.loads(out)["last"]
    assert (3.5, "Good", "bar") == tuple(last["value"][key] for key in ("value", "quality", "unit"))
    assert "online" == last["states"][FILLER]["state"]
    assert ("bar", []) == (last["definition"]["unit"], last["reasons"])


async def test_no_broker_is_one_sentence(plant: Plant) -> None:
    """What the files say is told all the same; then exit code 1 and why."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code, out, err = await plant.explain(f"{FILLER}/pressure", "-b", f"mqtt://127.0.0.1:{port}")
    assert (1, True) == (code, "plant.yaml:5" in out)
    assert f"nothing answers at 127.0.0.1:{port}" in err
    assert "Traceback" not in err
