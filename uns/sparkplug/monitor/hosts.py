"""All host applications on one server: their STATE, and the commands that they send."""

from __future__ import annotations

from uns.sparkplug.monitor.board import Boards
from uns.sparkplug.monitor.client import Client
from uns.sparkplug.monitor.command_rules import COMMAND_RULES
from uns.sparkplug.monitor.grade import Kind
from uns.sparkplug.monitor.host_session_rules import HOST_SESSION_RULES, state_in
from uns.sparkplug.monitor.message_rules import COMMANDS, MESSAGE_RULES
from uns.sparkplug.monitor.metric_rules import METRIC_RULES
from uns.sparkplug.monitor.part_rules import PART_RULES
from uns.sparkplug.monitor.rule import KEPT, Rule, tck
from uns.sparkplug.monitor.settings import MonitorSettings
from uns.sparkplug.monitor.sight import Sight
from uns.sparkplug.monitor.state_rules import BIRTH_RULES, DEATH_RULES, StateSight
from uns.sparkplug.monitor.topic_rules import STATE_SHAPE_RULES
from uns.sparkplug.names import state_topic

__all__ = ["Hosts"]

_OF_COMMANDS = {
    kind: MESSAGE_RULES[kind] + METRIC_RULES[kind] + PART_RULES[kind] + COMMAND_RULES[kind]
    for kind in COMMANDS
}
_DELIVERED: Rule[str] = Rule(
    tck("message-flow-hid-sparkplug-state-message-delivered"),
    "STATE online again, when someone says that the host is offline",
    lambda said: said,
    "subscribe to the host's own STATE, and say online again when it says offline",
)


class Hosts:
    """What is known of each host application, and the judging of what it says."""

    def __init__(self, boards: Boards, settings: MonitorSettings) -> None:
        self._boards = boards
        self._settings = settings
        self._last_ms: dict[str, int] = {}  # the newest that each said of itself
        self._here: dict[str, Client] = {}  # who said last that it is this host
        self._challenged: dict[str, None] = {}

    def last_ms(self, host_id: str) -> int | None:
        """The newest timestamp in a host's STATE so far."""
        return self._last_ms.get(host_id)

    def state_seen(self, sight: StateSight) -> None:
        """A STATE message."""
        host_id = sight.shape.host_id
        board = self._boards.get(Kind.HOST, host_id)
        if board is None:
            return
        at_ms, topic = sight.now_ms, sight.message.topic
        board.judge(STATE_SHAPE_RULES, sight.shape, at_ms, topic)
        if sight.is_online is False:
            board.judge(DEATH_RULES, sight, at_ms, topic)
            self._said_offline(sight)
        else:
            board.judge((*BIRTH_RULES, *HOST_SESSION_RULES), sight, at_ms, topic)
            self._stamp(sight)
            self._said_online(sight)
        if sight.client is not None:
            sight.client.has_published = True

    def sight(self, sight: StateSight) -> StateSight:
        """The same with what is known of its host."""
        host_id = sight.shape.host_id
        return sight.beside(self._last_ms.get(host_id), self._here.get(host_id))

    def commanded(self, sight: Sight) -> None:
        """A command; who sent it is known only where clients are."""
        name = sight.client.host_id if sight.client is not None else ""
        board = self._boards.get(Kind.HOST, name)
        if board is not None:
            board.judge(_OF_COMMANDS[sight.kind], sight, sight.now_ms, sight.message.topic)
        if sight.client is not None:
            sight.client.has_published = True

    def tick(self, now_ms: int) -> None:
        """Time passed: who was said to be offline, and is not, should have said so."""
        answer_ms = self._settings.answer_ms
        for host_id in list(self._challenged):
            client = self._here[host_id]
            since_ms = client.challenged_ms
            if since_ms is None or not client.is_connected or not answer_ms:
                del self._challenged[host_id]
            elif now_ms - since_ms >= answer_ms:
                del self._challenged[host_id]
                said = f"nothing within {answer_ms / 1000:g} s of a STATE offline"
                self._delivered(host_id, said, now_ms)

    def _said_online(self, sight: StateSight) -> None:
        client, host_id = sight.client, sight.shape.host_id
        if client is None or client.connect is None or sight.said is None:
            return
        if client.challenged_ms is not None:
            self._delivered(host_id, KEPT, sight.now_ms)
        client.born(sight.now_ms)
        self._here[host_id] = client

    def _said_offline(self, sight: StateSight) -> None:
        """By itself, on leaving; or by an old will, or by someone else."""
        here, said = sight.other, sight.said
        if here is None or said is None or not here.is_connected or here.died_ms is not None:
            return
        will = state_in(here.connect.will if here.connect is not None else None)
        if sight.client is here and (will is None or said.timestamp_ms >= will.timestamp_ms):
            here.died_ms = sight.now_ms
            here.death_off_ms = said.timestamp_ms - sight.now_ms
            self._stamp(sight)
            return
        here.challenged_ms = sight.now_ms
        self._challenged[sight.shape.host_id] = None

    def _stamp(self, sight: StateSight) -> None:
        """What a host said of itself; deaths of an unknown sender may be anybody's."""
        if sight.said is not None:
            host_id = sight.shape.host_id
            self._last_ms[host_id] = max(self._last_ms.get(host_id, 0), sight.said.timestamp_ms)

    def _delivered(self, host_id: str, said: str, now_ms: int) -> None:
        board = self._boards.get(Kind.HOST, host_id)
        if board is not None:
            board.note(_DELIVERED, said, now_ms, state_topic(host_id))
