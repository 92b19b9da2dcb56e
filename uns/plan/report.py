"""A plan as people read it, and as programs do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from uns.plan.difference import BREAKS, Action, Change, Kind
from uns.plan.group import Group, MoveStep, groups, move_steps
from uns.plan.pattern import pattern
from uns.plan.plan import Harm, Hit, Plan, SchemaStep
from uns.plan.readers import ReaderKind
from uns.topic import TopicFilter
from uns.units import UnitError, convert

__all__ = ["advice", "as_data", "lines", "summary"]

_Steps: TypeAlias = Mapping[str, MoveStep]

_PAST = {Kind.MOVE: "moved", Kind.ADD: "added", Kind.DELETE: "deleted", Kind.CHANGE: "changed"}
_SHOWN = 3  # topics of a reader; the JSON has them all
_LEAST_GAP = 2


def summary(plan: Plan) -> str:
    """`80 moved, 8 added, 16 breaking`; of tags."""
    counts = {word: plan.count(kind) for kind, word in _PAST.items()}
    counts["breaking"] = sum(bool(action.codes) for action in plan.actions)
    return ", ".join(f"{count:,} {word}" for word, count in counts.items() if count) or "no changes"


def lines(plan: Plan) -> Iterator[str]:
    """Return the whole plan, a line for each group, each schema, each reader that is hit."""
    found = groups(plan)
    width = max((len(group.text) for group in found), default=0)
    for group in found:
        said = [
            f"{len(group.topics):,} tag{'s' * (len(group.topics) > 1)}",
            group.note,
            *group.codes,
        ]
        gap = " " * (width - len(group.text) + _LEAST_GAP)
        yield f"{group.mark} {group.text}{gap}{'  '.join(filter(None, said))}"
    for step in plan.schemas:
        yield f"schema: {_schema(step)}"
    yield from (f"effect: {text}" for text in _effects(plan))
    steps = _steps(plan)
    yield from (line for hit in plan.hits for line in _hit(hit, plan, steps))


def advice(plan: Plan) -> Iterator[str]:
    """Return what to write or to accept, for each code that breaks something."""
    for code, actions in plan.breaks.items():
        yield f"{code}: {BREAKS[code]} ({len(actions):,} tags); uns explain {code}"
    for step in plan.schemas:
        if step.wants_version:
            name, version = step.type_name, step.old_version + 1
            yield f"say that readers of `{name}` are concerned: types.{name}.version: {version}"
    yield from _left_behind(plan)


def as_data(plan: Plan) -> dict[str, Any]:
    """Return the plan for JSON: every topic, and the groups that people see."""
    steps = _steps(plan)
    counts: dict[str, int] = {word: plan.count(kind) for kind, word in _PAST.items()}
    breaking = sum(bool(action.codes) for action in plan.actions)
    return {
        "summary": {**counts, "breaking": breaking},
        "groups": [_group_data(group) for group in groups(plan)],
        "actions": [_action_data(action) for action in plan.actions],
        "schemas": [
            {"type": s.type_name, "from": s.old_version, "to": s.new_version, "breaks": s.breaks}
            for s in plan.schemas
        ],
        "readers": [_hit_data(hit, _instead(hit, plan, steps)) for hit in plan.hits],
        "retained": {"from": plan.old.retained, "to": plan.new.retained},
        "values_per_s": {"from": plan.old.rate, "to": plan.new.rate},
        "advice": list(advice(plan)),
    }


def _group_data(group: Group) -> dict[str, Any]:
    return {
        "mark": group.mark,
        "text": group.text,
        "note": group.note,
        "codes": group.codes,
        "count": len(group.topics),
    }


def _action_data(action: Action) -> dict[str, Any]:
    return {
        "action": str(action.kind),
        "topic": action.tag.topic,
        "from": action.old.topic if action.old and action.kind is Kind.MOVE else None,
        "declared": action.is_declared,
        "codes": action.codes,
        "changes": [
            {"fact": c.fact, "old": c.old, "new": c.new, "code": c.code or None}
            for c in action.changes
        ],
    }


def _hit_data(hit: Hit, instead: Mapping[str, str]) -> dict[str, Any]:
    return {
        "kind": str(hit.reader.kind),
        "name": hit.reader.name,
        "owner": hit.reader.owner,
        "contact": hit.reader.contact,
        "harm": str(hit.harm),
        "topics": hit.topics,
        "instead": dict(instead),
    }


def _schema(step: SchemaStep) -> str:
    name, old, new = step.type_name, step.old_version, step.new_version
    if not step.breaks:
        grown = f"{name}/{old} → {name}/{new}" if old != new else f"{name}/{new}"
        return f"{grown}  no reader is hurt"
    why = ", ".join(f"{BREAKS[code]}" for code in step.breaks)
    if step.wants_version:
        return f"{name}/{old}  breaks under the same version: {why}"
    return f"{name}/{old} → {name}/{new}  {why}"


def _effects(plan: Plan) -> Iterator[str]:
    old, new = plan.old, plan.new
    if old.retained != new.retained:
        yield f"retained messages {old.retained:,} → {new.retained:,} ({new.retained - old.retained:+,})"
    if old.rate is not None and new.rate is not None and round(old.rate) != round(new.rate):
        yield f"values a second, at most {old.rate:,.0f} → {new.rate:,.0f}"


def _hit(hit: Hit, plan: Plan, steps: _Steps) -> Iterator[str]:
    reader = hit.reader
    who = ", ".join(filter(None, (reader.owner, reader.contact)))
    about = f" ({who})" if who else ""
    count = f"{len(hit.topics):,} topic{'s' * (len(hit.topics) > 1)}"
    word = "breaks" if hit.harm is not Harm.BEGINS_ANEW else "routes"
    where = _where(hit, plan)
    yield f"{word}: {reader.kind} {reader.name}{about} {_HARM[hit.harm]} {count}: {where}"
    for old, new in _instead(hit, plan, steps).items():
        yield f"   fix: read {new} instead of {old}"


_HARM = {
    Harm.LOSES: "loses",
    Harm.MISREADS: "misreads",
    Harm.BEGINS_ANEW: "counts anew, under the new names, for",
}


def _where(hit: Hit, plan: Plan) -> str:
    """The consumer's filters that are concerned, else the topics as a pattern."""
    if hit.reader.kind is ReaderKind.CONSUMER:
        filters = [TopicFilter(text) for text in plan.filters.get(hit.reader.name, ())]
        hurt = [f.text for f in filters if any(f.matches(topic) for topic in hit.topics)]
        more = " …" if len(hurt) > _SHOWN else ""
        return ", ".join(hurt[:_SHOWN]) + more
    return pattern(hit.topics)


