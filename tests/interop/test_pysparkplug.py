"""An edge node made with PyPI's pysparkplug, which breaks sessions, and our host application."""

from __future__ import annotations

import pytest

from uns.metric import DataType
from uns.sparkplug import Born, Changed, Died, NodeId, decode

pytestmark = pytest.mark.slow

NODE = NodeId("Plant 1", "Line 4")
DEVICE = "Filler 1"


@pytest.fixture
async def edge(pysparkplug, mosquitto, live, until):
    """The foreign edge node, connected and heard by our host."""
    peer = await pysparkplug(str(mosquitto.port), NODE.group_id, NODE.edge_node_id)
    await peer.ask(do="connect")
    await until(lambda: live.slots(NODE, DEVICE), "the device is born")
    return peer


async def test_its_births_are_read(edge, live):
    """Values of a birth: negative Int16 cut to their width, arrays, an absent value."""
    values = {name: (s.datatype, s.value) for name, s in live.slots(NODE, DEVICE).items()}
    assert {
        "Inputs/PT 101": (DataType.FLOAT, 2.5),
        "Inputs/Good": (DataType.UINT32, 3_000_000_000),
        "Inputs/Offset": (DataType.INT16, -30_000),
        "Inputs/Total": (DataType.INT64, -5),
        "Inputs/Recipe": (DataType.STRING, "Größe 1"),
        "Inputs/Profile": (DataType.INT16_ARRAY, (-1, 2, 300)),
        "Inputs/Unknown": (DataType.DOUBLE, None),
    } == values
    assert 0.5 == live.value(NODE, "", "Load")
    assert [] == live.problems()


async def test_its_data_is_read(edge, live, until):
    """Data by name and with datatypes; a message without metrics changes nothing."""
    await edge.ask(do="data", value=3.25)
    await until(lambda: live.value(NODE, DEVICE, "Inputs/PT 101") == 3.25, "the device's value")
    await edge.ask(do="no_data", value=9.0)
    await edge.ask(do="node_data", value=0.75)
    await until(lambda: live.value(NODE, "", "Load") == 0.75, "the node's value")
    empty = [payload for payload in live.payloads("NDATA") if not decode(payload).metrics]
    assert 1 == len(empty)
    assert [1, 1] == [len(changed.updates) for changed in live.of(Changed)]
    assert [] == live.problems()


async def test_its_device_may_go(edge, live, until):
    """Removing a device is its death and not the node's."""
    await edge.ask(do="remove")
    [died] = await until(lambda: live.of(Died), "the device dies")
    assert (NODE, DEVICE) == (died.node, died.device_id)


async def test_its_will_is_believed(edge, live, until):
    """When its process dies, the will has the right bdSeq and the node is gone."""
    edge.tell(do="kill")
    [died] = await until(lambda: live.of(Died), "the node dies")
    assert (NODE, None) == (died.node, died.device_id)


async def test_its_goodbye_is_doubted(edge, live, until):
    """It leaves with the bdSeq of a session to come: not believed at once, nor for long.

    By the specification it is no death of this session, and might be a late will. It is asked
    for its births, and held for dead when they do not come.
    """
    await edge.ask(do="disconnect")
    await until(lambda: live.payloads("NDEATH"), "its NDEATH")
    numbers = [decode(live.payloads(verb)[0]).find("bdSeq").value for verb in ("NBIRTH", "NDEATH")]
    assert [0, 1] == numbers
    assert [] == live.of(Died)
    [died] = await until(lambda: live.of(Died), "the node is held for dead", 10.0)
    assert (NODE, None) == (died.node, died.device_id)
    assert live.payloads("NCMD")


async def test_it_answers_no_request_for_a_rebirth(edge, late_host, until):
    """A host that comes late asks in vain, ever more seldom, and shows what it cannot know to nobody."""
    async with late_host() as late:
        for value in range(20):
            await edge.ask(do="data", value=float(value))
        await until(lambda: len(late.payloads("NCMD")) >= 2, "two requests")
        assert [] == late.of(Born) + late.of(Changed)
        assert len(late.payloads("NCMD")) <= 3
