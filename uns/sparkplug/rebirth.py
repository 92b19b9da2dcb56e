"""Rebirth requests: which edge nodes to ask for their births again, when, and how often."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from enum import StrEnum

from uns.message import Message
from uns.metric import DataType
from uns.sparkplug.metrics import Metric
from uns.sparkplug.names import REBIRTH, MessageType, NodeId, topic
from uns.sparkplug.payload import Payload, encode

__all__ = ["Doubt", "RebirthPacer", "RebirthSettings", "rebirth_request"]


class Doubt(StrEnum):
    """Why an edge node is asked for its births again."""

    NO_BIRTH = "data came without a birth"
    NO_DEVICE_BIRTH = "data came for a device without a birth"
    GAP = "messages are missing"
    EARLY_DEATH = "its death arrived before its birth"
    AMBIGUOUS = "a message cannot be told from one of an earlier birth"
    UNKNOWN_METRIC = "data came for a metric that no birth named"
    UNREADABLE = "a message could not be read"
    LOST_SIGHT = "this host lost its broker"
    OTHER_DEATH = "a death of another session came, and nothing since"
    SHARED_ALIAS = "its birth gives one alias to two metrics"
    KEPT_BIRTH = "its birth was kept by the server, and is old"
    ELSEWHERE = "it is heard on another server than that of its birth"


# A new birth need not cure these: a node that always makes the mistake is asked ever less.
_RECURRING = (
    Doubt.UNKNOWN_METRIC,
    Doubt.UNREADABLE,
    Doubt.NO_DEVICE_BIRTH,
    Doubt.AMBIGUOUS,
    Doubt.ELSEWHERE,
    Doubt.OTHER_DEATH,
    Doubt.SHARED_ALIAS,
)


@dataclass(frozen=True, slots=True)
class RebirthSettings:
    """How often to ask. A start-up finds every node unknown at once: hence the budget."""

    first_ms: int = 1_000  # between the first request to a node and the second
    longest_ms: int = 60_000  # the pause doubles up to this
    attempts: int = 8  # without an answer; then only new data of the node starts over
    burst: int = 50  # requests to all nodes together at once …
    per_second: float = 20.0  # … and from then on
    kept_wait_ms: int = 1_000  # for the births that an aware server has kept …
    kept_birth_ms: int = 10_000  # … and so long they serve, before new ones are asked for
    triggers: frozenset[Doubt] = frozenset(Doubt)  # what else is doubted is only reported


@dataclass(slots=True)
class _Asked:
    doubt: Doubt | None = None  # None: nothing is wanted
    server: str = ""  # where the node was heard last
    due_ms: int = 0
    attempts: int = 0
    level: int = 0
    last_ms: int = 0


class RebirthPacer:
    """Spreads the requests: exponential pauses for each node, one budget for all."""

    def __init__(self, settings: RebirthSettings) -> None:
        self._settings = settings
        self._asked: dict[NodeId, _Asked] = {}
        self._wanted: dict[NodeId, _Asked] = {}
        self._tokens = float(settings.burst)
        self._filled_ms: int | None = None

    def want(
        self, node: NodeId, doubt: Doubt, now_ms: int, server: str = "", *, delay_ms: int = 0
    ) -> None:
        """A node's births are needed; `due` says when to ask, and on this server."""
        if doubt not in self._settings.triggers:
            return
        wanted = self._wanted.get(node)
        if wanted is not None and not _is_overruled(wanted, doubt):
            wanted.server = server
            return
        asked = self._asked.setdefault(node, _Asked())
        if now_ms - asked.last_ms > 2 * self._settings.longest_ms:
            asked.level = 0
        asked.doubt, asked.attempts, asked.server = doubt, 0, server
        asked.due_ms = now_ms + delay_ms
        if asked.level:
            pause_ms = self._pause_ms(node, asked.level)
            asked.due_ms = max(asked.due_ms, asked.last_ms + pause_ms)
        self._wanted[node] = asked

    def answered(self, node: NodeId) -> None:
        """The node was born."""
        asked = self._wanted.pop(node, None)
        if asked is not None and asked.doubt not in _RECURRING:
            asked.level = 0

    def forget(self, node: NodeId) -> None:
        """The node is of no interest any more."""
        self._wanted.pop(node, None)
        self._asked.pop(node, None)

    def lost(self, server: str) -> None:
        """The server is gone: who is asked there would not hear it."""
        for node in [node for node, asked in self._wanted.items() if asked.server == server]:
            del self._wanted[node]

    def due(self, now_ms: int) -> list[tuple[NodeId, str]]:
        """The nodes to ask now, as far as the budget reaches, and where."""
        if not self._wanted:
            return []
        self._fill(now_ms)
        ready = [node for node, asked in self._wanted.items() if asked.due_ms <= now_ms]
        chosen = ready[: int(self._tokens)]
        self._tokens -= len(chosen)
        found = [(node, self._wanted[node].server) for node in chosen]
        for node in chosen:
            self._count(node, now_ms)
        return found

    def _count(self, node: NodeId, now_ms: int) -> None:
        asked = self._wanted[node]
        asked.attempts += 1
        asked.level += 1
        asked.last_ms = now_ms
        asked.due_ms = now_ms + self._pause_ms(node, asked.level)
        if asked.attempts >= self._settings.attempts:
            del self._wanted[node]

    def _pause_ms(self, node: NodeId, level: int) -> int:
        """Doubling, and up to a quarter longer by the node's name: neighbours fall out of step."""
        settings = self._settings
        pause = min(settings.first_ms << min(level - 1, 30), settings.longest_ms)
        return pause + pause * (zlib.crc32(str(node).encode()) % 256) // 1024

    def _fill(self, now_ms: int) -> None:
        since_ms = 0 if self._filled_ms is None else max(0, now_ms - self._filled_ms)
        earned = since_ms * self._settings.per_second / 1000
        self._tokens = min(float(self._settings.burst), self._tokens + earned)
        self._filled_ms = now_ms


def _is_overruled(wanted: _Asked, doubt: Doubt) -> bool:
    """A kept birth puts off the question for one that is missing; anything else is more urgent."""
    if doubt is Doubt.KEPT_BIRTH:
        return wanted.doubt is Doubt.NO_BIRTH and not wanted.attempts
    return wanted.doubt is Doubt.KEPT_BIRTH


def rebirth_request(node: NodeId, now_ms: int) -> Message:
    """The NCMD that asks a node for all its births.

    tck-id-operational-behavior-data-commands-ncmd-rebirth-name and …-value: by name, true;
    tck-id-topics-ncmd-mqtt: QoS 0, not retained; tck-id-payloads-ncmd-seq: no seq.
    """
    metric = Metric(REBIRTH, True, DataType.BOOLEAN, timestamp_ms=now_ms)  # its value
    return Message(topic(MessageType.NCMD, node), encode(Payload(now_ms, (metric,))))
