"""Blocks: packing fields into few requests, and decoding what comes back."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.blocks import Block, ByteOrder, Field, Space, plan, text_of

WORDS = Space((1, "hr"), 16, 125, 8)
COILS = Space((1, "co"), 1, 2000, 128)
BYTES = Space((10, "DB"), 8, 222, 16)

# 42.5 as a 32-bit float is 42 2A 00 00; pi is 40 49 0F DB. Written out by hand, so that no
# code of ours vouches for itself.
VECTORS = [
    ("f", "ABCD", "40490FDB", 3.1415927410125732),
    ("f", "CDAB", "0FDB4049", 3.1415927410125732),
    ("f", "BADC", "4940DB0F", 3.1415927410125732),
    ("f", "DCBA", "DB0F4940", 3.1415927410125732),
    ("i", "ABCD", "FFFE1DC0", -123456),
    ("i", "CDAB", "1DC0FFFE", -123456),
    ("i", "BADC", "FEFFC01D", -123456),
    ("i", "DCBA", "C01DFEFF", -123456),
    ("I", "CDAB", "56781234", 0x12345678),
    ("d", "ABCD", "400921FB54442D18", 3.141592653589793),
    ("d", "CDAB", "2D18544421FB4009", 3.141592653589793),
    ("d", "BADC", "0940FB214454182D", 3.141592653589793),
    ("d", "DCBA", "182D4454FB210940", 3.141592653589793),
    ("Q", "CDAB", "CDEF89AB45670123", 0x0123456789ABCDEF),
    ("q", "DCBA", "FEFFFFFFFFFFFFFF", -2),
    ("h", "ABCD", "FFFE", -2),
    ("h", "CDAB", "FFFE", -2),
    ("h", "BADC", "FEFF", -2),
    ("h", "DCBA", "FEFF", -2),
]


def _field(handle, start, code="h", *, space=WORDS, order="ABCD", bit=0, cells=0):
    size = 0 if code == "" else struct.calcsize(">" + code)
    width = max(space.cell_bits // 8, 1)
    return Field(
        handle, space, start, cells or max(-(-size // width), 1), code, ByteOrder(order), bit
    )


@pytest.mark.parametrize(("code", "order", "wire", "value"), VECTORS)
def test_each_byte_order_reads_bytes_written_by_hand(code, order, wire, value):
    """Every type in every byte order decodes a vector that was written out by hand."""
    block = Block([_field(7, 100, code, order=order)])
    assert [value] == block.values(bytes.fromhex(wire))


def test_a_block_of_mixed_fields():
    """Numbers of several orders, holes, bits, texts and overlaps come out of one block."""
    fields = [
        _field(1, 0, "h"),
        _field(2, 1, "f", order="CDAB"),
        _field(3, 5, "H"),
        _field(4, 5, "", bit=0),
        _field(5, 5, "", bit=15),
        _field(6, 5, "", bit=15, order="BADC"),
        _field(7, 5, "i"),
        _field(8, 7, "3s"),
        _field(9, 9, "3s", order="BADC"),
    ]
    (block,) = plan(fields)
    raw = bytes.fromhex("0005 00004048 DEADBEEF 8001 0002 41420043 42410043".replace(" ", ""))
    raw += b"\0" * (block.raw_bytes - len(raw))
    values = dict(zip(block.handles, block.values(raw), strict=True))
    expected = {1: 5, 2: 3.125, 3: 0x8001, 4: True, 5: True, 6: False, 7: -2147418110}
    assert expected | {8: "AB", 9: "ABC"} == values


def test_coils_are_numbered_from_the_lowest_bit():
    """Bits of a bit space come eight to a byte, the first in the lowest bit (V1.1b3 §6.1)."""
    fields = [_field(at, 20 + at, "", space=COILS) for at in range(10)]
    (block,) = plan(fields)
    assert 2 == block.raw_bytes
    values = block.values(bytes((0b11001101, 0b00000010)))
    assert [True, False, True, True, False, False, True, True, False, True] == values


def test_bytes_are_cells_of_one_byte():
    """A byte-addressed space plans and decodes with the same code."""
    fields = [
        _field(1, 0, "f", space=BYTES),
        _field(2, 4, "B", space=BYTES),
        _field(3, 5, "", space=BYTES, bit=7),
        _field(4, 6, "h", space=BYTES),
    ]
    (block,) = plan(fields)
    values = dict(
        zip(block.handles, block.values(bytes.fromhex("40490FDB FF 80 FFFE")), strict=True)
    )
    assert {1: 3.1415927410125732, 2: 255, 3: True, 4: -2} == values


def test_gaps_sizes_and_spaces_part_blocks():
    """A gap that is too wide, a full request and another table each begin a new block."""
    near = plan([_field(1, 0), _field(2, 9)])
    assert 1 == len(near)
    assert 2 == len(plan([_field(1, 0), _field(2, 10)]))
    assert [125, 75] == [block.cells for block in plan(_field(at, at) for at in range(200))]
    other = Space((1, "ir"), 16, 125, 8)
    assert 2 == len(plan([_field(1, 0), _field(2, 1, space=other)]))


def test_unchanged_bytes_are_not_decoded_again():
    """The same bytes give the same list, and other bytes a new one."""
    block = Block([_field(1, 0)])
    first = block.values(b"\0\1")
    assert first is block.values(b"\0\1")
    assert [2] == block.values(b"\0\2")


def test_halving_isolates_one_place():
    """Cutting again and again ends at a single place, whatever tags share it."""
    fields = [_field(at, at, "H") for at in range(60)]
    fields += [_field(100 + bit, 37, "", bit=bit) for bit in range(3)]
    (block,) = plan(fields)
    culprit, requests = 37, 1
    bad: list[int] = []
    waiting = [block]
    while waiting:
        block = waiting.pop()
        if not block.start <= culprit < block.start + block.cells:
            continue
        halves = block.halves()
        if halves is None:
            bad = sorted(block.handles)
            continue
        requests += 2
        waiting += halves
    assert [37, 100, 101, 102] == bad
    assert requests < 20


def test_halving_prefers_the_widest_gap():
    """Where a device refuses holes, the first cut goes through the hole near the middle."""
    fields = [_field(at, at) for at in (0, 1, 2, 3, 9, 10, 11, 12)]
    (block,) = plan(fields)
    halves = block.halves()
    assert halves is not None
    assert [(0, 4), (9, 4)] == [(half.start, half.cells) for half in halves]


def test_text_ends_at_nul_and_is_read_as_latin1_where_it_is_not_utf8():
    """Padding is not part of a text, and no byte makes a text unreadable."""
    assert "Grün" == text_of("Grün".encode() + b"\0\0junk")
    assert "Grün" == text_of("Grün".encode("latin-1") + b"    ")
    assert "" == text_of(b"\0\0")


_CODES = st.sampled_from("hHiIqQfd")
_PLACES = st.lists(
    st.tuples(st.integers(0, 600), _CODES, st.sampled_from(list(ByteOrder))),
    min_size=1,
    max_size=60,
)


@given(_PLACES, st.integers(0, 20), st.integers(4, 125))
def test_every_plan_covers_each_field_once_within_the_limits(places, max_gap, max_cells):
    """Whatever the fields, each is in one block, and no block is larger than a request."""
    space = Space((1, "hr"), 16, max_cells, max_gap)
    fields = [
        _field(handle, start, code, order=order, space=space)
        for handle, (start, code, order) in enumerate(places)
    ]
    blocks = plan(fields)
    assert list(range(len(fields))) == sorted(h for block in blocks for h in block.handles)
    for block in blocks:
        assert block.cells <= max_cells
        assert all(block.start <= field.start for field in block.fields)
        assert all(field.end <= block.start + block.cells for field in block.fields)


@given(_PLACES, st.randoms(use_true_random=False))
def test_a_block_reads_what_each_field_alone_reads(places, random):
    """Packing changes nothing: a field in a block has the value it has alone."""
    memory = random.randbytes(2 * 700)
    for block in plan(_field(h, s, c, order=o) for h, (s, c, o) in enumerate(places)):
        raw = memory[2 * block.start : 2 * (block.start + block.cells)]
        together = dict(zip(block.handles, block.values(raw), strict=True))
        for field in block.fields:
            alone = memory[2 * field.start : 2 * field.end]
            words = [alone[at : at + 2] for at in range(0, len(alone), 2)]
            if field.order in ("CDAB", "DCBA"):
                words.reverse()
            if field.order in ("BADC", "DCBA"):
                words = [word[::-1] for word in words]
            (expected,) = struct.unpack(">" + field.code, b"".join(words))
            assert repr(expected) == repr(together[field.handle])
