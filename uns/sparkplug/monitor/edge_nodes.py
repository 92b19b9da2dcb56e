"""All edge nodes on one server: each message judged by itself, then in its turn."""

from __future__ import annotations

from collections.abc import Iterator

from uns.message import Message
from uns.sparkplug.monitor.board import Board, Boards, Budget
from uns.sparkplug.monitor.client import Client
from uns.sparkplug.monitor.data_rules import ORDER_RULES
from uns.sparkplug.monitor.grade import Kind
from uns.sparkplug.monitor.message_rules import MESSAGE_RULES
from uns.sparkplug.monitor.metric_rules import METRIC_RULES
from uns.sparkplug.monitor.node import Life, NodeWatch
from uns.sparkplug.monitor.order import Listening
from uns.sparkplug.monitor.part_rules import PART_RULES
from uns.sparkplug.monitor.primary import PrimaryHosts
from uns.sparkplug.monitor.rule import KEPT, Rule, tck
from uns.sparkplug.monitor.session_rules import SESSION_RULES
from uns.sparkplug.monitor.settings import MonitorSettings
from uns.sparkplug.monitor.sight import Sight
from uns.sparkplug.monitor.template_rules import TEMPLATE_RULES
from uns.sparkplug.names import MessageType, NodeId, SparkplugTopic

__all__ = ["DEATH_RULES", "EdgeNodes"]

_IN_FLIGHT_MS = 1_000  # what a node sent before it heard of a request may take this long
_AT_ONCE = {
    kind: MESSAGE_RULES[kind] + METRIC_RULES[kind] + PART_RULES[kind] for kind in MessageType
}
_IN_TURN = {kind: ORDER_RULES[kind] + TEMPLATE_RULES[kind] for kind in MessageType}

DEATH_RULES = _AT_ONCE[MessageType.NDEATH]
"""What an NDEATH shows by itself, published or as a will."""

_DEATH: Rule[str] = Rule(
    tck("payloads-ndeath-bdseq"),
    "the bdSeq of the NBIRTH",
    lambda said: said,
    "die with the number of the CONNECT whose session ends",
)
_REBORN: Rule[str] = Rule(
    tck("operational-behavior-data-commands-rebirth-action-2"),
    "all births when asked for a rebirth",
    lambda said: said,
    "subscribe to NCMD, and answer `Node Control/Rebirth` = true with NBIRTH and all DBIRTHs",
)


