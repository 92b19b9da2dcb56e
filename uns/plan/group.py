"""A group: what happens to many tags, said once: 80 moves are one line."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from uns.plan.difference import Action, Change, Kind
from uns.plan.pattern import pattern
from uns.plan.plan import Plan
from uns.plan.snapshot import Snapshot, TagRecord

__all__ = ["Group", "MoveStep", "difference_text", "groups", "move_step", "move_steps"]

_MARKS = {Kind.ADD: "+", Kind.DELETE: "-", Kind.MOVE: ">", Kind.CHANGE: "~"}
_BREAKS = "!"
_EVERY_TAG = "*"


@dataclass(frozen=True, slots=True)
class Group:
    """One line of a plan: a mark, what it is, its codes, and the topics as they will be."""

    mark: str
    text: str
    note: str
    codes: tuple[str, ...]
    topics: tuple[str, ...]


class MoveStep(NamedTuple):
    """What is different between a topic before and after: from level `place` on, these names."""

    place: int
    old: tuple[str, ...]
    new: tuple[str, ...]


def groups(plan: Plan) -> list[Group]:
    """Return the lines of a plan: moves, additions, removals, changes."""
    by_kind = {kind: [a for a in plan.actions if a.kind is kind] for kind in Kind}
    arrived = {action.tag.machine for action in by_kind[Kind.MOVE]}
    left = {action.old.machine for action in by_kind[Kind.MOVE] if action.old}
    return [
        *_moves(by_kind[Kind.MOVE]),
        *_whole_or_part(by_kind[Kind.ADD], plan.new, plan.old.machines.keys() | arrived),
        *_whole_or_part(by_kind[Kind.DELETE], plan.old, plan.new.machines.keys() | left),
        *_changes(plan),
    ]


def move_step(old: str, new: str) -> MoveStep:
    """Return the levels that differ, without those that both topics begin and end with."""
    before, after = old.split("/"), new.split("/")
    least = min(len(before), len(after))
    head = next((n for n in range(least) if before[n] != after[n]), least)
    most = least - head
    tail = next((n for n in range(most) if before[-1 - n] != after[-1 - n]), most)
    return MoveStep(
        head, tuple(before[head : len(before) - tail]), tuple(after[head : len(after) - tail])
    )


def _by(
    actions: Iterable[Action], key: Callable[[Action], Hashable]
) -> dict[Hashable, list[Action]]:
    found: dict[Hashable, list[Action]] = defaultdict(list)
    for action in actions:
        found[key(action)].append(action)
    return found


def move_steps(actions: Iterable[Action]) -> Iterator[tuple[Action, MoveStep]]:
    """Yield each move with its step; what moves with its machine has the machine's."""
    known: dict[tuple[str, str], MoveStep] = {}
    for action in actions:
        old, new = action.old, action.new
        if action.kind is not Kind.MOVE or old is None or new is None:
            continue
        if old.name != new.name:
            yield action, move_step(old.topic, new.topic)
            continue
        pair = (old.machine, new.machine)
        if pair not in known:
            known[pair] = move_step(*pair)
        yield action, known[pair]


def _moves(actions: Sequence[Action]) -> Iterator[Group]:
    alike: dict[tuple[MoveStep, bool], list[Action]] = defaultdict(list)
    for action, step in move_steps(actions):
        alike[step, action.is_declared].append(action)
    for (step, is_declared), found in alike.items():
        note = "" if is_declared else "looks like a move: say `was:`"
        codes = () if is_declared else ("UNS461",)
        heads = pattern({_head(action, step) for action in found})
        rest = _rest(found, step)
        places = ["/".join(filter(None, (heads, *names, rest))) for names in (step.old, step.new)]
        yield Group(">", " → ".join(places), note, codes, _topics(found))


def _head(action: Action, step: MoveStep) -> str:
    """What the topic begins with: above its machine, for most moves."""
    assert action.old is not None  # noqa: S101 - a move has both
    return "/".join(action.old.topic.split("/", step.place)[: step.place])


def _rest(actions: Iterable[Action], step: MoveStep) -> str:
    """What the topics end with; `**` where that is not the same."""
    end = step.place + len(step.old)
    topics = (action.old.topic for action in actions if action.old)
    rests = ("/".join(topic.split("/")[end:]) for topic in topics)
    first = next(rests)
    return first if all(rest == first for rest in rests) else "**"


