"""The MQTT driver: what others publish on their broker, as values of tags."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from bridges.driver import (
    BindResult,
    BoundTag,
    BrowsedNode,
    Description,
    DriverConfig,
    PushDriver,
    Sink,
    Survey,
)
from bridges.mqtt.address import MetricAddress, MqttAddress, TopicAddress, parse
from bridges.mqtt.config import MqttConfig
from bridges.mqtt.watch import Unread
from uns.coercion import coercion
from uns.errors import DeviceError
from uns.metric import DataType, Reading

if TYPE_CHECKING:
    from bridges.mqtt.link import Link
    from bridges.mqtt.metrics import Metrics
    from bridges.mqtt.topics import Topics
    from uns.message import Message

__all__ = ["MqttDriver"]

_LOG = logging.getLogger("uns.bridge.mqtt")

_TICK_S = 0.25  # how often silence is looked for
_AT_ONCE = 500  # messages taken before others get their turn
_SETTLE_S, _QUIET_S = 0.5, 0.1  # for what the broker kept, before a tag is said to be fine
_DESCRIBE_S = 3.0  # what publishes once a second is heard for sure
_PING_SHARE = 0.75  # of a keep-alive: a healthy broker is heard at least that often
_MAX_LINES = 50  # that one session logs of what others send
_MAX_UNBORN = 10  # of those that are told
_SPARKPLUG = "spBv1.0/"
_KINDS = {bool: DataType.BOOLEAN, str: DataType.STRING}


class MqttDriver(PushDriver):
    """One session with one foreign broker. It publishes nothing of its own to it."""

    name: ClassVar[str] = "mqtt"
    Config: ClassVar[type[DriverConfig]] = MqttConfig
    ADDRESS_SETTINGS: ClassVar[frozenset[str] | None] = frozenset(
        ("timestamp", "quality", "retained", "silence_s")
    )
    KEEPALIVE_VOUCHES: ClassVar[bool] = False  # the broker lives; whoever publishes may not
    config: MqttConfig

    #: How long `browse` listens: machines publish once a second or so.
    listen_s: float = 5.0

    def __init__(self, config: MqttConfig) -> None:
        super().__init__(config)
        self.keepalive_s = max(1.0, config.keepalive_s * _PING_SHARE)
        self._link: Link | None = None
        self._topics: Topics | None = None
        self._metrics: Metrics | None = None
        self._unread = Unread(config.watch)
        self._granted: set[str] = set()
        self._bound: set[int] = set()
        self._waiting: list[Reading] = []  # heard before `run`
        self._is_running = False
        self._lines = 0

    @classmethod
    def parse(cls, text: str, config: MqttConfig) -> MqttAddress:
        """The topic and path, or the Sparkplug metric, written as `text`."""
        return parse(text, config.trust)

    @property
    def findings(self) -> tuple[str, ...]:
        """Watched topics that nobody reads, and edge nodes whose birth is still to come."""
        unborn = self._metrics.unborn() if self._metrics is not None else []
        way = "it is asked for" if self.config.rebirth else "`rebirth: true` asks for it"
        waiting = [f"no birth of {place} was heard yet; {way}" for place in unborn[:_MAX_UNBORN]]
        return (*waiting, *self._unread.findings())

    async def open(self) -> None:
        """Connect and log in."""
        # asyncio's MQTT and Sparkplug take a fifth of a second to import; checking needs neither
        from bridges.mqtt.link import Link  # noqa: PLC0415
        from bridges.mqtt.topics import Topics  # noqa: PLC0415

        self._topics = Topics(self.config.largest)
        self._link = Link(self.config, self.home)
        if not self.config.host_id:
            await self._link.open(lambda: None)
            return
        metrics = self._host()
        await self._link.open(lambda: metrics.will(_now_ms()))
        refused = await self._link.subscribe(metrics.filters())
        if refused:
            raise DeviceError(
                f"host `{self.config.host_id}` may not hear of itself: {min(refused.values())}",
                hint="let the broker grant it spBv1.0/STATE/…, or leave `host_id` out",
            )
        metrics.connected(_now_ms())
        await self._say()

    async def bind(self, tags: Sequence[BoundTag]) -> list[BindResult]:
        """Subscribe to the topics of tags, and look at what the broker kept of them.

        A topic on which nothing was published yet is no mistake.
        """
        new = [tag for tag in tags if tag.handle not in self._bound]
        refused = await self._subscribe(self._filters_of(new))
        problems: dict[int, str] = {}
        now_ms, now_s = _now_ms(), _clock()
        for tag in new:
            wanted = min(self._filters_of([tag]))
            if wanted in refused:
                problems[tag.handle] = refused[wanted]
                continue
            self._bound.add(tag.handle)
            match tag.address:
                case TopicAddress():
                    self._waiting += self._open_topics().add(tag, now_s)
                case MetricAddress():
                    self._waiting += self._host().add(tag, now_ms, now_s)
        if not self._is_running:
            await self._settle()
        return [
            BindResult(tag.handle, problems.get(tag.handle) or self._problem(tag)) for tag in tags
        ]

    async def unbind(self, handles: Sequence[int]) -> None:
        """Forget tags; the broker's messages for them are dropped until the next session."""
        self._bound.difference_update(handles)
        self._open_topics().remove(handles)
        if self._metrics is not None:
            self._metrics.remove(handles)

    async def run(self, sink: Sink) -> None:
        """Pass on what arrives until the broker is lost."""
        link = self._opened()
        self._is_running, heard_at, tick_at = True, 0.0, 0.0
        sink.alive()  # it granted our subscriptions
        while True:
            messages = await link.next(0.0 if self._waiting else _TICK_S)
            for begin in range(0, max(len(messages), 1), _AT_ONCE):
                readings = self._waiting + self._taken(messages[begin : begin + _AT_ONCE])
                self._waiting = []
                if readings:
                    sink.readings(readings)
                await asyncio.sleep(0)
            if _clock() >= tick_at:
                tick_at = _clock() + _TICK_S
                if readings := self._ticked():
                    sink.readings(readings)
            if link.heard_at > heard_at:
                heard_at = link.heard_at
                sink.alive()
            await self._say()
            await sink.ready()

    async def describe(self, tags: Sequence[BoundTag]) -> Survey:
        """Listen for a few seconds, and say of each tag what its messages or its birth show.

        A tag of which nothing was heard meanwhile has no problem: its machine may be slow.
        """
        refused = {result.handle: result.problem for result in await self.bind(tags)}
        until = _clock() + _DESCRIBE_S
        while _clock() < until and not all(map(self._is_heard, tags)):
            if self._is_running:
                await asyncio.sleep(_QUIET_S)
            else:
                self._waiting += self._taken(await self._opened().next(_QUIET_S))
                self._waiting += self._ticked()
                await self._say()
        return Survey(tuple(self._description(tag, refused[tag.handle]) for tag in tags))

    async def browse(self, root: str = "") -> AsyncIterator[BrowsedNode]:
        """Listen for a while to the topics that match `root`: `legacy/{line}/cw/#`."""
        from bridges.mqtt.browse import browse  # noqa: PLC0415 - see `open`

        async for node in browse(self.config, self.home, root, self.listen_s):
            yield node

    async def close(self) -> None:
        """Leave the broker."""
        link, self._link = self._link, None
        if link is not None:
            await link.close(self._metrics.leaving(_now_ms()) if self._metrics else [])

    # ------------------------------------------------------------ what arrives

    def _taken(self, messages: Sequence[Message]) -> list[Reading]:
        """What messages say to the tags."""
        found: list[Reading] = []
        topics, metrics = self._open_topics(), self._metrics
        now_ms, now_s = _now_ms(), _clock()
        for message in messages:
            topic = message.topic
            if metrics is not None and topic.startswith(_SPARKPLUG) and metrics.reads(topic):
                found += metrics.heard(message, now_ms, now_s)
            elif topics.readers(topic):
                found += topics.heard(message, now_ms, now_s)
            elif self._unread.patterns and (news := self._unread.saw(topic)):
                topics.news.append(news)
        self._log_news()
        return found

    def _ticked(self) -> list[Reading]:
        """What time alone made stale."""
        now_ms, now_s = _now_ms(), _clock()
        found = self._open_topics().silent(now_ms, now_s)
        if self._metrics is not None:
            found += self._metrics.tick(now_ms, now_s)
        return found

    async def _settle(self) -> None:
        """Take in what the broker kept, so that a wrong path is a problem from the start."""
        until = _clock() + _SETTLE_S
        while _clock() < until:
            messages = await self._opened().next(_QUIET_S)
            if not messages:
                return
            self._waiting += self._taken(messages)

    # ------------------------------------------------------------ topics and metrics

    def _filters_of(self, tags: Sequence[BoundTag]) -> set[str]:
        metrics = [tag for tag in tags if isinstance(tag.address, MetricAddress)]
        topics = {tag.address.topic for tag in tags if isinstance(tag.address, TopicAddress)}
        return topics | (self._host().filters_of(metrics) if metrics else set())

    async def _subscribe(self, wanted: set[str]) -> dict[str, str]:
        """Have the broker send what matches; returns the filters that it refuses, with its reason."""
        from bridges.mqtt.topics import uncovered  # noqa: PLC0415 - see `open`

        watched = {pattern.filter.text for pattern in self._unread.patterns}
        refused: dict[str, str] = {}
        while asked := list(uncovered((wanted | watched) - refused.keys(), self._granted)):
            refused |= await self._opened().subscribe(asked)
            self._granted.update(text for text in asked if text not in refused)
        self._open_topics().news += [refused[text] for text in watched & refused.keys()]
        return refused

    def _is_heard(self, tag: BoundTag) -> bool:
        is_metric = isinstance(tag.address, MetricAddress)
        place = self._host() if is_metric else self._open_topics()
        return tag.handle not in self._bound or place.is_heard(tag.handle)

    def _description(self, tag: BoundTag, refused: str) -> Description:
        """Of JSON a datatype is told only where its value cannot become the tag's."""
        if tag.handle not in self._bound:
            return Description(tag.handle, refused)
        problem = self._problem(tag)
        if isinstance(tag.address, MetricAddress):
            datatype = self._host().datatype(tag.handle)
        else:
            value = self._open_topics().value(tag.handle)
            is_fit = coercion(tag.datatype).convert(value) is not None
            datatype = None if is_fit else _KINDS.get(type(value))
        return Description(
            tag.handle, problem, is_missing=bool(problem), datatype=datatype, is_writable=False
        )

    def _problem(self, tag: BoundTag) -> str:
        if isinstance(tag.address, MetricAddress):
            return self._host().problem(tag.handle)
        return self._open_topics().problem(tag.handle)

    def _host(self) -> Metrics:
        if self._metrics is None:
            from bridges.mqtt.metrics import Metrics  # noqa: PLC0415 - see `open`

            config = self.config
            self._metrics = Metrics(config.host_id, asks_for_births=config.rebirth)
        return self._metrics

    async def _say(self) -> None:
        """Publish what the host application has to say."""
        if self._metrics is not None and self._metrics.to_publish:
            messages, self._metrics.to_publish = self._metrics.to_publish, []
            await self._opened().publish(messages)

    def _log_news(self) -> None:
        topics = self._open_topics()
        news = topics.news
        if self._metrics is not None:
            news += self._metrics.news
            self._metrics.news = []
        for sentence in news[: max(_MAX_LINES - self._lines, 0)]:
            self._lines += 1
            last = ("", "; what else is wrong is not told before the next session")
            level = logging.INFO if topics.is_good(sentence) else logging.WARNING
            _LOG.log(
                level, "%s: %s%s", self.config.key(), sentence, last[self._lines == _MAX_LINES]
            )
        topics.news = []

    def _opened(self) -> Link:
        if self._link is None:
            raise DeviceError(f"{self.config.key()} is not open")
        return self._link

    def _open_topics(self) -> Topics:
        if self._topics is None:
            raise DeviceError(f"{self.config.key()} is not open")
        return self._topics


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _clock() -> float:
    return asyncio.get_running_loop().time()
