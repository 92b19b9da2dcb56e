"""Lookups: from what somebody typed to the tag, or to what was probably meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from uns.cli.catalogue import catalogue
from uns.project.load import load
from uns.project.lookup import lookup
from uns.project.project import Project

FILLER = "acme/leeds/packaging/line1/filler"


def _project(folder: Path) -> Project:
    loaded = load(folder, catalogue())
    assert loaded.project is not None, loaded.diagnostics
    return loaded.project


@pytest.fixture(scope="module")
def acme() -> Project:
    """The example: eight fillers on two sites."""
    return _project(Path(__file__).parents[2] / "config" / "acme")


@pytest.mark.parametrize(
    ("typed", "tag"),
    [
        (f"{FILLER}/bowl_pressure", "bowl_pressure"),
        ("leeds/packaging/line1/filler/bowl_pressure", "bowl_pressure"),
        (f"/{FILLER}/drive/temp/", "drive/temp"),
        (f"{FILLER}/drive/temp/_meta", "drive/temp"),
        (f"{FILLER}/_alarm/drive/temp", "drive/temp"),
        (f"{FILLER}/_cmd/recipe/_ack", "recipe"),
    ],
)
def test_a_tag_is_found_however_it_is_written(acme: Project, typed: str, tag: str) -> None:
    """With and without the enterprise, and by the tree's own nodes below it."""
    found = lookup(acme, typed)
    assert found.machine is not None
    assert found.tag is not None
    assert (FILLER, tag) == (found.machine.topic.text, found.tag.name)


def test_a_machine_is_found_too(acme: Project) -> None:
    """A machine's own topic, and that of its state."""
    for typed in (FILLER, f"{FILLER}/_state"):
        found = lookup(acme, typed)
        assert found.machine is not None
        assert (FILLER, None) == (found.machine.topic.text, found.tag)


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        (f"{FILLER}/bowl_presure", f"{FILLER}/bowl_pressure"),
        ("acme/leds/packagng/line1/filler/speed", f"{FILLER}/speed"),
        ("acne/leeds/packaging/line1/filler/speed", f"{FILLER}/speed"),
        (f"{FILLER}/drive/tmp", f"{FILLER}/drive/temp"),
        (f"{FILLER}/quite_another_thing", FILLER),
    ],
)
def test_the_nearest_names_are_told(acme: Project, typed: str, first: str) -> None:
    """A slip in any level, or in several, leads to the topic that was meant."""
    found = lookup(acme, typed)
    assert found.machine is None
    assert first == found.nearest[0]


def test_nothing_near_is_nothing(acme: Project) -> None:
    """What looks like nothing we have gets no guess."""
    assert () == lookup(acme, "globex/rome/x/y/z").nearest


def test_a_former_name_leads_to_the_present_one(tmp_path: Path) -> None:
    """Who asks for the topic that a tag or machine had before is told the one it has."""
    (tmp_path / "plant.yaml").write_text(
        "enterprise: acme\n"
        "types: {pump: {tags: {flow: {unit: L/min, was: throughput}}}}\n"
        "bindings: {plc: {driver: modbus, connection: {host: 10.0.0.1}, tags: 'hr:1 float32'}}\n"
        "instances: [{path: leeds/water/line1/pump1, is: pump, bind: plc, was: leeds/h2o/l1/p1}]\n"
    )
    project = _project(tmp_path)
    for typed in ("leeds/water/line1/pump1/throughput", "leeds/h2o/l1/p1/flow"):
        found = lookup(project, f"acme/{typed}")
        assert found.tag is not None
        assert (True, "acme/leeds/water/line1/pump1/flow") == (found.former, found.tag.topic.text)
    machine = lookup(project, "acme/leeds/h2o/l1/p1")
    assert (True, None) == (machine.former, machine.tag)
