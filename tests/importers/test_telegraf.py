"""Telegraf's configuration: words of inputs.modbus, opcua, opcua_listener, s7comm, in part from memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from uns.importers.draft import Draft
from uns.importers.found import ImportFileError
from uns.metric import DataType
from uns.project.project import Project

Imported = Callable[..., Draft]
Loaded = Callable[[str], Project]


def _meter(n: int) -> str:
    return f"""
[[inputs.modbus]]
  name = "meter{n}"
  interval = "5s"
  slave_id = {n}
  controller = "tcp://10.1.30.{n}:502"
  discrete_inputs = [{{ name = "alarm", address = [3] }}]
  holding_registers = [
    {{ name = "power", byte_order = "CDAB", data_type = "FLOAT32-IEEE", scale = 1.0, address = [100, 101] }},
    {{ name = "energy", byte_order = "ABCD", data_type = "UINT32", scale = 0.01, address = [40, 41] }},
    {{ name = "temp", byte_order = "AB", data_type = "FIXED", scale = 0.1, address = [50] }},
    {{ name = "label", byte_order = "ABCD", data_type = "STRING", address = [60, 61, 62] }},
    {{ name = "gap", byte_order = "ABCD", data_type = "UINT32", address = [70, 72] }},
  ]
"""


def test_meters_by_register_are_one_type(imported: Imported, loaded: Loaded) -> None:
    """Registers count from 0, byte orders and scales are kept, what cannot be is listed."""
    made = imported("telegraf", ("telegraf.conf", _meter(1) + _meter(2)))
    assert (2, 1, 10) == (made.machines, made.types, made.tags)
    machine = loaded(made.text).machines[1]
    tags = {tag.name: tag for tag in machine.tags}
    assert {
        "alarm": "2/di:3", "power": "2/hr:100 float32 CDAB", "energy": "2/hr:40 uint32 ABCD",
        "temp": "2/hr:50 int16 ABCD", "label": "2/hr:60 string[6] ABCD",
    } == {name: tag.source.text for name, tag in tags.items() if tag.source}  # fmt: skip
    assert ((0, 1, 0, 0.01), DataType.DOUBLE, 5.0) == (
        tags["energy"].scale, tags["energy"].datatype, tags["energy"].scan_s,
    )  # fmt: skip
    assert ["is no row of registers"] * 2 == [one.why[-22:] for one in made.unmapped]
    assert "telegraf.conf:inputs.modbus[2].holding_registers[5]" == made.unmapped[1].origin


def test_requests_and_metrics_have_units_of_their_own(imported: Imported, loaded: Loaded) -> None:
    """The other two styles: one gateway, a unit id per request; a measurement is the machine."""
    text = """
[[inputs.modbus]]
  name = "gateway"
  controller = "tcp://10.1.30.5:502"
  [[inputs.modbus.request]]
    slave_id = 7
    byte_order = "DCBA"
    register = "input"
    measurement = "chiller"
    fields = [{ address = 0, name = "temp", type = "INT16", scale = 0.1 }, { address = 1, name = "run", type = "BIT", bit = 2 }]
  [[inputs.modbus.metric]]
    slave_id = 8
    measurement = "fan"
    fields = [{ register = "coil", address = 4, name = "on" }]
"""
    project = loaded(imported("telegraf", ("t.conf", text)).text)
    assert {
        "chiller/temp": "7/ir:0 int16 DCBA", "chiller/run": "7/ir:1.2", "fan/on": "8/co:4",
    } == {
        "/".join(tag.topic.levels[-2:]): tag.source.text
        for machine in project.machines
        for tag in machine.tags
        if tag.source
    }  # fmt: skip


def test_nodes_and_groups_of_opc_ua(imported: Imported, loaded: Loaded) -> None:
    """Single nodes, and groups that say namespace and kind for all; sampling is the scan."""
    text = """
