"""Faults: what somebody does to the devices of a simulated plant, for some time."""

from __future__ import annotations

import asyncio
import itertools
import logging
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from uns.equipment import Tag
from uns.errors import DeviceError
from uns.sim.device import WELL, Condition, Device

__all__ = ["DEFAULT_LASTS_S", "Fault", "Faults", "Hit", "Kind", "Outcome", "condition_of"]

log = logging.getLogger("uns.sim")


class Kind(StrEnum):
    """What can be done to a device."""

    HANG = "hang"
    CUT = "cut"
    RESTART = "restart"
    DROP_TAGS = "drop-tags"
    SKEW = "skew"
    SLOW = "slow"


DEFAULT_LASTS_S: Final = {kind: 5.0 if kind is Kind.RESTART else 30.0 for kind in Kind}
_MOST = 1_000  # faults at once
_END_S = 10.0  # for what is on its way to a device
_DAY_S = 86_400.0
_AMOUNTS: Final = {  # the least and the most of each, in its unit
    Kind.DROP_TAGS: (0.0, 1.0),
    Kind.SKEW: (-366 * _DAY_S, 366 * _DAY_S),
    Kind.SLOW: (0.0, 3_600.0),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `amount` is a share of the tags (drop-tags), or seconds (skew, slow)."""

    kind: Kind
    lasts_s: float
    amount: float = 0.0

    def check(self) -> None:
        """Raise DeviceError where no device could have it."""
        if not 0 < self.lasts_s <= _DAY_S:
            raise DeviceError(f"a fault lasts up to a day, not {self.lasts_s:g} s")
        least, most = _AMOUNTS.get(self.kind, (-1.0, 0.0))
        if not least <= self.amount <= most or (self.kind in _AMOUNTS and not self.amount):
            raise DeviceError(f"{self} is not possible", hint=_POSSIBLE[self.kind])

    def __str__(self) -> str:
        match self.kind:
            case Kind.DROP_TAGS:
                return f"{self.kind} {self.amount:.0%}"
            case Kind.SKEW:
                return f"{self.kind} {self.amount:+g}s"
            case Kind.SLOW:
                return f"{self.kind} {self.amount:g}s"
        return str(self.kind)


_POSSIBLE: Final = {
    Kind.HANG: "it has no amount",
    Kind.CUT: "it has no amount",
    Kind.RESTART: "it has no amount",
    Kind.DROP_TAGS: "up to all of the tags: 50%, 100%",
    Kind.SKEW: "a clock is off by up to a year: +7m, -2h",
    Kind.SLOW: "answers take up to an hour longer: 200ms, 2s",
}


@dataclass(frozen=True, slots=True)
class Hit:
    """A fault that a device has: asked for at `place`, until `until_ms`.

    `also` are the machines elsewhere that have the same device, `missing` the tags it lost.
    """

    number: int
    device: str
    fault: Fault
    place: str
    until_ms: int
    machines: int
    also: tuple[str, ...] = ()
    missing: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was hit, and which devices could not be, with the reason."""

    hits: tuple[Hit, ...]
    spared: Mapping[str, str] = field(default_factory=dict)


class Faults:
    """The faults of one plant: each ends by itself, and several may be on at once."""

    def __init__(self, devices: Sequence[Device], machines: Mapping[str, Sequence[Tag]]) -> None:
        """`machines` are the tags of each machine, by its topic."""
        self._devices = {device.name: device for device in devices}
        self._machine_of = {
            tag.topic.text: machine for machine, tags in machines.items() for tag in tags
        }
        self._on: dict[int, Hit] = {}
        self._numbers = itertools.count(1)
        self._timers: dict[int, asyncio.Task[None]] = {}

    async def begin(self, place: str, fault: Fault) -> Outcome:
        """Do this to every device below a place; raises DeviceError where there is none."""
        fault.check()
        found = self._below(place)
        if len(self._on) + len(found) > _MOST:
            raise DeviceError(
                f"{len(self._on)} faults are on, and more than {_MOST} are not kept",
                hint="uns sim fault heal",
            )
        until_ms = _now_ms() + int(fault.lasts_s * 1000)
        hits: list[Hit] = []
        spared: dict[str, str] = {}
        for name, topics in found.items():
            device = self._devices[name]
            why = _why_not(device, fault)
            missing = frozenset[str]()
            if not why and fault.kind is Kind.DROP_TAGS:
                missing = _chosen(device, topics, fault.amount)
                why = "" if missing else "none of its tags can be missing alone"
            if why:
                spared[name] = why
                continue
            hit = Hit(
                next(self._numbers), name, fault, place, until_ms, len(self._machines(topics)),
                self._machines(device.topics - topics), missing,
            )  # fmt: skip
            hits.append(hit)
            self._on[hit.number] = hit
        await self._apply(hit.device for hit in hits)
        for hit in hits:
            log.info("%s: %s for %g s", hit.device, fault, fault.lasts_s)
            timer = asyncio.create_task(self._end_later(hit), name=f"sim:fault-{hit.number}")
            self._timers[hit.number] = timer
            timer.add_done_callback(_say_why)
        return Outcome(tuple(hits), spared)

    def listed(self) -> tuple[Hit, ...]:
        """What is on now, in the order in which it began."""
        return tuple(self._on.values())

    async def heal(self, place: str = "") -> tuple[Hit, ...]:
        """End every fault, or those of the devices below a place; returns what was ended."""
        where = self._below(place) if place else self._devices
        ended = [hit for hit in self._on.values() if hit.device in where]
        for hit in ended:
            self._forget(hit)
        await self._apply(hit.device for hit in ended)
        return tuple(ended)

    async def close(self) -> None:
        """Wait for nothing any more; devices stay as they are."""
        timers = tuple(self._timers.values())
        self._timers.clear()
        for timer in timers:
            timer.cancel()
        if timers:
            await asyncio.wait(timers, timeout=_END_S)

    async def _end_later(self, hit: Hit) -> None:
        await asyncio.sleep(hit.fault.lasts_s)
        del self._on[hit.number], self._timers[hit.number]
        log.info("%s: %s is over", hit.device, hit.fault)
        await self._apply([hit.device])

    def _forget(self, hit: Hit) -> None:
        del self._on[hit.number]
        self._timers.pop(hit.number).cancel()

    async def _apply(self, names: Iterable[str]) -> None:
        """Let devices be as their faults say."""
        async with asyncio.TaskGroup() as tasks:
            for name in dict.fromkeys(names):
                mine = [hit for hit in self._on.values() if hit.device == name]
                become = self._devices[name].become(condition_of(mine))
                tasks.create_task(become, name=f"sim:{name}")

    def _below(self, place: str) -> dict[str, frozenset[str]]:
        """The devices that serve a place, by name, and which of their tags lie there."""
        names, chosen = self._names(), place.strip("/")
        found: dict[str, frozenset[str]] = {}
        for name, device in self._devices.items():
            if any(fnmatchcase(key, place) for key in (name, *device.endpoint.connections)):
                found[name] = device.topics
                continue
            topics = frozenset(topic for topic in device.topics if _is_below(topic, chosen))
            if topics:
                found[name] = topics
        if found:
            return found
        near = get_close_matches(place, names, n=3, cutoff=0.5)
        nearest = (
            "the nearest: " + ", ".join(near) if near else "for example " + min(names, key=len)
        )
        raise DeviceError(f"nothing that is simulated here is called {place}", hint=nearest)

    def _names(self) -> list[str]:
        """Every place that can be named: topics from the enterprise on, and without it; keys."""
        names: dict[str, None] = {}
        for machine in self._machine_of.values():
            levels = machine.split("/")
            for depth in range(1, len(levels) + 1):
                names["/".join(levels[:depth])] = None
                names["/".join(levels[1:depth])] = None
        names.pop("", None)
        for device in self._devices.values():
            names |= dict.fromkeys(device.endpoint.connections)
        return list(names)

    def _machines(self, topics: Iterable[str]) -> tuple[str, ...]:
        return tuple(sorted({self._machine_of[topic] for topic in topics}))


def condition_of(hits: Sequence[Hit]) -> Condition:
    """What all faults of one device together make of it.

    >>> condition_of([])
    Condition(is_silent=False, is_unplugged=False, is_down=False, lag_s=0.0, skew_ms=0, missing=frozenset())
    """
    if not hits:
        return WELL
    kinds = {hit.fault.kind for hit in hits}
    return Condition(
        is_silent=bool(kinds & {Kind.HANG, Kind.CUT}),
        is_unplugged=Kind.CUT in kinds,
        is_down=Kind.RESTART in kinds,
        lag_s=sum(hit.fault.amount for hit in hits if hit.fault.kind is Kind.SLOW),
        skew_ms=round(sum(h.fault.amount for h in hits if h.fault.kind is Kind.SKEW) * 1000),
        missing=frozenset[str]().union(*(hit.missing for hit in hits)),
    )


def _is_below(topic: str, place: str) -> bool:
    """Whether a tag is a place or lies below it; the enterprise may be left out.

    >>> [_is_below("acme/leeds/line1/filler/speed", place) for place in ("leeds/*/filler", "line1")]
    [True, False]
    """
    levels = topic.split("/")
    if "*" not in place:
        return f"{topic}/".startswith(f"{place}/") or (
            "/".join([*levels[1:], ""]).startswith(f"{place}/")
        )
    wanted = place.split("/")
    return any(
        len(wanted) <= len(named) and all(map(fnmatchcase, named, wanted))
        for named in (levels, levels[1:])
    )


def _why_not(device: Device, fault: Fault) -> str:
    """Why a device cannot have a fault; empty where it can."""
    if fault.kind is Kind.SKEW and not device.endpoint.has_clock:
        return f"nobody sees its clock: {device.endpoint.driver} tells no times here"
    if fault.kind is Kind.SLOW and not device.is_networked:
        return "a file answers nobody, so it cannot be slow"
    return ""


def _chosen(device: Device, topics: frozenset[str], share: float) -> frozenset[str]:
    """A share of some tags, the same ones every time."""
    can = [tag.topic.text for tag in device.endpoint.tags if device.endpoint.can_miss(tag)]
    able = sorted(topics.intersection(can))
    count = min(max(round(share * len(topics)), 1), len(able))
    return frozenset(random.Random(f"{device.name}:{share}").sample(able, count))


def _say_why(timer: asyncio.Task[None]) -> None:
    if not timer.cancelled() and timer.exception() is not None:
        log.error("a fault did not end: %s", timer.exception())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
