"""What a lost session leaves for the next one, so that nothing is lost over a cut.

The server keeps a session whose cable was pulled for as long as it granted, and for each of its
subscriptions the notifications that were not acknowledged and a queue of changes for each item.
Whoever knows the session's secret token goes on where the last message ended: ActivateSession on
a new channel, Republish, Publish (OPC UA part 4 §6.7).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from asyncua import ua

from bridges.opcua.publish import Published
from bridges.opcua.values import Shape

__all__ = ["Item", "Kept", "Monitored", "Subscription"]

_MOST_SILENT = 3  # a server may take the session back and then never say a word on it
_SILENCE_S = 2.0  # shorter ones say nothing: the connection was lost again


class Item(NamedTuple):
    """What is to be monitored: our handle, the node, a range of an array, ms, queue size."""

    handle: int
    node: ua.NodeId
    sampling_ms: float
    queue_size: int
    elements: str = ""  # OPC UA part 4 §7.27 NumericRange
    shape: Shape = Shape.SINGLE


@dataclass(frozen=True, slots=True)
class Monitored:
    """An item that the server has taken, and what it granted of it."""

    item: Item
    subscription_id: int
    item_id: int
    sampling_ms: float
    queue_size: int


@dataclass(slots=True)
class Subscription:
    """One subscription; `sequence` is the number of the last message that was delivered."""

    id: int
    sequence: int = 0
    count: int = 0  # items
    is_full: bool = False
    heard_at: float = 0.0


@dataclass(slots=True)
class Kept:
    """One session's memory. It is changed while the session lives, and outlives it."""

    token: ua.NodeId | None = None
    nonce: bytes | None = None
    server_certificate: bytes | None = None
    policies: list[Any] = field(default_factory=list)
    offer: ua.EndpointDescription | None = None  # of the server's security; None for plain
    keepalive_s: float = 0.0
    subscriptions: dict[int, Subscription] = field(default_factory=dict)
    items: dict[int, Monitored] = field(default_factory=dict)
    unacknowledged: list[ua.SubscriptionAcknowledgement] = field(default_factory=list)
    waiting: deque[Published] = field(default_factory=deque)  # fetched, not delivered yet
    taken_up_at: float = 0.0  # by the monotonic clock, while no word was heard since
    silent: int = 0  # how often it was taken up and stayed silent
    is_spoilt: bool = False  # a message that cannot be read would come again for ever

    @property
    def is_resumable(self) -> bool:
        """Whether there is anything to go on from, and a point in trying."""
        is_useful = self.token is not None and bool(self.items)
        return is_useful and not self.is_spoilt and self.silent < _MOST_SILENT

    def heard(self) -> None:
        """Note a word of the server's."""
        self.taken_up_at = 0.0
        self.silent = 0

    def lost(self, now: float) -> None:
        """Note that the connection is over."""
        if self.taken_up_at and now - self.taken_up_at > _SILENCE_S:
            self.silent += 1
        self.taken_up_at = 0.0

    def drop(self, subscription_id: int) -> None:
        """Forget a subscription that the server has ended, with its items."""
        self.subscriptions.pop(subscription_id, None)
        self.items = {
            handle: held
            for handle, held in self.items.items()
            if held.subscription_id != subscription_id
        }
