"""One MQTT client's connection, where it can be seen: in tests, or through a tap at the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from uns.errors import UnsError
from uns.message import Message
from uns.sparkplug.names import NodeId
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
    is_connected: bool = True
    has_published: bool = False
    node: NodeId | None = None
    host_id: str = ""
    judged_for: NodeId | str | None = None  # whose CONNECT this was found to be
    will_bd_seq: int | None = None
    last_bd_seq: int | None = None  # of the node's CONNECT before this one
    born_ms: int | None = None  # when its NBIRTH, or STATE online, came
    died_ms: int | None = None  # when its own NDEATH, or STATE offline, came after that
    death_off_ms: int = 0  # how far the timestamp in that STATE was from our clock
    clock_ms: int = 0  # how far it may be
    ended_ms: int | None = None
    reason: int | None = None  # of its DISCONNECT
    challenged_ms: int | None = None  # when someone said that this host is offline

    def born(self, now_ms: int) -> None:
        """It said that it is here."""
        self.born_ms, self.died_ms, self.challenged_ms = now_ms, None, None

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
