"""The tutorial is followed word for word: its files, its edits, its commands and what they say."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs/tutorial"
FIRST = (PAGES / "your-first-line.md").read_text()
SECOND = (PAGES / "the-second-line.md").read_text()
FILES = re.compile(r"`(plant/\S+)`[^\n]*:\n```yaml\n(.*?)```", re.DOTALL)
CONSOLE = re.compile(r"```console\n(.*?)```", re.DOTALL)


class Desk:
    """A folder with the reader's `plant`, and the commands run there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        return path

    def edit(self, name: str, old: str, new: str) -> None:
        text = self.path(name).read_text()
        assert old in text, f"{name} has no {old}"
        self.path(name).write_text(text.replace(old, new))

    def commit(self) -> None:
        for words in ("init -q", "add -A", "commit -qm step"):
            command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words.split()]
            subprocess.run(command, cwd=self.folder / "plant", check=True)

    def says(self, command: str) -> list[str]:
        """What a command prints on a wide terminal, its side remarks last."""
        words = shlex.split(command)
        assert words[0] == "uns"
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=self.folder,
            env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        return [line.rstrip() for line in (done.stdout + done.stderr).strip().splitlines()]

    def agrees(self, shown: str) -> None:
        """What the page shows behind each `$` is what the command says; `…` leaves out lines."""
        for part in shown.strip().split("$ ")[1:]:
            command, *wanted = part.strip().splitlines()
            said = self.says(command)
            if "…" in wanted:
                wanted = [line for line in wanted if line != "…"]
                start = said.index(wanted[0])
                said = said[start : start + len(wanted)]
            assert wanted == said[: len(wanted)], command


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """The files of the first page, as they are at its end."""
    desk = Desk(tmp_path)
    for name, text in FILES.findall(FIRST):
        desk.path(name).write_text(text)
    return desk


def test_the_first_line_is_checked_misspelt_and_explained(desk: Desk) -> None:
    """Every command of the first page that needs no broker says what the page shows."""
    fine, wrong, explained = CONSOLE.findall(FIRST)
    desk.agrees(fine)
    desk.edit("plant/types.yaml", "range: [0, 6]", "rang: [0, 6]")
    desk.agrees(wrong)
    desk.edit("plant/types.yaml", "rang: [0, 6]", "range: [0, 6]")
    desk.agrees(explained)


def test_the_second_line_goes_step_by_step(desk: Desk) -> None:
    """One more line, another vendor, another site, a rename: each plan is as the page shows it."""
    files = dict(FILES.findall(SECOND))
    more_line, vendor, site, rename = CONSOLE.findall(SECOND)
    desk.commit()
    desk.edit("plant/lines.yaml", "n: 1", "n: 1..2")
    desk.agrees(more_line)
    plc = desk.path("plant/plc.yaml")
    plc.write_text(plc.read_text() + files["plant/plc.yaml"])
    desk.path("plant/exceptions.yaml").write_text(files["plant/exceptions.yaml"])
    desk.agrees(vendor)
    desk.commit()
    sites = re.search(r"```yaml\n(sites:\n.*?)```", SECOND, re.DOTALL)
    assert sites
    desk.edit("plant/types.yaml", "sites:\n  leeds: {}\n", sites[1])
    desk.path("plant/lines.yaml").write_text(files["plant/lines.yaml"])
    desk.agrees(site)
    desk.path("plant/consumers.yaml").write_text(files["plant/consumers.yaml"])
    desk.commit()
    for name in ("plant/lines.yaml", "plant/exceptions.yaml"):
        desk.edit(name, "packaging", "bottling")
    desk.agrees(rename)
