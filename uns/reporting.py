"""Report by exception: of what a device says, that which is worth publishing.

Every reading passes these filters, in this order:

1. coercion to the tag's datatype, and scaling; what does not fit becomes Bad;
2. a clock far ahead of ours makes a reading Uncertain, a missing time becomes ours;
3. a change of quality always passes, and so does the first reading after a reconnect;
4. an equal value, or one within the deadband, is held back - but never for longer than the
   heartbeat, so that unchanged is not taken for dead;
5. a value that comes sooner after the last one than the deadband's time waits, and `tick` lets
   the newest of those that waited through.

`lost` and `tick` say what has gone stale: once, with the last value and the time of the loss.

A source that reports by itself says nothing while nothing changes. Its keep-alives vouch for what
it said last: `alive` keeps that from going stale, and has it repeated at the heartbeat. A repeated
value keeps the source's own time: a keep-alive says that nothing changed, not that anything was
measured, and a time of ours between two of the source's could be later than its next one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from uns.coercion import coercion
from uns.equipment import Tag
from uns.metric import Quality, Reading, Value

__all__ = ["HEARTBEAT_MS", "Reporter"]

HEARTBEAT_MS = 60_000
_SPREAD_MS = 15_000  # heartbeats come this much earlier by turns, not all at the same moment
_SKEW_MS = 5_000  # a source clock further ahead is counted
_WRONG_CLOCK_MS = 300_000  # and further ahead than this it makes the value Uncertain
_LAST_MS = 253_402_300_799_999  # the end of the year 9999: no clock of a plant says more

_GOOD, _UNCERTAIN = int(Quality.GOOD), int(Quality.UNCERTAIN)
_BAD, _STALE = int(Quality.BAD), int(Quality.STALE)
_NEVER = -1  # the quality of a tag that has not been reported yet
_UNMOVED = frozenset((_NEVER, _BAD, _STALE))  # qualities that a loss does not change
_NOTHING = object()  # equal to no value


class _Watch:
    """What is known of one tag: how to read it, and what was last reported of it."""

    __slots__ = (
        "at_ms",
        "before",
        "convert",
        "deadband",
        "due_ms",
        "free_ms",
        "handle",
        "heard_ms",
        "heartbeat_ms",
        "high",
        "low",
        "pause_ms",
        "plain",
        "quality",
        "raw",
        "raw_quality",
        "stale_ms",
        "value",
        "waiting",
    )

    def __init__(self, handle: int, tag: Tag) -> None:
        rules = coercion(tag.datatype, tag.scale)
        self.plain, self.low, self.high = rules.plain, rules.low, rules.high
        self.convert = rules.convert
        is_number = tag.datatype.is_integer or tag.datatype.is_real
        self.deadband = tag.deadband if is_number and not tag.deliver_every else 0.0
        self.pause_ms = 0 if tag.deliver_every else round(tag.deadband_s * 1000)
        self.stale_ms = round(tag.stale_s * 1000) if tag.stale_s else 0
        longest = min(HEARTBEAT_MS, self.stale_ms // 2 or HEARTBEAT_MS)
        if tag.heartbeat_s:
            longest = round(tag.heartbeat_s * 1000)
        spread = handle * 7919 % min(_SPREAD_MS, longest // 4 + 1)
        self.heartbeat_ms = max(longest - spread, self.pause_ms)
        self.handle = handle
        self.raw: Any = _NOTHING  # as the device last said it
        self.raw_quality = _NEVER
        self.value: Value = None  # as it was last reported
        self.quality = _NEVER
        self.at_ms = 0  # the source's time of it
        self.before = _NEVER  # the quality that it had before it was stale
        self.due_ms = 0  # when it is reported though nothing changed
        self.free_ms = 0  # until when a change waits
        self.waiting: Reading | None = None
        self.heard_ms = 0

    @property
    def reading(self) -> Reading:
        """What was last reported."""
        return self.handle, self.value, self.quality, self.at_ms


class Reporter:
    """Decides for many tags; handles are those the readings carry.

    `skew_ms` is how far the fastest source clock was ahead of ours, 0 while none was more than
    5 s; `misfits` counts readings whose value did not fit the tag's datatype.
    """

    def __init__(self, tags: Mapping[int, Tag]) -> None:
        self._watches: dict[int, _Watch] = {}
        self._limited: list[_Watch] = []
        self._waiting: dict[int, _Watch] = {}
        self._vouched: dict[int, _Watch] = {}  # to be repeated by the next tick
        self.change(tags)
        self.skew_ms = 0
        self.misfits = 0
        self._misfits: set[int] = set()  # handles of those that may be Bad for it now

    def change(self, tags: Mapping[int, Tag]) -> None:
        """From now on these are the tags; what is known of a handle that stays is kept."""
        self._watches = {
            handle: self._watches.get(handle) or _Watch(handle, tag) for handle, tag in tags.items()
        }
        self._limited = [watch for watch in self._watches.values() if watch.stale_ms]
        self._waiting = {h: watch for h, watch in self._waiting.items() if h in self._watches}
        self._vouched = {h: watch for h, watch in self._vouched.items() if h in self._watches}

    def known(self, handles: Iterable[int]) -> list[Reading]:
        """What was last reported of each tag that was, with the time it was last heard of."""
        watches = [self._watches[handle] for handle in handles if handle in self._watches]
        return [
            (watch.handle, watch.value, watch.quality, watch.heard_ms)
            for watch in watches
            if watch.quality != _NEVER
        ]

    def misfitting(self) -> dict[int, Value]:
        """What the device says of each tag that is Bad now because that does not fit it.

        NaN and infinity are a device's own words for no value, and not among them.
        """
        watches = [self._watches[handle] for handle in self._misfits if handle in self._watches]
        found = {watch.handle: watch.raw for watch in watches if _is_misfit(watch)}
        self._misfits = set(found)
        return found

    def counts(self, handle: int) -> bool:
        """Whether the device has whole numbers for a tag, as far as it has said."""
        watch = self._watches.get(handle)
        return watch is not None and type(watch.raw) is int

    def observed(self, readings: Iterable[Reading], now_ms: int) -> list[Reading]:
        """What of `readings` is to be published; readings of unknown handles are dropped."""
        worth: list[Reading] = []
        find, latest_ms = self._watches.get, now_ms + _SKEW_MS
        for handle, raw, quality, at in readings:
            watch = find(handle)
            if watch is None:
                continue
            watch.heard_ms = now_ms
            is_early = now_ms < watch.due_ms
            if raw == watch.raw and quality == watch.raw_quality and is_early:
                continue
            watch.raw = raw
            watch.raw_quality = quality
            if type(raw) is watch.plain and watch.low <= raw <= watch.high:
                value = raw
            else:
                value = watch.convert(raw)
                if value is None and quality > _BAD:
                    quality = self._without_value(watch, quality)
            if not 0 < at <= latest_ms:
                at, quality = self._doubted(at, quality, now_ms)
            is_same = is_early and quality == watch.quality
            if is_same and (value == watch.value or (watch.deadband and _is_near(value, watch))):
                watch.waiting = None  # it is back at what was reported
                continue
            if watch.pause_ms:
                does_wait = is_same and now_ms < watch.free_ms
                self._pace(watch, (handle, value, quality, at) if does_wait else None, now_ms)
                if does_wait:
                    continue
            watch.value = value
            watch.quality = quality
            watch.at_ms = at
            watch.due_ms = now_ms + watch.heartbeat_ms
            worth.append((handle, value, quality, at))
        return worth

    def lost(self, handles: Iterable[int], now_ms: int) -> list[Reading]:
        """Stale readings for tags whose source is gone; nothing for those already marked.

        What waited comes before. A tag that was Bad stays Bad: being lost does not make it better.
        """
        watches = [self._watches[handle] for handle in handles if handle in self._watches]
        waited = [self._free(watch, now_ms) for watch in watches if watch.waiting]
        stale = [_stale(watch, now_ms) for watch in watches if watch.quality not in _UNMOVED]
        return waited + stale

    def tick(self, now_ms: int) -> list[Reading]:
        """What has become due: values that waited or are repeated, tags that were silent too long."""
        waiting = [watch for watch in self._waiting.values() if watch.waiting]
        self._waiting = {watch.handle: watch for watch in waiting if now_ms < watch.free_ms}
        due = [watch for watch in waiting if now_ms >= watch.free_ms]
        repeated, self._vouched = self._vouched.values(), {}
        said = [watch.reading for watch in repeated if watch.quality != _STALE]
        said += [self._free(watch, now_ms) for watch in due]
        for watch in self._limited:
            if now_ms - watch.heard_ms > watch.stale_ms and watch.quality not in _UNMOVED:
                said += [self._free(watch, now_ms)] if watch.waiting else []
                said.append(_stale(watch, now_ms))
        return said

    def alive(self, handles: Iterable[int], now_ms: int) -> None:
        """Note that a source vouches for what it said last: a keep-alive.

        The next `tick` repeats what is due at the heartbeat, and what went stale meanwhile and is
        true after all - unless there was a `restart`: then the source says everything anew.
        """
        for handle in handles:
            watch = self._watches.get(handle)
            if watch is None or watch.quality == _NEVER:
                continue
            watch.heard_ms = now_ms
            if watch.quality == _STALE:
                if watch.before == _NEVER:
                    continue
                watch.quality = watch.before
            elif now_ms < watch.due_ms or not watch.due_ms:
                continue
            watch.due_ms = now_ms + watch.heartbeat_ms
            self._vouched[handle] = watch

    def restart(self, handles: Iterable[int]) -> None:
        """Let the next reading of each tag pass, whatever it says.

        For a session that begins anew. One that goes on where the last one ended does not say
        again what has not changed: there `alive` is enough.
        """
        for handle in handles:
            watch = self._watches.get(handle)
            if watch is not None:
                watch.due_ms = 0
                watch.before = _NEVER

    def _pace(self, watch: _Watch, waits: Reading | None, now_ms: int) -> None:
        """Let a reading wait in the place of the one that did, or begin the time anew."""
        watch.waiting = waits
        if waits:
            self._waiting[watch.handle] = watch
        else:
            watch.free_ms = now_ms + watch.pause_ms

    def _free(self, watch: _Watch, now_ms: int) -> Reading:
        """Report the value that waited."""
        reading = watch.waiting
        assert reading is not None  # noqa: S101 - asked by the callers
        self._pace(watch, None, now_ms)
        _, watch.value, watch.quality, watch.at_ms = reading
        watch.due_ms = now_ms + watch.heartbeat_ms
        return reading

    def _without_value(self, watch: _Watch, quality: int) -> int:
        if quality == _STALE:
            return quality
        if watch.raw is not None:
            self.misfits += 1
            self._misfits.add(watch.handle)
        return _BAD

    def _doubted(self, at: int, quality: int, now_ms: int) -> tuple[int, int]:
        """The time and quality of a reading whose time is missing or ahead of ours."""
        if not 0 < at <= _LAST_MS:
            return now_ms, quality
        lead_ms = at - now_ms
        self.skew_ms = max(self.skew_ms, lead_ms)
        is_wrong = lead_ms > _WRONG_CLOCK_MS and quality == _GOOD
        return at, _UNCERTAIN if is_wrong else quality


def _is_near(value: Any, watch: _Watch) -> bool:
    """Whether `value` is within the deadband of what was reported."""
    if value is None or watch.value is None:
        return False
    return -watch.deadband <= value - watch.value <= watch.deadband  # type: ignore[no-any-return]


def _is_misfit(watch: _Watch) -> bool:
    raw = watch.raw
    if raw is None or raw is _NOTHING or watch.raw_quality in (_BAD, _STALE):
        return False
    is_no_number = isinstance(raw, float) and not math.isfinite(raw)
    return not is_no_number and watch.convert(raw) is None


def _stale(watch: _Watch, now_ms: int) -> Reading:
    watch.before = watch.quality
    watch.quality = _STALE
    watch.raw = _NOTHING  # the same value again is news
    return watch.handle, watch.value, _STALE, now_ms
