"""`uns import` as people and programs call it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Uns = Callable[..., Any]
LIST = "name,address,type,unit\nLine1.Filler.Speed,DB1.DBD0,REAL,m/s\nLine2.Filler.Speed,DB2.DBD0,REAL,m/s\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A tag list with one row that cannot be mapped."""
    path = tmp_path / "tags.csv"
    path.write_text(LIST + "Line2.Filler.Time,T5,TIMER,\n")
    return path


def test_a_draft_is_written_and_checks(uns: Uns, file: Path, tmp_path: Path) -> None:
    """The file is there, `uns check` is content with it, and what is missing is said."""
    ended = uns("import", "csv", file, "-o", tmp_path / "plant", "--enterprise", "acme")
    assert (0, "") == (ended.code, ended.out)
    assert "tags.csv:4: `Line2.Filler.Time`: no driver of ours reads the address `T5`" in ended.err
    assert "2 machines, 1 type, 2 tags, 1 not mapped in" in ended.err
    checked = uns("check", tmp_path / "plant")
    assert (0, "2 machines, 2 tags, 0 problems") == (checked.code, checked.out.splitlines()[-1])


def test_a_draft_is_never_written_over(uns: Uns, file: Path, tmp_path: Path) -> None:
    """The second time needs --force."""
    words = ("import", "csv", file, "-o", tmp_path / "plant")
    assert [0, 2, 0] == [uns(*words).code, uns(*words).code, uns(*words, "--force").code]


def test_without_a_folder_the_draft_goes_to_stdout(uns: Uns, file: Path) -> None:
    """Data on stdout, talk on stderr; --json is one document."""
    ended = uns("import", "csv", file)
    assert ended.out.startswith("# Drafted by `uns import csv tags.csv`.\n")
    report = json.loads(uns("import", "csv", file, "--json").out)
    assert (2, 1, 2, 1, []) == (
        report["machines"], report["types"], report["tags"], len(report["unmapped"]),
        report["problems"],
    )  # fmt: skip
    assert ended.out == report["draft"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("csv", "{no}"), 2, "does not exist"),
        (("excel", "{file}"), 2, "'csv'"),
        (("csv", "{file}", "--under", "a/b"), 2, "site/area/line"),
        (("csv", "{file}", "--enterprise", "a b"), 2, "(a blank) may not appear"),
        (("csv", "{file}", "--driver", "fins"), 2, "there is no driver `fins`"),
        (("csv", "{image}"), 1, "has no rows below a heading with"),
        (("csv", "{file}", "--driver", "opcua"), 1, "no tag could be mapped"),
    ],
)
def test_a_bad_day_is_one_sentence(
    uns: Uns, file: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    """Exit code 2 for the command line, 1 for the file, and never a traceback."""
    image = file.with_name("a.png")
    image.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00")
    names = {"file": file, "image": image, "no": file.with_name("no.csv")}
    ended = uns("import", *(word.format(**names) for word in words))
    assert (code, "") == (ended.code, ended.out)
    assert said in ended.err
    assert "Traceback" not in ended.err
