"""`uns plan` as a shell runs it: compared with a lock, a commit, a file, a broker; and its bad days."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from uns.cli.catalogue import catalogue
from uns.plan.lock import Lock
from uns.plan.snapshot import Snapshot
from uns.project.load import load

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ACME = ROOT / "config/acme"


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    """The example project, in a folder of its own."""
    folder = tmp_path / "plant"
    folder.mkdir()
    (folder / "plant.yaml").write_text((ACME / "plant.yaml").read_text())
    return folder


def _add_line_five(plant: Path) -> None:
    path = plant / "plant.yaml"
    path.write_text(path.read_text().replace("1..4", "1..5"))


def _lock(plant: Path) -> None:
    project = load(plant, catalogue()).project
    assert project is not None
    (plant / "uns.lock").write_text(Lock(Snapshot.of(project.machines)).text)


def test_it_compares_with_the_lock_beside_the_project(uns, plant) -> None:
    """Without --from the lock is what there was; exit code 2 says, if asked, that there is more."""
    _lock(plant)
    same = uns("plan", plant, "--detailed-exitcode")
    assert (0, "plan: no changes (from uns.lock)\n") == (same.code, same.out)
    _add_line_five(plant)
    more = uns("plan", plant, "--detailed-exitcode")
    assert (2, 0) == (more.code, uns("plan", plant).code)
    assert "plan: 20 added (from uns.lock)\n+ acme/{leeds,porto}/packaging/line5/filler" in more.out


def test_it_compares_with_a_commit(uns, plant) -> None:
    """git:REV is the project as it was; the working tree stays as it is."""
    git = ["git", "-C", str(plant), "-c", "user.name=a", "-c", "user.email=a@b.example"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "as it was"]):
        subprocess.run([*git, *words], check=True, timeout=30)
    _add_line_five(plant)
    found = uns("plan", plant, "--from", "git:HEAD")
    assert (0, True) == (found.code, found.out.startswith("plan: 20 added (from git:HEAD)"))
    wrong = uns("plan", plant, "--from", "git:nowhere")
    assert (1, True) == (wrong.code, wrong.err.startswith("uns: git: "))


def test_it_compares_with_a_file(uns, plant) -> None:
    """Another project or another lock will do; what is neither is a usage error."""
    _add_line_five(plant)
    assert uns("plan", plant, "--from", ACME).out.startswith("plan: 20 added")
    missing = uns("plan", plant, "--from", "nothing.lock")
    assert (2, True) == (missing.code, "there is no `nothing.lock`" in missing.err)


def test_it_says_everything_as_json(uns, plant) -> None:
    """Programs get one object."""
    _add_line_five(plant)
    data = json.loads(uns("plan", plant, "--from", ACME, "--json").out)
    assert {"moved": 0, "added": 20, "deleted": 0, "changed": 0, "breaking": 0} == data["summary"]
    assert {"from": 184, "to": 230} == data["retained"]


def test_a_broken_lock_is_refused_with_its_line(uns, plant) -> None:
    """A conflict that nobody resolved is named, and nothing is guessed."""
    (plant / "uns.lock").write_text("lock 1\n<<<<<<< ours\n")
    found = uns("plan", plant)
    assert (1, "") == (found.code, found.out)
    assert "uns.lock: line 2 of the lock is `<<<<<<< ours`" in found.err


def test_without_lock_and_broker_it_says_so(uns, plant, free_port) -> None:
    """A plan from nothing would call everything new, so there is none."""
    found = uns("plan", plant, "-b", f"mqtt://127.0.0.1:{free_port()}")
    assert (1, "") == (found.code, found.out)
    assert "Traceback" not in found.err


def test_a_project_with_mistakes_has_no_plan(uns, plant) -> None:
    """Mistakes are drawn as `uns check` draws them."""
    (plant / "plant.yaml").write_text("enterprize: acme\n")
    found = uns("plan", plant, "--from", ACME)
    assert (1, "") == (found.code, found.out)
    assert "UNS101" in found.err
