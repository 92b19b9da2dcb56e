"""One metric compiled to bytes: what births and data messages say of it, with holes for its value.

A data message of a hundred scalars is a hundred short concatenations and one join, about
twice as fast as filling protobuf messages. The result is held to upb's own reading by
tests/sparkplug/test_compiled.py.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, TypeAlias

from uns.metric import DataType, Quality
from uns.sparkplug.datatypes import BASIC, FIELDS, fit, mask_of
from uns.sparkplug.definition import MetricDefinition
from uns.sparkplug.encoder import SPEC, fill_metric, fill_properties
from uns.sparkplug.metrics import Metric, Property
from uns.sparkplug.properties import quality_properties, typed
from uns.sparkplug.varint import varint
from uns.sparkplug.wire import MetricMessage, PropertySetMessage

__all__ = ["STAMP_BYTES", "CompiledMetric", "payload_bytes"]

STAMP_BYTES = 6  # of a timestamp between 1971 and 2109; others go the careful way

# Tags: field number << 3 | wire type, of Payload and Metric (uns/sparkplug/wire.py)
_PAYLOAD_TIMESTAMP, _METRIC, _PAYLOAD_SEQ = b"\x08", b"\x12", b"\x18"
_NAME, _ALIAS, _TIMESTAMP, _DATATYPE = b"\x0a", b"\x10", b"\x18", b"\x20"
_IS_NULL, _PROPERTIES = b"\x38\x01", b"\x4a"
_INT, _LONG, _FLOAT, _DOUBLE, _BOOLEAN, _STRING = b"\x50", b"\x58", 0x65, 0x69, b"\x70", b"\x7a"
_MAX_ONE_BYTE = 0x7F
_MAX_VARINT = 10
_MAX_TIMESTAMP = 2**64 - 1

# (value, varint of its timestamp) -> the metric's bytes; None where the value needs a closer look
Shortcut: TypeAlias = Callable[[Any, bytes], bytes | None]


def payload_bytes(timestamp_ms: int, metrics: list[bytes], seq: int) -> bytes:
    """A whole payload around metrics that are bytes already."""
    head = _PAYLOAD_TIMESTAMP + varint(timestamp_ms)
    return b"".join((head, *metrics, _PAYLOAD_SEQ + varint(seq)))


class CompiledMetric:
    """One metric of an edge node; `alias` is None for those that go by name.

    `shortcut` is the fast way for a Good scalar, `data` and `birth` are the thorough ones.
    """

    __slots__ = ("_head", "_properties", "_tail", "alias", "datatype", "name", "shortcut")

    def __init__(self, definition: MetricDefinition, alias: int | None) -> None:
        self.name = definition.name
        self.datatype = definition.datatype
        self.alias = alias
        self._head = b"" if alias is None else _ALIAS + varint(alias)
        self._properties = _property_bytes(typed(definition.properties))
        # tck-id-payloads-metric-datatype-req: births name the datatype
        self._tail = _DATATYPE + varint(definition.datatype)
        self.shortcut: Shortcut = _shortcut(definition.datatype, self._head + _TIMESTAMP)

    def data(self, value: Any, quality: int, timestamp_ms: int) -> bytes:
        """What a data message says of it: alias, time and value; its quality where it is not Good."""
        head = self._head or _text_field(_NAME, self.name)
        value, quality, detail = _judged(self.datatype, value, quality)
        properties = _property_bytes(quality_properties(quality, detail))
        return self._whole(head, timestamp_ms, b"", properties, value)

    def birth(self, value: Any, quality: int, timestamp_ms: int) -> bytes:
        """What a birth says of it: name and alias, datatype, all properties and the current value.

        tck-id-payloads-alias-birth-requirement: births carry both name and alias.
        """
        head = _text_field(_NAME, self.name) + self._head
        value, quality, detail = _judged(self.datatype, value, quality)
        properties = self._properties + _property_bytes(quality_properties(quality, detail))
        return self._whole(head, timestamp_ms, self._tail, properties, value)

    def _whole(
        self, head: bytes, timestamp_ms: int, datatype: bytes, properties: bytes, value: Any
    ) -> bytes:
        """The metric's bytes, in the order of their field numbers as upb writes them."""
        stamp = varint(min(max(timestamp_ms, 0), _MAX_TIMESTAMP))
        null = _IS_NULL if value is None else b""
        if properties:
            properties = _PROPERTIES + varint(len(properties)) + properties
        body = b"".join(
            (
                head,
                _TIMESTAMP,
                stamp,
                datatype,
                null,
                properties,
                _value_bytes(self.datatype, value),
            )
        )
        return _METRIC + varint(len(body)) + body


