"""The subscriptions of a session: items put under watch, and what the server says of them.

One Publish request is under way at a time; its answer may be of any subscription. Messages are
numbered: what was sent while nobody listened is asked for again before anything else.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary

from bridges.opcua.kept import Item, Kept, Monitored, Subscription
from bridges.opcua.limits import Limit, Limits
from bridges.opcua.publish import Published, decode
from bridges.opcua.values import Shape, reading
from uns.errors import DeviceError
from uns.metric import Reading

__all__ = ["KEEPALIVE_S", "Asker", "Subscriptions"]

KEEPALIVE_S = 0.75  # an idle server says so this often, so that 2 s of silence mean something
_LIFETIME_S = 120.0  # how long a subscription lives unasked: binding 100,000 items takes a minute
_MOST_AT_ONCE = 10_000  # values in one message, so that after a cut the first word comes soon
_MOST_SUBSCRIPTIONS = 50  # a hundred thousand items at 2,000 each
_MOST_MISSED = 1000  # messages asked for again at once
_MOST_FRUITLESS = 3  # gaps that the server could not fill: it numbers in another way
_LAST_NUMBER = 0xFFFF_FFFF  # then comes 1, OPC UA part 4 §7.11


class Asker(Protocol):
    """Sends a request and returns its answer's bytes."""

    async def ask(self, request: Any, timeout_s: float | None = None) -> Buffer:
        """`timeout_s` 0: for as long as it takes."""


