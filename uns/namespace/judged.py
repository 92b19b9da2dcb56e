"""Judged: what a source's value is on the tree: as text, of what quality, and why."""

from __future__ import annotations

from typing import Any, NamedTuple

from uns.metric import Quality
from uns.namespace.leaf import BAD, GOOD, NULL, UNCERTAIN, Leaf
from uns.schema.verdict import Verdict

__all__ = ["Judged", "judged"]

_SAID_BY_SOURCE = "Source"  # why a value is not Good, where the source gave no word for it


class Judged(NamedTuple):
    """What a payload says. `verdict` is what the tag's definition says of the value alone."""

    text: bytes
    quality: str
    detail: str
    verdict: Verdict | None = None


def judged(leaf: Leaf, value: Any, quality: int, detail: str) -> Judged:
    """Judge a value that its source calls `quality`, for a reason that may be told in `detail`."""
    if quality == Quality.BAD:
        return Judged(NULL, BAD, detail or _SAID_BY_SOURCE)
    verdict = leaf.check(value)
    shown, why = verdict.quality, verdict.detail
    text = leaf.write(value) if shown in (GOOD, UNCERTAIN) else NULL
    if shown == GOOD and quality != Quality.GOOD:
        shown, why = UNCERTAIN, detail or _SAID_BY_SOURCE
    return Judged(text, shown, why, verdict)
