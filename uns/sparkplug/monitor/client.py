"""One MQTT client's connection, where it can be seen: in tests, or through a tap at the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from uns.errors import UnsError
from uns.message import Message
from uns.sparkplug.monitor.grade import Kind
from uns.sparkplug.names import MessageType, NodeId
from uns.topic import TopicFilter

__all__ = ["Client", "Connect"]

_MAX_FILTERS = 1_000


class Connect(NamedTuple):
    """What a CONNECT says; `expiry_s` is MQTT 5's session expiry."""

    protocol: int = 5
    is_clean: bool = True
    expiry_s: int = 0
    will: Message | None = None


@dataclass(slots=True)
class Client:
    """A connection, and who turned out to be behind it."""

    id: str
    connect: Connect | None = None
    since_ms: int = 0
    filters: list[tuple[str, int]] = field(default_factory=list)
    first: MessageType | None = None  # what it published first
    node: NodeId | None = None
    host_id: str = ""
    born_ms: int | None = None  # the last NBIRTH, or STATE online
    died_ms: int | None = None  # the last NDEATH, or STATE offline, of its own
    state_ms: int | None = None  # the timestamp of its last STATE
    reason: int | None = None  # of its DISCONNECT
    challenged_ms: int | None = None  # when someone else said that this host is offline
    has_rules_judged: bool = False

    @property
    def kind(self) -> Kind | None:
        """What it is; None while that is unknown."""
        if self.node is not None:
            return Kind.EDGE_NODE
        return Kind.HOST if self.host_id else None

    @property
    def name(self) -> str:
        """The edge node's descriptor, or the host id."""
        return str(self.node) if self.node is not None else self.host_id

    def add(self, filters: Sequence[tuple[str, int]]) -> None:
        """It subscribed."""
        self.filters = [*self.filters, *filters][-_MAX_FILTERS:]

    def granted(self, topic: str) -> int | None:
        """The QoS at which it asked for this topic; None where it did not."""
        wanted = [qos for text, qos in self.filters if _matches(text, topic)]
        return max(wanted, default=None)


def _matches(text: str, topic: str) -> bool:
    try:
        return TopicFilter.parse(text).matches(topic)
    except UnsError:
        return False
