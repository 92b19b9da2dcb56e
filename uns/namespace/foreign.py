"""Foreign tags: where on the tree a metric of a device that is not the project's belongs.

A metric has a place when it says so itself, in a property `uns`, or when a rule of the project
gives its device one. It may not stand outside our enterprise, nor where the project has
something, nor above it. One exception: a rule may make a device the machine of the project that
no driver feeds. Then the machine's own tags judge its values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uns.equipment import Machine, Tag
from uns.hierarchy import MAX_LEVELS, MAX_TOPIC_BYTES, name_problem
from uns.metric import DataType, Value
from uns.namespace.device import DeviceKey
from uns.namespace.rule import ForeignRule
from uns.sparkplug.slot import Slot
from uns.topic import Topic, TopicFilter

__all__ = ["Border", "Refusal"]

_LEAST_LEVELS = 3  # enterprise/site/tag
_MAX_DEVICES = 10_000  # whose rule is remembered
_MAX_NAME = 1_000  # characters of a name that patterns are tried on: they are a peer's words
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}(?:/[A-Za-z0-9][A-Za-z0-9_-]{0,63})*\Z")
_NO_VALUE = (DataType.UNKNOWN, DataType.PROPERTY_SET, DataType.PROPERTY_SET_LIST)

# Ignition says `documentation` and `tooltip`; the others are what people type in Node-RED.
_UNITS = ("engUnit", "engUnits", "unit", "units")
_WORDS = ("documentation", "description", "desc", "tooltip")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a metric that somebody wants on the tree has no place there."""

    reason: str


class Border:
    """Which topics foreign devices may have, and which each of their metrics has."""

    def __init__(
        self,
        enterprise: str,
        machines: Iterable[Machine],
        rules: Sequence[ForeignRule] = (),
        within: Sequence[TopicFilter] = (),
    ) -> None:
        """Keep every topic of `machines`, and every topic above one, for the project.

        What `within` does not match, where it holds anything, is another service's to show.
        """
        self._enterprise = enterprise
        self._within = within
        self._rules = rules
        self._found: dict[DeviceKey, tuple[ForeignRule, str] | Refusal | None] = {}
        self._ours: set[str] = set()
        self._unfed: dict[str, Tag] = {}  # of machines that no driver feeds
        for machine in machines:
            if not any(tag.source for tag in machine.tags):
                self._unfed |= {tag.topic.text: tag for tag in machine.tags if not tag.calc}
            for topic in (machine.topic, *(tag.topic for tag in machine.tags)):
                self._claim(topic.text)

    def _claim(self, text: str) -> None:
        while text and text not in self._ours:
            self._ours.add(text)
            text = text.rpartition("/")[0]

    def place(self, key: DeviceKey, slot: Slot, *, by_rule: bool) -> Tag | Refusal | None:
        """Return the tag that a metric of a birth is; None where nobody wants it on the tree.

        `by_rule` is False for devices of the project: rules are for those of others.
        """
        said = slot.properties.get("uns")
        refused = None
        if isinstance(said, str) and said:
            reason = self._objection(said)
            if not self.covers(said):
                return None
            if not reason:
                return self._tag(said, said.rpartition("/")[2], slot, {})
            refused = Refusal(reason)
        ruled = self._ruled(key, slot) if by_rule and self._rules else None
        return ruled or refused

    def covers(self, topic: str) -> bool:
        """Whether this service is the one to show a topic."""
        return not self._within or any(wanted.matches(topic) for wanted in self._within)

    @property
    def has_rules(self) -> bool:
        """Whether the project has any rule for foreign devices."""
        return bool(self._rules)

    def has_rule(self, key: DeviceKey) -> bool:
        """Whether a rule gives a device a place."""
        return isinstance(self._rule_of(key), tuple)

    def _ruled(self, key: DeviceKey, slot: Slot) -> Tag | Refusal | None:
        found = self._rule_of(key)
        if found is None or len(slot.name) > _MAX_NAME:
            return None
        if isinstance(found, Refusal):
            return found
        rule, base = found
        said = rule.metric(slot.name)
        if said.is_left_out:
            return None
        try:
            name = said.name or rule.path(slot.name)
        except ValueError as error:
            return Refusal(str(error))
        text = f"{base}/{name}"
        if not self.covers(text):
            return None
        if text in self._unfed:
            return _as_ours(self._unfed[text], said.fields.get("unit") or _unit_of(slot))
        if reason := self._objection(text):
            return Refusal(reason)
        return self._tag(text, name, slot, said.fields)

    def _rule_of(self, key: DeviceKey) -> tuple[ForeignRule, str] | Refusal | None:
        if key not in self._found:
            if len(self._found) >= _MAX_DEVICES:
                self._found.clear()
            self._found[key] = self._find(key)
        return self._found[key]

    def _find(self, key: DeviceKey) -> tuple[ForeignRule, str] | Refusal | None:
        """The first rule that is about a device, and the topic that it gives the device."""
        device = "/".join(filter(None, key))
        if len(device) > _MAX_NAME:
            return None
        for rule in self._rules:
            captured = rule.find(device)
            if captured is None:
                continue
            try:
                return rule, f"{self._enterprise}/{rule.base.fill(captured)}"
            except ValueError as error:
                return Refusal(str(error))
        return None

    def _objection(self, text: str) -> str:
        """Say why no foreign metric may be at this topic; empty where one may."""
        if text in self._ours:
            return f"`{text}` is the project's own"
        if len(text.encode(errors="replace")) > MAX_TOPIC_BYTES:
            return f"`{text[:60]}…` has more than {MAX_TOPIC_BYTES} bytes"
        levels = text.split("/")
        if levels[0] != self._enterprise:
            return f"`{text}` is outside `{self._enterprise}`"
        if not _LEAST_LEVELS <= len(levels) <= MAX_LEVELS:
            return f"`{text}` has {len(levels)} levels, and {_LEAST_LEVELS} to {MAX_LEVELS} are possible"
        if _PLAIN.match(text):
            return ""
        return next((f"`{text}`: {why}" for level in levels if (why := name_problem(level))), "")

    def _tag(self, text: str, name: str, slot: Slot, said: Mapping[str, Any]) -> Tag | Refusal:
        """What the birth says of the metric, and on top of it what the rule says."""
        if slot.datatype in _NO_VALUE:
            return Refusal(f"its datatype is {slot.datatype.label}")
        properties = slot.properties
        low, high = _number(properties.get("engLow")), _number(properties.get("engHigh"))
        if low is not None and high is not None and low >= high:
            low = high = None
        fields = {
            "unit": _unit_of(slot),
            "low": low,
            "high": high,
            "desc": _text(properties, _WORDS),
            **said,
        }
        return Tag(name=name, topic=Topic(text), datatype=slot.datatype, **fields)


def _as_ours(tag: Tag, unit: str) -> Tag | Refusal:
    """The project's tag, if values in `unit` may be shown there."""
    if unit and unit != tag.unit:
        return Refusal(f"it comes in `{unit}`, and `{tag.topic}` is in `{tag.unit or 'no unit'}`")
    return tag


def _unit_of(slot: Slot) -> str:
    return _text(slot.properties, _UNITS)


def _text(properties: Mapping[str, Value], keys: Iterable[str]) -> str:
    texts = (value for key in keys if isinstance(value := properties.get(key), str))
    return next(filter(None, texts), "")


def _number(value: Value) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None