def _whole_or_part(
    actions: Sequence[Action], snapshot: Snapshot, others: Iterable[str]
) -> Iterator[Group]:
    """Machines that come or go as a whole, and tags of machines that stay."""
    staying = set(others)
    wholes = [action for action in actions if action.tag.machine not in staying]
    for found in _by(wholes, lambda a: _type(a.tag, snapshot)).values():
        machines = {action.tag.machine for action in found}
        kind, version = _type(found[0].tag, snapshot)
        tags = f"{len(found) // len(machines)} tags" + (" each" if len(machines) > 1 else "")
        note = f"{kind}/{version}, {tags}" if kind else tags
        yield Group(_MARKS[found[0].kind], pattern(machines), note, _codes(found), _topics(found))
    parts = [action for action in actions if action.tag.machine in staying]
    for found in _by(parts, lambda a: (_type(a.tag, snapshot)[0], a.tag.name)).values():
        text = _where(found, snapshot, found[0].tag.name)
        note = _said(found[0].tag) if found[0].kind is Kind.ADD else ""
        yield Group(_MARKS[found[0].kind], text, note, _codes(found), _topics(found))


def _changes(plan: Plan) -> Iterator[Group]:
    """Facts that differ, of tags that stay and of those that move."""
    found: dict[Hashable, list[tuple[Action, Change]]] = defaultdict(list)
    for action in filter(_has_changes, plan.actions):
        kind = _type(action.tag, plan.new)[0]
        for change in action.changes:
            if change.fact == "source":  # each has its own, and of interest is only that it is new
                found[kind, "source"].append((action, change))
                continue
            key = (kind, action.tag.name, change.fact, repr(change.old), repr(change.new))
            found[key].append((action, change))
    for pairs in found.values():
        actions, change = [action for action, _ in pairs], pairs[0][1]
        names = {action.tag.name for action in actions}
        text = _where(actions, plan.new, names.pop() if len(names) == 1 else _EVERY_TAG)
        mark = _BREAKS if change.code else _MARKS[Kind.CHANGE]
        codes = (change.code,) if change.code else ()
        yield Group(
            mark, f"{text} {difference_text(change, len(pairs))}", "", codes, _topics(actions)
        )


def _has_changes(action: Action) -> bool:
    return bool(action.changes)


def difference_text(change: Change, count: int = 1) -> str:
    """Return what is another about a tag: `unit bar → kPa`."""
    if change.fact == "source" and count > 1:
        return "source"
    if isinstance(change.old, dict) and isinstance(change.new, dict):
        names = [n for n in (*change.old, *change.new) if change.old.get(n) != change.new.get(n)]
        told = (f"{n} {_shown(change.old.get(n))} → {_shown(change.new.get(n))}" for n in names)
        return f"{change.fact} {', '.join(dict.fromkeys(told))}"
    if isinstance(change.old or change.new, bool):
        return f"{change.fact} {_shown(bool(change.old))} → {_shown(bool(change.new))}"
    return f"{change.fact} {_shown(change.old)} → {_shown(change.new)}"


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(one)}" for name, one in value.items())
    return str(value)


def _where(actions: Sequence[Action], snapshot: Snapshot, name: str) -> str:
    """`filler.speed` where it is so of every such machine, else the topics."""
    kind = _type(actions[0].tag, snapshot)[0]
    machines = {action.tag.machine for action in actions}
    if kind and len(machines) > 1:
        all_of_kind = sum(m.type_name == kind for m in snapshot.machines.values())
        if all_of_kind == len(machines):
            return f"{kind}.{name}"
    return f"{pattern(machines)}/{name}"


def _type(tag: TagRecord, snapshot: Snapshot) -> tuple[str, int]:
    machine = snapshot.machines.get(tag.machine)
    return (machine.type_name, machine.version) if machine else ("", 0)


def _said(tag: TagRecord) -> str:
    """What a new tag is: `Float bar`."""
    return " ".join(filter(None, (tag.facts.get("type", ""), tag.facts.get("unit", ""))))


def _codes(actions: Sequence[Action]) -> tuple[str, ...]:
    return tuple(sorted({code for action in actions for code in action.codes}))


def _topics(actions: Sequence[Action]) -> tuple[str, ...]:
    return tuple(action.tag.topic for action in actions)
