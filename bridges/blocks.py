"""Register blocks: which stretches of a device's memory to read, and what the bytes mean.

Shared by protocols that read stretches of numbered cells (Modbus words and bits, S7 bytes). A
driver describes each tag as a Field; `plan` packs fields into few Blocks; a block turns the
bytes of an answer into values, at the speed of one `struct` call for the whole block, and not
at all when the bytes are the same as before. A block that the device refuses is cut in halves
until the one tag that spoils it stands alone.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter, itemgetter

from uns.metric import Value

__all__ = ["Block", "ByteOrder", "Field", "Space", "plan", "text_of"]


class ByteOrder(StrEnum):
    """How a device lays out a number whose bytes, most significant first, are A B C D.

    ABCD is big-endian, CDAB swaps the words, BADC the bytes in each word, DCBA is
    little-endian. Longer numbers go by the same rule, shorter ones by the bytes in a word.

    >>> ByteOrder.CDAB.positions(8)
    (6, 7, 4, 5, 2, 3, 0, 1)
    """

    ABCD = "ABCD"
    CDAB = "CDAB"
    BADC = "BADC"
    DCBA = "DCBA"

    @property
    def swaps_bytes(self) -> bool:
        """Whether the low byte of each word comes first."""
        return self in (ByteOrder.BADC, ByteOrder.DCBA)

    def positions(self, size: int) -> tuple[int, ...]:
        """Where each byte of a big-endian number of `size` bytes lies on the wire.

        The exchange is its own inverse, so it serves reading and writing.
        """
        words = list(range(0, size - 1, 2))
        if self in (ByteOrder.CDAB, ByteOrder.DCBA):
            words.reverse()
        pair = (1, 0) if self.swaps_bytes else (0, 1)
        return tuple(word + byte for word in words for byte in pair) or (0,)


@dataclass(frozen=True, slots=True)
class Space:
    """Numbered cells that one request can read a stretch of, and never reads beyond.

    `key` is whose cells and which: a unit and a table, or a number and a memory area.
    `cell_bits` is 1 (coils), 8 (S7 bytes) or 16 (registers). `max_gap` is how many cells that
    nobody wants may be read along to save a request.
    """

    key: tuple[int, str]
    cell_bits: int
    max_cells: int
    max_gap: int


@dataclass(frozen=True, slots=True)
class Field:
    """One tag's place in a space.

    `code` is a number's `struct` code, `20s` for a text of twenty bytes, empty for a single bit.
    `bit` counts from the least significant one of the word. In a space of bits every field is
    a bit. With `decode` the bytes of the field's cells go through that function instead.
    """

    handle: int
    space: Space
    start: int
    cells: int
    code: str
    order: ByteOrder = ByteOrder.ABCD
    bit: int = 0
    decode: Callable[[bytes], Value] | None = None

    @property
    def end(self) -> int:
        """The first cell after this field."""
        return self.start + self.cells


def plan(fields: Iterable[Field]) -> list[Block]:
    """Pack `fields` into as few blocks as their spaces allow."""
    by_space: dict[Space, list[Field]] = {}
    for field in fields:
        by_space.setdefault(field.space, []).append(field)
    return [
        Block(packed)
        for space, members in by_space.items()
        for packed in _packed(space, sorted(members, key=attrgetter("start", "cells")))
    ]


def _packed(space: Space, members: Sequence[Field]) -> list[list[Field]]:
    packs: list[list[Field]] = []
    first = end = 0
    for field in members:
        is_near = field.start - end <= space.max_gap
        if packs and is_near and max(end, field.end) - first <= space.max_cells:
            packs[-1].append(field)
            end = max(end, field.end)
        else:
            packs.append([field])
            first, end = field.start, field.end
    return packs


class Block:
    """One stretch of a space, read with one request, and the values of its last answer."""

    __slots__ = (
        "_bits",
        "_decoded",
        "_numbers",
        "_raw",
        "_texts",
        "_values",
        "asked_again_s",
        "cells",
        "fields",
        "handles",
        "misses",
        "space",
        "start",
    )

    def __init__(self, fields: Sequence[Field]) -> None:
        """Make a block of fields of one space, sorted by `start`."""
        self.fields = tuple(fields)
        self.space = fields[0].space
        self.start = fields[0].start
        self.cells = max(field.end for field in fields) - self.start
        self.asked_again_s = 0.0  # on the driver's clock: not to be asked before; 0 for any time
        self.misses = 0  # how often in a row it was not answered
        numbers, bits, texts, decoded = _sorted_out(fields)
        layers = _layers(numbers)
        self._numbers = [_reader(self.start, layer) for layer in layers]
        self._bits = [_bit_place(self.start, field) for field in bits]
        self._texts = [_text_reader(self.start, field) for field in texts]
        self._decoded = [_decoder(self.start, field) for field in decoded]
        ordered = [*(field for layer in layers for field in layer), *bits, *texts, *decoded]
        self.handles = tuple(field.handle for field in ordered)
        self._raw = b""
        self._values: list[Value] = []

    @property
    def raw_bytes(self) -> int:
        """How many bytes an answer has."""
        return (self.cells * self.space.cell_bits + 7) // 8

    def values(self, raw: bytes) -> list[Value]:
        """The values in `raw`, one for each of `handles`; not decoded twice when unchanged."""
        if raw == self._raw:
            return self._values
        values: list[Value] = []
        for read in self._numbers:
            values += read(raw)
        values += [raw[byte] & mask != 0 for byte, mask in self._bits]
        values += [read_text(raw) for read_text in self._texts]
        values += [decode(raw[first:end]) for first, end, decode in self._decoded]
        self._raw, self._values = raw, values
        return values

    def halves(self) -> tuple[Block, Block] | None:
        """Two smaller blocks, cut near the middle at the widest gap; None for a single place."""
        fields = self.fields
        cuts = [at for at in range(1, len(fields)) if _place(fields[at]) != _place(fields[at - 1])]
        if not cuts:
            return None
        third = len(cuts) // 3
        middle = cuts[third : len(cuts) - third]

        def width(at: int) -> tuple[int, int]:
            gap = fields[at].start - fields[at - 1].end
            return gap, -abs(2 * at - len(fields))

        cut = max(middle, key=width)
        return Block(fields[:cut]), Block(fields[cut:])


def text_of(raw: bytes) -> str:
    """The text in `raw` up to the first NUL, without trailing blanks.

    Devices say nothing about their character set: what is not UTF-8 is read as Latin-1.
    """
    raw = raw.partition(b"\0")[0].rstrip(b" ")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _place(field: Field) -> tuple[int, int]:
    return field.start, field.cells


def _sorted_out(
    fields: Iterable[Field],
) -> tuple[list[Field], list[Field], list[Field], list[Field]]:
    numbers: list[Field] = []
    bits: list[Field] = []
    texts: list[Field] = []
    decoded: list[Field] = []
    for field in fields:
        kind = {"": bits, "s": texts}.get(field.code[-1:], numbers)
        (decoded if field.decode else kind).append(field)
    return numbers, bits, texts, decoded


def _layers(numbers: Iterable[Field]) -> list[list[Field]]:
    """Fields that do not overlap, so that one `struct` reads them; usually one layer is all."""
    layers: list[list[Field]] = []
    for field in numbers:
        for layer in layers:
            if layer[-1].end <= field.start:
                layer.append(field)
                break
        else:
            layers.append([field])
    return layers


def _reader(start: int, layer: Sequence[Field]) -> Callable[[bytes], tuple[Value, ...]]:
    """A function from the block's bytes to the values of `layer`."""
    width = layer[0].space.cell_bits // 8
    if all(field.order is ByteOrder.ABCD for field in layer):
        return _straight(start, layer, width)
    indices = [
        (field.start - start) * width + position
        for field in layer
        for position in field.order.positions(field.cells * width)
    ]
    pick = itemgetter(*indices)
    unpack = struct.Struct(">" + "".join(field.code for field in layer)).unpack
    return lambda raw: unpack(bytes(pick(raw)))


