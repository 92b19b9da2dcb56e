"""All MQTT sessions that can be seen: who connected, what was asked for, how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from uns.errors import PeerProtocolError
from uns.message import Message
from uns.sparkplug.monitor.board import Board, Boards
from uns.sparkplug.monitor.client import Client, Connect
from uns.sparkplug.monitor.edge_nodes import DEATH_RULES, EdgeNodes
from uns.sparkplug.monitor.grade import Kind
from uns.sparkplug.monitor.host_session_rules import (
    HOST_CONNECT_RULES,
    HOST_LEAVE_RULES,
    HostConnecting,
)
from uns.sparkplug.monitor.hosts import Hosts
from uns.sparkplug.monitor.rule import Rule
from uns.sparkplug.monitor.session_rules import CONNECT_RULES, LEAVE_RULES, Connecting
from uns.sparkplug.monitor.settings import MonitorSettings
from uns.sparkplug.monitor.sight import Sight
from uns.sparkplug.names import MessageType, NodeId, SparkplugTopic, topic

__all__ = ["Sessions"]

_MAX_CLIENTS = 100_000


class Sessions:
    """The clients of one server, and the judging of their CONNECTs and leaves."""

    def __init__(
        self, boards: Boards, nodes: EdgeNodes, hosts: Hosts, settings: MonitorSettings
    ) -> None:
        self._boards = boards
        self._nodes = nodes
        self._hosts = hosts
        self._settings = settings
        self._clients: dict[str, Client] = {}
        self._are_seen = False  # CONNECTs, at all

    def connected(self, name: str, connect: Connect, now_ms: int) -> None:
        """A CONNECT; its will tells who it is, where it has a proper one."""
        self._are_seen = True
        former = self._clients.pop(name, None)
        if former is not None:
            former.is_connected = False
        if len(self._clients) >= _MAX_CLIENTS:
            return
        client = Client(name, connect, now_ms, clock_ms=self._settings.clock_ms)
        self._clients[name] = client
        place = _place_of(connect.will)
        if place is None:
            return
        if place.type is MessageType.STATE:
            self.is_host(client, place.host_id, now_ms)
        elif place.type is MessageType.NDEATH:
            self.is_edge_node(client, place.node, now_ms)

    def subscribed(self, name: str, filters: Sequence[tuple[str, int]]) -> None:
        """A SUBSCRIBE."""
        client = self._clients.get(name)
        if client is not None:
            client.add(filters)

    def find(self, name: str, now_ms: int) -> Client | None:
        """Who published; one that never connected is known by that, where CONNECTs are seen."""
        client = self._clients.get(name)
        if client is None and self._are_seen and len(self._clients) < _MAX_CLIENTS:
            return Client(name, None, now_ms)
        return client

    def disconnected(self, name: str, now_ms: int, reason: int | None) -> None:
        """A connection ended."""
        client = self._clients.pop(name, None)
        if client is None:
            return
        client.is_connected, client.reason, client.ended_ms = False, reason, now_ms
        for board, rules, where in self._ends(client):
            board.judge(rules, client, now_ms, where)

    def is_edge_node(self, client: Client, node: NodeId, now_ms: int) -> None:
        """A client turned out to be this edge node: its CONNECT is judged, once."""
        if client.connect is None or client.judged_for == node:
            return
        board = self._boards.get(Kind.EDGE_NODE, str(node))
        if board is None:
            return
        where = topic(MessageType.NDEATH, node)
        will = self._will(client, node, now_ms)
        watch = self._nodes.watch(node)
        if client.judged_for is None:
            client.last_bd_seq = watch.will_bd_seq
        client.judged_for = client.node = node
        if will is not None:
            board.judge(DEATH_RULES, will, now_ms, will.message.topic)
            watch.will_bd_seq = client.will_bd_seq = will.bd_seq
        seen = Connecting(client, node, will, client.last_bd_seq)
        board.judge(CONNECT_RULES, seen, now_ms, where)

    def is_host(self, client: Client, host_id: str, now_ms: int) -> None:
        """A client turned out to be this host: its CONNECT is judged, once."""
        if client.connect is None or client.judged_for == host_id:
            return
        board = self._boards.get(Kind.HOST, host_id)
        if board is None:
            return
        client.judged_for = client.host_id = host_id
        last_ms, clock_ms = self._hosts.last_ms(host_id), self._settings.clock_ms
        seen = HostConnecting(client, host_id, client.connect.will, now_ms, clock_ms, last_ms)
        board.judge(HOST_CONNECT_RULES, seen, now_ms, f"spBv1.0/STATE/{host_id}")

    def _will(self, client: Client, node: NodeId, now_ms: int) -> Sight | None:
        will = client.connect.will if client.connect is not None else None
        if will is None:
            return None
        place = SparkplugTopic(MessageType.NDEATH, node)
        return Sight(will, place, now_ms, self._settings, client, is_will=True)

    def _ends(self, client: Client) -> Iterator[tuple[Board, tuple[Rule[Client], ...], str]]:
        if client.node is not None:
            board = self._boards.get(Kind.EDGE_NODE, str(client.node))
            if board is not None:
                yield board, LEAVE_RULES, topic(MessageType.NDEATH, client.node)
        if client.host_id:
            board = self._boards.get(Kind.HOST, client.host_id)
            if board is not None:
                yield board, HOST_LEAVE_RULES, f"spBv1.0/STATE/{client.host_id}"


def _place_of(will: Message | None) -> SparkplugTopic | None:
    try:
        return SparkplugTopic.parse(will.topic) if will is not None else None
    except PeerProtocolError:
        return None
