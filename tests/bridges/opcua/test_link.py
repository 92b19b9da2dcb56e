"""What we use of asyncua that it does not promise: a new version has to pass here first."""

from __future__ import annotations

import asyncio
import inspect
from importlib.metadata import version

import pytest
from asyncua import Client, ua
from asyncua.client.ua_session import UaSession

from bridges.opcua.config import OpcUaConfig
from bridges.opcua.limits import Limit, Limits
from bridges.opcua.link import Link
from uns.errors import DeviceError


def test_asyncua_is_the_version_this_was_written_for():
    """The dependency is pinned to the minor version whose private parts are used."""
    assert version("asyncua").startswith("2.1.")


def test_the_private_parts_are_where_they_were():
    """Opening a session without its watchdog, taking one up again, one request with its answer."""
    for method in (Client._create_and_activate_session, Client._activate_with_credentials):
        assert ["self"] == list(inspect.signature(method).parameters)
    client = Client("opc.tcp://127.0.0.1:1")
    assert (None, []) == (client._server_nonce, client._policy_ids)
    parameters = list(inspect.signature(UaSession._send_request).parameters)
    assert ["self", "request", "timeout"] == parameters[:3]


@pytest.mark.slow
async def test_asyncua_runs_nothing_in_the_background(server, tmp_path):
    """No watchdog, publish loop or renewal of its own: an open link has no task at all."""
    before = asyncio.all_tasks()
    link = Link(OpcUaConfig(endpoint=server.endpoint), tmp_path)
    await link.open()
    ours = {
        task
        for task in asyncio.all_tasks() - before
        if "asyncua/client" in task.get_coro().cr_code.co_filename
    }
    await link.close()
    assert set() == ours


@pytest.mark.slow
async def test_the_channel_is_renewed_in_time(server, tmp_path):
    """The security token is exchanged before its lifetime ends, between two publish requests."""
    link = Link(OpcUaConfig(endpoint=server.endpoint, publishing_s=0.05), tmp_path)
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


async def test_a_request_that_is_too_big_is_cut_in_halves():
    """Whatever limit a server has and did not tell, its items get through in smaller requests."""
    limits, sizes = Limits(), []

    async def picky(part):
        sizes.append(len(part))
        if len(part) > 3:
            raise ua.uaerrors.BadTooManyOperations
        return part

    assert list(range(10)) == await limits.in_parts(Limit.MONITOR, range(10), picky)
    assert [10, 5, 2, 2, 2, 2, 2] == sizes


async def test_a_server_that_answers_too_little_is_not_believed():
    """An answer with fewer results than there were questions ends the session, with a sentence."""

    async def short(part):
        return part[1:]

    with pytest.raises(DeviceError, match="answers 2 of 3 questions"):
        await Limits().in_parts(Limit.READ, [1, 2, 3], short)
