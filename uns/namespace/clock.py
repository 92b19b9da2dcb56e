"""Clock: milliseconds since 1970 as the text that a payload's timestamp is."""

from __future__ import annotations

from datetime import datetime, timedelta

from uns.schema.verdict import FIRST_DATETIME_MS, LAST_DATETIME_MS

__all__ = ["MILLISECONDS", "Clock"]

MILLISECONDS = tuple(b".%03dZ" % each for each in range(1000))
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC throughout; the Z is written by hand
_SECONDS_KEPT = 4096  # devices disagree about the time; an hour of seconds is plenty


class Clock:
    """Milliseconds since 1970 as RFC 3339 in UTC; each second is worked out once."""

    __slots__ = ("_seconds",)

    def __init__(self) -> None:
        self._seconds: dict[int, bytes] = {}

    def text(self, timestamp_ms: int) -> bytes:
        """Return `2026-01-08T10:30:00.123Z`; what no calendar holds becomes its nearest end."""
        return self.second(timestamp_ms // 1000) + MILLISECONDS[timestamp_ms % 1000]

    def second(self, second: int) -> bytes:
        """Return the time to the second, `2026-01-08T10:30:00`, to which MILLISECONDS are added."""
        return self._seconds.get(second) or self._remember(second)

    def _remember(self, second: int) -> bytes:
        if len(self._seconds) >= _SECONDS_KEPT:
            self._seconds.clear()
        shown = min(max(second, FIRST_DATETIME_MS // 1000), LAST_DATETIME_MS // 1000)
        text = (_EPOCH + timedelta(seconds=shown)).isoformat().encode()
        self._seconds[second] = text
        return text
