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
    broker: Broker | Callable[[], Broker],
    client_id: str,
    *,
    will: Callable[[], Message | None] | None = None,
    keepalive_s: int = KEEPALIVE_S,
    clean: bool = True,
    on_state: Callable[[str, bool], None] | None = None,
    on_connect_sent: Callable[[], None] | None = None,
    on_failed: Callable[[], None] | None = None,
    deadline_s: float = CONNECT_S,
) -> AsyncGenerator[Session, None]:
    """One session after the other, to be had with `async for`.

    A new connection and a new will for each. Where there are several brokers to choose from,
    `broker` is asked for the one to try next, and `on_failed` is told that the last one could
    not be had. `on_state(sentence, is_up)` is told once when a broker is lost and once when
    one is back. A session that the body leaves without `close()` is dropped, so that its will
    is sent; wrap the loop in `contextlib.aclosing` to have that at once when the body raises.
    """
    loop, walk = asyncio.get_running_loop(), _Walk(broker)
    state = _State(client_id, on_state or _log_state)
    while True:
        began, current = loop.time(), walk.next()
        try:
            session = await connect(
                current, client_id, will=will, keepalive_s=keepalive_s, clean=clean,
                on_connect_sent=on_connect_sent, deadline_s=deadline_s,
                protocol=walk.protocols.get(current),
            )  # fmt: skip
        except BrokerError as error:
            state.down(current, error)
            walk.failed(current, error, on_failed)
            await walk.pause(began, is_hopeless=isinstance(error, RefusedError))
            continue
        walk.protocols[current] = session.protocol
        opened = loop.time()
        state.up(session)
        try:
            yield session
        finally:
            lost = session.why_lost
            if session.is_connected:
                session.abort()
        held_s = loop.time() - opened
        walk.backoff.held(held_s)
        state.down(current, lost, after_s=held_s)
        await walk.pause(loop.time(), is_hopeless=state.is_taken_over)


class _Walk:
    """Which broker is next and how long to wait before: hardly, until all of them were tried."""

    def __init__(self, broker: Broker | Callable[[], Broker]) -> None:
        self.backoff = Backoff()
        self.protocols: dict[Broker, int] = {}  # what each spoke last
        self._ask = broker if callable(broker) else lambda: broker
        self._tried: set[Broker] = set()

    def next(self) -> Broker:
        """The broker to try now."""
        broker = self._ask()
        self._tried.add(broker)
        return broker

    def failed(
        self, broker: Broker, error: BrokerError, on_failed: Callable[[], None] | None
    ) -> None:
        """No session came about; one that is not refused may have changed its version."""
        if not isinstance(error, RefusedError):
            self.protocols.pop(broker, None)
        if on_failed is not None:
            on_failed()

    async def pause(self, since: float, *, is_hopeless: bool) -> None:
        """Wait before the next attempt; `since` then, by the loop's clock, we had no session."""
        await asyncio.sleep(self._wait_s(is_hopeless=is_hopeless))
        self.backoff.lost(asyncio.get_running_loop().time() - since)

    def _wait_s(self, *, is_hopeless: bool) -> float:
        wait_s = self.backoff.next_s(is_hopeless=is_hopeless)
        if self._ask() not in self._tried:
            return min(wait_s, _SHORTEST_S)
        self._tried.clear()
        return wait_s


class _State:
    """What was last said about each broker, so that it is said once."""

    def __init__(self, client_id: str, say: Callable[[str, bool], None]) -> None:
        self._client_id, self._say = client_id, say
        self._is_up = False
        self._said_down: set[Broker] = set()
        self._early_drops = 0

    @property
    def is_taken_over(self) -> bool:
        """Whether another client with our id keeps throwing us out."""
        return self._early_drops >= _TAKEN_OVER_TIMES

    def up(self, session: Session) -> None:
        """A session came about; nothing is said while they come and go at once."""
        if self._is_up or self.is_taken_over:
            return
        version = "MQTT 5" if session.protocol == 5 else "MQTT 3.1.1"  # noqa: PLR2004
        self._say(f"connected to {session.broker.address} ({version})", True)
        self._is_up = True
        self._said_down.discard(session.broker)

    def down(
        self, broker: Broker, error: BrokerError | None, *, after_s: float | None = None
    ) -> None:
        """No session, for this reason; None when the program let it go."""
        self._is_up = False
        if error is None:
            return
        if after_s is not None:
            self._early_drops = self._early_drops + 1 if after_s < _TAKEN_OVER_S else 0
        sentence = f"{error}; {error.hint}" if error.hint else str(error)
        if self._early_drops == _TAKEN_OVER_TIMES:
            self._say(self._take_over(broker, sentence), False)
        elif broker not in self._said_down and not self.is_taken_over:
            self._say(f"{sentence}; trying again", False)
        self._said_down.add(broker)

    def _take_over(self, broker: Broker, sentence: str) -> str:
        return (
            f"lost {broker.address} {_TAKEN_OVER_TIMES} times right after connecting: another "
            f"client probably uses the client id `{self._client_id}` too ({sentence})"
        )


def _log_state(sentence: str, is_up: bool) -> None:  # noqa: FBT001 (the shape of `on_state`)
    _log.log(logging.INFO if is_up else logging.WARNING, "%s", sentence)
