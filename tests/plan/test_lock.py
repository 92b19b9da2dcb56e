"""A lock is the tree as text: nothing is lost in it, and nonsense is refused with its line."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uns.errors import ProjectError
from uns.plan.difference import difference
from uns.plan.lock import Alias, Lock
from uns.plan.snapshot import MachineRecord, Snapshot, TagRecord

ALIAS = Alias("acme/a/b/c/d/e", "acme/a/b/c/f/e", date(2026, 12, 22))
ACCEPTED = "UNS463 filler.bowl_pressure unit bar → kPa"


def test_a_lock_comes_back_as_it_was_written(acme) -> None:
    """Reading what was written gives the same tree, aliases and sentences."""
    lock = Lock(acme.snapshot, {ALIAS.old: ALIAS}, (ACCEPTED,), {"acme/a/b/c/d/f": ALIAS.until})
    again = Lock.parse(lock.text)
    assert lock.snapshot.tags == again.snapshot.tags
    assert lock.snapshot.machines == again.snapshot.machines
    assert (lock.aliases, lock.accepted) == (again.aliases, again.accepted)
    assert lock.former == again.former
    assert lock.text == again.text


def test_lines_are_sorted_and_one_for_each_thing(acme) -> None:
    """A merge of two people's changes is a merge of lines."""
    head, version, *lines, end = Lock(acme.snapshot, {ALIAS.old: ALIAS}, (ACCEPTED,)).text.split(
        "\n"
    )
    assert ("lock 1", "") == (version, end)
    assert head.startswith("# ")
    assert sorted(lines) == lines
    assert 1 + 1 + 8 + 80 == len(lines)


def test_line_five_adds_lines_and_changes_none(acme) -> None:
    """What stays as it is has the same line as before."""
    before = set(Lock(acme.snapshot).text.split("\n"))
    after = set(Lock(acme.but(("1..4", "1..5")).snapshot).text.split("\n"))
    assert (0, 22) == (len(before - after), len(after - before))


_NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
_FACTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["Float", "Int64", "String"])},
    optional={
        "unit": st.text(min_size=1, max_size=5),
        "range": st.tuples(st.floats(-10, 0), st.floats(1, 10)).map(list),
        "counter": st.just(True),
        "states": st.dictionaries(st.integers(0, 9).map(str), st.text(), min_size=1),
    },
)


@st.composite
def _snapshots(draw) -> Snapshot:
    machines, tags = {}, {}
    for name in draw(st.sets(_NAMES, min_size=1, max_size=3)):
        place = f"acme/leeds/hall/line1/{name}"
        machines[place] = MachineRecord(place, "filler", 1, ("filler", "machine"))
        for tag in draw(st.sets(_NAMES, max_size=4)):
            topic = f"{place}/{tag}"
            source = draw(st.none() | st.tuples(st.text(), st.text()))
            tags[topic] = TagRecord(topic, place, tag, source, draw(_FACTS))
    return Snapshot(machines, tags)


@given(_snapshots())
def test_any_tree_comes_back_and_has_no_difference(snapshot: Snapshot) -> None:
    """Whatever texts a tag holds, its line is read back as it was."""
    again = Lock.parse(Lock(snapshot).text).snapshot
    assert (snapshot.tags, snapshot.machines) == (again.tags, again.machines)
    assert [] == difference(snapshot, again) == difference(again, snapshot)


@given(_snapshots(), _snapshots())
def test_every_tag_is_in_a_difference_once(old: Snapshot, new: Snapshot) -> None:
    """A tag of either side is added, deleted, moved, changed or the same: never lost or doubled."""
    actions = difference(old, new)
    before = [action.old.topic for action in actions if action.old]
    after = [action.new.topic for action in actions if action.new]
    assert len(set(before)) == len(before)
    assert len(set(after)) == len(after)
    assert old.tags.keys() - new.tags.keys() <= set(before)
    assert new.tags.keys() - old.tags.keys() <= set(after)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no lock"),
        ("lock 2\n", "no lock that this version reads: `lock 2`"),
        ("lock 1\n<<<<<<< ours\n", "line 2 of the lock is `<<<<<<< ours`"),
        ("lock 1\ntag acme/a/b {}\n", "line 2"),
        ("lock 1\nmachine acme/a/b/c/d filler/x\n", "line 2"),
        ("lock 1\nalias a b tomorrow\n", "line 2"),
        ('lock 1\ntag acme/a/b/c/d/e [{"type":"Float"}]\n', "line 2"),
    ],
)
def test_what_is_no_lock_is_refused_with_its_line(text: str, said: str) -> None:
    """A conflict that nobody resolved, another version or a torn file is an error with a hint."""
    with pytest.raises(ProjectError, match=said) as caught:
        Lock.parse(text)
    assert "from git" in caught.value.hint


def test_the_first_name_of_a_tag_is_kept(acme) -> None:
    """What a tag is known by for ever survives its renames in the file."""
    snapshot = acme.snapshot
    tag = next(iter(snapshot.tags.values()))
    moved = TagRecord(tag.topic, tag.machine, tag.name, tag.source, tag.facts, (), "acme/old")
    lock = Lock(replace(snapshot, tags={tag.topic: moved}))
    assert {"acme/old"} == {t.first for t in Lock.parse(lock.text).snapshot.tags.values()}
