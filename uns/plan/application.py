"""An application: what makes a plan true on a broker, and what takes it back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import msgspec

from uns.equipment import Machine
from uns.errors import ProjectError
from uns.message import Message
from uns.namespace.alias import Alias, alias_meta, removed
from uns.namespace.meta import machine_meta, tag_meta
from uns.plan.difference import Action, Kind
from uns.plan.group import groups
from uns.plan.lock import Lock
from uns.plan.plan import Plan
from uns.plan.snapshot import Snapshot
from uns.vqt import read_vqt

__all__ = ["Application", "Undo", "application", "undone"]

_META, _STATE = "/_meta", "/_state"


@dataclass(frozen=True, slots=True)
class Application:
    """What to publish, in this order, and the lock that says so afterwards.

    `appearing` are the values and states that a service will publish: nobody had them before.
    """

    messages: tuple[Message, ...]
    lock: Lock
    appearing: tuple[str, ...]

    @property
    def cleared(self) -> int:
        """How many topics are cleared, with what belongs to them."""
        return sum(not m.payload and not m.topic.endswith(_META) for m in self.messages)


class Undo(msgspec.Struct, frozen=True):
    """What there was before an application: the lock's text, and what the broker kept.

    `after` is the lock's text that the application wrote: with another one there is no way back.
    """

    before: str | None
    after: str
    retained: Mapping[str, bytes]

    @classmethod
    def of(cls, made: Application, before: str | None, kept: Mapping[str, bytes]) -> Undo:
        """Remember what `made` will replace; `kept` is what the broker has now."""
        topics = [*(message.topic for message in made.messages), *made.appearing]
        retained = {topic: kept.get(topic, b"") for topic in topics}
        return cls(before, made.lock.text, retained)

    @classmethod
    def parse(cls, text: bytes) -> Undo:
        """Read what `text` wrote; raises ProjectError."""
        try:
            return msgspec.json.decode(text, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProjectError(f"what was kept to undo cannot be read: {error}") from None

    @property
    def text(self) -> bytes:
        """The file's content."""
        return msgspec.json.encode(self)


def application(
    plan: Plan,
    machines: Sequence[Machine],
    before: Lock | None,
    kept: Mapping[str, bytes],
    *,
    today: date,
    alias_days: int,
    accepted: Sequence[str] = (),
    ghosts: Iterable[str] = (),
) -> Application:
    """Return what makes `plan` true: definitions, then aliases, then what is cleared.

    `kept` is what the broker keeps; only of that anything is cleared. `ghosts` go too.
    """
    aliases = _aliases(plan, before, today, alias_days)
    defined = list(_definitions(plan, machines))
    by_topic = {message.topic: message for message in defined}
    metas = [
        alias_meta(alias, by_topic[f"{alias.new}{_META}"])
        for alias in aliases.values()
        if f"{alias.new}{_META}" in by_topic
    ]
    gone = {
        topic: until
        for topic, until in (before.gone if before else {}).items()
        if until >= today and topic not in plan.new.tags
    }
    look_until = today + timedelta(days=max(alias_days, 1))
    gone |= dict.fromkeys(_gone(plan, before, aliases), look_until)
    clearing = {m.topic: m for t in (*gone, *ghosts) for m in removed(t) if m.topic in kept}
    lock = Lock(
        _with_first_names(plan),
        aliases,
        tuple(sorted({*(before.accepted if before else ()), *_accepted(plan, accepted)})),
        gone,
    )
    new = [a.tag.topic for a in plan.actions if a.kind in (Kind.ADD, Kind.MOVE)]
    appearing = (*new, *sorted(_states(plan.new) - _states(plan.old)))
    return Application((*defined, *metas, *clearing.values()), lock, appearing)


def undone(undo: Undo, kept: Mapping[str, bytes]) -> list[Message]:
    """Return what brings back what an application replaced.

    Values come back as stale: nobody has kept them up since. One that is there again is left.
    """
    messages = []
    for topic, payload in undo.retained.items():
        is_value = "/_" not in topic
        if is_value and payload and topic in kept:
            continue
        if payload or topic in kept:
            restored = _as_stale(payload) if is_value and payload else payload
            messages.append(Message(topic, restored, qos=1, retain=True))
    return messages


