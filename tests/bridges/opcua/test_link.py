"""What we use of asyncua that it does not promise: a new version has to pass here first."""

from __future__ import annotations

import asyncio
import inspect
from importlib.metadata import version

import pytest
from asyncua import Client, ua
from asyncua.client.ua_session import UaSession

from bridges.opcua.config import OpcUaConfig
from bridges.opcua.link import Link


def test_asyncua_is_the_version_this_was_written_for():
    """The dependency is pinned to the minor version whose private parts are used."""
    assert version("asyncua").startswith("2.1.")


def test_the_private_parts_are_where_they_were():
    """Two methods: opening a session without its watchdog, and one request with its answer."""
    assert [] == [
        name
        for name in inspect.signature(Client._create_and_activate_session).parameters
        if name != "self"
    ]
    parameters = list(inspect.signature(UaSession._send_request).parameters)
    assert ["self", "request", "timeout"] == parameters[:3]


@pytest.mark.slow
async def test_asyncua_runs_nothing_in_the_background(server):
    """No watchdog, publish loop or renewal of its own: an open link has no task at all."""
    before = asyncio.all_tasks()
    link = Link(OpcUaConfig(endpoint=server.endpoint))
    await link.open()
    ours = {
        task
        for task in asyncio.all_tasks() - before
        if "asyncua/client" in task.get_coro().cr_code.co_filename
    }
    await link.close()
    assert set() == ours


@pytest.mark.slow
async def test_the_channel_is_renewed_in_time(server):
    """The security token is exchanged before its lifetime ends, between two publish requests."""
    link = Link(OpcUaConfig(endpoint=server.endpoint, publishing_s=0.05))
    await link.open()
    try:
        channel = link._client.uaclient.protocol._connection
        before = channel.security_token.TokenId
        link._renew_at = 0.0
        await link.collect()
        assert before != channel.security_token.TokenId
        await link.collect()
        (held,) = await link.read([ua.NodeId(2258)], ua.AttributeIds.Value)
        assert held.StatusCode.is_good()
    finally:
        await link.close()


@pytest.mark.slow
async def test_a_request_that_is_too_big_is_cut_in_halves(server):
    """Whatever limit a server has and did not tell, its items get through in smaller requests."""
    link = Link(OpcUaConfig(endpoint=server.endpoint))
    await link.open()
    sizes = []
    whole = link._create_items

    async def picky(items):
        sizes.append(len(items))
        if len(items) > 3:
            raise ua.uaerrors.BadTooManyOperations
        return await whole(items)

    link._create_items = picky
    try:
        items = [(n, ua.NodeId(2258), 100.0, 1) for n in range(10)]
        statuses = await link.monitor(items)
        assert [True] * 10 == [status.is_good() for status in statuses]
        assert [10, 5, 2, 2, 2, 2, 2] == sizes
    finally:
        await link.close()
