"""Topics on the way to tags: who reads a message, and what it says to each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridges.driver import BoundTag
from bridges.moments import milliseconds
from bridges.mqtt.address import TopicAddress, Trust
from bridges.mqtt.payload import document, leaf, plain, quality_of
from bridges.paths import JsonPath
from uns.message import Message
from uns.metric import Quality, Reading, Value
from uns.topic import TopicFilter

__all__ = ["Route", "Topics", "covers", "uncovered"]

_GOOD, _UNCERTAIN, _BAD = int(Quality.GOOD), int(Quality.UNCERTAIN), int(Quality.BAD)
_MAX_CACHED = 10_000  # topics whose readers are remembered
_MAX_KEPT_BYTES = 16 * 1024 * 1024  # of last messages, for tags that are bound later
_READ_AGAIN = "can be read again"
_MAX_TOLD = 20  # topics that are complained about at a time
_WILD = ("+", "#")


@dataclass(slots=True, eq=False)
class Route:
    """One tag, and what is known of it."""

    tag: BoundTag
    topic: str
    path: JsonPath | None
    trust: Trust
    problem: str = ""  # why the latest message says nothing to it
    heard_s: float = 0.0  # when the latest message came, by the session's clock
    is_silent: bool = False
    is_heard: bool = False
    value: Value = None
    quality: int = _BAD


@dataclass(slots=True)
class _Kept:
    """The latest message of a topic."""

    message: Message
    at_ms: int
    is_live: bool = field(default=False)


class Topics:
    """The routes of one session. Told of messages, it returns readings."""

    def __init__(self, largest: int) -> None:
        self.news: list[str] = []  # sentences to be logged; whoever does takes them out
        self._told: set[str] = set()
        self._largest = largest
        self._routes: dict[int, Route] = {}
        self._exact: dict[str, list[Route]] = {}
        self._wild: list[tuple[TopicFilter, Route]] = []
        self._cache: dict[str, tuple[Route, ...]] = {}
        self._kept: dict[str, _Kept] = {}
        self._kept_bytes = 0

    @staticmethod
    def is_good(sentence: str) -> bool:
        """Whether a sentence of `news` says that something is over."""
        return sentence.endswith(_READ_AGAIN)

    def add(self, tag: BoundTag, now_s: float) -> list[Reading]:
        """Introduce a tag; returns what a message heard before says to it."""
        address: TopicAddress = tag.address
        self.remove((tag.handle,))
        route = Route(tag, address.topic, address.path, address.trust, heard_s=now_s)
        self._routes[tag.handle] = route
        self._cache.clear()
        if not _is_wild(address.topic):
            self._exact.setdefault(address.topic, []).append(route)
            kept = self._kept.get(address.topic)
            return self._read(kept.message, kept.at_ms, now_s, (route,)) if kept else []
        wanted = TopicFilter(address.topic)
        self._wild.append((wanted, route))
        found = [kept for topic, kept in self._kept.items() if wanted.matches(topic)]
        return [
            reading
            for kept in found
            for reading in self._read(kept.message, kept.at_ms, now_s, (route,))
        ]

    def remove(self, handles: Iterable[int]) -> None:
        """Forget tags."""
        gone = [self._routes.pop(handle) for handle in handles if handle in self._routes]
        for route in gone:
            readers = self._exact.get(route.topic, [])
            if route in readers:
                readers.remove(route)
        self._wild = [(wanted, route) for wanted, route in self._wild if route not in gone]
        self._cache.clear()

    def problem(self, handle: int) -> str:
        """Why the latest message says nothing to a tag; empty where it does, or none came."""
        route = self._routes.get(handle)
        return route.problem if route else ""

    def is_heard(self, handle: int) -> bool:
        """Whether any message came for a tag."""
        return handle in self._routes and self._routes[handle].is_heard

    def value(self, handle: int) -> Value:
        """What the latest message says to a tag."""
        return self._routes[handle].value if handle in self._routes else None

    def readers(self, topic: str) -> tuple[Route, ...]:
        """The tags that read a topic."""
        found = self._cache.get(topic)
        if found is None:
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()
            wild = [route for wanted, route in self._wild if wanted.matches(topic)]
            found = self._cache[topic] = (*self._exact.get(topic, ()), *wild)
        return found

    def heard(self, message: Message, now_ms: int, now_s: float) -> list[Reading]:
        """What a message says to the tags that read its topic."""
        routes = self.readers(message.topic)
        if not routes:
            return []
        kept = self._kept.get(message.topic)
        if message.retain and kept is not None and kept.is_live:
            return []  # a copy for a subscription that overlaps; the topic is further on
        self._keep(message, now_ms)
        if message.retain:
            routes = tuple(route for route in routes if route.trust.retained != "ignore")
        return self._read(message, now_ms, now_s, routes)

    def silent(self, now_ms: int, now_s: float) -> list[Reading]:
        """Stale readings of tags whose topic has been silent for longer than it may be."""
        found: list[Reading] = []
        for route in self._routes.values():
            limit_s = route.trust.silence_s
            if not limit_s or route.is_silent or now_s - route.heard_s <= limit_s:
                continue
            route.is_silent = True
            if route.quality != _BAD:
                found.append((route.tag.handle, route.value, int(Quality.STALE), now_ms))
        return found

    @property
    def has_limits(self) -> bool:
        """Whether any topic may not be silent for ever."""
        return any(route.trust.silence_s for route in self._routes.values())

    def _read(
        self, message: Message, now_ms: int, now_s: float, routes: Sequence[Route]
    ) -> list[Reading]:
        payload = message.payload
        content = _Content(payload, bool(message.retain), now_ms)
        too_large = ""
        if len(payload) > self._largest:
            too_large = (
                f"a payload of {len(payload):,} bytes is not read: `largest` is {self._largest:,}"
            )
        found: list[Reading] = []
        sentence = ""
        for route in routes:
            route.heard_s, route.is_silent, route.is_heard = now_s, False, True
            try:
                if too_large:
                    raise ValueError(too_large)
                value, quality, at_ms, remark = content.value_for(route)
                route.problem = ""
            except (ValueError, LookupError) as error:
                value, quality, at_ms, remark = None, _BAD, now_ms, str(error.args[0])
                route.problem = remark
            route.value, route.quality = value, quality
            found.append((route.tag.handle, value, quality, at_ms))
            sentence = sentence or remark
        self._tell(message.topic, sentence)
        return found

    def _tell(self, topic: str, sentence: str) -> None:
        """Once when a topic's messages cannot be read, once when they can again."""
        if bool(sentence) == (topic in self._told):
            return
        if not sentence:
            self._told.discard(topic)
            self.news.append(f"`{topic}` {_READ_AGAIN}")
        elif len(self._told) < _MAX_TOLD:
            self._told.add(topic)
            self.news.append(f"`{topic}`: {sentence}")

    def _keep(self, message: Message, now_ms: int) -> None:
        topic, size = message.topic, len(message.payload)
        old = self._kept.pop(topic, None)
        self._kept_bytes -= len(old.message.payload) if old else 0
        if self._kept_bytes + size <= _MAX_KEPT_BYTES and len(self._kept) < _MAX_CACHED:
            is_live = not message.retain or (old is not None and old.is_live)
            self._kept[topic] = _Kept(message, now_ms, is_live)
            self._kept_bytes += size


