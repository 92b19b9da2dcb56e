"""One message as the rules look at it: its topic, its payload taken apart, its surroundings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from google.protobuf.unknown_fields import UnknownFieldSet

from uns.errors import PeerProtocolError
from uns.message import Message
from uns.sparkplug.envelope import parse
from uns.sparkplug.monitor.settings import MonitorSettings
from uns.sparkplug.names import BD_SEQ, MessageType, SparkplugTopic
from uns.sparkplug.properties import DETAIL, QUALITY

if TYPE_CHECKING:
    from uns.sparkplug.monitor.client import Client
    from uns.sparkplug.monitor.node import KnownDevice, KnownMetric, NodeWatch

__all__ = ["Part", "Point", "Sight", "is_miswired", "said_by", "text_in"]

_DEEP = ("dataset_value", "template_value")
_GOOD = (192, 0)
_MAX_PARTS = 200_000  # of one payload; who nests more is not looked at any deeper


class Point(NamedTuple):
    """One metric, read once: what names it, its time, its datatype, which field has its value."""

    message: Any
    name: str | None
    alias: int | None
    field: str | None
    stamp: int | None
    code: int | None  # of the datatype

    @property
    def label(self) -> str:
        """How a report calls it."""
        return f"`{self.name}`" if self.name is not None else f"the metric with alias {self.alias}"


class Part(NamedTuple):
    """Something inside a metric, and the words that lead there."""

    label: str
    message: Any
    name: str | None = None
    is_member: bool = False  # inside a template


class Sight:
    """A message of an edge node, or to one.

    `payload` is None where the bytes are none, and `unreadable` says why. `node`, `device` and
    `seq_said` are there once it is the message's turn; `seq_said` is what its number was
    instead of the expected one, empty where it was right and None where nobody can know.
    """

    __slots__ = (
        "client", "device", "is_will", "known", "message", "node", "now_ms", "parts", "payload",
        "place", "points", "said", "seq", "seq_said", "sets", "settings", "tables", "templates",
        "unreadable",
    )  # fmt: skip

    def __init__(
        self,
        message: Message,
        place: SparkplugTopic,
        now_ms: int,
        settings: MonitorSettings,
        client: Client | None = None,
        *,
        is_will: bool = False,
    ) -> None:
        self.message = message
        self.place = place
        self.now_ms = now_ms
        self.settings = settings
        self.client = client
        self.is_will = is_will
        self.node: NodeWatch | None = None
        self.device: KnownDevice | None = None
        self.known: list[KnownMetric | None] = []  # what the birth says of each point …
        self.said: list[object] = []  # … and what it says itself
        self.seq_said: str | None = None
        self.unreadable = ""
        self.payload: Any = None
        self.seq: int | None = None
        self.points: list[Point] = []
        self.sets: list[Part] = []
        self.tables: list[Part] = []
        self.templates: list[Part] = []
        self.parts = 0
        self._read()

    def explain_by(self, device: KnownDevice | None) -> None:
        """Find each metric in the birth that explains it."""
        self.device = device
        if device is not None:
            self.known = [device.find(point) for point in self.points]
            self.said = [said_by(point) for point in self.points]

    @property
    def kind(self) -> MessageType:
        """The message's verb."""
        return self.place.type

    @property
    def sent_ms(self) -> int | None:
        """The payload's time."""
        if self.payload is None or not self.payload.HasField("timestamp"):
            return None
        return int(self.payload.timestamp)

    @property
    def bd_seq(self) -> int | None:
        """The number in the metric bdSeq; None where there is none."""
        for point in self.points:
            if point.name == BD_SEQ and point.field in ("int_value", "long_value"):
                return int(getattr(point.message, point.field))
        return None

    def find(self, name: str) -> Point | None:
        """The metric called `name`."""
        return next((point for point in self.points if point.name == name), None)

    def _read(self) -> None:
        try:
            payload = parse(self.message.payload, self.settings.limits)
        except PeerProtocolError as error:
            self.unreadable = str(error)
            return
        self.payload = payload
        self.seq = int(payload.seq) if payload.HasField("seq") else None
        for metric in payload.metrics:
            point = _point(metric)
            self.points.append(point)
            if point.field in _DEEP or metric.HasField("properties"):
                self._look_into(point, point.label, is_member=False)

    def _look_into(self, point: Point, label: str, *, is_member: bool) -> None:
        self.parts += 1
        if self.parts > _MAX_PARTS:
            return
        if point.message.HasField("properties"):
            self._add_set(label, point.message.properties)
        if point.field == "dataset_value":
            self.tables.append(Part(label, point.message.dataset_value))
        if point.field != "template_value":
            return
        template = point.message.template_value
        self.templates.append(Part(label, template, point.name, is_member))
        for metric in template.metrics:
            member = _point(metric)
            self._look_into(member, f"{label}, member {member.label}", is_member=True)

    def _add_set(self, label: str, message: Any) -> None:
        self.parts += 1
        if self.parts > _MAX_PARTS:
            return
        self.sets.append(Part(label, message))
        for value in message.values:
            field = value.WhichOneof("value")
            if field == "propertyset_value":
                self._add_set(label, value.propertyset_value)
            elif field == "propertysets_value":
                for one in value.propertysets_value.propertyset:
                    self._add_set(label, one)


def _point(metric: Any) -> Point:
    has = metric.HasField
    return Point(
        metric,
        text_in(metric.name) if has("name") else None,
        metric.alias if has("alias") else None,
        metric.WhichOneof("value"),
        metric.timestamp if has("timestamp") else None,
        metric.datatype if has("datatype") else None,
    )


def text_in(raw: str | bytes) -> str | None:
    """The text in a string field; None where its bytes are not UTF-8 (upb hands out bytes)."""
    return raw if isinstance(raw, str) else None


def is_miswired(message: Any, number: int) -> bool:
    """Whether a field came with another wire type than its own, so that it counts as absent."""
    unknown: Any = UnknownFieldSet(message)  # types-protobuf says nothing of its items
    return any(field.field_number == number for field in unknown)


def said_by(point: Point) -> object:
    """What a metric says, small enough to keep; equal exactly when it says the same.

    NaN equals nothing. Parts of templates say different things with equal words: None.
    """
    message, field = point.message, point.field
    quality = _quality(message.properties) if message.HasField("properties") else _GOOD
    if field is None:
        return (quality, "null")
    if field == "template_value":
        return None
    raw = getattr(message, field)
    if field == "dataset_value":
        raw = hash(raw.SerializeToString())
    elif isinstance(raw, str | bytes):
        raw = hash(raw)
    return (quality, field, raw)


def _quality(properties: Any) -> tuple[int, int]:
    """What properties say of the value itself; units and ranges stand in births only."""
    code, detail = _GOOD
    for key, value in zip(properties.keys, properties.values, strict=False):
        if key == QUALITY:
            code = value.int_value
        elif key == DETAIL:
            detail = hash(value.string_value)
    return code, detail
