"""One OPC UA session through asyncua - with bounds.py the only file that knows its private parts.

asyncua is the codec and the transport, nothing else: its reconnect, watchdog, publish loop and
notification dispatch are not used, because they go silent while they report to be connected
(docs/explanation/decisions/0005-runtime-owns-reconnect.md). What is private and used here is
held by tests/bridges/opcua/test_link.py: `Client._create_and_activate_session`,
`Client._activate_with_credentials`, `Client._server_nonce`, `Client._policy_ids` and
`UaSession._send_request`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asyncua import Client, ua
from asyncua.common.utils import Buffer

from bridges.opcua.bounds import bound, limit
from bridges.opcua.config import OpcUaConfig
from bridges.opcua.identity import APPLICATION_URI
from bridges.opcua.kept import Item, Kept
from bridges.opcua.limits import Limit, Limits
from bridges.opcua.security import best_offer, check_plain, is_plain, secure
from bridges.opcua.subscriptions import Subscriptions
from bridges.opcua.values import reading
from uns.errors import DeviceError
from uns.metric import Reading

__all__ = ["Link"]

_CLOSE_S = 1.0
_MOST_CONTINUATIONS = 100_000  # answers to one browse request
_SHOWN = ua.NodeClass.Object | ua.NodeClass.Variable | ua.NodeClass.Method
_INVERSE = ua.BrowseDirection.Inverse
_ALL_FIELDS = 63  # of a reference, OPC UA part 4 §5.9.2
_RENEW_AT = 0.75  # of the channel's lifetime, OPC UA part 4 §5.5.2.1
_PER_SUBSCRIPTION = ua.NodeId(
    ua.ObjectIds.Server_ServerCapabilities_MaxMonitoredItemsPerSubscription
)

# What asyncua logs as tracebacks reaches us as exceptions, and users as sentences. Whoever has
# set these levels before wants to see it all.
for _name, _level in (("asyncua", logging.WARNING), ("asyncua.client", logging.CRITICAL + 1)):
    if logging.getLogger(_name).level == logging.NOTSET:
        logging.getLogger(_name).setLevel(_level)


class Link:
    """A session with its subscriptions, in OPC UA's own terms. Every call has a deadline."""

    def __init__(self, config: OpcUaConfig, home: Path, kept: Kept | None = None) -> None:
        """`kept` is what a lost session left: `open` goes on with it where the server does."""
        self._config = config
        self._home = home
        self._client = _client(config)
        self._services = self._client.uaclient.session
        self._renew_at = float("inf")
        self.limits = Limits()
        self._take(kept if kept is not None and kept.is_resumable else Kept())

    def _take(self, kept: Kept) -> None:
        self.kept = kept
        config = self._config
        self._subscriptions = Subscriptions(
            self, self.limits, kept, publishing_s=config.publishing_s, keep_s=config.lasting_s
        )

    async def open(self) -> bool:
        """Connect and log in, or go on with the session that was lost; whether it went on."""
        if self.kept.is_resumable:
            if await self._resumed():
                return True
            await self.abandon()
            self._renew_client()
            self._take(Kept())
        await self._open_channel()
        if self._config.security != "none":
            await self._secure()
        # connect() would start a watchdog and more.
        await self._client._create_and_activate_session()  # noqa: SLF001
        self._remember()
        await self._read_limits()
        await self._subscriptions.subscribe()
        return False

    async def ask(self, request: Any, timeout_s: float | None = None) -> Buffer:
        """Send any request; the bytes of its answer. `timeout_s` 0 waits for ever."""
        return await self._services._send_request(request, timeout=timeout_s)  # noqa: SLF001

    async def namespaces(self) -> list[str]:
        """The server's namespace URIs, by index."""
        node = ua.NodeId(ua.ObjectIds.Server_NamespaceArray)
        (held,) = await self._services.read_attributes([node], ua.AttributeIds.Value)
        return [str(uri) for uri in held.Value.Value or ()]

    async def monitor(self, items: Sequence[Item]) -> list[ua.StatusCode]:
        """Ask for notifications of each item; one status each."""
        return await self._subscriptions.monitor(items)

    async def unmonitor(self, handles: Sequence[int]) -> None:
        """Ask for no more notifications of these."""
        await self._subscriptions.unmonitor(handles)

    async def read(
        self, nodes: Sequence[ua.NodeId], attribute: ua.AttributeIds
    ) -> list[ua.DataValue]:
        """One attribute of each node, each with its own status."""
        return await self.limits.in_parts(
            Limit.READ, nodes, lambda part: self._services.read_attributes(part, attribute)
        )

    async def read_now(self, items: Sequence[Item]) -> list[Reading]:
        """What each item's node holds this moment, nothing from a cache."""
        values = await self.limits.in_parts(Limit.READ, items, self._read_now)
        return [
            reading(item.handle, held, item.shape) for item, held in zip(items, values, strict=True)
        ]

    async def _read_now(self, part: Sequence[Item]) -> list[ua.DataValue]:
        wanted = ua.ReadParameters()
        wanted.MaxAge = 0
        wanted.TimestampsToReturn = ua.TimestampsToReturn.Both
        for item in part:
            one = ua.ReadValueId()
            one.NodeId = item.node
            one.AttributeId = ua.AttributeIds.Value
            one.IndexRange = item.elements or None
            wanted.NodesToRead.append(one)
        return list(await self._services.read(wanted))

    async def children(self, nodes: Sequence[ua.NodeId]) -> list[list[ua.ReferenceDescription]]:
        """The objects and variables below each node, however many answers they take."""
        return await self.limits.in_parts(Limit.BROWSE, nodes, self._children)

    async def _children(self, part: Sequence[ua.NodeId]) -> list[list[ua.ReferenceDescription]]:
        wanted = ua.BrowseParameters()
        wanted.NodesToBrowse = [_browse_question(node) for node in part]
        results = await self._services.browse(wanted)
        answers = [list(result.References or ()) for result in results]
        open_ = [
            (at, one.ContinuationPoint) for at, one in enumerate(results) if one.ContinuationPoint
        ]
        for _ in range(_MOST_CONTINUATIONS):
            if not open_:
                return answers
            more = ua.BrowseNextParameters()
            more.ReleaseContinuationPoints = False
            more.ContinuationPoints = [point for _, point in open_]
            nexts = await self._services.browse_next(more)
            for (at, _), one in zip(open_, nexts, strict=True):
                answers[at] += one.References or ()
            open_ = [
                (at, one.ContinuationPoint)
                for (at, _), one in zip(open_, nexts, strict=True)
                if one.ContinuationPoint
            ]
        raise DeviceError("browsing does not come to an end")

    async def parents(self, nodes: Sequence[ua.NodeId]) -> list[list[ua.ReferenceDescription]]:
        """The objects that each node is below."""
        wanted = ua.BrowseParameters()
        wanted.NodesToBrowse = [_browse_question(node, _INVERSE) for node in nodes]
        return [list(result.References or ()) for result in await self._services.browse(wanted)]

    async def call(self, request: ua.CallMethodRequest) -> ua.CallMethodResult:
        """Call one method."""
        (result,) = await self._services.call([request])
        return result

    async def history(
        self, item: Item, details: ua.ReadRawModifiedDetails, point: bytes | None
    ) -> ua.HistoryReadResult:
        """One page of what the server remembers; `point` goes on with the next."""
        one = ua.HistoryReadValueId()
        one.NodeId = item.node
        one.IndexRange = item.elements or None
        one.ContinuationPoint = point
        wanted = ua.HistoryReadParameters()
        wanted.HistoryReadDetails = details
        wanted.TimestampsToReturn = ua.TimestampsToReturn.Both
        wanted.ReleaseContinuationPoints = False
        wanted.NodesToRead = [one]
        (result,) = await self._services.history_read(wanted)
        return result

    async def properties(self, nodes: Sequence[ua.NodeId], name: str) -> list[ua.NodeId | None]:
        """The property called `name` of each node; None where it has none."""
        paths = [_property_path(node, name) for node in nodes]
        results = await self.limits.in_parts(
            Limit.TRANSLATE, paths, self._services.translate_browsepaths_to_nodeids
        )
        return [
            one.Targets[0].TargetId if not one.StatusCode.is_bad() and one.Targets else None
            for one in results
        ]

    async def sampling_s(self, items: Sequence[Item]) -> list[float | None]:
        """How often the server samples each item when it is asked to; None where it does not.

        The items stay monitored for as long as the session lives.
        """
        await self.monitor(items)
        granted = [self.kept.items.get(item.handle) for item in items]
        return [None if one is None else one.sampling_ms / 1000 for one in granted]

    async def write(self, values: Sequence[tuple[Item, ua.Variant]]) -> list[ua.StatusCode]:
        """Write values, without status and timestamps: many PLCs refuse those."""
        return await self.limits.in_parts(Limit.WRITE, values, self._write)

    async def _write(self, part: Sequence[tuple[Item, ua.Variant]]) -> list[ua.StatusCode]:
        wanted = ua.WriteParameters()
        for item, variant in part:
            one = ua.WriteValue()
            one.NodeId = item.node
            one.AttributeId = ua.AttributeIds.Value
            one.IndexRange = item.elements or None
            one.Value = ua.DataValue(variant, StatusCode=None)
            wanted.NodesToWrite.append(one)
        return list(await self._services.write(wanted))

    async def collect(self) -> list[Reading]:
        """Wait for the server's next word; empty when it only says that it is alive."""
        if time.monotonic() > self._renew_at:
            await self._renew_channel()
        return await self._subscriptions.collect()

    async def close(self) -> None:
        """Log out within a second; where the server does not answer, drop the socket."""
        client = self._client
        protocol = client.uaclient.protocol
        try:
            async with asyncio.timeout(_CLOSE_S):
                if protocol is not None and not protocol.is_closed:
                    await client.close_session()
                    await client.close_secure_channel()
        except (TimeoutError, OSError, ua.UaError):
            pass  # the session is lost already, and the server forgets it by itself
        finally:
            await self.abandon()

    async def abandon(self) -> None:
        """Drop the socket and say nothing: the server keeps what it has for the next session."""
        self.kept.lost(time.monotonic())
        protocol = self._client.uaclient.protocol
        if protocol is not None and protocol.transport is not None:
            protocol.transport.abort()
        self._client.disconnect_socket()

    # ------------------------------------------------------------ sessions

    async def _resumed(self) -> bool:
        """Take up the session of `kept`; False where the server does not know it any more."""
        kept, client = self.kept, self._client
        if kept.offer is not None:
            await secure(client, kept.offer, self._config, self._home)
        await self._open_channel()
        if kept.offer is None:
            client.security_policy.peer_certificate = kept.server_certificate
        self._services.restore_authentication_token(kept.token)
        client._server_nonce = kept.nonce  # noqa: SLF001
        client._policy_ids = kept.policies  # noqa: SLF001
        try:
            await client._activate_with_credentials()  # noqa: SLF001
            kept.nonce = client._server_nonce  # noqa: SLF001
            kept.taken_up_at = time.monotonic()
            await self._subscriptions.take_up()
        except ua.UaError:
            return False
        await self._read_limits()
        return True

    def _remember(self) -> None:
        """Keep what the next session needs in order to go on with this one."""
        kept, client = self.kept, self._client
        kept.token = self._services.authentication_token
        kept.nonce = client._server_nonce  # noqa: SLF001
        kept.policies = client._policy_ids  # noqa: SLF001
        kept.server_certificate = client.security_policy.peer_certificate

    async def _open_channel(self) -> None:
        client = self._client
        await client.connect_socket()
        bound(client.uaclient.protocol)
        await client.send_hello()
        limit(client.uaclient.protocol)
        await client.open_secure_channel()
        self._renew_at = time.monotonic() + _RENEW_AT * client.secure_channel_timeout / 1000

    async def _secure(self) -> None:
        """Ask what the server offers; for more than no security, connect again with it."""
        offer = best_offer(await self._client.get_endpoints(), self._config)
        if is_plain(offer):
            check_plain(self._config, self._home)
            return
        await self.close()
        self._renew_client()
        await secure(self._client, offer, self._config, self._home)
        await self._open_channel()
        self.kept.offer = offer

    def _renew_client(self) -> None:
        self._client = _client(self._config)
        self._services = self._client.uaclient.session

    async def _read_limits(self) -> None:
        nodes = [*(limit.node for limit in Limit), _PER_SUBSCRIPTION]
        told = await self._services.read_attributes(nodes, ua.AttributeIds.Value)
        self.limits.learn(told[:-1])
        most = told[-1].Value
        self._subscriptions.limit_items(most.Value if most is not None else 0)

    async def _renew_channel(self) -> None:
        await self._client.open_secure_channel(renew=True)
        self._client.uaclient.revolve_security_token()
        lifetime_s = self._client.secure_channel_timeout / 1000
        self._renew_at = time.monotonic() + _RENEW_AT * lifetime_s


