"""An application publishes what is new, keeps old names alive, clears what is gone; and goes back."""

from __future__ import annotations

import json
from datetime import date, timedelta

import pytest

from uns.errors import ProjectError
from uns.namespace import Namespace
from uns.plan.application import Undo, application, undone
from uns.plan.lock import Lock
from uns.plan.plan import make_plan
from uns.plan.readers import Readers
from uns.plan.snapshot import Snapshot

TODAY = date(2026, 1, 8)
UNTIL = TODAY + timedelta(days=30)
LEEDS = "acme/leeds/packaging/line1"
MOVED = "acme/leeds/bottling/line1"
GOOD = b'{"value":7,"quality":"Good","timestamp":"2026-01-08T10:30:00.000Z","unit":"bar"}'
TO_BOTTLING = (
    ('"{site}/packaging/line{n}/filler"', '"{site}/bottling/line{n}/filler"'),
    ("porto/packaging/line", "porto/bottling/line"),
    ("    is: filler\n", '    is: filler\n    was: "{site}/packaging/line{n}/filler"\n'),
)
TO_KPA = ("bowl_pressure: {unit: bar", "bowl_pressure: {unit: kPa")


def _kept(project) -> dict[str, bytes]:
    """What a broker keeps of a project that runs."""
    kept = {m.topic: m.payload for m in Namespace("acme", project.machines).definitions()}
    for machine in project.machines:
        kept |= {f"{machine.topic}/_state": b"{}", f"{machine.line}/_state": b"{}"}
        kept |= {tag.topic.text: GOOD for tag in machine.tags}
    return kept


def _applied(old, new, before=None, days=30, today=TODAY, **words):
    project, lock = old.project, before or Lock(old.snapshot)
    kept = _kept(project)
    changed = new.project
    plan = make_plan(lock.snapshot, Snapshot.of(changed.machines), Readers({}))
    made = application(plan, changed.machines, lock, kept, today=today, alias_days=days, **words)
    return made, kept


def test_moves_get_aliases_and_definitions(acme) -> None:
    """80 moves are 80 new definitions and 80 old ones that say where to; no value is cleared."""
    made, _ = _applied(acme, acme.but(*TO_BOTTLING))
    alias = made.lock.aliases[f"{LEEDS}/filler/good"]
    assert (f"{MOVED}/filler/good", UNTIL) == (alias.new, alias.until)
    assert 80 + 8 + 8 == len(made.lock.aliases)  # tags, and the states of machines and lines
    metas = {m.topic: json.loads(m.payload) for m in made.messages if m.payload}
    assert 8 + 80 + 80 == len(metas)
    said = metas[f"{LEEDS}/filler/good/_meta"]["deprecated"]
    assert {"moved_to": f"{MOVED}/filler/good", "until": UNTIL.isoformat()} == said
    assert 0 == made.cleared
    assert {f"{LEEDS}/filler/_meta"} <= {m.topic for m in made.messages if not m.payload}


def test_a_move_that_means_something_else_gets_no_alias(acme) -> None:
    """A former topic in another unit would lie, so it is cleared."""
    made, _ = _applied(acme, acme.but(*TO_BOTTLING, TO_KPA), accepted=["UNS463"])
    topic = f"{LEEDS}/filler/bowl_pressure"
    assert topic not in made.lock.aliases
    assert {topic, f"{topic}/_meta"} <= {m.topic for m in made.messages if not m.payload}
    assert ("UNS463 filler.bowl_pressure unit bar → kPa",) == made.lock.accepted


def test_what_is_removed_is_cleared_and_nothing_else(acme) -> None:
    """A machine that is no more leaves nothing behind; what others keep there is not touched."""
    made, kept = _applied(acme.but(("1..4", "1..5")), acme)
    gone = {m.topic for m in made.messages if not m.payload}
    assert {topic for topic in kept if "/line5" in topic} == gone
    assert {} == made.lock.aliases


