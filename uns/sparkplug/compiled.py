"""One metric compiled to bytes: what births and data messages say of it, with holes for its value.

A data message of a hundred scalars is a hundred short concatenations and one join, about
twice as fast as filling protobuf messages. The result is held to upb's own reading by
tests/sparkplug/test_compiled.py.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache
from typing import Any, TypeAlias

from uns.metric import DataType, Quality
from uns.sparkplug.datatypes import BASIC, FIELDS, fit, mask_of
from uns.sparkplug.definition import MetricDefinition
from uns.sparkplug.encoder import SMALL, fill_metadata, fill_metric, fill_properties
from uns.sparkplug.envelope import compress
from uns.sparkplug.metrics import MetaData, Metric, Property, Template
from uns.sparkplug.profile import SPEC, DataNames, SmallSigned, UInt32Field, WireProfile
from uns.sparkplug.properties import quality_properties, typed
from uns.sparkplug.varint import LAST, MORE, PAIR, varint
from uns.sparkplug.wire import MetaDataMessage, MetricMessage, PropertySetMessage

__all__ = ["STAMP_BYTES", "CompiledMetric", "Shortcut", "payload_bytes"]

STAMP_BYTES = 6  # of a timestamp between 1971 and 2109; others go the careful way

# Tags: field number << 3 | wire type, of Payload and Metric (uns/sparkplug/wire.py)
_PAYLOAD_TIMESTAMP, _METRIC, _PAYLOAD_SEQ = b"\x08", b"\x12", b"\x18"
_NAME, _ALIAS, _TIMESTAMP, _DATATYPE = b"\x0a", b"\x10", b"\x18", b"\x20"
_IS_HISTORICAL, _IS_TRANSIENT, _IS_NULL = b"\x28\x01", b"\x30\x01", b"\x38\x01"
_METADATA, _PROPERTIES = b"\x42", b"\x4a"
_INT, _LONG, _FLOAT, _DOUBLE = b"\x50", b"\x58", b"\x65", b"\x69"
_BOOLEAN, _STRING = b"\x70", b"\x7a"
_GOOD = int(Quality.GOOD)
_MAX_ONE_BYTE = 0x7F
_MAX_VARINT = 10
_LONGEST_HEAD = 8_000  # so that the length of what has a shortcut takes two bytes at most
_NO_STAMP = bytes(STAMP_BYTES)
_MAX_TIMESTAMP = 2**64 - 1

# (value, varint of its timestamp) -> the metric's bytes; None where the value needs a closer look
Shortcut: TypeAlias = Callable[[Any, bytes], bytes | None]


def payload_bytes(
    timestamp_ms: int, metrics: list[bytes], seq: int, profile: WireProfile = SPEC
) -> bytes:
    """A whole payload around metrics that are bytes already, packed where the profile says so."""
    head = _PAYLOAD_TIMESTAMP + varint(timestamp_ms)
    data = b"".join((head, *metrics, _PAYLOAD_SEQ + varint(seq)))
    return compress(data, profile.compress, seq) if profile.compress else data


class CompiledMetric:
    """One metric of an edge node; `alias` is None for those that go by name.

    `shortcut` is the fast way for a Good scalar, `data`, `historical` and `birth` are the
    thorough ones. The alias stays its number here even where the profile writes names alone.
    """

    __slots__ = (
        "_birth_head",
        "_datatype",
        "_head",
        "_marks",
        "_metadata",
        "_past",
        "_profile",
        "_properties",
        "_template",
        "_value_at",
        "alias",
        "datatype",
        "name",
        "shortcut",
    )

    def __init__(
        self, definition: MetricDefinition, alias: int | None, profile: WireProfile = SPEC
    ) -> None:
        self.name = definition.name
        self.datatype = definition.datatype
        self.alias = alias
        self._profile = profile
        self._template = definition.template
        self._properties = _property_bytes(typed(definition.properties))
        self._metadata = _metadata_bytes(definition.metadata)
        self._marks = _IS_TRANSIENT if definition.is_transient else b""
        # tck-id-payloads-alias-birth-requirement: births carry both name and alias
        self._birth_head, self._head = _heads(definition.name, alias, profile.data_names)
        self._datatype = _DATATYPE + varint(definition.datatype)
        between = (self._datatype if profile.data_datatype else b"") + self._marks
        self.shortcut: Shortcut = self._shortcut(between)
        self._value_at = len(self._head) + len(_TIMESTAMP) + STAMP_BYTES + len(between)
        self._past: Shortcut | None = None

    def data(self, value: Any, quality: int, timestamp_ms: int) -> bytes:
        """What a data message says of it: alias, time and value; its quality where it is not Good."""
        return self._sent(value, quality, timestamp_ms, self._marks)

    def historical(self, value: Any, quality: int, timestamp_ms: int) -> bytes:
        """The same of a value that was not delivered in its time: receivers file it, and no more."""
        past = self._past
        if past is None:  # few metrics ever have a backlog
            datatype = self._datatype if self._profile.data_datatype else b""
            past = self._past = self._shortcut(datatype + _IS_HISTORICAL + self._marks)
        stamp = varint(timestamp_ms) if quality == _GOOD and timestamp_ms > 0 else b""
        short = past(value, stamp) if len(stamp) == STAMP_BYTES else None
        return short or self._sent(value, quality, timestamp_ms, _IS_HISTORICAL + self._marks)

    def birth(self, value: Any, quality: int, timestamp_ms: int) -> bytes:
        """What a birth says of it: name and alias, datatype, all properties and the current value."""
        # tck-id-payloads-metric-datatype-req: births name the datatype
        between = self._datatype + self._marks
        return self._whole(
            self._birth_head, timestamp_ms, between, value, quality, properties=self._properties
        )

    def _shortcut(self, between: bytes) -> Shortcut:
        if self._metadata or len(self._head) > _LONGEST_HEAD:
            return _none
        return _shortcut(self.datatype, self._head + _TIMESTAMP, between, self._profile)

    def _sent(self, value: Any, quality: int, timestamp_ms: int, marks: bytes) -> bytes:
        between = self._datatype + marks if self._profile.data_datatype else marks
        return self._whole(self._head, timestamp_ms, between, value, quality)

    def _whole(
        self,
        head: bytes,
        timestamp_ms: int,
        between: bytes,
        value: Any,
        quality: int,
        *,
        properties: bytes = b"",
    ) -> bytes:
        """The metric's bytes, in the order of their field numbers as upb writes them."""
        value, quality, detail = _judged(self.datatype, value, quality)
        properties += _quality_bytes(quality, detail)
        if properties:
            properties = _PROPERTIES + varint(len(properties)) + properties
        stamp = varint(min(max(timestamp_ms, 0), _MAX_TIMESTAMP))
        null = _IS_NULL if value is None else b""
        body = b"".join(
            (
                head,
                _TIMESTAMP,
                stamp,
                between,
                null,
                self._metadata,
                properties,
                self._value_bytes(value),
            )
        )
        return _METRIC + varint(len(body)) + body

    def _value_bytes(self, value: Any) -> bytes:
        """The value's field alone: from the shortcut where that has it, else by upb."""
        if value is None:
            return b""
        short = self.shortcut(value, _NO_STAMP)
        if short is not None:  # behind its tag and a length of one byte or two
            return short[self._value_at + (2 if short[1] <= _MAX_ONE_BYTE else 3) :]
        if self._template and isinstance(value, Template) and value.reference is None:
            # tck-id-payloads-template-instance-ref: an instance names its definition
            value = replace(value, reference=self._template)
        message = MetricMessage()
        metric = Metric(value=value, datatype=self.datatype)
        fill_metric(message, metric, self._profile, datatypes=False)
        return message.SerializeToString()  # type: ignore[no-any-return]  # upb


