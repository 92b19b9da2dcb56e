"""The next line: what to write into a project's files so that a line exists once more.

An entry whose `each` makes the line is extended (`1..4` becomes `1..5`); where that would make
machines elsewhere too, or where there is no `each`, the entry is copied. Texts are changed, not
rewritten: comments and order stay. Whether the result is what was asked for is for the caller
to check, edit by edit: the first that fits is the smallest.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uns.project.library import Entry
from uns.project.models import InstanceWords
from uns.project.source import Source, Written

__all__ = ["Edit", "edits", "edits_together"]

_MOST_VALUES = 8  # candidates for a parameter's new value: the words of the new path
_LITERAL = re.compile(r"[A-Za-z0-9_.-]+\Z")


@dataclass(frozen=True, slots=True)
class Edit:
    """A stretch of a file (in characters) and what stands there instead."""

    file: str
    start: int
    end: int
    text: str


def edits(
    entry: Entry[InstanceWords], each: Sequence[Mapping[str, Any]], old: str, new: str
) -> Iterator[Edit]:
    """The ways in which an entry can make line `new` as it makes `old`, the smallest first.

    `each` are the values of the machines on line `old` that the entry makes.
    """
    values = list(dict.fromkeys(_values(new)))[:_MOST_VALUES]
    fixed = {
        name: {one[name] for one in each}
        for name in entry.words.each
        if all(name in o for o in each)
    }
    single = [name for name, had in fixed.items() if len(had) == 1]
    for name, value in itertools.product(single, values):
        if value not in entry.words.each[name]:
            made = _extended(entry, name, value)
            yield from () if made is None else (made,)
    for name, value in itertools.product(single, values):
        yield from _narrowed(entry, {**fixed, name: {value}})
    yield from _moved(entry, old, new)
    for name, value in itertools.product(entry.words.with_, values):
        yield from _with(entry, name, value)


def edits_together(texts: Mapping[str, str], chosen: Sequence[Edit]) -> dict[str, str]:
    """The texts with all edits made."""
    made = dict(texts)
    for edit in sorted(chosen, key=lambda one: one.start, reverse=True):
        text = made[edit.file]
        made[edit.file] = text[: edit.start] + edit.text + text[edit.end :]
    return made


def _values(path: str) -> Iterator[int | str]:
    """What a parameter could be on that path: the line's number first, then its names."""
    for level in reversed(path.split("/")):
        yield from (int(number) for number in re.findall(r"[0-9]{1,9}", level))
        yield level
        yield from re.findall(r"[A-Za-z]+|[0-9]+", level)


def _extended(entry: Entry[InstanceWords], name: str, value: int | str) -> Edit | None:
    """One value more in `each`."""
    at = entry.at.at("each", name)
    found = _stretch(at)
    if found is None or not _LITERAL.match(str(value)):
        return None
    start, end, text = found
    series = re.fullmatch(r"([0-9]+)\.\.([0-9]+)", text)
    if series and isinstance(value, int):
        follows = value == int(series[2]) + 1
        made = f"{series[1]}..{value}" if follows else f"[{text}, {value}]"
    elif text.startswith("[") and text.endswith("]"):
        made = f"{text[:-1].rstrip()}, {value}]"
    elif _LITERAL.match(text):
        made = f"[{text}, {value}]"
    else:
        return None
    return Edit(at.source.name, start, end, made)


def _narrowed(entry: Entry[InstanceWords], values: Mapping[str, set[Any]]) -> Iterator[Edit]:
    """A copy of the entry for the new line alone."""
    changes = []
    for name in entry.words.each:
        found = _stretch(entry.at.at("each", name))
        if found is None or name not in values:
            return
        words = ", ".join(sorted(map(str, values[name])))
        changes.append((found[0], found[1], f"[{words}]"))
    yield from _copied(entry, changes)


def _moved(entry: Entry[InstanceWords], old: str, new: str) -> Iterator[Edit]:
    """A copy of an entry whose path is written out."""
    found = _stretch(entry.at.at("path"))
    if found is not None and old in found[2]:
        start, end, text = found
        yield from _copied(entry, [(start, end, text.replace(old, new, 1))])


def _with(entry: Entry[InstanceWords], name: str, value: int | str) -> Iterator[Edit]:
    """A copy of an entry with another parameter."""
    found = _stretch(entry.at.at("with", name))
    if found is not None and "{" not in found[2] and _LITERAL.match(str(value)):
        yield from _copied(entry, [(found[0], found[1], str(value))])


def _copied(entry: Entry[InstanceWords], changes: Sequence[tuple[int, int, str]]) -> Iterator[Edit]:
    """The entry once more, behind itself, with changes."""
    source = entry.at.source
    block = _block(source, entry.at)
    if block is None or any(not block[0] <= start <= end <= block[1] for start, end, _ in changes):
        return
    start, end = block
    text = source.text[start:end]
    for first, last, made in sorted(changes, reverse=True):
        text = text[: first - start] + made + text[last - start :]
    joint = "" if source.text[:end].endswith("\n") else "\n"
    yield Edit(source.name, end, end, joint + text)


def _stretch(at: Written) -> tuple[int, int, str] | None:
    """Where a value stands in its file, and its text; None where it is not on one line."""
    if not at.is_written:
        return None
    span = at.span()
    if span.line != span.end_line or span == at.span(of_key=True):
        return None
    before = _offset(at.source.text, span.line)
    start, end = before + span.column - 1, before + span.end_column - 1
    return start, end, at.source.text[start:end]


def _block(source: Source, at: Written) -> tuple[int, int] | None:
    """The lines of a `- ` entry; None where entries stand in one line together."""
    lines = source.text.splitlines(keepends=True)
    first = at.span().line - 1
    dash = re.match(r"( *)- ", lines[first])
    if dash is None:
        return None
    last = first + 1
    for number in range(first + 1, len(lines)):
        line = lines[number]
        if not line.strip():
            continue
        if len(line) - len(line.lstrip(" ")) <= len(dash[1]):
            break
        last = number + 1
    return _offset(source.text, first + 1), _offset(source.text, last + 1)


def _offset(text: str, line: int) -> int:
    """Where a line (from 1) begins."""
    return sum(len(one) for one in text.splitlines(keepends=True)[: line - 1])
