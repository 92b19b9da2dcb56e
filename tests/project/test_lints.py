"""Lints: what is probably a slip is told, and what only looks like one is not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bridges import get_driver
from uns.project.catalogue import Catalogue
from uns.project.load import Loaded, load

Load = Callable[..., Loaded]
REAL = Catalogue(
    {name: get_driver(name) for name in ("http", "modbus", "opcua", "s7", "sim", "sql")}
)


def _plant(tags: str, addresses: str, driver: str = "modbus") -> str:
    return f"""
enterprise: acme
types: {{filler: {{tags: {{{tags}}}}}}}
bindings: {{plc: {{driver: {driver}, connection: {{host: 10.0.0.1}}, tags: {{{addresses}}}}}}}
instances: [{{path: leeds/shop/line1/filler, is: filler, bind: plc}}]
"""


def _codes(text: str, folder: Path) -> list[str]:
    (folder / "plant.yaml").write_text(text)
    return [one.code for one in load(folder, REAL).diagnostics]


@pytest.mark.parametrize(
    ("addresses", "driver", "expected"),
    [
        ('a: "hr:0 float32", b: "hr:2 float32"', "modbus", []),
        ('a: "hr:0 float32", b: "hr:1"', "modbus", ["UNS247"]),
        ('a: "hr:0 uint32", b: "hr:0 float32"', "modbus", ["UNS247"]),
        ('a: "hr:0 uint16", b: "hr:0.3"', "modbus", []),
        ('a: "hr:0 uint32", b: "ir:0 uint32"', "modbus", []),
        ('a: "hr:0 uint32", b: "0/hr:0 uint32"', "modbus", []),
        ('a: "hr:0 uint32", b: "40001 uint32"', "modbus", ["UNS246"]),
        ("a: DB1.DBD0:REAL, b: DB1.DBW2:INT", "s7", ["UNS247"]),
        ("a: DB1.DBD0:REAL, b: DB1.DBW4:INT", "s7", []),
        ("a: DB1.DBW0:INT, b: DB1.DBX0.1", "s7", []),
        ("a: 'DB1.DBB0:STRING[4]', b: DB1.DBB5:BYTE", "s7", ["UNS247"]),
        ("a: 'DB1.DBB0:STRING[4]', b: DB1.DBB6:BYTE", "s7", []),
        ("a: DB1.DBD0:REAL, b: DB2.DBD0:REAL", "s7", []),
        ("a: DB1.DBX0.1, b: DB1.DBX0.1", "s7", ["UNS246"]),
    ],
)
def test_places_that_are_read_twice(
    addresses: str, driver: str, expected: list[str], tmp_path: Path
) -> None:
    """Equal and overlapping addresses are told; bits of a word and other areas are not."""
    kind = "{type: string}" if "STRING" in addresses else "{}"
    assert expected == _codes(_plant(f"a: {kind}, b: {{type: Int32}}", addresses, driver), tmp_path)


@pytest.mark.parametrize(
    ("tags", "address", "expected"),
    [
        ("a: {counter: true}", '"hr:0 uint16"', ["UNS249"]),
        ("a: {counter: true}", '"hr:0 uint32"', []),
        ("a: {counter: {rollover: 10000}}", '"hr:0 uint16"', []),
        ("a: {counter: true, type: UInt16}", '"hr:0"', ["UNS249"]),
        ("a: {range: [0, 10], deadband: 1}", '"hr:0"', []),
        ("a: {range: [0, 10], deadband: 11%}", '"hr:0"', ["UNS250"]),
        ("a: {write: {range: [0, 10]}}", '"hr:0"', ["UNS248"]),
        ("a: {write: {roles: [x], range: [10, 0]}}", '"hr:0"', ["UNS111"]),
        ("a: {alarm: {hi: 3, hysteresis: 5%}}", '"hr:0"', ["UNS217"]),
    ],
)
def test_words_that_do_not_go_together(
    tags: str, address: str, expected: list[str], tmp_path: Path
) -> None:
    """Counters, deadbands and who may write are looked at with what else is said of the tag."""
    assert expected == _codes(_plant(tags, f"a: {address}"), tmp_path)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("{deadband: 1, deliver: every}", ["UNS256"]),
        ("{deadband: {time: 5s}, deliver: every}", ["UNS256"]),
        ("{deadband: 1, counter: true}", ["UNS256"]),
        ("{deadband: 1, states: {0: idle}}", ["UNS256"]),
        ("{deadband: 0, counter: true}", []),
        ("{deadband: 1, counter: true, deliver: latest}", []),
        ("{deadband: 1}", []),
    ],
)
def test_a_deadband_where_every_value_counts(
    words: str, expected: list[str], tmp_path: Path
) -> None:
    """It has no effect, and is told; without a size or with `deliver: latest` it is meant."""
    assert expected == _codes(_plant(f"a: {words}", 'a: "hr:0 uint32"'), tmp_path)


def _bound(binding: str, tags: str = "a: {}, b: {}, c: {}") -> str:
    return f"""
