"""All host applications on one server: their STATE, and the commands that they send."""

from __future__ import annotations

from uns.message import Message
from uns.sparkplug.monitor.board import Boards
from uns.sparkplug.monitor.client import Client
from uns.sparkplug.monitor.grade import Kind
from uns.sparkplug.monitor.settings import MonitorSettings
from uns.sparkplug.monitor.state_rules import BIRTH_RULES, DEATH_RULES, StateSight
from uns.sparkplug.monitor.topic_rules import STATE_SHAPE_RULES, Shape

__all__ = ["Hosts"]


class Hosts:
    """What is known of each host application, and the judging of its STATE."""

    def __init__(self, boards: Boards, settings: MonitorSettings) -> None:
        self._boards = boards
        self._settings = settings
        self._last_ms: dict[str, int] = {}  # the newest timestamp of each

    def state_seen(
        self, message: Message, shape: Shape, now_ms: int, client: Client | None
    ) -> StateSight | None:
        """A STATE message; None where it is nobody's. An empty one clears what was retained."""
        if not message.payload:
            return None
        host_id = shape.host_id
        board = self._boards.get(Kind.HOST, host_id)
        if board is None:
            return None
        last_ms = self._last_ms.get(host_id)
        sight = StateSight.of(
            message, shape, now_ms, settings=self._settings, last_ms=last_ms, client=client
        )
        board.judge(STATE_SHAPE_RULES, shape, now_ms, message.topic)
        rules = DEATH_RULES if sight.is_online is False else BIRTH_RULES
        board.judge(rules, sight, now_ms, message.topic)
        if sight.said is not None:
            self._last_ms[host_id] = max(last_ms or 0, sight.said.timestamp_ms)
        return sight
