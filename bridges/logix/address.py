"""Where a Logix controller keeps a tag: its name, as Studio 5000 shows it.

    Speed   Filler.Drive.Temp   Counts[3]   Lines[2].Speed   Grid[1,2]   a tag of the controller
    Status.5   Flags[40]                                     a bit of an integer, a BOOL of an array
    Program:Main.Filler.Speed                                a tag of a program
    Local:1:I.Data.0                                         an input of a module

The controller knows the types, so an address names none. Names are the same in any case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from uns.errors import AddressError

__all__ = ["LogixAddress", "Step", "parse"]

_FORM = "`Program:Main.Filler.Speed`"
_LONGEST_NAME = 40  # 1756-PM020: names of tags, members and programs
_MOST_INDICES = 3
_LARGEST_INDEX = 2_097_151  # a tag has at most 2 MB
_LARGEST_BIT = 63  # of an LINT
_LONGEST_PATH = 510  # bytes: its length is told in words, in one byte
_PROGRAM = "program:"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?::[A-Za-z0-9_]+)*")


@dataclass(frozen=True, slots=True)
class Step:
    """A name on the way to a tag, and the indices behind it."""

    name: str
    indices: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.name + (f"[{','.join(map(str, self.indices))}]" if self.indices else "")

    @property
    def path_bytes(self) -> int:
        """How much of a request's path it takes."""
        return 2 + len(self.name) + len(self.name) % 2 + 6 * len(self.indices)


@dataclass(frozen=True, slots=True)
class LogixAddress:
    """One tag's place in a controller; `bit` is one of an integer's, 0 the least significant."""

    steps: tuple[Step, ...]
    bit: int | None = None

    def __str__(self) -> str:
        bit = "" if self.bit is None else f".{self.bit}"
        return ".".join(map(str, self.steps)) + bit


def parse(text: str) -> LogixAddress:
    """Read an address; raises AddressError with the column of the mistake and a hint."""
    return _Reading(text).address()


class _Reading:
    """One text, read from left to right; `at` is how far it was understood."""

    def __init__(self, text: str) -> None:
        self.text = text.rstrip()
        self.at = len(self.text) - len(self.text.lstrip())

    def address(self) -> LogixAddress:
        if self.at >= len(self.text):
            self.fail("the address is empty", hint=f"write one like {_FORM}")
        steps = [self.step()]
        bit: int | None = None
        while self.at < len(self.text):
            mark = self.at
            if self.text[mark] != ".":
                self.stray()
            self.at += 1
            if self.next_is_digit():
                bit = self.bit()
                break
            steps.append(self.step())
            if sum(step.path_bytes for step in steps) > _LONGEST_PATH:
                self.fail("the path is too long for one request", at=mark, hint="at most 510 bytes")
        if self.at < len(self.text):
            self.stray(behind_bit=True)
        if steps[0].name.lower().startswith(_PROGRAM):
            self.check_program(steps, bit)
        return LogixAddress(tuple(steps), bit)

    def step(self) -> Step:
        mark = self.at
        found = _NAME.match(self.text, mark)
        if found is None:
            what = self.text[mark : mark + 1]
            self.fail(
                f"a name cannot begin with `{what}`" if what else "a name is missing",
                hint=f"names begin with a letter or an underscore: {_FORM}",
            )
        name = found[0]
        long = next((part for part in name.split(":") if len(part) > _LONGEST_NAME), None)
        if long is not None:
            self.fail(
                f"`{long}` is longer than {_LONGEST_NAME} characters",
                at=mark + name.index(long),
                hint="a controller has no longer names",
            )
        if name.lower().startswith(_PROGRAM):
            name = "Program:" + name[len(_PROGRAM) :]
        self.at = found.end()
        return Step(name, self.indices())

    def indices(self) -> tuple[int, ...]:
        if self.text[self.at : self.at + 1] != "[":
            return ()
        found: list[int] = []
        while not found or self.text[self.at : self.at + 1] == ",":
            self.at += 1
            if len(found) == _MOST_INDICES:
                self.fail("an array has at most three dimensions", hint="write `Grid[1,2,3]`")
            found.append(self.number("index", _LARGEST_INDEX))
        if self.text[self.at : self.at + 1] != "]":
            self.fail("the bracket is not closed", hint="write `Counts[3]` or `Grid[1,2]`")
        self.at += 1
        if self.text[self.at : self.at + 1] == "[":
            self.fail("indices stand in one pair of brackets", hint="write `Grid[1,2]`")
        return tuple(found)

    def bit(self) -> int:
        return self.number("bit", _LARGEST_BIT)

    def number(self, what: str, most: int) -> int:
        mark = self.at
        digits = re.compile("[0-9]*").match(self.text, mark)
        assert digits is not None  # noqa: S101 - it matches nothing too
        if not digits[0]:
            self.fail(f"the number of the {what} is missing", hint="write it in decimal")
        if len(digits[0]) > len(str(most)) or int(digits[0]) > most:
            self.fail(f"there is no {what} {digits[0]}", at=mark, hint=f"at most {most}")
        self.at = digits.end()
        return int(digits[0])

    def next_is_digit(self) -> bool:
        return self.text[self.at : self.at + 1] in tuple("0123456789")

    def stray(self, *, behind_bit: bool = False) -> NoReturn:
        rest = self.text[self.at :]
        if behind_bit:
            hint = "a bit stands at the end of an address"
        elif rest[0].isspace() or rest[0] in "{/":
            hint = f"an address is one name without blanks, type or count: {_FORM}"
        else:
            hint = "names have letters, digits and underscores; members stand behind a dot"
        self.fail(f"`{rest}` cannot follow here", hint=hint)

    def check_program(self, steps: list[Step], bit: int | None) -> None:
        end = len(self.text)
        if steps[0].indices:
            self.fail("a program has no index", at=self.text.index("["), hint=f"write {_FORM}")
        if steps[0].name.count(":") > 1:
            colon = self.text.index(":", self.text.index(":") + 1)
            self.fail("a program's name has no colon", at=colon, hint=f"write {_FORM}")
        if len(steps) == 1:
            what = "names a program, and no tag in it" if bit is None else "names no tag"
            self.fail(f"`{steps[0]}` {what}", at=end, hint=f"write {_FORM}")

    def fail(self, message: str, *, hint: str, at: int | None = None) -> NoReturn:
        column = (self.at if at is None else at) + 1
        raise AddressError(message, column=column, hint=hint)
