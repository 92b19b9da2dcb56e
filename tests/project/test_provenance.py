"""Provenance: the line of the files that each word about a tag came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from uns.cli.catalogue import catalogue
from uns.project.load import load, read_library
from uns.project.provenance import Attribute, Origin, Provenance, provenance

ROOT = Path(__file__).parents[2]
ACME = ROOT / "config" / "acme"
LINES = (ACME / "plant.yaml").read_text().splitlines()


def _of(folder: Path, topic: str) -> Provenance:
    loaded = load(folder, catalogue())
    assert loaded.project is not None, loaded.diagnostics
    machine = next(m for m in loaded.project.machines if topic.startswith(f"{m.topic}/"))
    found = provenance(read_library(folder), machine, topic.removeprefix(f"{machine.topic}/"))
    assert found is not None
    return found


def _line(part: str) -> int:
    """The line of the example that holds `part`."""
    return next(n for n, line in enumerate(LINES, 1) if part in line)


def _told(attributes: tuple[Attribute, ...]) -> dict[str, list[tuple[object, str, int]]]:
    return {one.name: [(o.value, o.who, o.place.line) for o in one.origins] for one in attributes}


def test_each_word_has_its_line_and_what_it_replaced() -> None:
    """An override's limit is shown with the type's, word by word."""
    pressure, override = _line("bowl_pressure: {unit"), "override porto/packaging/line4/filler"
    exception = _line("porto/packaging/line4/filler:")
    found = _of(ACME, "acme/porto/packaging/line4/filler/bowl_pressure")
    assert {
        "unit": [("bar", "type filler", pressure)],
        "range": [([0.0, 8.0], override, exception), ([0.0, 6.0], "type filler", pressure)],
        "alarm.lo": [(1.0, "type filler", pressure)],
        "alarm.hi": [(7.0, override, exception), (5.0, "type filler", pressure)],
        "address": [("DB{db}.DBD20:REAL", "binding krones-s7", _line("DB{db}.DBD20:REAL"))],
    } == _told(found.attributes)
    assert ["instance", override] == [one.who for one in found.machine]


def test_parameters_of_parameters_are_followed() -> None:
    """`{host}` is made of `{net}` and `{n}`: all three have their place."""
    found = _of(ACME, "acme/leeds/packaging/line2/filler/good")
    stamp, site = _line("with: {host:"), _line("leeds: {net:")
    assert {
        "db": [(100, "instance", stamp)],
        "host": [("10.1.2.20", "instance", stamp)],
        "net": [("10.1", "site leeds", site)],
        "n": [(2, "instance", _line("each: {site:"))],
    } == _told(found.parameters)
    assert ["host", "rack", "slot"] == [one.name for one in found.settings]


def test_a_part_names_its_own_type_and_where_it_was_put_in() -> None:
    """`drive/temp` is a motor's, and a filler says `drive: {is: motor}`."""
    found = _of(ACME, "acme/leeds/packaging/line1/filler/drive/temp")
    assert found.part is not None
    assert ("motor", "type filler", _line("drive:  {is: motor}")) == (
        found.part.value,
        found.part.who,
        found.part.place.line,
    )
    assert {"type motor"} == {
        one.origins[0].who for one in found.attributes if one.name != "address"
    }


def test_another_binding_brings_its_own_words() -> None:
    """Where an override binds otherwise, address, settings and parameters are the other's."""
    found = _of(ACME, "acme/porto/packaging/line3/filler/speed")
    assert [("s=Line{n}.Filler.{tag:pascal}", "binding sidel-opcua", _line("ONE template"))] == (
        _told(found.attributes)["address"]
    )
    assert ("10.2.3.99", "override porto/packaging/line3/filler") == (
        _told(found.parameters)["host"][0][:2]
    )


def test_a_tag_list_has_places_too(tmp_path: Path) -> None:
    """What stands in a spreadsheet is found by its row."""
    (tmp_path / "plant.yaml").write_text(
        "enterprise: acme\n"
        "types: {pump: {tags: pump.csv}}\n"
        "bindings: {plc: {driver: modbus, connection: {host: 10.0.0.1}, tags: pump.csv}}\n"
        "instances: [{path: leeds/water/line1/pump1, is: pump, bind: plc}]\n"
    )
    (tmp_path / "pump.csv").write_text("name,unit,address\nflow,L/min,hr:100 float32\n")
    found = _of(tmp_path, "acme/leeds/water/line1/pump1/flow")
    assert {
        "unit": [("L/min", "tag list", 2)],
        "address": [("hr:100 float32", "tag list", 2)],
    } == _told(found.attributes)
    assert "pump.csv" == found.attributes[0].origins[0].place.file


def test_deadbands_and_times_are_shown_as_they_are_written(tmp_path: Path) -> None:
    """One word where it is one, each key where it is a mapping; durations with their unit."""
    (tmp_path / "plant.yaml").write_text(
        "enterprise: acme\n"
        "types:\n"
        "  pump: {tags: {a: {deadband: 0.5}, b: {deadband: {change: 1%, time: 5s}, heartbeat: 10s,\n"
        "    range: [0, 9], store: false, write: {readback: true}}}}\n"
        "bindings: {plc: {driver: modbus, connection: {host: h}, tags: {a: hr:0, b: hr:1}}}\n"
        "instances: [{path: leeds/a/b/pump, is: pump, bind: plc}]\n"
    )
    said = [
        {one.name: one.origins[0].value for one in _of(tmp_path, f"acme/leeds/a/b/pump/{n}").attributes}
        for n in "ab"
    ]  # fmt: skip
    assert 0.5 == said[0]["deadband"]
    expected = {
        "deadband.change": "1%",
        "deadband.time": "5s",
        "heartbeat": "10s",
        "store": False,
        "write.readback": "5s",
    }
    assert expected == {name: said[1][name] for name in expected}


def test_a_secret_is_not_shown(tmp_path: Path) -> None:
    """A password that stands in the file is hidden; the name of a variable is not."""
    (tmp_path / "plant.yaml").write_text(
        "enterprise: acme\n"
        "types: {pump: {tags: {flow: {unit: L/min}}}}\n"
        "bindings:\n"
        "  plc:\n"
        "    driver: opcua\n"
        '    connection: {endpoint: "opc.tcp://10.0.0.1:4840", auth: {user: u, password: hush}}\n'
        '    tags: "ns=2;s={tag}"\n'
        "instances: [{path: leeds/water/line1/pump1, is: pump, bind: plc}]\n"
    )
    found = _of(tmp_path, "acme/leeds/water/line1/pump1/flow")
    assert "hush" not in str(found)
    assert {"user": "u", "password": "(hidden)"} == _told(found.settings)["auth"][0][0]


@pytest.mark.parametrize("folder", ["acme", "aurora", "foreign"])
def test_every_tag_of_our_own_projects_has_a_provenance(folder: str) -> None:
    """No tag of a project is without a place, whatever made it."""
    loaded = load(ROOT / "config" / folder, catalogue())
    assert loaded.project is not None
    library = read_library(ROOT / "config" / folder)
    for machine in loaded.project.machines[:6]:
        for tag in machine.tags:
            found = provenance(library, machine, tag.name)
            assert found is not None
            assert isinstance(found.machine[0], Origin)
            assert bool(tag.source) == any(one.name == "address" for one in found.attributes)


def test_a_machine_that_the_files_do_not_have_any_more() -> None:
    """Files that changed in between give nothing, and no mistake."""
    loaded = load(ACME, catalogue())
    assert loaded.project is not None
    library = read_library(ROOT / "config" / "foreign")
    assert provenance(library, loaded.project.machines[0], "speed") is None
