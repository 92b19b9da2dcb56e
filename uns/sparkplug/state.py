"""STATE: how a host application says that it is there (Sparkplug 3.0 §6.4.23)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from uns.errors import PeerProtocolError
from uns.message import Message
from uns.sparkplug.names import state_topic

__all__ = ["HostState"]

_MAX_BYTES = 4096
_MAX_TIMESTAMP = 2**63 - 1


@dataclass(frozen=True, slots=True)
class HostState:
    """What a STATE message says: online or not, and as of when."""

    is_online: bool
    timestamp_ms: int

    @classmethod
    def parse(cls, payload: bytes) -> HostState:
        """Read a STATE payload; raises PeerProtocolError where it is none."""
        try:
            said = json.loads(payload) if len(payload) <= _MAX_BYTES else None
        except (ValueError, RecursionError):
            said = None
        online = said.get("online") if isinstance(said, dict) else None
        timestamp = said.get("timestamp") if isinstance(said, dict) else None
        if not isinstance(online, bool) or type(timestamp) is not int:
            raise PeerProtocolError(
                f"{payload[:80]!r} is no STATE payload",
                hint='expected {"online": true|false, "timestamp": <ms since 1970>}',
            )
        if not 0 <= timestamp <= _MAX_TIMESTAMP:
            raise PeerProtocolError(f"a STATE timestamp of {timestamp} is out of range")
        return cls(online, timestamp)

    def message(self, host_id: str) -> Message:
        """The message that says it.

        tck-id-host-topic-phid-birth-qos, -retain, -topic and their -death- twins: QoS 1, retained.
        """
        text = json.dumps(
            {"online": self.is_online, "timestamp": self.timestamp_ms}, separators=(",", ":")
        )
        return Message(state_topic(host_id), text.encode(), qos=1, retain=True)
