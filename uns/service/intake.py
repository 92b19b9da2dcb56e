"""The intake of a connection: what a session delivers, stamped, and sorted into current and late.

Late is what was overtaken: a value that is older than one delivered before it, and, of what a
source kept while nobody listened, all but the newest of a batch. Late values are history. They
must not be shown as what a tag is now, and must not be lost.

A clock that was set back must not make a tag silent. So a time that is older than the last one
is believed to be now where the last one was ahead of ours, and where it goes on for five seconds
at about the pace of our clock: what comes late comes faster, or between values that are current.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from uns.metric import Quality, Reading
from uns.service.device_clock import DeviceClock, Turn

__all__ = ["Intake"]

_GOOD = int(Quality.GOOD)
_SLACK_MS = 5_000
_SET_BACK_MS = 5_000
_FAR_MS = 3_600_000  # ahead of ours: a clock or a time zone may be wrong by so much, not more
_PACE = 2  # times that of our clock
_MOST_ANEW = 100_000  # readings, 20 MB; beyond it the oldest may be told once more, as late


class Intake:
    """For the tags of one connection, over all of its sessions; times in ms since 1970 UTC."""

    def __init__(
        self, handles: Iterable[int], *, is_ours: bool = False, remembers: bool = False
    ) -> None:
        """With `is_ours` every value gets the time at which it came: the source's is wrong."""
        self._last = dict.fromkeys(handles, 0)  # the newest time of a good value
        self._is_ours = is_ours
        self._remembered: dict[int, Reading] | None = {} if remembers else None
        self._before: dict[int, Reading] = {}  # what was remembered when the session began
        self._anew: dict[Reading, bool] = {}  # told when read anew; whether it came once more
        self._behind: dict[int, tuple[int, int]] = {}  # since when, by our clock and by theirs
        self._kept_until_ms = 0  # while a source hands in what it kept; 0 when it has
        self._newest_ms = 0  # where the source's times are not used
        self.clock = DeviceClock()
        self.turn: Turn | None = None  # of the clock, in the latest batch

    def change(self, handles: Iterable[int]) -> None:
        """From now on these are the tags; readings of others are dropped."""
        self._last = {handle: self._last.get(handle, 0) for handle in handles}
        if self._remembered is not None:
            told = self._remembered.items()
            self._remembered = {handle: one for handle, one in told if handle in self._last}

    def began(self, now_ms: int, *, is_resumed: bool) -> None:
        """A session was opened: one that goes on from the last, or one that tells all anew."""
        self._behind.clear()
        self._before = dict(self._remembered or {})
        self._kept_until_ms = 0
        if is_resumed:
            self._kept_until_ms = now_ms + self._ahead_ms
        else:
            self._anew.clear()
            self._last = dict.fromkeys(self._last, 0)

    def refreshed(self, readings: Sequence[Reading], now_ms: int) -> list[Reading]:
        """How things stand now that a session was resumed, as read anew.

        Without `readings` it is what was said last, of tags that said nothing since.
        """
        if not readings:
            told = (self._remembered or {}).items()
            return [one for handle, one in told if self._before.get(handle) is one]
        until_ms = self._kept_until_ms
        newest_ms = max(reading[3] for reading in readings)
        self._kept_until_ms = 0
        current, _ = self.take(readings, now_ms)
        self._note_anew(current)
        self._kept_until_ms = max(until_ms, newest_ms + 1)
        return current

    def _note_anew(self, told: Iterable[Reading]) -> None:
        """Know these again when their source hands them in, be it sessions later."""
        self._anew.update(dict.fromkeys(told, False))
        for oldest in list(islice(self._anew, max(0, len(self._anew) - _MOST_ANEW))):
            del self._anew[oldest]

    def take(self, readings: Sequence[Reading], now_ms: int) -> tuple[list[Reading], list[Reading]]:
        """The current readings of a batch, and the late ones, each with a time."""
        last = self._last
        if self._is_ours:
            stamped = [(one[0], one[1], one[2], now_ms) for one in readings if one[0] in last]
            self._remember(stamped)
            newest = max((reading[3] for reading in readings), default=0)
            if newest > self._newest_ms:
                self.clock.seen(newest, now_ms)
                self._newest_ms = newest
            return stamped, []
        if not self._kept_until_ms:
            current, late, newest = self._in_order(readings, now_ms)
            self.turn = self.clock.seen(newest, now_ms) if newest else None
            self._remember(current)
            return current, late
        readings, overtaken = self._overtaken(readings)
        current, late, _ = self._in_order(readings, now_ms)
        self._remember(current)
        return current, overtaken + late

    def stamped(self, readings: Iterable[Reading], now_ms: int) -> list[Reading]:
        """The same readings, each with a time."""
        return [
            one if one[3] and not self._is_ours else (one[0], one[1], one[2], now_ms)
            for one in readings
        ]

    @property
    def _ahead_ms(self) -> int:
        """How far their clock is ahead; a mistyped year is no clock until it goes on."""
        ahead_ms = self.clock.ahead_ms or 0
        return 0 if ahead_ms > _FAR_MS and not self.clock.is_wrong else ahead_ms

    def _remember(self, current: Iterable[Reading]) -> None:
        if self._remembered is not None:
            self._remembered |= {reading[0]: reading for reading in current}

    def _in_order(
        self, readings: Sequence[Reading], now_ms: int
    ) -> tuple[list[Reading], list[Reading], int]:
        """What follows what its tag said before, what does not, and the newest time of news."""
        last, behind = self._last, self._behind
        current: list[Reading] = []
        late: list[Reading] = []
        newest = 0
        for reading in readings:
            handle, value, quality, at = reading
            before = last.get(handle)
            if before is None:
                continue
            if not at:
                current.append((handle, value, quality, now_ms))
            elif quality != _GOOD:
                current.append(reading)  # how it stands now; the value keeps its old time
            elif at > before:
                if before and at > newest:
                    newest = at
                last[handle] = at
                current.append(reading)
                if behind:
                    behind.pop(handle, None)
            elif at == before or self._is_set_back(handle, at, now_ms):
                last[handle] = at
                current.append(reading)
            else:
                late.append(reading)
        return current, late, newest

    def _overtaken(self, readings: Sequence[Reading]) -> tuple[list[Reading], list[Reading]]:
        """A batch without what was kept for us and is not its tag's newest, and just that."""
        until_ms = self._kept_until_ms
        newest = {reading[0]: number for number, reading in enumerate(readings)}
        rest: list[Reading] = []
        late: list[Reading] = []
        has_old = has_new = False
        for number, reading in enumerate(readings):
            is_old = 0 < reading[3] < until_ms
            has_old = has_old or is_old
            has_new = has_new or reading[3] >= until_ms
            is_newest = newest[reading[0]] == number
            if reading in self._anew and self._was_told(reading, is_newest=is_newest):
                continue
            is_late = is_old and not is_newest and reading[0] in self._last
            (late if is_late else rest).append(reading)
        if has_new and not has_old:
            self._kept_until_ms = 0
            self._anew.clear()
        return rest, late

    def _was_told(self, reading: Reading, *, is_newest: bool) -> bool:
        """Whether what was read anew is only told again; the second time the newest vouches."""
        came_before = self._anew[reading]
        self._anew[reading] = True
        return not (came_before and is_newest and reading[3] >= self._last.get(reading[0], 0))

    def _is_set_back(self, handle: int, at: int, now_ms: int) -> bool:
        """Whether an older time means that the clock was set, not that the value is old."""
        if self._last[handle] > now_ms + max(self._ahead_ms, 0) + _SLACK_MS:
            return True
        since_ms, from_ms = self._behind.setdefault(handle, (now_ms, at))
        waited_ms = now_ms - since_ms
        if waited_ms < _SET_BACK_MS or not 0 < at - from_ms <= _PACE * waited_ms:
            return False
        del self._behind[handle]
        return True
