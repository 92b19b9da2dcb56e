"""Slot: one metric of a birth, as the host keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from uns.metric import DataType, Quality

__all__ = ["Slot"]


class Slot:
    """One metric that an edge node or device has, and the last that is known of it.

    `properties` are plain values (`uns`, `engUnit` …); `value`, `quality`, `timestamp_ms` and
    `detail` (why it is not Good) are those of the birth or the last data message. `binding`
    is the consumer's own and never touched here. `alias` is None where the birth gave none.
    """

    __slots__ = (
        "alias",
        "binding",
        "datatype",
        "detail",
        "field",
        "name",
        "properties",
        "quality",
        "read",
        "timestamp_ms",
        "value",
    )

    def __init__(
        self,
        name: str,
        datatype: DataType,
        *,
        alias: int | None = None,
        properties: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = name
        self.alias = alias
        self.datatype = datatype
        self.properties = properties or {}
        self.value: Any = None
        self.quality = int(Quality.GOOD)
        self.detail = ""
        self.timestamp_ms = 0
        self.binding: Any = None
        self.field = ""  # of the protobuf message, chosen by datatype
        self.read: Any = None  # from what the field holds to the value; None: it is the value

    def __repr__(self) -> str:
        return f"Slot({self.name!r}, {self.datatype.label}, value={self.value!r})"
