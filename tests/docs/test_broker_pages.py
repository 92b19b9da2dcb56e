"""The pages of `uns check --live` about brokers are tests, against a real Mosquitto."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from uns.cli.catalogue import catalogue
from uns.cli.live import asked_brokers, told
from uns.errors import BrokerError
from uns.message import Message
from uns.mqtt import Broker, connect
from uns.project.load import load
from uns.project.render import render
from uns.service.broker import EmbeddedBroker, MosquittoBroker
from uns.service.broker_check import check_brokers

pytestmark = pytest.mark.slow

PAGES = sorted((Path(__file__).parents[2] / "docs/reference/errors").glob("UNS53?.md"))
FENCE = re.compile(r"```(yaml|conf|text)\n(.*?)```", re.DOTALL)
FILE = re.compile(r"# --- (\S+) ---\n")
USUAL = ":1883"
OLD, CLOCK = "UNS533", "UNS535"  # a broker of MQTT 3.1.1; values that come in meanwhile
WITHIN_S = 20.0


def _settings(conf: str, folder: Path) -> list[str]:
    """A page's lines for mosquitto.conf; the files below their headings are written."""
    lines, *files = FILE.split(conf)
    for name, content in zip(files[::2], files[1::2], strict=True):
        path = folder / name
        path.touch(0o700)
        path.write_text(content)
        lines = re.sub(rf"\b{name}\b", str(path), lines)
        if name == "passwords":
            subprocess.run(["mosquitto_passwd", "-U", str(path)], check=True, timeout=20)
    return lines.splitlines()


@contextlib.asynccontextmanager
async def _broker(conf: str, folder: Path, *, is_old: bool) -> AsyncIterator[int]:
    """The broker of a page; its port."""
    broker = EmbeddedBroker() if is_old else MosquittoBroker(settings=_settings(conf, folder))
    try:
        await broker.__aenter__()
    except BrokerError as error:
        pytest.skip(f"needs the Debian package mosquitto: {error}")
    yield broker.port
    await broker.__aexit__(None, None, None)


async def _values(port: int, ahead: timedelta) -> None:
    """A device whose clock is so far ahead of ours."""
    session = await connect(Broker("127.0.0.1", port), "device")
    try:
        while True:
            at = (datetime.now(UTC) + ahead).isoformat()
            payload = f'{{"value": 1, "quality": "Good", "timestamp": "{at}"}}'
            topic = "acme/leeds/packaging/line1/filler/speed"
            await session.publish(Message(topic, payload.encode(), retain=True))
            await asyncio.sleep(0.1)
    finally:
        await session.close()


async def _drawn(text: str, conf: str, folder: Path, *, code: str, is_wrong: bool) -> str:
    """What `uns check --live` draws, as the page shows it."""
    folder.mkdir()
    async with _broker(conf, folder, is_old=is_wrong and code == OLD) as port:
        (folder / "plant.yaml").write_text(text.replace(USUAL, f":{port}"))
        loaded = load(folder, catalogue())
        assert loaded.project is not None, loaded.diagnostics
        asked = asked_brokers(loaded.project, folder, [])
        ahead = timedelta(hours=1 if is_wrong else 0)
        device = asyncio.create_task(_values(port, ahead) if code == CLOCK else asyncio.sleep(0))
        answers = await check_brokers(loaded.project, asked, within_s=WITHIN_S)
        device.cancel()
        await asyncio.wait([device])
    loaded = told(loaded, folder, answers.findings)
    out = io.StringIO()
    render(Console(file=out, width=100, color_system=None), loaded.sources, loaded.diagnostics)
    drawn = "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip("\n")
    return drawn.replace(f":{port}", USUAL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
async def test_a_page_tells_what_a_broker_says(page: Path, tmp_path: Path) -> None:
    """The wrong broker or project draws exactly the text, and the right one draws nothing."""
    text, code = page.read_text(), page.stem
    fences = FENCE.findall(text)
    projects, confs, (shown,) = (
        [body for kind, body in fences if kind == wanted] for wanted in ("yaml", "conf", "text")
    )
    confs = confs or [""]
    right = await _drawn(projects[-1], confs[-1], tmp_path / "right", code=code, is_wrong=False)
    assert "" == right
    drawn = await _drawn(projects[0], confs[0], tmp_path / "plant", code=code, is_wrong=True)
    if os.environ.get("UPDATE"):
        page.write_text(text.replace(f"```text\n{shown}```", f"```text\n{drawn}\n```", 1))
        shown = drawn + "\n"
    assert shown.rstrip("\n") == drawn
    assert {code} == set(re.findall(r"\[(UNS\d{3})\]", drawn))
