"""The draft: repeated machines become one type, one binding and one entry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from uns.importers.draft import Draft
from uns.importers.found import Device, Found, FoundTag, Unmapped
from uns.metric import DataType
from uns.project.project import Project

Drafted = Callable[[Found], Draft]
Loaded = Callable[[str], Project]
NAMES = ("Speed", "Temp", "BowlPressure", "Good")


def _filler(n: int, host: str = "", address: str = "DB{db}.DBD{at}:REAL") -> Device:
    tags = tuple(
        FoundTag(
            (name,), address.format(db=100 + n, at=4 * k, n=n), DataType.FLOAT, unit="bar",
            span=(0.0, 10.0), desc=f"Filler {n} {name.lower()}", origin=f"f{n}.csv:{k + 2}",
        )
        for k, name in enumerate(NAMES)
    )  # fmt: skip
    return Device(f"Filler{n}", "s7", {"host": host or f"10.1.{n}.20"}, tags)


def _sources(project: Project) -> dict[str, str]:
    return {
        str(tag.topic): tag.source.text
        for machine in project.machines
        for tag in machine.tags
        if tag.source
    }


def test_four_machines_are_one_type_and_one_entry(drafted: Drafted, loaded: Loaded) -> None:
    """The next one is a one-character diff; host and block number follow the machine's number."""
    made = drafted(Found(tuple(map(_filler, (1, 2, 3, 4)))))
    assert (4, 1, 16) == (made.machines, made.types, made.tags)
    for line in (
        '      speed: "DB1{n:02d}.DBD0:REAL"',
        '  - path: "leeds/packaging/line1/filler{n}"',
        "    each: {n: 1..4}",
        '    with: {host: "10.1.{n}.20"}',
        "      speed: {unit: bar, range: [0, 10], desc: Filler speed}",
    ):
        assert line in made.text.splitlines()
    sources = _sources(loaded(made.text))
    assert "DB104.DBD8:REAL" == sources["acme/leeds/packaging/line1/filler4/bowl_pressure"]
    fifth = loaded(made.text.replace("1..4", "1..5"))
    assert {"s7://10.1.5.20:102/0.1"} < set(fifth.connections)


def test_a_hundred_machines_of_fifty_tags_are_a_type_a_binding_and_an_entry(
    drafted: Drafted, loaded: Loaded
) -> None:
    """5,000 tags in some 110 lines: one for each tag in the type, one in the binding, one entry."""
    names = [f"PT{chr(97 + k // 26)}{chr(97 + k % 26)}" for k in range(50)]
    devices = tuple(
        Device(f"Filler{n}", "s7", {"host": f"10.1.{n}.20"}, tuple(
            FoundTag((name,), f"DB{n}.DBD{4 * k}:REAL") for k, name in enumerate(names)
        ))
        for n in range(1, 101)
    )  # fmt: skip
    made = drafted(Found(devices))
    lines = [line for line in made.text.splitlines() if line.strip() and line.strip()[0] != "#"]
    assert (100, 1, 5000, 1) == (
        made.machines, made.types, made.tags, made.text.count("- path"),
    )  # fmt: skip
    assert len(lines) <= 115
    assert 5000 == loaded(made.text).tag_count


def test_hosts_that_follow_nothing_make_a_row_for_each_machine(
    drafted: Drafted, loaded: Loaded
) -> None:
    """One type and one binding still, and one line per machine."""
    hosts = ("10.1.1.20", "10.9.9.9", "plc-three")
    made = drafted(Found(tuple(_filler(n, host) for n, host in enumerate(hosts, 1))))
    rows = [line for line in made.text.splitlines() if line.startswith("  - {")]
    assert (3, 1) == (len(rows), made.text.count("driver: s7"))
    assert (
        "  - {path: leeds/packaging/line1/filler3, is: filler, bind: filler, with: {n: 3, host: plc-three}}"
        == rows[2]
    )
    assert 12 == len(_sources(loaded(made.text)))


def test_addresses_without_a_pattern_make_a_binding_for_each(
    drafted: Drafted, loaded: Loaded
) -> None:
    """The type is shared, the comment says why the bindings are not."""
    devices = tuple(_filler(n, address=f"DB{{db}}.DBD{{at}}{n * 7}:REAL") for n in (1, 2))
    odd = replace(devices[1], tags=tuple(
        replace(tag, address=f"DB{k * k + 3}.DBD{k * 13 + 4}:REAL") for k, tag in enumerate(devices[1].tags)
    ))  # fmt: skip
    made = drafted(Found((devices[0], odd)))
    assert (1, 2) == (made.types, made.text.count("driver: s7"))
    assert "follow no pattern" in made.text
    assert "DB12.DBD43:REAL" in _sources(loaded(made.text)).values()


