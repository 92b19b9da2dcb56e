"""Where an S7 keeps a tag: `DB10.DBD4:REAL`, parsed without asking it.

    DB10.DBD4:REAL   DB10.DBX0.1   DB10.DBB30:STRING[20]   MW20:INT   IW0:WORD   Q1.3
    DB10,R4  DB10,X0.1  DB10,S30.20  DB10.R4               Node-RED's and Telegraf's way
    %MW20  EW0  A1.3                                       absolute mark, German mnemonics

Without a type the tag's own datatype decides, within the size that the address says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import NoReturn

from uns.errors import AddressError
from uns.metric import DataType

__all__ = ["S7Address", "parse"]

_FORM = "`DB10.DBD4:REAL`"
_MAX_NUMBER = 65_535  # of a data block, and of a byte in an area
_MAX_TEXT = {"STRING": 254, "WSTRING": 16_382}  # characters, after TIA Portal's help

_AREAS = {"M": "M", "I": "I", "Q": "Q", "E": "I", "A": "Q"}  # E(ingang), A(usgang): German
_BYTES = {
    "BOOL": 0,
    "BYTE": 1,
    "CHAR": 1,
    "SINT": 1,
    "USINT": 1,
    "WORD": 2,
    "INT": 2,
    "UINT": 2,
    "DATE": 2,
    "WCHAR": 2,
    "S5TIME": 2,
    "DWORD": 4,
    "DINT": 4,
    "UDINT": 4,
    "REAL": 4,
    "TIME": 4,
    "TOD": 4,
    "TIME_OF_DAY": 4,
    "LWORD": 8,
    "LINT": 8,
    "ULINT": 8,
    "LREAL": 8,
    "LTIME": 8,
    "LTOD": 8,
    "LDT": 8,
    "DT": 8,
    "DATE_AND_TIME": 8,
    "DTL": 12,
}
_ALIASES = {"TIME_OF_DAY": "TOD", "DATE_AND_TIME": "DT"}
_SIZE = {"X": 0, "B": 1, "W": 2, "D": 4}  # the letter before the number, in bytes
_LETTER = {size: letter for letter, size in _SIZE.items()}
_SHORT = {
    "X": "BOOL",
    "B": "BYTE",
    "C": "CHAR",
    "W": "WORD",
    "DW": "DWORD",
    "I": "INT",
    "DI": "DINT",
    "R": "REAL",
    "LI": "LINT",
    "LR": "LREAL",
    "S": "STRING",
    "WS": "WSTRING",
} | {name: _ALIASES.get(name, name) for name in (*_BYTES, *_MAX_TEXT)}
_SIGNED = {1: "SINT", 2: "INT", 4: "DINT"}  # what a tag's datatype makes of a bare size
_UNSIGNED = {1: "USINT", 2: "UINT", 4: "UDINT"}
_ARE_UNSIGNED = (DataType.UINT8, DataType.UINT16, DataType.UINT32, DataType.UINT64)


@dataclass(frozen=True, slots=True)
class S7Address:
    """One tag's place in a PLC.

    `area` is DB, M, I or Q; `db` is 0 outside data blocks. `type_name` is the IEC name, or
    empty while the tag's datatype decides; `width` is what the letter says of its size.
    `length` is a text's, in characters.
    """

    area: str
    db: int
    start: int
    width: int
    type_name: str = ""
    bit: int = 0
    length: int = 0

    @property
    def size(self) -> int:
        """How many bytes it takes; 1 for a bit."""
        if self.length:  # a text has a head: how long it may be, and how long it is
            return 2 + self.length if self.type_name == "STRING" else 4 + 2 * self.length
        return _BYTES.get(self.type_name) or self.width or 1

    def typed(self, datatype: DataType) -> S7Address:
        """The same place with its type decided; raises AddressError where it cannot be."""
        if self.type_name:
            return self
        if datatype.is_text:
            raise AddressError(
                f"`{self}` does not say how long its text is",
                hint=f"write `{replace(self, width=1)}:STRING[20]`, with the length in the PLC",
            )
        if datatype.is_real and self.width == _BYTES["REAL"]:
            return replace(self, type_name="REAL")
        if not (datatype.is_integer or datatype.is_real or datatype is DataType.BOOLEAN):
            raise AddressError(
                f"`{self}` does not say its type, and {datatype.label} does not tell it",
                hint=f"write the type behind the address: `{replace(self, width=1)}:DTL`",
            )
        is_unsigned = datatype in _ARE_UNSIGNED or datatype is DataType.BOOLEAN
        names = _UNSIGNED if is_unsigned else _SIGNED
        return replace(self, type_name=names[self.width])

    def __str__(self) -> str:
        letter = _LETTER.get(self.width, "B")
        head = f"DB{self.db}.DB{letter}" if self.area == "DB" else self.area + letter
        if self.width == 0:
            head = head if self.area == "DB" else self.area
            return f"{head}{self.start}.{self.bit}"
        kind = f"{self.type_name}[{self.length}]" if self.length else self.type_name
        return f"{head}{self.start}" + (f":{kind}" if kind else "")


def parse(text: str) -> S7Address:
    """The address in `text`; raises AddressError with the column of the mistake."""
    return _Reading(text).address()


class _Reading:
    """One text, read from left to right; `at` is how far it was understood."""

    def __init__(self, text: str) -> None:
        self.text = text.rstrip()
        self.at = len(self.text) - len(self.text.lstrip())
        if self.text[self.at : self.at + 1] == "%":
            self.at += 1

    def address(self) -> S7Address:
        if self.at >= len(self.text):
            self.fail("the address is empty", hint=f"write one like {_FORM}")
        if self.take(r"DB(?=\d)"):
            number = self.number("the data block's number")
            if number == 0:
                self.fail("there is no DB0", at=self.at - 1, hint="data blocks count from 1")
            found = self.in_block(number)
        else:
            found = self.in_area()
        if self.at < len(self.text):
            rest = self.text[self.at :].lstrip()
            at = len(self.text) - len(rest)
            self.fail(
                f"`{rest}` is too much", at=at, hint=f"an address ends with its type: {_FORM}"
            )
        return found

    def in_block(self, db: int) -> S7Address:
        if self.take(r"\.DB(?=[XBWD]\d)"):
            return self.sized("DB", db, self.take("[XBWD]").upper())
        mark = self.at
        if not self.take(r"[.,]"):
            self.fail("behind the data block comes a dot", hint=f"write {_FORM} or `DB10,R4`")
        name = self.take(r"[A-Z]+").upper()
        if name not in _SHORT:
            self.fail(
                f"`{self.text[mark + 1 :]}` names no place in the data block",
                at=mark + 1,
                hint=f"write {_FORM}, `DB10.DBX0.1` or `DB10,R4`",
            )
        return self.short(db, _SHORT[name], mark + 1)

    def in_area(self) -> S7Address:
        mark = self.at
        letter = self.take("[MIQEA](?=[XBWD]?[0-9])").upper()
        if not letter:
            self.fail(
                f"`{self.text[mark:]}` begins with no S7 area",
                hint="areas are DB10., M (memory), I or E (inputs), Q or A (outputs); "
                "timers, counters and PI/PQ cannot be read",
            )
        return self.sized(_AREAS[letter], 0, self.take("[XBWD]").upper() or "X")

    def sized(self, area: str, db: int, letter: str) -> S7Address:
        """`DBD4:REAL`, after its letter."""
        start = self.number("the byte's number")
        if letter == "X":
            bit = self.bit()
            mark = self.at
            if (kind := self.type_name()) not in ("", "BOOL"):
                self.fail(f"a bit is a BOOL, not {kind}", at=mark + 1, hint="leave the type out")
            return S7Address(area, db, start, 0, "BOOL", bit)
        if self.text[self.at : self.at + 1] == ".":
            self.fail(
                f"only X has bits, and this is {letter}",
                hint=f"write `{self.text[: self.at].strip()}` or `…X{start}.0`",
            )
        mark = self.at + 1
        kind = self.type_name()
        if kind in _MAX_TEXT:
            self.check_letter(letter, kind, 1, start, mark)
            return S7Address(area, db, start, 1, kind, length=self.length(kind))
        width = _BYTES.get(kind, _SIZE[letter])
        self.check_letter(letter, kind, width, start, mark)
        return S7Address(area, db, start, _SIZE[letter], kind)

    def short(self, db: int, kind: str, mark: int) -> S7Address:
        """`R4`, `X0.1` or `S30.20`, after its letters."""
        start = self.number("the byte's number")
        if kind == "BOOL":
            return S7Address("DB", db, start, 0, kind, self.bit())
        if kind in _MAX_TEXT:
            if not self.take(r"\."):
                self.fail("the text's length is missing", hint=f"write `DB{db},S{start}.20`")
            return S7Address("DB", db, start, 1, kind, length=self.text_length(kind))
        if self.text[self.at : self.at + 1] == ".":
            self.fail(f"{kind} has no bits", hint=f"write `{self.text[mark : self.at]}`")
        return S7Address("DB", db, start, _SIZE[_LETTER.get(_BYTES[kind], "B")], kind)

    def type_name(self) -> str:
        """The type behind a colon; empty where there is no colon."""
        if not self.take(":"):
            return ""
        mark = self.at
        name = self.take(r"[A-Z_][A-Z0-9_]*").upper()
        known = (*_BYTES, *_MAX_TEXT)
        if name not in known:
            near = get_close_matches(name, known, 1)
            guess = f"did you mean `{near[0]}`? " if near else ""
            what = f"`{name}` is no S7 type" if name else "the type is missing"
            types = f"{', '.join(_BYTES)}, STRING[n], WSTRING[n]"
            self.fail(what, at=mark, hint=f"{guess}types are {types}")
        return _ALIASES.get(name, name)

    def check_letter(self, letter: str, kind: str, width: int, start: int, mark: int) -> None:
        """A type stands behind the letter of its size; those without a letter stand behind B."""
        right = _LETTER.get(width, "B")
        if kind == "BOOL":
            self.fail("a BOOL is one bit", at=mark, hint=f"write `…X{start}.0`")
        if letter != right:
            size = "one byte" if width == 1 else f"{width} bytes"
            what = f"a {kind} begins at a byte" if kind in _MAX_TEXT else f"{kind} takes {size}"
            self.fail(
                f"{what}, and this is {letter}", at=mark, hint=f"write `…{right}{start}:{kind}`"
            )

    def length(self, kind: str) -> int:
        if not self.take(r"[\[(]"):
            self.fail("the text's length is missing", hint=f"write `{kind}[20]`")
        length = self.text_length(kind)
        if not self.take(r"[\])]"):
            self.fail("the bracket is not closed", hint=f"write `{kind}[20]`")
        return length

    def text_length(self, kind: str) -> int:
        mark = self.at
        length = self.number("the text's length")
        if not 1 <= length <= _MAX_TEXT[kind]:
            most = _MAX_TEXT[kind]
            self.fail(f"a text has 1 to {most} characters", at=mark, hint="for example 20")
        return length

    def bit(self) -> int:
        if not self.take(r"\."):
            self.fail("the bit's number is missing", hint="write it behind a dot: `DB10.DBX0.1`")
        mark = self.at
        bit = self.number("the bit's number")
        if bit > 7:  # noqa: PLR2004 - bits of a byte
            self.fail(f"a byte has no bit {bit}", at=mark, hint="bits are numbered 0 to 7")
        return bit

    def number(self, what: str) -> int:
        mark = self.at
        digits = self.take("[0-9]+")
        if not digits:
            self.fail(f"{what} is missing", hint=f"write it in decimal: {_FORM}")
        if len(digits) > 5 or int(digits) > _MAX_NUMBER:  # noqa: PLR2004 - digits of 65535
            self.fail(f"{digits} is too large", at=mark, hint=f"{what} is at most {_MAX_NUMBER}")
        return int(digits)

    def take(self, pattern: str) -> str:
        """The text that `pattern` matches here, and go behind it; empty where it does not."""
        found = re.compile(pattern, re.IGNORECASE | re.ASCII).match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    def fail(self, message: str, *, hint: str, at: int | None = None) -> NoReturn:
        column = (self.at if at is None else at) + 1
        raise AddressError(message, column=column, hint=hint)
