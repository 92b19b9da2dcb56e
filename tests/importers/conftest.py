"""What the importers' tests share: a plant with our drivers, and drafts that are loaded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from uns.cli.catalogue import catalogue
from uns.importers import get_importer
from uns.importers.draft import Draft, draft
from uns.importers.found import Found
from uns.importers.reading import Plant
from uns.project.load import load
from uns.project.project import Project


@pytest.fixture
def plant() -> Plant:
    """Our drivers, and no word of the engineer's."""
    return Plant(catalogue().drivers)


@pytest.fixture
def drafted() -> Callable[..., Draft]:
    """Draft what was found, below `acme/leeds/packaging/line1` where the files do not say."""

    def make(found: Found) -> Draft:
        return draft(
            found, title="Drafted.", enterprise="acme", under=("leeds", "packaging", "line1")
        )

    return make


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[[str], Project]:
    """The project in a draft's text; not one problem and not one warning is in it."""

    def read(text: str) -> Project:
        file = tmp_path / "draft.yaml"
        file.write_text(text, encoding="utf-8")
        result = load(file, catalogue())
        assert () == result.diagnostics, text
        assert result.project is not None
        return result.project

    return read


@pytest.fixture
def imported(plant: Plant, drafted: Callable[..., Draft]) -> Callable[..., Draft]:
    """Draft files of a kind: `imported("csv", ("a.csv", text), …)`."""

    def make(kind: str, *files: tuple[str, str | bytes]) -> Draft:
        found = Found()
        for name, text in files:
            raw = text.encode() if isinstance(text, str) else text
            found = found.plus(get_importer(kind)(name, raw, plant))
        return drafted(found)

    return make