def test_without_days_old_names_end_at_once(acme) -> None:
    """With --alias 0 former topics are cleared."""
    made, _ = _applied(acme, acme.but(*TO_BOTTLING), days=0)
    assert {} == made.lock.aliases
    assert 80 + 16 == made.cleared


def test_aliases_follow_a_second_move_and_end_on_their_day(acme) -> None:
    """An alias points where the tag is now; one whose day is over is cleared."""
    moved = acme.but(*TO_BOTTLING)
    first, _ = _applied(acme, moved)
    again = moved.but(
        ("bottling/line", "filling/line"),
        ("{site}/packaging/line{n}/filler", "{site}/bottling/line{n}/filler"),
    )
    second, _ = _applied(moved, again, before=first.lock, today=TODAY + timedelta(days=5))
    alias = second.lock.aliases[f"{LEEDS}/filler/good"]
    assert ("acme/leeds/filling/line1/filler/good", UNTIL) == (alias.new, alias.until)
    later, _ = _applied(moved, moved, before=first.lock, today=UNTIL + timedelta(days=1))
    assert {} == later.lock.aliases


def test_moving_back_needs_no_alias(acme) -> None:
    """Where a tag is again, no alias speaks in its place."""
    moved = acme.but(*TO_BOTTLING)
    first, _ = _applied(acme, moved)
    back = acme.but(
        ("    is: filler\n", '    is: filler\n    was: "{site}/bottling/line{n}/filler"\n')
    )
    second, _ = _applied(moved, back, before=first.lock)
    assert not [old for old in second.lock.aliases if "/packaging/" in old]


def test_a_tag_is_known_by_its_first_name_for_ever(acme) -> None:
    """However often a tag moves, the lock keeps the topic that it had when it was new."""
    made, _ = _applied(acme, acme.but(*TO_BOTTLING))
    tag = Lock.parse(made.lock.text).snapshot.tags[f"{MOVED}/filler/good"]
    assert f"{LEEDS}/filler/good" == tag.first


def test_nothing_changed_is_nothing_to_publish(acme) -> None:
    """Applying twice is applying once."""
    made, _ = _applied(acme, acme)
    assert ((), Lock(acme.snapshot).text) == (made.messages, made.lock.text)


def test_undo_brings_back_what_there_was(acme) -> None:
    """After undo a broker keeps what it kept before; values come back as old ones."""
    made, kept = _applied(acme.but(("1..4", "1..5")), acme)
    undo = Undo.parse(Undo.of(made, "before", kept).text)
    after = dict(kept)
    for message in made.messages:
        after.pop(message.topic, None)
    restored = {m.topic: m.payload for m in undone(undo, after)}
    assert {topic for topic in kept if "/line5" in topic} == set(restored)
    value = json.loads(restored["acme/leeds/packaging/line5/filler/good"])
    assert (7, "Uncertain", "Stale", "bar") == tuple(
        value[name] for name in ("value", "quality", "detail", "unit")
    )


def test_undo_clears_what_was_new(acme) -> None:
    """Topics that nobody had before are removed, values that a service showed there included."""
    made, kept = _applied(acme, acme.but(*TO_BOTTLING))
    undo = Undo.of(made, None, kept)
    after = {**kept, f"{MOVED}/filler/good": GOOD, f"{MOVED}/_state": b"{}"}
    for message in made.messages:
        after[message.topic] = message.payload
    restored = {m.topic: m.payload for m in undone(undo, after)}
    assert (b"", b"") == (restored[f"{MOVED}/filler/good"], restored[f"{MOVED}/filler/good/_meta"])
    assert b"" == restored[f"{MOVED}/_state"]
    meta = f"{LEEDS}/filler/good/_meta"
    assert kept[meta] == restored[meta]


def test_a_torn_undo_is_refused() -> None:
    """What cannot be read is said, not guessed."""
    with pytest.raises(ProjectError, match="cannot be read"):
        Undo.parse(b'{"before":')
