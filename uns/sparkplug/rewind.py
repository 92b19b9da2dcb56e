"""The rewind window: what was sent so lately that nobody can know whether it arrived.

Data messages travel at QoS 0. When a connection is lost, the last of them may lie in a socket
that nobody reads any more, in a broker that was killed (and an acknowledgement of QoS 1 would
say no more: Mosquitto acknowledges before it writes), or with a primary host that had died some
seconds before its death was published. So readings are remembered for a while after they were
sent; what is still remembered when something broke is sent again, as historical data with its
own timestamps, and a host tells by (metric, timestamp, value) what it has heard already.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from uns.metric import Reading

__all__ = ["MOST_READINGS", "WINDOW_MS", "Rewind"]

WINDOW_MS = 15_000
"""How long a host may be dead before anybody knows, and some: a broker gives a silent client up
after one and a half keep-alives (MQTT 5.0 §3.1.2.10), 7.5 s with our host's 5 s; Mosquitto 2.0.11
took up to 11.5 s. Our host knows again what it heard within 20 s."""
MOST_READINGS = 200_000  # a window at the rate of a large plant


class Rewind:
    """Readings that were sent within the window; bounded, oldest forgotten first."""

    def __init__(self, *, window_ms: int = WINDOW_MS, most_readings: int = MOST_READINGS) -> None:
        self._window_ms = window_ms
        self._most_readings = most_readings
        self._sent: deque[tuple[int, int, str, Sequence[Reading]]] = deque()
        self._count = 0

    @property
    def count(self) -> int:
        """How many readings are remembered."""
        return self._count

    def sent(
        self, device_id: str, readings: Sequence[Reading], now_ms: int, *, stamp_ms: int = 0
    ) -> None:
        """These readings went out now. They are kept as they are and must not change.

        `stamp_ms` is the time that readings without one travelled with; `now_ms` if not given.
        """
        self._sent.append((now_ms, stamp_ms or now_ms, device_id, readings))
        self._count += len(readings)
        self.tick(now_ms)

    def tick(self, now_ms: int) -> None:
        """Forget what was sent longer than the window ago, or is too much."""
        oldest_ms = now_ms - self._window_ms
        while self._sent and (self._sent[0][0] < oldest_ms or self._count > self._most_readings):
            self._count -= len(self._sent.popleft()[3])

    def take(self, now_ms: int) -> list[tuple[str, list[Reading]]]:
        """What may have been lost, by device in the order it was sent; nothing is remembered then."""
        self.tick(now_ms)
        taken = [
            (device_id, [_stamped(reading, stamp_ms) for reading in readings])
            for _, stamp_ms, device_id, readings in self._sent
        ]
        self._sent.clear()
        self._count = 0
        return taken


def _stamped(reading: Reading, stamp_ms: int) -> Reading:
    if reading[3] > 0:
        return reading
    alias, value, quality, _ = reading
    return (alias, value, quality, stamp_ms)