[[inputs.opcua_listener]]
  name = "filler"
  endpoint = "opc.tcp://10.1.1.20:4840"
  username = "uns"
  nodes = [{ name = "temp", namespace = "3", identifier_type = "s", identifier = "Filler.Temp" }]
  [[inputs.opcua_listener.group]]
    name = "drive"
    namespace = "3"
    identifier_type = "i"
    sampling_interval = "200ms"
    nodes = [{ name = "speed", identifier = "1004" }]
"""
    made = imported("telegraf", ("t.conf", text))
    tags = [tag for machine in loaded(made.text).machines for tag in machine.tags]
    assert [("temp", "ns=3;s=Filler.Temp", 1.0), ("speed", "ns=3;i=1004", 0.2)] == [
        (tag.name, tag.source.text, tag.scan_s) for tag in tags if tag.source
    ]
    assert ["`username`"] == [one.what for one in made.unmapped]


def test_fields_of_s7comm(imported: Imported, loaded: Loaded) -> None:
    """Addresses stay as they are; each names its type."""
    text = """
[[inputs.s7comm]]
  server = "10.1.1.21:102"
  rack = 0
  slot = 2
  [[inputs.s7comm.metric]]
    name = "labeller"
    fields = [
      { name = "speed", address = "DB1.R4" }, { name = "on", address = "DB1.X8.1" },
      { name = "recipe", address = "DB2.S1.32" }, { name = "when", address = "DB1.DT5" },
      { name = "total", address = "DB1.LI40" }, { name = "mass", address = "DB1.LR48" },
    ]
"""
    made = imported("telegraf", ("t.conf", text))
    project = loaded(made.text)
    assert [
        ("DB1.R4", DataType.FLOAT), ("DB1.X8.1", DataType.BOOLEAN), ("DB2.S1.32", DataType.STRING),
        ("DB1.LI40", DataType.INT64), ("DB1.LR48", DataType.DOUBLE),
    ] == [(t.source.text, t.datatype) for t in project.machines[0].tags if t.source]  # fmt: skip
    assert ["s7://10.1.1.21:102/0.2"] == list(project.connections)
    assert ["`when` (DB1.DT5)"] == [one.what for one in made.unmapped]


def test_other_plugins_and_serial_lines_are_listed(imported: Imported) -> None:
    """`cpu` and a serial Modbus have no counterpart, and that is said."""
    text = (
        _meter(1)
        + '[[inputs.cpu]]\n  percpu = true\n[[inputs.modbus]]\n  name = "rtu"\n  controller = "file:///dev/ttyUSB0"\n'
    )
    made = imported("telegraf", ("t.conf", text))
    assert [
        "t.conf:inputs.modbus[1].holding_registers[5]", "t.conf:inputs.modbus[2]", "t.conf:inputs.cpu[1]",
    ] == [one.origin for one in made.unmapped]  # fmt: skip


@pytest.mark.parametrize("text", ["[[", "a = 1", "inputs = 3", "\x00"])
def test_what_is_no_configuration_is_refused(imported: Imported, text: str) -> None:
    """A sentence, not a traceback."""
    with pytest.raises(ImportFileError):
        imported("telegraf", ("t.conf", text))


@pytest.mark.parametrize(
    "text",
    [
        '[[inputs.modbus]]\ncontroller = "tcp://h"\nslave_id = "x"',
        '[[inputs.modbus]]\ncontroller = "tcp://h:99999"\ncoils = 3',
        '[[inputs.modbus]]\ncontroller = "tcp://h"\ncoils = [1]',
        '[[inputs.opcua]]\nendpoint = "opc.tcp://h"\nnodes = 3',
        '[[inputs.s7comm]]\nserver = "h"\nmetric = 3',
    ],
)  # fmt: skip
def test_words_of_a_wrong_kind_are_refused_by_name(imported: Imported, text: str) -> None:
    """A text where a list belongs is named with its place; it is no mistake of ours."""
    with pytest.raises(ImportFileError, match=r"t\.conf"):
        imported("telegraf", ("t.conf", text))
