"""The payload of a value topic: `{"value":42.5,"quality":"Good","timestamp":"…Z","unit":"bar"}`.

It is put together from pieces that are bytes already: the value's text, the time to the second
and the milliseconds, each remembered, and a tail that the topic keeps.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import msgspec

from uns.equipment import Tag
from uns.metric import DataType
from uns.namespace.clock import MILLISECONDS, Clock
from uns.namespace.rows import rows
from uns.schema.float32 import float32_text

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


Writer: TypeAlias = Callable[[Any], bytes]

json_text = msgspec.json.Encoder().encode


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
    if tag.datatype is DataType.DATASET:
        return lambda value: json_text(rows(value))
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
