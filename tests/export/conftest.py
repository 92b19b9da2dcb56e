"""The schema of the project language and a judge for texts; a project to export."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from uns.cli.catalogue import catalogue
from uns.export.project_schema import project_schema
from uns.project.load import load
from uns.project.project import Project
from uns.project.source import Source

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def schema() -> dict[str, Any]:
    """The project language, with our drivers and targets."""
    return project_schema(catalogue())


@pytest.fixture(scope="session")
def wrong_at(schema: dict[str, Any]) -> Callable[[str], set[tuple[str | int, ...]]]:
    """Judge a file's text by a validator that knows nothing of our models: places of mistakes."""
    validator = jsonschema_rs.Draft7Validator(schema)

    def judge(text: str) -> set[tuple[str | int, ...]]:
        document = json.loads(json.dumps(Source.parse(text, "plant.yaml").data))
        if document is None:
            return set()
        return {tuple(error.instance_path) for error in validator.iter_errors(document)}

    return judge


@pytest.fixture(scope="session")
def plant() -> Project:
    """A project that has a bit of everything: tests/cases/export."""
    found = load(ROOT / "tests/cases/export", catalogue()).project
    assert found is not None
    return found


@pytest.fixture(scope="session")
def aurora() -> Project:
    """The demo plant."""
    found = load(ROOT / "config/aurora", catalogue()).project
    assert found is not None
    return found
