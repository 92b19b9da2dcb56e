"""A simulated broker of a plant floor: machines that publish JSON, each in its own shape."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from bridges.mqtt.address import TopicAddress, Trust
from bridges.paths import JsonPath
from uns.equipment import Connection, Tag
from uns.message import Message
from uns.metric import DataType, Value
from uns.sim.endpoint import Endpoint, Showing, source_of
from uns.sim.mqtt_server import MqttServer
from uns.sim.raw import Raw, raw_for

__all__ = ["MqttEndpoint"]

log = logging.getLogger("uns.sim")

_WILD = ("+", "#")
_PLAYED = "sim"  # what stands where a tag's topic has a wildcard
_GOOD = "Good"


@dataclass(slots=True)
class _Topic:
    """One topic, its tags by their places in the payload, and what they show."""

    name: str
    trust: Trust
    tags: dict[str, tuple[JsonPath | None, Raw]] = field(default_factory=dict)
    shown: dict[str, tuple[Value, str]] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()

    def show(self, item: Showing) -> None:
        key = item.tag.topic.text
        if key not in self.missing:
            self.shown[key] = self.tags[key][1](item.value), item.status

    def message(self, now_ms: int) -> Message:
        document: Any = {}
        for key, (value, status) in self.shown.items():
            path, _ = self.tags[key]
            if status != _GOOD and self.trust.quality is None:
                value = None  # the payload has no word for it
            if path is None:
                return Message(self.name, _as_text(value), 0, retain=True)
            document = path.put(document, value)
        statuses = {status for _, status in self.shown.values()}
        if self.trust.quality is not None:
            document = self.trust.quality.put(document, _worst(statuses))
        if self.trust.timestamp is not None:
            document = self.trust.timestamp.put(document, _written(now_ms))
        return Message(self.name, msgspec.json.encode(document), 0, retain=True)


class MqttEndpoint(Endpoint):
    """A broker, and everything on it that the project's tags read.

    Sparkplug metrics are left out: a simulated edge node would be one of ours.
    """

    def __init__(self, connection: Connection, tags: Sequence[Tag]) -> None:
        served = [tag for tag in tags if isinstance(source_of(tag).address, TopicAddress)]
        if len(served) < len(tags):
            log.warning(
                "%s: a simulated broker has no Sparkplug; %d tags are left out",
                connection.key,
                len(tags) - len(served),
            )
        super().__init__(connection, served)
        self._topics: dict[str, _Topic] = {}
        self._topic_of: dict[str, _Topic] = {}
        for tag in served:
            address: TopicAddress = source_of(tag).address
            name = _played(address.topic)
            topic = self._topics.setdefault(name, _Topic(name, address.trust))
            topic.tags[tag.topic.text] = address.path, raw_for(tag, _held(tag))
            self._topic_of[tag.topic.text] = topic
        self._server = MqttServer(self.port, self.host)

    @property
    def has_clock(self) -> bool:
        """Whether a payload has a time in it."""
        return any(topic.trust.timestamp is not None for topic in self._topics.values())

    async def start(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Listen, and publish these values; the broker keeps them for whoever comes."""
        for topic in self._topics.values():
            topic.missing = self.missing
            topic.shown.clear()
        self._server = MqttServer(self.inner_port, self.host)
        await self._server.start()
        self.inner_port = self._server.port
        await self.show(showing, now_ms)

    async def show(self, showing: Sequence[Showing], now_ms: int) -> None:
        """Publish each topic of which a value is shown, once."""
        changed: dict[str, _Topic] = {}
        for item in showing:
            topic = self._topic_of.get(item.tag.topic.text)
            if topic is not None:
                topic.show(item)
                changed[topic.name] = topic
        shown = [topic for topic in changed.values() if topic.shown]
        await self._server.publish([topic.message(now_ms + self.skew_ms) for topic in shown])

    async def stop(self) -> None:
        """Drop every client and the port."""
        await self._server.stop()


def _held(tag: Tag) -> DataType:
    """What the payload holds: a number as it is before scaling."""
    return DataType.DOUBLE if tag.scale else tag.datatype


def _played(topic: str) -> str:
    return "/".join(_PLAYED if level in _WILD else level for level in topic.split("/"))


def _as_text(value: Value) -> bytes:
    if isinstance(value, bytes):
        return value
    return (
        b""
        if value is None
        else str(value).lower().encode()
        if isinstance(value, bool)
        else str(value).encode()
    )


def _worst(statuses: set[str]) -> str:
    for word in ("Bad", "Uncertain"):
        if any(status.startswith(word) for status in statuses):
            return word.lower()
    return "good"


def _written(now_ms: int) -> str:
    moment = datetime.fromtimestamp(now_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
