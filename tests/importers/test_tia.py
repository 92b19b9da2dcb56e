"""TIA Portal's Excel of PLC tags; columns as public programs that write it agree, no file of Siemens' own."""

from __future__ import annotations

from collections.abc import Callable

from uns.importers.draft import Draft
from uns.metric import DataType
from uns.project.project import Project

Imported = Callable[..., Draft]
Loaded = Callable[[str], Project]
HEAD = [
    "Name", "Path", "Data Type", "Logical Address", "Comment", "Hmi Visible", "Hmi Accessible",
    "Hmi Writeable", "Typeobject ID", "Version ID",
]  # fmt: skip
YES = ["True", "True", "True", "", ""]


def test_tag_tables_are_folders_and_repeated_names_machines(
    imported: Imported, loaded: Loaded, workbook: Callable[..., bytes]
) -> None:
    """`Conveyor1_Speed` and `Conveyor2_Speed` are two machines of one type in table Line1."""
    rows = [HEAD]
    for n in (1, 2):
        rows += [
            [f"Conveyor{n}_Speed", "Line1", "Real", f"%MD{n}00", f"speed {n}", *YES],
            [f"Conveyor{n}_Running", "Line1", "Bool", f"%M{n}10.0", "", *YES],
            [f"Conveyor{n}_Jam", "Line1", "Bool", f"%I{n}0.3", "", *YES],
        ]
    made = imported("tia", ("plc.xlsx", workbook(PLC_Tags=rows, TagTable_Properties=[["Path"]])))
    assert (2, 1, 6) == (made.machines, made.types, made.tags)
    machine = loaded(made.text).machines[1]
    assert "acme/leeds/packaging/line1/conveyor2" == str(machine.topic)
    assert [
        ("speed", "MD200:REAL", DataType.FLOAT, True),
        ("running", "M210.0", DataType.BOOLEAN, True),
        ("jam", "I20.3", DataType.BOOLEAN, False),
    ] == [
        (tag.name, tag.source.text, tag.datatype, tag.writable)
        for tag in machine.tags
        if tag.source
    ]
    assert ["plc.xlsx: sheet `TagTable Properties`: it has no such heading"] == [
        str(one) for one in made.unmapped
    ]


def test_a_german_export_and_the_default_table(
    imported: Imported, loaded: Loaded, workbook: Callable[..., bytes]
) -> None:
    """The default table is no place; a Time is a number of milliseconds."""
    rows = [
        ["Name", "Pfad", "Datentyp", "Logische Adresse", "Adresse", "Kommentar"],
        ["Füllzeit", "Standard-Variablentabelle", "Time", "", "%MD20", "Dauer"],
        ["Zähler", "Standard-Variablentabelle", "Counter", "", "%C3", ""],
        ["Gesperrt", "Standard-Variablentabelle", "Real", "", "%MD24", ""],
    ]
    made = imported("tia", ("SPS.xlsx", workbook(S=rows)))
    (machine,) = loaded(made.text).machines
    tag = machine.tags[0]
    assert ("acme/leeds/packaging/line1/sps/fuellzeit", "ms", DataType.INT32, "MD20:DINT", "Dauer") == (
        str(tag.topic), tag.unit, tag.datatype, tag.source and tag.source.text, tag.desc,
    )  # fmt: skip
    assert "its type `Counter` has no counterpart" == made.unmapped[0].why


def test_what_is_closed_to_the_outside_is_listed(
    imported: Imported, workbook: Callable[..., bytes]
) -> None:
    """`Hmi Accessible` false: no client can read it, and the list says so."""
    rows = [
        HEAD,
        ["A", "", "Real", "%MD0", "", *YES],
        ["B", "", "Real", "%MD4", "", "False", "False", "False", "", ""],
    ]
    (lost,) = imported("tia", ("plc.xlsx", workbook(S=rows))).unmapped
    assert "it is not accessible from outside (Hmi Accessible)" == lost.why