class EdgeNodes:
    """What is known of each edge node, and the judging of what it says."""

    def __init__(self, boards: Boards, primaries: PrimaryHosts, settings: MonitorSettings) -> None:
        self._boards = boards
        self._primaries = primaries
        self._settings = settings
        self._known = Budget(settings.max_known_bytes)
        self._held = Budget(settings.max_held_bytes)
        self._listening = Listening(settings.reorder_ms)
        self.watches: dict[NodeId, NodeWatch] = {}
        self._folded: dict[str, NodeId] = {}  # the first of those alike but for upper case
        self._waiting: dict[NodeId, None] = {}  # something of theirs is held, or asked for

    def received(
        self, message: Message, place: SparkplugTopic, now_ms: int, client: Client | None
    ) -> None:
        """A message of an edge node or one of its devices."""
        board = self._boards.get(Kind.EDGE_NODE, str(place.node))
        if board is None:
            return
        self._listening.heard(now_ms)
        sight = Sight(message, place, now_ms, self._settings, client)
        sight.node = watch = self.watch(place.node)
        board.judge(_AT_ONCE[place.type], sight, now_ms, message.topic)
        if message.retain and client is None:
            return  # kept from some time ago, or published wrongly: it tells nothing of now
        if client is not None:
            board.judge(SESSION_RULES[place.type], sight, now_ms, message.topic)
            _note(client, sight)
        for ready in self._in_turn(watch, sight, board):
            self._turn(watch, ready, board)
        self._look_at(watch)

    def asked_for_rebirth(self, node: NodeId, now_ms: int) -> None:
        """Someone sent the node a request."""
        watch = self.watches.get(node)
        if watch is not None and watch.life is not Life.DEAD:
            watch.asked(now_ms)
            self._look_at(watch)

    def tick(self, now_ms: int) -> None:
        """Time passed: gaps are given up, requests without an answer are counted."""
        for node in list(self._waiting):
            watch = self.watches[node]
            board = self._boards.get(Kind.EDGE_NODE, str(node))
            if board is None:
                continue
            for ready in watch.order.tick(now_ms):
                self._turn(watch, ready, board)
            self._judge_answer(watch, board, now_ms)
            self._look_at(watch)

    def lost_sight(self) -> None:
        """We were away: what is known of sessions may be wrong now."""
        for watch in self.watches.values():
            watch.lost_sight()
        self._waiting.clear()
        self._listening.stopped()

    def watch(self, node: NodeId) -> NodeWatch:
        """The record of a node; there are as many as there are boards."""
        found = self.watches.get(node)
        if found is None:
            twin = self._folded.setdefault(str(node).lower(), node)
            found = NodeWatch(
                node,
                self._settings,
                known=self._known,
                held=self._held,
                listening=self._listening,
            )
            found.twin = twin if twin != node else None
            self.watches[node] = found
        return found

    def _look_at(self, watch: NodeWatch) -> None:
        if watch.order.is_waiting or watch.first_asked_ms is not None:
            self._waiting[watch.node] = None
        else:
            self._waiting.pop(watch.node, None)

    def _in_turn(self, watch: NodeWatch, sight: Sight, board: Board) -> Iterator[Sight]:
        order = watch.order
        if sight.payload is None:
            order.expected = None
            return iter(())
        if sight.kind is MessageType.NDEATH:
            self._died(watch, sight, board)
            return iter(())
        if sight.kind is MessageType.NBIRTH:
            return order.born(sight)
        return order.arrived(sight, is_dead=watch.life is Life.DEAD)

    def _died(self, watch: NodeWatch, sight: Sight, board: Board) -> None:
        """tck-id-payloads-ndeath-bdseq; an old will may come late, and ends nothing."""
        said = watch.death_said(sight.bd_seq)
        if said is not None and sight.bd_seq is not None:
            board.note(_DEATH, said, sight.now_ms, sight.message.topic)
        # Who does not know the session cannot know whether this is its end, or an older one's.
        if watch.life is Life.UNKNOWN:
            watch.order.died()
        elif said == KEPT:
            watch.order.died()
            self._primaries.left(watch, sight, board)
            watch.died(sight.bd_seq, sight.now_ms)

    def _turn(self, watch: NodeWatch, sight: Sight, board: Board) -> None:
        """A message in its turn: judged by what came before it, then remembered."""
        if self._is_of_the_dead(watch, sight):
            return
        place = sight.place
        sight.node = watch
        sight.explain_by(watch.devices.get(place.device_id))
        if sight.kind is MessageType.NBIRTH:
            watch.meet(sight)
        elif watch.last_asked_ms is not None:
            watch.heard_after_request(sight, _IN_FLIGHT_MS)
        self._primaries.judge(watch, sight, board)
        board.judge(_IN_TURN[sight.kind], sight, sight.now_ms, sight.message.topic)
        match sight.kind:
            case MessageType.NBIRTH:
                watch.born(sight)
            case MessageType.DBIRTH:
                watch.device_born(place.device_id, sight)
            case MessageType.DDEATH:
                watch.device_died(place.device_id)
            case _:
                watch.told(sight)

    def _is_of_the_dead(self, watch: NodeWatch, sight: Sight) -> bool:
        """Whether it may have been under way when its node died."""
        if watch.life is not Life.DEAD or watch.died_ms is None:
            return False
        is_early = sight.now_ms - watch.died_ms <= self._settings.reorder_ms
        return sight.kind is not MessageType.NBIRTH and is_early

    def _judge_answer(self, watch: NodeWatch, board: Board, now_ms: int) -> None:
        asked_ms, answer_ms = watch.first_asked_ms, self._settings.answer_ms
        if asked_ms is None or not answer_ms or now_ms - asked_ms < answer_ms:
            return
        if watch.has_spoken_since:
            text = f"no NBIRTH within {answer_ms / 1000:g} s, and other messages since"
            board.note(
                _REBORN,
                text,
                now_ms,
                f"spBv1.0/{watch.node.group_id}/NBIRTH/{watch.node.edge_node_id}",
            )
        watch.answered()


def _note(client: Client, sight: Sight) -> None:
    """What the connection of an edge node has seen so far."""
    client.has_published = True
    if sight.kind is MessageType.NBIRTH:
        client.node = sight.place.node
        client.born(sight.now_ms)
        return
    is_own = client.node == sight.place.node and client.will_bd_seq in (None, sight.bd_seq)
    if sight.kind is MessageType.NDEATH and is_own:  # no late will of an earlier session
        client.died_ms = sight.now_ms
