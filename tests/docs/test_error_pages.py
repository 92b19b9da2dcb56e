"""Error pages are tests: what a page says is wrong draws exactly what it shows, then passes."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
from rich.console import Console

from uns.cli.catalogue import catalogue
from uns.cli.explain import pages
from uns.project.load import load
from uns.project.render import render

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs/reference/errors").glob("UNS*.md"))
ELSEWHERE = (
    "UNS46",
    "UNS52",
    "UNS53",
)  # test_plan_pages.py, test_live_pages.py, test_broker_pages.py
LOADING = [page for page in PAGES if not page.stem.startswith(ELSEWHERE)]
FENCE = re.compile(r"```(yaml|text)\n(.*?)```", re.DOTALL)
FILE = re.compile(r"# --- (\S+) ---\n")
CONTROL = re.compile(r"<U\+([0-9A-F]{4})>")


def _write(text: str, folder: Path) -> None:
    """Put an example into a folder: plant.yaml, or the files that its headings name."""
    if text.startswith("# (an empty folder)"):
        return
    names = FILE.split(text if text.startswith("# --- ") else f"# --- plant.yaml ---\n{text}")
    for name, content in zip(names[1::2], names[2::2], strict=True):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CONTROL.sub(lambda found: chr(int(found[1], 16)), content))


def _drawn(text: str, folder: Path) -> str:
    """What `uns check` draws for an example, as the page shows it."""
    folder.mkdir()
    _write(text, folder)
    loaded = load(folder, catalogue())
    out = io.StringIO()
    render(Console(file=out, width=100, color_system=None), loaded.sources, loaded.diagnostics)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    return "\n".join(lines).strip("\n").replace(str(folder), folder.name)


@pytest.mark.parametrize("page", LOADING, ids=lambda page: page.stem)
def test_a_page_tells_the_truth(page: Path, tmp_path: Path) -> None:
    """The wrong example draws exactly the text below it, and the right one draws nothing."""
    text = page.read_text()
    (_, wrong), (_, shown), (_, right) = FENCE.findall(text)
    drawn = _drawn(wrong, tmp_path / "plant")
    if os.environ.get("UPDATE"):
        page.write_text(text.replace(f"```text\n{shown}```", f"```text\n{drawn}\n```", 1))
        shown = drawn + "\n"
    assert shown.rstrip("\n") == drawn
    assert {page.stem} == set(re.findall(r"\[(UNS\d{3})\]", drawn))
    assert _drawn(right, tmp_path / "right") == ""


def test_every_code_has_a_page() -> None:
    """No code exists that `uns explain` does not know, and no page is about nothing."""
    used = set()
    for path in (ROOT / "uns").rglob("*.py"):
        used |= set(re.findall(r"\"(UNS\d{3})\"", path.read_text()))
    assert used == {page.stem for page in PAGES}
    assert used == set(pages())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_begins_with_its_code(page: Path) -> None:
    """The first line is the code and what it means: the list of `uns explain` is made of it."""
    assert re.match(rf"# {page.stem}: \S", page.read_text())
