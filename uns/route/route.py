"""A route: one template on one machine. It is told values, and returns what is to be sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from uns.equipment import Machine
from uns.metric import Quality, Value
from uns.route.expression import Expression, ExpressionError
from uns.route.message_schema import MessageSchema
from uns.route.trigger import CounterSettings, CounterTrigger, Due

__all__ = ["Emission", "Route", "RoutePlan"]

_MOST_STEPS: Final = 10  # due messages in a row; more than a changed order can lead to


@dataclass(frozen=True, slots=True)
class Emission:
    """A message for `targets`, and the trigger's state after it: to be kept together or not at all.

    `message` is a CloudEvent; None where there is only a state to keep. With a `problem` it must
    not be sent: a person has to look at it. `id` is the same whenever the same thing is told.
    """

    route: str
    state: Mapping[str, Any]
    id: str = ""
    key: str = ""
    message: Mapping[str, Any] | None = None
    targets: tuple[str, ...] = ()
    time_ms: int = 0
    problem: str = ""
    note: str = ""  # what a person should know, though it is sent

    @property
    def body(self) -> str:
        """The message as JSON."""
        return json.dumps(self.message, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class RoutePlan:
    """A template, compiled for one machine; made by uns/route/stamp.py.

    `slots` are the trigger's inputs by tag name, `context` the tags that expressions look at,
    `constants` the names that never change: parameters, units, where the machine stands.
    """

    name: str
    machine: Machine
    settings: CounterSettings
    slots: Mapping[str, tuple[str, ...]]
    context: frozenset[str]
    constants: Mapping[str, Any]
    when: Expression | None
    key: Expression
    id: Expression
    render: Callable[[Mapping[str, Any]], Any]
    schema: MessageSchema
    targets: tuple[str, ...]


class Route:
    """Feed `observed` with values of `tags` and call `tick` at least each second."""

    def __init__(self, plan: RoutePlan) -> None:
        self.plan = plan
        self.name = plan.name
        self.machine = plan.machine
        self.key = f"{plan.name}@{plan.machine.topic}"
        self.tags = frozenset(plan.slots) | plan.context
        self.problem = ""  # why the last due message could not be made
        self._trigger = CounterTrigger(plan.settings)
        self._values: dict[str, Any] = {}

    @property
    def waiting(self) -> str:
        """What the trigger waits for; empty while it counts."""
        return self._trigger.waiting

    def restore(self, stored: Mapping[str, Any] | None) -> str:
        """Go on from what was kept; returns why that is impossible, or an empty string."""
        if stored is None:
            return ""
        try:
            trigger = CounterTrigger.restored(self.plan.settings, stored)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            return f"{self.key}: what was kept cannot be read ({error!r}); counting begins anew"
        state = trigger.state
        has_changed = state and set(state.confirmed) != set(self.plan.settings.counters)
        if has_changed or (state and state.order and not self.plan.settings.has_order):
            return f"{self.key}: its counters are others than before; counting begins anew"
        self._trigger = trigger
        return ""

    def observed(
        self,
        tag: str,
        value: Value,
        quality: int,
        timestamp_ms: int,
        now_ms: int,
        *,
        is_retained: bool = False,
    ) -> list[Emission]:
        """Take the value of a tag; `is_retained`: the broker had kept it from before."""
        is_good = quality == Quality.GOOD
        if tag in self.plan.context:
            self._values[f"tag.{tag.replace('/', '.')}"] = value if is_good else None
        emissions: list[Emission] = []
        for slot in self.plan.slots.get(tag, ()):
            if not is_retained and self._trigger.settles_before(slot, timestamp_ms):
                emissions += self._due(now_ms, is_settled=True)
            is_new_run = self._trigger.observed(
                slot,
                value,
                is_good=is_good,
                timestamp_ms=timestamp_ms,
                now_ms=now_ms,
                is_retained=is_retained,
            )
            kept = self._trigger.kept() if is_new_run else None
            if kept:
                emissions.append(Emission(self.key, kept))
        return emissions + self._due(now_ms)

    def tick(self, now_ms: int) -> list[Emission]:
        """Notice that time went by: a new order has settled, a message may wait no longer."""
        return self._due(now_ms)

    def _due(self, now_ms: int, *, is_settled: bool = False) -> list[Emission]:
        emissions: list[Emission] = []
        for _ in range(_MOST_STEPS):
            due = self._trigger.due(now_ms, is_settled=is_settled)
            emission = self._emission(due) if due else None
            if due is None or emission is None:
                return emissions
            self._trigger.accept(due)
            emissions.append(emission)
        return emissions

    def _emission(self, due: Due) -> Emission | None:
        """The message of `due`; None where it is not to be sent or cannot be made yet."""
        state = self._trigger.kept(due.after) or {}
        if due.is_silent:
            return Emission(self.key, state)
        values = self._context(due)
        try:
            is_wanted = not self.plan.when or self.plan.when.evaluate(values)
            # What was told before must be closed, even if there is nothing left to tell.
            if not is_wanted and not (due.is_final and any(due.deltas.values())):
                return Emission(self.key, state) if due.is_final else None
            key, id_ = self.plan.key.evaluate(values), self.plan.id.evaluate(values)
            if id_ is None:
                raise ExpressionError(f"`{self.plan.id.text}` is null; an id must be something")
            values["id"] = self._full_id(id_, due)
            body = self.plan.render(values)
            json.dumps(body, allow_nan=False)
        except (ExpressionError, ValueError) as error:
            self.problem = str(error)
            return None
        self.problem = self.plan.schema.problem(body)
        return Emission(
            self.key,
            state,
            id=values["id"],
            key=str(key if key is not None else self.machine.topic),
            message=self._event(values["id"], due, body),
            targets=self.plan.targets,
            time_ms=due.time_ms,
            problem=self.problem and f"it is no {self.plan.schema.name}: {self.problem}",
            note=due.note,
        )

    def _full_id(self, id_: object, due: Due) -> str:
        # An order may run on two machines, and its last running total may be its final one:
        # without place and end the second message would pass for the first one again.
        return f"{self.name}:{self.machine.topic}:{id_}{':final' if due.is_final else ''}"

    def _context(self, due: Due) -> dict[str, Any]:
        values = {**self.plan.constants, **self._values}
        values["order"] = due.order if self.plan.settings.has_order else None
        values["state"] = "Completed" if due.is_final else "Running"
        values["final"] = due.is_final
        values["start"] = _stamp(due.began_ms)
        values["time"] = _stamp(due.time_ms)
        for name in due.totals:
            values[f"total.{name}"] = due.totals[name]
            values[f"delta.{name}"] = due.deltas[name]
        return values

    def _event(self, id_: str, due: Due, body: object) -> dict[str, Any]:
        """CloudEvents 1.0, structured mode."""
        schema = self.plan.schema
        return {
            "specversion": "1.0",
            "id": id_,
            "source": self.machine.topic.text,
            "type": f"uns.{schema.subject}.v{schema.version}",
            "time": _stamp(due.time_ms),
            "datacontenttype": "application/json",
            "dataschema": schema.name,
            "data": body,
        }


def _stamp(at_ms: int) -> str | None:
    """RFC 3339 in UTC with milliseconds; None for no time."""
    if not at_ms:
        return None
    text = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
