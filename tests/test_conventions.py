"""The house rules that a machine can check."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = sorted([*ROOT.glob("uns/**/*.py"), *ROOT.glob("bridges/**/*.py")])
TESTS = sorted(ROOT.glob("tests/**/test_*.py"))
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md")])
MAX_FILE_LINES = 500
MAX_FUNCTION_LINES = 50


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text())
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


@pytest.mark.parametrize("path", CODE, ids=_name)
def test_a_file_is_small_and_says_what_it_is(path: Path) -> None:
    """At most 500 lines, functions of at most 50, and a docstring that names the one noun."""
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert len(text.splitlines()) <= MAX_FILE_LINES
    long = [
        f.name for f in _functions(path) if (f.end_lineno or 0) - f.lineno >= MAX_FUNCTION_LINES
    ]
    assert [] == long


@pytest.mark.parametrize("path", CODE, ids=_name)
def test_what_a_file_offers_is_sorted_and_there(path: Path) -> None:
    """`__all__` is sorted and every name in it exists in the file."""
    tree = ast.parse(path.read_text())
    offered = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)
    ]
    if not offered:
        return
    names = offered[0]
    key = lambda name: (not name.isupper(), not name[0].isupper(), name)  # noqa: E731
    assert sorted(names, key=key) == names or sorted(names) == names
    words = set(re.findall(r"\w+", path.read_text()))
    assert set(names) <= words


@pytest.mark.parametrize("path", TESTS, ids=_name)
def test_every_test_names_its_promise(path: Path) -> None:
    """A test's docstring is the sentence that would be untrue if it failed."""
    nameless = [
        f.name for f in _functions(path) if f.name.startswith("test_") and not ast.get_docstring(f)
    ]
    assert [] == nameless


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_links_in_docs_lead_somewhere(page: Path) -> None:
    """Every relative link in a page points at a file of this repository."""
    broken = []
    for link in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if not link.startswith(("http://", "https://", "mailto:")):
            target = (page.parent / link).resolve()
            if not target.exists():
                broken.append(link)
    assert [] == broken


def test_every_driver_and_target_has_its_page() -> None:
    """What a project can name has a reference page."""
    from bridges import DRIVERS
    from uns.target import TARGETS

    missing = [
        page
        for folder, names in (("bridges", DRIVERS), ("targets", TARGETS))
        for name in names
        if not (page := ROOT / "docs/reference" / folder / f"{name}.md").exists()
    ]
    assert [] == missing


def test_every_command_is_in_the_reference() -> None:
    """docs/reference/cli.md speaks of each command."""
    from uns.cli.main import COMMANDS

    page = (ROOT / "docs/reference/cli.md").read_text()
    assert [] == [name for name in COMMANDS if f"## uns {name}" not in page]
