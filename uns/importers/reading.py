"""Reading a tag: addresses tried on our drivers, types and units in our words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from uns.errors import AddressError, UnsError
from uns.importers.found import NO_HOST
from uns.metric import DataType
from uns.project.datatypes import read_datatype
from uns.project.quantity import WordError
from uns.units import UnitError, canonical, read, suggest
from uns.units.spelling import MISTAKEN

__all__ = ["Plant", "levels_of", "read_type", "read_unit", "span_of"]

_ORDER = ("modbus", "s7", "opcua")  # which driver an address is tried on first
_ENDPOINT = "opc.tcp://{host}:{port}"
_UA_PORT = 4840


@dataclass(slots=True)
class Plant:
    """What an importer is told: our drivers, and what the files may not say.

    `driver` is what the engineer says all devices speak, and `host` where they are.
    """

    drivers: Mapping[str, Any]
    driver: str = ""
    host: str = ""
    _parsed: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    _hosts: int = 0

    def connection(self, driver: str, host: str = "", port: int | None = None) -> dict[str, Any]:
        """The `connection:` to a host; one that nobody named gets an address that is nobody's."""
        if not host and not self.host:
            self._hosts += 1
        host = host or self.host or f"{NO_HOST}{min(self._hosts, 254)}"
        if driver == "opcua":
            return {"endpoint": _ENDPOINT.format(host=host, port=port or _UA_PORT)}
        return {"host": host} if port is None else {"host": host, "port": port}

    def problem(
        self, driver: str, address: str, connection: Mapping[str, Any], datatype: DataType | None
    ) -> str:
        """Why the driver cannot use an address; empty where it can."""
        try:
            parsed = self._parse(driver, address, connection)
            if datatype is not None and hasattr(parsed, "typed"):
                parsed.typed(datatype)
        except AddressError as error:
            return f"{error} ({error.hint})" if error.hint else str(error)
        except (ValidationError, UnsError) as error:
            return str(error).partition("\n")[0]
        return ""

    def type_in(self, driver: str, address: str, connection: Mapping[str, Any]) -> DataType | None:
        """The type that an address itself names, such as `DB1.DBD4:REAL`."""
        name = getattr(self._parse(driver, address, connection), "type_name", "")
        return read_type(name) if name else None

    def driver_of(self, address: str) -> str:
        """The first driver that can read an address; empty where none can."""
        if self.driver:
            return self.driver
        for name in _ORDER:
            extra = {"namespace": "urn:unknown"} if name == "opcua" else {}
            connection = {**self.connection(name, "127.0.0.1"), **extra}
            if name in self.drivers and not self.problem(name, address, connection, None):
                return name
        return ""

    def _parse(self, driver: str, address: str, connection: Mapping[str, Any]) -> Any:
        known, config = self._parsed.get(driver, (None, None))
        if known != connection:
            config = self.drivers[driver].Config(**connection)
            self._parsed[driver] = dict(connection), config
        return self.drivers[driver].parse(address, config)


def read_type(name: str) -> DataType | None:
    """Our datatype of that name, with the length of a `STRING[20]` left aside; or None."""
    plain = re.sub(r"\s*[\[(].*", "", name.strip())
    try:
        return read_datatype(plain)
    except WordError:
        return None


def read_unit(text: str) -> tuple[str, str]:
    """The UCUM code for somebody's unit, and what was guessed; no code where there is none."""
    text = text.strip()
    if not text or text in ("-", "none", "None"):
        return "", ""
    if text in MISTAKEN:
        return MISTAKEN[text][0], f"the unit `{text}` is `{MISTAKEN[text][0]}`"
    try:
        read(text)
    except UnitError:
        near = suggest(text)
        if near is None:
            return "", f"no unit: `{text}` is none that we know"
        return near, f"the unit `{text}` is `{near}`"
    return canonical(text), ""


def span_of(low: float | None, high: float | None) -> tuple[float, float] | None:
    """The range, where both ends are said and it is one."""
    return (low, high) if low is not None and high is not None and low < high else None


def levels_of(name: str) -> tuple[str, ...]:
    """Folders and name: `Line1.Filler.Speed` has three levels."""
    return tuple(part.strip() for part in re.split(r"[./\\]", name) if part.strip())
