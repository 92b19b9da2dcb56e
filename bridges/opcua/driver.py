"""The OPC UA driver: the server samples its variables, we collect what changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from bridges.driver import (
    Advice,
    BindResult,
    BoundTag,
    BrowsedNode,
    DriverConfig,
    PushDriver,
    Sink,
    Survey,
)
from bridges.opcua.address import Address, find_advice, parse
from bridges.opcua.config import OpcUaConfig
from uns.errors import DeviceError
from uns.metric import Reading, Value

if TYPE_CHECKING:
    from bridges.opcua.kept import Kept
    from bridges.opcua.session import Session

__all__ = ["OpcUaDriver"]


class OpcUaDriver(PushDriver):
    """One session with one OPC UA server."""

    name: ClassVar[str] = "opcua"
    Config: ClassVar[type[DriverConfig]] = OpcUaConfig
    ADDRESS_SETTINGS: ClassVar[frozenset[str] | None] = frozenset({"namespace"})
    IS_DURABLE: ClassVar[bool] = False  # a session's token is a secret and dies with the process
    config: OpcUaConfig

    def __init__(self, config: OpcUaConfig) -> None:
        super().__init__(config)
        self._session: Session | None = None
        self._kept: Kept | None = None

    @classmethod
    def parse(cls, text: str, config: OpcUaConfig) -> Address:
        """Return what `text` means: `nsu=urn:x;s=Line1.Speed`, `s=Line1.Speed`, `/Objects/Line1`."""
        return parse(text, config.namespace)

    @classmethod
    def advice(cls, address: Address, config: OpcUaConfig) -> Advice | None:
        """A namespace had better be told by its URI."""
        del config
        return find_advice(address)

    async def open(self) -> None:
        """Connect and log in, or go on with the lost session; learn the namespaces."""
        # asyncua takes half a second to import, and checking a project needs none of it.
        from bridges.opcua.session import Session  # noqa: PLC0415

        session = self._session = Session(self.config, self.home, self._kept)
        await session.open()
        self._kept = None  # taken up, or of no more use
        self.keepalive_s = session.keepalive_s

    @property
    def cursor(self) -> Kept | None:
        """The session's memory: what it takes to go on with it after a cut."""
        return self._kept or (self._session.kept if self._session else None)

    def resume(self, cursor: Kept) -> None:
        """Go on with the session that `cursor` remembers, where the server still has it."""
        self._kept = cursor

    async def bind(self, tags: Sequence[BoundTag]) -> list[BindResult]:
        """Have each tag monitored; the server says of each whether it can."""
        return await self._opened().bind(tags)

    async def unbind(self, handles: Sequence[int]) -> None:
        """Have these tags monitored no more."""
        await self._opened().unbind(handles)

    async def run(self, sink: Sink) -> None:
        """Collect what the server has, about every `publishing_s`, until the session is over."""
        session = self._opened()
        while True:
            await sink.ready()  # meanwhile the server keeps what happens
            readings = await session.collect()
            sink.alive()
            if readings:
                sink.readings(readings)

    async def write(self, items: Sequence[tuple[BoundTag, Value]]) -> list[str]:
        """Write each value in its variable's type; one problem each, empty where it worked."""
        return await self._opened().write(items)

    async def read_now(self, handles: Sequence[int]) -> list[Reading]:
        """Ask the server for these bound tags now, nothing from a cache."""
        return await self._opened().read_now(handles)

    async def call(self, address: Address, arguments: Sequence[Value]) -> list[Value]:
        """Call the method at an address; raises DeviceError with the server's reason."""
        return await self._opened().call(address, arguments)

    async def history(self, tag: BoundTag, begin_ms: int, end_ms: int) -> list[Reading]:
        """What the server remembers of a tag from one time to another, oldest first."""
        return await self._opened().history(tag, begin_ms, end_ms)

    async def browse(self, root: str = "") -> AsyncIterator[BrowsedNode]:
        """Every variable below `root`: an address, a path, or a glob such as `/Objects/Line*/**`."""
        async for node in self._opened().browse(root):
            yield node

    async def describe(self, tags: Sequence[BoundTag]) -> Survey:
        """Ask the server for type, unit, access and sampling of each tag, and for its clock."""
        return await self._opened().describe(tags)

    async def close(self) -> None:
        """Log out, within a second."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def abandon(self) -> None:
        """Drop the socket; the server keeps the session, for `keep_s` at least."""
        session = self._session
        if session is not None:
            await session.abandon()

    def _opened(self) -> Session:
        if self._session is None:
            raise DeviceError(f"{self.config.key()} is not open")
        return self._session
