"""Small messages that unfold into large ones: refused within bounds of time and memory."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import textwrap
import zlib

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from uns.errors import PeerProtocolError
from uns.message import Message
from uns.metric import DataType
from uns.sparkplug import (
    EdgeNode,
    HostApplication,
    Limits,
    Metric,
    MetricDefinition,
    NodeId,
    Payload,
    decode,
    encode,
)
from uns.sparkplug.counting import has_more_metrics, has_more_parts
from uns.sparkplug.varint import varint
from uns.sparkplug.wire import PayloadMessage

MEGABYTE = 1024 * 1024
MOST_MB = 400  # over a bare interpreter's; the machines this runs on have 1 GB and more
MOST_CPU_S = 30  # on a machine that is busy; measured 0 … 3


def field(number: int, content: bytes) -> bytes:
    """A field that holds bytes."""
    return varint(number << 3 | 2) + varint(len(content)) + content


def nested(levels: int, *numbers: int) -> bytes:
    """Messages in messages, by the numbers of their fields."""
    data = b""
    for level in range(levels):
        data = field(numbers[level % len(numbers)], data)
    return data


def compressed(pack, data: bytes) -> bytes:
    return PayloadMessage(uuid="SPBV1.0_COMPRESSED", body=pack(data)).SerializeToString()


ZEROS = bytes(100 * MEGABYTE)
BOMBS = {
    "zlib": lambda: compressed(zlib.compress, ZEROS),
    "gzip": lambda: compressed(gzip.compress, ZEROS),
    "compressed metrics": lambda: compressed(zlib.compress, b"\x12\x00" * 8_000_000),
    "compressed in compressed": lambda: compressed(zlib.compress, BOMBS["zlib"]()),
    "a million metrics": lambda: b"\x12\x00" * 1_000_000,
    "a million members": lambda: field(2, field(18, b"\x12\x00" * 1_000_000)),
    "eight million members": lambda: field(2, field(18, b"\x12\x00" * 8_000_000)),
    "eight million parameters": lambda: field(2, field(18, b"\x1a\x00" * 8_000_000)),
    "eight million rows": lambda: field(2, field(17, b"\x22\x00" * 8_000_000)),
    "a million rows": lambda: field(2, field(17, b"\x22\x00" * 1_000_000)),
    "eight million cells": lambda: field(2, field(17, field(4, b"\x0a\x00" * 8_000_000))),
    "eight million types": lambda: field(2, field(17, field(3, b"\x03" * 8_000_000))),
    "eight million keys": lambda: field(2, field(9, b"\x0a\x00" * 8_000_000)),
    "eight million properties": lambda: field(2, field(9, b"\x12\x00" * 8_000_000)),
    "sets of sets": lambda: field(2, field(9, field(2, field(10, b"\x0a\x00" * 8_000_000)))),
    "templates in templates": lambda: field(2, nested(100_000, 2, 18)),
    "property sets in property sets": lambda: field(2, nested(100_001, 9, 2)),
    "a name of 15 MB": lambda: field(2, field(1, b"n" * 15_000_000)),
    "a string of 20 MB": lambda: field(2, field(15, b"s" * 20_000_000)),
    "tags written too long": lambda: b"\x92\x80\x80\x80\x00\x00" * 2_600_000,
    "groups": lambda: b"\x33" * 10_000_000,
    "groups around metrics": lambda: (b"\x33" + b"\x12\x00" * 7 + b"\x34") * 1_000_000,
    "endless varints": lambda: b"\xff" * 15_000_000,
}
PIECES = [bytes.fromhex(text) for text in ("1200", "12027001", "1801", "33", "34", "9200 00", "0d")]
PIECES += [b"\xff", b"\x00", b"\x0a\x01a", b"\x12\x04\x4a\x02\x12\x00", b"\x12\x80\x00"]
HARMLESS = ("compressed in compressed",)  # one envelope is opened; what is in it stays shut
# Reads bombs from its input, each after its length, and says what they cost.
CHILD = """
    import json, resource, sys, time
    from uns.errors import PeerProtocolError
    from uns.message import Message
    from uns.sparkplug import HostApplication, decode

    def peak_mb():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    host = HostApplication("uns")
    while length := sys.stdin.buffer.readline():
        data = sys.stdin.buffer.read(int(length))
        before, began, told = peak_mb(), time.thread_time(), ""
        try:
            told = "; ".join(decode(data).problems)
        except PeerProtocolError as error:
            told = str(error)
        kinds = ("NBIRTH", "NDATA") if len(data) < 5_000_000 else ("NDATA",)
        for kind in kinds:
            host.received(Message(f"spBv1.0/g/{kind}/e", data), 1_700_000_000_000)
        cpu_s = time.thread_time() - began
        print(json.dumps({"mb": peak_mb() - before, "cpu_s": cpu_s, "told": told[:2000]}), flush=True)
