"""Drift finds what a broker shows otherwise than the project says, and nothing else."""

from __future__ import annotations

import json

from uns.message import Message
from uns.namespace import Namespace
from uns.plan.drift import DeviationKind, deviations, drift_lines, drift_summary
from uns.plan.live import read_live

FILLER = "acme/leeds/packaging/line1/filler"


def _value(value, quality="Good", unit="", detail="") -> bytes:
    said = {"value": value, "quality": quality, "timestamp": "2026-01-08T10:30:00.000Z"}
    said |= {name: text for name, text in (("unit", unit), ("detail", detail)) if text}
    return json.dumps(said).encode()


def _shown(project, **others: bytes) -> list[Message]:
    """A tree that shows everything Good, but for `others` by topic."""
    values = {
        tag.topic.text: _value(1, unit=tag.unit)
        for machine in project.machines
        for tag in machine.tags
    }
    definitions = {m.topic: m.payload for m in Namespace("acme", project.machines).definitions()}
    shown = {**definitions, **values, **{k.replace("__", "/"): v for k, v in others.items()}}
    return [Message(topic, payload) for topic, payload in shown.items() if payload]


def _found(example, messages) -> dict[str, set[str]]:
    live = read_live(messages)
    found = deviations(example.snapshot, live, lambda device: device.startswith("known/"))
    by_kind: dict[str, set[str]] = {}
    for one in found:
        by_kind.setdefault(one.kind, set()).add(one.topic)
    return by_kind


def test_a_tree_as_it_should_be_has_no_drift(acme) -> None:
    """Every tag Good and every definition the project's: nothing to say."""
    states = [
        Message(f"{FILLER}/_state", b"{}"),
        Message("acme/leeds/packaging/line1/_state", b"{}"),
    ]
    ours = [Message("acme/_service/uns-acme/_state", b"{}"), Message("acme/_flow/leeds/x", b"{}")]
    assert {} == _found(acme, [*_shown(acme.project), *states, *ours])


def test_declared_and_silent_or_stale(acme) -> None:
    """A tag without a value, with none yet, or with an old one is named by what is wrong."""
    messages = _shown(
        acme.project,
        **{
            f"{FILLER}/speed": b"",
            f"{FILLER}/good": _value(None, "GoodNoData", "{bottle}"),
            f"{FILLER}/bad": _value(7, "Uncertain", "{bottle}", "Stale"),
        },
    )
    assert {
        DeviationKind.SILENT: {f"{FILLER}/speed", f"{FILLER}/good"},
        DeviationKind.STALE: {f"{FILLER}/bad"},
    } == _found(acme, messages)


def test_wrong_units_and_types(acme) -> None:
    """A value in another unit, a refused one, or a definition of another type is different."""
    messages = _shown(
        acme.project,
        **{
            f"{FILLER}/speed": _value(7, unit="m/s"),
            f"{FILLER}/good": _value(None, "Bad", "{bottle}", "Schema"),
        },
    )
    other = acme.but(("recipe: {type: string", "recipe: {type: Int32"))
    recipes = {
        f"acme/{site}/packaging/line{n}/filler/recipe"
        for site in ("leeds", "porto")
        for n in range(1, 5)
    }
    assert {DeviationKind.DIFFERENT: recipes | {f"{FILLER}/speed", f"{FILLER}/good"}} == _found(
        other, messages
    )


def test_what_is_alive_and_undeclared_comes_with_its_yaml(acme) -> None:
    """A Good value that no file knows is offered as a tag; a guest by rule is no stranger."""
    guest = {"kind": "tag", "sparkplug": {"group_id": "known", "edge_node_id": "e"}}
    messages = [
        *_shown(acme.project),
        Message(f"{FILLER}/pump/vibration", _value(0.5, unit="mm/s")),
        Message("acme/leeds/lab/ph", _value(7.1)),
        Message("acme/leeds/lab/ph/_meta", json.dumps(guest).encode()),
    ]
    live = read_live(messages)
    (one,) = deviations(acme.snapshot, live, lambda device: device == "known/e")
    assert DeviationKind.UNDECLARED == one.kind
    assert '{pump/vibration: {type: Float, unit: "mm/s"}}' == one.yaml


def test_ghosts_are_what_nobody_keeps_up(acme) -> None:
    """Old values, definitions and states of machines that are no more are ghosts; aliases are not."""
    old = "acme/leeds/old/line1/filler"
    deprecated = {"kind": "tag", "machine": "x", "deprecated": {"moved_to": "y"}}
    messages = [
        *_shown(acme.project),
        Message(f"{old}/speed", _value(3, "Uncertain", detail="Stale")),
        Message(f"{old}/speed/_meta", b'{"kind":"tag"}'),
        Message(f"{old}/_state", b"{}"),
        Message("acme/york/a/b/c/good", _value(3, "Uncertain", detail="Stale")),
        Message("acme/york/a/b/c/good/_meta", json.dumps(deprecated).encode()),
        Message("acme/york/a/b/c/_state", b"{}"),
    ]
    assert {DeviationKind.GHOST: {f"{old}/speed", f"{old}/_state"}} == _found(acme, messages)


def test_the_same_on_every_machine_is_one_line(acme) -> None:
    """Eight fillers without a value are told once, with a pattern and a count."""
    values = {
        f"acme/{s}/packaging/line{n}/filler/good": b""
        for s in ("leeds", "porto")
        for n in range(1, 5)
    }
    found = deviations(acme.snapshot, read_live(_shown(acme.project, **values)), lambda _: False)
    assert [
        "silent      acme/{leeds,porto}/packaging/line{1..4}/filler/good  8 topics  there is no value"
    ] == list(drift_lines(found))
    assert "8 silent" == drift_summary(found)
