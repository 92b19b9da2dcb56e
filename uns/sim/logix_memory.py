"""The tags of a simulated Logix controller: symbols, the structures behind them, and their bytes.

    memory = LogixMemory()
    memory.declare("Filler.Speed", "REAL")      # a structure with one member
    memory.declare("Counts[9]", "DINT")         # an array of ten
    memory["Filler.Speed"] = 42.5

Layouts are those of a controller: members on their natural boundaries, single BOOLs packed
into hidden SINTs, BOOL arrays into words of 32, a STRING as LEN and DATA in 88 bytes.
"""

from __future__ import annotations

import math
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from uns.metric import Value

__all__ = ["ATOMICS", "Atomic", "LogixMemory", "NotThere", "Place", "Structure", "Symbol"]

Step: TypeAlias = tuple[str, tuple[int, ...]]  # a name, and the indices behind it

_WORD_BITS = 32
_BYTE_BITS = 8
_STRING_HANDLE = 0x0FCE  # 1756-PM020: the structure handle, and template, of STRING
_STRING_TEXT = 82
_FIRST_TEMPLATE = 0x101
_PROGRAM = 0x1068  # the symbol type of a program: a system symbol of class 0x68


class Atomic(NamedTuple):
    """An elementary type: its CIP code, and how `struct` packs it."""

    name: str
    code: int
    form: str

    @property
    def size(self) -> int:
        """Bytes of one element."""
        return struct.calcsize("<" + self.form)

    @property
    def tag(self) -> bytes:
        """The type as it stands before values on the wire."""
        return struct.pack("<H", self.code)


ATOMICS = {
    name: Atomic(name, code, form)
    for name, code, form in (
        ("BOOL", 0xC1, "?"),
        ("SINT", 0xC2, "b"),
        ("INT", 0xC3, "h"),
        ("DINT", 0xC4, "i"),
        ("LINT", 0xC5, "q"),
        ("USINT", 0xC6, "B"),
        ("UINT", 0xC7, "H"),
        ("UDINT", 0xC8, "I"),
        ("ULINT", 0xC9, "Q"),
        ("REAL", 0xCA, "f"),
        ("LREAL", 0xCB, "d"),
        ("DWORD", 0xD3, "I"),  # 32 BOOLs of an array
    )
}


@dataclass(slots=True)
class Member:
    """One member of a structure; `bit` is that of a single BOOL in its hidden SINT."""

    name: str
    type: Atomic | Structure
    length: int
    offset: int
    bit: int | None = None

    @property
    def definition(self) -> bytes:
        """Eight bytes of a template: what it is, its type, its offset (1756-PM020)."""
        told = self.bit if self.bit is not None else self.length
        code = symbol_type(self.type, 1 if self.length else 0)
        return struct.pack("<HHI", told, code, self.offset)


@dataclass(slots=True)
class Structure:
    """A user-defined type, laid out."""

    name: str
    template: int
    members: list[Member] = field(default_factory=list)
    handle: int = 0
    size: int = 0

    @property
    def tag(self) -> bytes:
        """The type as it stands before values on the wire."""
        return struct.pack("<HH", 0x02A0, self.handle)

    @property
    def definition(self) -> bytes:
        """The template that a client uploads: members, then names, each ended by NUL."""
        access = ";n" + "EC" * len(self.members)
        names = [self.name + access, *(member.name for member in self.members)]
        return b"".join(member.definition for member in self.members) + b"".join(
            name.encode() + b"\0" for name in names
        )


@dataclass(slots=True)
class Symbol:
    """A tag of the controller or of a program, and its bytes."""

    name: str
    instance: int
    type: Atomic | Structure | None  # None: a program, which holds tags and no value
    dimensions: tuple[int, ...]
    memory: bytearray

    @property
    def code(self) -> int:
        """Its symbol type: what a tag upload says of it."""
        return _PROGRAM if self.type is None else symbol_type(self.type, len(self.dimensions))

    @property
    def element_size(self) -> int:
        """Bytes of one element."""
        return self.type.size if self.type is not None else 0


class Place(NamedTuple):
    """Where a path leads: some elements of one type; `bit` where it is one BOOL of a byte."""

    symbol: Symbol
    type: Atomic | Structure
    offset: int
    elements: int
    bit: int | None = None


