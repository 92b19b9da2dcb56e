"""Bridges: one file or folder per protocol, each loaded when a project names it.

DRIVERS are ours. Any other package adds its own through the entry point `uns.drivers`:

    [project.entry-points."uns.drivers"]
    bacnet = "uns_bacnet:BacnetDriver"
"""

from __future__ import annotations

import importlib
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from bridges.driver import Driver
from uns.errors import ProjectError

__all__ = ["DRIVERS", "driver_names", "get_driver"]

DRIVERS = {
    "file": "bridges.file:FileDriver",
    "logix": "bridges.logix:LogixDriver",
    "http": "bridges.http:HttpDriver",
    "modbus": "bridges.modbus:ModbusDriver",
    "mqtt": "bridges.mqtt:MqttDriver",
    "opcua": "bridges.opcua:OpcUaDriver",
    "s7": "bridges.s7:S7Driver",
    "sim": "bridges.sim:SimDriver",
    "sql": "bridges.sql:SqlDriver",
}


def driver_names() -> list[str]:
    """The names of all drivers that are installed: ours, and those of other packages."""
    return sorted({*DRIVERS, *_others()})


def get_driver(name: str) -> type[Driver]:
    """The driver class called `name`; raises ProjectError where there is none, or it is broken.

    A package cannot replace a driver of ours: then a project would mean another thing where
    that package is installed.
    """
    if name in DRIVERS:
        module, _, attribute = DRIVERS[name].partition(":")
        driver: type[Driver] = getattr(importlib.import_module(module), attribute)
        return driver
    if name not in _others():
        known = ", ".join(driver_names())
        raise ProjectError(f"there is no driver called `{name}`", hint=f"one of {known}")
    return _loaded(_others()[name])


@cache
def _others() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group="uns.drivers")}


def _loaded(point: EntryPoint) -> type[Driver]:
    whose = f"the driver `{point.name}` of the package {point.dist.name if point.dist else '?'}"
    try:
        found = point.load()
    except Exception as error:  # whatever somebody else's module does when it is imported
        raise ProjectError(
            f"{whose} cannot be loaded: {error!r}", hint="repair or uninstall that package"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Driver)):
        raise ProjectError(
            f"{whose} is no driver: {point.value} is {found!r}",
            hint="it must be a subclass of bridges.driver.PollDriver or PushDriver",
        )
    return found
