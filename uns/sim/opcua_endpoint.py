"""A simulated OPC UA server."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

from bridges.opcua.browse_path import BrowsePath
from uns.equipment import Connection, Tag
from uns.metric import DataType
from uns.sim.endpoint import Endpoint, Showing, runs_of, source_of
from uns.sim.opcua_server import Change, Identifier, OpcUaServer, ServedTag
from uns.sim.raw import raw_for

__all__ = ["OpcUaEndpoint"]

log = logging.getLogger("uns.sim")

_OWN = "urn:uns:sim"  # where the project says none
_AHEAD_MS = 1_500  # a PLC's clock is never quite right; within the 2 s that pass as the same time


class OpcUaEndpoint(Endpoint):
    """An OPC UA server with one namespace; its clock may be a little ahead of ours."""

    def __init__(self, connection: Connection, tags: Sequence[Tag]) -> None:
        spaces = Counter(_namespace(tag, connection) for tag in tags).most_common(1)
        space = spaces[0][0]
        served = [
            tag
            for tag in tags
            if _namespace(tag, connection) == space and not source_of(tag).address.elements
        ]
        if len(served) < len(tags):
            log.warning(
                "%s: a simulated server has one namespace, %s, and no arrays; tags left out: %d",
                connection.key,
                space,
                len(tags) - len(served),
            )
        super().__init__(connection, served)
        self._namespace = space if isinstance(space, str) else _OWN
        self._users = _users(connection)
        self._raws = {tag.topic.text: raw_for(tag, _served_type(tag)) for tag in served}
        self._server: OpcUaServer | None = None

    @property
    def has_clock(self) -> bool:
        """Every value has its source time."""
        return True

    async def start(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Build the address space with these values, and listen."""
        del now_ms
        by_topic = {item.tag.topic.text: item for item in showing}
        tags = [
            ServedTag(
                _identifier(tag),
                _served_type(tag),
                self._raws[topic](by_topic[topic].value),
                is_writable=tag.writable,
                path=_path(tag),
            )
            for topic, tag in ((tag.topic.text, tag) for tag in self.tags)
            if topic not in self.missing
        ]
        server = OpcUaServer(
            self._namespace,
            tags,
            port=self.port,
            host=self.host,
            users=self._users,
            inner_port=self.inner_port,
        )
        await server.start()
        self.inner_port = server.inner_port
        self._server = server

    async def show(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Write variables with their source time, in this order."""
        if self._server is None:
            return
        for status, group in runs_of(showing):
            changes: list[Change] = [
                (
                    _identifier(item.tag),
                    self._raws[item.tag.topic.text](item.value),
                    now_ms + _AHEAD_MS + self.skew_ms,
                )
                for item in group
                if item.tag.topic.text not in self.missing
            ]
            await self._server.write(changes, status=status)

    async def stop(self) -> None:
        """Drop every client and the port."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop()


def _namespace(tag: Tag, connection: Connection) -> str | int:
    """The namespace of a tag; names in a browse path are in the connection's own."""
    address = source_of(tag).address
    if isinstance(address, BrowsePath):
        return str(connection.config.namespace) or _OWN
    return address.namespace  # type: ignore[no-any-return]  # a driver's address is anything


def _identifier(tag: Tag) -> Identifier:
    address = source_of(tag).address
    return str(address) if isinstance(address, BrowsePath) else address.identifier


def _path(tag: Tag) -> tuple[str, ...]:
    address = source_of(tag).address
    return tuple(step.name for step in address.steps) if isinstance(address, BrowsePath) else ()


def _served_type(tag: Tag) -> DataType:
    """The type of an OPC UA variable: the tag's own, or a Double where it is scaled."""
    return DataType.DOUBLE if tag.scale else tag.datatype


def _users(connection: Connection) -> Mapping[str, str] | None:
    login = connection.config.auth
    return {login.user: login.password.get_secret_value()} if login else None
