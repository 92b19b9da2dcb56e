"""An edge node and a host application at simulated brokers: what their shells do, and no more.

`LineShell` is to an EdgeNode what the bridge's edge service is, `HostShell` to a HostApplication
what the namespace service is, without a socket or a clock. Both remember what the core said, so
that a test can compare it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from simulated_broker import NORMAL, WITH_WILL, Connect, SimulatedBroker

from uns.message import Message
from uns.sparkplug import (
    Born,
    Changed,
    Command,
    Died,
    EdgeNode,
    Event,
    HostApplication,
    Leave,
    Problem,
    Publish,
    Reconnect,
)

EDGE, HOST = "edge", "host"


class LineShell:
    """One edge node's client: connected to at most one of the brokers."""

    def __init__(self, edge: EdgeNode, brokers: Sequence[SimulatedBroker]) -> None:
        self.edge = edge
        self.stored_bd_seq = 0
        self.at: SimulatedBroker | None = None
        self.problems: list[Problem] = []
        self.on_command: Callable[[Command], None] = lambda _: None
        self._brokers = brokers

    def connect(self, now_ms: int, *, left: bool = True, arrived: bool = True) -> None:
        """One attempt; the CONNECT may never leave, or leave and find nobody."""
        assert self.at is None
        broker = self._brokers[self.edge.server]
        will = self.edge.will()
        self.stored_bd_seq = self.edge.next_bd_seq
        if left or arrived:
            self.edge.advance()
        if not arrived:
            self.edge.connect_failed()
            return
        self.at = broker
        broker.connect(EDGE, Connect(will=will), now_ms)
        broker.subscribe(EDGE, self.edge.subscriptions(), now_ms)
        self.carry_out(self.edge.connected(now_ms))

    def leave(self, now_ms: int) -> None:
        """On purpose: the death, then the goodbye."""
        assert self.at is not None
        self.carry_out(self.edge.stopping(now_ms))
        self.at.disconnect(EDGE, WITH_WILL)
        self.at.read(EDGE, now_ms)
        self.at = None
        self.edge.disconnected()

    def cut(self, now_ms: int, arrived: int | None) -> None:
        """The connection died after `arrived` packets that the server had not read yet."""
        assert self.at is not None
        self.at.cut(EDGE, now_ms, arrived=arrived)
        self.at = None
        self.edge.disconnected()

    def kicked(self) -> bool:
        """Whether the server has ended our session; then it is over for us too."""
        if self.at is None or EDGE in self.at.sessions:
            return False
        self.at = None
        self.edge.disconnected()
        return True

    def carry_out(self, effects: Iterable[Message | Command | Problem | Leave]) -> None:
        """Publish, and leave where the core says so."""
        for effect in effects:
            match effect:
                case Message():
                    assert self.at is not None, effect.topic
                    self.at.publish(EDGE, effect)
                case Leave():
                    assert self.at is not None
                    self.at.disconnect(EDGE, WITH_WILL)
                    self.at = None
                    self.edge.disconnected()
                case Problem():
                    self.problems.append(effect)
                case Command():
                    self.on_command(effect)


class HostShell:
    """A host application's clients, one for each broker."""

    def __init__(self, host: HostApplication, brokers: dict[str, SimulatedBroker]) -> None:
        self.host = host
        self.brokers = brokers
        self.at: set[str] = set()
        self.on_event: Callable[[Event], None] = lambda _: None
        self.problems: list[Problem] = []
        self.live: dict[tuple[str, str], Any] = {}  # (device, metric) → slot, as of the events
        self.reconnects = 0

    def connect(self, server: str, now_ms: int) -> None:
        """A session that comes about at once."""
        assert server not in self.at
        broker = self.brokers[server]
        broker.connect(HOST, Connect(will=self.host.will(now_ms, server=server)), now_ms)
        broker.subscribe(HOST, self.host.subscriptions(server=server), now_ms)
        self.at.add(server)
        self.carry_out(self.host.connected(now_ms, server=server), now_ms)

    def leave(self, server: str, now_ms: int) -> None:
        """On purpose: the STATE death, then the goodbye."""
        self.carry_out(self.host.stopping(now_ms, server=server), now_ms)
        self.brokers[server].disconnect(HOST, NORMAL)
        self.brokers[server].read(HOST, now_ms)
        self._gone(server, now_ms)

    def cut(self, server: str, now_ms: int, arrived: int | None) -> None:
        """The connection died; the server owes our will."""
        self.brokers[server].cut(HOST, now_ms, arrived=arrived)
        self._gone(server, now_ms)

    def receive(self, server: str, message: Message, now_ms: int) -> None:
        """One message arrives."""
        self.carry_out(self.host.received(message, now_ms, server=server), now_ms)

    def carry_out(self, events: Iterable[Event], now_ms: int) -> None:
        """Publish where there is a session, connect anew where it is asked for."""
        for event in events:
            self.on_event(event)
            match event:
                case Publish(message, server):
                    if server in self.at:
                        self.brokers[server].publish(HOST, message)
                case Reconnect(server):
                    self.reconnects += 1
                    if server in self.at:
                        self.cut(server, now_ms, None)
                        self.connect(server, now_ms)
                case Problem():
                    self.problems.append(event)
                case _:
                    self._show(event)

    def _show(self, event: Event) -> None:
        """What a consumer of the events would show as live."""
        match event:
            case Born():
                self._forget(event.device_id)
                for slot in event.slots:
                    shown = (slot.value, slot.quality, slot.timestamp_ms)
                    self.live[event.device_id, slot.name] = shown
            case Changed(is_historical=False):
                for slot, value, quality, timestamp_ms in event.updates:
                    self.live[event.device_id, slot.name] = (value, quality, timestamp_ms)
            case Died(device_id=device_id):
                self._forget(device_id)
            case _:
                pass

    def _forget(self, device_id: str | None) -> None:
        gone = [key for key in self.live if device_id is None or key[0] == device_id]
        for key in gone:
            del self.live[key]

    def _gone(self, server: str, now_ms: int) -> None:
        self.at.discard(server)
        self.carry_out(self.host.disconnected(now_ms, server=server), now_ms)
