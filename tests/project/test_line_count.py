"""The promise of the product: what the next machine, line and site cost in lines of YAML."""

from __future__ import annotations

import difflib
from pathlib import Path

from uns.cli.catalogue import catalogue
from uns.project.load import Loaded, load

ACME = Path(__file__).parents[2] / "config/acme/plant.yaml"
WORDS = ("speed", "temp", "pressure", "level", "torque")


def _library() -> str:
    """A type of 50 tags with a part in an array, and where one vendor keeps them."""
    tags = [
        f"      {word}: {{unit: {unit}, range: [0, {high}], alarm: {{hi: {high - 1}}}}}"
        for word, unit, high in zip(
            WORDS, ("m/s", "Cel", "bar", "mm", "N.m"), (9, 90, 6, 500, 80), strict=True
        )
    ]
    return "\n".join(
        [
            "types:",
            "  valve: {tags: {open: {type: bool}, position: {unit: '%', range: [0, 100]}}}",
            "  motor:",
            "    tags: {current: {unit: A}, speed: {unit: /min}, temp: {unit: Cel}, hours: {unit: h}}",
            "  filler:",
            "    tags:",
            "      state: {states: packml}",
            "      good: {unit: '{bottle}', counter: true}",
            "      bad: {unit: '{bottle}', counter: true}",
            *tags,
            "      recipe: {type: string, write: {roles: [operator]}}",
            "      batch: {type: string}",
            "      drive: {is: motor, array: 1..5}",
            "      valve: {is: valve, array: 1..10}",
            "bindings:",
            "  sidel:",
            "    driver: opcua",
            '    connection: {endpoint: "opc.tcp://{host}:4840", namespace: "urn:sidel"}',
            '    tags: "s=Line{n}.Filler.{tag:pascal}"',
            "",
        ]
    )


def _loaded(text: str, folder: Path) -> Loaded:
    (folder / "plant.yaml").write_text(text)
    return load(folder, catalogue())


def _added(before: str, after: str) -> list[str]:
    lines = difflib.ndiff(before.splitlines(), after.splitlines())
    return [line for line in lines if line[:1] in "+-"]


def test_a_hundred_machines_of_fifty_tags_are_a_page(tmp_path: Path) -> None:
    """A type and a binding of at most 60 lines together, and one entry for all machines."""
    entry = """\
enterprise: acme
instances:
  - {path: "leeds/packaging/line{n}/filler", each: {n: 1..100}, is: filler, bind: sidel,
     with: {host: "10.1.{n}.20"}}
"""
    library = _library()
    found = _loaded(entry + library, tmp_path)
    assert () == found.diagnostics
    assert found.project is not None
    assert 100 == len(found.project.machines)
    assert {50} == {len(machine.tags) for machine in found.project.machines}
    assert 100 == len(found.project.connections)
    assert len(library.splitlines()) <= 60
    assert len(entry.splitlines()) <= 4


def test_the_next_line_is_one_character(tmp_path: Path) -> None:
    """Line 5 on both sites of the example: `1..4` becomes `1..5`."""
    before = ACME.read_text()
    assert len(before.splitlines()) <= 51  # "about 50"
    after = before.replace("1..4", "1..5")
    assert len(before) == len(after)
    assert 1 == sum(one != other for one, other in zip(before, after, strict=True))
    found = _loaded(after, tmp_path)
    assert () == found.diagnostics
    assert found.project is not None
    assert (10, 100) == (len(found.project.machines), found.project.tag_count)


def test_the_next_site_is_one_line(tmp_path: Path) -> None:
    """A line below `sites`, and its name in `each`."""
    before = ACME.read_text()
    site = '  lyon:  {net: "10.3", timezone: Europe/Paris}\n'
    after = before.replace("instances:", f"{site}instances:").replace(
        "[leeds, porto]", "[leeds, porto, lyon]"
    )
    changed = [line for line in _added(before, after) if "each:" not in line]
    assert [f"+ {site.rstrip()}"] == changed
    found = _loaded(after, tmp_path)
    assert () == found.diagnostics
    assert found.project is not None
    lyon = [machine for machine in found.project.machines if machine.site == "lyon"]
    assert ["s7://10.3.1.20:102/0.1"] == sorted(
        {tag.source.connection for tag in lyon[0].tags if tag.source}
    )
    assert 4 == len(lyon)


def test_a_new_tag_on_all_machines_is_two_lines(tmp_path: Path) -> None:
    """One in the type, one address in the binding."""
    before = ACME.read_text()
    after = before.replace(
        "      recipe: {type", "      ph: {range: [0, 14]}\n      recipe: {type"
    ).replace("      recipe:  ", "      ph: DB{db}.DBD60:REAL\n      recipe:  ")
    assert 2 == len(_added(before, after))
    found = _loaded(after, tmp_path)
    assert () == found.diagnostics
    assert found.project is not None
    assert 88 == found.project.tag_count
