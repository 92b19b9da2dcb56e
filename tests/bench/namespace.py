"""The namespace core: changed values to topic and payload bytes, and the verdict on a value."""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Callable, Iterator

from table import Row

from uns.equipment import Machine, SparkplugId, Tag
from uns.metric import DataType
from uns.namespace import Namespace
from uns.schema.float32 import as_float32
from uns.schema.verdict import compile_check
from uns.sparkplug import Born, Changed, NodeId, Slot
from uns.topic import Topic

MACHINES, TAGS, ROUNDS = 50, 100, 4
REPEATS = 9
NOW = 1_767_868_200_123
NODE = NodeId("acme:leeds", "packaging:line1")

_dice = random.Random(1)
VALUES: dict[DataType, Callable[[], object]] = {
    DataType.FLOAT: lambda: as_float32(_dice.uniform(20, 90)),  # 7 to 9 digits
    DataType.DOUBLE: lambda: _dice.uniform(20, 90),
    DataType.INT32: lambda: _dice.randrange(10**6),
    DataType.BOOLEAN: lambda: _dice.random() < 0.5,
    DataType.STRING: lambda: f"R-{_dice.randrange(99)}",
}
MIX = [DataType.FLOAT] * 5 + [DataType.INT32] * 2 + [DataType.BOOLEAN] * 2 + [DataType.STRING]


def rows() -> Iterator[Row]:
    """The mix of a real line, each type by itself, and the verdicts."""
    for name, kinds in [("5 Float, 2 Int32, 2 Boolean, 1 String", MIX)] + [
        (kind.label, [kind]) for kind in VALUES
    ]:
        cost = _cost_of(kinds)
        aim = "≤ 1.5 µs" if kinds is MIX else ""
        yield Row("namespace", name, f"{1 / cost:.2f} M metrics/s", f"{cost:.2f} µs/metric", aim)
    for kind, value in ((DataType.FLOAT, 42.5), (DataType.INT32, 5), (DataType.STRING, "x")):
        rate = _verdicts(kind, value)
        yield Row("verdict", f"{kind.label}, accepted", f"{rate:.1f} M/s", "", "≥ 1 M/s")


def _cost_of(kinds: list[DataType]) -> float:
    """CPU in microseconds per metric, the best of several repeats; every metric has its own time."""
    machines = [_machine(number, kinds) for number in range(MACHINES)]
    namespace = Namespace("acme", machines)
    events = []
    for machine in machines:
        slots = [_slot(tag) for tag in machine.tags]
        born = Born(NODE, machine.sparkplug.device_id, tuple(slots), NOW)
        namespace.apply(born, NOW)
        events += [_changed(machine, slots, number) for number in range(1, ROUNDS + 1)]
    gc.collect()
    gc.freeze()
    best = min(_run(namespace, events, repeat) for repeat in range(1, REPEATS + 1))
    gc.unfreeze()
    return best / (len(events) * TAGS) * 1e6


def _run(namespace: Namespace, events: list[Changed], repeat: int) -> float:
    later = [
        Changed(e.node, e.device_id, [(s, v, q, t + repeat * 10_000) for s, v, q, t in e.updates])
        for e in events
    ]
    began = time.process_time()
    for event in later:
        namespace.apply(event, NOW)
    return time.process_time() - began


def _machine(number: int, kinds: list[DataType]) -> Machine:
    topic = Topic(f"acme/leeds/packaging/line1/filler{number}")
    kind_of = [kinds[place % len(kinds)] for place in range(TAGS)]
    tags = tuple(
        Tag(f"t{n}", topic.child(f"t{n}"), kind, unit="bar", low=0, high=1e6)
        if kind.is_real
        else Tag(f"t{n}", topic.child(f"t{n}"), kind)
        for n, kind in enumerate(kind_of)
    )
    ids = SparkplugId(NODE.group_id, NODE.edge_node_id, f"filler{number}")
    return Machine(topic, "filler", 1, ("filler",), tags, ids)


def _slot(tag: Tag) -> Slot:
    slot = Slot(tag.name, tag.datatype)
    slot.value, slot.timestamp_ms = VALUES[tag.datatype](), NOW
    return slot


def _changed(machine: Machine, slots: list[Slot], number: int) -> Changed:
    updates = [
        (slot, VALUES[slot.datatype](), 192, NOW + number * 1000 + _dice.randrange(900))
        for slot in slots
    ]
    return Changed(NODE, machine.sparkplug.device_id, updates)


def _verdicts(kind: DataType, value: object) -> float:
    """Millions per second."""
    check = compile_check(Tag("t", Topic("acme/t"), kind, low=0, high=100))
    count = 500_000
    began = time.process_time()
    for _ in range(count):
        check(value)
    return count / (time.process_time() - began) / 1e6
