"""Where a Modbus device keeps a tag: `3/hr:100 float32 CDAB`, parsed without asking it.

    [unit/]table:number[.bit] [type] [order]        canonical, numbered from 0
    [unit/]40101[.bit] [type] [order]               Modicon's, numbered from 1

Tables are hr (holding registers), ir (input registers), co (coils), di (discrete inputs).
Without a type the tag's own datatype decides; without an order the connection's does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum

from bridges.blocks import ByteOrder
from uns.errors import AddressError
from uns.metric import DataType

__all__ = ["ModbusAddress", "Table", "parse"]

_CELLS = 65_536  # MODBUS Application Protocol V1.1b3 §4.4: a data address is two bytes
_MAX_UNIT = 255
_REGISTER_BITS = 16
_LONGEST = 9  # digits; more are no register of any device
_MAX_TEXT = 250  # bytes in the 125 registers that one request can read
_FORM = "`hr:100 float32`"


class Table(StrEnum):
    """The four tables of a Modbus device; only HR and CO can be written."""

    HR = "hr"
    IR = "ir"
    CO = "co"
    DI = "di"

    @property
    def is_bits(self) -> bool:
        """Whether a cell is one bit instead of a register of 16."""
        return self in (Table.CO, Table.DI)

    @property
    def is_writable(self) -> bool:
        """Whether the protocol has a function that writes this table."""
        return self in (Table.HR, Table.CO)

    @property
    def label(self) -> str:
        """One cell of the table in words: `holding register`."""
        return _LABELS[self]


_LABELS = {
    Table.HR: "holding register",
    Table.IR: "input register",
    Table.CO: "coil",
    Table.DI: "discrete input",
}
_MODICON = {"0": Table.CO, "1": Table.DI, "3": Table.IR, "4": Table.HR}
_WORDS = {
    "int16": 1,
    "uint16": 1,
    "int32": 2,
    "uint32": 2,
    "int64": 4,
    "uint64": 4,
    "float32": 2,
    "float64": 4,
    "bool": 1,
}
_ALIASES = {
    "int": "int16",
    "short": "int16",
    "uint": "uint16",
    "word": "uint16",
    "ushort": "uint16",
    "dint": "int32",
    "udint": "uint32",
    "dword": "uint32",
    "lint": "int64",
    "ulint": "uint64",
    "lword": "uint64",
    "real": "float32",
    "float": "float32",
    "lreal": "float64",
    "double": "float64",
    "boolean": "bool",
}
_TYPE_OF = {
    DataType.INT8: "int16",
    DataType.INT16: "int16",
    DataType.INT32: "int32",
    DataType.INT64: "int64",
    DataType.UINT8: "uint16",
    DataType.UINT16: "uint16",
    DataType.UINT32: "uint32",
    DataType.UINT64: "uint64",
    DataType.FLOAT: "float32",
    DataType.DOUBLE: "float64",
    DataType.BOOLEAN: "bool",
    DataType.DATETIME: "int64",
}


@dataclass(frozen=True, slots=True)
class ModbusAddress:
    """One tag's place in a device.

    `start` counts from 0, as on the wire. `type_name` is one of int16 … float64, bool, string,
    or empty while the tag's datatype decides. `length` is a string's, in bytes. `bit` is one
    of a register's sixteen, 0 the least significant.
    """

    unit: int
    table: Table
    start: int
    type_name: str = ""
    order: ByteOrder = ByteOrder.ABCD
    bit: int | None = None
    length: int = 0

    @property
    def cells(self) -> int:
        """How many registers or bits the tag takes."""
        if self.table.is_bits:
            return 1
        return (self.length + 1) // 2 if self.length else _WORDS.get(self.type_name, 1)

    def typed(self, datatype: DataType) -> ModbusAddress:
        """The same place with its type decided; raises AddressError where it cannot be."""
        if self.type_name:
            return self
        if datatype.is_text:
            raise AddressError(
                f"`{self}` does not say how long its text is", hint=f"write `{self} string[20]`"
            )
        if datatype not in _TYPE_OF:
            raise AddressError(
                f"`{self}` has no type, and {datatype.label} has no counterpart in Modbus",
                hint=f"write the type behind the address: `{self} uint16`",
            )
        typed = replace(self, type_name=_TYPE_OF[datatype])
        _check_end(typed)
        return typed

    def __str__(self) -> str:
        place = f"{self.unit}/{self.table}:{self.start}"
        if self.bit is not None:
            return f"{place}.{self.bit}" + (f" {self.order}" if self.order != "ABCD" else "")
        kind = f"string[{self.length}]" if self.length else self.type_name
        order = "" if self.order is ByteOrder.ABCD else str(self.order)
        words = (place, "" if self.table.is_bits else kind, order)
        return " ".join(word for word in words if word)


def parse(text: str, *, unit: int, order: ByteOrder, is_zero_based: bool) -> ModbusAddress:
    """Read an address; `unit`, `order` and `is_zero_based` are the connection's.

    Raises AddressError with the column of the mistake and a hint.
    """
    words = [(match[0], match.start() + 1) for match in re.finditer(r"\S+", text)]
    if not words:
        raise AddressError("the address is empty", hint=f"write one like {_FORM}")
    place, *options = words
    address = _parse_place(*place, unit=unit, is_zero_based=is_zero_based)
    address = replace(address, order=order)
    for seen, (word, column) in enumerate(options):
        if word.upper().strip("[]") in ByteOrder.__members__:
            address = replace(address, order=ByteOrder(word.upper().strip("[]")))
        elif seen == 0:
            address = _with_type(address, word, column)
        else:
            raise AddressError(
                f"`{word}` is one word too many",
                column=column,
                hint=f"an address is a place, a type and an order: {_FORM[:-1]} CDAB`",
            )
    if address.table.is_bits:
        address = replace(address, type_name="bool", order=ByteOrder.ABCD)  # bits have no order
    elif address.bit is not None:
        address = replace(address, type_name="bool")
    _check_end(address, text.strip(), place[1])
    return address


def _parse_place(word: str, column: int, *, unit: int, is_zero_based: bool) -> ModbusAddress:
    head, slash, rest = word.partition("/")
    if not slash:
        head, rest = "", word
    elif not _is_number(head, most=_MAX_UNIT):
        raise AddressError(
            f"`{head}` is no unit id", column=column, hint="a unit id is a number from 0 to 255"
        )
    at = column + len(word) - len(rest)
    found = int(head) if slash else unit
    table, colon, number = rest.partition(":")
    if not colon:
        return _parse_modicon(rest, at, found)
    if table.lower() not in Table.__members__.values():
        near = get_close_matches(table.lower(), ["hr", "ir", "co", "di"], 1, 0.4)
        guess = f"did you mean `{near[0]}`? " if near else ""
        raise AddressError(
            f"`{table}` is no Modbus table",
            column=at,
            hint=f"{guess}tables are hr, ir (registers), co and di (bits)",
        )
    start, bit = _parse_number(number, at + len(table) + 1)
    if not is_zero_based:
        start -= 1
    if not 0 <= start < _CELLS:
        low, high = (0, _CELLS - 1) if is_zero_based else (1, _CELLS)
        raise AddressError(
            f"there is no `{rest}`",
            column=at + len(table) + 1,
            hint=f"this connection numbers its cells from {low} to {high}",
        )
    address = ModbusAddress(found, Table(table.lower()), start, bit=bit)
    _check_bit(address, rest, at)
    return address


def _parse_modicon(rest: str, column: int, unit: int) -> ModbusAddress:
    digits, _, _ = rest.partition(".")
    if not _is_number(digits, most=999_999) or len(digits) not in (5, 6):
        hint = f"write one like {_FORM}, `co:12` or Modicon's `40101`"
        if "!" in rest:
            hint = f"the unit id is written with a slash: `{rest.replace('!', '/', 1)}`"
        raise AddressError(f"`{rest}` is no Modbus address", column=column, hint=hint)
    if digits[0] not in _MODICON:
        raise AddressError(
            f"`{digits}` begins with {digits[0]}",
            column=column,
            hint="Modicon numbers begin with 0 (coil), 1 (discrete), 3 (input) or 4 (holding)",
        )
    start, bit = _parse_number(rest[1:], column + 1)
    if not 1 <= start <= _CELLS:
        raise AddressError(
            f"there is no `{digits}`",
            column=column + 1,
            hint="Modicon numbers count from 1 to 65536 behind the first digit",
        )
    address = ModbusAddress(unit, _MODICON[digits[0]], start - 1, bit=bit)
    _check_bit(address, rest, column)
    return address


def _parse_number(text: str, column: int) -> tuple[int, int | None]:
    number, dot, bit = text.partition(".")
    if not _is_number(number, most=10 * _CELLS):
        raise AddressError(
            f"`{number}` is no register number" if number else "the register number is missing",
            column=column,
            hint=f"write it in decimal, without blanks: {_FORM}",
        )
    if not dot:
        return int(number), None
    if not _is_number(bit, most=_REGISTER_BITS - 1):
        raise AddressError(
            f"`{bit}` is no bit of a register" if bit else "the bit's number is missing",
            column=column + len(number) + 1,
            hint="bits are numbered 0 (least significant) to 15",
        )
    return int(number), int(bit)


def _is_number(text: str, *, most: int) -> bool:
    """Whether `text` is plain decimal digits; `isdecimal` alone takes Arabic ones too."""
    return text.isdecimal() and text.isascii() and len(text) <= _LONGEST and int(text) <= most


def _check_bit(address: ModbusAddress, rest: str, column: int) -> None:
    if address.bit is not None and address.table.is_bits:
        raise AddressError(
            f"a {address.table.label} is one bit already",
            column=column + rest.index("."),
            hint=f"write `{rest.partition('.')[0]}`",
        )


def _with_type(address: ModbusAddress, word: str, column: int) -> ModbusAddress:
    match = re.fullmatch(r"([a-z]+)[\[(](\d{1,4})[\])]", word.lower())
    name, length = (match[1], int(match[2])) if match else (word.lower(), 0)
    name = _ALIASES.get(name, name)
    if name == "string":
        return _with_text(address, word, column, length)
    if match or name not in _WORDS:
        near = get_close_matches(name, [*_WORDS, *_ALIASES, "string"], 1)
        guess = f"did you mean `{near[0]}`? " if near else ""
        raise AddressError(
            f"`{word}` is no type and no byte order",
            column=column,
            hint=f"{guess}types are {', '.join(_WORDS)}, string[n]; orders ABCD CDAB BADC DCBA",
        )
    is_one_bit = address.bit is not None or address.table.is_bits
    if is_one_bit and name != "bool":
        what = "a bit of a register" if address.bit is not None else f"a {address.table.label}"
        raise AddressError(
            f"{what} is a bool, not {word}", column=column, hint="leave the type out"
        )
    return replace(address, type_name=name)


def _with_text(address: ModbusAddress, word: str, column: int, length: int) -> ModbusAddress:
    if address.table.is_bits or address.bit is not None:
        raise AddressError(
            "a bit holds no text", column=column, hint="text lies in hr or ir registers"
        )
    if not 1 <= length <= _MAX_TEXT:
        raise AddressError(
            f"`{word}` needs a length from 1 to {_MAX_TEXT}",
            column=column,
            hint="write the number of characters: `string[20]`",
        )
    return replace(address, type_name="string", length=length)


def _check_end(address: ModbusAddress, text: str = "", column: int = 1) -> None:
    last = address.start + address.cells - 1
    if last >= _CELLS:
        raise AddressError(
            f"`{text or address}` ends at register {last}, behind the last one ({_CELLS - 1})",
            column=column,
            hint="check the register number and the type",
        )
