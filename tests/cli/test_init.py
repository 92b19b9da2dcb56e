"""`uns init` as people call it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from uns.cli.catalogue import catalogue
from uns.cli.init_templates import STARTERS, starter
from uns.project.load import load

Uns = Callable[..., Any]


@pytest.mark.parametrize("name", STARTERS)
def test_every_starter_is_a_project_without_findings(name: str, tmp_path: Path) -> None:
    """No problem and no warning; six tags, five of them fed."""
    file = tmp_path / "plant.yaml"
    file.write_text(starter(name, "acme"))
    loaded = load(file, catalogue())
    assert () == loaded.diagnostics
    assert loaded.project is not None
    (machine,) = loaded.project.machines
    assert ("acme/site1/packaging/line1/filler", 6, 5) == (
        str(machine.topic), len(machine.tags), sum(1 for tag in machine.tags if tag.source),
    )  # fmt: skip


def test_a_project_is_started_and_never_written_over(uns: Uns, tmp_path: Path) -> None:
    """`uns check` is content; the second `uns init` is refused."""
    folder = tmp_path / "plant"
    first = uns("init", folder, "--enterprise", "aurora", "--json")
    assert (0, str(folder / "plant.yaml")) == (first.code, json.loads(first.out)["file"])
    assert "1 machine, 6 tags, 0 problems" in uns("check", folder).out
    text = (folder / "plant.yaml").read_text()
    again = uns("init", folder, "--template", "opcua")
    assert (2, text) == (again.code, (folder / "plant.yaml").read_text())
    assert "is there already" in again.err


def test_a_name_that_cannot_be_is_refused(uns: Uns, tmp_path: Path) -> None:
    """The root of the tree has to be a name."""
    ended = uns("init", tmp_path / "plant", "--enterprise", "a/b")
    assert (2, False) == (ended.code, (tmp_path / "plant").exists())
