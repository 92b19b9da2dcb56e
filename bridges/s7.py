"""Siemens S7: addresses are checked, as TIA Portal or STEP 7 prints them; reading is yet to come.

    DB10.DBD4:REAL   DB10.DBX0.1   DB10.DBB30:STRING[20]   MW20:INT   IW0:WORD   Q1.3
    DB10,R4  DB10,X0.1  DB10,S30.20  DB10.R4               Node-RED's and Telegraf's way
    %MW20  EW0  A1.3                                       absolute mark, German mnemonics

A project with S7 machines can be written, checked and planned today; a connection to one says
plainly that this version does not read it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NoReturn

from pydantic import Field

from bridges.driver import BindResult, BoundTag, DriverConfig, Extent, PollDriver
from uns.errors import AddressError, DeviceError
from uns.metric import DataType, Reading

__all__ = ["S7Address", "S7Config", "S7Driver"]

_FORM = "`DB10.DBD4:REAL`"
_MAX_NUMBER = 65_535  # of a data block, and of a byte in an area
_STRING_HEAD = 2  # bytes before a STRING's text: how long it may be, and how long it is
_MAX_TEXT = 254  # STRING[254] is the longest a STRING can be

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
    "DWORD": 4,
    "DINT": 4,
    "UDINT": 4,
    "REAL": 4,
    "TIME": 4,
    "LWORD": 8,
    "LINT": 8,
    "ULINT": 8,
    "LREAL": 8,
}
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
} | {name: name for name in (*_BYTES, "STRING")}


@dataclass(frozen=True, slots=True)
class S7Address:
    """One tag's place in a PLC.

    `area` is DB, M, I or Q; `db` is 0 outside data blocks. `type_name` is the IEC name, or
    empty while the tag's datatype decides; `width` is then what the address says of its size.
    """

    area: str
    db: int
    start: int
    width: int
    type_name: str = ""
    bit: int = 0
    length: int = 0

    def __str__(self) -> str:
        letter = _LETTER.get(self.width, "B")
        head = f"DB{self.db}.DB{letter}" if self.area == "DB" else self.area + letter
        if self.width == 0:
            head = head if self.area == "DB" else self.area
            return f"{head}{self.start}.{self.bit}"
        kind = f"STRING[{self.length}]" if self.length else self.type_name
        return f"{head}{self.start}" + (f":{kind}" if kind else "")


class S7Config(DriverConfig):
    """Settings of one S7 CPU."""

    host: str = Field(min_length=1, description="name or IP address of the CPU")
    port: int = Field(default=102, ge=1, le=65_535, description="its TCP port (ISO on TCP)")
    rack: int = Field(default=0, ge=0, le=7, description="0 for S7-1200 and S7-1500")
    slot: int = Field(default=1, ge=0, le=31, description="1 for S7-1200/1500, 2 for S7-300")
    timeout_s: float = Field(default=2.0, ge=0.05, le=60, description="how long an answer may take")

    def key(self) -> str:
        """`s7://host:port/rack.slot`."""
        return f"s7://{self.host}:{self.port}/{self.rack}.{self.slot}"

    def endpoint(self) -> tuple[str, int]:
        """The host and TCP port of the CPU."""
        return self.host, self.port

    def moved_to(self, port: int) -> S7Config:
        """The same settings on another port."""
        return self.model_copy(update={"port": port})


class S7Driver(PollDriver):
    """Parses and checks S7 addresses; a session with a PLC ends before it begins."""

    name = "s7"
    Config = S7Config
    ADDRESS_SETTINGS = frozenset()
    config: S7Config

    @classmethod
    def parse(cls, text: str, config: S7Config) -> S7Address:
        """The address in `text`; raises AddressError with the column of the mistake."""
        del config  # an S7 address says everything itself
        return _Reading(text).address()

    @classmethod
    def extent(cls, address: S7Address, datatype: DataType) -> Extent:
        """A bit, or as many bytes as its type or its letter says."""
        del datatype  # an address without a type still has its width
        area, start = (address.area, address.db), 8 * address.start
        if address.width == 0:
            return Extent(area, start + address.bit, start + address.bit + 1)
        width = _BYTES.get(address.type_name, address.width)
        length = address.length + _STRING_HEAD if address.length else width
        return Extent(area, start, start + 8 * length)

    async def open(self) -> None:
        """Raise DeviceError: there is no session with an S7 yet."""
        self._refuse()

    async def bind(self, tags: Sequence[BoundTag]) -> list[BindResult]:
        """Raise DeviceError, like `open`."""
        del tags
        self._refuse()

    async def read(self, handles: Sequence[int]) -> list[Reading]:
        """Raise DeviceError, like `open`."""
        del handles
        self._refuse()

    async def close(self) -> None:
        """Nothing to end."""

    def _refuse(self) -> NoReturn:
        raise DeviceError(
            f"{self.config.key()}: this version checks S7 addresses but does not read S7 yet",
            hint="bind the machine to its OPC UA server, or through a Modbus gateway, for now",
        )


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
        if kind == "STRING":
            self.check_letter(letter, kind, 1, start, mark)
            return S7Address(area, db, start, 1, kind, length=self.length())
        width = _BYTES.get(kind, _SIZE[letter])
        self.check_letter(letter, kind, width, start, mark)
        return S7Address(area, db, start, _SIZE[letter], kind)

    def short(self, db: int, kind: str, mark: int) -> S7Address:
        """`R4`, `X0.1` or `S30.20`, after its letters."""
        start = self.number("the byte's number")
        if kind == "BOOL":
            return S7Address("DB", db, start, 0, kind, self.bit())
        if kind == "STRING":
            if not self.take(r"\."):
                self.fail("the text's length is missing", hint=f"write `DB{db},S{start}.20`")
            return S7Address("DB", db, start, 1, kind, length=self.text_length())
        if self.text[self.at : self.at + 1] == ".":
            self.fail(f"{kind} has no bits", hint=f"write `{self.text[mark : self.at]}`")
        return S7Address("DB", db, start, _SIZE[_LETTER.get(_BYTES[kind], "B")], kind)

    def type_name(self) -> str:
        """The type behind a colon; empty where there is no colon."""
        if not self.take(":"):
            return ""
        mark = self.at
        name = self.take(r"[A-Z_][A-Z0-9_]*").upper()
        if name not in (*_BYTES, "STRING"):
            near = get_close_matches(name, [*_BYTES, "STRING"], 1)
            guess = f"did you mean `{near[0]}`? " if near else ""
            what = f"`{name}` is no S7 type" if name else "the type is missing"
            self.fail(what, at=mark, hint=f"{guess}types are {', '.join(_BYTES)}, STRING[n]")
        return name

    def check_letter(self, letter: str, kind: str, width: int, start: int, mark: int) -> None:
        """A type stands behind the letter of its size; those without a letter stand behind B."""
        right = _LETTER.get(width, "B")
        if kind == "BOOL":
            self.fail("a BOOL is one bit", at=mark, hint=f"write `…X{start}.0`")
        if letter != right:
            size = "one byte" if width == 1 else f"{width} bytes"
            what = "a STRING begins at a byte" if kind == "STRING" else f"{kind} takes {size}"
            self.fail(
                f"{what}, and this is {letter}", at=mark, hint=f"write `…{right}{start}:{kind}`"
            )

    def length(self) -> int:
        if not self.take(r"[\[(]"):
            self.fail("the text's length is missing", hint="write `STRING[20]`")
        length = self.text_length()
        if not self.take(r"[\])]"):
            self.fail("the bracket is not closed", hint="write `STRING[20]`")
        return length

    def text_length(self) -> int:
        mark = self.at
        length = self.number("the text's length")
        if not 1 <= length <= _MAX_TEXT:
            self.fail(f"a text has 1 to {_MAX_TEXT} characters", at=mark, hint="for example 20")
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
