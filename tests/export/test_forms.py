"""Golden cases: one plant with a bit of everything, in each form that people read."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from uns.export import mermaid
from uns.export.machine_type import machine_types
from uns.export.markdown import catalogue
from uns.export.tag_rows import csv_text, rows
from uns.export.type_schema import type_schemas
from uns.project.project import Project

FOLDER = Path(__file__).parents[1] / "cases/export"


def _json_schema(plant: Project) -> str:
    schemas = type_schemas(machine_types(plant.machines))
    return json.dumps(schemas, indent=1, ensure_ascii=False) + "\n"


FORMS: dict[str, Callable[[Project], str]] = {
    "tags.csv": lambda plant: csv_text(rows(plant, plant.machines)),
    "tags-semicolon.csv": lambda plant: csv_text(rows(plant, plant.machines), ";"),
    "catalogue.md": lambda plant: catalogue(plant, plant.machines),
    "tree.mmd": lambda plant: mermaid.tree(plant.machines),
    "flow.mmd": lambda plant: mermaid.flow(plant.machines),
    "types.json": _json_schema,
}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_says_what_it_said(name: str, plant: Project) -> None:
    """The export is exactly what is written beside the project."""
    made = FORMS[name](plant).replace("\r\n", "\n")
    expected = FOLDER / name
    if os.environ.get("UPDATE"):
        expected.write_text(made, encoding="utf-8")
    assert expected.read_text(encoding="utf-8") == made
