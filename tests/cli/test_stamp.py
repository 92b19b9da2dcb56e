"""`uns stamp` as people call it: the next line, and nothing else changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from uns.cli.catalogue import catalogue
from uns.cli.stamp import stamp
from uns.errors import ProjectError
from uns.project.load import load

ROOT = Path(__file__).parents[2]
HEAD = """\
enterprise: acme
types: {pump: {tags: {flow: {unit: L/min}}}}
bindings: {plc: {driver: modbus, connection: {host: "{host}"}, tags: {flow: "hr:100 float32"}}}
"""


def _stamp(*words: object) -> Result:
    return CliRunner().invoke(stamp, [str(word) for word in words])


def _changed(result: Result) -> list[str]:
    lines = result.stdout.splitlines()
    return [one for one in lines if one[:1] in "+-" and one[:3] not in ("+++", "---")]


@pytest.fixture
def plant(tmp_path: Path) -> Callable[[str], Path]:
    """A project of one file: its instances below our head."""

    def write(instances: str) -> Path:
        file = tmp_path / "plant.yaml"
        file.write_text(HEAD + instances)
        return file

    return write


def _paths(project: Path) -> list[str]:
    loaded = load(project, catalogue())
    assert loaded.project is not None, loaded.diagnostics
    return [str(machine.topic) for machine in loaded.project.machines]


def test_a_line_of_a_series_is_one_character(plant: Callable[[str], Path]) -> None:
    """`1..4` becomes `1..5`; the comment behind it stays."""
    file = plant(
        'instances:\n  - path: "leeds/water/line{n}/pump"\n    each: {n: 1..4}   # four lines\n'
        '    is: pump\n    bind: plc\n    with: {host: "10.1.{n}.20"}\n'
    )
    result = _stamp("leeds/water/line1", file, "--as", "leeds/water/line5")
    assert 0 == result.exit_code
    assert [
        "-    each: {n: 1..4}   # four lines",
        "+    each: {n: 1..5}   # four lines",
    ] == _changed(result)
    assert 5 == len(_paths(file))
    assert "reads the same" not in result.stderr


@pytest.mark.parametrize(
    ("series", "as_", "made"),
    [("1..4", "line7", "[1..4, 7]"), ("[1, 3]", "line4", "[1, 3, 4]"), ("1", "line2", "[1, 2]")],
)
def test_other_series_get_a_value_more(
    plant: Callable[[str], Path], series: str, as_: str, made: str
) -> None:
    """Ranges, lists and single values."""
    file = plant(
        f'instances:\n  - path: "leeds/water/line{{n}}/pump"\n    each: {{n: {series}}}\n'
        '    is: pump\n    bind: plc\n    with: {host: "10.1.{n}.20"}\n'
    )
    result = _stamp("leeds/water/line1", file, "--as", f"leeds/water/{as_}")
    assert f"+    each: {{n: {made}}}" == _changed(result)[1]
    assert f"acme/leeds/water/{as_}/pump" in _paths(file)


def test_a_line_on_one_of_two_sites_is_an_entry_of_its_own(tmp_path: Path) -> None:
    """`1..5` would make line 5 on both sites: the entry is copied for one, and the rest stays."""
    folder = tmp_path / "acme"
    shutil.copytree(ROOT / "config/acme", folder)
    before = _paths(folder)
    result = _stamp("leeds/packaging/line1", folder, "--as", "leeds/packaging/line5")
    assert 0 == result.exit_code, result.output
    assert [*before, "acme/leeds/packaging/line5/filler"] == _paths(folder)
    assert "+    each: {site: [leeds], n: [5]}" in _changed(result)
    assert not [line for line in _changed(result) if line.startswith("-")]


def test_exceptions_are_not_taken_along_and_that_is_said(tmp_path: Path) -> None:
    """What `overrides` say of the old line is about that line."""
    folder = tmp_path / "acme"
    shutil.copytree(ROOT / "config/acme", folder)
    result = _stamp("porto/packaging/line3", folder, "--as", "porto/packaging/line5")
    assert 0 == result.exit_code, result.output
    said = "the exception `porto/packaging/line3/filler` below `overrides` is not taken along"
    assert said in result.stderr


def test_entries_that_are_written_out_are_copied(plant: Callable[[str], Path]) -> None:
    """Block and flow entries; what did not follow (the host) is said."""
    file = plant(
        "instances:  # all of them\n"
        "  - path: leeds/water/line1/pump1   # the old one\n    is: pump\n    bind: plc\n"
        "    with: {host: 10.1.1.20}\n\n"
        "  # the second\n"
        '  - {path: "leeds/water/line{n}/pump2", is: pump, bind: plc, with: {n: 1, host: "10.1.{n}.21"}}\n'
    )
    result = _stamp("leeds/water/line1", file, "--as", "leeds/water/line2")
    assert 0 == result.exit_code, result.output
    assert [
        "+  - path: leeds/water/line2/pump1   # the old one", "+    is: pump", "+    bind: plc",
        "+    with: {host: 10.1.1.20}",
        '+  - {path: "leeds/water/line{n}/pump2", is: pump, bind: plc, with: {n: 2, host: "10.1.{n}.21"}}',
    ] == _changed(result)  # fmt: skip
    assert 4 == len(_paths(file))
    assert (
        "leeds/water/line2/pump1 reads the same as leeds/water/line1/pump1 (hr:100 float32 of modbus://10.1.1.20:502)"
        in result.stderr
    )
    assert "pump2 reads the same" not in result.stderr


def test_a_dry_run_writes_nothing(plant: Callable[[str], Path]) -> None:
    """The diff, as text and as JSON, and the file as it was."""
    file = plant(
        "instances:\n  - {path: leeds/water/line1/pump, is: pump, bind: plc, with: {host: a}}\n"
    )
    text = file.read_text()
    result = _stamp("leeds/water/line1", file, "--as", "leeds/water/line2", "--dry-run", "--json")
    report = json.loads(result.stdout)
    assert (text, ["leeds/water/line2/pump"], 1) == (
        file.read_text(), report["machines"], len(report["shared"]),
    )  # fmt: skip


def test_a_dry_run_needs_no_right_to_write(plant: Callable[[str], Path], tmp_path: Path) -> None:
    """Of a project that we may only read, the change is shown all the same."""
    plant("instances:\n  - {path: leeds/water/line1/pump, is: pump, bind: plc, with: {host: a}}\n")
    (tmp_path / "plant.yaml").chmod(0o444)
    result = _stamp("leeds/water/line1", tmp_path, "--as", "leeds/water/line2", "--dry-run")
    assert (0, True) == (result.exit_code, "+  - {path" in result.stdout), result.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("leeds/water/line9", "--as", "leeds/water/line2"), 2, "no machine of the project is on"),
        (("leeds/water/line1", "--as", "leeds/water/line1"), 2, "has machines already"),
        (("leeds/water", "--as", "leeds/water/line1"), 2, "is not SITE/AREA/LINE"),
    ],
)
def test_a_line_that_cannot_be_is_a_sentence(
    plant: Callable[[str], Path], words: tuple[str, ...], code: int, said: str
) -> None:
    """What is wrong with the command line, and exit code 2."""
    file = plant(
        "instances:\n  - {path: leeds/water/line1/pump, is: pump, bind: plc, with: {host: a}}\n"
    )
    result = _stamp(words[0], file, *words[1:])
    assert (code, True) == (result.exit_code, said in result.stderr)


def test_what_needs_a_hand_is_refused_and_nothing_is_written(plant: Callable[[str], Path]) -> None:
    """All entries in one line cannot be copied: the sentence names the place."""
    file = plant(
        "instances: [{path: leeds/water/line1/pump, is: pump, bind: plc, with: {host: a}}]\n"
    )
    text = file.read_text()
    result = _stamp("leeds/water/line1", file, "--as", "leeds/water/line2")
    assert isinstance(result.exception, ProjectError)
    assert "plant.yaml:4" in str(result.exception)
    assert text == file.read_text()
