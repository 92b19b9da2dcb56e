"""`uns explain TOPIC`, as a shell sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ACME = ROOT / "config" / "acme"
PRESSURE = "acme/porto/packaging/line4/filler/bowl_pressure"
PLANT = """\
enterprise: acme
types:
  filler:
    tags:
      speed: {unit: "{bottle}/h", scale: [0, 27648, 0, 60000], scan: 200ms, deadband: 1%, range: [0, 60000]}
      good: {unit: "{bottle}", counter: true}
      bad: {unit: "{bottle}", counter: true}
      yield: {unit: "%", calc: 100 * good / (good + bad)}
      spare: {unit: A}
      odd: {desc: "red \\e[31m", unit: A}
bindings:
  plc:
    driver: modbus
    connection: {host: 10.0.0.1}
    tags: {speed: hr:0 int16, good: hr:2 uint32, bad: hr:4 uint32, odd: hr:8 float32}
instances: [{path: leeds/packaging/line1/filler, is: filler, bind: plc}]
consumers:
  shift report: {reads: [acme/+/+/+/+/good], owner: production, contact: "#shift"}
"""
FILLER = "acme/leeds/packaging/line1/filler"


@pytest.fixture
def plant(tmp_path: Path) -> Path:
    """A project of its own folder."""
    folder = tmp_path / "plant"
    folder.mkdir()
    (folder / "plant.yaml").write_text(PLANT)
    return folder


def test_a_topic_is_explained(uns) -> None:
    """File and line of every word, what it replaces, the address, Sparkplug's name, the schema."""
    ended = uns("explain", PRESSURE, ACME)
    assert (0, "") == (ended.code, ended.err)
    told = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert PRESSURE == told[0]
    override = "override porto/packaging/line4/filler plant.yaml:51"
    assert f"range [0, 8] {override}" in told
    assert "instead of [0, 6] type filler plant.yaml:19" in told
    assert "address DB100.DBD20:REAL" in told
    assert "as written DB{db}.DBD20:REAL binding krones-s7 plant.yaml:32" in told
    assert "{net} 10.2 site porto plant.yaml:42" in told
    where = (
        "Sparkplug spBv1.0/acme:porto/DDATA/packaging:line4/filler, metric bowl_pressure, alias "
    )
    assert any(line.startswith(where) and line[len(where) :].isdecimal() for line in told)
    assert "schema {type: number, minimum: 0, maximum: 8, x-unit: bar}" in told


def test_scaling_readers_and_defaults(uns, plant: Path) -> None:
    """How a raw value becomes the value, who reads it, and what nobody wrote."""
    speed = uns("explain", f"{FILLER}/speed", plant).out
    assert "0 … 27648 in the device is 0 … 60000 {bottle}/h" in speed
    assert "scan      200ms" not in speed
    assert "0.2s" in speed
    good = uns("explain", f"{FILLER}/good", plant).out
    assert "consumer  shift report  production, #shift" in good
    assert "calc      yield" in good
    assert "Int64" in good


def test_a_formula_names_what_it_looks_at(uns, plant: Path) -> None:
    """A calculated tag has inputs in the place of an address, and nothing to scale."""
    told = uns("explain", f"{FILLER}/yield", plant).out
    assert f"looks at  {FILLER}/bad" in told
    assert "scaling" not in told


def test_a_tag_that_nothing_feeds(uns, plant: Path) -> None:
    """No address is said in so many words."""
    assert "nothing feeds it" in uns("explain", f"{FILLER}/spare", plant).out


def test_escapes_in_a_file_do_not_reach_the_terminal(uns, plant: Path) -> None:
    """A hostile description is shown as an escape."""
    told = uns("explain", f"{FILLER}/odd", plant).out
    assert "\x1b" not in told
    assert "red \\x1b[31m" in told


def test_a_machine_lists_its_tags(uns, plant: Path) -> None:
    """Of a machine: type, Sparkplug id, and each tag with its source and place."""
    told = uns("explain", FILLER, plant).out
    assert f"{FILLER}\n" in told
    assert "hr:0 int16" in told
    machine = json.loads(uns("explain", FILLER, plant, "--json").out)
    assert ["speed", "good", "bad", "yield", "spare", "odd"] == [
        tag["topic"].rpartition("/")[2] for tag in machine["tags"]
    ]


def test_everything_as_json(uns, plant: Path) -> None:
    """One JSON document with places, source, scaling, schema and readers."""
    ended = uns("explain", "leeds/packaging/line1/filler/good", plant, "--json")
    said = json.loads(ended.out)
    assert (0, f"{FILLER}/good") == (ended.code, said["topic"])
    unit = next(one for one in said["attributes"] if one["name"] == "unit")
    assert ("{bottle}", "type filler", "plant.yaml", 6) == tuple(
        unit[key] for key in ("value", "who", "file", "line")
    )
    assert ("modbus", "hr:2 uint32") == (said["source"]["driver"], said["source"]["address"])
    assert ["yield", "shift report"] == [reader["name"] for reader in said["readers"]]
    assert "integer" == said["schema"]["type"]


def test_a_topic_that_is_not_there(uns, plant: Path) -> None:
    """Exit code 3, and the nearest names."""
    ended = uns("explain", "acme/leeds/packaging/line1/filer/sped", plant)
    assert (3, "") == (ended.code, ended.out)
    assert f"nearest: `{FILLER}/speed`" in ended.err
    ended = uns("explain", "globex/x/y", plant, "--json")
    assert (3, {"topic": "globex/x/y", "nearest": []}) == (ended.code, json.loads(ended.out))


def test_a_project_with_mistakes_is_not_explained(uns, plant: Path) -> None:
    """Exit code 1 and the diagnostics."""
    (plant / "plant.yaml").write_text(PLANT.replace("unit:", "unt:", 1))
    ended = uns("explain", f"{FILLER}/speed", plant)
    assert (1, "") == (ended.code, ended.out)
    assert "UNS101" in ended.err


def test_neither_a_code_nor_a_topic(uns) -> None:
    """A word without a slash is no topic: exit code 2 says so."""
    ended = uns("explain", "bowl_pressure")
    assert 2 == ended.code
    assert "a topic has a `/` in it" in ended.err
