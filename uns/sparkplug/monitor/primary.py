"""The primary host as edge nodes see it, and whether they do as its STATE tells them."""

from __future__ import annotations

from uns.sparkplug.monitor.board import Board
from uns.sparkplug.monitor.client import Client
from uns.sparkplug.monitor.node import Life, NodeWatch
from uns.sparkplug.monitor.primary_rules import (
    BORN_RULES,
    LEFT_RULES,
    STAYED_RULES,
    Belief,
    Wait,
    Waited,
)
from uns.sparkplug.monitor.rule import KEPT
from uns.sparkplug.monitor.settings import MonitorSettings
from uns.sparkplug.monitor.sight import Sight
from uns.sparkplug.names import MessageType, state_topic
from uns.sparkplug.state import HostState

__all__ = ["PrimaryHosts"]

_MAX_HOSTS = 1_000
_IN_FLIGHT_MS = 1_000  # what was sent before a STATE was heard may take this long
_DATA = (MessageType.NDATA, MessageType.DDATA)


class PrimaryHosts:
    """What is believed of each host, and the judging of those who wait for it."""

    def __init__(self, settings: MonitorSettings) -> None:
        self._settings = settings
        self._beliefs: dict[str, Belief] = {}
        self._since_ms: int | None = None

    def started(self, now_ms: int) -> None:
        """The first that we hear of anything: what is retained is still on its way to us."""
        if self._since_ms is None:
            self._since_ms = now_ms

    def heard(self, host_id: str, said: HostState, now_ms: int) -> None:
        """A STATE."""
        belief = self._beliefs.get(host_id)
        if belief is None:
            if len(self._beliefs) >= _MAX_HOSTS:
                return
            belief = self._beliefs[host_id] = Belief()
        belief.heard(said, now_ms)

    def judge(self, watch: NodeWatch, sight: Sight, board: Board) -> None:
        """A node's message, before it is remembered."""
        host_id = self._primary_of(sight.client) or watch.primary_host
        if not host_id:
            return
        watch.primary_host = host_id
        at_ms, topic = sight.now_ms, sight.message.topic
        if sight.kind is MessageType.NBIRTH and watch.life is not Life.BORN:
            if at_ms - (self._since_ms or 0) > self._grace_ms:
                board.judge(BORN_RULES, Waited(self._why_not(host_id, watch, at_ms)), at_ms, topic)
            return
        belief = self._beliefs.get(host_id)
        if (
            belief is None
            or watch.life is not Life.BORN
            or at_ms - belief.changed_ms <= self._grace_ms
        ):
            return
        if belief.is_online and belief.is_stale and not belief.says_online:
            board.judge(STAYED_RULES, KEPT, at_ms, topic)
        elif not belief.is_online and sight.kind in _DATA:
            board.judge(LEFT_RULES, "data with the primary host offline", at_ms, topic)

    def left(self, watch: NodeWatch, sight: Sight, board: Board) -> None:
        """A node's NDEATH ended its session."""
        belief = self._beliefs.get(watch.primary_host)
        if belief is not None and not belief.is_online and belief.timestamp_ms is not None:
            board.judge(LEFT_RULES, KEPT, sight.now_ms, sight.message.topic)

    @property
    def _grace_ms(self) -> int:
        return self._settings.reorder_ms + _IN_FLIGHT_MS

    def _primary_of(self, client: Client | None) -> str:
        """Whom a node waits for: what it subscribed to tells, or we were told."""
        if self._settings.primary_host or client is None:
            return self._settings.primary_host
        prefix = state_topic("")
        found = [text for text, _ in client.filters if text.startswith(prefix)]
        return found[-1].removeprefix(prefix) if found and found[-1][-1] not in "+#" else ""

    def _why_not(self, host_id: str, watch: NodeWatch, now_ms: int) -> Wait | None:
        belief = self._beliefs.get(host_id)
        if belief is None:
            is_other = any(other.is_online for other in self._beliefs.values())
            return Wait.OTHER if is_other else Wait.NOTHING
        if belief.is_online or now_ms - belief.changed_ms <= self._grace_ms:
            return None
        if belief.is_stale and belief.says_online:
            # Who was not there when the newer one came cannot know that this one is old.
            return Wait.OLD if watch.life is Life.DEAD else None
        return Wait.OFFLINE
