"""What readers may know of one connection: its state, its troubles, its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from uns.service.scan_class import ScanHealth

__all__ = ["ConnectionHealth", "ConnectionPhase", "ConnectionState"]


class ConnectionState(StrEnum):
    """Whether the device's values can be trusted to be current."""

    UP = "up"
    DOWN = "down"


class ConnectionPhase(StrEnum):
    """What the supervisor is doing about the device."""

    DISABLED = "disabled"  # the project says so
    CONNECTING = "connecting"
    BINDING = "binding"  # connected; introducing the tags
    RUNNING = "running"
    DEGRADED = "degraded"  # running, but the device refuses some tags
    BACKOFF = "backoff"  # waiting before the next attempt
    STOPPED = "stopped"


@dataclass(slots=True)
class ConnectionHealth:
    """Counters grow for as long as the supervisor lives; `since_ms` is when `state` last changed.

    `unreadable`, `findings`, `scans`, `duty`, `requests`, the clock and `queue` are as `measure` found them last.
    """

    state: ConnectionState = ConnectionState.DOWN
    phase: ConnectionPhase = ConnectionPhase.STOPPED
    since_ms: int = 0
    failures: int = 0  # attempts in a row that ended before the connection proved itself
    next_try_s: float = 0.0  # the pause that the last failure led to
    reconnects: int = 0
    last_error: str = ""
    is_denied: bool = False  # the device answered last time, and did not let us in
    tags_good: int = 0  # tags that the device knows
    tags_bad: int = 0
    problems: dict[int, str] = field(default_factory=dict)  # handle → why the device refuses it
    unreadable: Mapping[int, str] = field(default_factory=dict)  # the same, met while reading
    misfits: Mapping[int, str] = field(default_factory=dict)  # handle → what does not fit its tag
    findings: tuple[str, ...] = ()  # what its driver met with and somebody should know of
    readings: int = 0
    late: int = 0  # of them, those that were overtaken: they go out as historical
    conflated: int = 0  # values that newer ones replaced because a broker was too slow
    queue: int = 0  # readings that wait for a broker, of the lines behind this connection
    stretched: int = 0  # scans left out because a broker was too slow
    overruns: int = 0  # scans skipped because an earlier one took too long
    scan_s: float = 0.0  # how long the latest scan took
    scans: tuple[ScanHealth, ...] = ()  # of each scan class, fastest first
    duty: float = 0.0  # the share of the time, 0 to 1, that the device is busy with scans
    requests: int = 0  # where the driver counts them
    clock_offset_ms: int | None = None  # how far the device's clock is ahead; None: it has none
    clock_worst_ms: int = 0  # the furthest that it was from ours
