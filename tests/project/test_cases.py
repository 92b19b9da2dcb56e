"""Golden cases: a folder of YAML, and what is said about it or comes of it."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from uns.equipment import Machine, Tag
from uns.project.catalogue import Catalogue
from uns.project.load import Loaded, load
from uns.project.render import one_line, render

CASES = sorted((Path(__file__).parents[1] / "cases/project").iterdir())


def _told(loaded: Loaded) -> str:
    out = io.StringIO()
    render(Console(file=out, width=100, color_system=None), loaded.sources, loaded.diagnostics)
    lines = [*out.getvalue().splitlines(), *map(one_line, loaded.diagnostics)]
    if loaded.project:
        lines += _expanded(loaded.project.machines)
        lines += [f"connection {c.key} by {c.driver}" for c in loaded.project.connections.values()]
    return "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"


def _expanded(machines: tuple[Machine, ...]) -> Iterator[str]:
    for machine in machines:
        ids = machine.sparkplug
        yield f"{machine.topic} is {' < '.join(machine.lineage)} {machine.version}"
        yield f"  {ids.group_id} {ids.edge_node_id} {ids.device_id}"
        yield from (f"  {_line(tag)}" for tag in machine.tags)


def _line(tag: Tag) -> str:
    source = f"{tag.source.connection} {tag.source.text}" if tag.source else f"= {tag.calc or '-'}"
    return f"{tag.name} {tag.datatype.label} [{tag.unit}] {source}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_says_what_it_said(case: Path, catalogue: Catalogue) -> None:
    """The project of the case draws, or expands to, exactly what is written beside it."""
    told = _told(load(case, catalogue, environment={}))
    expected = case / "expected.txt"
    if os.environ.get("UPDATE"):
        expected.write_text(told)
    assert expected.read_text() == told
