"""Kepware's CSV: columns after kepware.com, "CSV Import and Export" (Exporting a Server Tag List)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from uns.importers.draft import Draft
from uns.importers.modbus_words import kepware_address
from uns.importers.s7_words import s7_address
from uns.metric import DataType
from uns.project.project import Project

Imported = Callable[..., Draft]
Loaded = Callable[[str], Project]
HEAD = (
    "Tag Name,Address,Data Type,Respect Data Type,Client Access,Scan Rate,Scaling,Raw Low,"
    "Raw High,Scaled Low,Scaled High,Scaled Data Type,Clamp Low,Clamp High,Eng. Units,"
    "Description,Negate Value\n"
)


def _modbus(device: int, rows: str = "") -> tuple[str, str]:
    return f"Filler{device}.csv", HEAD + (
        f'"Speed",400001,Float,1,RO,100,None,,,,,,,,bottles/h,"Filler {device} speed",\n'
        f'"Status.State",400003,Word,1,RO,1000,,,,,,,,,,,\n'
        f'"Bowl Pressure",400010,Short,1,RO,1000,Linear,0,27648,0,6,Float,1,1,bar,,0\n'
        f'"Recipe",400100.20H,String,1,R/W,1000,,,,,,,,,,,\n'
        f'"Pump Running",000005,Boolean,1,RO,1000,,,,,,,,,,,\n' + rows
    )


def test_devices_of_one_kind_are_one_type(imported: Imported, loaded: Loaded) -> None:
    """Three files, one device each: one type, one binding, one entry; access and scan are kept."""
    made = imported("kepware", *map(_modbus, (1, 2, 3)))
    assert (3, 1, 15, ()) == (made.machines, made.types, made.tags, made.unmapped)
    project = loaded(made.text)
    machine = project.machines[2]
    assert "acme/leeds/packaging/line1/filler3" == str(machine.topic)
    tags = {tag.name: tag for tag in machine.tags}
    assert {
        "speed": "400001", "status/state": "400003", "bowl_pressure": "400010 int16",
        "recipe": "400100 string[20] ABCD", "pump_running": "000005",
    } == {name: tag.source.text for name, tag in tags.items() if tag.source}  # fmt: skip
    assert ("{bottles}/h", 0.1, DataType.FLOAT) == (
        tags["speed"].unit, tags["speed"].scan_s, tags["speed"].datatype,
    )  # fmt: skip
    assert (DataType.UINT16, DataType.STRING, True) == (
        tags["status/state"].datatype, tags["recipe"].datatype, tags["recipe"].writable,
    )  # fmt: skip
    assert ((0, 27648, 0, 6), 6.0, "bar") == (
        tags["bowl_pressure"].scale, tags["bowl_pressure"].high, tags["bowl_pressure"].unit,
    )  # fmt: skip


def test_what_is_guessed_of_a_modbus_device_is_said(imported: Imported) -> None:
    """The order of words and the host are not in the file."""
    text = imported("kepware", _modbus(1)).text
    assert "guessed: order: CDAB is Kepware's `First Word Low`" in text
    assert "order: CDAB" in text
    assert "guessed: the file does not say where the device is" in text


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ('"Code",400300,BCD,1,RO,100,,,,,,,,,,,\n', "its type `BCD` has no counterpart"),
        ('"List",400300[10],Word Array,1,RO,100,,,,,,,,,,,\n', "has no counterpart"),
        ('"All",400300[10],Word,1,RO,100,,,,,,,,,,,\n', "not an address that our driver `modbus`"),
        ('"Text",400300,String,1,RO,100,,,,,,,,,,,\n', "not an address that our driver `modbus`"),
        ('"Far",499999,Word,1,RO,100,,,,,,,,,,,\n', "there is no `499999`"),
    ],
)
def test_what_has_no_counterpart_is_listed(imported: Imported, row: str, why: str) -> None:
    """BCD, arrays, texts without a length: with file, line, name, type and address."""
    made = imported("kepware", _modbus(1, row))
    (lost,) = made.unmapped
    assert ("Filler1.csv:7", why) == (lost.origin, why if why in lost.why else lost.why)
    assert f"#   Filler1.csv:7: `{row.split(chr(34))[1]}`" in made.text


def test_scaling_that_we_lack_is_a_remark(imported: Imported, loaded: Loaded) -> None:
    """A square root or a negated value stays raw, and its tag says so."""
    rows = (
        '"Flow",400300,Word,1,RO,100,Square Root,0,100,0,10,Float,0,0,,,\n'
        '"Level",400301,Word,1,RO,100,,,,,,,,,,,1\n'
    )
    made = imported("kepware", _modbus(1, rows))
    loaded(made.text)
    assert "guessed: raw: its scaling `Square Root` is not mapped" in made.text
    assert "guessed: not negated, and Kepware negates it" in made.text


def test_siemens_addresses_are_read_from_the_plc(imported: Imported, loaded: Loaded) -> None:
    """Kepware's `DB1,REAL4` is `DB1.DBD4:REAL`; semicolons are its other delimiter."""
    rows = HEAD + (
        '"Filler.Speed","DB1,REAL4",Float,1,RO,100,,,,,,,,,,,\n'
        '"Filler.Running",DB1.DBX0.1,Boolean,1,RO,100,,,,,,,,,,,\n'
        '"Filler.Recipe",DB1.STRING30.20,String,1,RO,100,,,,,,,,,,,\n'
    )
    project = loaded(
        imported("kepware", ("plc.csv", rows.replace(",", ";").replace("DB1;R", "DB1,R"))).text
    )
    assert ["DB1.DBD4:REAL", "DB1.DBX0.1", "DB1.DBB30:STRING[20]"] == [
        tag.source.text for tag in project.machines[0].tags if tag.source
    ]


