"""The example plant of four lines on two sites, and changes to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from uns.cli.catalogue import catalogue
from uns.plan.plan import Plan, make_plan
from uns.plan.readers import Readers
from uns.plan.snapshot import Snapshot
from uns.project.load import load
from uns.project.project import Project

ROOT = Path(__file__).parents[2]
ACME = (ROOT / "config/acme/plant.yaml").read_text()


@dataclass(frozen=True)
class Example:
    """A project's text, and its project as loaded."""

    text: str
    folder: Path

    def but(self, *changes: tuple[str, str], add: str = "") -> Example:
        """The same with texts replaced, each of which must be there."""
        text = self.text
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        return Example(text + add, self.folder)

    @property
    def project(self) -> Project:
        path = self.folder / "plant.yaml"
        path.write_text(self.text)
        loaded = load(path, catalogue())
        assert loaded.project is not None, loaded.diagnostics
        return loaded.project

    @property
    def snapshot(self) -> Snapshot:
        return Snapshot.of(self.project.machines)


@pytest.fixture
def acme(tmp_path: Path) -> Example:
    """Eight fillers."""
    return Example(ACME, tmp_path)


@pytest.fixture
def planned() -> Callable[[Example, Example], Plan]:
    """The plan from one example to another."""

    def plan(old: Example, new: Example) -> Plan:
        project = new.project
        return make_plan(old.snapshot, Snapshot.of(project.machines), Readers.of(project))

    return plan
