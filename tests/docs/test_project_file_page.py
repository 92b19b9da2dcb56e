"""The reference page of the project file says what the models say."""

from __future__ import annotations

import os
from pathlib import Path

from uns.project.models import ProjectWords
from uns.project.reference import project_file_page

PAGE = Path(__file__).parents[2] / "docs/reference/project-file.md"


def test_the_page_is_what_the_models_say() -> None:
    """Changing a word without its page fails here; UPDATE=1 writes the page."""
    if os.environ.get("UPDATE"):
        PAGE.write_text(project_file_page())
    assert project_file_page() == PAGE.read_text()


def test_every_word_is_described() -> None:
    """No key of a project is without a sentence about it."""
    page = project_file_page()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert [] == [row[0] for row in rows if len(row) != 3 or not row[2].strip(" |")]
    assert set(ProjectWords.model_fields) <= {row[0].split("`")[1] for row in rows}
