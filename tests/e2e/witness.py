"""An outside subscriber that keeps every value of counters, and judges whether each came once."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

import paho.mqtt.client as paho

from uns.sparkplug.payload import decode

__all__ = ["HEADER", "Books", "Value", "Witness"]

HISTORY = "/_history"
HEADER = (
    "cut s",
    "expected",
    "live",
    "late",
    "missing",
    "doubled",
    "out of order",
    "not late",
    "longest delay s",
)


class Value(NamedTuple):
    """One message about a tag; `shows` is what it says: time and value."""

    heard_s: float
    is_late: bool
    at_ms: int
    value: Any


@dataclass
class Books:
    """What was told of some tags, beside what should have been."""

    expected: int = 0
    live: int = 0
    late: int = 0
    missing: int = 0
    doubled: int = 0
    out_of_order: int = 0
    differing: int = 0  # the same value with another time
    not_late: int = 0  # on the value topic though it is of the cut
    not_historical: int = 0  # told as late, though Sparkplug did not mark it
    repeated: int = 0  # on Sparkplug, as historical, what was there before
    delay_s: float = 0.0  # of what is of the cut, since it was over

    def row(self, cut_s: float) -> tuple[str, ...]:
        """The figures below HEADER."""
        counts = (self.expected, self.live, self.late, self.missing, self.doubled)
        words = [f"{cut_s:g}", *(f"{one:,}" for one in counts)]
        return (*words, str(self.out_of_order), str(self.not_late), f"{self.delay_s:.1f}")


@dataclass
class Witness:
    """Subscribes to the tree and to Sparkplug with paho-mqtt; nothing is judged while it hears."""

    port: int
    enterprise: str = "acme"
    _tree: list[tuple[float, str, bytes]] = field(default_factory=list)
    _sparkplug: list[tuple[str, bytes]] = field(default_factory=list)
    _last: dict[str, bytes] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id="witness", protocol=paho.MQTTv311
        )
        self._client.on_message = self._heard
        self._client.on_connect = lambda client, *_: client.subscribe(
            [(f"{self.enterprise}/#", 1), ("spBv1.0/#", 0)]
        )
        self._client.connect("127.0.0.1", self.port)
        self._client.loop_start()

    def close(self) -> None:
        """Leave."""
        self._client.disconnect()
        self._client.loop_stop()

    def _heard(self, _: paho.Client, __: Any, message: paho.MQTTMessage) -> None:
        with self._lock:
            if message.topic.startswith("spBv1.0/"):
                self._sparkplug.append((message.topic, message.payload))
                return
            self._tree.append((time.time(), message.topic, message.payload))
            self._last[message.topic] = message.payload

    def shown(self, topic: str) -> Any:
        """What a value topic shows as Good now; None where it shows nothing like that."""
        payload = json.loads(self._last.get(topic) or b"{}")
        return payload.get("value") if payload.get("quality") == "Good" else None

    def heard(self, topics: Iterable[str]) -> dict[str, list[Value]]:
        """All Good values of tags, live and late, in the order in which they came.

        Repeats of what a topic shows already are left out where they follow a mark that it was
        stale: a birth says again what is.
        """
        told: dict[str, list[Value]] = {topic: [] for topic in topics}
        was_stale: set[str] = set()
        shown: dict[str, tuple[int, Any]] = {}
        with self._lock:
            tree = list(self._tree)
        for heard_s, topic, payload in tree:
            name = topic.removesuffix(HISTORY)
            if name not in told or not payload:
                continue
            document = json.loads(payload)
            is_late = topic is not name and topic.endswith(HISTORY)
            if document["quality"] != "Good":
                was_stale.add(name)
                continue
            at_ms = round(datetime.fromisoformat(document["timestamp"]).timestamp() * 1000)
            says = (at_ms, document["value"])
            if not is_late:
                is_again = name in was_stale and shown.get(name) == says
                was_stale.discard(name)
                shown[name] = says
                if is_again:
                    continue
            told[name].append(Value(heard_s, is_late, *says))
        return told

    def historical(self) -> tuple[set[tuple[str, int]], Counter[tuple[str, int]]]:
        """Of Sparkplug: topic and time of all live values, and how often of each historical one."""
        names: dict[tuple[str, int], str] = {}
        live: set[tuple[str, int]] = set()
        late: Counter[tuple[str, int]] = Counter()
        with self._lock:
            messages = list(self._sparkplug)
        for topic, data in messages:
            _, group, kind, *rest = topic.split("/")
            if group == "STATE" or kind not in ("DBIRTH", "DDATA"):
                continue
            device = "/".join((group, *rest))
            for metric in decode(data).metrics:
                if kind == "DBIRTH":
                    names[device, metric.alias or 0] = metric.name or ""
                name = names.get((device, metric.alias or 0), "")
                says = (f"{device.replace(':', '/')}/{name}", metric.timestamp_ms or 0)
                if metric.is_historical:
                    late[says] += 1
                else:
                    live.add(says)
        return live, late


def counted(told: Mapping[str, list[Value]], until: Mapping[str, int] | None = None) -> Books:
    """Books of counters: each value from the first to the last must have come once."""
    books = Books()
    for topic, values in told.items():
        last = (until or {}).get(topic) or max(one.value for one in values if not one.is_late)
        first = min(one.value for one in values)
        of_tag = [one for one in values if one.value <= last]
        _enter(books, of_tag, dict.fromkeys(range(first, last + 1)))
    return books


def recorded(told: Mapping[str, list[Value]], truth: Mapping[str, Mapping[Any, int]]) -> Books:
    """Books beside what a source has: of each tag its values, with their times."""
    books = Books()
    for topic, values in told.items():
        _enter(books, values, truth[topic])
    return books


def _enter(books: Books, values: list[Value], truth: Mapping[Any, int | None]) -> None:
    times: dict[Any, set[int]] = defaultdict(set)
    for one in values:
        times[one.value].add(one.at_ms)
    books.expected += len(truth)
    books.live += sum(not one.is_late for one in values)
    books.late += sum(one.is_late for one in values)
    books.missing += len(truth.keys() - times.keys())
    books.doubled += len(values) - len(times)
    books.differing += sum(
        len(found) > 1 or truth.get(value, 0) not in (None, *found)
        for value, found in times.items()
    )
    for is_late in (False, True):
        told = [one.value for one in values if one.is_late is is_late]
        books.out_of_order += sum(after < one for one, after in pairwise(told))
