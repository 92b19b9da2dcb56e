"""Where a value is on a foreign broker: a topic and a path in its JSON, or a Sparkplug metric.

legacy/line1/cw/data $.weight.value     a JSON payload, and the value's place in it
legacy/line1/cw/temp                    a payload that is the value: 21.5, true, running
legacy/+/m7/data $.temp                 whichever topic matches, the latest message counts
"legacy/line 1/data" $.weight           quotes where a topic has blanks
spBv1.0 Group/Node/Device:Metric Name   a metric of a device; without /Device of the node
spBv1.0 Group/"a:b"/Device:Metric       quotes where an id has a colon
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NoReturn

from bridges.paths import JsonPath
from uns.errors import AddressError

__all__ = ["MetricAddress", "MqttAddress", "TopicAddress", "Trust", "parse"]

_FORM = "write `legacy/line1/cw/data $.weight`, or `spBv1.0 Group/Node/Device:Metric`"
_METRIC_FORM = "write `spBv1.0 Group/Node/Device:Metric Name`"
_MAX_BYTES = 65_535  # MQTT 5.0 §1.5.4
_NAMESPACE = "spBv1.0"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_VERBS = frozenset(("NBIRTH", "NDATA", "NDEATH", "NCMD", "DBIRTH", "DDATA", "DDEATH", "DCMD"))


@dataclass(frozen=True, slots=True)
class Trust:
    """How far messages are believed: where their time and quality stand, and for how long."""

    timestamp: JsonPath | None = None
    quality: JsonPath | None = None
    retained: Literal["uncertain", "good", "ignore"] = "uncertain"
    silence_s: float = 0.0  # 0: a topic may be silent for ever


@dataclass(frozen=True, slots=True)
class TopicAddress:
    """A topic or topic filter, and the value's place in its payload; None: it is the value."""

    topic: str
    path: JsonPath | None = None
    trust: Trust = Trust()

    def __str__(self) -> str:
        needs_quotes = re.search(r'[\s"\\]', self.topic) or re.match(r"\$(?:[.\[]|$)", self.topic)
        topic = _quoted(self.topic) if needs_quotes else self.topic
        return topic if self.path is None else f"{topic} {self.path}"


@dataclass(frozen=True, slots=True)
class MetricAddress:
    """A Sparkplug metric; `device_id` is empty where it is the edge node's own."""

    group_id: str
    edge_node_id: str
    device_id: str
    metric: str
    trust: Trust = Trust()

    @property
    def place(self) -> str:
        """The edge node or device: `Group/Node/Device`."""
        parts = (self.group_id, self.edge_node_id, self.device_id)
        return "/".join(part for part in parts if part)

    def __str__(self) -> str:
        ids = [_id(self.group_id, '/"'), _id(self.edge_node_id, '/:"')]
        ids += [_id(self.device_id, ':"')] if self.device_id else []
        metric = self.metric
        is_odd = metric != metric.strip() or metric.startswith('"')
        is_odd = is_odd or (not self.device_id and _AMBIGUOUS.match(metric) is not None)
        return f"{_NAMESPACE} {'/'.join(ids)}:{_quoted(metric) if is_odd else metric}"


MqttAddress = TopicAddress | MetricAddress

_AMBIGUOUS = re.compile(
    r'(?!")[^:]*/[^:]*:'
)  # behind a node's colon: is it the device's that comes?


def parse(text: str, trust: Trust) -> MqttAddress:
    """The address in `text`; raises AddressError with the column of the mistake."""
    return _Reading(text, trust).address()