class NotThere(Exception):  # noqa: N818 - an answer of the protocol, not an error of ours
    """A path leads nowhere: the CIP status and extended status that a controller gives."""

    def __init__(self, status: int, extended: int = 0) -> None:
        super().__init__(status, extended)
        self.status = status
        self.extended = extended


@dataclass(slots=True)
class _Wanted:
    """What was declared of a symbol or member so far."""

    name: str
    kind: str = ""
    dimensions: tuple[int, ...] = ()
    members: dict[str, _Wanted] = field(default_factory=dict)

    def holds(self, bit: int) -> bool:
        """Whether it is an integer with such a bit."""
        atomic = ATOMICS.get(self.kind)
        is_whole = atomic is not None and atomic.form not in "?fd"
        return is_whole and bit < _BYTE_BITS * ATOMICS[self.kind].size

    def grow(self, indices: tuple[int, ...]) -> None:
        """Make room for an element."""
        least = tuple(index + 1 for index in indices)
        if not self.dimensions:
            self.dimensions = least
        elif least:
            self.dimensions = tuple(map(max, self.dimensions, least))


class LogixMemory:
    """All tags of a controller, by their names in any case.

    `missing` are paths, in small letters, that clients do not find.
    """

    def __init__(self) -> None:
        self.missing: frozenset[str] = frozenset()
        self.templates: dict[int, Structure] = {}
        self._wanted: dict[str, _Wanted] = {}
        self._symbols: dict[str, Symbol] = {}
        self._places: dict[str, Place] = {}  # of paths that were asked for by name
        self._instances: dict[str, int] = {}
        self._string = Structure("STRING", _STRING_HANDLE, handle=_STRING_HANDLE, size=88)
        self._string.members = [
            Member("LEN", ATOMICS["DINT"], 0, 0),
            Member("DATA", ATOMICS["SINT"], _STRING_TEXT, 4),
        ]
        self.templates[_STRING_HANDLE] = self._string

    def declare(self, path: str, kind: str) -> None:
        """Let there be a tag at `path` of an elementary type or STRING.

        An index makes an array that reaches so far, a number at the end an integer with that
        bit, where there is none yet: a DINT, or an LINT.
        Declaring more of a symbol sets its values back to 0. Raises ValueError where `path`
        cannot be a tag beside those that exist.
        """
        steps, bit = steps_of(path)
        *outer, (name, indices) = steps
        level = self._wanted
        for step, its_indices in outer:
            wanted = level.setdefault(step.lower(), _Wanted(step))
            wanted.grow(its_indices)
            if wanted.kind:
                raise ValueError(f"{path}: {wanted.name} is a {wanted.kind}, no structure")
            level = wanted.members
        if bit is not None:
            kind = "DINT" if bit < _WORD_BITS else "LINT"
        wanted = level.setdefault(name.lower(), _Wanted(name, kind))
        wanted.grow(indices)
        if wanted.kind != kind and not (bit is not None and wanted.holds(bit)):
            raise ValueError(f"{path}: {name} is a {wanted.kind or 'structure'}, not a {kind}")
        self._places.clear()
        whole = steps[:2] if _is_program(steps[0]) else steps[:1]
        self._symbols.pop(".".join(step.lower() for step, _ in whole), None)

    def __setitem__(self, path: str, value: Value) -> None:
        """Store a value; IndexError, struct.error and NotThere where it does not fit."""
        place = self._named(path)
        if place.type is self._string:
            raw = str(value).encode()[:_STRING_TEXT]
            self.write(place, struct.pack("<I82s2x", len(raw), raw))
        elif place.bit is not None:
            self.write(place, b"\1" if value else b"\0")
        elif isinstance(place.type, Atomic):
            self.write(place, struct.pack("<" + place.type.form, value))

    def __getitem__(self, path: str) -> Value:
        """What is stored there."""
        place = self._named(path)
        raw = self.read(place, 1)
        if place.type is self._string:
            return raw[4 : 4 + min(struct.unpack_from("<I", raw)[0], _STRING_TEXT)].decode(
                errors="replace"
            )
        if place.bit is not None:
            return raw != b"\0"
        if isinstance(place.type, Atomic):
            value: Value = struct.unpack("<" + place.type.form, raw)[0]
            return value
        return raw

    def symbols(self, program: str = "") -> Iterator[Symbol]:
        """The controller's symbols, or those of one program, by their instance ids."""
        level = self._wanted
        if program:
            wanted = level.get(program.lower())
            level = wanted.members if wanted else {}
        found = [self._symbol(key, program.lower()) for key in level]
        return iter(sorted(found, key=lambda symbol: symbol.instance))

    def find(self, steps: Sequence[Step]) -> Place:
        """Where a path on the wire leads; there a BOOL array is indexed by its words."""
        if self.missing and _path_of(steps) in self.missing:
            raise NotThere(0x04)
        return self._find(steps)

    def _find(self, steps: Sequence[Step]) -> Place:
        if not steps:
            raise NotThere(0x04)
        program, steps = (steps[0][0].lower(), steps[1:]) if _is_program(steps[0]) else ("", steps)
        level = self._wanted.get(program, _Wanted("")).members if program else self._wanted
        if not steps or steps[0][0].lower() not in level:
            raise NotThere(0x05 if steps else 0x04)
        symbol = self._symbol(steps[0][0].lower(), program)
        assert symbol.type is not None  # noqa: S101 - a program was taken off above
        place = _element(Place(symbol, symbol.type, 0, 1), symbol.dimensions, steps[0][1])
        for name, indices in steps[1:]:
            place = _member(place, name, indices)
        return place

    def read(self, place: Place, count: int) -> bytes:
        """The bytes of some elements; NotThere where there are not so many."""
        if not 1 <= count <= place.elements:
            raise NotThere(0xFF, 0x2105)
        raw = bytes(place.symbol.memory[place.offset : place.offset + count * place.type.size])
        if place.bit is None:
            return raw
        return b"\1" if raw[place.bit // _BYTE_BITS] >> place.bit % _BYTE_BITS & 1 else b"\0"

    def write(self, place: Place, raw: bytes, at: int = 0) -> None:
        """Store bytes, `at` bytes behind the place's first; NotThere where they do not fit."""
        if at + len(raw) > place.elements * place.type.size:
            raise NotThere(0xFF, 0x2105)
        begin = place.offset + at
        if place.bit is None:
            place.symbol.memory[begin : begin + len(raw)] = raw
            return
        begin, mask = begin + place.bit // _BYTE_BITS, 1 << place.bit % _BYTE_BITS
        old = place.symbol.memory[begin]
        place.symbol.memory[begin] = old | mask if any(raw) else old & ~mask

    def _named(self, path: str) -> Place:
        if path not in self._places:
            self._places[path] = self._found(path)
        return self._places[path]

    def _found(self, path: str) -> Place:
        steps, bit = steps_of(path)
        name, indices = steps[-1]
        if bit is None and indices:
            array = self._find((*steps[:-1], (name, (0,) * len(indices))))
            if array.type is ATOMICS["DWORD"]:
                bit = indices[0] % _WORD_BITS
                steps[-1] = name, (indices[0] // _WORD_BITS,)
        place = self._find(steps)
        return place if bit is None else place._replace(bit=bit, elements=1)

    def _symbol(self, key: str, program: str) -> Symbol:
        """A symbol, laid out when it is wanted first."""
        whole = f"{program}.{key}" if program else key
        if whole in self._symbols:
            return self._symbols[whole]
        wanted = (self._wanted[program].members if program else self._wanted)[key]
        instance = self._instances.setdefault(whole, len(self._instances) + 1)
        if _is_program((wanted.name, ())):
            made = Symbol(wanted.name, instance, None, (), bytearray())
        else:
            kind, dimensions = self._laid_out(wanted)
            size = kind.size * math.prod(dimensions)
            made = Symbol(wanted.name, instance, kind, dimensions, bytearray(size))
        self._symbols[whole] = made
        return made

    def _laid_out(self, wanted: _Wanted) -> tuple[Atomic | Structure, tuple[int, ...]]:
        """The type of what was declared, and the lengths of its array."""
        if wanted.kind == "STRING":
            return self._string, wanted.dimensions
        if wanted.kind == "BOOL" and wanted.dimensions:
            return ATOMICS["DWORD"], (-(-wanted.dimensions[0] // _WORD_BITS),)
        if wanted.kind:
            return ATOMICS[wanted.kind], wanted.dimensions
        made = Structure(f"{wanted.name}_t", self._next_template())
        self.templates[made.template] = made
        _lay_out(made, [(inner.name, *self._laid_out(inner)) for inner in wanted.members.values()])
        return made, wanted.dimensions

    def _next_template(self) -> int:
        """A free id; its low byte must not look like the code of an elementary type."""
        at = _FIRST_TEMPLATE
        while at in self.templates or at & 0xFF >= 0xA0:  # noqa: PLR2004 - codes begin there
            at += 1
        return at


def steps_of(path: str) -> tuple[list[Step], int | None]:
    """`Program:Main.Counts[3].5` as names with indices, and the bit at the end."""
    *names, last = path.split(".")
    if not last.isdigit():
        names, last = [*names, last], ""
    steps: list[Step] = []
    for name in names:
        matched = re.fullmatch(r"([\w:]+)(?:\[([\d,]+)\])?", name, re.ASCII)
        if matched is None:
            raise ValueError(f"{path} is no path of a tag")
        indices = tuple(int(index) for index in matched[2].split(",")) if matched[2] else ()
        steps.append((matched[1], indices))
    return steps, int(last) if last else None


def symbol_type(kind: Atomic | Structure, dimensions: int) -> int:
    """The type word of a symbol or member (1756-PM020)."""
    code = 0x8000 | kind.template if isinstance(kind, Structure) else kind.code
    return code | dimensions << 13


def _path_of(steps: Sequence[Step]) -> str:
    """Names with indices as one path, in small letters."""
    return ".".join(
        name.lower() + (f"[{','.join(map(str, indices))}]" if indices else "")
        for name, indices in steps
    )


def _is_program(step: Step) -> bool:
    return step[0].lower().startswith("program:")


def _element(place: Place, lengths: tuple[int, ...], indices: tuple[int, ...]) -> Place:
    """The element of an array; without an index its first."""
    if not lengths:
        if indices:
            raise NotThere(0x05)
        return place
    if indices and len(indices) != len(lengths):
        raise NotThere(0x05)
    at = 0
    for length, index in zip(lengths, indices or (0,) * len(lengths), strict=True):
        if index >= length:
            raise NotThere(0xFF, 0x2105)
        at = at * length + index
    left = math.prod(lengths) - at
    return place._replace(offset=place.offset + at * place.type.size, elements=left)


def _member(place: Place, name: str, indices: tuple[int, ...]) -> Place:
    if not isinstance(place.type, Structure):
        raise NotThere(0x04)
    for member in place.type.members:
        if member.name.lower() == name.lower():
            found = Place(place.symbol, member.type, place.offset + member.offset, 1, member.bit)
            return _element(found, (member.length,) if member.length else (), indices)
    raise NotThere(0x04)


def _lay_out(
    into: Structure, members: Sequence[tuple[str, Atomic | Structure, tuple[int, ...]]]
) -> None:
    """Place members one behind the other, each on its boundary."""
    at, widest, host_bits = 0, 4, _BYTE_BITS
    for name, kind, dimensions in members:
        if kind is ATOMICS["BOOL"]:
            if host_bits == _BYTE_BITS:
                hidden = f"ZZZZZZZZZZ{into.name[:20]}{len(into.members)}"
                into.members.append(Member(hidden, ATOMICS["SINT"], 0, at))
                at, host_bits = at + 1, 0
            into.members.append(Member(name, kind, 0, at - 1, host_bits))
            host_bits += 1
            continue
        host_bits = _BYTE_BITS
        boundary = 4 if dimensions or isinstance(kind, Structure) else kind.size
        boundary = max(boundary, 8 if kind.size % 8 == 0 and isinstance(kind, Atomic) else 1)
        widest = max(widest, boundary)
        at = -(-at // boundary) * boundary
        length = math.prod(dimensions) if dimensions else 0
        into.members.append(Member(name, kind, length, at))
        at += kind.size * max(length, 1)
    into.size = -(-at // widest) * widest
    # A controller derives the handle from the definition too; ours only has to differ.
    into.handle = zlib.crc32(into.definition) & 0xFFFF
