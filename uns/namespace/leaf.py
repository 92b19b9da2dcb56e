"""A leaf of the tree: one tag's topic, and the last that is known of its value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from uns.equipment import Machine, SparkplugId, Tag
from uns.message import Message
from uns.metric import DataType
from uns.namespace.payload import (
    BEFORE_QUALITY,
    BEFORE_TIMESTAMP,
    BEFORE_VALUE,
    Clock,
    Writer,
    tail,
    value_writer,
)
from uns.namespace.rows import check_data_set
from uns.schema.verdict import Check, compile_check, plain_range

__all__ = ["BAD", "GOOD", "NO_DATA", "NULL", "STALE", "UNCERTAIN", "Leaf", "Output", "Publish"]

GOOD, NO_DATA, UNCERTAIN, BAD = "Good", "GoodNoData", "Uncertain", "Bad"
STALE = "Stale"
NULL = b"null"

Publish: TypeAlias = tuple[bytes, bytes]  # topic and payload of a retained QoS 0 message


@dataclass(slots=True)
class Output:
    """What to publish: `values` retained at QoS 0, `messages` each with its own rules.

    `late` go out at QoS 0 and are not retained. `notices` are sentences for people, each said
    once.
    """

    values: list[Publish]
    messages: list[Message]
    notices: list[str] = field(default_factory=list)
    late: list[Publish] = field(default_factory=list)

    @classmethod
    def empty(cls) -> Output:
        """Nothing to publish so far."""
        return cls([], [])


class Leaf:
    """One topic of the tree. Mutable and slotted: the hot path writes it for every value.

    `quality` is empty while nothing is known at all, not even from a former life. `text` is
    the value as JSON. `accepted_ms` is when, by our clock, the value was last replaced.
    Values of type `kind` from `low` to `high` are accepted without asking `check`.
    """

    __slots__ = (
        "accepted_ms",
        "check",
        "detail",
        "good_tail",
        "high",
        "is_every",
        "kind",
        "low",
        "machine",
        "metric",
        "quality",
        "said",
        "sparkplug",
        "tag",
        "text",
        "timestamp_ms",
        "topic",
        "topic_text",
        "write",
    )

    def __init__(
        self, tag: Tag, sparkplug: SparkplugId, metric: str, machine: Machine | None = None
    ) -> None:
        """Compile what `tag` demands; nothing is known of its value yet.

        `machine` is the project's that it is a tag of; `sparkplug` and `metric` say who feeds it.
        """
        self.machine = machine
        self.said: tuple[DataType, Mapping[str, Any]] | None = None  # by the birth it comes from
        self.sparkplug = sparkplug
        self.metric = metric
        self.topic_text = tag.topic.text
        self.topic = self.topic_text.encode()
        self._compile(tag)
        self.text = NULL
        self.quality = ""
        self.detail = ""
        self.timestamp_ms = 0
        self.accepted_ms = 0

    def _compile(self, tag: Tag) -> None:
        self.tag = tag
        self.good_tail = tail(tag.unit)
        self.is_every = tag.deliver_every
        self.check: Check = (
            check_data_set if tag.datatype is DataType.DATASET else compile_check(tag)
        )
        self.kind, self.low, self.high = plain_range(tag)
        self.write: Writer = value_writer(tag, tag.datatype)

    def redefine(self, tag: Tag, now_ms: int, *, is_said: bool) -> bool:
        """Take another definition of this topic; return whether the value still counts.

        It does not in another unit or datatype, unless `is_said`: the source has told it so.
        """
        does_count = is_said or (tag.datatype, tag.unit) == (self.tag.datatype, self.tag.unit)
        self._compile(tag)
        if not does_count:
            self.hold(NULL, NO_DATA, "", now_ms, now_ms)
        return does_count

    def fed_as(self, datatype: DataType) -> None:
        """Values will arrive as `datatype`, as a birth has said."""
        self.write = value_writer(self.tag, datatype)

    def hold(self, text: bytes, quality: str, detail: str, timestamp_ms: int, now_ms: int) -> None:
        """Take a value that is not simply Good, or not simply new."""
        self.text = text
        self.quality = quality
        self.detail = detail
        self.timestamp_ms = timestamp_ms
        self.accepted_ms = now_ms

    def expire(self, now_ms: int) -> bool:
        """Mark the value as old, keeping it and its time; return whether that changes anything."""
        if not self.quality:
            self.hold(NULL, NO_DATA, "", now_ms, now_ms)
            return True
        if self.detail == STALE:
            return False
        if self.text == NULL and self.quality == NO_DATA and not self.detail:
            return False
        self.quality = UNCERTAIN if self.text != NULL else self.quality
        self.detail = STALE
        return True

    def publish(self, clock: Clock, out: Output) -> None:
        """Add what this leaf shows now to `out`."""
        stamp = clock.text(self.timestamp_ms)
        payload = self.payload(self.text, self.quality, self.detail, stamp)
        if self.is_every:
            out.messages.append(Message(self.topic_text, payload, qos=1, retain=True))
        else:
            out.values.append((self.topic, payload))

    def payload(self, text: bytes, quality: str, detail: str, stamp: bytes) -> bytes:
        """Put a payload of this topic together."""
        end = tail(self.tag.unit, detail) if detail else self.good_tail
        said = quality.encode()
        return b"".join((BEFORE_VALUE, text, BEFORE_QUALITY, said, BEFORE_TIMESTAMP, stamp, end))
