"""The pages of breaks are tests: from the first project to the second a plan says what they show."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from uns.cli.catalogue import catalogue
from uns.plan.difference import BREAKS
from uns.plan.plan import Plan, make_plan
from uns.plan.readers import Readers
from uns.plan.report import advice, lines, summary
from uns.plan.snapshot import Snapshot
from uns.project.load import load

FOLDER = Path(__file__).parents[2] / "docs/reference/errors"
FENCE = re.compile(r"```(yaml|text)\n(.*?)```", re.DOTALL)


def _planned(before: str, after: str, folder: Path) -> Plan:
    """The plan from one example to another."""
    snapshots, project = [], None
    for name, text in (("before", before), ("after", after)):
        path = folder / name / "plant.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        project = load(path, catalogue()).project
        assert project is not None
        snapshots.append(Snapshot.of(project.machines))
    assert project is not None
    return make_plan(snapshots[0], snapshots[1], Readers.of(project))


@pytest.mark.parametrize("code", BREAKS)
def test_a_page_of_a_break_tells_the_truth(code: str, tmp_path: Path) -> None:
    """The change that a page shows draws exactly its text, and the better one breaks nothing."""
    page = FOLDER / f"{code}.md"
    text = page.read_text()
    (_, before), (_, after), (_, shown), (_, better) = FENCE.findall(text)
    plan = _planned(before, after, tmp_path / "wrong")
    drawn = "\n".join([f"plan: {summary(plan)}", *lines(plan), *advice(plan), ""])
    if os.environ.get("UPDATE"):
        page.write_text(text.replace(f"```text\n{shown}```", f"```text\n{drawn}```", 1))
        shown = drawn
    assert shown == drawn
    assert [code] == list(plan.breaks)
    assert {} == _planned(before, better, tmp_path / "right").breaks


@pytest.mark.parametrize("code", BREAKS)
def test_a_page_of_a_break_has_its_title(code: str) -> None:
    """The first line says what the command says."""
    assert (FOLDER / f"{code}.md").read_text().startswith(f"# {code}: {BREAKS[code]}\n")
