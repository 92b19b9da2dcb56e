"""`uns apply` in a plant that runs: an area is renamed, a tag added, a unit changed, and undone."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from contextlib import suppress
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from uns.errors import BrokerError
from uns.service.broker import MosquittoBroker

pytestmark = pytest.mark.slow

OLD, NEW = "acme/leeds/packaging/line1/filler", "acme/leeds/bottling/line1/filler"
BEFORE = """\
enterprise: acme
types:
  filler:
    version: 1
    tags:
      speed: {{unit: m/s, range: [0, 10], alarm: {{hi: 9}}}}
      good: {{type: UInt32, unit: "{{bottle}}", counter: true}}
      bad: {{type: UInt32, unit: "{{bottle}}", counter: true}}
bindings:
  plc:
    driver: modbus
    connection: {{host: 127.0.0.1, port: {port}}}
    tags: {{speed: "hr:0 float32", good: "hr:2 uint32", bad: "hr:4 uint32"}}
instances:
  - path: leeds/packaging/line1/filler
    is: filler
    bind: plc
consumers:
  sap: {{reads: [acme/leeds/packaging/+/filler/good], owner: finance}}
  dashboard: {{reads: ["acme/leeds/#"], owner: leeds}}
targets: {{archive: {{type: file, folder: out}}}}
templates:
  confirm:
    trigger: {{counter: {{tags: {{good: good}}, every: 1000000}}}}
    id: "= str(total.good)"
    message: job_response
    map: {{JobResponseID: "= id", JobOrderID: "= machine", JobState: "= state"}}
    deliver: [archive]
routes:
  - {{use: confirm, for_each: {{class: filler}}}}
