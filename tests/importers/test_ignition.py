"""Ignition's JSON, after docs.inductiveautomation.com, "Tag Properties" and "UDT Parameters"."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from uns.importers.draft import Draft
from uns.importers.found import ImportFileError
from uns.metric import DataType
from uns.project.project import Project

Imported = Callable[..., Draft]
Loaded = Callable[[str], Project]


def _opc(name: str, path: Any, **words: Any) -> dict[str, Any]:
    return {
        "name": name, "tagType": "AtomicTag", "valueSource": "opc", "dataType": "Float4",
        "opcServer": "Filler PLCs", "opcItemPath": path, **words,
    }  # fmt: skip


def _bound(text: str) -> dict[str, str]:
    return {"bindType": "parameter", "binding": text}


def _instance(name: str, n: int, *tags: Any) -> dict[str, Any]:
    return {
        "name": name, "tagType": "UdtInstance", "typeId": "Machines/Filler",
        "parameters": {"N": {"dataType": "Integer", "value": n}}, "tags": list(tags),
    }  # fmt: skip


DRIVE = {
    "name": "Drive", "tagType": "UdtType", "parameters": {"Node": {"dataType": "String"}},
    "tags": [_opc("Current", _bound("{Node}.Current"), engUnit="A")],
}  # fmt: skip
MACHINE = {
    "name": "Machine", "tagType": "UdtType",
    "tags": [_opc("State", _bound("nsu=urn:k;s=Line{N}.State"), dataType="Int4")],
}  # fmt: skip
FILLER = {
    "name": "Filler", "tagType": "UdtType", "typeId": "Machines/Machine",
    "parameters": {"N": {"dataType": "Integer", "value": 0}},
    "tags": [
        _opc("Bowl Pressure", _bound("nsu=urn:k;s=Line{N}.Bowl"), engUnit="bar", engLow=0,
             engHigh=6, documentation="pressure in the bowl", deadband=0.1, readOnly=False),
        _opc("Raw", _bound("nsu=urn:k;s=Line{N}.R{N+10}"), scaleMode="Linear", rawLow=0,
             rawHigh=27648, scaledLow=0, scaledHigh=100),
        {"name": "Drive", "tagType": "UdtInstance", "typeId": "Drive",
         "parameters": {"Node": _bound("nsu=urn:k;s=Line{N}.Drive")}},
    ],
}  # fmt: skip


def _export(*tags: Any) -> str:
    types = {"name": "_types_", "tagType": "Folder", "tags": [
        DRIVE, {"name": "Machines", "tagType": "Folder", "tags": [MACHINE, FILLER]},
    ]}  # fmt: skip
    lines = {"name": "Packaging", "tagType": "Folder", "tags": list(tags)}
    return json.dumps({"name": "", "tagType": "Provider", "tags": [types, lines]})


def test_instances_of_a_udt_are_machines_of_one_type(imported: Imported, loaded: Loaded) -> None:
    """Parents, parts, parameters with arithmetic: three instances become one entry."""
    made = imported(
        "ignition", ("tags.json", _export(*(_instance(f"Filler{n}", n) for n in (1, 2, 3))))
    )
    assert (3, 1, 12, ()) == (made.machines, made.types, made.tags, made.unmapped)
    machine = loaded(made.text).machines[2]
    assert "acme/leeds/packaging/packaging/filler3" == str(machine.topic)
    tags = {tag.name: tag for tag in machine.tags}
    assert {
        "state": "nsu=urn:k;s=Line3.State", "bowl_pressure": "nsu=urn:k;s=Line3.Bowl",
        "raw": "nsu=urn:k;s=Line3.R13", "drive/current": "nsu=urn:k;s=Line3.Drive.Current",
    } == {name: tag.source.text for name, tag in tags.items() if tag.source}  # fmt: skip
    pressure = tags["bowl_pressure"]
    assert ("bar", 6.0, 0.1, True, "pressure in the bowl") == (
        pressure.unit, pressure.high, pressure.deadband, pressure.writable, pressure.desc,
    )  # fmt: skip
    assert ((0, 27648, 0, 100), DataType.INT32, "A") == (
        tags["raw"].scale, tags["state"].datatype, tags["drive/current"].unit,
    )  # fmt: skip
    assert "each: {n: 1..3}" in made.text


def test_a_member_that_an_instance_changes_is_an_exception(
    imported: Imported, loaded: Loaded
) -> None:
    """Another range on one of three machines: an override."""
    changed = {"name": "Bowl Pressure", "tagType": "AtomicTag", "engHigh": 8}
    made = imported("ignition", ("t.json", _export(
        _instance("Filler1", 1), _instance("Filler2", 2, changed), _instance("Filler3", 3),
    )))  # fmt: skip
    highs = [m.find_tag("bowl_pressure") for m in loaded(made.text).machines]
    assert [6.0, 8.0, 6.0] == [tag.high for tag in highs if tag]


def test_what_is_no_opc_tag_is_listed(imported: Imported, loaded: Loaded) -> None:
    """Memory, expressions, disabled tags, data sets, alarms, types that are elsewhere."""
    folder = {"name": "M1", "tagType": "Folder", "tags": [
        _opc("Ok", "ns=2;s=M1.Ok", alarms=[{"name": "High"}], tagGroup="Fast"),
        {"name": "Mem", "tagType": "AtomicTag", "valueSource": "memory", "dataType": "Int4"},
        {"name": "Oee", "tagType": "AtomicTag", "valueSource": "expr", "expression": "1"},
        _opc("Off", "ns=2;s=M1.Off", enabled=False),
        _opc("Set", "ns=2;s=M1.Set", dataType="DataSet"),
        _opc("Bad", "M1.Bad"),
        {"name": "Pump", "tagType": "UdtInstance", "typeId": "Pump"},
    ]}  # fmt: skip
    made = imported("ignition", ("t.json", json.dumps({"tags": [folder]})))
    loaded(made.text)
    assert ["alarms", "memory", "calc", "disabled", "DataSet", "M1.Bad", "not in the file"] == [
        word
        for word, lost in zip(
            ("alarms", "memory", "calc", "disabled", "DataSet", "M1.Bad", "not in the file"),
            made.unmapped,
            strict=True,
        )
        if word in lost.why
    ]
    assert "t.json:M1/Oee" == made.unmapped[2].origin
    assert "guessed: scan 1s: the file does not say how fast the tag group `Fast` is" in made.text
    assert "guessed: the server `Filler PLCs` is at port 4840" in made.text


@pytest.mark.parametrize("text", ["", "[", "3", "{}", '"x"', "[" * 20_000, "<tags/>"])
def test_what_is_no_export_is_refused(imported: Imported, text: str) -> None:
    """A sentence, not a traceback."""
    with pytest.raises(ImportFileError, match=r"t\.json"):
        imported("ignition", ("t.json", text))


def test_types_that_are_their_own_parents_end(imported: Imported) -> None:
    """A circle of types is left where it closes."""
    circle = {"name": "A", "tagType": "UdtType", "typeId": "A", "tags": [
        {"name": "in", "tagType": "UdtInstance", "typeId": "A"}, _opc("X", "ns=2;s=X"),
    ]}  # fmt: skip
    root = {"tags": [circle, {"name": "a", "tagType": "UdtInstance", "typeId": "A"}]}
    made = imported("ignition", ("t.json", json.dumps(root)))
    assert "nested too deep" in made.unmapped[0].why


def test_types_that_multiply_are_refused(imported: Imported) -> None:
    """Two parts of its own kind in each part would be 2 to the power of 32 tags."""
    parts = [{"name": n, "tagType": "UdtInstance", "typeId": "A"} for n in ("l", "r")]
    bomb = {"name": "A", "tagType": "UdtType", "tags": parts}
    root = {"tags": [bomb, {"name": "a", "tagType": "UdtInstance", "typeId": "A"}]}
    with pytest.raises(ImportFileError, match="more than 300,000 tags"):
        imported("ignition", ("t.json", json.dumps(root)))


@pytest.mark.parametrize("word", ['"parameters": 3', '"tags": [3]', '"parameters": {"a": [1]}'])
def test_words_of_a_wrong_kind_do_not_end_in_a_traceback(imported: Imported, word: str) -> None:
    """They are refused by name, or passed over where nothing depends on them."""
    text = '{"tags": [{"name": "a", "tagType": "UdtInstance", "typeId": "B", ' + word + "}]}"
    try:
        imported("ignition", ("t.json", text))
    except ImportFileError as error:
        said = str(error)
    else:
        said = "t.json"
    assert "t.json" in said
