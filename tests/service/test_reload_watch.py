"""Which changes of files count, and when."""

from __future__ import annotations

from pathlib import Path

import pytest

from uns.service.reload_watch import Files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of two files."""
    (tmp_path / "plant.yaml").write_text("enterprise: acme\n")
    (tmp_path / "tags").mkdir()
    (tmp_path / "tags/filler.csv").write_text("name\n")
    return tmp_path


def test_nothing_counts_before_it_is_still(folder: Path) -> None:
    """While somebody writes it is left alone; the next look takes it, once."""
    files = Files(folder)
    assert not files.have_settled()
    (folder / "plant.yaml").write_text("enterprise: acme\nsites: {leeds: {}}\n")
    assert not files.have_settled()
    (folder / "plant.yaml").write_text("enterprise: acme\nsites: {leeds: {}, porto: {}}\n")
    assert not files.have_settled()
    assert files.have_settled()
    assert not files.have_settled()


@pytest.mark.parametrize("name", ["new.yaml", "tags/filler.csv", "tags/capper.csv"])
def test_every_file_of_a_project_counts(folder: Path, name: str) -> None:
    """YAML and lists of tags, changed or new, at the top or in a folder."""
    files = Files(folder)
    (folder / name).write_text("changed: here\n")
    assert [False, True] == [files.have_settled(), files.have_settled()]


def test_a_file_that_is_gone_counts(folder: Path) -> None:
    """What was removed is a change too."""
    files = Files(folder)
    (folder / "tags/filler.csv").unlink()
    assert [False, True] == [files.have_settled(), files.have_settled()]


@pytest.mark.parametrize("name", [".plant.yaml.swp", ".uns/state.yaml", "notes.md"])
def test_what_is_not_the_projects_does_not_count(folder: Path, name: str) -> None:
    """An editor's own files, our state and notes start nothing."""
    files = Files(folder)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("anything")
    assert [False, False] == [files.have_settled(), files.have_settled()]


def test_a_single_file_is_a_project(folder: Path) -> None:
    """Its neighbours count too: lists of tags lie there."""
    files = Files(folder / "plant.yaml")
    (folder / "plant.yaml").write_text("enterprise: ajax\n")
    assert [False, True] == [files.have_settled(), files.have_settled()]
