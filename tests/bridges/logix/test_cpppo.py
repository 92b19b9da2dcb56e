"""The driver against a controller that is not ours: cpppo, when it is installed.

It is under the GPL and pins what it needs, so it lives in an environment of its own and runs as
a program of its own:

python3 -m venv cpppo && cpppo/bin/pip install cpppo
UNS_CPPPO_VENV=$PWD/cpppo pytest tests/bridges/logix/test_cpppo.py
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridges.logix import LogixConfig, LogixDriver
from uns.errors import DeviceError
from uns.metric import Quality

pytestmark = pytest.mark.slow

TAGS = ("Speed=REAL", "Counts=DINT[20]", "Small=SINT", "Middle=INT", "Total=LINT", "Precise=LREAL",
        "Running=BOOL", "Name=SSTRING")  # fmt: skip
START_S = 20.0


@pytest.fixture
def cpppo_port(free_port: int) -> Iterator[int]:
    venv = os.environ.get("UNS_CPPPO_VENV", "")
    python = Path(venv, "bin", "python")
    if not venv or not python.exists():
        pytest.skip("cpppo is not installed: set UNS_CPPPO_VENV to a virtual environment with it")
    process = subprocess.Popen(
        [python, "-m", "cpppo.server.enip", "-A", "-a", f"127.0.0.1:{free_port}", "-U", *TAGS],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield free_port
    process.kill()
    process.wait(10)


@pytest.fixture
async def driver(cpppo_port: int):
    pytest.importorskip("pylogix", reason="pip install 'uns-bridge[logix]'")
    until = time.monotonic() + START_S
    while True:
        opened = LogixDriver(LogixConfig(host="127.0.0.1", port=cpppo_port))
        try:
            await opened.open()
            break
        except DeviceError:
            await opened.close()
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.2)
    yield opened
    await opened.close()


async def test_its_tags_are_read_and_written(driver, tags_at):
    """Types, elements and refusals of a server with another encoder than ours."""
    wanted = {
        "Speed": 1.5,
        "Counts[3]": -70_000,
        "Counts[19]": 19,
        "Small": -5,
        "Middle": 300,
        "Total": 2**53 + 1,
        "Precise": 0.1,
        "Running": True,
    }
    tags = tags_at(*wanted, "Nope", "Counts[20]")
    results = await driver.bind(tags)
    assert [True] * len(wanted) + [False, False] == [not result.problem for result in results]
    problems = await driver.write(list(zip(tags, wanted.values(), strict=False)))
    assert [""] * len(wanted) == problems
    readings = {handle: (value, quality) for handle, value, quality, _ in await driver.read(
        [tag.handle for tag in tags]
    )}  # fmt: skip
    expected = [(value, Quality.GOOD) for value in wanted.values()] + [(None, Quality.BAD)] * 2
    assert expected == [readings[tag.handle] for tag in tags]


async def test_a_refusal_is_told_in_words(driver, tags_at):
    """What it does not have has a reason; a type that we do not read is named by its code."""
    results = await driver.bind(tags_at("Nope", "Name"))
    assert "CIP status" in results[0].problem
    assert "0x00DA" in results[1].problem
