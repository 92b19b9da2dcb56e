"""Where simulated tags are served: one real protocol server for each host and port of a project."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bridges.modbus.address import ModbusAddress
from uns.equipment import Connection, Source, Tag
from uns.errors import DeviceError
from uns.metric import DataType, Value
from uns.project.project import Project
from uns.sim.modbus_server import ModbusServer
from uns.sim.opcua_server import Change, OpcUaServer, ServedTag
from uns.sim.raw import Raw, raw_for
from uns.sim.signal import is_simulated

__all__ = ["Endpoint", "Showing", "endpoints_of"]

log = logging.getLogger("uns.sim")


class Showing(NamedTuple):
    """A tag and what its device shows now; `status` names an OPC UA status code."""

    tag: Tag
    value: Value
    status: str = "Good"


class Endpoint(ABC):
    """One protocol server and the tags behind it."""

    def __init__(self, connection: Connection, tags: Sequence[Tag]) -> None:
        self.driver = connection.driver
        self.host, self.port = connection.config.endpoint()
        self.tags = tuple(tags)
        self.connections = frozenset(_source(tag).connection for tag in tags)

    def __str__(self) -> str:
        return f"{self.driver} {self.host}:{self.port}"

    @abstractmethod
    async def start(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Listen, with these values; raises DeviceError where the port is taken."""

    @abstractmethod
    async def show(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Write values to their addresses, in this order."""

    @abstractmethod
    async def stop(self) -> None:
        """Drop every client and the port."""


class ModbusEndpoint(Endpoint):
    """A PLC or a gateway with one or more unit ids."""

    def __init__(self, connection: Connection, tags: Sequence[Tag]) -> None:
        super().__init__(connection, tags)
        self._places: dict[str, tuple[ModbusAddress, Raw]] = {}
        for tag in tags:
            address: ModbusAddress = _source(tag).address.typed(tag.datatype)
            self._places[tag.topic.text] = address, raw_for(tag, _HELD[address.type_name])
        addresses = [address for address, _ in self._places.values()]
        self._server = ModbusServer(
            self.host,
            self.port,
            units=sorted({address.unit for address in addresses}),
            cells=max(address.start + address.cells for address in addresses),
        )

    async def start(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Listen; registers hold their values from the first request on."""
        await self.show(showing, now_ms)
        await self._server.start()

    async def show(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Write registers, all between two requests. Modbus knows no status and no time."""
        del now_ms
        for item in showing:
            address, raw = self._places[item.tag.topic.text]
            value = raw(item.value)
            if value is None or isinstance(value, bytes):
                continue
            self._server[address.unit].set(
                address.table,
                address.start,
                value,
                address.type_name,
                order=address.order,
                bit=address.bit,
                length=address.length,
            )

    async def stop(self) -> None:
        """Drop every client and the port."""
        await self._server.close()


class OpcUaEndpoint(Endpoint):
    """An OPC UA server with one namespace; its clock may be a little ahead of ours."""

    def __init__(self, connection: Connection, tags: Sequence[Tag], *, ahead_ms: int = 0) -> None:
        space = Counter(_source(tag).address.namespace for tag in tags).most_common(1)[0][0]
        served = [tag for tag in tags if _source(tag).address.namespace == space]
        if len(served) < len(tags):
            log.warning(
                "%s: a simulated server has one namespace, %s; %d tags of others are left out",
                connection.key,
                space,
                len(tags) - len(served),
            )
        super().__init__(connection, served)
        self._namespace = space if isinstance(space, str) else "urn:uns:sim"
        self._users = _users(connection)
        self._ahead_ms = ahead_ms
        self._raws = {tag.topic.text: raw_for(tag, _served_type(tag)) for tag in served}
        self._server: OpcUaServer | None = None

    async def start(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Build the address space with these values, and listen."""
        del now_ms
        by_topic = {item.tag.topic.text: item for item in showing}
        tags = [
            ServedTag(
                _source(tag).address.identifier,
                _served_type(tag),
                self._raws[topic](by_topic[topic].value),
                is_writable=tag.writable,
            )
            for topic, tag in ((tag.topic.text, tag) for tag in self.tags)
        ]
        server = OpcUaServer(
            self._namespace, tags, port=self.port, host=self.host, users=self._users
        )
        await server.start()
        self._server = server

    async def show(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Write variables with their source time, in this order."""
        if self._server is None:
            return
        for status, group in _runs(showing):
            changes: list[Change] = [
                (
                    _source(item.tag).address.identifier,
                    self._raws[item.tag.topic.text](item.value),
                    now_ms + self._ahead_ms,
                )
                for item in group
            ]
            await self._server.write(changes, status=status)

    async def stop(self) -> None:
        """Drop every client and the port."""
        if self._server is not None:
            await self._server.stop()


def endpoints_of(project: Project) -> list[Endpoint]:
    """A server for every host and port that a project's tags are read from.

    Raises DeviceError for a host that is not this machine; uns/sim/move.py helps.
    """
    reached: dict[tuple[str, int], list[Tag]] = {}
    first: dict[tuple[str, int], Connection] = {}
    for tag in (tag for machine in project.machines for tag in machine.tags):
        if tag.source is None or not is_simulated(tag):
            continue
        connection = project.connections[tag.source.connection]
        place = connection.config.endpoint()
        first.setdefault(place, connection)
        reached.setdefault(place, []).append(tag)
    found: list[Endpoint] = []
    for place, connection in first.items():
        _check_local(connection)
        match connection.driver:
            case "modbus":
                found.append(ModbusEndpoint(connection, reached[place]))
            case "opcua":
                found.append(OpcUaEndpoint(connection, reached[place], ahead_ms=_AHEAD_MS))
            case other:
                log.warning("%s: nothing here simulates the driver %s yet", connection.key, other)
    return found


def _check_local(connection: Connection) -> None:
    host, port = connection.config.endpoint()
    if host != "127.0.0.1":
        raise DeviceError(
            f"a simulated plant listens on this machine only, and {connection.key} is at {host}:{port}",
            hint="move the project's connections to free ports of this machine first",
        )


def _runs(showing: Sequence[Showing]) -> list[tuple[str, list[Showing]]]:
    """Neighbours with the same status together, in their order."""
    runs: list[tuple[str, list[Showing]]] = []
    for item in showing:
        if not runs or runs[-1][0] != item.status:
            runs.append((item.status, []))
        runs[-1][1].append(item)
    return runs


def _source(tag: Tag) -> Source:
    assert tag.source is not None  # noqa: S101 - tags without a source are served nowhere
    return tag.source


def _served_type(tag: Tag) -> DataType:
    """The type of an OPC UA variable: the tag's own, or a Double where it is scaled."""
    return DataType.DOUBLE if tag.scale else tag.datatype


def _users(connection: Connection) -> Mapping[str, str] | None:
    login = connection.config.auth
    return {login.user: login.password.get_secret_value()} if login else None


_AHEAD_MS = 1_500  # a PLC's clock is never quite right; within the 2 s that pass as the same time
_HELD = {
    "int16": DataType.INT16,
    "uint16": DataType.UINT16,
    "int32": DataType.INT32,
    "uint32": DataType.UINT32,
    "int64": DataType.INT64,
    "uint64": DataType.UINT64,
    "float32": DataType.FLOAT,
    "float64": DataType.DOUBLE,
    "bool": DataType.BOOLEAN,
    "string": DataType.STRING,
}
