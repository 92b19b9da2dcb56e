"""Tag lists of one's own: CSV and Excel, as spreadsheets write them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import pytest

from uns.importers.draft import Draft
from uns.importers.found import ImportFileError
from uns.importers.table import number
from uns.metric import DataType
from uns.project.project import Project

Imported = Callable[..., Draft]
Loaded = Callable[[str], Project]

GERMAN = """\
Anlage Leeds, Stand 2026;;;;;;;;;;;
Werk;Bereich;Linie;Maschine;Bezeichnung;Adresse;Datentyp;Einheit;Min;Max;Kommentar;Farbe
Leeds;Packaging;Line1;Füller;Druck;DB100.DBD4;REAL;bar;0,5;6,5;"Kessel
druck";rot
Leeds;Packaging;Line1;Füller;Temperatur;DB100.DBD8;REAL;°C;-5;40;Produkt;
Leeds;Packaging;Line1;Füller;Läuft;DB100.DBX0.1;BOOL;;;;;
Leeds;Packaging;Line2;Füller;Druck;DB200.DBD4;REAL;bar;0,5;6,5;Kessel;
Leeds;Packaging;Line2;Füller;Temperatur;DB200.DBD8;REAL;°C;-5;40;Produkt;
Leeds;Packaging;Line2;Füller;Läuft;DB200.DBX0.1;BOOL;;;;;
Leeds;Packaging;Line2;Füller;Zeit;T5;TIMER;;;;;
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_a_german_list_is_read(imported: Imported, loaded: Loaded, encoding: str) -> None:
    """Semicolons, decimal commas, a title line, quoted line breaks, every encoding of Excel."""
    made = imported("csv", ("liste.csv", GERMAN.encode(encoding)))
    first, second = loaded(made.text).machines
    assert "acme/leeds/packaging/line2/fueller" == str(second.topic)
    pressure = first.find_tag("druck")
    assert pressure is not None
    assert ("bar", 0.5, 6.5, "Kessel druck") == (
        pressure.unit, pressure.low, pressure.high, pressure.desc,
    )  # fmt: skip
    running = second.find_tag("laeuft")
    assert running is not None
    assert running.source is not None
    assert (DataType.BOOLEAN, "DB200.DBX0.1") == (running.datatype, running.source.text)
    assert "each: {n: 1..2}" in made.text


def test_what_cannot_be_mapped_is_listed(imported: Imported) -> None:
    """A column that we do not know, an address that no driver reads: each with its place."""
    made = imported("csv", ("liste.csv", GERMAN))
    assert [
        "liste.csv: column `Farbe`: not one we know; 1 cells",
        "liste.csv:9: `Zeit`: no driver of ours reads the address `T5`",
    ] == [str(one) for one in made.unmapped]


def test_devices_of_a_list_are_reached_where_it_says(imported: Imported, loaded: Loaded) -> None:
    """A column for the device, its host and its protocol; machines bind to it."""
    text = (
        "device,ip,protocol,name,address,type,scan,access,deadband\n"
        "meter1,10.1.30.1,modbus,Power,hr:100 float32,,500ms,R,1\n"
        "meter1,10.1.30.1,modbus,Reset,co:1,BOOL,,RW,\n"
        "meter2,10.1.30.2,modbus,Power,hr:100 float32,,500,R,1\n"
        "meter2,10.1.30.2,modbus,Reset,co:1,BOOL,,RW,\n"
        "meter2,10.1.30.2,opcua,Other,ns=2;s=X,REAL,,,\n"
        "meter3,10.1.30.3,fins,Other,D100,REAL,,,\n"
        "meter3,10.1.30.3,modbus,Text,hr:100,STRING,,,\n"
    )
    made = imported("csv", ("meters.csv", text))
    project = loaded(made.text)
    assert {"modbus://10.1.30.1:502", "modbus://10.1.30.2:502"} == set(project.connections)
    power, reset = project.machines[0].tags
    assert (0.5, 1.0, False, True) == (power.scan_s, power.deadband, power.writable, reset.writable)
    assert ["meters.csv:6", "meters.csv:7", "meters.csv:8"] == [u.origin for u in made.unmapped]
    assert "string[20]" in made.unmapped[2].why


