"""The tree as a target: each JobResponse is also an event below its machine.

It goes through the outbox like every other message, so a broker that is away loses none.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Final

from uns.errors import BrokerError
from uns.message import Message
from uns.mqtt import Session
from uns.target.target import Effect, Ending, Outcome, OutgoingMessage, Target, TargetConfig

__all__ = ["TREE", "TreeTarget"]

#: Its name in the outbox; a project's names never begin with `_`.
TREE: Final = "_tree"


class TreeTarget(Target):
    """Publishes at QoS 1, not retained; a reader knows a repetition by the event's id."""

    Config: ClassVar[type[TargetConfig]] = TargetConfig
    effect: ClassVar[Effect] = Effect.ABSOLUTE

    def __init__(self, session: Callable[[], Session | None]) -> None:
        """`session` returns the session with the broker while there is one."""
        super().__init__(TREE, TargetConfig(type=TREE, desc=""), Path())
        self._session = session

    async def open(self) -> None:
        """Nothing to do: the service has the session."""

    async def deliver(self, message: OutgoingMessage) -> Outcome:
        """Publish; done when the broker has acknowledged."""
        session = self._session()
        if session is None:
            return Outcome(Ending.RETRY, "there is no broker")
        topic = f"{json.loads(message.body)['source']}/_job/response"
        try:
            await session.publish(Message(topic, message.body.encode(), qos=1))
        except BrokerError as error:
            return Outcome(Ending.UNKNOWN, str(error))
        return Outcome(Ending.DONE, topic)

    async def close(self) -> None:
        """Nothing to let go of."""
