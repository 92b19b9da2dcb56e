"""The draft: found devices as the YAML of a project, with comments on what was guessed."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uns.importers.family import Bound, Family, families, regular
from uns.importers.found import NO_HOST, Found, Unmapped
from uns.importers.machines import machines
from uns.importers.words import clean, common_words, differing_words, said_of

__all__ = ["Draft", "draft"]

_ONCE = 3  # a guess about more tags than this is said once for all of them


@dataclass(frozen=True, slots=True)
class Draft:
    """A drafted project: its text, what it holds, and what it does not."""

    text: str
    machines: int
    types: int
    tags: int
    guesses: tuple[str, ...]
    unmapped: tuple[Unmapped, ...]


def draft(found: Found, *, title: str, enterprise: str, under: Sequence[str]) -> Draft:
    """The project that `found` makes; `under` are the levels that machines' paths may lack."""
    there = machines(found)
    made = families(there, under)
    guesses = _guesses(made)
    lines = [
        f"# {clean(title)}",
        "# What the files do not say is marked `guessed:`; look at it before you run this.",
        f"enterprise: {_word(enterprise)}",
        *_section("types", "WHAT a machine is", (_type(one, guesses) for one in made)),
        *_section("bindings", "WHERE the values are", (_family_bindings(one) for one in made)),
        *_section("instances", "WHICH machines exist", (_instances(one) for one in made)),
        *_section("overrides", "Exceptions", (_overrides(one) for one in made)),
        *_not_mapped(found.unmapped),
    ]
    said = [f"{text} ({count} tags)" if count > 1 else text for text, count in guesses.items()]
    said += [guess for device in found.devices for guess in device.guesses]
    return Draft(
        "\n".join(lines) + "\n", len(there), len(made), sum(len(one.tags) for one in there),
        tuple(dict.fromkeys(said)), found.unmapped,
    )  # fmt: skip


def _guesses(made: Sequence[Family]) -> Counter[str]:
    return Counter(
        guess
        for family in made
        for machine in family.machines
        for tag in machine.tags.values()
        for guess in said_of(tag)
    )


def _section(key: str, what: str, blocks: Iterable[Iterable[str]]) -> Iterator[str]:
    lines = [line for block in blocks for line in block]
    if lines:
        yield from ("", f"{key}:  # {what}", *lines)


def _type(family: Family, guesses: Counter[str]) -> Iterator[str]:
    count = len(family.machines)
    of = f"{count} machines, " if count > 1 else ""
    origins = [machine.tags[next(iter(machine.tags))].origin for machine in family.machines]
    yield f"  {_word(family.name)}:  # {of}from {clean(origins[0])}" + (" …" if count > 1 else "")
    for guess, often in guesses.items():
        if often > _ONCE and any(guess in _said(family, name) for name in family.tags):
            yield f"    # guessed: {clean(guess)}"
    yield "    tags:"
    for name in family.tags:
        words = common_words(family, name)
        words.pop("scale", None)
        yield f"      {_word(name)}: {_flow(words)}{_remark(family, name, guesses)}"


def _said(family: Family, name: str) -> dict[str, None]:
    """What was guessed of a tag on any machine of the family, each once."""
    tags = (machine.tags[name] for machine in family.machines if name in machine.tags)
    return dict.fromkeys(guess for tag in tags for guess in said_of(tag))


def _remark(family: Family, name: str, guesses: Counter[str]) -> str:
    said = [clean(guess) for guess in _said(family, name) if guesses[guess] <= _ONCE]
    return f"  # guessed: {'; '.join(said)}" if said else ""


def _family_bindings(family: Family) -> Iterator[str]:
    if len(family.bindings) > 1:
        yield f"  # The addresses of `{family.name}` follow no pattern: a binding for each machine."
    for binding in family.bindings:
        yield from _binding(family, binding)


