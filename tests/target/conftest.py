"""Targets against real ends: an HTTP server that can misbehave, and a folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from uns.sim.erp import ErpStandIn
from uns.target.file import FileConfig, FileTarget
from uns.target.http import HttpConfig, HttpTarget
from uns.target.target import OutgoingMessage, Target


def confirmation(id_: str, good: int = 1) -> OutgoingMessage:
    """A message that the stand-in books."""
    body = (
        '{"id":"%s","source":"acme/leeds/packaging/line1/filler","data":{"JobOrderID":"A",'
        '"JobState":"Running","MaterialActuals":[{"MaterialUse":"Produced","Quantity":%d}]}}'
    )
    return OutgoingMessage(id_, body % (id_, good))


@pytest.fixture
def message() -> Any:
    """Make messages."""
    return confirmation


@pytest.fixture
async def erp() -> AsyncIterator[ErpStandIn]:
    """An ERP on a free port."""
    async with ErpStandIn(port=0) as stand_in:
        yield stand_in


class HttpEnd:
    """An HTTP target and the ERP behind it."""

    name = "http"

    def __init__(self, erp: ErpStandIn, folder: Path) -> None:
        self.erp = erp
        self.target: Target = HttpTarget(
            "erp", HttpConfig(type="http", url=erp.url, timeout_s=1), folder
        )

    def arrived(self) -> int:
        """How many messages had an effect."""
        return self.erp.confirmations_received

    def gone(self) -> Target:
        """A target whose end is not there."""
        return HttpTarget(
            "gone", HttpConfig(type="http", url="http://127.0.0.1:9/x", timeout_s=1), Path()
        )


class FileEnd:
    """A file target and its folder."""

    name = "file"

    def __init__(self, _erp: ErpStandIn, folder: Path) -> None:
        self.folder = folder
        self.target: Target = FileTarget("archive", FileConfig(type="file", folder="out"), folder)

    def arrived(self) -> int:
        """How many files there are."""
        return len(list((self.folder / "out").glob("*.json")))

    def gone(self) -> Target:
        """A folder that cannot be."""
        (self.folder / "taken").write_text("")
        return FileTarget("gone", FileConfig(type="file", folder="taken/below"), self.folder)


@pytest.fixture(params=[HttpEnd, FileEnd], ids=lambda end: end.name)
async def end(
    request: pytest.FixtureRequest, erp: ErpStandIn, tmp_path: Path
) -> AsyncIterator[Any]:
    """Each target, opened, with its other end."""
    made = request.param(erp, tmp_path)
    await made.target.open()
    yield made
    async with asyncio.timeout(3):
        await made.target.close()
