"""What a host application says of itself on one server, and what others say in its name."""

from __future__ import annotations

from uns.message import Message
from uns.sparkplug.events import Event, Problem, Publish, Reconnect
from uns.sparkplug.names import NodeId
from uns.sparkplug.state import HostState

__all__ = ["OwnState"]

_NOBODY = NodeId("", "")
_AHEAD_MS = 60_000  # a clock that is further ahead is wrong; following it would last for ever
_FIRST_PAUSE_MS = 1_000  # between two reconnections …
_LONGEST_PAUSE_MS = 60_000  # … doubling up to this: two hosts with one id end up waiting


class OwnState:
    """The STATE of one host on one server.

    tck-id-operational-behavior-host-application-multi-server-timestamp: its time belongs to
    this server's sessions and advances with them only.
    """

    def __init__(self, host_id: str, server: str) -> None:
        self.is_lost = False  # the session is over, and the next has not begun
        self._host_id = host_id
        self._server = server
        self._said = HostState(is_online=False, timestamp_ms=0)
        self._floor_ms = 0  # later than what others said in our name
        self._is_leaving = False
        self._is_overwritten = False
        self._pause_ms = _FIRST_PAUSE_MS
        self._reconnect_ms = 0  # not before this

    def will(self, now_ms: int) -> Message:
        """The death to register with a CONNECT: now, and never before the last word."""
        self._is_leaving = self._is_overwritten = self.is_lost = False
        self._said = HostState(False, max(now_ms, self._said.timestamp_ms, self._floor_ms))
        return self._said.message(self._host_id)

    def born(self, now_ms: int) -> Publish:
        """The birth, with the time of the will."""
        self._is_leaving = self.is_lost = False
        self._said = HostState(True, self._said.timestamp_ms or now_ms)
        return self._say()

    def lost(self) -> None:
        """The connection is gone; the server says our will."""
        self.is_lost = True
        self._said = HostState(False, self._said.timestamp_ms)

    def leave(self, now_ms: int) -> Publish:
        """The death of one who leaves on purpose, of now."""
        self._is_leaving = True
        self._said = HostState(False, max(now_ms, self._said.timestamp_ms, self._floor_ms))
        return self._say()

    def seen(self, payload: bytes, now_ms: int) -> list[Event]:
        """Our STATE came from the server; raises PeerProtocolError where it is none.

        tck-id-message-flow-hid-sparkplug-state-message-delivered: offline while we are here is
        denied with our own time. A later one stays the last word for edge nodes that go by the
        time, so we connect anew with a time later still. While leaving it is our own last word
        (eclipse-sparkplug/sparkplug#539).
        """
        if self._is_leaving:
            return []
        if not payload:  # someone cleared the retained message
            return self._deny()
        said = HostState.parse(payload)
        if said.timestamp_ms <= now_ms + _AHEAD_MS:
            self._floor_ms = max(self._floor_ms, said.timestamp_ms + (not said.is_online))
        if said.is_online:
            return []
        if said.timestamp_ms <= self._said.timestamp_ms:
            return self._deny()
        text = f"someone else says that host `{self._host_id}` is offline, and later than our own "
        if said.timestamp_ms > now_ms + _AHEAD_MS:
            text += "STATE by a clock that is ahead; edge nodes may take us for offline"
            return [*self._deny(), Problem(_NOBODY, "", text)]
        self._is_overwritten = True
        text += "STATE; two hosts seem to share the id"
        return [*self._deny(), Problem(_NOBODY, "", text), *self.tick(now_ms)]

    def tick(self, now_ms: int) -> list[Event]:
        """Connect anew where someone had the last word; ever less often where that goes on."""
        if not (self._is_overwritten and self._said.is_online) or now_ms < self._reconnect_ms:
            return []
        if now_ms - self._reconnect_ms > 2 * _LONGEST_PAUSE_MS:
            self._pause_ms = _FIRST_PAUSE_MS
        self._is_overwritten = False
        self._reconnect_ms = now_ms + self._pause_ms
        self._pause_ms = min(2 * self._pause_ms, _LONGEST_PAUSE_MS)
        return [Reconnect(self._server, "its STATE was overwritten with a later time")]

    def _deny(self) -> list[Event]:
        return [self._say()] if self._said.is_online else []

    def _say(self) -> Publish:
        return Publish(self._said.message(self._host_id), self._server)