def _binding(family: Family, binding: Bound) -> Iterator[str]:
    device = family.machines[binding.members[0]].device
    yield f"  {_word(binding.name)}:"
    yield from (f"    # guessed: {clean(guess)}" for guess in device.guesses)
    yield f"    driver: {_word(device.driver)}"
    yield f"    connection: {_flow(binding.connection)}"
    scales = {
        name: words["scale"]
        for name in binding.addresses
        if "scale" in (words := common_words(family, name))
    }
    whole = None if scales or family.optional else regular(binding.addresses)
    if whole:
        yield f"    tags: {_word(whole)}"
        return
    yield "    tags:" if binding.addresses else "    tags: {}"
    for name, address in binding.addresses.items():
        if name in scales:
            yield f"      {_word(name)}: {_flow({'address': address, 'scale': scales[name]})}"
        else:
            yield f"      {_word(name)}: {_word(address)}"


def _instances(family: Family) -> Iterator[str]:
    if not family.rows:
        yield f"  - path: {_word(family.path)}"
        if family.each:
            yield f"    each: {{{', '.join(f'{k}: {_series(v)}' for k, v in family.each.items())}}}"
        yield f"    is: {_word(family.name)}"
        yield f"    bind: {_word(family.bindings[0].name)}"
        if family.shared:
            yield f"    with: {_flow(family.shared)}{_nobodys(family.shared)}"
        return
    for place, row in enumerate(family.rows):
        bound = next(one.name for one in family.bindings if place in one.members)
        words = {"path": family.paths[place], "is": family.name, "bind": bound}
        yield f"  - {_flow({**words, **({'with': row} if row else {})})}{_nobodys(row)}"


def _nobodys(parameters: Mapping[str, Any]) -> str:
    if str(parameters.get("host", "")).startswith(NO_HOST):
        return "  # guessed: the file does not say where the device is"
    return ""


def _overrides(family: Family) -> Iterator[str]:
    differing = differing_words(family)
    for place, path in enumerate(family.paths):
        tags = {name: dict(words) for name, words in differing.get(place, {}).items()}
        for name, address in family.own.get(place, {}).items():
            scale = family.machines[place].tags[name].scale
            said = {"address": address, **({"scale": list(scale)} if scale else {})}
            tags[name] = {**tags.get(name, {}), **said}
        if tags:
            yield f"  {_word(path)}:"
            yield "    tags:"
            yield from (f"      {_word(name)}: {_flow(words)}" for name, words in tags.items())


def _not_mapped(unmapped: Sequence[Unmapped]) -> Iterator[str]:
    if unmapped:
        yield from ("", f"# Not mapped ({len(unmapped)}): these are in the files and not above.")
        yield from (f"#   {clean(str(one))}" for one in unmapped)


def _series(values: Sequence[int | str]) -> str:
    """`1..4`, or a list."""
    first = values[0]
    is_row = isinstance(first, int) and list(values) == list(range(first, first + len(values)))
    if is_row and len(values) > 1:
        return f"{first}..{values[-1]}"
    return _flow(list(values))


_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_/-]*(?: [A-Za-z0-9_/-]+)*\Z")
_RESERVED = {"true", "false", "null"}


def _word(text: str) -> str:
    """A text as YAML: bare where nobody could take it for something else."""
    if _PLAIN.match(text) and text.casefold() not in _RESERVED:
        return text
    return json.dumps(text, ensure_ascii=False)


def _flow(value: Any) -> str:
    """A value in one line of YAML."""
    match value:
        case bool() | None:
            return json.dumps(value)
        case str():
            return _word(value)
        case float() if value.is_integer() and abs(value) < 1e15:  # noqa: PLR2004 - exact in a double
            return str(int(value))
        case Mapping():
            return "{" + ", ".join(f"{_word(str(k))}: {_flow(v)}" for k, v in value.items()) + "}"
        case Sequence():
            return "[" + ", ".join(map(_flow, value)) + "]"
    return str(value)
