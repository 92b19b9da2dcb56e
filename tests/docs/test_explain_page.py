"""docs/how-to/explain-a-value.md shows what the command prints."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from uns.cli.explain import explain

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/how-to/explain-a-value.md"
FENCE = re.compile(r"```sh\nuns explain ([^\n]*)\n```\n```text\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("number", range(len(FENCE.findall(PAGE.read_text()))))
def test_the_page_shows_what_the_command_says(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each command of the page prints the text below it."""
    monkeypatch.chdir(ROOT)
    words, shown = FENCE.findall(text := PAGE.read_text())[number]
    printed = CliRunner().invoke(explain, shlex.split(words)).output
    if os.environ.get("UPDATE"):
        PAGE.write_text(text.replace(f"```text\n{shown}```", f"```text\n{printed}```", 1))
        shown = printed
    assert shown == printed
