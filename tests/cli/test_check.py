"""`uns check` and `uns explain` as people and programs call them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from uns.cli.check import check
from uns.cli.explain import explain

ROOT = Path(__file__).parents[2]
GOOD = """\
enterprise: acme
types: {pump: {tags: {flow: {unit: L/min}}}}
bindings: {plc: {driver: modbus, connection: {host: 10.1.30.5}, tags: {flow: "hr:100 float32"}}}
instances: [{path: leeds/utilities/water/pump1, is: pump, bind: plc}]
"""
WARNED = GOOD.replace("unit: L/min}", "unit: L/min}, temp: {unit: Cel}")
WRONG = GOOD.replace("unit:", "unt:").replace("is: pump", "is: pump, with: [1]")


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    """A folder for a project."""
    folder = tmp_path / "plant"
    folder.mkdir()
    return folder


def _check(plant: Path, text: str, *options: str) -> Result:
    (plant / "plant.yaml").write_text(text)
    return CliRunner().invoke(check, [str(plant), *options])


@pytest.mark.parametrize(
    ("project", "counts"),
    [("acme", "8 machines, 80 tags, 0 problems"), ("aurora", "36 machines, 669 tags, 0 problems")],
)
def test_our_own_projects_have_no_problems(project: str, counts: str) -> None:
    """The YAML that we ship is checked like anybody's."""
    result = CliRunner().invoke(check, [str(ROOT / "config" / project)])
    assert (0, counts) == (result.exit_code, result.stdout.splitlines()[-1])


def test_a_good_project_is_one_line(plant: Path) -> None:
    """Nothing wrong: the counts and exit code 0."""
    result = _check(plant, GOOD)
    assert (0, "1 machine, 1 tag, 0 problems\n") == (result.exit_code, result.stdout)


def test_problems_are_drawn_and_counted(plant: Path) -> None:
    """Each problem with a caret, then how to learn more, then the count; exit code 1."""
    result = _check(plant, WRONG)
    assert 1 == result.exit_code
    assert "^^^ did you mean `unit`?" in result.stdout
    assert ["explain one: uns explain UNS101", "2 problems"] == result.stdout.splitlines()[-2:]


def test_warnings_do_not_fail_unless_asked(plant: Path) -> None:
    """A tag that nothing feeds is told; only --strict makes it exit code 1."""
    result = _check(plant, WARNED)
    assert 0 == result.exit_code
    assert "1 machine, 2 tags, 0 problems, 1 warning" == result.stdout.splitlines()[-1]
    assert 1 == _check(plant, WARNED, "--strict").exit_code


def test_one_line_each_for_editors(plant: Path) -> None:
    """`file:line:column: severity code sentence (hint)` on stdout, the count on stderr."""
    result = _check(plant, WRONG, "--format", "line")
    assert (
        "plant.yaml:2:30: error UNS101: unknown key `unt` (did you mean `unit`?)"
        == result.stdout.splitlines()[0]
    )
    assert "2 problems\n" == result.stderr


@pytest.mark.parametrize("option", [("--json",), ("--format", "json")])
def test_json_for_programs(plant: Path, option: tuple[str, ...]) -> None:
    """One JSON document with the counts and every diagnostic."""
    result = _check(plant, WRONG, *option)
    report = json.loads(result.stdout)
    assert 1 == result.exit_code
    assert (None, 2, 0) == (report["machines"], report["problems"], report["warnings"])
    assert ("UNS101", 2, 30) == tuple(
        report["diagnostics"][0][key] for key in ("code", "line", "column")
    )
    good = json.loads(_check(plant, GOOD, *option).stdout)
    assert (1, 1, []) == (good["machines"], good["tags"], good["diagnostics"])


def test_a_folder_that_is_not_there_is_a_usage_error(plant: Path) -> None:
    """A wrong path is exit code 2, as every wrong argument."""
    result = CliRunner().invoke(check, [str(plant / "nope")])
    assert 2 == result.exit_code
    assert "does not exist" in result.stderr


def test_an_escape_in_a_file_does_not_reach_the_terminal(plant: Path) -> None:
    """Control characters of a hostile file are shown as blanks."""
    result = _check(plant, 'enterprise: "\\e[31mred"\nsites: {"a\\u202eb": {}}\n')
    assert 1 == result.exit_code
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout


def test_explain_prints_the_page() -> None:
    """A code, in any case and with or without its letters, gives its page."""
    page = (ROOT / "docs/reference/errors/UNS101.md").read_text()
    for code in ("UNS101", "uns101", "101"):
        result = CliRunner().invoke(explain, [code])
        assert (0, page) == (result.exit_code, result.stdout)


def test_explain_lists_what_it_knows() -> None:
    """Without a code every code is listed with its title."""
    result = CliRunner().invoke(explain, [])
    assert 0 == result.exit_code
    assert "UNS101  unknown key" in result.stdout.splitlines()


def test_explain_refuses_what_it_does_not_know() -> None:
    """An unknown code is exit code 2 and says how to list them."""
    result = CliRunner().invoke(explain, ["UNS999"])
    assert 2 == result.exit_code
    assert "uns explain` lists them all" in result.stderr
