"""A small MTConnect agent: `probe`, `current`, `sample`, and a buffer that forgets.

After the MTConnect standard, part 1: observations are numbered; `sample` gives those from a
number on; an agent that was started anew has another instanceId.
"""

from __future__ import annotations

import itertools
import time
from collections import deque
from datetime import UTC, datetime
from typing import Final, NamedTuple
from xml.sax.saxutils import escape, quoteattr

from uns.metric import Value

__all__ = ["MtConnectAgent"]

_XMLNS: Final = "urn:mtconnect.org:MTConnect{}:1.7"
_instances = itertools.count(time.time_ns() // 1_000_000_000)


class _Observation(NamedTuple):
    number: int
    item: str
    value: Value
    at_ms: int


class MtConnectAgent:
    """Observations of some data items; `size` of them are kept."""

    def __init__(self, items: list[str], *, size: int = 10_000) -> None:
        self.instance = next(_instances)
        self._items = items
        self._next = 1
        self._buffer: deque[_Observation] = deque(maxlen=size)
        self._latest: dict[str, _Observation] = {}

    def observe(self, item: str, value: Value, at_ms: int) -> None:
        """Take an observation in; None is UNAVAILABLE."""
        seen = _Observation(self._next, item, value, at_ms)
        self._next += 1
        self._buffer.append(seen)
        self._latest[item] = seen

    def probe(self) -> str:
        """What there is."""
        items = "".join(
            f'<DataItem id={quoteattr(item)} category="SAMPLE" type="LOAD"/>'
            for item in self._items
        )
        return self._document(
            "Devices",
            f'<Devices><Device id="d1" name="sim" uuid="sim"><DataItems>{items}</DataItems></Device></Devices>',
        )

    def current(self) -> str:
        """The latest observation of each item."""
        return self._streams(sorted(self._latest.values()))

    def sample(self, first: int, count: int) -> tuple[int, str]:
        """Observations from a number on: an HTTP status, and the document."""
        oldest = self._buffer[0].number if self._buffer else self._next
        if not oldest <= first <= self._next or count < 1:
            said = f"from must be between {oldest} and {self._next}"
            errors = f'<Errors><Error errorCode="OUT_OF_RANGE">{said}</Error></Errors>'
            return 404, self._document("Error", errors)
        start = first - oldest
        return 200, self._streams(list(itertools.islice(self._buffer, start, start + count)))

    def _streams(self, seen: list[_Observation]) -> str:
        told = "".join(
            f"<Load dataItemId={quoteattr(one.item)} sequence={quoteattr(str(one.number))} "
            f"timestamp={quoteattr(_stamp(one.at_ms))}>{escape(_text(one.value))}</Load>"
            for one in seen
        )
        after = seen[-1].number + 1 if seen else self._next
        body = (
            '<Streams><DeviceStream name="sim" uuid="sim"><ComponentStream component="Device" '
            f'componentId="d1"><Samples>{told}</Samples></ComponentStream></DeviceStream></Streams>'
        )
        return self._document("Streams", body, after=after)

    def _document(self, kind: str, body: str, *, after: int = 0) -> str:
        size, oldest = self._buffer.maxlen, self._buffer[0].number if self._buffer else self._next
        numbers = (
            f'nextSequence="{after or self._next}" firstSequence="{oldest}" '
            f'lastSequence="{self._next - 1}"'
        )
        now = _stamp(time.time_ns() // 1_000_000)
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><MTConnect{kind} xmlns="{_XMLNS.format(kind)}">'
            f'<Header creationTime="{now}" sender="sim" instanceId="{self.instance}" '
            f'version="1.7.0" bufferSize="{size}" {numbers}/>{body}</MTConnect{kind}>'
        )


def _text(value: Value) -> str:
    return "UNAVAILABLE" if value is None else str(value)


def _stamp(at_ms: int) -> str:
    text = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
