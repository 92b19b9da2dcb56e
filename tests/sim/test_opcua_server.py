"""The simulated OPC UA server, seen by asyncua's own client."""

from __future__ import annotations

import asyncio
import time

import pytest
from asyncua import Client

from uns.errors import DeviceError
from uns.metric import DataType
from uns.sim.opcua_server import OpcUaServer, ServedTag

pytestmark = pytest.mark.slow

WHEN_MS = 1_767_868_200_123
TAGS = [
    ServedTag("Line1.Speed", DataType.DOUBLE, 1.5),
    ServedTag("Line1.Recipe", DataType.STRING, "Größe 1", True),
    ServedTag(1004, DataType.UINT32, 7),
]


async def test_tags_are_where_they_were_asked_for():
    """Identifiers of text and number, in the given namespace, with their types."""
    async with OpcUaServer("urn:sim", TAGS) as server, Client(server.endpoint) as client:
        space = await client.get_namespace_index("urn:sim")
        speed = client.get_node(f"ns={space};s=Line1.Speed")
        assert (1.5, "Double") == (
            await speed.read_value(),
            (await speed.read_data_type_as_variant_type()).name,
        )
        assert 7 == await client.get_node(f"ns={space};i=1004").read_value()


async def test_what_is_written_has_its_time_and_status():
    """The plant's clock is the source's clock; dirt is a status code."""
    async with OpcUaServer("urn:sim", TAGS) as server, Client(server.endpoint) as client:
        space = await client.get_namespace_index("urn:sim")
        node = client.get_node(f"ns={space};s=Line1.Speed")
        await server.write([("Line1.Speed", 2.5, WHEN_MS)])
        held = await node.read_data_value()
        assert (2.5, WHEN_MS) == (held.Value.Value, held.SourceTimestamp.timestamp() * 1000)
        await server.write([("Line1.Speed", 2.5, WHEN_MS)], status="BadSensorFailure")
        held = await node.read_data_value(raise_on_bad_status=False)
        assert "BadSensorFailure" == held.StatusCode.name


async def test_a_clients_write_can_be_seen():
    """Only where a tag is writable."""
    async with OpcUaServer("urn:sim", TAGS) as server, Client(server.endpoint) as client:
        space = await client.get_namespace_index("urn:sim")
        await client.get_node(f"ns={space};s=Line1.Recipe").write_value("Größe 2")
        assert "Größe 2" == server.read("Line1.Recipe")


async def test_a_taken_port_is_named():
    """The error says which port and what to do, without a traceback in the log."""
    async with OpcUaServer("urn:sim", []) as first:
        with pytest.raises(DeviceError, match=f"127.0.0.1:{first.port}") as caught:
            await OpcUaServer("urn:sim", [], port=first.port).start()
    assert caught.value.hint


async def test_it_stops_without_a_trace_and_starts_on_the_same_port():
    """Clients that are gone or still there leave no task behind."""
    before = asyncio.all_tasks()
    server = OpcUaServer("urn:sim", TAGS)
    await server.start()
    port = server.port
    client = Client(server.endpoint)
    await client.connect_socket()
    await client.send_hello()
    await client.open_secure_channel()
    await client.create_session()
    await client.activate_session()
    await server.stop()
    await server.stop()
    client.disconnect_socket()
    await asyncio.sleep(0.05)
    assert before == asyncio.all_tasks()
    async with OpcUaServer("urn:sim", TAGS, port=port) as again:
        assert port == again.port


async def test_a_thousand_changes_a_second_cost_little():
    """A line's worth of changes is written in much less than the second it stands for."""
    tags = [ServedTag(f"Line1.T{n}", DataType.DOUBLE, 0.0) for n in range(1000)]
    async with OpcUaServer("urn:sim", tags) as server:
        began = time.process_time()
        await server.write([(f"Line1.T{n}", 1.0, WHEN_MS) for n in range(1000)])
        assert time.process_time() - began < 1


async def test_tags_come_and_go():
    """As in a PLC whose program is being loaded."""
    async with OpcUaServer("urn:sim", TAGS) as server, Client(server.endpoint) as client:
        space = await client.get_namespace_index("urn:sim")
        await server.add([ServedTag("Line1.Late", DataType.BOOLEAN, True)])
        assert await client.get_node(f"ns={space};s=Line1.Late").read_value()
        await server.remove(["Line1.Late"])
        held = await client.get_node(f"ns={space};s=Line1.Late").read_data_value(
            raise_on_bad_status=False
        )
        assert "BadNodeIdUnknown" == held.StatusCode.name
