"""Our decoder of publish responses against asyncua's, on messages that asyncua encoded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, struct_to_binary
from hypothesis import given
from hypothesis import strategies as st

from bridges.opcua.publish import Published, decode
from bridges.opcua.values import reading
from uns.metric import Quality

WHEN = datetime(2026, 1, 8, 10, 30, 0, 123_000, UTC)
WHEN_MS = 1767868200123

TYPES = st.one_of(
    st.tuples(st.booleans(), st.just(ua.VariantType.Boolean)),
    st.tuples(st.integers(-128, 127), st.just(ua.VariantType.SByte)),
    st.tuples(st.integers(0, 255), st.just(ua.VariantType.Byte)),
    st.tuples(st.integers(-(2**15), 2**15 - 1), st.just(ua.VariantType.Int16)),
    st.tuples(st.integers(0, 2**16 - 1), st.just(ua.VariantType.UInt16)),
    st.tuples(st.integers(-(2**31), 2**31 - 1), st.just(ua.VariantType.Int32)),
    st.tuples(st.integers(0, 2**32 - 1), st.just(ua.VariantType.UInt32)),
    st.tuples(st.integers(-(2**63), 2**63 - 1), st.just(ua.VariantType.Int64)),
    st.tuples(st.integers(0, 2**64 - 1), st.just(ua.VariantType.UInt64)),
    st.tuples(st.floats(width=32, allow_nan=False), st.just(ua.VariantType.Float)),
    st.tuples(st.floats(allow_nan=False), st.just(ua.VariantType.Double)),
    st.tuples(st.text(max_size=20) | st.none(), st.just(ua.VariantType.String)),
)
MOMENTS = st.none() | st.integers(10**6, 4 * 10**15).map(
    lambda microseconds: datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds)
)
CODES = st.sampled_from(
    [None, 0, 0x408F0000, 0x40900000, 0x40920000, 0x80320000, 0x808C0000, 0x00000480]
)


@st.composite
def data_values(draw):
    value, kind = draw(TYPES)
    code = draw(CODES)
    return ua.DataValue(
        ua.Variant(value, kind),
        None if code is None else ua.StatusCode(code),
        SourceTimestamp=draw(MOMENTS),
        ServerTimestamp=draw(MOMENTS),
    )


def response(*notifications, sequence=7, available=()):
    message = ua.NotificationMessage(SequenceNumber=sequence, NotificationData=list(notifications))
    result = ua.PublishResult(
        SubscriptionId=3, AvailableSequenceNumbers=list(available), NotificationMessage=message
    )
    return struct_to_binary(ua.PublishResponse(Parameters=result))


def changes(held):
    items = [ua.MonitoredItemNotification(handle, value) for handle, value in enumerate(held)]
    return ua.DataChangeNotification(MonitoredItems=items)


@given(st.lists(data_values(), max_size=5), st.lists(st.integers(0, 99), max_size=3))
def test_it_agrees_with_asyncua(held, available):
    """The same readings come from the same bytes, whatever scalar, status or time is in them."""
    body = response(changes(held), available=available)
    theirs = struct_from_binary(ua.PublishResponse, Buffer(body))
    items = theirs.Parameters.NotificationMessage.NotificationData[0].MonitoredItems or []
    expected = [reading(item.ClientHandle, item.Value) for item in items]
    assert Published(3, 7, expected) == decode(body)


def test_the_source_time_comes_first_and_the_server_time_second():
    """In milliseconds; without either, 0 asks the runtime to stamp the reading."""
    other = datetime(2026, 1, 1, tzinfo=UTC)
    one = ua.Variant(1, ua.VariantType.Int32)
    held = [
        ua.DataValue(one, SourceTimestamp=WHEN, ServerTimestamp=other),
        ua.DataValue(one, ServerTimestamp=WHEN),
        ua.DataValue(one),
    ]
    published = decode(response(changes(held)))
    assert [WHEN_MS, WHEN_MS, 0] == [item[3] for item in published.readings]


@pytest.mark.parametrize(
    ("status", "quality", "value"),
    [
        ("Good", Quality.GOOD, 5),
        ("GoodClamped", Quality.GOOD, 5),
        ("UncertainSubNormal", Quality.UNCERTAIN, 5),
        ("UncertainLastUsableValue", Quality.STALE, 5),
        ("UncertainNoCommunicationLastUsableValue", Quality.STALE, 5),
        ("BadSensorFailure", Quality.BAD, None),
        ("BadWaitingForInitialData", Quality.BAD, None),
    ],
)
def test_status_codes_become_qualities(status, quality, value):
    """As the table in docs/reference/bridges/opcua.md says; a Bad one carries no value."""
    held = ua.DataValue(ua.Variant(5, ua.VariantType.Int32), ua.StatusCode(status))
    published = decode(response(changes([held])))
    assert [(0, value, quality, 0)] == published.readings


def test_a_keep_alive_has_no_readings():
    """A response without notifications is a sign of life and nothing else."""
    assert Published(3, 7, []) == decode(response())


@pytest.mark.parametrize(
    "body",
    [
        response(changes([ua.DataValue(ua.Variant([1.0, 2.0], ua.VariantType.Double))])),
        response(changes([ua.DataValue(ua.Variant(ua.LocalizedText("x")))])),
        response(ua.StatusChangeNotification(Status=ua.StatusCode("BadTimeout"))),
        struct_to_binary(ua.ServiceFault()),
        b"",
        response(changes([ua.DataValue(ua.Variant("text"))]))[:60],
    ],
    ids=["array", "structure", "end of subscription", "fault", "empty", "cut off"],
)
def test_what_it_does_not_know_it_leaves_alone(body):
    """Anything unusual, broken bytes included, is left to asyncua; it never guesses."""
    assert None is decode(body)


@given(st.binary(max_size=200), st.integers(0, 150))
def test_garbage_never_escapes(noise, at):
    """Bytes that are changed on the way give readings or None, never an exception."""
    body = response(changes([ua.DataValue(ua.Variant("text"), SourceTimestamp=WHEN)] * 3))
    published = decode(body[:at] + noise + body[at + len(noise) :])
    assert published is None or isinstance(published, Published)
