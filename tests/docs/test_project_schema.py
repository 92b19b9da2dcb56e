"""schemas/project/1.json is what the models say, and every editor's file names it rightly."""

from __future__ import annotations

import json
import os
from pathlib import Path

from uns.cli.catalogue import catalogue
from uns.export.project_schema import project_schema

FILE = Path(__file__).parents[2] / "schemas/project/1.json"


def test_the_schema_is_what_the_models_say() -> None:
    """Changing a word without its schema fails here; UPDATE=1 writes the file."""
    made = json.dumps(project_schema(catalogue()), indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE"):
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(made, encoding="utf-8")
    assert made == FILE.read_text(encoding="utf-8")