enterprise: acme
types: {{filler: {{tags: {{{tags}}}}}}}
bindings: {{plc: {{{binding}}}}}
instances: [{{path: "leeds/shop/line{{n}}/filler", each: {{n: 1..3}}, is: filler, bind: plc}}]
"""


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ("'ns=2;s=L{n}.{tag}'", ["`ns=2;s=L1.a` and 2 more of `plc`"]),
        ("{a: 'ns=2;s=A{n}', b: 'nsu=urn:x;s=B{n}', c: 'ns=2;s=C{n}'}", ["`ns=2;s=A1` and 1 more"]),
        (
            "{a: 'ns=2;s=A{n}', b: 'ns=3;s=B{n}', c: 'ns=1;s=C{n}'}",
            ["`ns=2;s=A1`:", "`ns=3;s=B1`:"],
        ),
        ("'/Objects/2:Line{n}/{tag}'", ["`/Objects/2:Line1/a` and 2 more"]),
        ("'/Objects/Line{n}/{tag}'", []),
        ("{a: i=2258, b: ns=0;i=2259, c: nsu=urn:x;i=1}", []),
    ],
)
def test_a_number_of_a_namespace_is_told_once_for_a_binding(
    addresses: str, expected: list[str], tmp_path: Path
) -> None:
    """Nine tags of three machines are one warning; URIs, names and fixed numbers are none."""
    server = 'driver: opcua, connection: {endpoint: "opc.tcp://10.0.0.{n}"}'
    (tmp_path / "plant.yaml").write_text(_bound(f"{server}, tags: {addresses}"))
    told = [one for one in load(tmp_path, REAL).diagnostics if one.code != "UNS246"]
    assert {"UNS255"} >= {one.code for one in told}
    assert len(expected) == len(told)
    for begin, one in zip(expected, told, strict=True):
        assert one.message.startswith(begin)


_BOX = 'driver: http, connection: {url: "http://10.0.0.{n}"}'
_TABLE = 'driver: sql, connection: {url: "sqlite:///a{n}.db", table: t'


@pytest.mark.parametrize(
    ("binding", "expected"),
    [
        (
            _BOX + ", tags: '/state $.{tag}'",
            ["`a` and 1 more of `plc` cannot be written: `http` only reads"],
        ),
        (_BOX + ", tags: {a: {address: /s $.a, write: false}, c: /s $.c}", []),
        (
            _TABLE + "}, tags: '{tag}'",
            ["`a` and 1 more of `plc` cannot be written: `sql` only reads as"],
        ),
        (_TABLE + ', write: "update t set {{column}} = :value"}, tags: "{tag}"', []),
        ("driver: modbus, connection: {host: h}, tags: {a: hr:0, b: co:2, c: ir:4}", []),
        (
            "driver: modbus, connection: {host: h}, tags: {a: ir:0, b: 10008, c: hr:4}",
            [
                "`a` and 1 more of `plc` cannot be written: `modbus` only reads addresses like `ir:0`"
            ],
        ),
        (
            "driver: s7, connection: {host: h}, tags: {a: QW0, b: EW2, c: IW4}",
            ["`b` cannot be written: `s7` only reads addresses like `EW2`"],
        ),
        (
            "driver: sim, tags: {a: memory 5, b: sine 0..6 60s, c: noise 0..1}",
            ["`b` cannot be written: `sim` only reads addresses like `sine 0..6 60s`"],
        ),
    ],
)
def test_a_writable_tag_of_a_driver_that_only_reads(
    binding: str, expected: list[str], tmp_path: Path
) -> None:
    """Told once for a binding, also of addresses that are only read; a write statement helps."""
    may = "write: {roles: [operator]}, optional: true"
    tags = f"a: {{{may}}}, b: {{{may}}}, c: {{optional: true}}"
    (tmp_path / "plant.yaml").write_text(_bound(binding, tags))
    told = [one for one in load(tmp_path, REAL).diagnostics if one.code != "UNS246"]
    assert {"UNS257"} >= {one.code for one in told}
    assert len(expected) == len(told)
    for begin, one in zip(expected, told, strict=True):
        assert one.message.startswith(begin)


@pytest.mark.parametrize(
    ("first", "later", "expected"),
    [
        ("Int32", "Int64", []),
        ("Int32", "Double", []),
        ("Float", "Boolean", ["UNS245"]),
        ("String", "DateTime", ["UNS245"]),
        ("String", "Text", []),
    ],
)
def test_a_number_stays_a_number(
    first: str, later: str, expected: list[str], tmp_path: Path
) -> None:
    """An override may make a tag wider, and may not make it something else."""
    more = f"overrides: {{leeds/shop/line1/filler: {{tags: {{a: {{type: {later}}}}}}}}}"
    text = _plant(f"a: {{type: {first}}}", 'a: "hr:0 string[4]"') + more
    assert expected == [code for code in _codes(text, tmp_path) if code == "UNS245"]


CONSUMER = """
enterprise: acme
types: {filler: {tags: {speed: {calc: "1"}, drive/temp: {calc: "2"}}}}
instances: [{path: leeds/shop/line1/cell2/filler, is: filler, was: leeds/hall/line1/filler}]
consumers: {dash: {reads: ["FILTER"]}}
"""


@pytest.mark.parametrize(
    "found",
    [
        *("#", "+/#", "acme/#", "acme/leeds/+/+/+/filler/speed", "acme/+/shop/line1/#"),
        *("acme/leeds/shop/line1/cell2/filler/drive/temp", "acme/+/+/+/+/+/drive/+"),
        *("acme/leeds/_state", "acme/_flow/#", "acme/+/+/+/_state"),
        *("acme/leeds/shop/line1/cell2/filler/_cmd/speed", "spBv1.0/#", "other/tree"),
        *("acme/leeds/shop/line1/cell2/filler/speed/_meta", "acme/+/+/+/+/+/+"),
    ],
)
def test_a_filter_that_finds_something_is_left_alone(found: str, loaded: Load) -> None:
    """Tags, places on the way, what stands below them, and other trees."""
    assert () == loaded(CONSUMER.replace("FILTER", found)).diagnostics


@pytest.mark.parametrize(
    ("lost", "hint"),
    [
        ("acme/leeds/shop/line2/#", ""),
        ("acme/leeds/shop/line1", ""),
        ("acme/leeds/shop/line1/cell2/filler", ""),
        ("acme/+/+/+/filler/speed", "acme/leeds/shop/line1/cell2/filler/speed"),
        ("acme/leeds/hall/line1/filler/drive/temp", "filler/drive/temp` now"),
        ("acme/+/+/+/+/+/drive", ""),
        ("acme/leeds/shop/line1/cell2/filler/speed/x", ""),
    ],
)
def test_a_filter_that_finds_nothing_is_told(lost: str, hint: str, loaded: Load) -> None:
    """Where the topic was renamed the hint is its name of now."""
    (one,) = loaded(CONSUMER.replace("FILTER", lost)).diagnostics
    assert "UNS252" == one.code
    assert hint in one.hint


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("acme/+/lab/#", "acme/leeds/lab/#", []),
        ("acme/+/lab/x", "acme/leeds/+/x", ["UNS254"]),
        ("acme/+/lab/x", "acme/+/lab/x", ["UNS254"]),
        ("acme/+/lab", "acme/+/shop", []),
        ("acme/#", "acme/+", []),
    ],
)
def test_of_two_schemas_one_is_narrower(
    one: str, other: str, expected: list[str], loaded: Load
) -> None:
    """Filters that cross are told; a wider one around a narrower one is how it is meant."""
    text = f"enterprise: acme\nschemas: {{a: {{topics: [{one}]}}, b: {{topics: [{other}]}}}}"
    assert expected == [found.code for found in loaded(text).diagnostics]
