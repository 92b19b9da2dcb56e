"""An endless supply of sessions: whatever happens to the broker, the next one comes."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable

from uns.errors import BrokerError
from uns.message import Message
from uns.mqtt.broker import Broker
from uns.mqtt.connect import CONNECT_S, KEEPALIVE_S, RefusedError, connect
from uns.mqtt.session import Session

__all__ = ["Backoff", "sessions"]

_log = logging.getLogger("uns.mqtt")

_SHORTEST_S, _LONGEST_S = 0.25, 10.0
_STABLE_S = 60.0
_TAKEN_OVER_S, _TAKEN_OVER_TIMES = 5.0, 3


class Backoff:
    """How long to wait before the next attempt.

    At random up to half the time that we are without a session, at least up to a quarter of a
    second and at most up to ten: a broker back after two seconds is found within three, and a
    thousand clients of a broker that restarts do not come back at once. `lottery` draws 0..1.
    """

    def __init__(self, lottery: Callable[[], float] = random.random) -> None:
        self._lottery = lottery
        self._without_s = 0.0

    def next_s(self, *, is_hopeless: bool = False) -> float:
        """Seconds to wait; `is_hopeless` when only a person can put it right."""
        widest = _LONGEST_S if is_hopeless else self._without_s / 2
        return self._lottery() * min(max(widest, _SHORTEST_S), _LONGEST_S)

    def lost(self, seconds: float) -> None:
        """So long we had no session."""
        self._without_s += seconds

    def held(self, seconds: float) -> None:
        """So long we had one; only a stable minute makes the next waits short again."""
        if seconds >= _STABLE_S:
            self._without_s = 0.0


async def sessions(
    broker: Broker,
    client_id: str,
    *,
    will: Callable[[], Message | None] | None = None,
    keepalive_s: int = KEEPALIVE_S,
    clean: bool = True,
    on_state: Callable[[str, bool], None] | None = None,
    on_connect_sent: Callable[[], None] | None = None,
    deadline_s: float = CONNECT_S,
) -> AsyncGenerator[Session, None]:
    """One session after the other, to be had with `async for`.

    A new connection and a new will for each. `on_state(sentence, is_up)` is told once when the
    broker is lost and once when it is back. A session that the body leaves without `close()`
    is dropped, so that its will is sent; wrap the loop in `contextlib.aclosing` to have that
    at once when the body raises.
    """
    loop, backoff = asyncio.get_running_loop(), Backoff()
    state = _State(broker, client_id, on_state or _log_state)
    protocol: int | None = None
    while True:
        began = loop.time()
        try:
            session = await connect(
                broker, client_id, will=will, keepalive_s=keepalive_s, clean=clean,
                on_connect_sent=on_connect_sent, deadline_s=deadline_s, protocol=protocol,
            )  # fmt: skip
        except BrokerError as error:
            state.down(error)
            protocol = protocol if isinstance(error, RefusedError) else None
            await asyncio.sleep(backoff.next_s(is_hopeless=isinstance(error, RefusedError)))
            backoff.lost(loop.time() - began)
            continue
        protocol = session.protocol
        opened = loop.time()
        state.up(session)
        try:
            yield session
        finally:
            lost = session.why_lost
            if session.is_connected:
                session.abort()
        held_s = loop.time() - opened
        backoff.held(held_s)
        state.down(lost, after_s=held_s)
        wait_s = backoff.next_s(is_hopeless=state.is_taken_over)
        await asyncio.sleep(wait_s)
        backoff.lost(wait_s)


class _State:
    """What was last said about the broker, so that it is said once."""

    def __init__(self, broker: Broker, client_id: str, say: Callable[[str, bool], None]) -> None:
        self._broker, self._client_id, self._say = broker, client_id, say
        self._is_up: bool | None = None
        self._early_drops = 0

    @property
    def is_taken_over(self) -> bool:
        """Whether another client with our id keeps throwing us out."""
        return self._early_drops >= _TAKEN_OVER_TIMES

    def up(self, session: Session) -> None:
        """A session came about; nothing is said while they come and go at once."""
        if self._is_up is not True and not self.is_taken_over:
            version = "MQTT 5" if session.protocol == 5 else "MQTT 3.1.1"  # noqa: PLR2004
            self._say(f"connected to {self._broker.address} ({version})", True)
            self._is_up = True

    def down(self, error: BrokerError | None, *, after_s: float | None = None) -> None:
        """No session, for this reason; None when the program let it go."""
        if error is None:
            self._is_up = None
            return
        if after_s is not None:
            self._early_drops = self._early_drops + 1 if after_s < _TAKEN_OVER_S else 0
        sentence = f"{error}; {error.hint}" if error.hint else str(error)
        if self._early_drops == _TAKEN_OVER_TIMES:
            self._say(self._take_over(sentence), False)
        elif self._is_up is not False and not self.is_taken_over:
            self._say(f"{sentence}; trying again", False)
        self._is_up = False

    def _take_over(self, sentence: str) -> str:
        return (
            f"lost {self._broker.address} {_TAKEN_OVER_TIMES} times right after connecting: another "
            f"client probably uses the client id `{self._client_id}` too ({sentence})"
        )


def _log_state(sentence: str, is_up: bool) -> None:  # noqa: FBT001 (the shape of `on_state`)
    _log.log(logging.INFO if is_up else logging.WARNING, "%s", sentence)
