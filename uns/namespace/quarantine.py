"""Quarantine: values of the wrong type are set aside where people can look at them.

A device that is wrong is wrong thousands of times: one message per topic and rule is published
at once, and then at most one every ten seconds, with a count.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from typing import Any

from uns.message import Message
from uns.namespace.leaf import Leaf
from uns.namespace.payload import Clock, json_text

__all__ = ["Quarantine"]

WINDOW_MS = 10_000
MAX_OPEN = 10_000  # (topic, rule) pairs counted at a time; beyond it only the total is kept
_MAX_TEXT = 2_000


@dataclass(slots=True)
class _Case:
    leaf: Leaf
    value: Any
    first_ms: int
    last_ms: int
    opened_ms: int
    count: int = 1  # since the last message


class Quarantine:
    """Refused values, collapsed."""

    def __init__(self, enterprise: str) -> None:
        """`enterprise` is the tree's root, below which `_quarantine` lies."""
        self._root = f"{enterprise}/_quarantine"
        self._cases: dict[tuple[str, str], _Case] = {}
        self._clock = Clock()
        self.total = 0

    def refuse(self, leaf: Leaf, rule: str, value: Any, now_ms: int) -> Message | None:
        """Set `value` aside; return a message when it is the first of its kind for a while."""
        self.total += 1
        case = self._cases.get((leaf.topic_text, rule))
        if case is not None:
            case.value, case.last_ms, case.count = value, now_ms, case.count + 1
            return None
        if len(self._cases) >= MAX_OPEN:
            return None
        case = _Case(leaf, value, now_ms, now_ms, now_ms)
        self._cases[leaf.topic_text, rule] = case
        return self._close(rule, case, now_ms)

    def tick(self, now_ms: int) -> list[Message]:
        """Return what has been counted where ten seconds are over; forget what has stopped."""
        over = [key for key, case in self._cases.items() if now_ms - case.opened_ms >= WINDOW_MS]
        found = []
        for key in over:
            case = self._cases[key]
            if not case.count:
                del self._cases[key]
                continue
            found.append(self._close(key[1], case, now_ms))
        return found

    def _close(self, rule: str, case: _Case, now_ms: int) -> Message:
        """Return what `case` has counted, and begin its next window."""
        tag = case.leaf.tag
        said = {
            "topic": case.leaf.topic_text,
            "rule": rule,
            "reason": f"expected {tag.datatype.label}, got {_kind(case.value)}",
            "expected": tag.datatype.label,
            **_shown(case.value),
            "sparkplug": {**asdict(case.leaf.sparkplug), "metric": case.leaf.metric},
            "first_seen": self._clock.text(case.first_ms).decode(),
            "last_seen": self._clock.text(case.last_ms).decode(),
            "count": case.count,
        }
        case.count, case.opened_ms = 0, now_ms
        return Message(f"{self._root}/{case.leaf.topic_text}", json_text(said), qos=1)


def _kind(value: Any) -> str:
    names = {bool: "a Boolean", int: "a whole number", float: "a real number", str: "text"}
    return names.get(type(value), "bytes" if isinstance(value, bytes) else type(value).__name__)


def _shown(value: Any) -> dict[str, Any]:
    """Return the refused value as JSON can carry it, cut where it is long."""
    if isinstance(value, bytes):
        return {"value_base64": base64.b64encode(value[:_MAX_TEXT]).decode()}
    if isinstance(value, bool | int | float):
        return {"value": value}
    return {"value": str(value)[:_MAX_TEXT]}
