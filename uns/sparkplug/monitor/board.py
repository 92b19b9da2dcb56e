"""The board of one participant: what it kept, what it broke, and the first story of each break."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from uns.sparkplug.monitor.grade import Evidence, Grade, Kind, Outcome
from uns.sparkplug.monitor.report import Conduct
from uns.sparkplug.monitor.rule import Rule, mask_of
from uns.sparkplug.monitor.settings import MonitorSettings
from uns.sparkplug.statements import STATEMENTS, Level, Party

__all__ = ["Board", "Boards", "Budget"]

_BINDS = {
    Kind.EDGE_NODE: frozenset((Party.EDGE,)),
    Kind.HOST: frozenset((Party.HOST, Party.PRIMARY)),
}
_IDS = {
    kind: tuple(one.id for one in STATEMENTS.values() if one.who & parties)
    for kind, parties in _BINDS.items()
}
_MASKS = {kind: mask_of(ids) for kind, ids in _IDS.items()}
_KEPT = {one: Grade(one, Outcome.PASS) for one in STATEMENTS}
_NOT_SEEN = {one: Grade(one, Outcome.NOT_SEEN) for one in STATEMENTS}
_LONGEST_NAME = 1_000  # characters; far beyond what people write, far below what MQTT carries
_PLACES = {one: place for place, one in enumerate(STATEMENTS)}


class Budget:
    """What may still be kept of something that anybody can send without end."""

    __slots__ = ("left",)

    def __init__(self, size: int) -> None:
        self.left = size

    def take(self, amount: int) -> bool:
        """Whether there was room; it is taken then."""
        if amount > self.left:
            return False
        self.left -= amount
        return True

    def give_back(self, amount: int) -> None:
        """Make room again."""
        self.left += amount


class Board:
    """Grades as they come about; statements that do not bind this kind are passed over."""

    __slots__ = ("_binding", "_broken", "_budget", "_kept", "kind", "name")

    def __init__(self, kind: Kind, name: str, budget: Budget) -> None:
        self.kind = kind
        self.name = name
        self._binding = _MASKS[kind]
        self._kept = 0
        self._broken: dict[str, tuple[int, Evidence | None]] = {}
        self._budget = budget

    def judge(self, rules: Iterable[Rule[Any]], subject: Any, at_ms: int, topic: str) -> None:
        """Hold rules against what happened."""
        for rule in rules:
            actual = rule.judge(subject)
            if actual is not None:
                self.note(rule, actual, at_ms, topic)

    def note(self, rule: Rule[Any], actual: str, at_ms: int, topic: str) -> None:
        """Write down how a rule fared; an empty `actual` means that it was kept."""
        if not actual:
            self._kept |= rule.mask & self._binding
            return
        evidence: Evidence | None = None
        for one in rule.ids:
            if not self._binding >> _PLACES[one] & 1:
                continue
            count, first = self._broken.get(one, (0, None))
            if not count:
                evidence = evidence or self._evidence(rule, actual, at_ms, topic)
                first = evidence
            self._broken[one] = (count + 1, first)

    def conduct(self) -> Conduct:
        """Every statement that binds this participant, graded."""
        return Conduct(self.kind, self.name, {one: self._grade(one) for one in _IDS[self.kind]})

    def _evidence(self, rule: Rule[Any], actual: str, at_ms: int, topic: str) -> Evidence | None:
        if not self._budget.take(1):
            return None
        return Evidence.of(at_ms, topic, rule.expected, actual, rule.remedy)

    def _grade(self, one: str) -> Grade:
        if one in self._broken:
            is_must = STATEMENTS[one].level is Level.MUST
            count, evidence = self._broken[one]
            return Grade(one, Outcome.FAIL if is_must else Outcome.ADVICE, count, evidence)
        return _KEPT[one] if self._kept >> _PLACES[one] & 1 else _NOT_SEEN[one]


class Boards:
    """The boards of all participants, as many as there may be."""

    def __init__(self, settings: MonitorSettings) -> None:
        self._boards: dict[tuple[Kind, str], Board] = {}
        self._room = dict.fromkeys(Kind, settings.max_participants)
        self._evidence = Budget(settings.max_evidence)
        self.left_out = 0

    def get(self, kind: Kind, name: str) -> Board | None:
        """The board of one participant; None, and counted, where there are too many."""
        board = self._boards.get((kind, name))
        if board is not None:
            return board
        if not self._room[kind] or len(name) > _LONGEST_NAME:
            self.left_out += 1
            return None
        self._room[kind] -= 1
        board = self._boards[kind, name] = Board(kind, name, self._evidence)
        return board

    def conducts(self) -> tuple[Conduct, ...]:
        """What every participant did, edge nodes first, by name."""
        places = list(Kind)
        ordered = sorted(self._boards.values(), key=lambda b: (places.index(b.kind), b.name))
        return tuple(board.conduct() for board in ordered)