"""
CHANGES = (
    ("path: leeds/packaging", "was: leeds/packaging/line1/filler\n    path: leeds/bottling"),
    ("speed: {unit: m/s", "speed: {unit: km/h"),
    ("version: 1", "version: 2"),
    ("    tags:\n      speed", '    tags:\n      yield: {unit: "%", calc: 100 * good / (good + bad)}\n      speed'),
)  # fmt: skip


class Reader:
    """An old consumer: it knows one topic, and holds the last of it."""

    def __init__(self, port: int, topic: str) -> None:
        self.came: list[bytes] = []
        self.client = paho.Client(CallbackAPIVersion.VERSION2)
        self.client.on_connect = lambda *_: self.client.subscribe(topic, 1)
        self.client.on_message = lambda _c, _u, message: self.came.append(message.payload)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    @property
    def last(self) -> dict:
        with suppress(IndexError, ValueError):
            return json.loads(self.came[-1])
        return {}

    def is_live(self) -> bool:
        return self.last.get("quality") == "Good"

    def grows(self, within_s: float = 30.0) -> bool:
        """Whether new Good values come."""
        count, deadline = len(self.came), time.monotonic() + within_s
        while time.monotonic() < deadline:
            if len(self.came) > count + 1 and self.is_live():
                return True
            time.sleep(0.1)
        return False

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
async def broker():
    """Mosquitto, as we configure it."""
    try:
        running = await MosquittoBroker().__aenter__()
    except BrokerError as error:
        pytest.skip(f"needs the Debian package mosquitto: {error}")
    yield running
    await running.__aexit__(None, None, None)


@pytest.fixture
def plant(tmp_path: Path, free_port) -> Path:
    """One filler behind a Modbus PLC."""
    folder = tmp_path / "plant"
    folder.mkdir()
    (folder / "plant.yaml").write_text(BEFORE.format(port=free_port()))
    return folder


@pytest.fixture
def readers(broker):
    """Old consumers; they leave with the test."""
    made: list[Reader] = []

    def read(topic: str) -> Reader:
        made.append(Reader(broker.port, topic))
        return made[-1]

    yield read
    for reader in made:
        reader.close()


def _change(plant: Path) -> None:
    path = plant / "plant.yaml"
    text = path.read_text()
    for old, new in CHANGES:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


def _drift(uns, plant, url):
    """What drift says once births have settled."""
    deadline = time.monotonic() + 20
    while (found := uns("drift", plant, "-b", url)).code and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


async def test_rename_add_change_and_undo(broker, plant, uns, start, readers) -> None:
    """The plan names who breaks, an old consumer receives on, and undo restores what there was."""
    await asyncio.to_thread(_scenario, broker.url, plant, uns, start, readers)


def _scenario(url, plant, uns, start, readers) -> None:
    before = (plant / "plant.yaml").read_text()
    start("sim", plant)
    running = start("run", plant, "-b", url)
    good = readers(f"{OLD}/good")
    running.until(good.is_live, "nothing came")
    first = uns("apply", plant, "-b", url, "--yes")
    assert (0, True) == (first.code, "no changes" in first.out), first
    lock = (plant / "uns.lock").read_text()

    _change(plant)
    plan = uns("plan", plant)
    assert "plan: 3 moved, 1 added, 1 breaking (from uns.lock)" in plan.out
    for said in (
        "consumer sap (finance) loses 1 topic",
        "consumer dashboard (leeds) misreads 1 topic",
        "route confirm (to archive) counts anew",
        "alarm speed misreads",
        "schema: filler/1 → filler/2",
    ):
        assert said in plan.out
    refused = uns("apply", plant, "-b", url, "--yes")
    assert (1, True) == (refused.code, "--accept-break UNS463" in refused.err)
    assert lock == (plant / "uns.lock").read_text()

    accept = ("--accept-break", "UNS463", "--yes")
    looked = uns("apply", plant, "-b", url, *accept, "--dry-run")
    assert (0, lock) == (looked.code, (plant / "uns.lock").read_text())
    applied = uns("apply", plant, "-b", url, *accept)
    assert 0 == applied.code, applied.err
    assert "accepted UNS463" in (plant / "uns.lock").read_text()

    assert 0 == running.leave(signal.SIGTERM)
    running = start("run", plant, "-b", url)
    new = readers(f"{NEW}/good")
    running.until(new.is_live, "nothing came on the new topic")
    assert good.grows(), "the old consumer was left alone"
    moved = readers(f"{OLD}/good/_meta")
    running.until(lambda: moved.last, "no definition")
    assert f"{NEW}/good" == moved.last["deprecated"]["moved_to"]
    drift = _drift(uns, plant, url)
    assert (0, True) == (drift.code, "drift: none" in drift.out), drift.out
    assert 0 == running.leave(signal.SIGTERM)

    (plant / "plant.yaml").write_text(before)
    undone = uns("apply", plant, "-b", url, "--undo", "--yes")
    assert (0, lock) == (undone.code, (plant / "uns.lock").read_text()), undone.err
    running = start("run", plant, "-b", url)
    assert good.grows(), "the old topic did not come back to life"
    assert b"" == new.came[-1]
    running.until(lambda: "deprecated" not in moved.last and moved.last, "still deprecated")
    drift = _drift(uns, plant, url)
    assert (0, True) == (drift.code, "drift: none" in drift.out), drift.out


async def test_undo_where_git_has_put_the_lock_back(broker, plant, uns) -> None:
    """`git revert` takes files and lock back at once: undo still clears what was new."""
    url, lock, file = broker.url, plant / "uns.lock", plant / "plant.yaml"

    def days() -> None:
        assert 0 == uns("apply", plant, "-b", url, "--yes").code
        files, locked = file.read_text(), lock.read_text()
        file.write_text(files.replace("/packaging/", "/bottling/"))
        moved = uns("apply", plant, "-b", url, "--yes", "--accept-break", "UNS461")
        assert (0, True) == (moved.code, locked != lock.read_text()), moved.err
        file.write_text(files)
        lock.write_text(locked)
        undone = uns("apply", plant, "-b", url, "--undo", "--yes")
        assert (0, locked) == (undone.code, lock.read_text()), undone.err
        drift = uns("drift", plant, "-b", url)
        assert (False, False) == ("ghost" in drift.out, "bottling" in drift.out), drift.out

    await asyncio.to_thread(days)


async def test_bad_days(broker, plant, uns, free_port) -> None:
    """Nobody to ask, nothing to undo, a code that is none, no broker: a sentence each, no harm."""

    def days() -> None:
        asked = uns("apply", plant, "-b", broker.url)
        assert (1, True) == (asked.code, "UNS" not in asked.err) or 2 == asked.code
        assert "--yes" in asked.err
        nothing = uns("apply", plant, "-b", broker.url, "--undo", "--yes")
        assert (1, True) == (nothing.code, "there is nothing to undo" in nothing.err)
        code = uns("apply", plant, "-b", broker.url, "--accept-break", "UNS999")
        assert (2, True) == (code.code, "UNS460" in code.err)
        away = uns("apply", plant, "-b", f"mqtt://127.0.0.1:{free_port()}", "--yes")
        assert 1 == away.code
        assert not (plant / "uns.lock").exists()
        assert 0 == uns("apply", plant, "-b", broker.url, "--yes").code
        again = uns("apply", plant, "-b", broker.url, "--yes")
        assert (0, True) == (again.code, "nothing to do" in again.out)
        (plant / "uns.lock").write_text((plant / "uns.lock").read_text().replace("m/s", "km/h"))
        other = uns("apply", plant, "-b", broker.url, "--undo", "--yes")
        assert (1, True) == (other.code, "cannot be undone" in other.err)

    await asyncio.to_thread(days)


async def test_a_lock_that_cannot_be_read_stops_no_plant(broker, plant, start, readers) -> None:
    """A merge that nobody finished is a warning, and values come all the same."""

    def run() -> None:
        (plant / "uns.lock").write_text("lock 1\n<<<<<<< ours\n")
        start("sim", plant)
        running = start("run", plant, "-b", broker.url)
        running.says("no former topic is served")
        running.until(readers(f"{OLD}/good").is_live, "nothing came")

    await asyncio.to_thread(run)
