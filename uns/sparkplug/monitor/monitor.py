"""The monitor of one MQTT server: every message in, a report out, no socket and no clock."""

from __future__ import annotations

from collections.abc import Sequence

from uns.message import Message
from uns.sparkplug.monitor.board import Boards
from uns.sparkplug.monitor.client import Client, Connect
from uns.sparkplug.monitor.command_rules import asks_for_rebirth
from uns.sparkplug.monitor.edge_nodes import EdgeNodes
from uns.sparkplug.monitor.grade import Kind
from uns.sparkplug.monitor.hosts import Hosts
from uns.sparkplug.monitor.message_rules import COMMANDS
from uns.sparkplug.monitor.primary import PrimaryHosts
from uns.sparkplug.monitor.report import Report
from uns.sparkplug.monitor.sessions import Sessions
from uns.sparkplug.monitor.settings import MonitorSettings
from uns.sparkplug.monitor.sight import Sight
from uns.sparkplug.monitor.state_rules import StateSight
from uns.sparkplug.monitor.topic_rules import TOPIC_RULES, Shape
from uns.sparkplug.names import NAMESPACE, MessageType, NodeId, SparkplugTopic

__all__ = ["Monitor"]

_MAX_TOPICS = 100_000


class Monitor:
    """Grades all edge nodes and host applications of one server by what it is told of them.

    `published` alone is enough: what needs the other three stays NOT_SEEN without them. Give
    `client` only where it is known who published. Call `tick` now and then. Two servers need
    two monitors.
    """

    def __init__(self, settings: MonitorSettings | None = None) -> None:
        self._settings = settings or MonitorSettings()
        self._boards = Boards(self._settings)
        self._primaries = PrimaryHosts(self._settings)
        self._nodes = EdgeNodes(self._boards, self._primaries, self._settings)
        self._hosts = Hosts(self._boards, self._settings)
        self._sessions = Sessions(self._boards, self._nodes, self._hosts, self._settings)
        self._topics: dict[str, SparkplugTopic] = {}  # those that are right
        self._messages = 0

    def connected(self, client: str, connect: Connect, now_ms: int) -> None:
        """A CONNECT was granted."""
        self._sessions.connected(client, connect, now_ms)

    def subscribed(self, client: str, filters: Sequence[tuple[str, int]], now_ms: int) -> None:
        """A client subscribed to filters, with the QoS wanted for each."""
        del now_ms
        self._sessions.subscribed(client, filters)

    def published(self, message: Message, now_ms: int, *, client: str = "") -> None:
        """A message, with the QoS and the retain flag that its publisher gave it."""
        self._messages += 1
        self._primaries.started(now_ms)
        who = self._sessions.find(client, now_ms) if client else None
        place = self._topics.get(message.topic)
        if place is None:
            place = self._judge_topic(message, now_ms, who)
        if place is None:
            return
        if place.type in COMMANDS:
            self._commanded(message, place, now_ms, who)
            return
        if who is not None and place.type is MessageType.NBIRTH:
            self._sessions.is_edge_node(who, place.node, now_ms)
        self._nodes.received(message, place, now_ms, who)

    def disconnected(self, client: str, now_ms: int, *, reason: int | None) -> None:
        """A connection ended; `reason` is that of its DISCONNECT, None where there was none."""
        self._sessions.disconnected(client, now_ms, reason)

    def tick(self, now_ms: int) -> None:
        """Time passed: what was waited for in vain is judged."""
        self._nodes.tick(now_ms)
        self._hosts.tick(now_ms)

    def asked_for_rebirth(self, node: NodeId, now_ms: int) -> None:
        """We asked a node for its births: it has to answer, and we are not graded."""
        self._nodes.asked_for_rebirth(node, now_ms)

    def lost_sight(self) -> None:
        """We missed messages: judge nothing by what was known before."""
        self._nodes.lost_sight()

    @property
    def nodes(self) -> tuple[NodeId, ...]:
        """The edge nodes heard of so far."""
        return tuple(self._nodes.watches)

    def report(self) -> Report:
        """All grades so far."""
        return Report(self._boards.conducts(), self._messages, self._boards.left_out)

    def _commanded(
        self, message: Message, place: SparkplugTopic, now_ms: int, client: Client | None
    ) -> None:
        sight = Sight(message, place, now_ms, self._settings, client)
        sight.node = self._nodes.watches.get(place.node)
        if sight.node is not None:
            sight.explain_by(sight.node.devices.get(place.device_id))
        self._hosts.commanded(sight)
        if asks_for_rebirth(sight):
            self._nodes.asked_for_rebirth(place.node, now_ms)

    def _state_seen(
        self, message: Message, shape: Shape, now_ms: int, client: Client | None
    ) -> None:
        """A STATE; an empty one clears what was retained, and says nothing."""
        if not message.payload:
            return
        sight = StateSight.of(message, shape, now_ms, settings=self._settings, client=client)
        if client is not None and sight.is_online:
            self._sessions.is_host(client, shape.host_id, now_ms)
        self._hosts.state_seen(self._hosts.sight(sight))
        if sight.said is not None and shape.levels[0] == NAMESPACE:
            self._primaries.heard(shape.host_id, sight.said, now_ms)

    def _judge_topic(
        self, message: Message, now_ms: int, client: Client | None
    ) -> SparkplugTopic | None:
        """Where an edge node's message belongs; None where it is nobody's, or a STATE."""
        shape = Shape.of(message.topic)
        if shape is None:
            return None
        if shape.kind is MessageType.STATE:
            self._state_seen(message, shape, now_ms, client)
            return None
        if shape.kind in COMMANDS:
            board = self._boards.get(Kind.HOST, client.host_id if client is not None else "")
        else:
            board = self._boards.get(Kind.EDGE_NODE, str(shape.node or ""))
        if board is None:
            return None
        board.judge(TOPIC_RULES, shape, now_ms, message.topic)
        place = shape.place
        if place is None or shape.levels[0] != NAMESPACE:
            return None
        if place.type in COMMANDS:
            return place  # whoever sends the next one is judged for itself
        if len(self._topics) >= _MAX_TOPICS:
            self._topics.clear()
        self._topics[message.topic] = place
        return place
