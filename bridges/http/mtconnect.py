"""An MTConnect agent: `current` once, then every observation in order by `sample`.

An agent numbers its observations and keeps the newest of them. We remember the next number, so
that what happened during a cut, or while we were not running, is read afterwards. An agent that
began anew has another instanceId: then there is nothing to go on from, and `current` it is.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Final
from xml.etree.ElementTree import Element

from bridges.driver import BoundTag
from bridges.http.document import element_of
from bridges.http.session import HttpSession, NotServedError
from bridges.http.values import typed
from bridges.moments import milliseconds
from uns.metric import Quality, Reading

__all__ = ["Agent"]

log = logging.getLogger("uns.bridge.http")

_MOST: Final = 1_000  # observations in one answer
_MOST_ANSWERS: Final = 20  # in one scan: a long outage is caught up with over several
_REST_S: Final = 10.0  # before `current` is asked again for items that it did not have
_LONGEST_REST_S: Final = 60.0  # as it lacks them still
_UNAVAILABLE: Final = "UNAVAILABLE"
_GOOD, _BAD = int(Quality.GOOD), int(Quality.BAD)


class Agent:
    """What one session knows of an agent: where it stands, and what it said last."""

    def __init__(
        self, session: HttpSession, where: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._session = session
        self._where = where
        self._clock = clock
        self._instance = ""
        self._next = 0
        self._tags: dict[str, list[BoundTag]] = {}
        self._latest: dict[int, Reading] = {}
        self._seen: dict[int, int] = {}  # handle → the number of its latest observation
        self._ask_at, self._rest_s = 0.0, _REST_S  # for items that nothing was heard of

    @property
    def cursor(self) -> Any:
        """The agent's instance, and the number of the observation to come."""
        return {"instance": self._instance, "next": self._next} if self._next else None

    def resume(self, cursor: Any) -> None:
        """Go on where another session ended."""
        match cursor:
            case {"instance": str(instance), "next": int(number)}:
                self._instance, self._next = instance, number

    async def begin(self) -> None:
        """Have a place to go on from: what comes next, where no other session left one."""
        if not self._next:
            await self._current()

    def follow(self, tag: BoundTag) -> None:
        """Take a tag up; its value is there after the next `current`."""
        self._tags.setdefault(tag.address.item, []).append(tag)
        self._ask_soon()

    def forget(self, handles: Iterable[int]) -> None:
        """Let tags go."""
        gone = set(handles)
        self._tags = {
            item: kept
            for item, tags in self._tags.items()
            if (kept := [tag for tag in tags if tag.handle not in gone])
        }
        for handle in gone:
            self._latest.pop(handle, None)
            self._seen.pop(handle, None)

    def missing(self, handles: Iterable[int]) -> list[tuple[int, str]]:
        """The tags, with their data items, that nothing was heard of yet."""
        silent = set(handles) - self._latest.keys()
        named = ((tag.handle, item) for item, tags in self._tags.items() for tag in tags)
        return [one for one in named if one[0] in silent] if silent else []

    async def read(self, handles: Iterable[int]) -> list[Reading]:
        """Every observation since the last call, in order, and what stands for the rest."""
        asked = list(handles)
        readings = await self._news()
        if self._lacks_any(asked) and self._clock() >= self._ask_at:
            readings += await self._current()
            self._rest_if_lacking(asked)
        told = {reading[0] for reading in readings}
        silent = [handle for handle in asked if handle not in told]
        return readings + [self._latest.get(handle, (handle, None, _BAD, 0)) for handle in silent]

    async def now(self, handles: Iterable[int]) -> list[Reading]:
        """The latest observation of each tag; what `read` tells next stays as it was."""
        root = await self._current_document()
        found = {
            tag.handle: _reading(tag, one)
            for one in root.iter()
            for tag in self._tags.get(one.get("dataItemId", ""), ())
        }
        return [found.get(handle, (handle, None, _BAD, 0)) for handle in handles]

    def _lacks_any(self, handles: Iterable[int]) -> bool:
        return any(handle not in self._latest for handle in handles)

    def _ask_soon(self) -> None:
        """Let the next scan ask for `current`, should it lack something."""
        self._ask_at, self._rest_s = 0.0, _REST_S

    def _rest_if_lacking(self, handles: Iterable[int]) -> None:
        """Leave an agent alone that has just said that it does not have an item."""
        if self._lacks_any(handles):
            self._ask_at = self._clock() + self._rest_s
            self._rest_s = min(self._rest_s * 2, _LONGEST_REST_S)

    async def _news(self) -> list[Reading]:
        readings: list[Reading] = []
        for _ in range(_MOST_ANSWERS if self._next else 0):
            root = await self._asked(f"/sample?from={self._next}&count={_MOST}")
            if root is None:
                self._begin_anew()
                return readings
            header = _header(root)
            if self._instance and header.get("instanceId") != self._instance:
                log.warning(
                    "%s began anew; what it said before that is not known any more", self._where
                )
                self._begin_anew()
                return readings
            readings += self._observed(root)
            self._next = int(header.get("nextSequence", "0"))
            if self._next > int(header.get("lastSequence", "0")):
                break
        return readings

    async def _current(self) -> list[Reading]:
        root = await self._current_document()
        if self._next:  # what happened since the last answer comes step by step, as always
            news = await self._news()
            return news + self._observed(root)
        header = _header(root)
        self._instance = header.get("instanceId", "")
        self._next = int(header.get("nextSequence", "0"))
        return self._observed(root)

    async def _current_document(self) -> Element:
        root = await self._asked("/current")
        if root is None:
            raise NotServedError("it has no `current`")
        return root

    def _begin_anew(self) -> None:
        """Ask for everything that is now: there is nothing to go on from."""
        self._next = 0
        self._seen.clear()
        self._latest.clear()
        self._ask_soon()

    async def _asked(self, request: str) -> Element | None:
        """The agent's answer; None where it says that it cannot go on from there."""
        try:
            root = element_of(await self._session.get(request))
        except NotServedError as error:
            if request.startswith("/sample"):  # 404 with OUT_OF_RANGE in its body
                self._tell_of_gap(str(error))
                return None
            raise
        if root.tag.endswith("}MTConnectError") or root.tag == "MTConnectError":
            said = " ".join(text for one in root.iter() if (text := (one.text or "").strip()))
            if request.startswith("/sample"):
                self._tell_of_gap(said[:200])
                return None
            raise NotServedError(f"the agent refuses `{request}`: {said[:200]}")
        if not root.tag.endswith("MTConnectStreams"):
            raise NotServedError("what answers is no MTConnect agent")
        return root

    def _tell_of_gap(self, why: str) -> None:
        log.warning(
            "%s cannot go on from observation %d (%s): what it no longer keeps is lost",
            self._where,
            self._next,
            why,
        )

    def _observed(self, root: Element) -> list[Reading]:
        """The observations of our tags, in the order of their numbers."""
        found = [
            (int(one.get("sequence", "0")), one)
            for one in root.iter()
            if one.get("dataItemId") in self._tags
        ]
        readings: list[Reading] = []
        for number, one in sorted(found, key=lambda item: item[0]):
            for tag in self._tags[one.get("dataItemId", "")]:
                if number <= self._seen.get(tag.handle, -1):
                    continue  # `current` and `sample` overlap
                self._seen[tag.handle] = number
                reading = _reading(tag, one)
                self._latest[tag.handle] = reading
                readings.append(reading)
        return readings


def _header(root: Element) -> dict[str, str]:
    for child in root:
        if child.tag.endswith("Header"):
            return child.attrib
    raise NotServedError("the agent's answer has no header")


def _reading(tag: BoundTag, one: Element) -> Reading:
    """A sample or event is its text; a condition is its state: Normal, Warning, Fault."""
    name = one.tag.rpartition("}")[2]
    try:
        at_ms = milliseconds(one.get("timestamp"))
    except ValueError:
        at_ms = 0  # the time of reading counts
    text = name if name in _CONDITIONS else (one.text or "").strip()
    if text.upper() == _UNAVAILABLE:
        return tag.handle, None, _BAD, at_ms
    return tag.handle, typed(text, tag.datatype), _GOOD, at_ms


_CONDITIONS: Final = ("Normal", "Warning", "Fault", "Unavailable")
