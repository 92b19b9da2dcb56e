"""Foreign tags: metrics of Sparkplug devices that are not in the project.

A metric of such a device has a place on the tree when it says so itself, in a property `uns`.
It may not stand outside our enterprise, nor where the project has something, nor above it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from uns.equipment import Machine, Tag
from uns.hierarchy import MAX_LEVELS, MAX_TOPIC_BYTES, name_problem
from uns.metric import DataType, Value
from uns.topic import Topic

__all__ = ["Border"]

_LEAST_LEVELS = 3  # enterprise/site/tag


class Border:
    """Which topics foreign devices may have."""

    def __init__(self, enterprise: str, machines: Iterable[Machine]) -> None:
        """Keep every topic of `machines`, and every topic above one, for the project."""
        self._enterprise = enterprise
        self._ours: set[str] = set()
        for machine in machines:
            for topic in (machine.topic, *(tag.topic for tag in machine.tags)):
                self._claim(topic.text)

    def _claim(self, text: str) -> None:
        while text and text not in self._ours:
            self._ours.add(text)
            text = text.rpartition("/")[0]

    def find_tag(self, datatype: DataType, properties: Mapping[str, Value]) -> Tag | None:
        """Return the tag that a metric with these birth properties is, if it may be one."""
        text = properties.get("uns")
        if not isinstance(text, str) or not self._admits(text):
            return None
        topic = Topic(text)
        return Tag(
            name=topic.levels[-1],
            topic=topic,
            datatype=datatype,
            unit=_text(properties.get("engUnit")),
            low=_number(properties.get("engLow")),
            high=_number(properties.get("engHigh")),
        )

    def _admits(self, text: str) -> bool:
        if text in self._ours or len(text.encode()) > MAX_TOPIC_BYTES:
            return False
        levels = text.split("/")
        if not _LEAST_LEVELS <= len(levels) <= MAX_LEVELS or levels[0] != self._enterprise:
            return False
        return not any(name_problem(level) for level in levels)


def _text(value: Value) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Value) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None
