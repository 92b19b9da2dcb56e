"""What a broker remembers: the retained messages below some filters, read once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from uns.message import Message
from uns.mqtt import Broker, Session, connect

__all__ = ["recall"]

RECALL_S = 10.0  # 50,000 retained values take Mosquitto half a second
QUIET_S = 0.2  # some brokers go on with retained messages after they have answered


async def recall(
    broker: Broker,
    client_id: str,
    filters: Sequence[str],
    end: str,
    take: Callable[[Message], None],
) -> bool:
    """Hand every retained message to `take`; return whether the broker came to an end in time.

    It is a session of its own, so that nothing has to be unsubscribed. A message of ours to
    the topic `end` comes back behind the retained ones and says that there are no more.
    Raises BrokerError.
    """
    session = await connect(broker, client_id)
    try:
        async with asyncio.timeout(RECALL_S):
            await session.subscribe([(text, 0) for text in (*filters, end)])
            await session.publish(Message(end, b"?"))
            await _read(session, end, take)
    except TimeoutError:
        return False
    finally:
        await session.close()
    return True


async def _read(session: Session, end: str, take: Callable[[Message], None]) -> None:
    batches = aiter(session.batches())
    waiting = asyncio.ensure_future(anext(batches))
    is_ending = False
    try:
        while True:
            await asyncio.wait([waiting], timeout=QUIET_S if is_ending else None)
            if not waiting.done():
                return
            for message in waiting.result():
                is_ending = is_ending or message.topic == end
                if message.retain:
                    take(message)
            waiting = asyncio.ensure_future(anext(batches))
    finally:
        waiting.cancel()
