"""A simulated PLC that speaks OPC UA: tags by identifier, written thousands of times a second."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeAlias
from uuid import UUID

from asyncua import Node, Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.address_space import AttributeValue, NodeData
from asyncua.server.internal_server import InternalServer

from uns.errors import DeviceError
from uns.metric import DataType, Value

__all__ = ["Change", "Identifier", "OpcUaServer", "ServedTag"]

Identifier: TypeAlias = str | int | bytes | UUID
Change: TypeAlias = tuple[
    Identifier, Value | list[Any], int
]  # identifier, value, source time in ms UTC


# asyncua tells at INFO of every request, and of a thousand standard nodes that have no parent.
if logging.getLogger("asyncua").level == logging.NOTSET:
    logging.getLogger("asyncua").setLevel(logging.WARNING)


class ServedTag(NamedTuple):
    """One variable: its identifier (`s=` a str, `i=` an int, `b=` bytes, `g=` a UUID).

    A list as `initial` makes it an array.
    """

    identifier: Identifier
    datatype: DataType
    initial: Value | list[Any]
    is_writable: bool = False
    path: tuple[str, ...] = ()  # names below the Objects folder; without any, the folder is ours


class OpcUaServer:
    """An OPC UA server with one namespace of variables.

    Without security, for anonymous clients or for the given `users` (name to password); it
    listens on loopback and port 0 takes a free one, found in `port` and `endpoint` once started.
    With an `inner_port` it listens there, and `port` is only what it tells its clients: that of
    a relay before it.
    """

    def __init__(
        self,
        namespace: str,
        tags: Sequence[ServedTag],
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        users: Mapping[str, str] | None = None,
        max_items_per_call: int = 10_000,
        inner_port: int | None = None,
    ) -> None:
        self.namespace = namespace
        self.host = host
        self.port = port
        self._tags = tuple(tags)
        self._users = users
        self._max_items_per_call = max_items_per_call
        self._inner_port = inner_port
        self._server: Server | None = None
        self._nodes: dict[Identifier, tuple[ua.NodeId, ua.VariantType]] = {}

    @property
    def inner_port(self) -> int:
        """Where it listens itself."""
        return self.port if self._inner_port is None else self._inner_port

    @property
    def endpoint(self) -> str:
        """The URL clients connect to: `opc.tcp://127.0.0.1:4840`."""
        return f"opc.tcp://{self.host}:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Build the address space and listen; raises DeviceError when the port is taken."""
        self._claim_port()
        server = Server(_SharedStandardNodes(_UserList(self._users) if self._users else None))
        server.set_endpoint(self.endpoint)
        server.socket_address = (self.host, self.inner_port)
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        token = ua.UserNameIdentityToken if self._users else ua.AnonymousIdentityToken
        server.set_identity_tokens([token])
        await server.init()
        await server.set_application_uri(f"urn:uns:sim:opcua:{self.port}")
        limit = server.get_node(ua.NodeId(_MAX_ITEMS_PER_CALL))
        await limit.write_value(ua.Variant(self._max_items_per_call, ua.VariantType.UInt32))
        await self._add_tags(server)
        try:
            await server.start()
        except OSError as error:  # somebody was quicker than we after `_claim_port`
            raise self._taken(error) from error
        self._server = server

    async def stop(self) -> None:
        """Close every connection and the port. Safe to call twice."""
        server, self._server = self._server, None
        if server is None:
            return
        # asyncua's clock task looks at its flag once a second; waking it saves that second.
        clock, server.iserver.time_task = server.iserver.time_task, None
        if clock is not None:
            clock.cancel()
            await asyncio.wait([clock])
        # asyncua would keep the sessions whose clients are gone for as long as they asked it to.
        for session in list(server.iserver._external_sessions.values()):  # noqa: SLF001
            await session.close_session()
        for client in list(server.bserver.clients):
            client.transport.abort()
        await asyncio.sleep(0)  # asyncua waits for the tasks of connections that it knows are lost
        await server.stop()

    async def write(self, changes: Sequence[Change], *, status: str = "Good") -> None:
        """Set values with their source times, as the PLC's own program would.

        `status` names an OPC UA status code that all of these values carry. One that starts
        with `Bad` (`BadSensorFailure`) carries no value: OPC UA part 4 §7.7.1 has it dropped.
        """
        server = self._running()
        code = ua.StatusCode(getattr(ua.StatusCodes, status))
        for identifier, value, timestamp_ms in changes:
            node, kind = self._nodes[identifier]
            await server.write_attribute_value(node, _data_value(value, kind, code, timestamp_ms))

    def read(self, identifier: Identifier) -> Value:
        """What a variable holds now, so that a client's write can be seen."""
        node, _ = self._nodes[identifier]
        value: Value = self._running().read_attribute_value(node).Value.Value
        return value

    async def add(self, tags: Sequence[ServedTag]) -> None:
        """Let more variables appear, as a PLC does that is still loading its program."""
        self._tags += tuple(tags)
        server = self._running()
        space = await server.get_namespace_index(self.namespace)
        for tag in tags:
            await self._add_tag(server.get_objects_node(), space, tag)

    async def remove(self, identifiers: Sequence[Identifier]) -> None:
        """Take variables away, as a download of another PLC program does."""
        server = self._running()
        await server.delete_nodes(
            [server.get_node(self._nodes.pop(name)[0]) for name in identifiers]
        )

    def _running(self) -> Server:
        if self._server is None:
            raise DeviceError(f"the simulated OPC UA server on port {self.port} is not running")
        return self._server

    def _claim_port(self) -> None:
        """Find a free port, or see that ours is free: asyncua would log a traceback instead."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.host, self.inner_port))
            except OSError as error:
                raise self._taken(error) from error
            found: int = probe.getsockname()[1]
            if self._inner_port is None:
                self.port = found
            else:
                self._inner_port = found

    def _taken(self, error: OSError) -> DeviceError:
        why = os.strerror(error.errno) if error.errno else str(error)
        return DeviceError(
            f"cannot listen on {self.host}:{self.inner_port} for OPC UA: {why}",
            hint="another program, or another simulation, has that port: stop it or choose another",
        )

    async def _add_tags(self, server: Server) -> None:
        space = await server.register_namespace(self.namespace)
        shelves: dict[str, list[ServedTag]] = {}
        for tag in self._tags:
            if tag.path:
                continue
            shelves.setdefault(str(tag.identifier).rpartition(".")[0], []).append(tag)
        for name, tags in shelves.items():
            # asyncua compares each new variable with all others of its folder.
            for start in range(0, len(tags), _FOLDER_SIZE):
                label = f"{name or 'Tags'}[{start}]" if start or not name else name
                folder = await server.get_objects_node().add_folder(
                    ua.NodeId(label, _OWN_SPACE), label
                )
                for tag in tags[start : start + _FOLDER_SIZE]:
                    await self._add_tag(folder, space, tag)

        objects: dict[tuple[str, ...], Node] = {(): server.get_objects_node()}
        for tag in self._tags:
            for depth in range(1, len(tag.path)):
                names = tag.path[:depth]
                if names not in objects:
                    node = ua.NodeId("/".join(names), _OWN_SPACE)
                    name = ua.QualifiedName(names[-1], space)
                    objects[names] = await objects[names[:-1]].add_object(node, name)
            if tag.path:
                await self._add_tag(objects[tag.path[:-1]], space, tag)

    async def _add_tag(self, folder: Node, space: int, tag: ServedTag) -> None:
        node = ua.NodeId(tag.identifier, space)
        kind = _VARIANT_TYPES[tag.datatype]
        initial = _data_value(tag.initial, kind, ua.StatusCode(), _now_ms())
        name = ua.QualifiedName(tag.path[-1], space) if tag.path else str(tag.identifier)
        variable = await folder.add_variable(node, name, initial.Value)
        await variable.write_attribute(ua.AttributeIds.Value, initial)
        if tag.is_writable:
            await variable.set_writable()
        self._nodes[tag.identifier] = (node, kind)


class _UserList:
    """Who may log in, in asyncua's terms: a user, or None for a wrong name or password."""

    def __init__(self, users: Mapping[str, str]) -> None:
        self._users = users

    def get_user(
        self,
        _iserver: InternalServer,
        username: str | None = None,
        password: str | None = None,
        certificate: object = None,  # noqa: ARG002 - asyncua passes it by name
    ) -> User | None:
        if username is None or self._users.get(username) != password:
            return None
        return User(role=UserRole.User, name=username)


