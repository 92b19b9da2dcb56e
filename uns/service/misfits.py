"""The misfits: tags that are Bad because what their device says does not fit their datatype.

The device is read and answers, and so neither it nor its driver knows. The mistake is mostly the
project's: a 16-bit tag on a 64-bit counter. It is said in the log once for each tag.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from uns.coercion import misfit
from uns.equipment import Tag
from uns.metric import Value

__all__ = ["Misfits"]

log = logging.getLogger("uns.bridge")

_SHOWN: Final = 3  # in one line of the log


class Misfits:
    """Says why, by connection; `tags` are by handle and may change at any time."""

    def __init__(self, tags: Mapping[int, Tag]) -> None:
        self._tags = tags
        self._told: dict[int, Tag] = {}  # in the log, once and for all
        self._sentences: dict[int, str] = {}

    def of(self, raws: Mapping[int, Value]) -> dict[str, dict[int, str]]:
        """Why each of these values does not fit its tag; the first value stands while none does."""
        before, self._sentences = self._sentences, {}
        found: dict[str, dict[int, str]] = {}
        for handle, raw in raws.items():
            tag = self._tags.get(handle)
            if tag is None or tag.source is None:
                continue  # what is calculated belongs to no connection
            sentence = before.get(handle) or misfit(raw, tag.datatype, tag.scale)
            self._sentences[handle] = sentence
            found.setdefault(tag.source.connection, {})[handle] = sentence
        for key, sentences in found.items():
            self._tell(key, sentences)
        return found

    def _tell(self, key: str, sentences: Mapping[int, str]) -> None:
        """One line for all that was not told yet."""
        new = [handle for handle in sentences if handle not in self._told]
        if not new:
            return
        self._told = {handle: tag for handle, tag in self._told.items() if handle in self._tags}
        self._told |= {handle: self._tags[handle] for handle in new}
        shown = [f"{self._tags[one].topic.text}: {sentences[one]}" for one in new[:_SHOWN]]
        more = f", and {len(new) - _SHOWN} more" if len(new) > _SHOWN else ""
        log.warning(
            "%s: values that do not fit their tags are Bad: %s%s; look at the `type` of these tags",
            *(key, "; ".join(shown), more),
        )
