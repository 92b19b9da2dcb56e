"""Servers: the brokers an edge node may use, and how it walks from one to the next."""

from __future__ import annotations

__all__ = ["Servers"]


class Servers:
    """Which broker of an ordered list is ours, one at a time.

    tck-id-operational-behavior-primary-application-state-with-multiple-servers-single-server.
    A broker is left because it cannot be reached or because the primary host is not there. A host
    that is away everywhere must not send us round and round: a first round is walked at once,
    after it every broker gets `wait_ms` for its STATE.
    """

    def __init__(self, count: int, wait_ms: int) -> None:
        self.current = 0
        self._count = count
        self._wait_ms = wait_ms
        self._since_ms = 0
        self._left_in_a_row = 0

    @property
    def is_first_round(self) -> bool:
        """Whether some broker was not yet asked for the host."""
        return self._left_in_a_row < self._count - 1

    def arrived(self, now_ms: int) -> None:
        """We are connected, and wait from now on."""
        self._since_ms = now_ms

    def settled(self) -> None:
        """The host is here."""
        self._left_in_a_row = 0

    def has_waited(self, now_ms: int) -> bool:
        """Whether the wait is over; it never is where there is no other broker."""
        self._since_ms = min(self._since_ms, now_ms)  # the clock may have been put back
        return self._count > 1 and now_ms - self._since_ms >= self._wait_ms

    def leave(self) -> None:
        """The host is not here: walk on."""
        self._left_in_a_row += 1
        self.advance()

    def advance(self) -> None:
        """The next one, round and round."""
        self.current = (self.current + 1) % self._count
