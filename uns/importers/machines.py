"""Machines: which of the folders in somebody's tag tree are one, and what stands above it."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from uns.importers.found import Device, Found, FoundTag
from uns.project.template import FILTERS

__all__ = ["FoundMachine", "machines", "snake"]

_MOST_LEVELS = 5  # site, area, line, cell, machine
_REPEATED = 2  # tags that two prefixes must share to be machines
_PREFIX = re.compile(r"(.*?[A-Za-z].*?[0-9]+)[_.\-/ ](.*[A-Za-z].*)\Z")
_GROUPS = frozenset((
    "status", "state", "admin", "command", "commands", "cmd", "alarm", "alarms", "parameter",
    "parameters", "process", "setpoint", "setpoints", "counts", "counters", "energy", "hmi",
    "inputs", "outputs", "io", "recipe", "diagnostics", "production", "quality", "settings",
    "values",
))  # fmt: skip
_SPELLED = str.maketrans({
    "ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "ø": "o", "Ø": "O",
})  # fmt: skip
_WORD = re.compile(r"[^A-Za-z0-9]+")
_LONGEST = 64  # characters of a name; see uns/hierarchy.py


@dataclass(frozen=True, slots=True)
class FoundMachine:
    """A machine: the levels of its path that the file has, and its tags by their new names."""

    levels: tuple[str, ...]
    device: Device
    tags: Mapping[str, FoundTag]


def machines(found: Found) -> list[FoundMachine]:
    """Every machine, in the order in which its first tag stands."""
    several = len(found.devices) > 1
    drafted: dict[tuple[str, ...], FoundMachine] = {}
    for device in found.devices:
        for place, tags in _by_machine(device).items():
            levels = tuple(snake(level) for level in place)
            if several or not levels:
                levels = (snake(device.name), *levels)
            levels = _free(_shortened(levels), drafted)
            drafted[levels] = FoundMachine(levels, device, _named(tags, len(place)))
    return list(drafted.values())


def snake(text: str) -> str:
    """A name of the tree for `text`: `PT 101` is `pt_101`; nothing that can be kept is `x`."""
    spelled = unicodedata.normalize("NFKD", text.translate(_SPELLED))
    plain = FILTERS["snake"](_WORD.sub("_", spelled.encode("ascii", "ignore").decode()))
    return plain[:_LONGEST].strip("_") or "x"


def _by_machine(device: Device) -> dict[tuple[str, ...], list[FoundTag]]:
    """The tags of each machine by its folders."""
    tags = _unfolded(device.tags)
    holders = {tag.levels[:-1] for tag in tags}
    found: dict[tuple[str, ...], list[FoundTag]] = defaultdict(list)
    for tag in tags:
        folders = tag.levels[:-1]
        place = _machine_of(folders, holders) if tag.depth is None else folders[: tag.depth]
        found[place].append(tag)
    return dict(found)


def _machine_of(folders: tuple[str, ...], holders: set[tuple[str, ...]]) -> tuple[str, ...]:
    """The folder that is the machine: the first with tags of its own, or above a known group."""
    for depth, folder in enumerate(folders):
        if folder.casefold() in _GROUPS:
            return folders[:depth]
        if folders[: depth + 1] in holders:
            return folders[: depth + 1]
    return folders


def _unfolded(tags: Iterable[FoundTag]) -> list[FoundTag]:
    """Where a flat list says `Filler1_Speed`, `Filler2_Speed`: folders `Filler1` and `Filler2`."""
    kept = list(tags)
    open_ = [tag for tag in kept if tag.depth is None]
    split = {tag: found for tag in open_ if (found := _PREFIX.match(tag.levels[-1]))}
    names: dict[tuple[tuple[str, ...], str], set[str]] = defaultdict(set)
    for tag, found in split.items():
        names[tag.levels[:-1], found[1]].add(found[2])
    stems = Counter(
        (folder, re.sub(r"[0-9]+", "#", prefix))
        for (folder, prefix), below in names.items()
        if len(below) >= _REPEATED
    )
    return [
        replace(tag, levels=(*tag.levels[:-1], split[tag][1], split[tag][2]))
        if tag in split and _is_machine(tag.levels[:-1], split[tag][1], stems)
        else tag
        for tag in kept
    ]


def _is_machine(
    folder: tuple[str, ...], prefix: str, stems: Counter[tuple[tuple[str, ...], str]]
) -> bool:
    return stems[folder, re.sub(r"[0-9]+", "#", prefix)] >= _REPEATED


def _shortened(levels: tuple[str, ...]) -> tuple[str, ...]:
    """At most five levels: those in the middle become one."""
    if len(levels) <= _MOST_LEVELS:
        return levels
    keep = _MOST_LEVELS - 2
    middle = "_".join(levels[keep:-1])[:_LONGEST].strip("_")
    return (*levels[:keep], middle, levels[-1])


def _free(levels: tuple[str, ...], taken: Mapping[tuple[str, ...], object]) -> tuple[str, ...]:
    name, number = levels[-1], 1
    while levels in taken:
        number += 1
        levels = (*levels[:-1], f"{name}_{number}")
    return levels


def _named(tags: Iterable[FoundTag], depth: int) -> dict[str, FoundTag]:
    """The tags by their names below the machine; one whose name is taken gets a number."""
    named: dict[str, FoundTag] = {}
    groups = {"/".join(map(snake, tag.levels[depth:-1])) for tag in tags}
    for tag in tags:
        wish = "/".join(map(snake, tag.levels[depth:])) or "x"
        wish = f"{wish}/value" if wish in groups else wish
        name, number = wish, 1
        while name in named:
            number += 1
            name = f"{wish}_{number}"
        if name != wish:
            guess = f"renamed: `{wish}` is taken by another tag"
            tag = replace(tag, guesses=(*tag.guesses, guess))
        named[name] = tag
    return named
