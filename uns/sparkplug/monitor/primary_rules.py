"""Rules of the primary host: edge nodes are born while it is online, and leave when it is not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from uns.sparkplug.monitor.rule import KEPT, Rule, tck
from uns.sparkplug.state import HostState

__all__ = ["BORN_RULES", "LEFT_RULES", "STAYED_RULES", "Belief", "Wait", "Waited"]

_FLOW = "message-flow-edge-node-birth-publish-phid"
_SEQUENCE = "operational-behavior-edge-node-birth-sequence-wait"
_OFFLINE = "operational-behavior-edge-node-termination-host-offline"


class Wait(Enum):
    """Why an edge node should still have been waiting when it was born."""

    NOTHING = "no STATE of the primary host"
    OTHER = "STATE of another host only"
    OFFLINE = "the primary host offline"
    OLD = "a STATE online that is older than the offline before it"


@dataclass(slots=True)
class Belief:
    """What one who heard every STATE of a host believes of it.

    tck-id-message-flow-edge-node-birth-publish-phid-wait-timestamp: an older STATE than the last
    one counts for nothing. Who came later may believe otherwise.
    """

    is_online: bool = False
    timestamp_ms: int | None = None
    changed_ms: int = 0
    says_online: bool = False  # the last STATE, counted or not
    is_stale: bool = False  # it did not count

    def heard(self, said: HostState, now_ms: int) -> None:
        """A STATE of this host."""
        self.says_online = said.is_online
        self.is_stale = self.timestamp_ms is not None and said.timestamp_ms < self.timestamp_ms
        if self.is_stale:
            return
        if said.is_online != self.is_online:
            self.changed_ms = now_ms
        self.is_online, self.timestamp_ms = said.is_online, said.timestamp_ms


@dataclass(frozen=True, slots=True)
class Waited:
    """An NBIRTH of a node with a primary host; `why_not` is None where it was right."""

    why_not: Wait | None


def _judge(seen: Waited, *reasons: Wait) -> str | None:
    if seen.why_not is None:
        return KEPT
    return f"an NBIRTH with {seen.why_not.value}" if seen.why_not in reasons else None


_REMEDY = "wait for the primary host's STATE before the births"

BORN_RULES: tuple[Rule[Waited], ...] = (
    Rule(
        tck(f"{_FLOW}-wait", _SEQUENCE),
        "births once the primary host is online",
        lambda seen: _judge(seen, *Wait),
        _REMEDY,
    ),
    Rule(
        tck(f"{_FLOW}-wait-id"),
        "births once the primary host, and no other, is online",
        lambda seen: _judge(seen, Wait.OTHER),
        "compare the last level of the STATE topic",
    ),
    Rule(
        tck(f"{_FLOW}-wait-online"),
        "births once the primary host's STATE says online true",
        lambda seen: _judge(seen, Wait.OFFLINE),
        "look at `online` in the payload",
    ),
    Rule(
        tck(f"{_FLOW}-wait-timestamp"),
        "births on a STATE no older than the last",
        lambda seen: _judge(seen, Wait.OLD),
        "remember the last timestamp, over reconnects too",
    ),
)
"""What an NBIRTH shows."""

LEFT_RULES: tuple[Rule[str], ...] = (
    Rule(
        tck(f"{_FLOW}-offline", _OFFLINE),
        "an NDEATH at once when the primary host goes offline",
        lambda said: said,
        "publish the NDEATH, disconnect, and try the next server",
    ),
)
"""What a node does once its primary host has gone; empty words mean that it left."""

STAYED_RULES: tuple[Rule[str], ...] = (
    Rule(
        tck(f"{_OFFLINE}-timestamp"),
        "no leave for an offline STATE older than the last online one",
        lambda said: said,
        "compare timestamps: an older STATE counts for nothing",
    ),
)
"""What a node does when an old offline STATE comes; empty words mean that it stayed."""
