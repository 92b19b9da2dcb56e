"""The page on drivers is a package: it is installed, held to the contract, and runs a project."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from uns.service.broker import MosquittoBroker
from uns.testing import Device, free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/write-a-driver.md").read_text()
FILES = dict(re.findall(r"`(\w+\.py)`:\n```python\n(.*?)```", PAGE, re.DOTALL))
PROJECT = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
POINT = re.search(r'entry-points\."(.*?)"\]\n(.*?)\n```', PAGE, re.DOTALL)
CONTRACT_S = 240  # it takes 40 s where nothing else runs
WITHIN_S = 30
MOST_LINES = 80


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder as pip leaves it: the package's module, its name and its entry point."""
    folder = tmp_path / "site"
    told = folder / "uns_scale-1.0.dist-info"
    told.mkdir(parents=True)
    (folder / "uns_scale.py").write_text(FILES["uns_scale.py"])
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: uns-scale\nVersion: 1.0\n")
    assert POINT is not None
    (told / "entry_points.txt").write_text(f"[{POINT[1]}]\n{POINT[2]}\n".replace('"', ""))
    return folder


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """A folder with the test of the page and its device."""
    folder = tmp_path / "tests"
    folder.mkdir()
    for name in ("serve.py", "test_scale.py"):
        (folder / name).write_text(FILES[name])
    (folder / "pytest.ini").write_text("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    return folder


def _environment(site: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{site}:{ROOT}", "NO_COLOR": "1", "COLUMNS": "200"}


def _uns(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "uns", *words],
        env=_environment(site),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )


def _project(folder: Path, port: int, **changes: str) -> str:
    assert PROJECT is not None
    text = PROJECT[1].replace("4305", str(port))
    for old, new in changes.items():
        text = text.replace(old, new)
    folder.mkdir()
    (folder / "plant.yaml").write_text(text)
    return str(folder)


def test_the_driver_is_small():
    """It has at most 80 lines, blank ones not counted."""
    lines = [line for line in FILES["uns_scale.py"].splitlines() if line.strip()]
    assert len(lines) <= MOST_LINES


def test_the_driver_keeps_the_contract(site, bench):
    """The page's test passes with the page's driver and device, warnings being errors."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-rs"],
        cwd=bench,
        env=_environment(site),
        capture_output=True,
        text=True,
        timeout=CONTRACT_S,
        check=False,
    )
    assert 0 == done.returncode, done.stdout[-4000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 40


def test_an_installed_driver_is_checked_like_ours(site, tmp_path):
    """A project may name it; a wrong setting and a wrong address have their places."""
    assert 0 == _uns(site, "check", _project(tmp_path / "right", 4305)).returncode
    address = _uns(site, "check", _project(tmp_path / "address", 4305, W77="W7x"))
    assert (1, True) == (address.returncode, "`W7x` is no channel" in address.stdout)
    setting = _uns(site, "check", _project(tmp_path / "setting", 4305, host="hots"))
    assert (1, True) == (setting.returncode, "did you mean `host`?" in setting.stdout)


def test_without_the_package_the_driver_is_unknown(site, tmp_path):
    """The project then says which drivers there are; nothing is loaded by its name alone."""
    told = _uns(tmp_path, "check", _project(tmp_path / "plant", 4305))
    assert 1 == told.returncode
    assert "scale" in told.stdout
    assert "modbus" in told.stdout


async def test_a_project_runs_with_it(site, bench, tmp_path, mosquitto: MosquittoBroker):
    """`uns run` bridges the scale: its weight is Good on the tree, the missing channel Bad."""
    port = free_port()
    device = Device(lambda port, tags: _served(bench, port, tags), port)
    device.start(20)
    words = ["run", _project(tmp_path / "plant", port), "-b", mosquitto.url]
    words += ["--state", str(tmp_path / "state")]
    running = subprocess.Popen([sys.executable, "-m", "uns", *words], env=_environment(site))
    try:
        weight = await _until(site, mosquitto.url, "weight", lambda told: told["value"] is not None)
        assert ("Good", "g") == (weight["quality"], weight["unit"])
        missing = await _until(site, mosquitto.url, "missing", lambda _: True)
        assert ("Bad", None) == (missing["quality"], missing["value"])
    finally:
        device.kill()
        running.terminate()
        running.wait(10)


def _served(bench: Path, port: int, tags: int) -> list[str]:
    return [sys.executable, str(bench / "serve.py"), "scale", str(port), str(tags)]


async def _until(site: Path, url: str, tag: str, is_so: Callable[[dict], bool]) -> dict:
    topic = f"acme/porto/packaging/line1/scale/{tag}"
    async with asyncio.timeout(WITHIN_S):
        while True:
            told = await asyncio.to_thread(_uns, site, "get", topic, "-b", url, "--json")
            if told.stdout and is_so(found := json.loads(told.stdout)):
                return found
            await asyncio.sleep(0.2)