def _heads(name: str, alias: int | None, names: DataNames) -> tuple[bytes, bytes]:
    """How births and how data messages say which metric it is."""
    named = _text_field(_NAME, name)
    if alias is None or names is DataNames.NAME:
        return named, named
    numbered = _ALIAS + varint(alias)
    return named + numbered, named + numbered if names is DataNames.BOTH else numbered


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


@lru_cache(maxsize=256)  # a line that dies has thousands of metrics say the same
def _quality_bytes(quality: int, detail: str) -> bytes:
    return _property_bytes(quality_properties(quality, detail))


def _metadata_bytes(metadata: MetaData | None) -> bytes:
    if metadata is None:
        return b""
    message = MetaDataMessage()
    fill_metadata(message, metadata)
    raw = message.SerializeToString()
    return _METADATA + varint(len(raw)) + raw  # type: ignore[no-any-return]  # upb


def _shortcut(datatype: DataType, head: bytes, between: bytes, profile: WireProfile) -> Shortcut:
    """The fast way for this datatype.

    `head` is all that stands before the timestamp's bytes, `between` what stands between them
    and the value's field.
    """
    if datatype is DataType.FLOAT:
        return _real(head, "f", between + _FLOAT)
    if datatype is DataType.DOUBLE:
        return _real(head, "d", between + _DOUBLE)
    if datatype is DataType.BOOLEAN:
        return _boolean(head, between + _BOOLEAN)
    if datatype.is_text:
        return _text(head, between)
    return _integer(datatype, head, between, profile) if datatype in BASIC else _none


