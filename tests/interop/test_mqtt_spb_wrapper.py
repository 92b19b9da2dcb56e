"""An edge node made with PyPI's mqtt-spb-wrapper: it cannot live with a host; ours can with it."""

from __future__ import annotations

import asyncio

import pytest

from uns.sparkplug import Born, Changed, Died, NodeId

pytestmark = pytest.mark.slow

NODE = NodeId("Plant 1", "Line 6")
DEVICE = "Filler 1"
FAILS = {
    "tck-id-topics-nbirth-rebirth-metric",  # it is called `CMD/Node Control/Rebirth`
    "tck-id-payloads-nbirth-rebirth-req",
    "tck-id-operational-behavior-data-commands-rebirth-name",
    "tck-id-topics-dbirth-metric-reqs",  # data of `speed`, which the birth calls `DATA/speed`
    "tck-id-operational-behavior-data-publish-dbirth",
}


async def test_what_it_sends_is_not_taken_for_what_it_is_not(mqtt_spb_wrapper, live, until):
    """Data by names that no birth had is reported, never shown, and its births are asked for.

    The request ends its MQTT thread, so it never answers: its values are stale in the end.
    """
    edge = await mqtt_spb_wrapper(NODE.group_id, NODE.edge_node_id)
    assert 2 == (await edge.ask(do="connect"))["threads"]
    await until(lambda: live.slots(NODE, DEVICE), "the device is born")
    assert {"DATA/speed": 1.5} == {n: s.value for n, s in live.slots(NODE, DEVICE).items()}
    await edge.ask(do="data", value=2.5)
    await until(live.problems, "the data is reported")
    assert "speed" in live.problems()[0]
    assert [] == live.of(Changed)
    await until(lambda: live.payloads("NCMD"), "births are asked for")
    for value in range(100):
        if (await edge.ask(do="data", value=float(value)))["threads"] < 2:
            break
        await asyncio.sleep(0.1)
    else:
        pytest.fail("it survived the request for a rebirth: say so in docs/reference/interop.md")
    assert 2 == len(live.of(Born))
    failed = {grade.id for grade in live.report().find(str(NODE)).failures}
    assert failed >= FAILS
    await edge.end()
    await until(lambda: live.of(Died), "its will, or its silence", 30.0)
