"""A device as the host knows it: the slots of its birth, and how data is read into them."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError

from uns.metric import DataType, Quality
from uns.sparkplug.datatypes import BASIC, FIELDS, signed, text_of
from uns.sparkplug.decoder import MetricReader
from uns.sparkplug.metrics import Metric
from uns.sparkplug.names import BD_SEQ, REBIRTH
from uns.sparkplug.plain import Way, head_of, number_of, past_value, way_to
from uns.sparkplug.properties import plain, quality_of
from uns.sparkplug.slot import Slot
from uns.sparkplug.wire import MetricMessage

__all__ = ["LATEST_MS", "DataRead", "KnownDevice", "Update"]

Update = tuple[Slot, Any, int, int]

_GOOD = int(Quality.GOOD)
_SESSION = (BD_SEQ, REBIRTH)  # the session's own metrics are nobody's values
LATEST_MS = 253_402_300_799_999  # the last millisecond of the year 9999
_INTEGER_FIELDS = ("int_value", "long_value")


@dataclass(slots=True)
class DataRead:
    """What one data message held."""

    updates: list[Update] = field(default_factory=list)
    historical: list[Update] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)  # metrics that no birth named
    problems: list[str] = field(default_factory=list)


class KnownDevice:
    """The metrics of one device, or of a node itself, from a birth until the next."""

    def __init__(self, metrics: Iterable[Any], sent_ms: int, *, is_node: bool) -> None:
        self.problems: list[str] = []
        self.is_live = True
        self.has_shared_alias = False  # then neither metric has it
        self._by_name: dict[str, Slot] = {}
        self._by_alias: dict[int, Slot] = {}
        self._datatypes: dict[int | str, DataType] = {}
        self._session = _SESSION if is_node else ()
        reader = MetricReader()
        for message in metrics:
            self._add(reader.metric(message), message, sent_ms)
        self.slots = tuple(
            slot for slot in self._by_name.values() if slot.name not in self._session
        )
        self._ways: dict[bytes, Way] = {}
        for slot in self._by_alias.values():
            self._add_way(slot)
        # How many bytes say which metric it is: mostly the same for all of them.
        self._heads = [size for size, _ in Counter(map(len, self._ways)).most_common()]

    def find(self, name: str) -> Slot | None:
        """The slot of a metric by its name."""
        return self._by_name.get(name)

    def read(self, metrics: Iterable[Any], sent_ms: int) -> DataRead:
        """Read the metrics of any data message into their slots; `sent_ms` dates undated ones."""
        result, reader = DataRead(), MetricReader(self._datatypes)
        for message in metrics:
            self._read_carefully(reader.metric(message), message, sent_ms, result)
        return result

    def read_plain(self, metrics: Iterable[bytes], sent_ms: int) -> DataRead:
        """Read metrics that are bytes still (`envelope.parse_plain`) into their slots.

        The loop is the host's hot path. Whatever has not the shape that `uns.sparkplug.plain`
        tells of, or is wrong, leaves it.
        """
        result = DataRead()
        add, find = result.updates.append, self._ways.get
        cut = self._heads[0] if self._heads else 0
        last, at_ms = b"", sent_ms
        for raw in metrics:
            way = find(raw[:cut]) or self._find_way(raw)
            if way is None:
                self._read_whole(raw, sent_ms, result)
                continue
            slot, unpack, tag, begin, known, read = way
            try:
                if read is None:
                    stamp, found, value = unpack(raw)
                else:
                    stamp, found = unpack(raw)
                    rest = raw[begin:]
                    value = known(rest)
                    if value is None:
                        value = read(rest)
            except (struct.error, ValueError):
                value = None
            if value is None or found != tag:
                self._read_past(raw, way, sent_ms, result)
                continue
            if stamp != last:  # tags that were read together: one object for one time
                number = number_of(stamp)
                if number is None or number > LATEST_MS:
                    self._read_whole(raw, sent_ms, result)
                    continue
                last, at_ms = stamp, number or sent_ms
            slot.value = value
            slot.quality = _GOOD
            slot.timestamp_ms = at_ms
            slot.detail = ""
            add((slot, value, _GOOD, at_ms))
        return result

    def samples(self, metrics: Iterable[Any], sent_ms: int) -> Iterator[tuple[str, Any, int, int]]:
        """What a message said: (name, value, quality, time), and nothing is changed by it."""
        read = MetricReader(self._datatypes).metric
        for message in metrics:
            metric = read(message)
            slot = self._find_slot(metric)
            if slot is not None:
                value, quality, _ = _judged(metric)
                yield slot.name, value, quality, _time_of(metric, sent_ms)

    def _read_past(self, raw: bytes, way: Way, sent_ms: int, result: DataRead) -> None:
        """A historical metric of plain shape: backlogs are long. Or any other."""
        past = past_value(way, raw)
        at_ms = number_of(past[0]) if past else None
        if past is None or at_ms is None or at_ms > LATEST_MS:
            self._read_whole(raw, sent_ms, result)
            return
        result.historical.append((way.slot, past[1], _GOOD, at_ms or sent_ms))

    def _read_whole(self, raw: bytes, sent_ms: int, result: DataRead) -> None:
        """A metric whose bytes have no plain shape."""
        try:
            message = MetricMessage.FromString(raw)
        except DecodeError:
            result.unknown.append(f"bytes that begin with {raw[:8].hex(' ')} and are no metric")
            return
        metric = MetricReader(self._datatypes).metric(message)
        self._read_carefully(metric, message, sent_ms, result)

    def _read_carefully(self, metric: Metric, message: Any, sent_ms: int, result: DataRead) -> None:
        """Any metric: null, historical, with properties, by name, of a complex type, or wrong."""
        slot = self._find_slot(metric)
        if slot is None:
            result.unknown.append(metric.label)
            return
        if slot.name in self._session:
            return
        if metric.problem:
            result.problems.append(f"`{slot.name}`: {metric.problem}")
        elif metric.value is not None and _learn_field(slot, message):
            self._add_way(slot)
        value, quality, detail = _judged(metric)
        at_ms = _time_of(metric, sent_ms)
        if metric.is_historical:
            result.historical.append((slot, value, quality, at_ms))
            return
        if metric.properties:
            slot.properties = {**slot.properties, **plain(metric.properties)}
        slot.value, slot.quality, slot.timestamp_ms, slot.detail = value, quality, at_ms, detail
        result.updates.append((slot, value, quality, at_ms))

    def _add_way(self, slot: Slot) -> None:
        way = way_to(slot)
        if way is not None and slot.alias in self._by_alias and slot.name not in self._session:
            self._ways[head_of(slot.alias)] = way

    def _find_way(self, raw: bytes) -> Way | None:
        """By a head of another length than most have."""
        for size in self._heads[1:]:
            way = self._ways.get(raw[:size])
            if way is not None:
                return way
        return None

    def _find_slot(self, metric: Metric) -> Slot | None:
        """By alias, else by name: a metric may carry either or both."""
        found = self._by_alias.get(metric.alias) if metric.alias is not None else None
        if found is None and metric.name is not None:
            found = self._by_name.get(metric.name)
        return found

    def _add(self, metric: Metric, message: Any, sent_ms: int) -> None:
        """One metric of the birth."""
        name = metric.name
        if name is None or name in self._by_name:
            self.problems.append(f"{metric.label}: a birth names every metric, and once")
            return
        if metric.problem:
            self.problems.append(f"`{name}`: {metric.problem}")
        if metric.datatype is DataType.UNKNOWN:
            self.problems.append(f"`{name}`: a birth gives every metric a datatype")
        slot = Slot(name, metric.datatype, alias=metric.alias, properties=plain(metric.properties))
        slot.value, slot.quality, slot.detail = _judged(metric)
        slot.timestamp_ms = _time_of(metric, sent_ms)
        slot.field, slot.read = _ways(metric.datatype)
        if metric.value is not None:
            _learn_field(slot, message)
        self._by_name[name] = slot
        self._datatypes[name] = metric.datatype
        if metric.alias is not None:
            self._add_alias(metric.alias, slot)

    def _add_alias(self, alias: int, slot: Slot) -> None:
        """tck-id-payloads-alias-uniqueness: an alias given twice means neither metric."""
        if alias in self._datatypes:
            self.problems.append(f"`{slot.name}`: alias {alias} is another metric's already")
            self._by_alias.pop(alias, None)
            self.has_shared_alias = True
            return
        self._by_alias[alias] = slot
        self._datatypes[alias] = slot.datatype


def _judged(metric: Metric) -> tuple[Any, int, str]:
    """A metric's value, quality and detail; what could not be read is Bad."""
    if metric.problem:
        return None, int(Quality.BAD), metric.problem
    quality, detail = quality_of(metric.properties)
    return metric.value, int(quality), detail


