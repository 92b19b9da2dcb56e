"""Deliberate dirt: what goes wrong in a plant whose PLCs are all well.

Each OPC UA server has one sensor that fails for a while, and each site one value that leaves
its range. Which ones, and when, follows from the seed; the counters are never touched.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from uns.equipment import Tag
from uns.project.project import Project

__all__ = ["Dirt", "Window", "dirt_of"]


@dataclass(frozen=True, slots=True)
class Window:
    """Something that is so for `lasts_s` out of every `period_s` seconds, first after `first_s`."""

    first_s: float
    period_s: float
    lasts_s: float

    def is_open(self, now_s: float) -> bool:
        """Whether it is so now.

        >>> [Window(10, 60, 5).is_open(second) for second in (9, 10, 14, 15, 70)]
        [False, True, True, False, True]
        """
        return now_s >= self.first_s and (now_s - self.first_s) % self.period_s < self.lasts_s


@dataclass(frozen=True, slots=True)
class Dirt:
    """By topic: which sensors fail when, and which values leave their range when."""

    failing: Mapping[str, Window]
    straying: Mapping[str, Window]

    def status(self, tag: Tag, now_s: float) -> str:
        """The OPC UA status code that a tag has now."""
        window = self.failing.get(tag.topic.text)
        return "BadSensorFailure" if window and window.is_open(now_s) else "Good"

    def is_astray(self, tag: Tag, now_s: float) -> bool:
        """Whether a tag shows a value outside its range now."""
        window = self.straying.get(tag.topic.text)
        return window is not None and window.is_open(now_s)

    def outside(self, tag: Tag) -> float:
        """A value that a tag cannot have: a little above its range."""
        low, high = tag.low or 0.0, tag.high or 0.0
        return round(high + (high - low) * _BEYOND, 2)


def dirt_of(project: Project, seed: int) -> Dirt:
    """The dirt of a project: one failing sensor per OPC UA server, one stray value per site."""
    by_server: dict[str, list[Tag]] = {}
    by_site: dict[str, list[Tag]] = {}
    for machine in project.machines:
        for tag in filter(_is_measured, machine.tags):
            by_site.setdefault(machine.site, []).append(tag)
            key = tag.source.connection if tag.source else ""
            if project.connections[key].driver == "opcua":
                by_server.setdefault(key, []).append(tag)
    rng = random.Random(f"{seed}:dirt")
    failing = _chosen(rng, by_server.values(), FAILS)
    calm = [[tag for tag in tags if tag.topic.text not in failing] for tags in by_site.values()]
    return Dirt(failing, _chosen(rng, calm, STRAYS))


FAILS = Window(40, 240, 20)
STRAYS = Window(20, 180, 8)
_BEYOND = 0.04


def _is_measured(tag: Tag) -> bool:
    return (
        tag.source is not None
        and tag.datatype.is_real
        and tag.high is not None
        and tag.scale is None
        and not (tag.is_counter or tag.writable)
    )


def _chosen(rng: random.Random, groups: Iterable[list[Tag]], window: Window) -> dict[str, Window]:
    return {rng.choice(tags).topic.text: window for tags in groups if tags}
