"""Disks that are full, folders that may not be written, and two that want the same one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from uns.errors import BrokerError
from uns.message import Message
from uns.mqtt import Broker, Session, connect
from uns.service.broker import MosquittoBroker
from uns.sim.erp import ErpStandIn

pytestmark = pytest.mark.slow

AURORA = Path(__file__).parents[2] / "config" / "aurora"
FILLER = "aurora/leeds/packaging/line1/filler"
NOBODY = "mqtt://127.0.0.1:9"
BESIDE_TOPICS = {"order": "order/id", "sg": "order/start_good", "sb": "order/start_bad"}


async def until(is_so, otherwise: str, within_s: float = 40) -> None:
    """Wait for something to be true."""
    try:
        async with asyncio.timeout(within_s):
            while not is_so():
                await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(otherwise)


async def show(session: Session, **values: object) -> None:
    """Publish values of the filler as the namespace does."""
    for short, value in values.items():
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        payload = json.dumps({"value": value, "quality": "Good", "timestamp": now}).encode()
        topic = f"{FILLER}/{BESIDE_TOPICS.get(short, short)}"
        await session.publish(Message(topic, payload, 1, retain=True))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 12 MB."""
    if os.geteuid() != 0:
        pytest.skip("a disk of its own takes root: mount -t tmpfs")
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let root mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
async def broker() -> AsyncIterator[str]:
    """Mosquitto on a free port, for sessions that outlive a client."""
    try:
        async with MosquittoBroker() as made:
            yield made.url
    except BrokerError as error:
        pytest.skip(f"needs the Debian package mosquitto: {error}")


def fill(folder: Path) -> None:
    """Leave no byte free."""
    with (folder / "ballast").open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
        while True:
            ballast.write(b"x" * 512)


async def test_a_full_disk_is_said_once_and_loses_nothing(start, broker, small_disk: Path) -> None:
    """Confirmations wait while the outbox has no room, and go out when there is some."""
    session = await connect(Broker.parse(broker), "plant")
    await show(session, sg=1000, sb=10, order="A", good=1000, bad=10)
    async with ErpStandIn("127.0.0.1", 0) as erp:
        told = lambda: getattr(erp.machines_of("A").get(FILLER), "good", 0)  # noqa: E731
        words = ("run", AURORA, "-b", broker, "--only", "routes", "--state", small_disk)
        running = start(*words, AURORA_ERP_URL=erp.url)
        await asyncio.sleep(3)
        await show(session, good=1300)
        await until(lambda: told() == 300, f"no confirmation came: {running.err}")
        fill(small_disk)
        for good in (1600, 1900, 2200):
            await show(session, good=good)
            await asyncio.sleep(1)
        await until(lambda: "disk is full" in running.err, f"nothing was said: {running.err}")
        await asyncio.sleep(3)
        assert 1 == running.err.count("disk is full; free space on this disk")
        assert 300 == told()
        (small_disk / "ballast").unlink()
        await until(lambda: told() == 1200, f"it did not go on: {running.err}")
        await until(lambda: "the outbox takes messages again" in running.err, "it never said so")
        assert 1200 == erp.machines_of("A")[FILLER].good_steps
        assert 0 == await asyncio.to_thread(running.leave)
    await session.close()
    assert "Traceback" not in running.err


@pytest.mark.parametrize("only", [("--only", "routes"), ()], ids=["routes", "everything"])
def test_a_state_folder_that_cannot_be_made(uns, only: tuple[str, ...]) -> None:
    """The folder is named, and what to do."""
    ended = uns("run", AURORA, "-b", NOBODY, "--state", "/proc/uns", *only)
    assert (1, "") == (ended.code, ended.out)
    assert "/proc/uns" in ended.err.splitlines()[-2]
    assert "let the user that runs this write there" in ended.err.splitlines()[-1]
    assert "Traceback" not in ended.err


def test_a_truth_file_that_cannot_be_written(uns) -> None:
    """`uns sim` names the file before it serves anything."""
    ended = uns("sim", AURORA, "--truth", "/proc/truth.json")
    assert (1, "") == (ended.code, ended.out)
    assert "uns: cannot write the plant's truth to /proc/truth.json" in ended.err
    assert "choose another file with --truth, or none" in ended.err


def test_two_processes_do_not_share_a_state_folder(start, uns, tmp_path: Path) -> None:
    """The second is refused and told whose it is; another part may, and so may a successor."""
    words = ("run", AURORA, "-b", NOBODY, "--state", tmp_path / "state")
    first = start(*words, "--only", "bridges")
    first.says("is down")
    refused = uns(*words, "--only", "bridges")
    assert 1 == refused.code
    assert (
        f"uns: the state folder {tmp_path / 'state'} is in use: process {first.process.pid} runs "
        "the bridges on it\n     stop that one first"
    ) in refused.err
    other = start(*words, "--only", "routes")
    other.says("trying again")
    first.kill()
    successor = start(*words, "--only", "bridges")
    successor.says("is down")


def test_two_demos_do_not_share_a_state_folder(start, uns, tmp_path: Path) -> None:
    """They would write one truth, and one of them would be wrong."""
    first = start("demo", "--port", "0", "--state", tmp_path / "state")
    first.says("leave   Ctrl-C")
    refused = uns("demo", "--port", "0", "--state", tmp_path / "state")
    assert (1, "") == (refused.code, refused.out)
    assert f"process {first.process.pid} runs the demo on it" in refused.err
