"""The address of an OPC UA variable by the names that people see: `/Objects/Line1/Filler/Speed`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

from uns.errors import AddressError

__all__ = ["BrowsePath", "Step", "has_wildcard", "matches", "parse_path", "split_elements"]

_SPELLING = "names from the Objects folder down: `/Objects/Line1/Filler/Speed`"
_ELEMENTS = re.compile(r" ?\[(\d{1,9}(?:,\d{1,9})*)\]$", re.ASCII)  # part 4 §7.27 NumericRange
_SPACED = re.compile(r"^(\d{1,5}):(.+)$", re.ASCII | re.DOTALL)
_MAX_INDEX = 0xFFFF


class Step(NamedTuple):
    """One name; with the index of its namespace where that was written (`2:Speed`)."""

    name: str
    namespace: int | None = None

    def __str__(self) -> str:
        escaped = re.sub(r"[&/\[\]]", lambda found: "&" + found[0], self.name)
        if self.namespace is not None:
            return f"{self.namespace}:{escaped}"
        return re.sub(r"^(\d{1,5}):", r"\1&:", escaped, count=1, flags=re.ASCII)


@dataclass(frozen=True, slots=True)
class BrowsePath:
    """Names below the Objects folder, and the element of an array, if one is meant.

    It becomes a node id at every connect: whoever downloads another program may change ids and
    leave the names as they are.
    """

    steps: tuple[Step, ...]
    elements: str = ""

    def __str__(self) -> str:
        names = "/Objects/" + "/".join(map(str, self.steps))
        if not self.elements:
            return names
        blank = " " if names.endswith(" ") else ""  # one blank before a bracket does not count
        return f"{names}{blank}[{self.elements}]"


def parse_path(text: str) -> BrowsePath:
    """Return the path written as `text`, which begins with a slash; raises AddressError."""
    path, elements = split_elements(text)
    steps: list[Step] = []
    for column, part in _parts(path):
        steps.append(_step(part, column))
    if not steps or steps[0] != Step("Objects"):
        raise AddressError(f"`{text}` does not begin with `/Objects`", column=2, hint=_SPELLING)
    if len(steps) == 1:
        raise AddressError(f"`{text}` names no variable", column=len(text) + 1, hint=_SPELLING)
    return BrowsePath(tuple(steps[1:]), elements)


def split_elements(text: str) -> tuple[str, str]:
    """What is before `[3]` at the end, and what is in it; `&[` is no such thing."""
    found = _ELEMENTS.search(text)
    if found is None:
        return text, ""
    before = text[: found.start()]
    escapes = len(before) - len(before.rstrip("&"))
    return (text, "") if escapes % 2 else (before, found[1])


def has_wildcard(text: str) -> bool:
    """Whether it is a glob: `/Objects/Line*/**`."""
    return "*" in text or "?" in text


def matches(names: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    """Whether names are what a glob asks for: `*` within a name, `**` for any number of names."""
    if not pattern:
        return not names
    if pattern[0] == "**":
        return any(matches(names[at:], pattern[1:]) for at in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], pattern[0]) and matches(names[1:], pattern[1:])


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """Each part between slashes as it is written, with its column; `&` takes a slash's meaning."""
    start, is_escaped = 1, False
    for at, letter in enumerate(text[1:] + "/", 1):
        if letter == "/" and (not is_escaped or at == len(text)):
            yield start + 1, text[start:at]
            start = at + 1
        is_escaped = letter == "&" and not is_escaped


def _step(part: str, column: int) -> Step:
    spaced = _SPACED.match(part)
    index, written = (int(spaced[1]), spaced[2]) if spaced else (None, part)
    if index is not None and index > _MAX_INDEX:
        raise AddressError(
            f"`{index}` is no namespace index", column=column, hint="a whole number up to 65535"
        )
    start = column + len(part) - len(written)
    bare = re.search(r"(?<!&)(?:&&)*([\[\]])", written)
    if bare is not None:
        raise AddressError(
            f"`{bare[1]}` in the name `{written}` has to be written `&{bare[1]}`",
            column=start + bare.start(1),
            hint="an element of an array stands at the very end: `/Objects/Line1/Lanes[3]`",
        )
    name = re.sub(r"&(.)", r"\1", written, flags=re.DOTALL)
    if not written or _ends_in_escape(written):
        what = "an empty name" if not written else "an `&` that escapes nothing"
        raise AddressError(f"a browse path has {what}", column=start, hint=_SPELLING)
    return Step(name, index)


def _ends_in_escape(written: str) -> bool:
    return (len(written) - len(written.rstrip("&"))) % 2 == 1
