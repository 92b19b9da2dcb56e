"""The monitor of one MQTT server: every message in, a report out, no socket and no clock."""

from __future__ import annotations

from collections.abc import Sequence

from uns.message import Message
from uns.sparkplug.monitor.board import Boards
from uns.sparkplug.monitor.client import Client, Connect
from uns.sparkplug.monitor.edge_nodes import EdgeNodes
from uns.sparkplug.monitor.grade import Kind
from uns.sparkplug.monitor.hosts import Hosts
from uns.sparkplug.monitor.message_rules import COMMANDS
from uns.sparkplug.monitor.report import Report
from uns.sparkplug.monitor.settings import MonitorSettings
from uns.sparkplug.monitor.topic_rules import TOPIC_RULES, Shape
from uns.sparkplug.names import NAMESPACE, MessageType, SparkplugTopic

__all__ = ["Monitor"]

_MAX_TOPICS = 100_000
_MAX_CLIENTS = 100_000


class Monitor:
    """Grades all edge nodes and host applications of one server by what it is told of them.

    `published` alone is enough: what needs the other three stays NOT_SEEN without them. Give
    `client` only where it is known who published. Call `tick` now and then.
    """

    def __init__(self, settings: MonitorSettings | None = None) -> None:
        self._settings = settings or MonitorSettings()
        self._boards = Boards(self._settings)
        self._nodes = EdgeNodes(self._boards, self._settings)
        self._hosts = Hosts(self._boards, self._settings)
        self._clients: dict[str, Client] = {}
        self._topics: dict[str, SparkplugTopic] = {}  # those that are right
        self._messages = 0

    def connected(self, client: str, connect: Connect, now_ms: int) -> None:
        """A CONNECT was granted."""
        if client in self._clients or len(self._clients) < _MAX_CLIENTS:
            self._clients[client] = Client(client, connect, now_ms)

    def subscribed(self, client: str, filters: Sequence[tuple[str, int]], now_ms: int) -> None:
        """A client subscribed to filters, with the QoS wanted for each."""
        del now_ms
        known = self._clients.get(client)
        if known is not None:
            known.add(filters)

    def published(self, message: Message, now_ms: int, *, client: str = "") -> None:
        """A message, with the QoS and the retain flag that its publisher gave it."""
        self._messages += 1
        who = self._clients.get(client) if client else None
        place = self._topics.get(message.topic)
        if place is None:
            place = self._judge_topic(message, now_ms, who)
        if place is None:
            return
        if place.type in COMMANDS:
            return
        self._nodes.received(message, place, now_ms, who)

    def disconnected(self, client: str, now_ms: int, *, reason: int | None) -> None:
        """A connection ended; `reason` is that of its DISCONNECT, None where there was none."""
        del now_ms, reason
        self._clients.pop(client, None)

    def tick(self, now_ms: int) -> None:
        """Time passed: what was waited for in vain is judged."""
        self._nodes.tick(now_ms)

    def lost_sight(self) -> None:
        """We missed messages: judge nothing by what was known before."""
        self._nodes.lost_sight()

    def report(self) -> Report:
        """All grades so far."""
        return Report(self._boards.conducts(), self._messages, self._boards.left_out)

    def _judge_topic(
        self, message: Message, now_ms: int, client: Client | None
    ) -> SparkplugTopic | None:
        """Where an edge node's message belongs; None where it is nobody's, or a STATE."""
        shape = Shape.of(message.topic)
        if shape is None:
            return None
        if shape.kind is MessageType.STATE:
            self._hosts.state_seen(message, shape, now_ms, client)
            return None
        is_command = shape.kind in COMMANDS
        node = shape.node
        if is_command:
            name = client.host_id if client is not None else ""
            board = self._boards.get(Kind.HOST, name)
        else:
            board = self._boards.get(Kind.EDGE_NODE, str(node) if node else "")
        if board is None:
            return None
        board.judge(TOPIC_RULES, shape, now_ms, message.topic)
        place = shape.place
        if place is None or shape.levels[0] != NAMESPACE:
            return None
        if len(self._topics) >= _MAX_TOPICS:
            self._topics.clear()
        self._topics[message.topic] = place
        return place
