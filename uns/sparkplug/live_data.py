"""Live data: readings as the metrics of a data message, in order of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import TypeAlias

from uns.metric import Quality
from uns.sparkplug.compiled import STAMP_BYTES, CompiledMetric, Shortcut
from uns.sparkplug.metrics import MetricValue
from uns.sparkplug.varint import varint

__all__ = ["AnyReading", "encode_readings", "in_order"]

# (alias, value, quality, timestamp): a Reading whose value may be any that Sparkplug knows
AnyReading: TypeAlias = tuple[int, MetricValue, int, int]

_GOOD = int(Quality.GOOD)


def encode_readings(
    metrics: Mapping[int, CompiledMetric],
    shortcuts: Mapping[int, Shortcut],
    readings: Sequence[AnyReading],
    current: dict[int, AnyReading],
    now_ms: int,
) -> list[bytes]:
    """The bytes of each reading, by time (tck-id-operational-behavior-data-publish-dbirth-order).

    `shortcuts` are those of the `metrics`. Each reading becomes its metric's `current` one; what
    has no timestamp was read at `now_ms`. This is the edge node's hot path: one varint for all
    readings of one time, one concatenation for each.
    """
    parts: list[bytes] = []
    # no timestamp equals it, and those that are none are less
    last_ms: float = 0.5
    add, stamp = parts.append, b""
    quick: int | None = _GOOD
    for reading in readings:
        alias, value, quality, at_ms = reading
        if at_ms != last_ms:
            if at_ms < last_ms:
                in_time = in_order(readings, now_ms)
                return encode_readings(metrics, shortcuts, in_time, current, now_ms)
            last_ms, stamp = at_ms, varint(at_ms)
            quick = _GOOD if len(stamp) == STAMP_BYTES else None
        shortcut = shortcuts[alias]
        current[alias] = reading
        encoded = shortcut(value, stamp) if quality == quick else None
        add(encoded or metrics[alias].data(value, quality, at_ms))
    return parts


def in_order(readings: Sequence[AnyReading], now_ms: int) -> list[AnyReading]:
    """The readings by time; what has none was read now, and what is older than 1970 never."""
    stamped = [
        (alias, value, quality, at if at > 0 else max(now_ms, 1))
        for alias, value, quality, at in readings
    ]
    return sorted(stamped, key=itemgetter(3))
