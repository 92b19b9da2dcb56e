"""Starters: the commented projects that `uns init` writes, one for each protocol."""

from __future__ import annotations

__all__ = ["STARTERS", "starter"]

_PLANT = """\
# A project: one machine to begin with. `uns check` finds mistakes, `uns sim` plays the plant,
# `uns run` runs it. All words: docs/reference/project-file.md

enterprise: {enterprise}          # the root of the tree: {enterprise}/site1/packaging/line1/filler/speed

sites:
  site1: {{timezone: Europe/London}}   # any keys: they are parameters of the machines there

types:                            # WHAT a machine is - once per company
  filler:
    tags:
      state: {{states: packml}}                     # an Int32 whose numbers have names
      speed: {{unit: "{{bottle}}/h", range: [0, 60000], deadband: 50}}
      good:  {{unit: "{{bottle}}", counter: true}}    # a total that only grows: every value is kept
      bad:   {{unit: "{{bottle}}", counter: true}}
      yield: {{unit: "%", calc: 100 * good / (good + bad)}}
      product_temp: {{unit: Cel, range: [-5, 40], alarm: {{hi: 35}}}}

bindings:                         # WHERE a vendor keeps it - once per vendor
{binding}
instances:                        # WHICH exist - one entry stamps them all
  - path: "{{site}}/packaging/line{{n}}/filler"
    each: {{site: [site1], n: [1]}}     # the next line is `1..2`
    is: filler
    bind: filler-plc
    with: {{host: "127.0.0.1"}}        # the device; "10.1.{{n}}.20" follows the line's number
"""
_MODBUS = """\
  filler-plc:
    driver: modbus
    connection: {host: "{host}", port: 5020}   # 502 is the usual one
    tags:                         # registers count from 0; hr are holding registers
      state: "hr:0 uint16"
      speed: "hr:2 float32"
      good:  "hr:4 uint32"
      bad:   "hr:6 uint32"
      product_temp: {address: "hr:8 int16", scale: [0, 10, 0, 1]}   # tenths of a degree
"""
_OPCUA = """\
  filler-plc:
    driver: opcua
    connection: {endpoint: "opc.tcp://{host}:4840", namespace: "urn:vendor:filler"}
    tags: s=Line{n}.Filler.{tag:pascal}   # where names are regular, one template is enough
"""
_S7 = """\
  filler-plc:
    driver: s7                    # the CPU has to permit PUT/GET, see docs/reference/bridges/s7.md
    connection: {host: "{host}", rack: 0, slot: 1}
    tags:
      state: DB{db}.DBW0:INT
      speed: DB{db}.DBD4:REAL
      good:  DB{db}.DBD8:DINT
      bad:   DB{db}.DBD12:DINT
      product_temp: DB{db}.DBD16:REAL
    with: {db: 100}               # a parameter's default; an instance may say another
"""

#: The starters by the name of their protocol, with a line of help.
STARTERS = {
    "modbus": ("a filler on Modbus/TCP", _MODBUS),
    "opcua": ("a filler on OPC UA", _OPCUA),
    "s7": ("a filler on a Siemens S7", _S7),
}


def starter(name: str, enterprise: str) -> str:
    """The text of plant.yaml."""
    return _PLANT.format(enterprise=enterprise, binding=STARTERS[name][1])
