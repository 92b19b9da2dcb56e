"""One OPC UA session through asyncua - the only file that knows asyncua's private parts.

asyncua is the codec and the transport, nothing else: its reconnect, watchdog, publish loop and
notification dispatch are not used, because they go silent while they report to be connected
(docs/explanation/decisions/0005-runtime-owns-reconnect.md). What is private and used here is
held by tests/bridges/opcua/test_link.py: `Client._create_and_activate_session` and
`UaSession._send_request`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Sequence

from asyncua import Client, ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary

from bridges.opcua.config import OpcUaConfig
from bridges.opcua.identity import APPLICATION_URI
from bridges.opcua.publish import Published, decode
from bridges.opcua.security import best_offer, is_plain, secure
from bridges.opcua.values import reading
from uns.errors import DeviceError
from uns.metric import Reading

__all__ = ["Item", "Link"]

_SESSION_TIMEOUT_MS = 30_000  # how long a server remembers a session whose cable was pulled
_LIFETIME_S = 120.0  # how long a subscription lives unasked: binding 100,000 items takes a minute
_KEEPALIVE_S = 0.75  # an idle server says so this often, so that 2 s of silence mean something
_CLOSE_S = 1.0
_RENEW_AT = 0.75  # of the channel's lifetime, OPC UA part 4 §5.5.2.1
_MAX_CHUNK = 1000
_MAX_PATHS = 200  # of properties, in one request

Item = tuple[int, ua.NodeId, float, int]  # client handle, node, sampling in ms, queue size

# What asyncua logs as tracebacks reaches us as exceptions, and users as sentences. Whoever has
# set these levels before wants to see it all.
for _name, _level in (("asyncua", logging.WARNING), ("asyncua.client", logging.CRITICAL + 1)):
    if logging.getLogger(_name).level == logging.NOTSET:
        logging.getLogger(_name).setLevel(_level)


class Link:
    """A session with one subscription, in OPC UA's own terms. Every call has a deadline."""

    def __init__(self, config: OpcUaConfig) -> None:
        self._config = config
        self._client = _client(config)
        self._services = self._client.uaclient.session
        self._subscription_id = 0
        self._unacknowledged: list[ua.SubscriptionAcknowledgement] = []
        self._chunks = dict.fromkeys(_LIMITS, _MAX_CHUNK)
        self._renew_at = float("inf")
        self.keepalive_s = _KEEPALIVE_S

    async def open(self) -> None:
        """Connect, log in and create the subscription."""
        await self._open_channel()
        if self._config.security == "auto":
            await self._secure()
        # connect() would start a watchdog and more.
        await self._client._create_and_activate_session()  # noqa: SLF001
        await self._read_limits()
        await self._subscribe()

    async def namespaces(self) -> list[str]:
        """The server's namespace URIs, by index."""
        node = ua.NodeId(ua.ObjectIds.Server_NamespaceArray)
        (held,) = await self._services.read_attributes([node], ua.AttributeIds.Value)
        return [str(uri) for uri in held.Value.Value or ()]

    async def monitor(self, items: Sequence[Item]) -> list[ua.StatusCode]:
        """Ask for notifications of each item; one status each."""
        statuses: list[ua.StatusCode] = []
        while len(statuses) < len(items):
            chunk = items[len(statuses) :][: self._chunks[_MONITOR]]
            try:
                statuses += await self._create_items(chunk)
            except _TOO_MUCH:
                self._halve(_MONITOR, len(chunk))
        return statuses

    async def read(
        self, nodes: Sequence[ua.NodeId], attribute: ua.AttributeIds
    ) -> list[ua.DataValue]:
        """One attribute of each node, each with its own status."""
        values: list[ua.DataValue] = []
        while len(values) < len(nodes):
            chunk = nodes[len(values) :][: self._chunks[_READ]]
            try:
                values += await self._services.read_attributes(chunk, attribute)
            except _TOO_MUCH:
                self._halve(_READ, len(chunk))
        return values

    async def properties(self, nodes: Sequence[ua.NodeId], name: str) -> list[ua.NodeId | None]:
        """The property called `name` of each node; None where it has none."""
        found: list[ua.NodeId | None] = []
        for at in range(0, len(nodes), _MAX_PATHS):
            paths = [_property_path(node, name) for node in nodes[at : at + _MAX_PATHS]]
            for result in await self._services.translate_browsepaths_to_nodeids(paths):
                targets = result.Targets if not result.StatusCode.is_bad() else ()
                found.append(targets[0].TargetId if targets else None)
        return found

    async def sampling_s(self, items: Sequence[Item]) -> list[float | None]:
        """How often the server samples each item when it is asked to; None where it does not.

        The items stay monitored for as long as the session lives.
        """
        granted: list[float | None] = []
        for at in range(0, len(items), self._chunks[_MONITOR]):
            results = await self._monitored(items[at : at + self._chunks[_MONITOR]])
            granted += [
                None if one.StatusCode.is_bad() else one.RevisedSamplingInterval / 1000
                for one in results
            ]
        return granted

    async def write(self, values: Sequence[tuple[ua.NodeId, ua.Variant]]) -> list[ua.StatusCode]:
        """Write values, without status and timestamps: many PLCs refuse those."""
        statuses: list[ua.StatusCode] = []
        while len(statuses) < len(values):
            chunk = values[len(statuses) :][: self._chunks[_WRITE]]
            nodes = [node for node, _ in chunk]
            held = [ua.DataValue(variant, StatusCode=None) for _, variant in chunk]
            try:
                statuses += await self._services.write_attributes(nodes, held)
            except _TOO_MUCH:
                self._halve(_WRITE, len(chunk))
        return statuses

    async def collect(self) -> list[Reading]:
        """Wait for the server's next word; empty when it only says that it is alive.

        Raises DeviceError, OSError or an OPC UA error when the session is over.
        """
        if time.monotonic() > self._renew_at:
            await self._renew_channel()
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = self._unacknowledged
        self._unacknowledged = []
        try:
            answer = await self._services._send_request(request, timeout=0)  # noqa: SLF001
        except ua.uaerrors.BadTimeout:
            return []  # the server kept the request for too long to answer it: ask again
        published = decode(answer.copy().read(len(answer))) or _decode_unusual(answer)
        if published.readings:
            self._unacknowledged = [
                ua.SubscriptionAcknowledgement(self._subscription_id, published.sequence_number)
            ]
        return published.readings

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
            if protocol is not None and protocol.transport is not None:
                protocol.transport.abort()
            client.disconnect_socket()

    async def _open_channel(self) -> None:
        client = self._client
        await client.connect_socket()
        await client.send_hello()
        await client.open_secure_channel()
        self._renew_at = time.monotonic() + _RENEW_AT * client.secure_channel_timeout / 1000

    async def _secure(self) -> None:
        """Ask what the server offers; for more than no security, connect again with it."""
        offer = best_offer(await self._client.get_endpoints(), self._config)
        if is_plain(offer):
            return
        await self.close()
        self._client = _client(self._config)
        self._services = self._client.uaclient.session
        await secure(self._client, offer, self._config)
        await self._open_channel()

    async def _read_limits(self) -> None:
        nodes = [ua.NodeId(identifier) for identifier in _LIMITS]
        limits = await self._services.read_attributes(nodes, ua.AttributeIds.Value)
        for identifier, held in zip(_LIMITS, limits, strict=True):
            limit = held.Value.Value  # 0 or nothing: the server sets no limit
            self._chunks[identifier] = min(_MAX_CHUNK, limit) if limit else _MAX_CHUNK

    async def _subscribe(self) -> None:
        interval_s = self._config.publishing_s
        wanted = ua.CreateSubscriptionParameters()
        wanted.RequestedPublishingInterval = interval_s * 1000
        wanted.RequestedMaxKeepAliveCount = max(1, int(_KEEPALIVE_S / interval_s))
        wanted.RequestedLifetimeCount = int(_LIFETIME_S / interval_s)
        wanted.MaxNotificationsPerPublish = 0
        wanted.PublishingEnabled = True
        request = ua.CreateSubscriptionRequest()
        request.Parameters = wanted
        # create_subscription() would start asyncua's own publish loop.
        answer = await self._services._send_request(request)  # noqa: SLF001
        response = struct_from_binary(ua.CreateSubscriptionResponse, answer)
        response.ResponseHeader.ServiceResult.check()
        granted = response.Parameters
        self._subscription_id = granted.SubscriptionId
        silence_ms = granted.RevisedPublishingInterval * granted.RevisedMaxKeepAliveCount
        self.keepalive_s = silence_ms / 1000

    async def _create_items(self, items: Sequence[Item]) -> list[ua.StatusCode]:
        return [result.StatusCode for result in await self._monitored(items)]

    async def _monitored(self, items: Sequence[Item]) -> list[ua.MonitoredItemCreateResult]:
        wanted = ua.CreateMonitoredItemsParameters()
        wanted.SubscriptionId = self._subscription_id
        wanted.TimestampsToReturn = ua.TimestampsToReturn.Both
        wanted.ItemsToCreate = [_item_request(*item) for item in items]
        return list(await self._services.create_monitored_items(wanted))

    async def _renew_channel(self) -> None:
        await self._client.open_secure_channel(renew=True)
        self._client.uaclient.revolve_security_token()
        lifetime_s = self._client.secure_channel_timeout / 1000
        self._renew_at = time.monotonic() + _RENEW_AT * lifetime_s

    def _halve(self, limit: int, tried: int) -> None:
        if tried <= 1:
            raise DeviceError("the server refuses even one item per request")
        self._chunks[limit] = tried // 2