def test_what_one_machine_has_of_its_own_is_an_exception(drafted: Drafted, loaded: Loaded) -> None:
    """A tag that others lack is optional; another range is an override."""
    second = _filler(2)
    changed = replace(second.tags[0], span=(0.0, 25.0))
    extra = FoundTag(("Extra",), "DB7.DBD0:REAL", DataType.FLOAT, scale=(0, 27648, 0, 6))
    second = replace(second, tags=(changed, *second.tags[1:], extra))
    made = drafted(Found((_filler(1), second, _filler(3))))
    assert (3, 1) == (made.machines, made.types)
    machine = loaded(made.text).machines[1]
    speed, found = machine.find_tag("speed"), machine.find_tag("extra")
    assert speed is not None
    assert found is not None
    assert found.source is not None
    assert (25.0, "DB7.DBD0:REAL", (0, 27648, 0, 6)) == (
        speed.high, found.source.text, found.scale,
    )  # fmt: skip
    assert "      extra: {optional: true}" in made.text.splitlines()


def test_machines_with_another_unit_are_another_type(drafted: Drafted, loaded: Loaded) -> None:
    """An override may not turn bar into mbar, so they are not one family."""
    other = replace(_filler(2), tags=tuple(replace(t, unit="mbar") for t in _filler(2).tags))
    made = drafted(Found((_filler(1), other)))
    assert 2 == made.types
    assert 8 == len(_sources(loaded(made.text)))


@pytest.mark.parametrize(
    ("folders", "expected"),
    [
        (("Line1", "Filler"), "leeds/packaging/line1/filler"),
        (("Hall A", "Line1", "Filler"), "leeds/hall_a/line1/filler"),
        (("Porto", "Hall A", "Line1", "Filler"), "porto/hall_a/line1/filler"),
        (("Porto", "Hall", "L1", "Cell 2", "Filler"), "porto/hall/l1/cell_2/filler"),
        (("A", "B", "C", "D", "E", "Filler"), "a/b/c/d_e/filler"),
        (("Line1", "Filler", "Status"), "leeds/packaging/line1/filler"),
    ],
)
def test_folders_are_the_levels_of_the_path(
    drafted: Drafted, loaded: Loaded, folders: tuple[str, ...], expected: str
) -> None:
    """The levels that the file lacks are those of --under; a known group is no machine."""
    tag = FoundTag((*folders, "Speed"), "DB1.DBD0:REAL")
    project = loaded(drafted(Found((Device("plc", "s7", {"host": "h"}, (tag,)),))).text)
    assert [f"acme/{expected}"] == [str(machine.topic) for machine in project.machines]


def test_a_flat_list_with_numbered_names_is_taken_apart(drafted: Drafted, loaded: Loaded) -> None:
    """`Filler1_Speed` and `Filler2_Speed` are two machines; a name that is alone stays a tag."""
    names = [f"Filler{n}_{name}" for n in (1, 2) for name in ("Speed", "Temp", "Level")]
    tags = tuple(
        FoundTag((name,), f"DB1.DBD{4 * k}:REAL") for k, name in enumerate([*names, "PT_101"])
    )
    made = drafted(Found((Device("plc", "s7", {"host": "h"}, tags),)))
    assert {"filler1", "filler2", "plc"} == {
        machine.topic.levels[-1] for machine in loaded(made.text).machines
    }


def test_regular_names_are_one_template(drafted: Drafted, loaded: Loaded) -> None:
    """Where each address follows from its tag's name, the binding is one line."""
    tags = tuple(FoundTag((name,), f"nsu=urn:x;s=Filler.{name}") for name in NAMES)
    device = Device("Filler", "opcua", {"endpoint": "opc.tcp://10.1.1.20:4840"}, tags)
    made = drafted(Found((device,)))
    assert '    tags: "nsu=urn:x;s=Filler.{tag:pascal}"' in made.text.splitlines()
    assert "nsu=urn:x;s=Filler.BowlPressure" in _sources(loaded(made.text)).values()


def test_names_that_become_one_stay_two(drafted: Drafted, loaded: Loaded) -> None:
    """`PT 101` and `PT-101` are `pt_101` and `pt_101_2`, and a comment says so."""
    tags = (
        FoundTag(("PT 101",), "DB1.DBD0:REAL"),
        FoundTag(("PT-101",), "DB1.DBD4:REAL"),
        FoundTag(("PT-101", "Raw"), "DB1.DBD8:REAL"),
    )
    made = drafted(Found((Device("plc", "s7", {"host": "h"}, tags),)))
    assert 3 == len(_sources(loaded(made.text)))
    assert "renamed" in made.text


def test_nothing_that_is_not_mapped_is_dropped(drafted: Drafted) -> None:
    """It stands at the end of the draft with its place and the reason."""
    lost = Unmapped("a.csv:17", "`Recipe`", "its type `BCD` is none of ours")
    made = drafted(Found((_filler(1),), (lost,)))
    assert "#   a.csv:17: `Recipe`: its type `BCD` is none of ours" == made.text.splitlines()[-1]


@pytest.mark.parametrize(
    "text", ["a: b # c", "\"'", "{x}", "true", "- x", "ends \n here", "é\u2028"]
)
def test_texts_of_files_cannot_break_the_draft(drafted: Drafted, loaded: Loaded, text: str) -> None:
    """Descriptions, names and origins of any kind are quoted or kept on their line."""
    tag = FoundTag((text,), "DB1.DBD0:REAL", desc=text, origin=text, guesses=(text,))
    made = drafted(Found((Device(text, "s7", {"host": "h"}, (tag,)),)))
    assert 1 == loaded(made.text).tag_count
