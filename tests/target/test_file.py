"""What the file target leaves in its folder."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from uns.target.file import FileConfig, FileTarget, file_name
from uns.target.target import Ending, OutgoingMessage


@pytest.fixture
def target(tmp_path: Path) -> FileTarget:
    """A target that writes below `tmp_path`."""
    return FileTarget("archive", FileConfig(type="file", folder="out"), tmp_path)


@pytest.fixture
def small_disk() -> Iterator[None]:
    """No file may become larger than 4 kB: an honest EFBIG from the kernel."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


async def test_a_file_holds_the_message_and_nothing_else_is_left(
    target: FileTarget, tmp_path: Path, message: Any
) -> None:
    """One `.json`, its body, no `.part`."""
    await target.deliver(message("PO-1:7"))
    (file,) = (tmp_path / "out").iterdir()
    assert (file_name("PO-1:7"), message("PO-1:7").body) == (file.name, file.read_text())


async def test_a_file_that_cannot_be_finished_is_not_there_and_is_tried_again(
    target: FileTarget, tmp_path: Path, small_disk: None
) -> None:
    """A full disk leaves no half file, and the sentence says what to do."""
    large = OutgoingMessage("large", "x" * 10_000)
    outcome = await target.deliver(large)
    assert Ending.RETRY is outcome.ending
    assert "cannot write" in outcome.said
    assert [] == list((tmp_path / "out").iterdir())


async def test_space_that_comes_back_is_used(target: FileTarget, tmp_path: Path) -> None:
    """The next attempt writes the file."""
    (tmp_path / "out").write_text("in the way")
    assert Ending.RETRY is (await target.deliver(OutgoingMessage("a", "x"))).ending
    (tmp_path / "out").unlink()
    assert Ending.DONE is (await target.deliver(OutgoingMessage("a", "x"))).ending


async def test_an_unfinished_file_of_a_killed_attempt_is_replaced(
    target: FileTarget, tmp_path: Path
) -> None:
    """A `.part` is nobody's result."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / (file_name("a") + ".part")).write_text("half")
    await target.deliver(OutgoingMessage("a", "whole"))
    assert ["whole"] == [file.read_text() for file in (tmp_path / "out").iterdir()]


async def test_an_absolute_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    """Relative folders are below the state directory, others are not."""
    elsewhere = tmp_path / "elsewhere"
    target = FileTarget("a", FileConfig(type="file", folder=str(elsewhere)), tmp_path / "state")
    await target.deliver(OutgoingMessage("a", "x"))
    assert 1 == len(list(elsewhere.iterdir()))