def _client(config: OpcUaConfig) -> Client:
    client = Client(config.url, timeout=config.timeout_s)
    client.session_timeout = _SESSION_TIMEOUT_MS
    client.name = client.description = "uns"
    client.application_uri = APPLICATION_URI
    if config.auth:
        client.set_user(config.auth.user)
        client.set_password(config.auth.password.get_secret_value())
    return client


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


def _item_request(
    handle: int, node: ua.NodeId, sampling_ms: float, queue_size: int
) -> ua.MonitoredItemCreateRequest:
    request = ua.MonitoredItemCreateRequest()
    request.ItemToMonitor.NodeId = node
    request.ItemToMonitor.AttributeId = ua.AttributeIds.Value
    request.MonitoringMode = ua.MonitoringMode.Reporting
    request.RequestedParameters.ClientHandle = handle
    request.RequestedParameters.SamplingInterval = sampling_ms
    request.RequestedParameters.QueueSize = queue_size
    request.RequestedParameters.DiscardOldest = True
    return request


def _decode_unusual(answer: Buffer) -> Published:
    """What `publish.decode` leaves to asyncua: arrays, structures, the end of the subscription."""
    try:
        response = struct_from_binary(ua.PublishResponse, answer)
    except Exception as error:  # whatever a decoder raises on bytes it was not made for
        raise DeviceError("the server sent values that cannot be decoded") from error
    response.ResponseHeader.ServiceResult.check()
    message = response.Parameters.NotificationMessage
    readings: list[Reading] = []
    for notification in message.NotificationData or ():
        match notification:
            case ua.DataChangeNotification():
                items = notification.MonitoredItems or ()
                readings += [reading(item.ClientHandle, item.Value) for item in items]
            case ua.StatusChangeNotification():
                raise DeviceError(f"the server ended the subscription: {notification.Status.name}")
    return Published(response.Parameters.SubscriptionId, message.SequenceNumber, readings)


_MONITOR = ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall
_READ = ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead
_WRITE = ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerWrite
_LIMITS = (_MONITOR, _READ, _WRITE)
_TOO_MUCH = (
    ua.uaerrors.BadTooManyOperations,
    ua.uaerrors.BadEncodingLimitsExceeded,
    ua.uaerrors.BadRequestTooLarge,
    ua.uaerrors.BadResponseTooLarge,
)
