"""`uns check --live` and brokers, as a shell sees it."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from uns.errors import BrokerError
from uns.service.broker import MosquittoBroker

pytestmark = pytest.mark.slow

PROJECT = """\
enterprise: acme
types: {clock: {tags: {half: {type: Double, calc: "1 / 2"}}}}
instances: [{path: leeds/packaging/line1/clock, is: clock}]
"""


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    """A project that asks no device and names no broker."""
    (tmp_path / "plant").mkdir()
    (tmp_path / "plant/plant.yaml").write_text(PROJECT)
    return tmp_path / "plant"


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Start brokers with further settings; returns the address."""
    async with AsyncExitStack() as stack:

        async def start(*settings: str) -> str:
            broker = MosquittoBroker(settings=settings)
            try:
                await stack.enter_async_context(broker)
            except BrokerError as error:
                pytest.skip(f"needs the Debian package mosquitto: {error}")
            return broker.url

        yield start


def _file(path: Path, text: str) -> Path:
    path.touch(0o700)
    path.write_text(text)
    return path


async def test_a_broker_as_it_should_be_draws_nothing(
    plant: Path, mosquitto: Callable[..., Any], uns: Callable[..., Any]
) -> None:
    """No finding; that nothing came to compare clocks with is told on stderr."""
    url = await mosquitto()
    ended = await asyncio.to_thread(uns, "check", plant, "--live", "-b", url)
    assert (0, "1 machine, 1 tag, 0 problems\n") == (ended.code, ended.out)
    address = url.removeprefix("mqtt://")
    assert f"not asked: {address}: clocks: no value came within 3 s; does `uns run`?\n" == ended.err


def test_no_broker_is_told_and_none_is_asked(plant: Path, uns: Callable[..., Any]) -> None:
    """Without -b, UNS_BROKER and `brokers:` nothing is guessed."""
    ended = uns("check", plant, "--live")
    assert (0, "not asked: a broker: give one with -b, or in `brokers:`\n") == (
        ended.code,
        ended.err,
    )


async def test_a_wrong_password_from_the_environment(
    plant: Path, tmp_path: Path, mosquitto: Callable[..., Any], uns: Callable[..., Any]
) -> None:
    """UNS_BROKER is asked; the finding is JSON for programs and shows no password."""
    passwords = _file(tmp_path / "passwords", "anna:plant1\n")
    url = await mosquitto(f"password_file {passwords}") if _hashed(passwords) else ""
    wrong = url.replace("//", "//anna:plant2@")
    ended = await asyncio.to_thread(uns, "check", plant, "--live", "--json", UNS_BROKER=wrong)
    (found,) = json.loads(ended.out)["diagnostics"]
    assert (1, "UNS530", "plant.yaml", 1) == (
        ended.code,
        found["code"],
        found["file"],
        found["line"],
    )
    assert "plant2" not in ended.out + ended.err


def _hashed(passwords: Path) -> bool:
    try:
        subprocess.run(["mosquitto_passwd", "-U", str(passwords)], check=True, timeout=20)
    except FileNotFoundError:
        pytest.skip("needs the Debian package mosquitto")
    return True


async def test_each_limit_is_a_finding_of_its_own(
    plant: Path, mosquitto: Callable[..., Any], uns: Callable[..., Any]
) -> None:
    """Findings of one code at one broker are not folded into each other."""
    url = await mosquitto("max_packet_size 100", "retain_available false", "max_qos 0")
    ended = await asyncio.to_thread(uns, "check", plant, "--live", "-b", url, "--format", "line")
    assert (1, 3) == (ended.code, len(ended.out.splitlines()))
    assert 3 == ended.out.count("plant.yaml:1:1: error UNS534")
    assert "what we may publish, and clocks: it has QoS 0 only" in ended.err


async def test_two_brokers_are_asked_and_one_is_not_there(
    plant: Path, mosquitto: Callable[..., Any], uns: Callable[..., Any], free_port: Any
) -> None:
    """The one that is there is asked all the same."""
    url, nobody = await mosquitto("retain_available false"), f"mqtt://127.0.0.1:{free_port()}"
    words = ("check", plant, "--live", "-b", url, "-b", nobody, "--format", "line")
    ended = await asyncio.to_thread(uns, *words)
    assert {"UNS530", "UNS534"} == {line.split()[2][:-1] for line in ended.out.splitlines()}


def test_a_broker_that_says_nothing_is_given_up(plant: Path, uns: Callable[..., Any]) -> None:
    """It takes the connection and is silent: a finding in bounded time."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"mqtt://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        ended = uns("check", plant, "--live", "-b", url, "--timeout", 2, "--format", "line")
    assert (1, 1) == (ended.code, ended.out.count("error UNS530"))
    assert time.monotonic() - began < 30


def test_a_broker_without_live_is_a_usage_error(plant: Path, uns: Callable[..., Any]) -> None:
    """Nobody believes that a broker was asked when it was not."""
    assert 2 == uns("check", plant, "-b", "mqtt://127.0.0.1:1").code
    assert 0 == uns("check", plant, UNS_BROKER="mqtt://127.0.0.1:1").code