def _aliases(plan: Plan, before: Lock | None, today: date, alias_days: int) -> dict[str, Alias]:
    """Those that go on, and one for each move that means the same as before."""
    moved = {a.old.topic: a.tag.topic for a in plan.actions if a.kind is Kind.MOVE and a.old}
    moved |= _moved_states(plan)
    there = {*plan.new.tags, *_states(plan.new)}
    found = {}
    for alias in before.aliases.values() if before else ():
        target = moved.get(alias.new, alias.new)
        if alias.until >= today and target in there and alias.old not in there:
            found[alias.old] = replace(alias, new=target)
    changed = {a.old.topic for a in plan.actions if a.old and any(c.code for c in a.changes)}
    if alias_days > 0:
        until = today + timedelta(days=alias_days)
        new = {o: Alias(o, n, until) for o, n in moved.items() if o not in changed}
        found |= new
    return found


def _states(snapshot: Snapshot) -> set[str]:
    places = {*snapshot.machines, *(machine.line for machine in snapshot.machines.values())}
    return {f"{place}{_STATE}" for place in places}


def _moved_states(plan: Plan) -> dict[str, str]:
    """The `_state` of machines and lines that moved as a whole."""
    homes: dict[str, set[str]] = {}
    for action in plan.actions:
        if action.kind is Kind.MOVE and action.old and action.new:
            homes.setdefault(action.old.machine, set()).add(action.new.machine)
            old, new = _line(action.old.machine), _line(action.new.machine)
            homes.setdefault(old, set()).add(new)
    there = _states(plan.new)
    moved = {o: next(iter(places)) for o, places in homes.items() if len(places) == 1}
    states = {f"{old}{_STATE}": f"{new}{_STATE}" for old, new in moved.items()}
    return {old: new for old, new in states.items() if old not in there}


def _line(machine: str) -> str:
    return "/".join(machine.split("/")[:4])


def _definitions(plan: Plan, machines: Sequence[Machine]) -> Iterator[Message]:
    """The definitions that are new or say something else, and those of their machines."""
    topics = {a.new.topic for a in plan.actions if a.new}
    places = {a.new.machine for a in plan.actions if a.new}
    places |= {a.old.machine for a in plan.actions if a.old}
    for machine in machines:
        text = machine.topic.text
        if text not in places and plan.old.machines.get(text) == plan.new.machines.get(text):
            continue
        yield machine_meta(machine)
        for tag in machine.tags:
            if tag.topic.text in topics:
                yield tag_meta(tag, machine.sparkplug, tag.name, machine)


def _gone(plan: Plan, before: Lock | None, aliases: Mapping[str, Alias]) -> Iterator[str]:
    """Topics that nobody keeps up after this: of tags, machines, lines and former aliases."""
    old = [a.old.topic for a in plan.actions if a.old and a.kind in (Kind.DELETE, Kind.MOVE)]
    machines = [m for m in plan.old.machines if m not in plan.new.machines]
    there = {machine.line for machine in plan.new.machines.values()}
    lines = {_line(machine) for machine in machines} - there
    states = (f"{place}{_STATE}" for place in (*machines, *sorted(lines)))
    former = (alias.old for alias in (before.aliases.values() if before else ()))
    for topic in (*old, *states, *former):
        if topic not in aliases and topic not in plan.new.tags:
            yield topic
    yield from (f"{machine}{_META}" for machine in machines)


def _with_first_names(plan: Plan) -> Snapshot:
    """The new tree, where every tag keeps the topic that it had when it was new."""
    tags = dict(plan.new.tags)
    former: dict[str, Action] = {a.tag.topic: a for a in plan.actions if a.kind is Kind.MOVE}
    for topic, tag in plan.new.tags.items():
        old = former[topic].old if topic in former else plan.old.tags.get(topic)
        first = (old.first or old.topic) if old else ""
        if first and first != topic:
            tags[topic] = msgspec.structs.replace(tag, first=first)
    return replace(plan.new, tags=tags)


def _accepted(plan: Plan, codes: Sequence[str]) -> Iterator[str]:
    """What was accepted, as the plan showed it."""
    for group in groups(plan):
        yield from (f"{code} {group.text}" for code in group.codes if code in codes)


def _as_stale(payload: bytes) -> bytes:
    vqt = read_vqt(payload)
    if vqt is None or vqt.quality not in ("Good", "Uncertain"):
        return payload
    vqt.quality, vqt.detail = "Uncertain", "Stale"
    return msgspec.json.encode(vqt)