class _Reading:
    """One text, read from left to right; `at` is how far it was understood."""

    def __init__(self, text: str, trust: Trust) -> None:
        self.text = text.rstrip()
        self.trust = trust
        self.at = len(self.text) - len(self.text.lstrip())

    def address(self) -> MqttAddress:
        if self.at >= len(self.text):
            self.fail("the address is empty", hint=_FORM)
        if self.take(rf"{re.escape(_NAMESPACE)}(?=\s|$)"):
            self.take(r"\s+")
            return self.metric()
        mark = self.at
        topic = self.topic()
        self.check_topic(topic, mark)
        blanks = self.take(r"\s+")
        if self.at >= len(self.text):
            return TopicAddress(topic, None, self.trust)
        rest = self.text[self.at :]
        if not blanks or not rest.startswith("$"):
            self.fail(
                f"behind the topic comes `{rest}`, which is no path",
                hint='a path begins with `$`; a topic with blanks stands in quotes: "line 1/data"',
            )
        return TopicAddress(topic, JsonPath.parse(self.text, self.at), self.trust)

    def topic(self) -> str:
        if re.compile(r"\$(?:[.\[\s]|$)").match(self.text, self.at):
            self.fail("the topic is missing before the path", hint=_FORM)
        if self.text[self.at] != '"':
            return self.take(r"\S+")
        return self.quoted()

    def check_topic(self, topic: str, mark: int) -> None:
        if not topic:
            self.fail("the topic is empty", at=mark, hint=_FORM)
        if topic.split("/", maxsplit=1)[0] == _NAMESPACE:
            self.fail(
                "a Sparkplug message has many metrics, and this names none",
                at=mark,
                hint=_metric_hint(topic),
            )
        if topic.startswith("$share/"):
            self.fail("a shared subscription gives each message to one reader only", at=mark,
                      hint="leave `$share/…/` out")  # fmt: skip
        if "\0" in topic or len(topic.encode(errors="replace")) > _MAX_BYTES:
            self.fail("no topic is like this", at=mark, hint=f"at most {_MAX_BYTES} bytes, no NUL")
        levels = topic.split("/")
        for place, level in enumerate(levels):
            wild = next((mark for mark in "#+" if mark in level), "")
            is_last = place == len(levels) - 1
            if wild and (level != wild or (wild == "#" and not is_last)):
                at = self.text.find(wild, mark)
                rule = "alone and last" if wild == "#" else "alone between slashes"
                self.fail(f"`{wild}` must stand {rule}", at=at, hint="MQTT's rule for wildcards")

    def metric(self) -> MetricAddress:
        group = self.part(r'[^/"]+', "the group")
        if not self.take("/"):
            self.fail("here comes `/` and the edge node", hint=_METRIC_FORM)
        node = self.part(r'[^/:"]+', "the edge node")
        device = ""
        if self.take("/"):
            device = self.part(r'[^:"]+', "the device")
        if not self.take(":"):
            self.fail("here comes `:` and the metric's name", hint=_METRIC_FORM)
        if not device and _AMBIGUOUS.match(self.text, self.at):
            self.fail(
                "this is a metric of the edge node, or the node's id has a colon",
                hint=f'quotes decide: `"{node}:…"/Device:Metric` or `{node}:"Metric"`',
            )
        mark = self.at
        name = self.quoted() if self.text[mark : mark + 1] == '"' else self.take(r".+")
        if not name:
            self.fail("the metric's name is missing", at=mark, hint=_METRIC_FORM)
        if self.at < len(self.text):
            self.fail(f"`{self.text[self.at :]}` is too much", hint=_METRIC_FORM)
        return MetricAddress(group, node, device, name, self.trust)

    def part(self, pattern: str, what: str) -> str:
        mark = self.at
        found = self.quoted() if self.text[mark : mark + 1] == '"' else self.take(pattern)
        if not found or ("/" in found and pattern != r'[^:"]+'):
            self.fail(f"{what} is missing or has a slash", at=mark, hint=_METRIC_FORM)
        for wild in "+#/\0":
            if wild in found:
                self.fail(
                    f"`{wild}` may not stand in a Sparkplug id",
                    at=max(mark, self.text.find(wild, mark)),
                    hint=_METRIC_FORM,
                )
        return found

    def quoted(self) -> str:
        mark = self.at
        found = self.take(_QUOTED)
        if not found:
            self.fail("the quote is not closed", at=mark, hint='write `"line 1/data" $.weight`')
        return re.sub(r"\\(.)", r"\1", found[1:-1], flags=re.DOTALL)

    def take(self, pattern: str) -> str:
        """The text that `pattern` matches here, and go behind it; empty where it does not."""
        found = re.compile(pattern, re.DOTALL).match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    def fail(self, message: str, *, hint: str, at: int | None = None) -> NoReturn:
        column = (self.at if at is None else at) + 1
        raise AddressError(message, column=column, hint=hint)


def _metric_hint(topic: str) -> str:
    """The address for a Sparkplug topic as a client shows it."""
    levels = topic.split("/")
    if len(levels) in (4, 5) and levels[2] in _VERBS:
        place = "/".join((levels[1], *levels[3:]))
        return f"write `{_NAMESPACE} {place}:<metric>`"
    return _METRIC_FORM


def _id(text: str, marks: str) -> str:
    is_odd = text != text.strip() or any(mark in text for mark in marks)
    return _quoted(text) if is_odd else text


def _quoted(text: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'
