"""A lookup: the machine and tag that a topic names, or the names that were probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from uns.equipment import Machine, Tag
from uns.project.project import Project

__all__ = ["Lookup", "lookup"]

_LIKE: Final = 0.6
_SHOWN: Final = 5
_TREE_WORDS: Final = frozenset({"_alarm", "_cmd"})  # a tag's name stands behind them


@dataclass(frozen=True, slots=True)
class Lookup:
    """What a topic names. Without a machine, `nearest` are topics that somebody may have meant.

    `former` is set where the topic is one that the tag or machine had before.
    """

    topic: str
    machine: Machine | None = None
    tag: Tag | None = None
    former: bool = False
    nearest: tuple[str, ...] = ()


def lookup(project: Project, text: str) -> Lookup:
    """Find a topic; the enterprise may be left out, and `_meta` and its like are of their tag."""
    topic = _value_topic(text.strip("/"))
    if topic.partition("/")[0] != project.enterprise:
        inside = f"{project.enterprise}/{topic}"
        if (found := _find(project, inside)).machine is not None:
            return found
    found = _find(project, topic)
    if found.machine is not None:
        return found
    return _former(project, topic) or Lookup(topic, nearest=_nearest(project, topic))


def _value_topic(topic: str) -> str:
    """The topic that a reserved node speaks of: `…/filler/_alarm/temp` is of `…/filler/temp`."""
    levels = topic.split("/")
    for place, level in enumerate(levels):
        if not level.startswith("_") or not place:
            continue
        behind = levels[place + 1 :] if level in _TREE_WORDS else []
        return "/".join([*levels[:place], *(name for name in behind if name != "_ack")])
    return topic


def _find(project: Project, topic: str) -> Lookup:
    for machine in project.machines:
        root = machine.topic.text
        if topic == root:
            return Lookup(topic, machine)
        if topic.startswith(f"{root}/"):
            tag = machine.find_tag(topic[len(root) + 1 :])
            if tag is not None:
                return Lookup(topic, machine, tag)
    return Lookup(topic)


def _former(project: Project, topic: str) -> Lookup | None:
    """Whoever had this topic before it was renamed or moved."""
    for machine in project.machines:
        roots = [machine.topic.text, *(root.text for root in machine.was)]
        if topic in roots[1:]:
            return Lookup(topic, machine, former=True)
        for root in roots:
            if not topic.startswith(f"{root}/"):
                continue
            name = topic[len(root) + 1 :]
            for tag in machine.tags:
                if name in (tag.name, *tag.was):
                    return Lookup(topic, machine, tag, former=True)
    return None


def _nearest(project: Project, topic: str) -> tuple[str, ...]:
    """The topics that look most like it: level by level, so that one slip is one slip."""
    levels = topic.split("/")
    if levels[0] != project.enterprise and len(levels) > 1:
        levels = [project.enterprise, *levels[_is_slip(levels[0], project.enterprise) :]]
    heads = [(project.enterprise, 1.0)]
    children = _children(project)
    for name in levels[1:]:
        heads = sorted(_below(heads, name, children), key=lambda head: -head[1])[:_SHOWN]
    return tuple(topic for topic, _ in heads if topic != project.enterprise)


def _is_slip(name: str, enterprise: str) -> int:
    """1 where the first level is the enterprise's name, mistyped; 0 where it was left out."""
    return int(_likeness(name, enterprise) >= _LIKE)


def _children(project: Project) -> dict[str, dict[str, None]]:
    """The names below each topic of the tree."""
    children: dict[str, dict[str, None]] = {}
    for topic in _topics(project.machines):
        head, _, name = topic.rpartition("/")
        while head and name not in children.setdefault(head, {}):
            children[head][name] = None
            head, _, name = head.rpartition("/")
    return children


def _topics(machines: Sequence[Machine]) -> Iterator[str]:
    for machine in machines:
        yield machine.topic.text
        yield from (tag.topic.text for tag in machine.tags)


def _below(
    heads: Iterable[tuple[str, float]], name: str, children: dict[str, dict[str, None]]
) -> Iterator[tuple[str, float]]:
    """The children that look like `name`, each with how much its whole path does.

    Where none does the head itself stays: that far the topic is right.
    """
    for head, score in heads:
        likely = [(one, _likeness(name, one)) for one in children.get(head, ())]
        near = [(f"{head}/{one}", score * like) for one, like in likely if like >= _LIKE]
        yield from near or [(head, score / 2)]


def _likeness(word: str, other: str) -> float:
    if word == other:
        return 1.0
    return difflib.SequenceMatcher(None, word.casefold(), other.casefold()).ratio() * 0.99
