"""A rule for foreign devices: which of them it is about, and where on the tree they belong.

A rule is compiled from the words below `sparkplug: foreign:`. It is asked once for each device
and metric of a birth, and never for a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from uns.equipment import Place

__all__ = ["Fillable", "ForeignRule", "MetricRule"]


class Fillable(Protocol):
    """A text with places to fill in; raises ValueError where a value does not fit its place."""

    def fill(self, values: Mapping[str, Any]) -> str:
        """The text with every place filled."""


@dataclass(frozen=True, slots=True)
class MetricRule:
    """What a rule says of one metric, or of all that a pattern matches; None is unsaid.

    `fields` are those of uns.equipment.Tag that are stronger than what the birth says.
    """

    name: str = ""  # path below the device's own place
    is_left_out: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ForeignRule:
    """One rule. `devices` matches `group/edge node/device`, without a device the node itself.

    `base` is the place of the device below the enterprise, from what `devices` captured.
    `level` makes one level of the tree from `metric`, one level of a metric's name. `exact` and
    `patterns` say what is different for single metrics; a name is stronger than a pattern.
    """

    text: str
    devices: re.Pattern[str]
    base: Fillable
    level: Fillable
    exact: Mapping[str, MetricRule] = field(default_factory=dict)
    patterns: tuple[tuple[re.Pattern[str], MetricRule], ...] = ()
    place: Place | None = field(default=None, compare=False)

    def find(self, device: str) -> Mapping[str, str] | None:
        """Return what `devices` captures of this device; None where the rule is not about it."""
        found = self.devices.fullmatch(device)
        return None if found is None else found.groupdict()

    def metric(self, name: str) -> MetricRule:
        """Return what the rule says of a metric; what is left out takes all below it along."""
        if name in self.exact:
            return self.exact[name]
        found = next((rule for pattern, rule in self.patterns if pattern.fullmatch(name)), _UNSAID)
        above = name
        while found is _UNSAID and (above := above.rpartition("/")[0]):
            found = _LEFT_OUT if self.exact.get(above, _UNSAID).is_left_out else _UNSAID
        return found

    def path(self, name: str) -> str:
        """Return the path of a metric below its device; raises ValueError where there is none."""
        levels = filter(None, name.split("/"))
        return "/".join(self.level.fill({"metric": level}) for level in levels)


_UNSAID = MetricRule()
_LEFT_OUT = MetricRule(is_left_out=True)
