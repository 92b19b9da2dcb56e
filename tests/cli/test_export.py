"""`uns export` as people and programs call it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
Uns = Callable[..., Any]


def test_the_schema_for_editors_is_the_one_that_ships(uns: Uns, tmp_path: Path) -> None:
    """On stdout or in a file, it is schemas/project/1.json."""
    shipped = (ROOT / "schemas/project/1.json").read_text()
    file = tmp_path / "project.schema.json"
    printed, written = uns("export", "project-schema"), uns("export", "project-schema", "-o", file)
    assert (0, shipped) == (printed.code, printed.out)
    assert (0, "", f"wrote {file}\n") == (written.code, written.out, written.err)
    assert shipped == file.read_text()
    assert "types" in json.loads(shipped)["properties"]


def test_a_file_that_cannot_be_written_is_told(uns: Uns, tmp_path: Path) -> None:
    """A folder in the way is one sentence and exit code 1."""
    ended = uns("export", "project-schema", "-o", tmp_path)
    assert (1, "") == (ended.code, ended.out)
    assert f"`{tmp_path}` cannot be written: Is a directory" in ended.err
