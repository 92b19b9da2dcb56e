"""How strict a monitor is, and how much it remembers."""

from __future__ import annotations

from dataclasses import dataclass, field

from uns.sparkplug.envelope import Limits

__all__ = ["MonitorSettings"]


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    """What a monitor may be told.

    `reorder_ms` is how long messages of different topics may overtake each other,
    `clock_ms` how far a sender's clock may be from ours (the TCK's UTCwindow), `answer_ms` how
    long an edge node or a host has to do what it was asked for. `primary_host` is the host that
    all edge nodes wait for, where that is known. `sees_retain` is False where messages reach us
    without their publishers' retain flag (MQTT 3.1.1).
    """

    reorder_ms: int = 2_000
    clock_ms: int = 60_000
    answer_ms: int = 10_000
    primary_host: str = ""
    sees_retain: bool = True
    limits: Limits = field(default_factory=Limits)
    max_participants: int = 10_000
    max_known_bytes: int = 256 * 1024 * 1024  # names and what was said last, of all births
    max_held_bytes: int = 32 * 1024 * 1024  # messages that wait for those before them
    max_evidence: int = 50_000  # failures beyond are counted without their story