def _client(config: OpcUaConfig) -> Client:
    client = Client(config.url, timeout=config.timeout_s)
    client.session_timeout = config.lasting_s * 1000
    client.name = client.description = "uns"
    client.application_uri = APPLICATION_URI
    if config.auth:
        client.set_user(config.auth.user)
        client.set_password(config.auth.password.get_secret_value())
    return client


def _browse_question(
    node: ua.NodeId, direction: ua.BrowseDirection = ua.BrowseDirection.Forward
) -> ua.BrowseDescription:
    question = ua.BrowseDescription()
    question.NodeId = node
    question.BrowseDirection = direction
    question.ReferenceTypeId = ua.NodeId(ua.ObjectIds.HierarchicalReferences)
    question.IncludeSubtypes = True
    question.NodeClassMask = _SHOWN
    question.ResultMask = _ALL_FIELDS
    return question


def _property_path(node: ua.NodeId, name: str) -> ua.BrowsePath:
    step = ua.RelativePathElement()
    step.ReferenceTypeId = ua.NodeId(ua.ObjectIds.HasProperty)
    step.IsInverse = False
    step.IncludeSubtypes = True
    step.TargetName = ua.QualifiedName(name, 0)
    path = ua.BrowsePath()
    path.StartingNode = node
    path.RelativePath.Elements = [step]
    return path
