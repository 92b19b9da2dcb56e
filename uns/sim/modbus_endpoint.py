"""A simulated PLC or gateway that speaks Modbus/TCP."""

from __future__ import annotations

from collections.abc import Sequence

from bridges.modbus.address import ModbusAddress
from uns.equipment import Connection, Tag
from uns.metric import DataType
from uns.sim.endpoint import Endpoint, Showing, source_of
from uns.sim.modbus_server import ModbusServer
from uns.sim.raw import Raw, raw_for

__all__ = ["ModbusEndpoint"]


class ModbusEndpoint(Endpoint):
    """A PLC or a gateway with one or more unit ids."""

    def __init__(self, connection: Connection, tags: Sequence[Tag]) -> None:
        super().__init__(connection, tags)
        self._places: dict[str, tuple[ModbusAddress, Raw]] = {}
        for tag in tags:
            address: ModbusAddress = source_of(tag).address.typed(tag.datatype)
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
        for unit, image in self._server.units.items():
            image.forbidden = self._missing_cells(unit)
        await self.show(showing, now_ms)
        self._server.port = self.inner_port
        await self._server.start()
        self.inner_port = self._server.port

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

    def _missing_cells(self, unit: int) -> set[tuple[str, int]]:
        """The addresses that do not exist while tags are missing."""
        places = (self._places[topic][0] for topic in self.missing)
        return {
            (place.table, place.start + at)
            for place in places
            if place.unit == unit
            for at in range(place.cells)
        }


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
