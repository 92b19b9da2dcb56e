"""Bridges: one file per protocol. DRIVERS is the only list of them; each is loaded when needed."""

from __future__ import annotations

import importlib

from bridges.driver import Driver
from uns.errors import ProjectError

__all__ = ["DRIVERS", "get_driver"]

DRIVERS = {
    "modbus": "bridges.modbus:ModbusDriver",
    "opcua": "bridges.opcua:OpcUaDriver",
    "s7": "bridges.s7:S7Driver",
}


def get_driver(name: str) -> type[Driver]:
    """The driver class called `name`; raises ProjectError where there is none."""
    if name not in DRIVERS:
        known = ", ".join(sorted(DRIVERS))
        raise ProjectError(f"there is no driver called `{name}`", hint=f"one of {known}")
    module, _, attribute = DRIVERS[name].partition(":")
    driver: type[Driver] = getattr(importlib.import_module(module), attribute)
    return driver