def _instead(hit: Hit, plan: Plan, steps: _Steps) -> dict[str, str]:
    """For the filters of a consumer that lose by a move: the same with the new names."""
    if hit.reader.kind is not ReaderKind.CONSUMER or hit.harm is not Harm.LOSES:
        return {}
    taken = {steps[topic] for topic in hit.topics if topic in steps}
    found = {}
    for text in plan.filters.get(hit.reader.name, ()):
        instead = next(filter(None, (_rewritten(text, step) for step in taken)), None)
        if instead:
            found[text] = instead
    return found


def _steps(plan: Plan) -> _Steps:
    """The steps of moves by the topic before."""
    return {action.old.topic: step for action, step in move_steps(plan.actions) if action.old}


def _rewritten(text: str, step: MoveStep) -> str | None:
    levels = text.split("/")
    end = step.place + len(step.old)
    if not step.old or tuple(levels[step.place : end]) != step.old:
        return None
    return "/".join((*levels[: step.place], *step.new, *levels[end:]))


def _left_behind(plan: Plan) -> Iterator[str]:
    """Limits that were written for a unit that is now another."""
    said: dict[str, None] = {}
    for action in (one for one in plan.actions if one.changes):
        changed = {change.fact: change for change in action.changes}
        if action.new is None or "unit" not in changed:
            continue
        facts, unit = action.new.facts, changed["unit"]
        same = [f for f in ("range", "alarm", "deadband") if f in facts and f not in changed]
        if same:
            be = ("were", "are") if len(same) > 1 else ("was", "is")
            written = f"{action.tag.name}: its {' and '.join(same)} {be[0]} written in"
            read = f"{unit.old or 'no unit'} and {be[1]} read in {unit.new or 'no unit'} now"
            said[f"{written} {read}{_converted(facts.get('range'), unit)}"] = None
    yield from said


def _converted(limits: Sequence[float | None] | None, unit: Change) -> str:
    """`: [0, 6] bar is [0, 600] kPa`, where the units are of one dimension."""
    if not limits or not unit.old or not unit.new:
        return ""
    try:
        new = [None if one is None else convert(one, unit.old, unit.new) for one in limits]
    except UnitError:
        return ""
    texts = [", ".join("" if one is None else f"{one:g}" for one in ends) for ends in (limits, new)]
    return f": [{texts[0]}] {unit.old} is [{texts[1]}] {unit.new}"