def test_other_drivers_are_read_through_kepware(imported: Imported, loaded: Loaded) -> None:
    """A ControlLogix tag has no driver here; Kepware's OPC UA server has it, and scales it."""
    rows = HEAD + '"Speed",Program:Main.Speed,Float,1,RO,100,Linear,0,10,0,100,Float,0,0,m/s,,\n'
    project = loaded(imported("kepware", ("Line1.Palletiser.csv", rows)).text)
    (tag,) = project.machines[0].tags
    assert ("s=Line1.Palletiser.Speed", None, 100.0) == (
        tag.source and tag.source.text, tag.scale, tag.high,
    )  # fmt: skip
    assert ["opc.tcp://192.0.2.1:49320"] == list(project.connections)


@pytest.mark.parametrize(
    ("address", "datatype", "expected"),
    [
        ("40001", DataType.UINT16, "40001"), ("400001.5", DataType.BOOLEAN, "400001.5"),
        ("300100.8L", DataType.STRING, "300100 string[8] BADC"), ("4000", DataType.UINT16, ""),
        ("H40001", DataType.UINT16, ""), ("400001.20H", DataType.UINT16, ""),
    ],
)  # fmt: skip
def test_kepware_registers(address: str, datatype: DataType, expected: str) -> None:
    """Five and six digits, bits, texts in both byte orders; nothing else is taken for one."""
    assert expected == kepware_address(address, datatype)


@pytest.mark.parametrize(
    ("address", "datatype", "expected"),
    [
        ("DB10,INT4", DataType.INT16, "DB10.DBW4:INT"), ("DB10.DBD4", DataType.FLOAT, "DB10.DBD4:REAL"),
        ("DB1,D4", DataType.UINT32, "DB1.DBD4:UDINT"), ("%I0.3", DataType.BOOLEAN, "I0.3"),
        ("%QW2", DataType.INT16, "QW2:INT"), ("E1.0", DataType.BOOLEAN, "E1.0"),
        ("DB1,X0.1", DataType.BOOLEAN, "DB1.DBX0.1"), ("T5", DataType.INT16, ""),
        ("MW20", DataType.STRING, ""), ("DB1.DBW4", DataType.DATETIME, ""),
    ],
)  # fmt: skip
def test_siemens_addresses(address: str, datatype: DataType, expected: str) -> None:
    """The size letter follows the type, as TIA Portal prints it."""
    assert expected == s7_address(address, datatype)
