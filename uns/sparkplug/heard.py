"""What an edge node said lately: samples that it sends again after a loss are known by it.

Theory of operation
    QoS 0 gives no receipt, so an edge node that lost its broker sends again, as historical, what
    it had sent just before. To tell which of it arrived, the last seconds of each node are kept:
    of live messages only their bytes (17 a metric), for they are hardly ever looked at. The first
    historical message has them read once more; while none comes there is no index to maintain.
    The window does not run on while the node is away. What is older than the window, or beyond
    its bytes, is not known any more and is told twice rather than never.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from itertools import islice
from typing import Any, NamedTuple, TypeAlias

from uns.errors import PeerProtocolError
from uns.sparkplug.envelope import LIMITS, Limits, parse
from uns.sparkplug.known_device import KnownDevice, Update

__all__ = ["Heard"]

_SAMPLE_BYTES = 32  # of a historical sample, about: its name, value and time are kept

# device, metric, value, quality, time
_Sample: TypeAlias = tuple[str, str, Hashable, int, int]


class _Said(NamedTuple):
    heard_ms: int  # by the window's clock
    size: int
    device_id: str
    device: KnownDevice | None
    data: bytes
    sent_ms: int


class Heard:
    """The last `window_ms` of one edge node, `most_bytes` of it at most."""

    def __init__(
        self, window_ms: int = 20_000, most_bytes: int = 2 * 1024 * 1024, limits: Limits = LIMITS
    ) -> None:
        self._window_ms = window_ms
        self._most_bytes = most_bytes
        self._limits = limits
        self._said: deque[_Said] = deque()
        self._size = 0
        self._taken = 0  # how many messages have left `_said`: the number of its first
        self._samples: deque[tuple[_Sample, ...]] = deque()  # of the first messages of `_said`
        self._index: dict[_Sample, int] = {}  # the number of the last message that has it
        self._away_ms = 0  # how long the node was away in all, until …
        self._since_ms: int | None = None  # … it went now
        self._asked_ms = 0  # when the index was last used

    def note(
        self, device_id: str, device: KnownDevice, data: bytes, sent_ms: int, now_ms: int
    ) -> None:
        """A birth or data message was applied. This is on the hot path."""
        clock_ms = now_ms - self._away_ms
        size = len(data)
        self._said.append(_Said(clock_ms, size, device_id, device, data, sent_ms))
        self._size += size
        self._forget(clock_ms)

    def went(self, now_ms: int) -> None:
        """The node is gone: its last words stay as they are until it is back."""
        if self._since_ms is None:
            self._since_ms = now_ms

    def came(self, now_ms: int) -> None:
        """The node is back."""
        if self._since_ms is not None:
            self._away_ms += max(0, now_ms - self._since_ms)
            self._since_ms = None

    def unheard(self, device_id: str, updates: list[Update], now_ms: int) -> list[Update]:
        """Those historical updates that did not come before, live or not; notes them."""
        clock_ms = now_ms - self._away_ms
        self._forget(clock_ms)
        self._read_again()
        self._asked_ms = clock_ms
        index = self._index
        samples = [
            _sample(device_id, slot.name, value, quality, at_ms)
            for slot, value, quality, at_ms in updates
        ]
        found = [
            update for update, sample in zip(updates, samples, strict=True) if sample not in index
        ]
        size = _SAMPLE_BYTES * len(samples)
        self._said.append(_Said(clock_ms, size, device_id, None, b"", 0))
        self._size += size
        self._put(tuple(samples))
        return found

    def _read_again(self) -> None:
        """Bring the index up to the last message."""
        for said in islice(self._said, len(self._samples), None):
            if said.device is None:
                self._put(())
                continue
            try:
                metrics = parse(said.data, self._limits).metrics
            except PeerProtocolError:  # one of its metrics was not readable; births were asked for
                metrics = ()
            self._put(
                tuple(
                    _sample(said.device_id, *sample)
                    for sample in said.device.samples(metrics, said.sent_ms)
                )
            )

    def _put(self, samples: tuple[_Sample, ...]) -> None:
        """The samples of the first message that has none yet."""
        number = self._taken + len(self._samples)
        self._samples.append(samples)
        self._index.update(dict.fromkeys(samples, number))

    def _forget(self, clock_ms: int) -> None:
        """What is too old or too much; and the index, where nobody has asked for long."""
        said, since_ms = self._said, clock_ms - self._window_ms
        while said and (said[0].heard_ms < since_ms or self._size > self._most_bytes):
            self._size -= said.popleft().size
            if self._samples:
                for sample in self._samples.popleft():
                    if self._index.get(sample) == self._taken:
                        del self._index[sample]
            self._taken += 1
        if self._samples and self._asked_ms < since_ms:
            self._drop_index()

    def _drop_index(self) -> None:
        """Messages that hold no bytes to read again are forgotten: they are older than all asked."""
        self._samples.clear()
        self._index.clear()


def _sample(device_id: str, name: str, value: Any, quality: int, at_ms: int) -> _Sample:
    try:
        hash(value)
    except TypeError:  # a template holds mappings
        value = repr(value)
    return (device_id, name, value, quality, at_ms)
