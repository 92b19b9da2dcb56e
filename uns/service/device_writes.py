"""Device writes: what hosts ask a device to do, checked against the project, in their order.

A command has no answer in Sparkplug B: who asked sees the new value in the data that follows,
or does not. Here everything that was refused or failed is said in the log, by name.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from uns.coercion import unscaled
from uns.equipment import Tag
from uns.errors import UnsError
from uns.metric import Value

__all__ = ["DeviceWrites", "Write", "refusal"]

log = logging.getLogger("uns.bridge")

MAX_WAITING = 100  # writes to one device; a person or a recipe asks for fewer
LATEST_S = 5.0  # a write that waited longer is not what anybody expects any more

Write = Callable[[Sequence[tuple[int, Value]]], Awaitable[Sequence[str]]]


class _Asked(NamedTuple):
    tag: Tag
    handle: int
    value: Value
    at_s: float


class DeviceWrites:
    """The writes to one device, one at a time; a slow device holds up no other."""

    def __init__(self, write: Write) -> None:
        """`write` writes raw values by handle and returns one problem each, empty for none."""
        self._write = write
        self._waiting: asyncio.Queue[_Asked] = asyncio.Queue(MAX_WAITING)
        self._taken_s: dict[int, float] = {}  # handle → when its last write was taken

    def ask(self, tag: Tag, handle: int, value: Value) -> None:
        """Take a write for `tag`, or say why not."""
        problem = refusal(tag, value)
        if not problem and self._waiting.full():
            problem = f"{MAX_WAITING} writes are waiting for this device"
        problem = problem or self._too_soon(tag, handle)
        if problem:
            log.warning("%s was not set to %r: %s", tag.topic.text, value, problem)
            return
        self._taken_s[handle] = time.monotonic()
        self._waiting.put_nowait(_Asked(tag, handle, value, self._taken_s[handle]))

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            asked = await self._waiting.get()
            problem = await self._written(asked)
            if problem:
                log.warning("%s was not set to %r: %s", asked.tag.topic.text, asked.value, problem)
            else:
                log.info("%s was set to %r", asked.tag.topic.text, asked.value)

    def _too_soon(self, tag: Tag, handle: int) -> str:
        """Why it may not be written yet; empty where it may."""
        if tag.write is None or handle not in self._taken_s:
            return ""
        waited_s = time.monotonic() - self._taken_s[handle]
        if waited_s >= tag.write.every_s:
            return ""
        return f"it may be written every {tag.write.every_s:g} s, and was {waited_s:.1f} s ago"

    async def _written(self, asked: _Asked) -> str:
        """Why it could not be written; empty when the device took it."""
        waited_s = time.monotonic() - asked.at_s
        if waited_s > LATEST_S:
            return f"it waited {waited_s:.0f} s for the device, which is too long to still be meant"
        try:
            problems = await self._write([(asked.handle, unscaled(asked.value, asked.tag.scale))])
        except (UnsError, OSError) as error:  # TimeoutError is an OSError
            return str(error)
        return "".join(problems)


def refusal(tag: Tag, value: Value) -> str:
    """Why the project forbids this write; empty where it does not."""
    if tag.write is None:
        return "it may only be read; `write: true` in its type or binding would allow it"
    if tag.source is None:
        return "no device has it"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    low, high = tag.write.low, tag.write.high
    if low is not None and high is not None and not low <= value <= high:
        return f"only {low:g} to {high:g} may be written"
    if tag.low is not None and value < tag.low:
        return f"its range begins at {tag.low:g}"
    if tag.high is not None and value > tag.high:
        return f"its range ends at {tag.high:g}"
    return ""
