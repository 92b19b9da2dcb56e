"""`_state`: whether a machine, a line or a service is there; since when, and if not, why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from uns.message import Message
from uns.namespace.payload import Clock, json_text

__all__ = ["Presence", "State"]


class Presence(StrEnum):
    """What is known of something that ought to be there.

    A machine is offline when its bridge says so, and stale when the bridge itself is gone:
    then nobody knows.
    """

    ONLINE = "online"
    OFFLINE = "offline"
    STALE = "stale"


@dataclass(slots=True)
class State:
    """The `_state` node below `topic`."""

    topic: str
    presence: Presence | None = None  # None: nothing has been said yet
    since_ms: int = 0
    reason: str = ""

    def become(self, presence: Presence, reason: str, since_ms: int) -> Message | None:
        """Return what to publish if this is news."""
        if (presence, reason) == (self.presence, self.reason):
            return None
        if presence is not self.presence:
            self.since_ms = since_ms
        self.presence, self.reason = presence, reason
        return self.message()

    def message(self) -> Message:
        """Return the retained message that says it."""
        said = {
            "state": self.presence,
            "since": Clock().text(self.since_ms).decode(),
            "reason": self.reason,
        }
        if not self.reason:
            del said["reason"]
        return Message(f"{self.topic}/_state", json_text(said), qos=1, retain=True)