class Subscriptions:
    """All subscriptions of one session, in OPC UA's own terms."""

    def __init__(
        self, asker: Asker, limits: Limits, kept: Kept, *, publishing_s: float, keep_s: float
    ) -> None:
        self._asker = asker
        self._limits = limits
        self._kept = kept
        self._publishing_s = publishing_s
        self._lifetime_s = max(_LIFETIME_S, keep_s)
        self._most_items = 0  # in one subscription; 0: as many as it takes
        self._fruitless = 0
        self._asked_at = 0.0

    def limit_items(self, most: object) -> None:
        """Take the server's word for how many items one subscription may have."""
        self._most_items = most if isinstance(most, int) else 0

    # ------------------------------------------------------------ going on

    async def take_up(self) -> None:
        """Go on with the subscriptions of a lost session: fetch what nobody acknowledged."""
        ids = list(self._kept.subscriptions)
        request = ua.SetPublishingModeRequest()
        request.Parameters.PublishingEnabled = True
        request.Parameters.SubscriptionIds = ids
        answer = await self._asked(request, ua.SetPublishingModeResponse)
        for number, status in zip(ids, answer.Parameters.Results, strict=True):
            if status.is_bad():
                self._kept.drop(number)
        if not self._kept.subscriptions:
            await self.subscribe()
        for one in self._kept.subscriptions.values():
            await self._fetch(one, _MOST_MISSED)

    async def _fetch(self, one: Subscription, most: int) -> int:
        """Put what the server still has of a subscription in line; how many messages."""
        in_line = (m.sequence_number for m in self._kept.waiting if m.subscription_id == one.id)
        number = max(in_line, default=one.sequence)
        for fetched in range(most):
            number = _after(number)
            published = await self._republished(one.id, number)
            if published is None:
                return fetched
            self._kept.waiting.append(published)
        return most

    async def _republished(self, subscription_id: int, number: int) -> Published | None:
        request = ua.RepublishRequest()
        request.Parameters.SubscriptionId = subscription_id
        request.Parameters.RetransmitSequenceNumber = number
        try:
            answer = await self._asked(request, ua.RepublishResponse)
        except ua.uaerrors.BadMessageNotAvailable:
            return None
        message = answer.NotificationMessage
        if message.SequenceNumber != number or not message.NotificationData:
            return None  # asyncua's server says in this way that it has none
        return Published(subscription_id, number, self._readings(message))

    # ------------------------------------------------------------ items

    async def monitor(self, items: Sequence[Item]) -> list[ua.StatusCode]:
        """Have each item monitored; one status each. What is monitored already stays as it is."""
        statuses: dict[int, ua.StatusCode] = {}
        wanted: list[Item] = []
        for item in items:
            held = self._kept.items.get(item.handle)
            if held is not None and held.item == item:
                statuses[item.handle] = ua.StatusCode()
            else:
                wanted.append(item)
        await self.unmonitor([item.handle for item in wanted])
        while wanted:
            wanted = await self._place(wanted, statuses)
        return [statuses[item.handle] for item in items]

    async def unmonitor(self, handles: Sequence[int]) -> None:
        """Let the server forget items; those that it does not have are passed over."""
        known = [held for handle in handles if (held := self._kept.items.pop(handle, None))]
        by_subscription: dict[int, list[Monitored]] = {}
        for held in known:
            by_subscription.setdefault(held.subscription_id, []).append(held)
        for number, group in by_subscription.items():
            await self._limits.in_parts(Limit.MONITOR, group, partial(self._delete, number))
            subscription = self._kept.subscriptions[number]
            subscription.count -= len(group)
            subscription.is_full = False

    async def _delete(self, number: int, group: Sequence[Monitored]) -> Sequence[ua.StatusCode]:
        request = ua.DeleteMonitoredItemsRequest()
        request.Parameters.SubscriptionId = number
        request.Parameters.MonitoredItemIds = [held.item_id for held in group]
        answer = await self._asked(request, ua.DeleteMonitoredItemsResponse)
        return list(answer.Results)

    async def _place(self, wanted: list[Item], statuses: dict[int, ua.StatusCode]) -> list[Item]:
        """Have the next items monitored where there is room; what is left to do."""
        subscription = self._with_room() or await self.subscribe()
        was_empty = not subscription.count
        part = wanted[: self._room(subscription)]
        create = partial(self._create, subscription)
        results = await self._limits.in_parts(Limit.MONITOR, part, create)
        too_many: list[Item] = []
        for item, result in zip(part, results, strict=True):
            statuses[item.handle] = result.StatusCode
            if result.StatusCode.value == ua.StatusCodes.BadTooManyMonitoredItems:
                too_many.append(item)
        subscription.is_full = bool(too_many)
        is_hopeless = was_empty and not subscription.count
        if is_hopeless or len(self._kept.subscriptions) >= _MOST_SUBSCRIPTIONS:
            too_many = []
        return too_many + wanted[len(part) :]

    async def _create(
        self, subscription: Subscription, items: Sequence[Item]
    ) -> Sequence[ua.MonitoredItemCreateResult]:
        request = ua.CreateMonitoredItemsRequest()
        request.Parameters.SubscriptionId = subscription.id
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        request.Parameters.ItemsToCreate = [_item_request(item) for item in items]
        answer = await self._asked(request, ua.CreateMonitoredItemsResponse)
        for item, result in zip(items, answer.Results, strict=False):
            if result.StatusCode.is_bad():
                continue
            subscription.count += 1
            self._kept.items[item.handle] = Monitored(
                item,
                subscription.id,
                result.MonitoredItemId,
                result.RevisedSamplingInterval,
                result.RevisedQueueSize,
            )
        return list(answer.Results)

    def _with_room(self) -> Subscription | None:
        return next((one for one in self._kept.subscriptions.values() if self._room(one) > 0), None)

    def _room(self, one: Subscription) -> int:
        if one.is_full:
            return 0
        return self._most_items - one.count if self._most_items else _LAST_NUMBER

    async def subscribe(self) -> Subscription:
        """Create one more subscription."""
        request = ua.CreateSubscriptionRequest()
        wanted = request.Parameters
        wanted.RequestedPublishingInterval = self._publishing_s * 1000
        wanted.RequestedMaxKeepAliveCount = max(1, int(KEEPALIVE_S / self._publishing_s))
        wanted.RequestedLifetimeCount = int(self._lifetime_s / self._publishing_s)
        wanted.MaxNotificationsPerPublish = _MOST_AT_ONCE
        wanted.PublishingEnabled = True
        answer = await self._asked(request, ua.CreateSubscriptionResponse)
        granted = answer.Parameters
        silence_ms = granted.RevisedPublishingInterval * granted.RevisedMaxKeepAliveCount
        self._kept.keepalive_s = silence_ms / 1000
        one = Subscription(granted.SubscriptionId, heard_at=time.monotonic())
        self._kept.subscriptions[one.id] = one
        return one

    # ------------------------------------------------------------ what the server says

    async def collect(self) -> list[Reading]:
        """Wait for the server's next word; empty when it only says that it is alive.

        Raises DeviceError, OSError or an OPC UA error when the session is over.
        """
        if not self._kept.waiting:
            await self._publish()
        published = self._kept.waiting.popleft()
        self._kept.heard()
        one = self._kept.subscriptions.get(published.subscription_id)
        if one is not None and published.sequence_number:
            one.sequence = published.sequence_number
            self._kept.unacknowledged.append(ua.SubscriptionAcknowledgement(one.id, one.sequence))
        return published.readings

    async def _publish(self) -> None:
        """One Publish request; its answer is put in line, behind what was skipped before it."""
        request = ua.PublishRequest()
        request.Parameters.SubscriptionAcknowledgements = self._kept.unacknowledged
        self._kept.unacknowledged = []
        now = time.monotonic()
        if now - self._asked_at > self._kept.keepalive_s:
            for one in self._kept.subscriptions.values():
                one.heard_at = now  # nobody asked for a while: that silence was ours
        try:
            answer = await self._asker.ask(request, timeout_s=0)
        except ua.uaerrors.BadTimeout:
            self._kept.waiting.append(_ALIVE)  # the server kept the request too long to answer it
            return
        published = decode(answer.copy().read(len(answer))) or self._unusual(answer)
        self._heard(published.subscription_id)
        if published.readings:
            await self._fill_gap(published)
        self._kept.waiting.append(published if published.readings else _ALIVE)

    async def _fill_gap(self, published: Published) -> None:
        """Fetch the messages that were skipped before this one."""
        one = self._kept.subscriptions.get(published.subscription_id)
        if one is None or not one.sequence or self._fruitless >= _MOST_FRUITLESS:
            return
        gap = min(published.sequence_number - _after(one.sequence), _MOST_MISSED)
        if gap > 0 and not await self._fetch(one, gap):
            self._fruitless += 1

    def _heard(self, number: int) -> None:
        """Note a word of one subscription; raise where another one has fallen silent."""
        now = self._asked_at = time.monotonic()
        one = self._kept.subscriptions.get(number)
        if one is not None:
            one.heard_at = now
        patience_s = 3 * self._kept.keepalive_s + 1.0
        for other in self._kept.subscriptions.values():
            if now - other.heard_at > patience_s:
                self._kept.drop(other.id)
                raise DeviceError(
                    f"one of {len(self._kept.subscriptions) + 1} subscriptions fell silent"
                )

    def _unusual(self, answer: Buffer) -> Published:
        """What `publish.decode` leaves to asyncua: structures, the end of the subscription."""
        response = self._read(ua.PublishResponse, answer)
        response.ResponseHeader.ServiceResult.check()
        message = response.Parameters.NotificationMessage
        number = response.Parameters.SubscriptionId
        for notification in message.NotificationData or ():
            if isinstance(notification, ua.StatusChangeNotification):
                self._kept.drop(number)
                raise DeviceError(f"the server ended the subscription: {notification.Status.name}")
        return Published(number, message.SequenceNumber, self._readings(message))

    def _readings(self, message: ua.NotificationMessage) -> list[Reading]:
        return [
            reading(item.ClientHandle, item.Value, self._shape(item.ClientHandle))
            for notification in message.NotificationData or ()
            if isinstance(notification, ua.DataChangeNotification)
            for item in notification.MonitoredItems or ()
        ]

    def _shape(self, handle: int) -> Shape:
        held = self._kept.items.get(handle)
        return Shape.SINGLE if held is None else held.item.shape

    async def _asked(self, request: Any, response: type[Any]) -> Any:
        data = await self._asker.ask(request)
        answer = self._read(response, data)
        answer.ResponseHeader.ServiceResult.check()
        return answer

    def _read(self, response: type[Any], data: Buffer) -> Any:
        try:
            return struct_from_binary(response, data)
        except Exception as error:  # whatever a decoder raises on bytes it was not made for
            self._kept.is_spoilt = True
            raise DeviceError("the server sent something that cannot be decoded") from error


def _item_request(item: Item) -> ua.MonitoredItemCreateRequest:
    request = ua.MonitoredItemCreateRequest()
    request.ItemToMonitor.NodeId = item.node
    request.ItemToMonitor.AttributeId = ua.AttributeIds.Value
    request.ItemToMonitor.IndexRange = item.elements or None
    request.MonitoringMode = ua.MonitoringMode.Reporting
    request.RequestedParameters.ClientHandle = item.handle
    request.RequestedParameters.SamplingInterval = item.sampling_ms
    request.RequestedParameters.QueueSize = item.queue_size
    request.RequestedParameters.DiscardOldest = True
    return request


def _after(number: int) -> int:
    return 1 if number == _LAST_NUMBER else number + 1


_ALIVE = Published(0, 0, [])
