"""The health of flows: what a central monitor reads, one retained topic per site and route."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from uns.message import Message
from uns.route.route import Route
from uns.service.sender import SenderHealth
from uns.store.outbox import LaneCount

__all__ = ["FlowHealth", "flow_messages"]

_SHOWN: Final = 3  # machines whose reason is told; a hundred equal sentences help nobody


@dataclass(frozen=True, slots=True)
class FlowHealth:
    """What is known at one moment; `storage_problem` concerns every flow."""

    routes: Sequence[Route]
    counts: Sequence[LaneCount]
    senders: Mapping[str, SenderHealth]
    storage_problem: str = ""


def flow_messages(
    enterprise: str, health: FlowHealth, now_ms: int, *, is_stopped: bool = False
) -> list[Message]:
    """`<enterprise>/_flow/<site>/<route>` for each site and route, retained."""
    flows: dict[tuple[str, str], list[Route]] = {}
    for route in health.routes:
        flows.setdefault((route.machine.site, route.name), []).append(route)
    return [
        Message(
            f"{enterprise}/_flow/{site}/{name}",
            json.dumps(_flow(routes, health, now_ms, is_stopped=is_stopped)).encode(),
            qos=1,
            retain=True,
        )
        for (site, name), routes in sorted(flows.items())
    ]


def _flow(
    routes: Sequence[Route], health: FlowHealth, now_ms: int, *, is_stopped: bool
) -> dict[str, Any]:
    keys = {route.key for route in routes}
    wanted = sorted({target for route in routes for target in route.plan.targets})
    targets = {
        target: _target(
            [c for c in health.counts if c.route in keys and c.target == target],
            health.senders.get(target),
        )
        for target in wanted
    }
    counts = [c for c in health.counts if c.route in keys and c.target in targets]
    waiting = [f"{r.machine.topic}: {r.waiting}" for r in routes if r.waiting]
    problems = [f"{r.machine.topic}: {r.problem}" for r in routes if r.problem]
    oldest_ms = min(
        (c.oldest_event_ms for c in counts if c.oldest_event_ms is not None), default=None
    )
    errors = [health.storage_problem, *problems, *(t["last_error"] for t in targets.values())]
    return {
        "state": "stopped" if is_stopped else _state(health, problems, targets.values()),
        "machines": len(routes),
        "machines_waiting": len(waiting),
        "depth": sum(c.waiting for c in counts),
        "delivered": sum(c.delivered for c in counts),
        "dead": sum(c.dead for c in counts),
        "lag_s": 0.0 if oldest_ms is None else max(round((now_ms - oldest_ms) / 1000, 1), 0.0),
        "last_delivered": _stamp(max((c.last_delivered_ms or 0 for c in counts), default=0)),
        "last_error": next((error for error in errors if error), ""),
        "waiting": waiting[:_SHOWN],
        "targets": targets,
        "timestamp": _stamp(now_ms),
    }


def _target(counts: Sequence[LaneCount], sender: SenderHealth | None) -> dict[str, Any]:
    return {
        "state": "up" if sender is None or sender.is_up else "down",
        "depth": sum(c.waiting for c in counts),
        "unknown": sum(c.unknown for c in counts),
        "delivered": sum(c.delivered for c in counts),
        "dead": sum(c.dead for c in counts),
        "last_error": sender.last_error if sender else "",
    }


def _state(
    health: FlowHealth, problems: Sequence[str], targets: Collection[Mapping[str, Any]]
) -> str:
    """The worst that is true: problem (a person must look), retrying, or running."""
    if health.storage_problem or problems or any(t["dead"] for t in targets):
        return "problem"
    return "retrying" if any(t["state"] == "down" for t in targets) else "running"


def _stamp(at_ms: int) -> str | None:
    if not at_ms:
        return None
    text = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
