"""The namespace service's STATE on a broker where someone else speaks in its name."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest

from uns.message import Message
from uns.mqtt import Broker, Session, connect
from uns.service.broker import EmbeddedBroker
from uns.service.edge import now_ms
from uns.service.namespace import NamespaceService

pytestmark = pytest.mark.slow

STATE = "spBv1.0/STATE/uns-acme"


@pytest.mark.conforms("tck-id-message-flow-hid-sparkplug-state-message-delivered")
async def test_a_later_death_is_answered_by_a_new_session() -> None:
    """Denied at once, then surpassed: the last word is ours and has the latest time."""
    async with EmbeddedBroker() as broker, asyncio.timeout(20):
        where = Broker.parse(broker.url)
        service = NamespaceService("acme", [], [where])
        task = asyncio.create_task(service.run())
        session = await connect(where, "stranger")
        await session.subscribe([(STATE, 1)])
        online = _online(session)
        first = await anext(online)
        later_ms = now_ms() + 5_000
        said = json.dumps({"online": False, "timestamp": later_ms}).encode()
        await session.publish(Message(STATE, said, 1, retain=True))
        assert first == await anext(online)
        found = [at async for at in _up_to(online, later_ms)]
        assert later_ms + 1 == found[-1]
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await session.close()


async def _online(session: Session) -> AsyncIterator[int]:
    """The times of the STATEs that say online."""
    async for batch in session.batches():
        for message in batch:
            said = json.loads(message.payload)
            if said["online"]:
                yield said["timestamp"]


async def _up_to(times: AsyncIterator[int], least: int) -> AsyncIterator[int]:
    """As many as it takes until one is as late."""
    async for at in times:
        yield at
        if at >= least:
            return
