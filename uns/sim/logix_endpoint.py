"""A simulated Logix controller that speaks EtherNet/IP."""

from __future__ import annotations

from collections.abc import Sequence

from bridges.logix.address import LogixAddress
from uns.equipment import Connection, Tag
from uns.errors import DeviceError
from uns.metric import DataType
from uns.sim.endpoint import Endpoint, Showing, source_of
from uns.sim.logix_server import LogixServer
from uns.sim.raw import Raw, raw_for

__all__ = ["LogixEndpoint"]


class LogixEndpoint(Endpoint):
    """A controller with the tags that the project reads from it, each of the tag's own type."""

    def __init__(self, connection: Connection, tags: Sequence[Tag]) -> None:
        super().__init__(connection, tags)
        self._server = LogixServer(self.host, self.port)
        self._places: dict[str, tuple[str, Raw]] = {}
        bits = (str(source_of(tag).address) for tag in tags if _is_a_bit(tag))
        self._words = {path.rpartition(".")[0] for path in bits}
        for tag in sorted(tags, key=_is_a_bit):  # whole integers first: bits are bits of them
            address: LogixAddress = source_of(tag).address
            kind, held = _held_as(tag, address)
            self._declare(address, kind)
            self._places[tag.topic.text] = str(address), raw_for(tag, held)

    async def start(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Listen; tags hold their values from the first request on."""
        await self.show(showing, now_ms)
        self._server.memory.missing = frozenset(
            self._places[topic][0].lower() for topic in self.missing
        )
        self._server.port = self.inner_port
        await self._server.start()
        self.inner_port = self._server.port

    async def show(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Write tags, all between two requests. The protocol knows no status and no time."""
        del now_ms
        for item in showing:
            path, raw = self._places[item.tag.topic.text]
            value = raw(item.value)
            if value is not None and not isinstance(value, bytes):
                self._server[path] = value

    def can_miss(self, tag: Tag) -> bool:
        """Whether nothing else lies in the same word: single bits and their words stay."""
        address: LogixAddress = source_of(tag).address
        is_of_array = tag.datatype is DataType.BOOLEAN and bool(address.steps[-1].indices)
        return not (_is_a_bit(tag) or is_of_array or str(address) in self._words)

    async def stop(self) -> None:
        """Drop every client and the port."""
        await self._server.close()

    def _declare(self, address: LogixAddress, kind: str) -> None:
        try:
            self._server.declare(str(address), kind)
        except ValueError as error:
            raise DeviceError(
                f"no controller can hold all tags that are read from {self.where}: {error}",
                hint="a name is one type everywhere: compare the tags that begin alike",
            ) from error


def _is_a_bit(tag: Tag) -> bool:
    return source_of(tag).address.bit is not None


def _held_as(tag: Tag, address: LogixAddress) -> tuple[str, DataType]:
    """The controller's type for a tag; what is scaled is held as a REAL, as most programs do."""
    if address.bit is not None:
        return "DINT", DataType.BOOLEAN
    if tag.scale is not None:
        return "REAL", DataType.FLOAT
    return _KINDS.get(tag.datatype, ("REAL", DataType.FLOAT))


_KINDS = {
    DataType.BOOLEAN: ("BOOL", DataType.BOOLEAN),
    DataType.INT8: ("SINT", DataType.INT8),
    DataType.INT16: ("INT", DataType.INT16),
    DataType.INT32: ("DINT", DataType.INT32),
    DataType.INT64: ("LINT", DataType.INT64),
    DataType.UINT8: ("USINT", DataType.UINT8),
    DataType.UINT16: ("UINT", DataType.UINT16),
    DataType.UINT32: ("UDINT", DataType.UINT32),
    DataType.UINT64: ("ULINT", DataType.UINT64),
    DataType.DATETIME: ("LINT", DataType.INT64),
    DataType.FLOAT: ("REAL", DataType.FLOAT),
    DataType.DOUBLE: ("LREAL", DataType.DOUBLE),
    DataType.STRING: ("STRING", DataType.STRING),
    DataType.TEXT: ("STRING", DataType.STRING),
}
