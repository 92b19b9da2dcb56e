"""A broker's retained definitions are a tree to compare with."""

from __future__ import annotations

import json

from uns.message import Message
from uns.namespace import Namespace
from uns.plan.difference import difference
from uns.plan.live import read_live


def test_what_the_namespace_publishes_is_the_project(acme) -> None:
    """Between a project and the definitions that are made of it there is no difference."""
    project = acme.project
    live = read_live(Namespace("acme", project.machines).definitions())
    assert acme.snapshot.machines == live.snapshot.machines
    assert (
        [] == difference(live.snapshot, acme.snapshot) == difference(acme.snapshot, live.snapshot)
    )
    assert live.snapshot.rate is None


def test_a_live_tree_shows_what_changed(acme) -> None:
    """A unit that is another in the files than on the broker is found."""
    live = read_live(Namespace("acme", acme.project.machines).definitions())
    changed = acme.but(("bowl_pressure: {unit: bar", "bowl_pressure: {unit: kPa")).snapshot
    assert {("unit", "bar", "kPa")} == {
        (change.fact, change.old, change.new)
        for action in difference(live.snapshot, changed)
        for change in action.changes
    }


def test_other_sites_are_another_projects(acme) -> None:
    """Where projects share a tree, none plans or clears what is at a site that it does not have."""
    messages = list(Namespace("acme", acme.project.machines).definitions())
    tree = read_live([*messages, Message("acme/_service/x/_state", b"{}")], {"leeds"})
    assert {"leeds"} == {topic.split("/")[1] for topic in tree.kept}
    assert {"porto": 44, "_service": 1} == tree.elsewhere


def test_strangers_words_are_no_definitions() -> None:
    """What is not ours below the enterprise is sorted without a stumble."""
    odd = [b"", b"\xff", b"[]", b'"x"', b"{}", b'{"kind":"tag","machine":7}', b'{"kind":"machine"}']
    messages = [Message(f"acme/x{n}/_meta", payload) for n, payload in enumerate(odd)]
    foreign = {"kind": "tag", "sparkplug": {"group_id": "g", "edge_node_id": "e", "device_id": ""}}
    tree = read_live(
        [
            *messages,
            Message("acme/leeds/odd/_meta", json.dumps(foreign).encode()),
            Message("acme/leeds/odd", b"1"),
            Message("acme/leeds/_state", b"{}"),
        ]
    )
    assert {} == tree.snapshot.tags
    assert {"acme/x5": "", "acme/leeds/odd": "g/e"} == tree.guests
    assert ({"acme/leeds/odd"}, {"acme/leeds/_state"}) == (set(tree.values), set(tree.reserved))