def _judged(datatype: DataType, value: Any, quality: int) -> tuple[Any, int, str]:
    """The value as it may travel. One that does not fit becomes null and Bad, and says why."""
    fitted, why = fit(datatype, value)
    return (None, Quality.BAD, why) if why else (fitted, quality, "")


def _text_field(tag: bytes, text: str) -> bytes:
    raw = text.encode()
    return tag + varint(len(raw)) + raw


def _property_bytes(properties: dict[str, Property]) -> bytes:
    """A PropertySet's fields. Two of them joined are one set: protobuf appends repeated fields."""
    if not properties:
        return b""
    message = PropertySetMessage()
    fill_properties(message, properties)
    return message.SerializeToString()  # type: ignore[no-any-return]  # upb


def _value_bytes(datatype: DataType, value: Any) -> bytes:
    """The value's field alone; upb writes it, for this is not the fast way."""
    if value is None:
        return b""
    message = MetricMessage()
    fill_metric(message, Metric(value=value, datatype=datatype), SPEC, datatypes=False)
    return message.SerializeToString()  # type: ignore[no-any-return]  # upb


def _shortcut(datatype: DataType, head: bytes) -> Shortcut:
    """The fast way for this datatype; `head` is all that stands before the timestamp's bytes."""
    if datatype is DataType.FLOAT:
        return _real(head, "f", _FLOAT)
    if datatype is DataType.DOUBLE:
        return _real(head, "d", _DOUBLE)
    if datatype is DataType.BOOLEAN:
        return _boolean(head)
    if datatype.is_text:
        return _text(head)
    return _integer(datatype, head) if datatype in BASIC else _none


def _none(_value: Any, _stamp: bytes) -> bytes | None:
    return None


# The tag and length of a metric, of a string: what most of them need, made once.
_METRIC_OF = [_METRIC + varint(length) for length in range(_MAX_ONE_BYTE + 1)]
_STRING_OF = [_STRING + varint(length) for length in range(_MAX_ONE_BYTE + 1)]


def _real(head: bytes, letter: str, tag: int) -> Shortcut:
    length = len(head) + STAMP_BYTES + 1 + struct.calcsize(f"<{letter}")
    begin = _METRIC_OF[length] + head
    pack = struct.Struct(f"<{len(begin)}s{STAMP_BYTES}sB{letter}").pack

    def metric(value: Any, stamp: bytes) -> bytes | None:
        # NaN and infinity, taken from themselves, leave NaN
        if value.__class__ is not float or value - value != 0.0:
            return None
        try:
            return pack(begin, stamp, tag, value)
        except OverflowError:  # a double too large for a Float
            return None

    return metric


def _boolean(head: bytes) -> Shortcut:
    begin = _METRIC_OF[len(head) + STAMP_BYTES + 2] + head
    true, false = _BOOLEAN + b"\x01", _BOOLEAN + b"\x00"

    def metric(value: Any, stamp: bytes) -> bytes | None:
        if value is True:
            return begin + stamp + true
        return begin + stamp + false if value is False else None

    return metric


def _integer(datatype: DataType, head: bytes) -> Shortcut:
    low, high = datatype.limits or (-(2**63), 2**63 - 1)  # DateTime
    mask = mask_of(datatype)
    tag = _LONG if FIELDS[datatype] == "long_value" else _INT
    shortest = len(head) + STAMP_BYTES + 1
    begins = [begin + head for begin in _METRIC_OF[shortest : shortest + _MAX_VARINT + 1]]

    def metric(value: Any, stamp: bytes) -> bytes | None:
        if value.__class__ is not int or not low <= value <= high:
            return None
        digits = varint(value & mask)
        return begins[len(digits)] + stamp + tag + digits

    return metric


def _text(head: bytes) -> Shortcut:
    shortest = len(head) + STAMP_BYTES + 2
    longest = _MAX_ONE_BYTE - shortest

    def metric(value: Any, stamp: bytes) -> bytes | None:
        if value.__class__ is not str:
            return None
        try:
            raw = value.encode()
        except UnicodeEncodeError:  # half a surrogate pair
            return None
        size = len(raw)
        if size > longest:
            return None
        return b"".join((_METRIC_OF[shortest + size], head, stamp, _STRING_OF[size], raw))

    return metric
