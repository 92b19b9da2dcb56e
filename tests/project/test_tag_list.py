"""Tag lists: what spreadsheets save is read like YAML, and mistakes have their cell."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from uns.equipment import Alarm, Tag, WritePolicy
from uns.metric import DataType
from uns.project.cells import rows_of
from uns.project.load import Loaded

Load = Callable[..., Loaded]

PLANT = """
enterprise: acme
types: {filler: {tags: TAGS.csv}}
bindings: {plc: {driver: toy, connection: {host: a}, tags: TAGS.csv}}
instances: [{path: leeds/shop/line1/filler, is: filler, bind: plc}]
"""


@pytest.fixture
def listed(loaded: Load, tmp_path: Path) -> Callable[..., Loaded]:
    """A plant whose type and binding are one CSV file of these bytes."""

    def load_list(content: str | bytes, plant: str = PLANT) -> Loaded:
        (tmp_path / "plant").mkdir(exist_ok=True)
        text = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "plant/tags.csv").write_bytes(text)
        return loaded(plant.replace("TAGS", "tags"))

    return load_list


def _tags(found: Loaded) -> dict[str, Tag]:
    assert found.project is not None, found.diagnostics
    assert () == found.diagnostics
    return {tag.name: tag for tag in found.project.machines[0].tags}


def _places(found: Loaded) -> list[str]:
    return [f"{d.code} {d.file}:{d.span.line}:{d.span.column}" for d in found.diagnostics]


def test_every_column_says_what_the_word_says(listed: Callable[..., Loaded]) -> None:
    """A row of each kind comes to the same tag that YAML would have given."""
    found = listed(
        "name,type,unit,lo,hi,raw lo,raw hi,address,desc,deadband,scan,stale,deliver,counter,"
        "rollover,states,write,alarm_lo,Alarm Hi,alarm-delay,alarm_hysteresis,optional,was,"
        "semantic_id,deadband time,heartbeat,store\n"
        'drive.temp,REAL,Cel,-20,150,0,27648,reg:1 float,"Hot, or not",1%,200ms,30s,latest,,,,,5,90,'
        "5s,2,,,0173-1#02,5s,10s,no\n"
        "good,,{bottle},,,,,reg:2,,,,,,x,65536,,,,,,,,,\n"
        'mode,,,,,,,reg:3,,,,,,,,"0 idle, 1 running","operator, engineer",,,,,,"old_mode",\n'
        "state,,,,,,,reg:4,,,,,,,,packml,,,,,,,,\n"
        "batch,string,,,,,,reg:5,,,,,every,,,,,,,,,,,\n"
        "spare,,,,,,,,,,,,,,,,,,,,,yes,,\n"
    )
    tags = _tags(found)
    assert ["drive/temp", "good", "mode", "state", "batch"] == list(tags)
    temp = tags["drive/temp"]
    assert (DataType.FLOAT, "Cel", -20, 150) == (temp.datatype, temp.unit, temp.low, temp.high)
    assert ((0, 27648, -20, 150), 1.7, 0.2, 30) == (
        temp.scale,
        temp.deadband,
        temp.scan_s,
        temp.stale_s,
    )
    assert (5.0, 10.0, False) == (temp.deadband_s, temp.heartbeat_s, temp.is_kept)
    assert Alarm(lo=5, hi=90, delay_s=5, hysteresis=2) == temp.alarm
    assert (False, "Hot, or not", "0173-1#02") == (temp.deliver_every, temp.desc, temp.semantic_id)
    assert "reg:1 float" == (temp.source and temp.source.text)
    assert (True, 65536) == (tags["good"].is_counter, tags["good"].rollover)
    assert tags["batch"].deliver_every
    mode = tags["mode"]
    assert ({0: "idle", 1: "running"}, ("old_mode",)) == (mode.states, mode.was)
    assert WritePolicy(("operator", "engineer")) == mode.write
    assert (mode.place and str(mode.place)) == "tags.csv:4"


GERMAN = "Name;Unit;Lo;Hi;Counter;Address;Comment\r\nöl;Cel;-0,5;1.250,75;FALSCH;reg:1;für Öl\r\n"


@pytest.mark.parametrize(
    "content",
    [
        GERMAN.replace("öl", "oil").encode("cp1252"),
        GERMAN.replace("öl", "oil").encode("utf-8-sig"),
        ("sep=;\r\n" + GERMAN.replace("öl", "oil")).encode(),
        GERMAN.replace("öl", "oil").replace(";", "\t").encode("utf-16"),
        GERMAN.replace("öl", "oil").replace("\r\n", "\r").encode(),
    ],
    ids=["cp1252", "byte order mark", "sep=", "Unicode text", "old Mac"],
)
def test_what_excel_writes_elsewhere_is_read(content: bytes, listed: Callable[..., Loaded]) -> None:
    """Semicolons, decimal commas, thousands, marks and code pages: one tag, the same one."""
    oil = _tags(listed(content))["oil"]
    assert (-0.5, 1250.75, False) == (oil.low, oil.high, oil.is_counter)
    assert "für Öl" == oil.desc


def test_a_cell_may_hold_a_line_break(listed: Callable[..., Loaded]) -> None:
    """A quoted cell goes on over lines, and the places after it are still right."""
    found = listed('name,desc,address,unit\na,"one\ntwo ""three""",reg:1,\nb,,reg:x,bar\n\n')
    assert ["UNS110 tags.csv:4:8"] == _places(found)
    fine = listed('name,desc,address\na,"one\ntwo ""three""",reg:1')
    assert 'one\ntwo "three"' == _tags(fine)["a"].desc


