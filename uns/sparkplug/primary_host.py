"""The primary host: what its STATE messages say, and which of them count."""

from __future__ import annotations

from enum import Enum

from uns.sparkplug.state import HostState

__all__ = ["HostVerdict", "PrimaryHost"]


class HostVerdict(Enum):
    """What a STATE message means to an edge node that waits for its host."""

    ONLINE = "the host is there"
    OFFLINE = "the host has gone"
    UNKNOWN = "the retained message was cleared: nobody says anything"
    OUTDATED = "older than what was heard before: ignored"


class PrimaryHost:
    """The memory of one host application's STATE, broker by broker.

    It outlives every connection: a retained message of long ago that is heard again after a
    reconnect is as old as it was (…-birth-publish-phid-wait-timestamp). Each broker has times of
    its own, for the host has a session of its own with each.
    """

    def __init__(self) -> None:
        self._latest_ms: dict[int, int] = {}  # of any STATE, by broker
        self._online_ms: dict[int, int] = {}  # of those that counted as online

    def heard(self, payload: bytes, server: int) -> HostVerdict:
        """Judge a STATE message of the host's that came from this broker.

        Retained or not makes no difference. Raises PeerProtocolError where it is no STATE.
        """
        if not payload:
            return HostVerdict.UNKNOWN
        state = HostState.parse(payload)
        latest_ms = self._latest_ms.get(server, 0)
        self._latest_ms[server] = max(latest_ms, state.timestamp_ms)
        if not state.is_online:
            # tck-id-operational-behavior-edge-node-termination-host-offline and -offline-timestamp
            is_outdated = state.timestamp_ms < self._online_ms.get(server, 0)
            return HostVerdict.OUTDATED if is_outdated else HostVerdict.OFFLINE
        if state.timestamp_ms < latest_ms:
            return HostVerdict.OUTDATED
        self._online_ms[server] = state.timestamp_ms
        return HostVerdict.ONLINE
