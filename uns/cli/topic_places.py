"""Topic places: which machine and tag the values of a topic are, by the names in a pattern."""

from __future__ import annotations

from collections.abc import Sequence

from bridges.mqtt.watch import Pattern

__all__ = ["TopicPlaces"]

_OF_THE_TAG = "tag"  # `{tag}` is a level of the tag's name, as is a wildcard without a name
_NAMELESS = "value"  # of a topic that is a machine and has one plain value


class TopicPlaces:
    """The levels of a topic that have names in the pattern are the machine's place.

    >>> TopicPlaces("legacy/{line}/{machine}/data").levels("legacy/line3/cw/data", ["weight"])
    (('line3', 'cw', 'weight'), 2)
    """

    def __init__(self, text: str) -> None:
        pattern = Pattern.parse(text or "#")
        self._open = [at for at, name in pattern.names if name in (_OF_THE_TAG, f"level{at + 1}")]
        self._named = [(at, name) for at, name in pattern.names if at not in self._open]
        self._levels = pattern.filter.text.split("/")
        self._rest = len(self._levels) - (self._levels[-1] == "#")

    @property
    def watch(self) -> str:
        """The pattern as a connection's `watch:` has it; empty where no level has a name."""
        levels = list(self._levels)
        for at, name in self._named:
            levels[at] = f"+{name}"
        return "/".join(levels) if self._named else ""

    def levels(self, topic: str, steps: Sequence[str]) -> tuple[tuple[str, ...], int | None]:
        """The levels of a value's place, and how many are the machine's; None where who knows.

        `steps` is the way to the value in the topic's payload.
        """
        parts = topic.split("/")
        if not self._named:
            return (*(part for part in parts if part), *steps), None
        machine = [parts[at] for at, _ in self._named]
        below = [*(parts[at] for at in self._open), *parts[self._rest :], *steps]
        if not below:
            is_told = self._named[-1][0] < len(parts) - 1
            below = [parts[-1] if is_told else _NAMELESS]
        return (*machine, *below), len(machine)
