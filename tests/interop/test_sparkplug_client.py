"""An edge node made with npm's sparkplug-client, and our host application, on a real broker."""

from __future__ import annotations

import pytest

from uns.metric import DataType, Quality
from uns.sparkplug import Born, Changed, Died, NodeId, decode
from uns.sparkplug.events import WriteOutcome, Written

pytestmark = pytest.mark.slow

NODE = NodeId("Plant 1", "Line 3")
DEVICE = "Filler 1"


@pytest.fixture
async def edge(node, mosquitto, live):
    """The foreign edge node; it is there when the test begins, and our host was before it."""
    peer = await node("edge_node.js", mosquitto.url, NODE.group_id, NODE.edge_node_id)
    await peer.hear("birth")
    return peer


@pytest.fixture
def born(live, until):
    """Waits until the device was born so often."""

    async def wait(times: int = 1):
        def births():
            found = [b for b in live.of(Born) if (b.node, b.device_id) == (NODE, DEVICE)]
            return len(found) >= times and found

        return (await until(births, f"{times} births of the device"))[-1]

    return wait


@pytest.fixture
def shows(live, until):
    """Waits until a metric of the device has a value."""

    async def wait(name: str, value: object) -> None:
        await until(lambda: live.value(NODE, DEVICE, name) == value, f"{name} shows {value!r}")

    return wait


async def test_its_births_are_read(edge, live, born):
    """Every value of a birth, UInt32 in its long field too, with units and an absent value."""
    device = await born()
    values = {slot.name: (slot.datatype, slot.value) for slot in device.slots}
    assert {
        "Inputs/PT 101": (DataType.FLOAT, 2.5),
        "Inputs/Good": (DataType.UINT32, 3_000_000_000),
        "Inputs/Offset": (DataType.INT16, -30_000),
        "Inputs/Total": (DataType.INT64, -5),
        "Inputs/Recipe": (DataType.STRING, "Größe 1"),
        "Outputs/Run": (DataType.BOOLEAN, False),
        "Inputs/Unknown": (DataType.DOUBLE, None),
    } == values
    pressure = live.slots(NODE, DEVICE)["Inputs/PT 101"]
    assert ("bar", Quality.GOOD) == (pressure.properties["engUnit"], pressure.quality)
    assert 4_000_000_000 == live.value(NODE, "", "Properties/Uptime")
    assert "Stahl & Söhne" == live.value(NODE, "", "Node Info/Hardware Make")
    assert [] == live.problems()


@pytest.mark.parametrize("compress", ["", "DEFLATE", "GZIP"])
async def test_its_data_is_read(edge, live, born, shows, compress):
    """Data by name, plain and in both of its envelopes, reaches the metrics."""
    await born()
    metrics = [
        ["Inputs/PT 101", "Float", 3.25],
        ["Inputs/Good", "UInt32", 4_000_000_001],
        ["Inputs/Offset", "Int16", -1],
        ["Inputs/Total", "Int64", 2**40],
        ["Inputs/Unknown", "Double", -0.5],
    ]
    edge.tell(do="data", metrics=metrics, compress=compress)
    await shows("Inputs/Unknown", -0.5)
    read = {name: live.value(NODE, DEVICE, name) for name, *_ in metrics}
    assert {name: value for name, _, value in metrics} == read
    assert 1 == len(live.of(Changed))
    assert [] == live.problems()


async def test_it_answers_our_request_for_a_rebirth(edge, live, born, shows):
    """Our command is one that it understands, and its second births are a new beginning."""
    first = await born()
    await live.ask_rebirth(NODE)
    said = await edge.hear("ncmd")
    assert [["Node Control/Rebirth", True]] == said["metrics"]
    await edge.hear("rebirth")
    second = await born(2)
    assert first.slots[0] is not second.slots[0]
    edge.tell(do="data", metrics=[["Inputs/PT 101", "Float", 4.5]])
    await shows("Inputs/PT 101", 4.5)
    assert [] == live.problems()


async def test_a_host_that_comes_late_asks_by_itself(edge, born, late_host, until):
    """Births before our start are made up for: the first data makes our host ask for them."""
    await born()  # so the broker has passed them on before the other host is there
    async with late_host() as late:
        edge.tell(do="data", metrics=[["Inputs/Offset", "Int16", 1]])
        await edge.hear("rebirth")
        await until(lambda: late.slots(NODE, DEVICE), "the device is born")
        edge.tell(do="data", metrics=[["Inputs/Offset", "Int16", 2]])
        await until(lambda: late.value(NODE, DEVICE, "Inputs/Offset") == 2, "data flows")


@pytest.mark.conforms("tck-id-operational-behavior-data-commands-dcmd-metric-name")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Outputs/Run", True),
        ("Inputs/Offset", -7),
        ("Inputs/Recipe", "Größe 2"),
        ("Inputs/PT 101", 0.1),
        ("Inputs/Good", 4_000_000_007),
    ],
)
async def test_it_carries_out_our_writes(edge, live, until, name, value):
    """A write in the birth's datatype is understood, and confirmed by the value that it shows."""
    await until(lambda: live.slots(NODE, DEVICE), "the device is born")
    number = await live.write(NODE, DEVICE, name, value)
    said = await edge.hear("dcmd")
    assert [DEVICE, name] == [said["device"], said["metrics"][0][0]]
    [written] = await until(lambda: live.of(Written), "the outcome of the write")
    assert (number, WriteOutcome.CONFIRMED) == (written.id, written.outcome)


async def test_the_death_of_its_device_is_one(edge, live, born, until):
    """DDEATH takes the device and leaves the node."""
    await born()
    edge.tell(do="device_death")
    [died] = await until(lambda: live.of(Died), "the device dies")
    assert (NODE, DEVICE) == (died.node, died.device_id)


async def test_a_lost_connection_is_its_death_every_time(edge, live, born, until):
    """Its bdSeq is 0 for ever: each will counts all the same, and so does each new birth."""
    for times in (1, 2):
        await born(times)
        edge.tell(do="drop")
        died = lambda count=times: len(live.of(Died)) >= count  # noqa: E731
        await until(died, f"death {times}")
        assert (NODE, None) == (live.of(Died)[-1].node, live.of(Died)[-1].device_id)
    await born(3)
    sequences = [decode(payload).find("bdSeq") for payload in live.payloads("NBIRTH")]
    assert [(0, DataType.UINT64)] * 3 == [(metric.value, metric.datatype) for metric in sequences]


async def test_it_can_leave(edge, live, born, until):
    """The NDEATH that it publishes on purpose is believed."""
    await born()
    edge.tell(do="stop")
    died = await until(lambda: live.of(Died), "the node dies")
    assert (NODE, None) == (died[0].node, died[0].device_id)
