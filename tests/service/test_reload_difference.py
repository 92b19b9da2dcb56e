"""What a reload has to touch, worked out from two projects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from uns.cli.catalogue import catalogue
from uns.project.load import load
from uns.project.project import Project
from uns.service.reload_difference import Difference, difference, restart_reason

PLANT = """\
enterprise: acme
sites: {leeds: {}}
types:
  filler:
    tags:
      good: {type: uint32, counter: true}
      pressure: {unit: bar, range: [0, 6]}
bindings:
  plc:
    driver: modbus
    connection: {host: "10.0.0.{n}"}
    tags: {good: "hr:0 uint32", pressure: "hr:4 float32"}
instances:
  - {path: "leeds/packaging/line{n}/filler", each: {n: 1..3}, is: filler, bind: plc}
overrides: {}
"""
LINES = tuple(f"acme/leeds/packaging/line{n}" for n in (1, 2, 3))
Compare = Callable[[str], Difference]
NO_OVERRIDES = "overrides: {}"


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str], Project]:
    """A project from its text."""

    def loaded(text: str) -> Project:
        (tmp_path / "plant.yaml").write_text(text)
        found = load(tmp_path, catalogue())
        assert found.project is not None, found.diagnostics
        return found.project

    return loaded


@pytest.fixture
def against(project: Callable[[str], Project]) -> Compare:
    """The difference from the plant to another text."""

    def compare(text: str) -> Difference:
        before, after = project(PLANT), project(text)
        return difference(before, after, before.machines, after.machines)

    return compare


def test_nothing_is_touched_by_comments_and_places(against: Compare) -> None:
    """Other lines, comments and order of words in a file are no difference."""
    found = against("# a comment\n\n" + PLANT.replace("[0, 6]", "[0.0, 6.0]"))
    assert found.is_empty
    assert LINES == found.lines.stay


def test_a_changed_tag_touches_its_line_and_not_its_connection(against: Compare) -> None:
    """Another range of one tag changes that machine; nothing is read otherwise."""
    found = against(
        PLANT.replace(
            NO_OVERRIDES,
            "overrides: {leeds/packaging/line2/filler: {tags: {pressure: {range: [0, 8]}}}}",
        )
    )
    assert (LINES[1],) == found.lines.change
    assert (LINES[0], LINES[2]) == found.lines.stay
    assert (f"{LINES[1]}/filler",) == found.machines.change
    assert found.connections.is_empty
    assert "1 line changes, 1 machine changes; 2 machines stay" == found.sentence


def test_another_address_touches_its_connection_alone(against: Compare) -> None:
    """A tag that is read elsewhere changes the connection that reads it; the others stay."""
    override = (
        "overrides: {leeds/packaging/line2/filler: {tags: {pressure: {address: 'hr:8 float32'}}}}"
    )
    found = against(PLANT.replace(NO_OVERRIDES, override))
    assert ("modbus://10.0.0.2:502",) == found.connections.change
    assert ("modbus://10.0.0.1:502", "modbus://10.0.0.3:502") == found.connections.stay


def test_a_line_that_comes_touches_no_other(against: Compare) -> None:
    """`1..4` in the place of `1..3` is one line and one connection more."""
    found = against(PLANT.replace("1..3", "1..4"))
    assert ("acme/leeds/packaging/line4",) == found.lines.come
    assert ("modbus://10.0.0.4:502",) == found.connections.come
    assert LINES == found.lines.stay
    assert "1 line comes, 1 machine comes; 3 machines stay" == found.sentence


def test_a_line_that_leaves_touches_no_other(against: Compare) -> None:
    """`1..2` in the place of `1..3` is one line and one connection less."""
    found = against(PLANT.replace("1..3", "1..2"))
    assert LINES[2:] == found.lines.go
    assert ("modbus://10.0.0.3:502",) == found.connections.go
    assert LINES[:2] == found.lines.stay


def test_a_changed_type_touches_all_of_its_machines(against: Compare) -> None:
    """A tag more in the type and its binding is one more of every line, read over every connection."""
    found = against(
        PLANT.replace("pressure: {unit", "bad: {type: uint32}\n      pressure: {unit").replace(
            "{good:", '{bad: "hr:2 uint32", good:'
        )
    )
    assert LINES == found.lines.change
    assert 3 == len(found.connections.change)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (PLANT, ""),
        (PLANT.replace("1..3", "1..4"), ""),
        (PLANT.replace(": acme", ": ajax"), "`enterprise` is `ajax` now and was `acme`"),
        (PLANT + "sparkplug: {primary_host: scada}\n", "`sparkplug: primary_host:` is another"),
        (PLANT + "sparkplug: {aware_broker: true}\n", "`sparkplug: aware_broker:` is another"),
    ],
)
def test_what_every_line_stands_on_needs_a_restart(
    project: Callable[[str], Project], text: str, reason: str
) -> None:
    """The root of the tree and how Sparkplug is spoken cannot change under what runs."""
    assert reason == restart_reason(project(PLANT), project(text))
