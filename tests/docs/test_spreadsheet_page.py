"""The page about tags in a spreadsheet: its files are a project."""

from __future__ import annotations

import re
from pathlib import Path

from uns.cli.catalogue import catalogue
from uns.project.load import load

PAGE = Path(__file__).parents[2] / "docs/how-to/tags-in-a-spreadsheet.md"
FILE = re.compile(r"`(\S+\.(?:csv|yaml))`:\n```\w+\n(.*?)```", re.DOTALL)


def test_the_files_of_the_page_load(tmp_path: Path) -> None:
    """What the page shows is a project without findings: four machines of three tags."""
    for name, text in FILE.findall(PAGE.read_text()):
        (tmp_path / name).write_text(text)
    found = load(tmp_path, catalogue())
    assert () == found.diagnostics
    assert found.project is not None
    assert (4, 12) == (len(found.project.machines), found.project.tag_count)
