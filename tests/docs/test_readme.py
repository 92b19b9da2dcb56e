"""What README.md shows is what the product does."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

from rich.console import Console

from uns.cli.catalogue import catalogue
from uns.project.load import Loaded, load
from uns.project.render import render

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
FENCES = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def _shown(kind: str) -> list[str]:
    return [text for name, text in FENCES if name == kind]


def _loaded(text: str, folder: Path) -> Loaded:
    (folder / "plant.yaml").write_text(text)
    return load(folder, catalogue())


def test_the_twelve_lines_are_a_project(tmp_path: Path) -> None:
    """The YAML loads, has at most twelve lines, and makes the machines and topics shown."""
    (yaml,) = _shown("yaml")
    project = _loaded(yaml, tmp_path).project
    assert project is not None
    assert len(yaml.splitlines()) <= 12
    count = f"{len(project.machines)} machines, {project.tag_count} tags, 0 problems"
    assert count in README
    topics = [tag.topic.text for machine in project.machines for tag in machine.tags]
    listed = [line for line in _shown("text")[0].splitlines() if line != "…"]
    assert listed == [*topics[:3], topics[-1]]


def test_the_mistake_is_drawn_as_shown(tmp_path: Path) -> None:
    """The diagnostic in the README is what a misspelt key draws."""
    (yaml,) = _shown("yaml")
    loaded = _loaded(yaml.replace("range:", "rang:"), tmp_path)
    out = io.StringIO()
    render(Console(file=out, width=100), loaded.sources, loaded.diagnostics)
    shown = _shown("text")[1].strip("\n")
    assert shown in "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def test_the_payloads_are_json() -> None:
    """The value and the message are documents that a consumer could read."""
    value, message = (json.loads(text) for text in _shown("json"))
    assert {"value", "quality", "timestamp", "unit"} == set(value)
    assert {"JobOrderID", "JobState", "MaterialActuals"} == set(message)


def test_the_readme_stays_short_and_names_the_two_commands() -> None:
    """One screen and a half: at most 150 lines, with `make demo` and `make test`."""
    assert len(README.splitlines()) <= 150
    assert "make demo" in README
    assert "make test" in README