class _Content:
    """One payload, taken apart at most once, for all the tags that read it."""

    def __init__(self, payload: bytes, is_retained: bool, now_ms: int) -> None:  # noqa: FBT001 - of one private caller
        self._payload = payload
        self._is_retained = is_retained
        self._now_ms = now_ms
        self._document: Any = None
        self._complaint: str | None = None  # None: not taken apart yet
        self._terms: dict[Trust, tuple[int, int, str]] = {}

    def value_for(self, route: Route) -> tuple[Value, int, int, str]:
        """(value, quality, time, remark on these two); raises ValueError or LookupError with a sentence."""
        datatype = route.tag.datatype
        if route.path is None:
            value = plain(self._payload, datatype)
        else:
            value = leaf(route.path.get(self._taken_apart()), datatype)
        trust = route.trust
        terms = self._terms.get(trust)
        if terms is None:
            terms = self._terms[trust] = self._judge(trust)
        quality, at_ms, remark = terms
        return value, quality if value is not None else _BAD, at_ms, remark

    def _taken_apart(self) -> Any:
        if self._complaint is None:
            try:
                self._document, self._complaint = document(self._payload), ""
            except ValueError as error:
                self._complaint = str(error)
        if self._complaint:
            raise ValueError(self._complaint)
        return self._document

    def _judge(self, trust: Trust) -> tuple[int, int, str]:
        """(quality, time, remark) of every value in this payload."""
        quality, remark, at_ms = _GOOD, "", 0
        try:
            if trust.quality is not None:
                quality = quality_of(trust.quality.get(self._taken_apart()))
            if trust.timestamp is not None:
                at_ms = milliseconds(trust.timestamp.get(self._taken_apart()))
        except (ValueError, LookupError) as error:
            quality, remark = min(quality, _UNCERTAIN), f"time or quality: {error.args[0]}"
        if not at_ms:
            at_ms = self._now_ms
            if self._is_retained and trust.retained == "uncertain":
                quality = min(quality, _UNCERTAIN)
        return quality, at_ms, remark


def covers(wide: str, narrow: str) -> bool:
    """Whether whatever the filter `narrow` matches is matched by `wide` too.

    >>> covers("legacy/+/data", "legacy/cw/data"), covers("legacy/+", "legacy/#")
    (True, False)
    """
    wanted, names = wide.split("/"), narrow.split("/")
    if names[0].startswith("$") and wanted[0] in _WILD:
        return False
    for place, want in enumerate(wanted):
        if want == "#":
            return True
        if place >= len(names) or names[place] == "#" or want not in ("+", names[place]):
            return False
    return len(wanted) == len(names)


def _is_wild(topic: str) -> bool:
    return any(level in _WILD for level in topic.split("/"))


def uncovered(filters: Iterable[str], granted: Iterable[str]) -> Iterator[str]:
    """Those of `filters` that neither `granted` nor another of them covers."""
    known = set(granted)
    wild = [text for text in known if _is_wild(text)]  # only these cover others than themselves
    for text in sorted(set(filters), key=lambda text: ("#" not in text, "+" not in text, text)):
        if text in known or any(covers(wide, text) for wide in wild):
            continue
        known.add(text)
        if _is_wild(text):
            wild.append(text)
        yield text
