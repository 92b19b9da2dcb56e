"""Late values: what was true before now, on a topic beside the value's own.

A value that was late on its way says nothing of how things are, so the tree never shows it. Who
keeps a history wants it all the same: it is published on `<topic of the tag>/_history`, once,
not retained, with the payload that it would have had.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from uns.message import Message
from uns.metric import Quality
from uns.namespace.judged import judged
from uns.namespace.leaf import STALE, Leaf, Output
from uns.namespace.members import Members
from uns.namespace.payload import Clock
from uns.schema.verdict import Verdict
from uns.sparkplug.slot import Slot

__all__ = ["HISTORY", "tell_late"]

HISTORY = "/_history"
_HISTORY = HISTORY.encode()

_Update: TypeAlias = tuple[Slot, Any, int, int]


def tell_late(updates: Iterable[_Update], clock: Clock, out: Output) -> list[tuple[Leaf, Any]]:
    """Add late values to `out`; return those whose type is wrong, and their leaves.

    What the tree shows stays as it is, and so do the slots.
    """
    refused: list[tuple[Leaf, Any]] = []
    for slot, value, quality, timestamp_ms in updates:
        leaf = slot.binding
        if isinstance(leaf, Members):
            refused += tell_late(leaf.past(value, quality, timestamp_ms), clock, out)
        elif leaf is not None and _tell(leaf, value, quality, clock.text(timestamp_ms), out):
            refused.append((leaf, value))
    return refused


def _tell(leaf: Leaf, value: Any, quality: int, stamp: bytes, out: Output) -> bool:
    """Add one value to `out`; return whether its type is wrong."""
    # A slot's own word is of its latest value, so for this one there is none.
    found = judged(leaf, value, quality, STALE if quality == Quality.STALE else "")
    payload = leaf.payload(found.text, found.quality, found.detail, stamp)
    if leaf.is_every:
        out.messages.append(Message(leaf.topic_text + HISTORY, payload, qos=1, retain=False))
    else:
        out.late.append((leaf.topic + _HISTORY, payload))
    return found.verdict is Verdict.WRONG_TYPE
