"""The presence of the bridges on their brokers: their `_state`, and the flow of each connection.

A session of its own on every broker, because edge nodes come and go with lines and move between
brokers, and a monitor wants to know of a bridge that has none to move to. Its will says that the
bridges are offline; values need no such word, they have the deaths of their edge nodes.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import aclosing
from typing import Any

from uns.errors import BrokerError
from uns.message import Message
from uns.mqtt import Broker, Session, sessions
from uns.namespace import Presence
from uns.namespace.clock import Clock
from uns.service.connection_flow import ConnectionFlows, FlowSource
from uns.service.edge import now_ms
from uns.service.recall import recall

__all__ = ["BridgePresence"]

log = logging.getLogger("uns.bridge")

TICK_S = 1.0  # nothing is said more often
KEEPALIVE_S = 5
LEAVE_S = 2.0
_LOST = "the broker lost it: it was killed, or cut off"


class BridgePresence:
    """Says on every broker how it goes with the bridges of this process, until cancelled.

    `sources` is asked every second for the connections and `taken` for the names that routes
    have; `name` is what the service is called below `_service`.
    """

    def __init__(
        self,
        enterprise: str,
        name: str,
        brokers: Sequence[Broker],
        sources: Callable[[], Sequence[FlowSource]],
        taken: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """Connect to nothing yet."""
        self._root = f"{enterprise}/_service/{name}"
        self._flow_filter = f"{enterprise}/_flow/#"
        self._client_id = f"uns-{enterprise}-{name}"  # two projects may share a computer
        self._brokers = brokers
        self._sources = sources
        self._flows = ConnectionFlows(enterprise, name, taken)
        self._since_ms = now_ms()
        self._counted: dict[str, Any] = {}
        self._sessions: dict[Broker, Session] = {}
        self._turn = asyncio.Lock()  # what is worked out first is published first
        self._refused: set[str] = set()

    async def run(self) -> None:
        """Stay on every broker until cancelled; then say goodbye."""
        self._since_ms = now_ms()
        self._news()
        async with asyncio.TaskGroup() as tasks:
            for broker in self._brokers:
                tasks.create_task(self._stay(broker), name=f"presence:{broker.address}")
            tasks.create_task(self._tick(), name="presence:tick")

    async def _stay(self, broker: Broker) -> None:
        endless = sessions(
            broker, self._client_id, will=self._will, keepalive_s=KEEPALIVE_S, on_state=_said
        )
        async with aclosing(endless):
            async for session in endless:
                try:
                    await self._serve(broker, session)
                except BrokerError as error:
                    log.debug("the health of the bridges: %s", error)
                finally:
                    self._sessions.pop(broker, None)

    async def _serve(self, broker: Broker, session: Session) -> None:
        try:
            found = await self._found(broker)
            async with self._turn:
                self._sessions[broker] = session
                said = [*self._flows.strangers(found), *self._flows.current()]
                await self._publish(session, [*said, self._state(Presence.ONLINE)])
            async for _ in session.batches():
                pass  # nobody writes to us: this ends when the session does
        except asyncio.CancelledError:
            await self._leave(session)
            raise

    async def _found(self, broker: Broker) -> list[Message]:
        """The flows that a broker remembers, ours of a former life among them."""
        found: list[Message] = []
        client_id, end = f"{self._client_id}-recall", f"{self._root}/_recall"
        try:
            await recall(broker, client_id, [self._flow_filter], end, found.append)
        except BrokerError as error:
            self._say_refused(error)
        return found

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            async with self._turn:
                news = self._news()
                for session in list(self._sessions.values()):
                    await self._publish(session, news)

    def _news(self) -> list[Message]:
        news = self._flows.tick(self._sources(), now_ms())
        counted = self._flows.counted()
        if counted != self._counted:
            self._counted = counted
            news.append(self._state(Presence.ONLINE))
        return news

    async def _publish(self, session: Session, messages: Sequence[Message]) -> None:
        """Publish where the broker allows it; a session that is lost says so where it is read."""
        try:
            async with asyncio.timeout(LEAVE_S):
                await session.publish_all(messages)
        except TimeoutError:
            session.abort()
        except BrokerError as error:
            if session.is_connected:
                self._say_refused(error)

    def _say_refused(self, error: BrokerError) -> None:
        if str(error) not in self._refused:
            self._refused.add(str(error))
            log.warning("%s", "; ".join(filter(None, (str(error), error.hint))))

    def _state(self, presence: Presence, reason: str = "") -> Message:
        """Our `_state`; its members are those of other services, and what is counted."""
        said = {
            "state": presence,
            "since": Clock().text(self._since_ms).decode(),
            **({"reason": reason} if reason else {}),
            **self._counted,
        }
        return Message(f"{self._root}/_state", json.dumps(said).encode(), qos=1, retain=True)

    def _will(self) -> Message:
        """What the broker says in our place; nobody knows beforehand since when."""
        said = {"state": Presence.OFFLINE, "reason": _LOST}
        return Message(f"{self._root}/_state", json.dumps(said).encode(), qos=1, retain=True)

    async def _leave(self, session: Session) -> None:
        now = now_ms()
        self._since_ms, self._counted = now, {}
        farewell = [*self._flows.stopping(now), self._state(Presence.OFFLINE, "stopped")]
        try:
            async with asyncio.timeout(LEAVE_S):
                await session.publish_all(farewell)
                await session.close()
        except (BrokerError, TimeoutError) as error:
            log.debug("the health of the bridges could not say goodbye: %s", error)
            session.abort()


def _said(sentence: str, is_up: bool) -> None:  # noqa: FBT001 - the shape of on_state
    log.log(logging.INFO if is_up else logging.WARNING, "health of the bridges: %s", sentence)
