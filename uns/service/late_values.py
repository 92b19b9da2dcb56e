"""Late values as their tags' datatypes, scaled: ready for a backlog, which filters nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from uns.coercion import Coercion, coercion
from uns.equipment import Tag
from uns.metric import Quality, Reading

__all__ = ["LateValues"]


class LateValues:
    """Converts what devices say; `tags` are by handle and may change at any time."""

    def __init__(self, tags: Mapping[int, Tag]) -> None:
        self._tags = tags
        self._rules: dict[int, tuple[Tag, Coercion]] = {}

    def of(self, readings: Iterable[Reading]) -> list[Reading]:
        """The readings of known tags; what does not fit its datatype is Bad and has no value."""
        found: list[Reading] = []
        for handle, raw, quality, at in readings:
            tag = self._tags.get(handle)
            if tag is None:
                continue
            value = self._rule(handle, tag).convert(raw)
            if value is None and quality != Quality.STALE:
                quality = int(Quality.BAD)
            found.append((handle, value, quality, at))
        return found

    def _rule(self, handle: int, tag: Tag) -> Coercion:
        known = self._rules.get(handle)
        if known is None or known[0] is not tag:
            known = self._rules[handle] = (tag, coercion(tag.datatype, tag.scale))
        return known[1]