def _straight(
    start: int, layer: Sequence[Field], width: int
) -> Callable[[bytes], tuple[Value, ...]]:
    parts = [">"]
    end = start
    for field in layer:
        parts.append(f"{(field.start - end) * width}x{field.code}")
        end = field.end
    return struct.Struct("".join(parts)).unpack_from


def _decoder(start: int, field: Field) -> tuple[int, int, Callable[[bytes], Value]]:
    """The bytes of the answer that hold a field, and what makes a value of them."""
    assert field.decode is not None  # noqa: S101 - see _sorted_out
    width = field.space.cell_bits // 8
    return (field.start - start) * width, (field.end - start) * width, field.decode


def _bit_place(start: int, field: Field) -> tuple[int, int]:
    """The byte of the answer that holds a bit, and the mask that isolates it."""
    if field.space.cell_bits == 1:  # coils come eight to a byte, the first in the lowest bit
        byte, bit = divmod(field.start - start, 8)
        return byte, 1 << bit
    size = field.cells * field.space.cell_bits // 8
    positions = field.order.positions(size)
    byte = (field.start - start) * field.space.cell_bits // 8 + positions[-1 - field.bit // 8]
    return byte, 1 << field.bit % 8


def _text_reader(start: int, field: Field) -> Callable[[bytes], str]:
    width = field.space.cell_bits // 8
    first = (field.start - start) * width
    length = int(field.code[:-1])
    if not field.order.swaps_bytes:
        return lambda raw: text_of(raw[first : first + length])
    indices = [first + (at ^ 1) for at in range(length)]
    return lambda raw: text_of(bytes(raw[at] for at in indices))
