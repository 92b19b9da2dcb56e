"""One broker that shows the tree: the session with it, and what is published there."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable

from uns.errors import BrokerError
from uns.message import Message
from uns.mqtt import Broker, Session, sessions
from uns.namespace import Output
from uns.service.recall import recall

__all__ = ["TreeServer"]

log = logging.getLogger("uns.namespace")

KEEPALIVE_S = 5
_MOST_REFUSED = 100  # different sentences worth a line in the log


class TreeServer:
    """A broker of the namespace service, and how it goes there; counts since the start.

    `name` is what the host application calls it. While it is away nothing is kept for it:
    the whole tree is published when it is back.
    """

    def __init__(self, broker: Broker, client_id: str) -> None:
        """Connect to nothing yet."""
        self.name = broker.address
        self.connects = 0
        self.values_out = 0
        self.last_error = ""
        self._broker = broker
        self._client_id = client_id
        self._session: Session | None = None
        self._refused: set[str] = set()

    @property
    def is_online(self) -> bool:
        """Whether the tree is shown there now."""
        return self._session is not None

    def sessions(self, will: Callable[[], Message]) -> AsyncGenerator[Session, None]:
        """An endless supply of sessions, each with a will of its own."""
        return sessions(
            self._broker, self._client_id, will=will, keepalive_s=KEEPALIVE_S, on_state=_said
        )

    def arrived(self, session: Session) -> None:
        """From here on `publish` reaches this broker."""
        self._session = session
        self.connects += 1

    def lost(self) -> None:
        """The session is over."""
        self._session = None

    def drop(self, reason: str) -> None:
        """End the session, so that the next one begins anew."""
        self.last_error = reason
        if self._session is not None:
            log.warning("%s: connecting anew: %s", self.name, reason)
            self._session.abort()

    async def recall(self, topic: str, end: str, take: Callable[[Message], None]) -> None:
        """Hand what the broker remembers below `topic` to `take`; raises BrokerError."""
        client_id = f"{self._client_id}-recall"
        if not await recall(self._broker, client_id, [topic], end, take):
            log.warning("%s did not come to an end with its retained messages", self.name)

    async def publish(self, out: Output) -> None:
        """Publish where there is a session.

        A topic that the broker refuses is said once and costs nothing else. A session that is
        lost meanwhile ends by itself, and says so where its messages are read.
        """
        session = self._session
        if session is None:
            return
        try:
            if out.values:
                await session.publish_values(out.values)
            if out.late:
                await session.publish_values(out.late, retain=False)
            if out.messages:
                await session.publish_all(out.messages)
        except BrokerError as error:
            if not session.is_connected:
                return
            self._say_refused(error)
        self.values_out += len(out.values) + len(out.messages) + len(out.late)

    def _say_refused(self, error: BrokerError) -> None:
        self.last_error = str(error)
        if self.last_error in self._refused or len(self._refused) >= _MOST_REFUSED:
            return
        self._refused.add(self.last_error)
        log.error("%s; %s", error, error.hint)


def _said(sentence: str, is_up: bool) -> None:  # noqa: FBT001 - the shape of on_state
    log.log(logging.INFO if is_up else logging.WARNING, "%s", sentence)
