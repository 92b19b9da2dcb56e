"""The payload of a value topic: `{"value":42.5,"quality":"Good","timestamp":"…Z","unit":"bar"}`.

It is put together from pieces that are bytes already: the value's text, the time to the second
and the milliseconds, each remembered, and a tail that the topic keeps.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import msgspec

from uns.equipment import Tag
from uns.metric import DataType
from uns.schema.float32 import float32_text
from uns.schema.verdict import FIRST_DATETIME_MS, LAST_DATETIME_MS

__all__ = [
    "BEFORE_QUALITY",
    "BEFORE_TIMESTAMP",
    "BEFORE_VALUE",
    "GOOD_BEFORE_TIMESTAMP",
    "MILLISECONDS",
    "Clock",
    "Writer",
    "json_text",
    "tail",
    "value_writer",
]

BEFORE_VALUE = b'{"value":'
BEFORE_QUALITY = b',"quality":"'
BEFORE_TIMESTAMP = b'","timestamp":"'
GOOD_BEFORE_TIMESTAMP = BEFORE_QUALITY + b"Good" + BEFORE_TIMESTAMP

MILLISECONDS = tuple(b".%03dZ" % each for each in range(1000))
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC throughout; the Z is written by hand
_SECONDS_KEPT = 4096  # devices disagree about the time; an hour of seconds is plenty

Writer: TypeAlias = Callable[[Any], bytes]

json_text = msgspec.json.Encoder().encode


class Clock:
    """Milliseconds since 1970 as RFC 3339 in UTC; each second is worked out once."""

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        self._seconds: dict[int, bytes] = {}

    def text(self, timestamp_ms: int) -> bytes:
        """Return `2026-01-08T10:30:00.123Z`; what no calendar holds becomes its nearest end."""
        return self.second(timestamp_ms // 1000) + MILLISECONDS[timestamp_ms % 1000]

    def second(self, second: int) -> bytes:
        """Return the time to the second, `2026-01-08T10:30:00`, to which MILLISECONDS are added."""
        return self._seconds.get(second) or self._remember(second)

    def _remember(self, second: int) -> bytes:
        if len(self._seconds) >= _SECONDS_KEPT:
            self._seconds.clear()
        shown = min(max(second, FIRST_DATETIME_MS // 1000), LAST_DATETIME_MS // 1000)
        text = (_EPOCH + timedelta(seconds=shown)).isoformat().encode()
        self._seconds[second] = text
        return text


def tail(unit: str, detail: str = "") -> bytes:
    """Return what follows the timestamp: its closing quote, unit, detail, and the end."""
    parts = {"unit": unit, "detail": detail}
    members = b"".join(
        b',"%b":%b' % (name.encode(), json_text(text)) for name, text in parts.items() if text
    )
    return b'"' + members + b"}"


def value_writer(tag: Tag, datatype: DataType) -> Writer:
    """Return the function that writes values of `tag`, which arrive as `datatype`, as JSON.

    It is given only values that the tag's check let through: finite, and of the tag's type.
    """
    if tag.states:
        return _state_writer(tag.states)
    if tag.datatype.is_real:
        # A 64-bit source behind a Float tag keeps its digits: nothing is rounded on the way.
        return float32_text if datatype is DataType.FLOAT else json_text
    if tag.datatype is DataType.DATETIME:
        clock = Clock()
        return lambda value: b'"%b"' % clock.text(value)
    if tag.datatype.element is not None:
        write = value_writer(
            replace(tag, datatype=tag.datatype.element), datatype.element or datatype
        )
        return lambda values: b"[" + b",".join([write(value) for value in values]) + b"]"
    if tag.datatype in (DataType.BYTES, DataType.FILE):
        return lambda value: json_text(base64.b64encode(value).decode())
    return json_text


def _state_writer(states: Mapping[int, str]) -> Writer:
    texts = {code: json_text(name) for code, name in states.items()}

    def write(value: Any) -> bytes:
        known = None if isinstance(value, str) else texts.get(value)
        return json_text(str(value)) if known is None else known

    return write
