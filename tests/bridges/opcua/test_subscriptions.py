"""Subscriptions on a scripted server: limits, gaps and silence that real servers seldom show."""

from __future__ import annotations

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_to_binary

from bridges.opcua.kept import Item, Kept
from bridges.opcua.limits import Limits
from bridges.opcua.subscriptions import Subscriptions
from uns.errors import DeviceError


class Script:
    """A server that takes `room` items in a subscription and says what it is told to."""

    def __init__(self, room: int = 1000) -> None:
        self.room = room
        self.items: dict[int, int] = {}  # by subscription
        self.says: list[bytes] = []
        self.sent: dict[int, float] = {}  # messages that it still has
        self.asked: list[str] = []

    async def ask(self, request, timeout_s=None) -> Buffer:
        name = type(request).__name__
        self.asked.append(name)
        answer = {
            "CreateSubscriptionRequest": self._subscribed,
            "CreateMonitoredItemsRequest": self._monitored,
            "PublishRequest": self._published,
            "RepublishRequest": self._republished,
        }[name]
        return Buffer(answer(request.Parameters))

    def _subscribed(self, wanted):
        number = len(self.items) + 1
        self.items[number] = 0
        granted = ua.CreateSubscriptionResult(
            number, wanted.RequestedPublishingInterval, 1000, wanted.RequestedMaxKeepAliveCount
        )
        return struct_to_binary(ua.CreateSubscriptionResponse(Parameters=granted))

    def _monitored(self, wanted):
        results = []
        for _ in wanted.ItemsToCreate:
            is_full = self.items[wanted.SubscriptionId] >= self.room
            code = ua.StatusCodes.BadTooManyMonitoredItems if is_full else 0
            self.items[wanted.SubscriptionId] += not is_full
            results.append(ua.MonitoredItemCreateResult(ua.StatusCode(code), len(results)))
        return struct_to_binary(ua.CreateMonitoredItemsResponse(Results=results))

    def _published(self, _wanted):
        return self.says.pop(0)

    def _republished(self, wanted):
        if wanted.RetransmitSequenceNumber not in self.sent:
            raise ua.uaerrors.BadMessageNotAvailable
        value = self.sent[wanted.RetransmitSequenceNumber]
        message = _message(wanted.RetransmitSequenceNumber, value)
        return struct_to_binary(ua.RepublishResponse(NotificationMessage=message))


def _message(number: int, value: float) -> ua.NotificationMessage:
    held = ua.DataValue(ua.Variant(value, ua.VariantType.Double))
    changes = ua.DataChangeNotification(MonitoredItems=[ua.MonitoredItemNotification(7, held)])
    return ua.NotificationMessage(SequenceNumber=number, NotificationData=[changes])


def _said(number: int, value: float, subscription: int = 1) -> bytes:
    result = ua.PublishResult(subscription, NotificationMessage=_message(number, value))
    return struct_to_binary(ua.PublishResponse(Parameters=result))


def _on(script: Script) -> tuple[Subscriptions, Kept]:
    kept = Kept()
    return Subscriptions(script, Limits(), kept, publishing_s=0.25, keep_s=60), kept


def _items(count: int) -> list[Item]:
    return [Item(n, ua.NodeId(n, 2), 100.0, 1) for n in range(count)]


async def test_items_that_do_not_fit_go_into_another_subscription():
    """Whether the server told its limit before, or only refuses what is too much."""
    for told in (0, 40):
        script = Script(room=40)
        subscriptions, kept = _on(script)
        subscriptions.limit_items(told)
        statuses = await subscriptions.monitor(_items(100))
        assert [] == [status for status in statuses if status.is_bad()]
        assert {1: 40, 2: 40, 3: 20} == script.items
        assert [40, 40, 20] == [one.count for one in kept.subscriptions.values()]


async def test_a_server_that_takes_no_item_at_all_is_not_asked_for_ever():
    """Two empty subscriptions in a row would be no better than one: its refusal is final."""
    script = Script(room=0)
    subscriptions, kept = _on(script)
    statuses = await subscriptions.monitor(_items(3))
    assert ["BadTooManyMonitoredItems"] * 3 == [status.name for status in statuses]
    assert {} == kept.items


async def test_a_message_that_was_skipped_is_fetched_and_delivered_first():
    """The server answered 2 and 3 to a dead socket: they come before 4, and once."""
    script = Script()
    subscriptions, kept = _on(script)
    await subscriptions.subscribe()
    script.sent = {2: 2.0, 3: 3.0}
    script.says = [_said(1, 1.0), _said(4, 4.0), _said(5, 5.0)]
    values = [(await subscriptions.collect())[0][1] for _ in range(5)]
    assert [1.0, 2.0, 3.0, 4.0, 5.0] == values
    assert 5 == kept.subscriptions[1].sequence


async def test_a_server_that_counts_in_its_own_way_is_not_asked_again_and_again():
    """Gaps that it cannot fill three times are how it numbers, and cost nothing after that."""
    script = Script()
    subscriptions, _ = _on(script)
    await subscriptions.subscribe()
    script.says = [_said(number, 0.0) for number in range(10, 200, 10)]
    for _ in range(19):
        await subscriptions.collect()
    assert 3 == script.asked.count("RepublishRequest")


async def test_one_silent_subscription_among_others_ends_the_session():
    """The others' words do not hide that one of them has died; only that one is forgotten."""
    script = Script(room=1)
    subscriptions, kept = _on(script)
    await subscriptions.monitor(_items(2))
    script.says = [_said(1, 1.0), _said(2, 1.0)]
    await subscriptions.collect()
    kept.subscriptions[2].heard_at -= 60
    with pytest.raises(DeviceError, match="one of 2 subscriptions fell silent"):
        await subscriptions.collect()
    assert [1] == list(kept.subscriptions)


async def test_bytes_that_mean_nothing_end_the_session_for_good():
    """They would come again with every try to go on, so the next session begins anew."""
    script = Script()
    subscriptions, kept = _on(script)
    await subscriptions.subscribe()
    script.says = [_said(1, 1.0)[:40]]
    with pytest.raises(DeviceError, match="cannot be decoded"):
        await subscriptions.collect()
    assert kept.is_spoilt
