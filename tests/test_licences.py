"""Licences: no GPL among what is installed, and no LGPL but the one that is explained."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/explanation/licences.md").read_text()
LESSER = {"asyncua"}
MPL = {"pathspec"}
NEVER = ("cpppo", "c104", "fins", "aphyt")


def _locked(lock: str) -> set[str]:
    text = (ROOT / lock).read_text()
    return set(re.findall(r"^([a-z0-9][a-z0-9._-]*)==", text, re.MULTILINE))


def _licence(package: str) -> str:
    held = importlib.metadata.metadata(package)
    classifiers = [c for c in held.get_all("Classifier") or () if c.startswith("License")]
    short = (held.get("License") or "").partition("\n")[0]
    return " | ".join([held.get("License-Expression") or "", short, *classifiers]).strip(" |")


def test_what_runs_is_permissive_but_for_what_the_page_explains():
    """Every locked package says its licence; copyleft is where the page says, and nowhere else."""
    found = {}
    for package in _locked("requirements.lock"):
        try:
            found[package] = _licence(package)
        except importlib.metadata.PackageNotFoundError:
            continue  # for another platform, or another part of the build
    if len(found) < 30:
        pytest.skip("the locked packages are not installed here")
    assert [] == [package for package, licence in found.items() if not licence]
    lesser = {p for p, licence in found.items() if re.search("LGPL|Lesser", licence)}
    assert LESSER == lesser
    assert set() == {
        package
        for package, licence in found.items()
        if re.search(r"GPL|General Public", licence) and package not in LESSER
    }
    assert MPL >= {
        package for package, licence in found.items() if re.search("MPL|Mozilla", licence)
    }


def test_nothing_that_is_gpl_can_be_installed_with_us():
    """Neither a dependency, nor an extra, nor locked, nor imported."""
    named = (ROOT / "pyproject.toml").read_text()
    locked = _locked("requirements.lock") | _locked("requirements-dev.lock")
    assert set() == locked & set(NEVER)
    assert [] == [package for package in NEVER if f'"{package}' in named]
    imports = re.compile(rf"^\s*(?:import|from)\s+({'|'.join(NEVER)})\b", re.MULTILINE)
    code = [*ROOT.glob("uns/**/*.py"), *ROOT.glob("bridges/**/*.py"), *ROOT.glob("tests/**/*.py")]
    assert [] == [str(path) for path in code if imports.search(path.read_text())]


def test_the_page_names_every_extra():
    """Who installs a protocol finds its licence."""
    named = (ROOT / "pyproject.toml").read_text()
    extras = named.partition("[project.optional-dependencies]")[2].partition("all = ")[0]
    packages = re.findall(r'"([A-Za-z0-9-]+)', extras)
    assert packages
    assert [] == [package for package in packages if package not in PAGE]