def _none(_value: Any, _stamp: bytes) -> bytes | None:
    return None


# The tag and length of a metric, of a string: what most of them need, made once.
_METRIC_OF = [_METRIC + varint(length) for length in range(_MAX_ONE_BYTE + 1)]
_STRING_OF = [_STRING + varint(length) for length in range(_MAX_ONE_BYTE + 1)]


def _real(head: bytes, letter: str, tag: bytes) -> Shortcut:
    length = len(head) + STAMP_BYTES + len(tag) + struct.calcsize(f"<{letter}")
    begin = _METRIC + varint(length) + head
    pack = _struct(f"<{len(begin)}s{STAMP_BYTES}s{len(tag)}s{letter}").pack

    def metric(value: Any, stamp: bytes) -> bytes | None:
        # NaN and infinity, taken from themselves, leave NaN
        if value.__class__ is not float or value - value != 0.0:
            return None
        try:
            return pack(begin, stamp, tag, value)
        except OverflowError:  # a double too large for a Float
            return None

    return metric


def _boolean(head: bytes, tag: bytes) -> Shortcut:
    begin = _METRIC + varint(len(head) + STAMP_BYTES + len(tag) + 1) + head
    true, false = tag + b"\x01", tag + b"\x00"

    def metric(value: Any, stamp: bytes) -> bytes | None:
        if value is True:
            return begin + stamp + true
        return begin + stamp + false if value is False else None

    return metric


def _integer(datatype: DataType, head: bytes, between: bytes, profile: WireProfile) -> Shortcut:
    low, high = datatype.limits or (-(2**63), 2**63 - 1)  # DateTime
    mask, is_long = mask_of(datatype), FIELDS[datatype] == "long_value"
    if datatype is DataType.UINT32:
        is_long = profile.uint32 is UInt32Field.LONG
    if profile.small_signed is SmallSigned.TRUNCATE:
        mask = SMALL.get(datatype, mask)
    tag = between + (_LONG if is_long else _INT)
    # Of a negative number: what follows the four bytes of its lowest 28 bits.
    end = _NEGATIVE.get(mask)
    small = _small_digits(mask)
    ways: list[_Way | None] = [None] * (_MAX_VARINT + 1)  # by size; most metrics need few

    def way_of(size: int) -> _Way:
        way = ways[size] = _integer_of(head, tag, size)
        return way

    def metric(value: Any, stamp: bytes) -> bytes | None:
        if value.__class__ is not int or not low <= value <= high:
            return None
        if _LEAST <= value <= PAIR:
            digits = small[value]
        elif end is not None and -_FOUR_BYTES <= value < 0:
            digits = MORE[value & PAIR] + MORE[value >> 14 & PAIR] + end
        else:
            digits = varint(value & mask)
        pack, begin = ways[len(digits)] or way_of(len(digits))
        return pack(begin, stamp, tag, digits)

    return metric


_LEAST = -1024  # numbers from here on to the largest of two bytes are looked up
_FOUR_BYTES = 1 << 28
_NEGATIVE = {mask: varint(mask)[4:] for mask in (2**32 - 1, 2**64 - 1)}
_struct = cache(struct.Struct)  # metrics with heads of one length share theirs


@cache
def _small_digits(mask: int) -> list[bytes]:
    """The digits of numbers from 0 by their number, and of those below it from the end."""
    return LAST + [varint(number & mask) for number in range(_LEAST, 0)]


_Way: TypeAlias = tuple[Callable[..., bytes], bytes]


def _integer_of(head: bytes, tag: bytes, size: int) -> _Way:
    """What packs a whole number of `size` bytes, and the metric's beginning."""
    begin = _METRIC + varint(len(head) + STAMP_BYTES + len(tag) + size) + head
    return _struct(f"<{len(begin)}s{STAMP_BYTES}s{len(tag)}s{size}s").pack, begin


def _text(head: bytes, between: bytes) -> Shortcut:
    shortest = len(head) + STAMP_BYTES + len(between) + 2
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
        return b"".join((_METRIC_OF[shortest + size], head, stamp, between, _STRING_OF[size], raw))

    return metric
