"""The flow of a connection: how it goes with one device link, for a central monitor.

One retained message for each site and connection, beside those of the routes. Told what the
supervisors know, it returns what is to be said: at once what changed, the numbers every ten
seconds, and what clears a connection that is gone.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, TypeAlias

from uns.equipment import Connection, Machine, Tag
from uns.message import Message
from uns.service.connection_health import ConnectionHealth, ConnectionPhase, ConnectionState
from uns.service.scan_class import ScanHealth

__all__ = ["ConnectionFlows", "FlowSource", "FlowState", "flow_name"]

AT_LEAST_MS: Final = 10_000
_SHOWN: Final = 3  # problems that are told; a hundred equal sentences help nobody
_LONGEST_NAME: Final = 64  # of one level of a topic (uns/hierarchy.py)

_Said: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FlowSource:
    """One connection as it is now: whose tags it carries, and what its supervisor knows."""

    connection: Connection
    machines: Sequence[Machine]
    tags: Mapping[int, Tag]  # by handle; there may be others'
    health: ConnectionHealth

    @property
    def sites(self) -> list[str]:
        """The sites whose machines it serves."""
        return sorted({machine.site for machine in self.machines})


@dataclass(frozen=True, slots=True)
class FlowState:
    """What was last said of a connection, and the counts of that moment."""

    said: _Said
    news: tuple[Any, ...]
    since_ms: int
    told_ms: int
    readings: int


class ConnectionFlows:
    """The flows of one bridges service. `taken` are names that others use at the same place."""

    def __init__(self, enterprise: str, service: str, taken: Callable[[], Collection[str]]) -> None:
        self._enterprise = enterprise
        self._service = service
        self._taken = taken
        self._known: dict[str, FlowState] = {}  # by key of the connection
        self._topics: dict[str, str] = {}  # topic → key

    def tick(self, sources: Sequence[FlowSource], now_ms: int) -> list[Message]:
        """Return what is news, and what was not told for ten seconds."""
        topics = self._named(sources)
        gone = self._topics.keys() - topics.keys()
        due = {
            source.connection.key: self._said(source, now_ms)
            for source in sources
            if self._is_due(source, now_ms)
        }
        keys = {source.connection.key for source in sources}
        self._known = {key: one for key, one in self._known.items() if key in keys} | due
        new = topics.keys() - self._topics.keys()
        self._topics = topics
        told = [topic for topic, key in topics.items() if key in due or topic in new]
        return [*map(_cleared, sorted(gone)), *map(self._message, told)]

    def current(self) -> list[Message]:
        """Return all that is retained: for a broker that has just been reached."""
        return [self._message(topic) for topic in self._topics]

    def strangers(self, found: Iterable[Message]) -> list[Message]:
        """Return what clears those of retained flows that are of our former life and no more."""
        return [
            _cleared(message.topic)
            for message in found
            if message.topic not in self._topics and _service_of(message) == self._service
        ]

    def stopping(self, now_ms: int) -> list[Message]:
        """Return the last words: nobody looks after these connections any more."""
        for key, state in self._known.items():
            stopped = {"state": "stopped", "since": _stamp(now_ms), "timestamp": _stamp(now_ms)}
            self._known[key] = replace(state, said=state.said | stopped | {"values_per_s": 0.0})
        return self.current()

    def counted(self) -> _Said:
        """What the service says of its connections: how many are up and down, first reasons."""
        flows = [state.said for state in self._known.values()]
        down = [said for said in flows if said["state"] in _DOWN]
        reasons = [f"{said['connection']}: {said['last_error']}" for said in down]
        return {
            "connections_up": sum(said["state"] in _UP for said in flows),
            "connections_down": len(down),
            "reasons": reasons[:_SHOWN],
        }

    def _named(self, sources: Sequence[FlowSource]) -> dict[str, str]:
        """The topics of the connections, and whose they are."""
        names = _names([source.connection.key for source in sources], self._taken())
        return {
            f"{self._enterprise}/_flow/{site}/{names[source.connection.key]}": source.connection.key
            for source in sources
            for site in source.sites
        }

    def _is_due(self, source: FlowSource, now_ms: int) -> bool:
        known = self._known.get(source.connection.key)
        if known is None or known.news != _news(source):
            return True
        return not 0 <= now_ms - known.told_ms < AT_LEAST_MS

    def _said(self, source: FlowSource, now_ms: int) -> FlowState:
        connection, health = source.connection, source.health
        news, before = _news(source), self._known.get(connection.key)
        since_ms = before.since_ms if before and before.news[0] == news[0] else now_ms
        good, bad = _counts(health)
        said = {
            "connection": connection.key,
            "driver": connection.driver,
            "service": self._service,
            "state": news[0],
            "since": _stamp(since_ms),
            "last_error": health.last_error,
            "machines": len(source.machines),
            "tags_good": good,
            "tags_bad": bad,
            "problems": list(_problems(source)),
            "reconnects": health.reconnects,
            "values": health.readings,
            "values_per_s": _rate(before, health.readings, now_ms),
            "late": health.late,
            "overruns": health.overruns,
            "scans": [_scan(one) for one in health.scans],
            "duty": round(health.duty, 2),
            "requests": health.requests,
            "clock_offset_ms": health.clock_offset_ms,
            "queue": health.queue,
            "conflated": health.conflated,
            "stretched": health.stretched,
            "findings": list(health.findings[:_SHOWN]),
            "timestamp": _stamp(now_ms),
        }
        return FlowState(said, news, since_ms, now_ms, health.readings)

    def _message(self, topic: str) -> Message:
        said = self._known[self._topics[topic]].said
        return Message(topic, json.dumps(said).encode(), qos=1, retain=True)


def flow_name(key: str) -> str:
    """A connection's key as one level of a topic.

    >>> flow_name("modbus://10.2.1.20:502")
    'modbus-10-2-1-20-502'
    """
    return _NO_NAME.sub("-", key.lower()).strip("-")[:_LONGEST_NAME].rstrip("-") or "x"


_NO_NAME = re.compile(r"[^a-z0-9]+")


def _names(keys: Iterable[str], taken: Collection[str]) -> dict[str, str]:
    """A name for each key; where two would be the same, the later ones end in a number."""
    names: dict[str, str] = {}
    used = set(taken)
    for key in sorted(keys):
        name = flow_name(key)
        if name in used:
            name = f"{name[: _LONGEST_NAME - 9].rstrip('-')}-{zlib.crc32(key.encode()):08x}"
        used.add(name)
        names[key] = name
    return names


def _news(source: FlowSource) -> tuple[Any, ...]:
    """What is told at once when it changes; its state comes first."""
    health = source.health
    return (
        *(_state(health), health.last_error, health.reconnects, len(source.machines)),
        *(*_counts(health), tuple(_problems(source)), health.findings[:_SHOWN]),
    )


def _counts(health: ConnectionHealth) -> tuple[int, int]:
    """How many tags have values, and how many the device refuses or says what does not fit."""
    met_later = health.unreadable.keys() | health.misfits.keys()
    unreadable = len(met_later - health.problems.keys())
    return max(0, health.tags_good - unreadable), health.tags_bad + unreadable


def _state(health: ConnectionHealth) -> str:
    """One word: `problem` where trying on does not help and a person must look."""
    if health.phase in _SETTLED:
        return _SETTLED[health.phase]
    if health.state is ConnectionState.DOWN:  # a shorter loss is nobody's business yet
        return "problem" if health.is_denied else "retrying"
    good, bad = _counts(health)
    if not good and bad:
        return "problem"
    return "degraded" if bad else "running"


_SETTLED: Final[Mapping[ConnectionPhase, str]] = {
    phase: phase.value for phase in ConnectionPhase if phase.value in ("stopped", "disabled")
}
_UP: Final = frozenset(("running", "degraded"))
_DOWN: Final = frozenset(("retrying", "problem"))


def _problems(source: FlowSource) -> Iterable[str]:
    """The first tags that the device refuses, or has no fitting value for, and why."""
    health = source.health
    refused = {**health.misfits, **health.unreadable, **health.problems}
    for handle, problem in islice(refused.items(), _SHOWN):
        tag = source.tags.get(handle)
        yield f"{tag.topic.text}: {problem}" if tag else problem


def _scan(health: ScanHealth) -> _Said:
    """How it goes with the tags that are read together."""
    return {
        "asked_s": health.scan_s,
        "every_s": round(health.every_s, 3),
        "tags": health.tags,
        "p50_ms": round(health.p50_s * 1000, 1),
        "p95_ms": round(health.p95_s * 1000, 1),
        "overruns": health.overruns,
    }


def _rate(before: FlowState | None, readings: int, now_ms: int) -> float:
    """Values a second since it was told last."""
    if before is None or now_ms <= before.told_ms:
        return 0.0
    return round((readings - before.readings) * 1000 / (now_ms - before.told_ms), 1)


def _service_of(message: Message) -> Any:
    try:
        said = json.loads(message.payload)
    except ValueError:
        return None
    return said.get("service") if isinstance(said, dict) else None


def _cleared(topic: str) -> Message:
    return Message(topic, b"", qos=1, retain=True)


def _stamp(at_ms: int) -> str:
    text = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
