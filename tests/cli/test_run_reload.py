"""`uns run` takes over a changed project, as a process that is told so."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

PLANT = """\
enterprise: acme
sites: {leeds: {}}
types:
  filler: {tags: {good: {type: uint32}}}
bindings:
  plc:
    driver: modbus
    connection: {host: 127.0.0.1, port: "{port}"}
    tags: {good: "hr:0 uint32"}
instances:
  - {path: "leeds/packaging/line{n}/filler", each: {n: 1..3}, is: filler, bind: plc, with: {port: PORT}}
"""


@pytest.fixture
def plant(tmp_path: Path, free_port: Callable[[], int]) -> Path:
    """A project whose PLCs and broker are not there, which is no reason to end."""
    file = tmp_path / "plant.yaml"
    file.write_text(PLANT.replace("PORT", str(free_port())))
    return file


@pytest.fixture
def running(plant: Path, start: Callable[..., Any], free_port: Callable[[], int]) -> Any:
    """Start `uns run` with more words."""

    def run(*words: str) -> Any:
        command = start("run", plant, "-b", f"mqtt://127.0.0.1:{free_port()}", *words)
        command.says("3 machines, 3 tags")
        command.says("trying again")
        return command

    return run


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_sighup_takes_over_what_changed(plant: Path, running: Any) -> None:
    """A line comes, then nothing did; both are said, and Ctrl-C still ends it well."""
    command = running()
    change(plant, "1..3", "1..4")
    command.process.send_signal(signal.SIGHUP)
    command.says("the project was read again: 1 line comes, 1 machine comes; 3 machines stay")
    command.process.send_signal(signal.SIGHUP)
    command.says("the project was read again: nothing changed")
    assert 0 == command.leave()


def test_a_bad_file_is_drawn_and_refused(plant: Path, running: Any) -> None:
    """The mistake has its place and caret, what ran runs on, and the next good file is taken."""
    command = running()
    change(plant, "is: filler", "is: filer")
    command.process.send_signal(signal.SIGHUP)
    command.says("what ran before runs on")
    assert "did you mean `filler`" in command.err
    assert "plant.yaml:11" in command.err
    change(plant, "is: filer", "is: filler")
    change(plant, "uint32}", "uint32, desc: Good bottles}")
    command.process.send_signal(signal.SIGHUP)
    command.says("3 machines change")
    assert 0 == command.leave()


def test_what_needs_a_restart_says_so(plant: Path, running: Any) -> None:
    """Another enterprise cannot be taken over."""
    command = running()
    change(plant, ": acme", ": ajax")
    command.process.send_signal(signal.SIGHUP)
    command.says("`enterprise` is `ajax` now and was `acme`; that needs a restart")
    assert 0 == command.leave()


def test_watched_files_are_taken_over_by_themselves(plant: Path, running: Any) -> None:
    """With --watch nobody has to ask."""
    command = running("--watch")
    change(plant, "1..3", "1..2")
    command.says("the project was read again: 1 line leaves, 1 machine leaves; 2 machines stay")
    assert 0 == command.leave()