def test_guesses_stand_beside_their_tag(imported: Imported, loaded: Loaded) -> None:
    """A unit that was read as another, a type that nobody says, a limit that is no number."""
    text = "name,address,unit,min,max\nFlow,DB1.DBD4,KPA,0,ten\nLevel,DB1.DBD8:REAL,foo bar!,9,1\n"
    made = imported("csv", ("a.csv", text))
    loaded(made.text)
    for guess in (
        "the unit `KPA` is `kPa`", "no limit: `ten` is no number", "Float: the list names no type",
        "no unit: `foo bar!` is none that we know", "no range: 9 is not below 1",
    ):  # fmt: skip
        assert guess in made.guesses
        assert guess in made.text


def test_a_workbook_is_read_as_well(imported: Imported, loaded: Loaded) -> None:
    """An .xlsx with shared and inline texts and empty cells, as ECMA-376 part 1 §18.3 has it."""
    made = imported("csv", ("list.xlsx", _workbook()))
    machine = loaded(made.text).machines[0]
    assert ["pressure", "level"] == [tag.name for tag in machine.tags]
    assert "DB1.DBD8:REAL" == (machine.tags[1].source and machine.tags[1].source.text)


def _workbook() -> bytes:
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    texts = "".join(f"<si><t>{one}</t></si>" for one in ("name", "address", "Pressure"))
    sheet = (
        '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1" t="s"><v>1</v></c></row>'
        '<row r="3"><c r="A3" t="s"><v>2</v></c>'
        '<c r="C3" t="inlineStr"><is><t>DB1.DBD4:REAL</t></is></c></row>'
        '<row r="4"><c r="A4" t="str"><v>Level</v></c><c r="B4"><v>7</v></c>'
        '<c r="C4" t="str"><v>DB1.DBD8:REAL</v></c></row>'
    )
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as book:
        book.writestr(
            "xl/workbook.xml",
            f'<workbook xmlns="{main}"><sheets><sheet name="Tags"/></sheets></workbook>',
        )
        book.writestr("xl/sharedStrings.xml", f'<sst xmlns="{main}">{texts}</sst>')
        book.writestr(
            "xl/worksheets/sheet1.xml",
            f'<worksheet xmlns="{main}"><sheetData>{sheet}</sheetData></worksheet>',
        )
    return out.getvalue()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"hello",
        b"\x00\x01\x02",
        b"PK\x03\x04broken",
        b"a,b\n1,2\n",
        "name;addr\n".encode("utf-16"),
    ],
)
def test_what_is_no_list_is_refused_with_what_was_looked_for(
    imported: Imported, raw: bytes
) -> None:
    """A sentence, not a traceback."""
    with pytest.raises(ImportFileError):
        imported("csv", ("a.csv", raw))


def test_a_workbook_may_not_declare_entities(imported: Imported) -> None:
    """An entity bomb is refused before it is read."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as book:
        book.writestr("xl/workbook.xml", '<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>')
        book.writestr("xl/worksheets/sheet1.xml", "<x/>")
    with pytest.raises(ImportFileError, match="entities"):
        imported("csv", ("a.xlsx", out.getvalue()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.234,5", 1234.5), ("1,234.5", 1234.5), ("0,5", 0.5), ("-12", -12.0), ("1 000", 1000.0),
     ("1e3", 1000.0), ("", None), ("ten", None), ("inf", None), ("nan", None)],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(text: str, expected: float | None) -> None:
    """Decimal commas and thousands; what is none is None."""
    assert expected == number(text)


def test_a_guess_about_the_second_machine_alone_stands_beside_the_tag(imported: Imported) -> None:
    """Machines share one line in the draft; what was guessed of any of them is said there."""
    rows = "".join(
        f"Filler{n}_Druck,DB10{n}.DBD4:REAL,{unit}\nFiller{n}_Temp,DB10{n}.DBD8:REAL,Cel\n"
        for n, unit in ((1, "bar"), (2, "Bar"))
    )
    made = imported("csv", ("list.csv", f"name,address,unit\n{rows}".encode()))
    (line,) = (one for one in made.text.splitlines() if "druck: {" in one)
    assert made.guesses[0] in line.partition("# guessed: ")[2]