class _SharedStandardNodes(InternalServer):  # type: ignore[misc]  # asyncua is untyped to us
    """asyncua's server core, without building the 6,000 standard nodes again for each server.

    The first server of a process takes over a second for them; the next ones copy what can
    change in a few tens of milliseconds and share the rest.
    """

    _standard: dict[ua.NodeId, NodeData] | None = None

    async def load_standard_address_space(self, shelf_file: Path | None = None) -> None:
        cls = type(self)
        if cls._standard is None:
            await super().load_standard_address_space(shelf_file)
            cls._standard = _copied(self.aspace._nodes)  # noqa: SLF001 - asyncua has no public way
            return
        self.aspace._nodes = _copied(cls._standard)  # noqa: SLF001 - the same


def _copied(nodes: Mapping[ua.NodeId, NodeData]) -> dict[ua.NodeId, NodeData]:
    return {nodeid: _copied_node(node) for nodeid, node in nodes.items()}


def _copied_node(node: NodeData) -> NodeData:
    copy = NodeData(node.nodeid)
    copy.attributes = {key: AttributeValue(held.value) for key, held in node.attributes.items()}
    copy.references = list(node.references)
    copy.call = node.call
    return copy


def _data_value(
    value: Value | list[Any], kind: ua.VariantType, code: ua.StatusCode, timestamp_ms: int
) -> ua.DataValue:
    when = datetime.fromtimestamp(timestamp_ms / 1000, UTC)
    held: Any = value
    if kind is ua.VariantType.DateTime and isinstance(value, int):
        held = datetime.fromtimestamp(value / 1000, UTC)
    return ua.DataValue(
        ua.Variant(held, kind), code, SourceTimestamp=when, ServerTimestamp=datetime.now(UTC)
    )


def _now_ms() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)


_OWN_SPACE = 1  # the namespace of the server itself, where no tag's identifier can collide
_FOLDER_SIZE = 100
_MAX_ITEMS_PER_CALL = (
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall
)
_VARIANT_TYPES = {
    DataType.INT8: ua.VariantType.SByte,
    DataType.INT16: ua.VariantType.Int16,
    DataType.INT32: ua.VariantType.Int32,
    DataType.INT64: ua.VariantType.Int64,
    DataType.UINT8: ua.VariantType.Byte,
    DataType.UINT16: ua.VariantType.UInt16,
    DataType.UINT32: ua.VariantType.UInt32,
    DataType.UINT64: ua.VariantType.UInt64,
    DataType.FLOAT: ua.VariantType.Float,
    DataType.DOUBLE: ua.VariantType.Double,
    DataType.BOOLEAN: ua.VariantType.Boolean,
    DataType.STRING: ua.VariantType.String,
    DataType.TEXT: ua.VariantType.String,
    DataType.DATETIME: ua.VariantType.DateTime,
}