def test_mistakes_have_the_place_of_their_cell(listed: Callable[..., Loaded]) -> None:
    """Words, numbers, names and addresses: each is told once with line, column and its column."""
    found = listed(
        "name,type,lo,hi,address,counter\n"
        "speed,REEL,0,fast,reg:1,\n"
        ",REAL,,,reg:2,\n"
        "a b,,,,reg:3,\n"
        "good,,,,reg:4,maybe\n"
        "good,,1,,reg:5,\n"
    )
    assert [
        "UNS104 tags.csv:2:7",
        "UNS144 tags.csv:2:14",
        "UNS102 tags.csv:3:2",
        "UNS108 tags.csv:4:1",
        "UNS144 tags.csv:5:15",
        "UNS002 tags.csv:6:1",
    ] == _places(found)
    assert "column `hi`: `fast` is not a number" == found.diagnostics[1].message


def test_what_is_wrong_across_layers_points_into_the_list(listed: Callable[..., Loaded]) -> None:
    """An alarm outside its range is shown in both cells."""
    found = listed("name,lo,hi,alarm_hi,address\nlevel,0,10,12,reg:1\n")
    assert ["UNS210 tags.csv:2:12"] == _places(found)
    assert [(2, 7)] == [(r.span.line, r.span.column) for r in found.diagnostics[0].related]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "no column is called `name`"),
        ("a;b\n1;2\n", "no column is called `name`"),
        ('name,desc\nx,"open\n', "this quote is never closed"),
        ('name,desc\nx,"a"b\n', "this quote is never closed"),
        (b"name,desc\nx,\x00\n", "it holds U+0000"),
        (b"name\n\x81\n", "character maps to"),
        (f"name,desc\nx,{'y' * 20_000}\n", "a cell of 20,000 characters"),
    ],
)
def test_a_file_that_is_no_list_is_refused(
    content: str | bytes, why: str, listed: Callable[..., Loaded]
) -> None:
    """It says why, and nothing else goes wrong because of it."""
    found = listed(content)
    assert found.project is None
    assert any(why in one.message for one in found.errors), found.diagnostics
    assert {"UNS142", "UNS143"} >= {one.code for one in found.diagnostics}


def test_a_list_is_a_file_of_the_project(loaded: Load) -> None:
    """One that is not there, outside of the folder, or a workbook is told at `tags:`."""
    names = ("none.csv", "../../etc/x.csv", "/etc/hostname.txt", "tags.xlsx")
    for name in names:
        found = loaded(f"enterprise: acme\ntypes: {{filler: {{tags: {name}}}}}")
        assert ["UNS142 plant.yaml:2:24"] == _places(found)
    empty = loaded("enterprise: acme\ntypes: {filler: {tags: plant.yaml}}")
    assert ["UNS105"] == [one.code for one in empty.errors]


def test_an_override_may_be_a_list_too(loaded: Load, tmp_path: Path) -> None:
    """What differs on one machine: rows need no address there."""
    (tmp_path / "plant").mkdir()
    (tmp_path / "plant/line1.csv").write_text("name,lo,hi,calc\nlevel,0,8,\nrest,,,10 - level\n")
    found = loaded("""
enterprise: acme
types: {filler: {tags: {level: {range: [0, 6]}, rest: {optional: true}}}}
bindings: {plc: {driver: toy, connection: {host: a}, tags: {level: "reg:1"}}}
instances: [{path: leeds/shop/line1/filler, is: filler, bind: plc}]
overrides: {leeds/shop/line1/filler: {tags: line1.csv}}
""")
    tags = _tags(found)
    assert (8, "10 - level") == (tags["level"].high, tags["rest"].calc)


def test_a_broken_list_takes_no_time(listed: Callable[..., Loaded]) -> None:
    """Megabytes of open quotes and separators are read once."""
    begun = time.process_time()
    listed("name,desc\n" + 'x,"' * 500_000)
    listed("name,desc\n" + "," * 1_000_000)
    assert 5 > time.process_time() - begun


def test_rows_know_their_places() -> None:
    """A cell's place is that of its text, without the blanks around it."""
    rows = list(rows_of('a, "b" ,c\n\n  d,,', ","))
    assert [["a", "b", "c"], ["d", "", ""]] == [[cell.value for cell in row] for row in rows]
    assert [(1, 1), (1, 4), (1, 9), (3, 3)] == [
        (cell.span.line, cell.span.column) for row in rows for cell in row if cell.value
    ]
