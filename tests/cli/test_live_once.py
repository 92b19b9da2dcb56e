"""`uns check --live` tells what concerns many tags once."""

from __future__ import annotations

import time
from pathlib import Path

from uns.cli.catalogue import catalogue
from uns.cli.live import told
from uns.project.diagnose import Diagnostic
from uns.project.load import Loaded, load
from uns.service.live_check import LiveFinding

MACHINES, TAGS = 40, 50


def _plant(folder: Path) -> Loaded:
    """Many tags without a type, and `exact`, which is written as a Float."""
    names = [f"t{number}" for number in range(TAGS)]
    lines = [
        "enterprise: acme",
        "types:",
        "  filler:",
        "    tags:",
        *(f"      {name}: {{unit: A}}" for name in names),
        "      exact: {unit: A, type: Float}",
        "bindings:",
        "  plc:",
        "    driver: modbus",
        "    connection: {host: 127.0.0.1}",
        "    tags:",
        *(f'      {name}: "hr:{2 * number} float32"' for number, name in enumerate(names)),
        f'      exact: "hr:{2 * TAGS} float32"',
        "instances:",
        *(
            f"  - {{path: leeds/packaging/line{number}/filler, is: filler, bind: plc}}"
            for number in range(MACHINES)
        ),
    ]
    folder.mkdir()
    (folder / "plant.yaml").write_text("\n".join(lines))
    return load(folder, catalogue())


def _wide(loaded: Loaded, machines: int, names: set[str] | None = None) -> list[LiveFinding]:
    """As if a Double stood behind each tag."""
    assert loaded.project is not None, loaded.diagnostics
    hint = "write `…: {type: Double}`"
    return [
        LiveFinding("UNS522", tag.name, hint, connection, machine, tag, "type", is_error=False)
        for connection in loaded.project.connections.values()
        for machine in loaded.project.machines[:machines]
        for tag in machine.tags
        if names is None or tag.name in names
    ]


def _told(loaded: Loaded, folder: Path, found: list[LiveFinding]) -> list[Diagnostic]:
    return [one for one in told(loaded, folder, found).diagnostics if one.code == "UNS522"]


def test_a_default_type_is_told_once_for_a_type_of_machine(tmp_path: Path) -> None:
    """Thousands of tags are one line with a count; one that is written has its own."""
    loaded = _plant(tmp_path / "plant")
    found = _wide(loaded, MACHINES)
    began = time.monotonic()
    live = _told(loaded, tmp_path / "plant", found)
    assert time.monotonic() - began < 30
    default, exact = sorted(live, key=lambda one: one.message)[::-1]
    more = MACHINES * TAGS - 1
    assert f"(and {more:,} more tags of `filler` machines that have no `type`)" in default.message
    assert "write `type: Double` at those whose values need more than seven digits" == default.hint
    assert f"(and {MACHINES - 1} more like it)" in exact.message
    assert 5 + TAGS == exact.span.line


def test_a_single_one_says_what_to_write(tmp_path: Path) -> None:
    """One tag keeps its own hint."""
    loaded = _plant(tmp_path / "plant")
    found = _wide(loaded, 1, {"t1"})
    (one,) = _told(loaded, tmp_path / "plant", found)
    assert ("UNS522", "write `…: {type: Double}`", False) == (
        one.code,
        one.hint,
        "more" in one.message,
    )