def _time_of(metric: Metric, sent_ms: int) -> int:
    """A metric without a time of its own, or with one that no calendar has, is as old as its message."""
    at_ms = metric.timestamp_ms or 0
    return at_ms if 0 < at_ms <= LATEST_MS else sent_ms


def _unsigned(datatype: DataType) -> Any:
    _, high = datatype.limits or (0, 0)

    def read(raw: int) -> int:
        if raw > high:
            raise ValueError(f"{raw} does not fit {datatype.label}")
        return raw

    return read


# What the field holds is not yet the value for these; for the other basic types it is.
_READS: dict[DataType, Any] = {
    DataType.INT8: signed(8),
    DataType.INT16: signed(16),
    DataType.INT32: signed(32),
    DataType.INT64: signed(64),
    DataType.DATETIME: signed(64),
    DataType.UINT8: _unsigned(DataType.UINT8),
    DataType.UINT16: _unsigned(DataType.UINT16),
    DataType.STRING: text_of,
    DataType.TEXT: text_of,
    DataType.UUID: text_of,
}


def _ways(datatype: DataType) -> tuple[str, Any]:
    """The field that carries a scalar, and what reads it; no field for what is not scalar."""
    if datatype not in BASIC and datatype is not DataType.UUID:
        return "", None
    return FIELDS[datatype], _READS.get(datatype)


def _learn_field(slot: Slot, message: Any) -> bool:
    """A peer that keeps a whole number in the other integer field will do so again."""
    sent = message.WhichOneof("value")
    if sent == slot.field or sent not in _INTEGER_FIELDS or slot.field not in _INTEGER_FIELDS:
        return False
    slot.field = sent
    slot.read = _READS.get(slot.datatype) or _unsigned(slot.datatype)
    return True
