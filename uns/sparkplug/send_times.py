"""When messages are said to be sent: in order, and no birth in the millisecond of another message."""

from __future__ import annotations

__all__ = ["SendTimes"]

_SLACK_MS = 1_000  # how far times may run ahead of the clock to stay in order


class SendTimes:
    """The payload times of one edge node.

    By these alone a host tells what follows an NBIRTH from what came before it: both carry small
    seq numbers, and brokers keep the order of one topic only. A clock that is put back by more
    than a second is believed.
    """

    def __init__(self) -> None:
        self._last_ms = 0

    def of_birth(self, now_ms: int) -> int:
        """The time of a whole sequence of births: later than all that was sent before."""
        return self._not_before(self._last_ms + 1, now_ms)

    def of_message(self, now_ms: int) -> int:
        """The time of the next message: not before the last."""
        self._last_ms = self._not_before(self._last_ms, now_ms)
        return self._last_ms

    def _not_before(self, earliest_ms: int, now_ms: int) -> int:
        return earliest_ms if 0 < earliest_ms - now_ms <= _SLACK_MS else now_ms
