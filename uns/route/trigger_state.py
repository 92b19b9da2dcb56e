"""What a counter trigger remembers: the running order, its starts, and what was told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

__all__ = ["ClosedRun", "TriggerState", "begun", "resumed"]

_REMEMBERED_ORDERS: Final = 8  # an interrupted order is known again if it comes back within these


class ClosedRun(NamedTuple):
    """How a run of an order ended, in case the order comes back."""

    starts: Mapping[str, int]
    carried: Mapping[str, int]
    totals: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class TriggerState:
    """What must survive a crash, in one transaction with the messages it led to.

    `starts`: what the counters read when this run began. `carried`: what earlier runs of the
    order counted. `confirmed`: the totals of the newest message. `closed`: the last orders by id.
    """

    order: str
    starts: Mapping[str, int]
    carried: Mapping[str, int]
    confirmed: Mapping[str, int]
    began_ms: int = 0
    closed: Mapping[str, ClosedRun] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain mappings and lists."""
        return {
            "order": self.order,
            "starts": dict(self.starts),
            "carried": dict(self.carried),
            "confirmed": dict(self.confirmed),
            "began_ms": self.began_ms,
            "closed": {order: [dict(part) for part in run] for order, run in self.closed.items()},
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> TriggerState:
        """What `to_json` returned; raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            order=str(stored["order"]),
            starts=dict(stored["starts"]),
            carried=dict(stored["carried"]),
            confirmed=dict(stored["confirmed"]),
            began_ms=int(stored["began_ms"]),
            closed={order: ClosedRun(*map(dict, run)) for order, run in stored["closed"].items()},
        )


def begun(order: str, starts: Mapping[str, int], began_ms: int) -> TriggerState:
    """The state of an order that was not seen before."""
    nothing = dict.fromkeys(starts, 0)
    return TriggerState(order, dict(starts), nothing, nothing, began_ms)


def resumed(
    order: str,
    starts: dict[str, int],
    closed: Mapping[str, ClosedRun],
    began_ms: int,
) -> TriggerState:
    """The state of a run that begins: of a new order, or of one that was interrupted."""
    kept = dict(list(closed.items())[-_REMEMBERED_ORDERS:])
    before = kept.get(order) if order else None
    if before is None:
        return replace(begun(order, starts, began_ms), closed=kept)
    # The same starts: the order never ended, a value only flickered.
    carried = before.carried if before.starts == starts else before.totals
    return TriggerState(order, starts, carried, before.totals, began_ms, kept)
