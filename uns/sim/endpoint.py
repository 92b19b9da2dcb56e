"""Where simulated tags are served: one real protocol server for each place a project reads from."""

from __future__ import annotations

import importlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

from uns.equipment import Connection, Source, Tag
from uns.errors import DeviceError
from uns.metric import Value
from uns.project.project import Project
from uns.sim.signal import is_simulated

__all__ = ["SERVERS", "Endpoint", "Showing", "endpoints_of", "runs_of", "source_of"]

log = logging.getLogger("uns.sim")

#: The simulated server of each driver; those without a row need none, or have none yet.
SERVERS: Final = {
    "file": "uns.sim.drop_endpoint:DropEndpoint",
    "http": "uns.sim.http_endpoint:HttpEndpoint",
    "logix": "uns.sim.logix_endpoint:LogixEndpoint",
    "modbus": "uns.sim.modbus_endpoint:ModbusEndpoint",
    "mqtt": "uns.sim.mqtt_endpoint:MqttEndpoint",
    "opcua": "uns.sim.opcua_endpoint:OpcUaEndpoint",
    "s7": "uns.sim.s7_endpoint:S7Endpoint",
    "sql": "uns.sim.orders_endpoint:OrdersEndpoint",
}

Place: TypeAlias = tuple[str, int] | str  # a host and a port, or the key of what needs no network


class Showing(NamedTuple):
    """A tag and what its device shows now; `status` names an OPC UA status code."""

    tag: Tag
    value: Value
    status: str = "Good"


class Endpoint(ABC):
    """One protocol server and the tags behind it.

    `inner_port` is where the server itself listens: on the public `port`, or on a free one (0)
    where a relay has that; it is known once the server has started. `skew_ms` is how far its
    clock is ahead of ours, `missing` the topics of tags that a start leaves out.
    """

    #: Where relative paths of the settings begin: the state folder. The plant sets it.
    home: Path = Path(".uns")

    def __init__(self, connection: Connection, tags: Sequence[Tag]) -> None:
        self.driver = connection.driver
        self.place = _place(connection)
        self.tags = tuple(tags)
        self.inner_port = self.port
        self.skew_ms = 0
        self.missing: frozenset[str] = frozenset()
        self.connections = frozenset(source_of(tag).connection for tag in tags)

    @property
    def host(self) -> str:
        """Where it listens; empty where it needs no network."""
        return "" if isinstance(self.place, str) else self.place[0]

    @property
    def port(self) -> int:
        """The TCP port that it listens on; 0 where it needs none."""
        return 0 if isinstance(self.place, str) else self.place[1]

    @property
    def where(self) -> str:
        """Where it is, for people: `127.0.0.1:1502`."""
        return self.place if isinstance(self.place, str) else f"{self.host}:{self.port}"

    @property
    def has_clock(self) -> bool:
        """Whether clients see times that this device wrote."""
        return False

    def can_miss(self, tag: Tag) -> bool:
        """Whether this tag alone can be missing."""
        del tag
        return True

    def __str__(self) -> str:
        return f"{self.driver} {self.where}"

    @abstractmethod
    async def start(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Listen, with these values; raises DeviceError where the port is taken.

        May follow a `stop`, then with other `missing` tags and on another `inner_port`.
        """

    @abstractmethod
    async def show(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Write values to their addresses, in this order."""

    @abstractmethod
    async def stop(self) -> None:
        """Drop every client and the port."""


def endpoints_of(project: Project) -> list[Endpoint]:
    """A server for every host and port that a project's tags are read from.

    Raises DeviceError for a host that is not this machine; uns/sim/move.py helps.
    """
    reached: dict[Place, list[Tag]] = {}
    first: dict[Place, Connection] = {}
    for tag in (tag for machine in project.machines for tag in machine.tags):
        if tag.source is None or not is_simulated(tag):
            continue
        connection = project.connections[tag.source.connection]
        place = _place(connection)
        first.setdefault(place, connection)
        reached.setdefault(place, []).append(tag)
    found: list[Endpoint] = []
    for place, connection in first.items():
        _check_local(connection)
        if connection.driver in SERVERS:
            found.append(_server_class(connection.driver)(connection, reached[place]))
        else:
            log.warning(
                "%s: nothing here simulates the driver %s", connection.key, connection.driver
            )
    return found


def runs_of(showing: Sequence[Showing]) -> list[tuple[str, list[Showing]]]:
    """Neighbours with the same status together, in their order."""
    runs: list[tuple[str, list[Showing]]] = []
    for item in showing:
        if not runs or runs[-1][0] != item.status:
            runs.append((item.status, []))
        runs[-1][1].append(item)
    return runs


def source_of(tag: Tag) -> Source:
    """Where a served tag is read; tags without a source are served nowhere."""
    assert tag.source is not None  # noqa: S101 - see above
    return tag.source


def _server_class(driver: str) -> type[Endpoint]:
    module, _, attribute = SERVERS[driver].partition(":")
    found: type[Endpoint] = getattr(importlib.import_module(module), attribute)
    return found


def _place(connection: Connection) -> Place:
    place: tuple[str, int] | None = connection.config.endpoint()
    return connection.key if place is None else place


def _check_local(connection: Connection) -> None:
    place = connection.config.endpoint()
    if place is not None and place[0] != "127.0.0.1":
        raise DeviceError(
            f"a simulated plant listens on this machine only, and {connection.key} is at "
            f"{place[0]}:{place[1]}",
            hint="move the project's connections to free ports of this machine first",
        )
