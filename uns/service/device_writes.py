"""Device writes: what hosts ask a device to do, checked against the project, in their order.

A command has no answer in Sparkplug B: who asked sees the new value in the data that follows,
or does not. Here everything that was refused or failed is said in the log, by name; a tag whose
`write` says `readback` is asked whether it has the value. The logger `uns.audit` gets one line
for each write that anybody asked for: who, which tag, old and new value, and what became of it.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from uns.coercion import to_write
from uns.equipment import Tag
from uns.errors import UnsError
from uns.metric import Reading, Value

__all__ = ["DeviceWrites", "Writable", "refusal"]

log = logging.getLogger("uns.bridge.writes")
audit = logging.getLogger("uns.audit")

MAX_WAITING = 100  # writes to one device; a person or a recipe asks for fewer
LATEST_S = 5.0  # a write that waited longer is not what anybody expects any more
ASK_AGAIN_S = 0.25  # between two looks whether the device has the value
_SINGLE = 1e-6  # a value comes back from a 32-bit register with seven digits
_A_HOST = "a Sparkplug host"
_OUR_MISTAKE = "the driver failed on a mistake of ours"


class Writable(Protocol):
    """A device, its tags by handle; both methods raise UnsError or OSError where they cannot."""

    def counts(self, handle: int) -> bool:
        """Whether it has whole numbers for a tag."""

    def known(self, handle: int) -> Value:
        """What was reported of a tag last."""

    async def write(self, items: Sequence[tuple[int, Value]]) -> Sequence[str]:
        """Write raw values; one problem each, empty for none."""

    async def read_now(self, handles: Sequence[int]) -> list[Reading]:
        """Ask it for raw values now."""


class _Asked(NamedTuple):
    tag: Tag
    handle: int
    value: Value
    raw: Value
    old: Value
    who: str
    at_s: float


class DeviceWrites:
    """The writes to one device, one at a time; a slow device holds up no other."""

    def __init__(self, device: Writable) -> None:
        self._device = device
        self._waiting: asyncio.Queue[_Asked] = asyncio.Queue(MAX_WAITING)
        self._taken_s: dict[int, float] = {}  # handle → when its last write was taken
        self._latest: dict[int, _Asked] = {}  # handle → what was written last and is looked for

    def ask(self, tag: Tag, handle: int, value: Value, who: str = _A_HOST) -> None:
        """Take a write for `tag`, or say why not."""
        problem, raw = refusal(tag, value), None
        if not problem:
            counts = self._device.counts(handle)
            raw, problem = to_write(value, tag.datatype, tag.scale, counts=counts)
        if not problem and self._waiting.full():
            problem = f"{MAX_WAITING} writes are waiting for this device"
        problem = problem or self._too_soon(tag, handle)
        now_s = time.monotonic()
        asked = _Asked(tag, handle, value, raw, self._device.known(handle), who, now_s)
        if problem:
            _tell(asked, f"was not set to {value!r}: {problem}", f"refused: {problem}", ok=False)
            return
        self._taken_s[handle] = now_s
        self._waiting.put_nowait(asked)

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as looks:
            while True:
                asked = await self._waiting.get()
                try:
                    problem = await self._written(asked)
                except Exception:
                    log.exception("a write to %s failed on a mistake of ours", asked.tag.topic.text)
                    problem = _OUR_MISTAKE
                if problem:
                    said = f"was not set to {asked.value!r}: {problem}"
                    _tell(asked, said, f"failed: {problem}", ok=False)
                elif asked.tag.write is None or asked.tag.write.readback_s is None:
                    _tell(asked, f"was set to {asked.value!r}", "written", ok=True)
                else:
                    self._latest[asked.handle] = asked
                    name = f"readback:{asked.tag.topic.text}"
                    looks.create_task(self._look(asked, asked.tag.write.readback_s), name=name)

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
            problems = await self._device.write([(asked.handle, asked.raw)])
        except (UnsError, OSError) as error:  # TimeoutError is an OSError
            return str(error)
        return "".join(problems)

    async def _look(self, asked: _Asked, within_s: float) -> None:
        """Ask until the device has the value, the time is over, or it was written anew."""
        end_s = time.monotonic() + within_s
        while self._latest.get(asked.handle) is asked:
            found, problem = await self._held(asked, end_s - time.monotonic())
            if not problem and _is_same(found, asked.raw):
                _tell(asked, f"was set to {asked.value!r} and has it", "confirmed", ok=True)
                break
            if time.monotonic() >= end_s:
                _tell(asked, *_doubt(asked, within_s, found, problem), ok=False)
                break
            await asyncio.sleep(ASK_AGAIN_S)
        else:
            _tell(asked, f"was set to {asked.value!r}, and anew", "overtaken", ok=True)
            return
        del self._latest[asked.handle]

    async def _held(self, asked: _Asked, within_s: float) -> tuple[Value, str]:
        """What the device has now, or why it does not say."""
        try:
            async with asyncio.timeout(max(within_s, ASK_AGAIN_S)):
                readings = await self._device.read_now([asked.handle])
        except (UnsError, OSError) as error:
            return None, str(error) or "no answer"
        except Exception:
            log.exception("asking for %s failed on a mistake of ours", asked.tag.topic.text)
            return None, _OUR_MISTAKE
        return next((raw for handle, raw, _, _ in readings if handle == asked.handle), None), ""


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


def _doubt(asked: _Asked, within_s: float, found: Value, problem: str) -> tuple[str, str]:
    """What is said of a value that was not found, in the log and for the audit."""
    written = f"was set to {asked.value!r}"
    if problem:
        why = f"not confirmed within {within_s:g} s: {problem}"
        return f"{written}, {why}", why
    as_raw = "" if asked.raw == asked.value else f" (written as {asked.raw!r})"
    why = f"the device says {found!r} after {within_s:g} s{as_raw}"
    return f"{written}, but {why}", f"not taken: {why}"


def _is_same(held: Value, written: Value) -> bool:
    """Whether a device has what was written; a 32-bit float has seven digits of it."""
    if isinstance(held, int | float) and isinstance(written, int | float):
        return math.isclose(held, written, rel_tol=_SINGLE)
    return held == written


def _tell(asked: _Asked, sentence: str, outcome: str, *, ok: bool) -> None:
    log.log(logging.INFO if ok else logging.WARNING, "%s %s", asked.tag.topic.text, sentence)
    audit.info(
        "%s asked to set %s from %r to %r: %s",
        *(asked.who, asked.tag.topic.text, asked.old, asked.value, outcome),
    )
