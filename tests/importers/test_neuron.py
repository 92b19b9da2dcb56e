"""Neuron's Excel: columns and addresses after docs.emqx.com, Neuron, "Import and export"."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from uns.importers.draft import Draft
from uns.importers.modbus_words import neuron_address
from uns.metric import DataType
from uns.project.project import Project

Imported = Callable[..., Draft]
Loaded = Callable[[str], Project]
HEAD = ["group", "name", "address", "attribute", "type", "description", "decimal", "precision"]


def test_modbus_devices_are_one_type(
    imported: Imported, loaded: Loaded, workbook: Callable[..., bytes]
) -> None:
    """Unit ids, bits, byte orders, texts and the factor `decimal` of two meters."""

    def meter(n: int) -> tuple[str, bytes]:
        return f"meter{n}.xlsx", workbook(Sheet1=[
            HEAD,
            ["power", "active", f"{n}!400101#BL", "Read Subscribe", "FLOAT", "active power", "", "2"],
            ["power", "energy", f"{n}!300040", "Read", "UINT32", "", "0.01", ""],
            ["status", "alarm", f"{n}!400010.4", "Read", "BIT", "", "", ""],
            ["status", "name", f"{n}!400200.20H", "Read Write", "STRING", "", "", ""],
        ])  # fmt: skip

    made = imported("neuron", meter(1), meter(2))
    assert (2, 1, ()) == (made.machines, made.types, made.unmapped)
    machine = loaded(made.text).machines[1]
    assert "acme/leeds/packaging/line1/meter2" == str(machine.topic)
    assert {
        "power/active": ("2/400101 CDAB", DataType.FLOAT),
        "power/energy": ("2/300040 uint32", DataType.DOUBLE),
        "status/alarm": ("2/400010.4", DataType.BOOLEAN),
        "status/name": ("2/400200 string[20] ABCD", DataType.STRING),
    } == {tag.name: (tag.source.text, tag.datatype) for tag in machine.tags if tag.source}
    energy = machine.find_tag("power/energy")
    assert energy is not None
    assert (0, 1, 0, 0.01) == energy.scale


def test_opc_ua_ids_are_node_ids(
    imported: Imported, loaded: Loaded, workbook: Callable[..., bytes]
) -> None:
    """`2!Demo.Speed` is text, `2!1004` a number, a GUID a GUID."""
    guid = "09087e75-8e5e-499b-954f-f2a9603db28a"
    raw = workbook(S=[HEAD, *(["g", f"t{k}", f"2!{node}", "Read", "DOUBLE", "", "", ""]
                              for k, node in enumerate(("Demo.Speed", "1004", guid)))])  # fmt: skip
    project = loaded(imported("neuron", ("filler.xlsx", raw)).text)
    assert ["ns=2;s=Demo.Speed", "ns=2;i=1004", f"ns=2;g={guid}"] == [
        tag.source.text for tag in project.machines[0].tags if tag.source
    ]


def test_what_has_no_counterpart_is_listed(
    imported: Imported, workbook: Callable[..., bytes]
) -> None:
    """Types, addresses, columns and sheets that we do not have."""
    raw = workbook(
        Tags=[
            [*HEAD, "colour"],
            ["g", "ok", "1!400001", "Read", "INT16", "", "", "", "red"],
            ["g", "bytes", "1!400001.10", "Read", "BYTES", "", "", ""],
            ["g", "spread", "1!400001.10D", "Read", "STRING", "", "", ""],
        ],
        Notes=[["written by", "somebody"]],
    )
    assert [
        "d.xlsx: column `colour`: not one we know; 1 cells",
        "d.xlsx: sheet `Notes`: it has no such heading",
        "d.xlsx:Tags!3: `bytes` (BYTES at 1!400001.10): its type `BYTES` has no counterpart",
        "d.xlsx:Tags!4: `spread` (STRING at 1!400001.10D): not an address that our driver `modbus` can read",
    ] == [str(one) for one in imported("neuron", ("d.xlsx", raw)).unmapped]


@pytest.mark.parametrize(
    ("address", "datatype", "expected"),
    [
        ("1!400001", DataType.INT16, "1/400001"), ("1!400001#B", DataType.INT16, "1/400001 BADC"),
        ("1!400001#L", DataType.INT16, "1/400001"), ("1!400001#LL", DataType.FLOAT, "1/400001"),
        ("1!400001#LB", DataType.FLOAT, "1/400001 BADC"), ("1!400001#BB", DataType.FLOAT, "1/400001 DCBA"),
        ("1!400001.10", DataType.STRING, "1/400001 string[10] BADC"), ("7!000001", DataType.BOOLEAN, "7/000001"),
        ("400001", DataType.INT16, ""), ("1!900001", DataType.INT16, ""),
    ],
)  # fmt: skip
def test_neuron_addresses(address: str, datatype: DataType, expected: str) -> None:
    """After the table "#ENDIAN" of the page on Modbus TCP: #LL is 1,2,3,4, our ABCD."""
    assert expected == neuron_address(address, datatype)
