"""CIP messages: what goes out byte by byte, and answers of any content taken apart safely."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.logix import cip
from bridges.logix.address import Step, parse
from bridges.logix.kinds import KINDS, Structure, type_of
from bridges.logix.learning import learn
from bridges.logix.plan import Field, packets, questions
from uns.metric import DataType


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("Speed", b"\x91\x05Speed\0"),
        ("Temp", b"\x91\x04Temp"),
        ("A[3]", b"\x91\x01A\0\x28\x03"),
        ("A[255]", b"\x91\x01A\0\x28\xff"),
        ("A[256]", b"\x91\x01A\0\x29\0\0\x01"),
        ("A[65536]", b"\x91\x01A\0\x2a\0\0\0\x01\0"),
        ("A[1,2].B", b"\x91\x01A\0\x28\x01\x28\x02\x91\x01B\0"),
        ("Program:P.Tag", b"\x91\x09Program:P\0\x91\x03Tag\0"),
    ],
)
def test_paths_are_those_of_the_specification(text, path):
    """Names padded to words, indices in the shortest form that holds them."""
    assert path == cip.path_of(parse(text).steps)


def test_requests_are_those_of_the_specification():
    """Reading, writing, one bit, attributes, and several in one packet with their offsets."""
    path = b"\x91\x04Temp"
    assert b"\x4c\x03\x91\x04Temp\x02\0" == cip.read(path, 2)
    assert b"\x4d\x03\x91\x04Temp\xc4\0\x01\0\x07\0\0\0" == cip.write(
        path, b"\xc4\0", b"\x07\0\0\0"
    )
    assert b"\x4e\x03\x91\x04Temp\x02\0\x20\0\xff\xff" == cip.modify(path, 2, 5, is_on=True)
    assert b"\x4e\x03\x91\x04Temp\x02\0\0\0\xdf\xff" == cip.modify(path, 2, 5, is_on=False)
    assert b"\x03\x02\x20\x8b\x24\x01\x01\0\x0b\0" == cip.attributes(0x8B, 0x0B)
    assert b"\x0a\x02\x20\x02\x24\x01\x02\0\x06\0\x07\0AB" == cip.several([b"A", b"B"])


def test_answers_are_told_apart():
    """Each question gets its own answer, with status and extended status."""
    first, second = b"\xcc\0\0\0\xc4\0\x07\0\0\0", b"\xcc\0\xff\x01\x05\x21"
    raw = b"\x8a\0\x1e\0" + struct.pack("<HHH", 2, 6, 6 + len(first)) + first + second
    one, two = cip.several_replies(raw, [0x4C, 0x4C])
    assert (0, b"\xc4\0\x07\0\0\0") == (one.status, one.body)
    assert (0xFF, 0x2105, True) == (two.status, two.extended, two.is_missing)
    assert "behind the end of the array" in two.reason
    refused = cip.several_replies(b"\x8a\0\x08\0", [0x4C, 0x4C])
    assert [0x08, 0x08] == [reply.status for reply in refused]


@pytest.mark.property
@given(st.binary(max_size=80), st.lists(st.sampled_from([0x4C, 0x4D]), min_size=1, max_size=5))
def test_any_answer_is_understood_or_malformed(raw, services):
    """Nothing but MalformedError comes of what a device sends."""
    for whole in (
        raw,
        b"\x8a\0\x1e\0" + raw,
        b"\x8a\0\0\0" + struct.pack("<H", len(services)) + raw,
    ):
        with contextlib.suppress(cip.MalformedError):
            assert len(services) == len(cip.several_replies(whole, services))
    with contextlib.suppress(cip.MalformedError):
        kind, rest = type_of(raw)
        if isinstance(kind, Structure):
            assert kind.size == len(rest)
            kind.decoded(rest, 1)
        elif not isinstance(kind, int):
            kind.decoded(rest, 2)


@pytest.mark.property
@given(st.lists(st.binary(max_size=20), min_size=5, max_size=5), st.integers(0, 40))
def test_any_answer_about_a_type_is_a_field_or_a_problem(bodies, bit):
    """Learning takes whatever type a device claims."""
    texts = ("A", "A[3]", "A[40]", f"A.{bit}", "B.C")
    wanted = [(n, parse(text), DataType.STRING) for n, text in enumerate(texts)]

    def ask(requests):
        return [cip.Reply(len(body) % 3, 0x2105, body) for body in bodies[: len(requests)]]

    with contextlib.suppress(cip.MalformedError):
        learnt = learn(wanted, ask)
        assert set(range(5)) == set(learnt)
        assert all(isinstance(found, Field | cip.Reply | str) for found in learnt.values())


_STEPS = st.one_of(
    st.builds(lambda n: (Step(f"Tag{n}"),), st.integers(0, 30)),
    st.builds(lambda a, n: (Step(a, (n,)),), st.sampled_from("AB"), st.integers(0, 400)),
    st.builds(lambda m, n: (Step("Grid", (m, n)),), st.integers(0, 3), st.integers(0, 40)),
    st.builds(lambda n: (Step("Lines", (n,)), Step("Speed")), st.integers(0, 9)),
)
_TYPES = st.sampled_from([KINDS[0xC4], KINDS[0xCB], KINDS[0xD3], Structure(0x0FCE, 88)])


@pytest.mark.property
@given(st.lists(st.tuples(_STEPS, _TYPES), max_size=60), st.sampled_from([488, 3986]))
def test_a_plan_asks_for_every_tag_once_and_fits(wanted, most_bytes):
    """Every field is in one question; questions and answers fit a message."""
    fields = [Field(n, steps, kind) for n, (steps, kind) in enumerate(wanted)]
    asked = questions(fields, most_bytes)
    taken = [handle for question in asked for handle, _, _ in question.members]
    assert sorted(taken) == list(range(len(fields)))
    assert all(element < q.count for q in asked for _, element, _ in q.members)
    planned = packets(asked, most_bytes)
    assert asked == [question for packet in planned for question in packet]
    for packet in planned:
        out = cip.several([question.request for question in packet])
        back = cip.SEVERAL_HEAD + sum(2 + question.answer_bytes for question in packet)
        assert max(len(out), back) <= most_bytes
