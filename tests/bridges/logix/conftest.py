"""A simulated controller with one tag of each kind, and a driver that is connected to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bridges.driver import BoundTag
from bridges.logix import LogixConfig, LogixDriver
from uns.metric import DataType
from uns.sim.logix_server import LogixServer

TAGS = {
    "Speed": ("REAL", 1.5),
    "Precise": ("LREAL", 0.1),
    "Small": ("SINT", -5),
    "Middle": ("INT", -300),
    "Good": ("DINT", 70_000),
    "Total": ("LINT", 2**53 + 1),
    "Serial": ("UDINT", 2**32 - 1),
    "Running": ("BOOL", True),
    "Recipe": ("STRING", "Größe 1"),
    "Status.5": ("DINT", True),
    "Flags[63]": ("BOOL", False),
    "Flags[40]": ("BOOL", True),
    "Counts[9]": ("DINT", 9),
    "Counts[300]": ("DINT", 300),
    "Grid[2,3]": ("INT", 23),
    "Filler.Drive.Temp": ("REAL", 40.5),
    "Filler.Drive.On": ("BOOL", True),
    "Filler.Drive.Off": ("BOOL", False),
    "Filler.Name": ("STRING", "Füller"),
    "Filler.Alarms[3]": ("INT", 3),
    "Lines[2].Speed": ("REAL", 2.5),
    "Program:Main.Step": ("DINT", 9),
    "Program:Main.Filler.Speed": ("REAL", 8.5),
}


@pytest.fixture
async def server() -> AsyncIterator[LogixServer]:
    async with LogixServer() as running:
        for path, (kind, _) in TAGS.items():
            running.declare(path, kind)
        for path, (_, value) in TAGS.items():
            running[path] = value
        yield running


@pytest.fixture
async def driver(server: LogixServer) -> AsyncIterator[LogixDriver]:
    pytest.importorskip("pylogix", reason="pip install 'uns-bridge[logix]'")
    opened = LogixDriver(LogixConfig(host=server.host, port=server.port, timeout_s=1))
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def shown() -> dict[str, object]:
    """The tags of the simulated controller and their values."""
    return {path: value for path, (_, value) in TAGS.items()}


@pytest.fixture
def tags_at():
    """A function: tags at these addresses, with handles from 100."""

    def bound(*addresses: str) -> list[BoundTag]:
        config = LogixConfig(host="127.0.0.1")
        return [
            BoundTag(100 + n, LogixDriver.parse(text, config), _wanted(text))
            for n, text in enumerate(addresses)
        ]

    return bound


def _wanted(text: str) -> DataType:
    return DataType.STRING if text.endswith(("Name", "Recipe")) else DataType.FLOAT
