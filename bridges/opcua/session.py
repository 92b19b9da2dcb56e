"""A session in our terms: tags, readings and sentences, instead of nodes and status codes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from asyncua import ua

from bridges.driver import BindResult, BoundTag, Description, Survey
from bridges.opcua.address import NodeAddress
from bridges.opcua.config import OpcUaConfig
from bridges.opcua.description import clock_ahead_s, described
from bridges.opcua.link import Item, Link
from bridges.opcua.values import in_type, problem, variant_type
from uns.errors import DeviceError
from uns.metric import Reading, Value

__all__ = ["Session"]

_QUEUE_LATEST = 1  # the server overwrites what was not collected yet
_QUEUE_EVERY = 50  # the server keeps this many changes of a tag between two collections


class Session:
    """What one connection knows of its server: the namespaces' indexes and the tags' types."""

    def __init__(self, config: OpcUaConfig) -> None:
        self._config = config
        self._link = Link(config)
        self._namespaces: list[str] = []
        self._types: dict[NodeAddress, ua.VariantType] = {}

    @property
    def keepalive_s(self) -> float:
        """How often the server says that it is alive, as it granted it."""
        return self._link.keepalive_s

    async def open(self) -> None:
        """Connect, log in, create the subscription, learn the namespaces."""
        with _sentences(self._config):
            await self._link.open()
            self._namespaces = await self._link.namespaces()

    async def close(self) -> None:
        """Log out."""
        await self._link.close()

    async def collect(self) -> list[Reading]:
        """Wait for the next notification; no readings when the server is merely alive."""
        with _sentences(self._config):
            return await self._link.collect()

    async def bind(self, tags: Sequence[BoundTag]) -> list[BindResult]:
        """Have each tag monitored under its own handle."""
        with _sentences(self._config):
            if any(self._namespace_problem(tag.address) for tag in tags):
                self._namespaces = await self._link.namespaces()  # one may have been added
            problems = {tag.handle: self._namespace_problem(tag.address) for tag in tags}
            known = [tag for tag in tags if not problems[tag.handle]]
            statuses = await self._link.monitor([self._item(tag) for tag in known])
        for tag, status in zip(known, statuses, strict=True):
            problems[tag.handle] = problem(status)
        return [BindResult(handle, text) for handle, text in problems.items()]

    async def write(self, items: Sequence[tuple[BoundTag, Value]]) -> list[str]:
        """Write each value in the type its variable has; one problem each."""
        with _sentences(self._config):
            await self._learn_types([tag.address for tag, _ in items])
            problems: list[str] = []
            values: list[tuple[ua.NodeId, ua.Variant]] = []
            for tag, value in items:
                try:
                    values.append(self._written(tag.address, value))
                    problems.append("")
                except DeviceError as error:
                    problems.append(str(error))
            answers = iter([problem(status) for status in await self._link.write(values)])
        return [text or next(answers) for text in problems]

    async def describe(self, tags: Sequence[BoundTag]) -> Survey:
        """Ask the server what it says of each tag, and what time it has."""
        with _sentences(self._config):
            problems = {tag.handle: self._namespace_problem(tag.address) for tag in tags}
            known = [tag for tag in tags if not problems[tag.handle]]
            found = await described(self._link, [self._item(tag) for tag in known])
            ahead_s = await clock_ahead_s(self._link)
        missing = [Description(h, why, is_missing=True) for h, why in problems.items() if why]
        return Survey((*found, *missing), ahead_s)

    def _item(self, tag: BoundTag) -> Item:
        queue_size = _QUEUE_EVERY if tag.deliver_every else _QUEUE_LATEST
        return tag.handle, self._node(tag.address), tag.scan_s * 1000, queue_size

    def _namespace_problem(self, address: NodeAddress) -> str:
        space = address.namespace
        if not isinstance(space, str) or space in self._namespaces:
            return ""
        return f"the server has no namespace `{space}`; it has {', '.join(self._namespaces[1:])}"

    def _node(self, address: NodeAddress) -> ua.NodeId:
        space = address.namespace
        index = self._namespaces.index(space) if isinstance(space, str) else space
        return ua.NodeId(address.identifier, index)

    def _written(self, address: NodeAddress, value: Value) -> tuple[ua.NodeId, ua.Variant]:
        missing = self._namespace_problem(address)
        if missing:
            raise DeviceError(missing)
        kind = self._types.get(address)
        if kind is None:
            raise DeviceError("the server does not say what type the variable has")
        return self._node(address), in_type(value, kind)

    async def _learn_types(self, addresses: Sequence[NodeAddress]) -> None:
        unknown = [
            address
            for address in dict.fromkeys(addresses)
            if address not in self._types and not self._namespace_problem(address)
        ]
        if not unknown:
            return
        nodes = [self._node(address) for address in unknown]
        types = await self._link.read(nodes, ua.AttributeIds.DataType)
        values = await self._link.read(nodes, ua.AttributeIds.Value)
        for address, data_type, current in zip(unknown, types, values, strict=True):
            kind = variant_type(data_type, current)
            if kind is not None:
                self._types[address] = kind


@contextmanager
def _sentences(config: OpcUaConfig) -> Iterator[None]:
    """Turn what asyncua raises into DeviceErrors that say what to do."""
    try:
        yield
    except ua.UaStatusCodeError as error:
        status = ua.StatusCode(error.code)
        raise DeviceError(
            f"the server answers {status.name}: {status.doc}", hint=_HINTS.get(status.name, "")
        ) from error
    except ua.UaError as error:
        raise DeviceError(f"no OPC UA session: {error}") from error
    except TimeoutError as error:
        raise DeviceError(f"no answer within {config.timeout_s:g} s") from error
    except ConnectionRefusedError as error:
        hint = "is the server running, and is this its port?"
        raise DeviceError("connection refused", hint=hint) from error
    except OSError as error:
        raise DeviceError(f"connection lost: {error.strerror or error}") from error


_TRUST = (
    "the server does not trust our certificate yet: on the server, move it from the rejected to "
    "the trusted ones, or write `security: none` into the connection"
)
_HINTS = {
    "BadCertificateUntrusted": _TRUST,
    "BadIdentityTokenInvalid": "check `auth` of the connection",
    "BadIdentityTokenRejected": "check user and password under `auth` of the connection",
    "BadSecurityChecksFailed": _TRUST,
    "BadSecurityPolicyRejected": "allow the security policy None on the server",
    "BadTcpEndpointUrlInvalid": "check the path of `endpoint`, as the server's own tool shows it",
    "BadTooManySessions": "close other clients of the server, or wait until it forgets old sessions",
    "BadUserAccessDenied": "check user and password under `auth` of the connection",
}
