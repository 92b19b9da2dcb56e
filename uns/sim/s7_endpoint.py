"""A simulated Siemens CPU."""

from __future__ import annotations

from collections.abc import Sequence

from bridges.s7.address import S7Address
from uns.equipment import Connection, Tag
from uns.metric import DataType
from uns.sim.endpoint import Endpoint, Showing, source_of
from uns.sim.raw import Raw, raw_for
from uns.sim.s7_server import S7Server

__all__ = ["S7Endpoint"]

_AREA_BYTES = 1024  # of inputs, outputs and memory at least, as in a small CPU


class S7Endpoint(Endpoint):
    """A CPU with the data blocks that a project's tags are in."""

    def __init__(self, connection: Connection, tags: Sequence[Tag]) -> None:
        super().__init__(connection, tags)
        self._places: dict[str, tuple[S7Address, Raw]] = {}
        sizes = {(area, 0): _AREA_BYTES for area in ("I", "Q", "M")}
        for tag in tags:
            address: S7Address = source_of(tag).address.typed(tag.datatype)
            self._places[tag.topic.text] = address, raw_for(tag, _HELD[address.type_name])
            place = (address.area, address.db)
            sizes[place] = max(sizes.get(place, 0), address.start + address.size)
        self._server = S7Server(sizes, self.host, self.port)

    async def start(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Listen; the memory holds its values from the first request on."""
        self._server.memory.missing = {
            (place.area, place.db, place.start + at)
            for place, _ in (self._places[topic] for topic in self.missing)
            for at in range(place.size)
        }
        await self.show(showing, now_ms)
        self._server.port = self.inner_port
        await self._server.start()
        self.inner_port = self._server.port

    async def show(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Write the memory, all between two requests. S7 knows no status and no time."""
        del now_ms
        for item in showing:
            address, raw = self._places[item.tag.topic.text]
            value = raw(item.value)
            if value is None or isinstance(value, bytes):
                continue
            self._server.memory.set(
                address.area,
                address.db,
                address.start,
                value,
                address.type_name,
                bit=address.bit,
                length=address.length,
            )

    async def stop(self) -> None:
        """Drop every client and the port."""
        await self._server.close()


_HELD = {
    "BOOL": DataType.BOOLEAN,
    "BYTE": DataType.UINT8,
    "USINT": DataType.UINT8,
    "SINT": DataType.INT8,
    "DATE": DataType.UINT16,
    "WORD": DataType.UINT16,
    "UINT": DataType.UINT16,
    "INT": DataType.INT16,
    "DWORD": DataType.UINT32,
    "UDINT": DataType.UINT32,
    "TOD": DataType.UINT32,
    "DINT": DataType.INT32,
    "TIME": DataType.INT32,
    "LWORD": DataType.UINT64,
    "ULINT": DataType.UINT64,
    "LTOD": DataType.UINT64,
    "LINT": DataType.INT64,
    "LTIME": DataType.INT64,
    "REAL": DataType.FLOAT,
    "LREAL": DataType.DOUBLE,
    "S5TIME": DataType.UINT32,
    "LDT": DataType.UINT32,  # a tag of a moment is not simulated; one that is a number counts
    "DT": DataType.UINT32,
    "DTL": DataType.UINT32,
    "CHAR": DataType.UINT8,
    "WCHAR": DataType.UINT16,
    "STRING": DataType.STRING,
    "WSTRING": DataType.STRING,
}