"""


@pytest.mark.slow  # a process of its own, to see its memory
def test_a_bomb_stays_small():
    """Decoding one, and a host that hears it, cost no more than a large plant's births."""
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        for name, bomb in BOMBS.items():
            data = bomb()
            child.stdin.write(b"%d\n" % len(data) + data)
            child.stdin.flush()
            found = json.loads(child.stdout.readline())
            print(f"{name}: {found['cpu_s']:.2f} s, {found['mb']:.0f} MB; {found['told'][:90]}")
            assert (name not in HARMLESS) == bool(found["told"]), name
            assert found["mb"] < MOST_MB, name
            assert found["cpu_s"] < MOST_CPU_S, name
            assert len(found["told"]) < 1000, name
        child.stdin.close()


def test_parts_are_counted_wherever_they_stand():
    """Members, parameters, rows, cells, keys and properties, at every depth."""
    member = field(2, b"")
    template = field(18, member * 3 + field(3, b"") * 2)
    dataset = field(17, field(2, b"a") + field(4, field(1, b"") * 4))
    properties = field(9, field(1, b"k") + field(2, field(9, field(1, b"k") + field(2, b""))))
    metric = field(2, field(1, b"name") + properties + template + dataset + b"\x70\x01")
    assert [True, False] == [has_more_metrics(metric * 2, limit) for limit in (1, 2)]
    # the metric; set, key, value, set, key, value; template and 5; data set, column, row, 4 cells
    parts = 2 * (1 + 6 + 6 + 7)
    assert [True, False] == [has_more_parts(metric * 2, limit) for limit in (parts - 1, parts)]


@given(
    st.one_of(st.binary(max_size=80), st.lists(st.sampled_from(PIECES), max_size=40).map(b"".join))
)
def test_metrics_are_counted_as_protobuf_counts_them(data):
    """Any bytes can be counted, and where protobuf reads them the count is its own or more."""
    has_more_parts(data, 1000)
    has_more_metrics(data, 1000)
    try:
        message = PayloadMessage.FromString(data)
    except DecodeError:
        return
    assert not message.metrics or has_more_metrics(data, len(message.metrics) - 1)
    assert not message.metrics or has_more_parts(data, len(message.metrics) - 1)


def test_limits_are_the_callers():
    """A host on a small computer asks for less."""
    member = Metric("m", 1, DataType.INT32)
    data = field(2, field(18, b"\x12\x00" * 300))
    with pytest.raises(PeerProtocolError, match="more than 50 members"):
        decode(data, limits=Limits(metrics=20, parts=50))
    (problem,) = decode(data, limits=Limits(parts=1199)).problems
    assert "more members, cells and properties than are read" in problem
    assert member == decode(encode(Payload(metrics=(member,)))).metrics[0]


def test_a_bomb_costs_its_neighbours_nothing():
    """After every bomb the host hears a good edge node as before."""
    host, now = HostApplication("uns"), 1_700_000_000_000
    host.will(now)
    host.connected(now)
    edge = EdgeNode(NodeId("g", "good"), {"": [MetricDefinition("x", DataType.DOUBLE)]})
    edge.will()
    for message in edge.connected(now):
        host.received(message, now)
    for name in ("a million metrics", "groups", "templates in templates"):
        host.received(Message("spBv1.0/g/NDATA/bad", BOMBS[name]()), now)
        (message,) = edge.observed("", [(1, 2.5, 192, now)], now)
        assert any(getattr(event, "updates", ()) for event in host.received(message, now))
