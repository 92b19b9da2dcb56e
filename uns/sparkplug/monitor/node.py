"""What a listener knows of one edge node on one server: its session, its births, its last values."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any

from uns.sparkplug.monitor.board import Budget
from uns.sparkplug.monitor.client import Client
from uns.sparkplug.monitor.order import Listening, Order
from uns.sparkplug.monitor.rule import KEPT
from uns.sparkplug.monitor.settings import MonitorSettings
from uns.sparkplug.monitor.sight import Point, Sight, said_by
from uns.sparkplug.names import MessageType, NodeId

__all__ = [
    "Definition",
    "KnownDevice",
    "KnownMetric",
    "Life",
    "NodeWatch",
    "definitions_in",
]

_METRIC_COST = 400  # bytes, beside its name: the record and its places in two mappings
_DEVICE_COST = 1_000
_NAME_COST = 100
_WRAP = 256  # bdSeq counts 0…255 …
_BEHIND = 128  # … and the half behind a number is older
_DATA = (MessageType.NDATA, MessageType.DDATA)


class Life(Enum):
    """What is known of a session."""

    UNKNOWN = "unknown"  # it had begun before us
    BORN = "born"
    DEAD = "dead"


class KnownMetric:
    """One metric of a birth, and what was said last."""

    __slots__ = ("alias", "datatype", "last", "name")

    def __init__(self, name: str, alias: int | None, datatype: int, last: object) -> None:
        self.name = name
        self.alias = alias
        self.datatype = datatype
        self.last = last


class KnownDevice:
    """One birth. `is_whole` is False where there was no room for all of it."""

    __slots__ = ("by_alias", "by_name", "cost", "is_alive", "is_whole")

    def __init__(self) -> None:
        self.by_name: dict[str, KnownMetric] = {}
        self.by_alias: dict[int, KnownMetric] = {}
        self.cost = 0
        self.is_alive = True
        self.is_whole = True

    def find(self, point: Point) -> KnownMetric | None:
        """The metric meant, by alias or by name."""
        found = self.by_alias.get(point.alias) if point.alias is not None else None
        if found is None and point.name is not None:
            found = self.by_name.get(point.name)
        return found


class Definition:
    """A template's definition: the names of its members and parameters."""

    __slots__ = ("cost", "members", "parameters")

    def __init__(self, message: Any) -> None:
        self.members = frozenset(str(metric.name) for metric in message.metrics)
        self.parameters = frozenset(str(one.name) for one in message.parameters)
        self.cost = sum(_NAME_COST + len(name) for name in self.members | self.parameters)


class NodeWatch:
    """One edge node's session as the messages told it so far."""

    __slots__ = (
        "_listening", "aliases", "bd_seq", "budget", "client", "cost", "definitions", "devices",
        "died_ms", "first_asked_ms", "folded", "has_data", "has_data_since", "has_spoken_since",
        "is_complete", "last_asked_ms", "late_devices", "life", "node", "order", "past",
        "primary_host", "twin", "will_bd_seq",
    )  # fmt: skip

    def __init__(
        self,
        node: NodeId,
        settings: MonitorSettings,
        *,
        known: Budget,
        held: Budget,
        listening: Listening,
    ) -> None:
        self.node = node
        self.budget = known
        self._listening = listening
        self.is_complete = False  # nothing of this life can have come before its NBIRTH
        self.order = Order(settings.reorder_ms, held, listening)
        self.life = Life.UNKNOWN
        self.bd_seq: int | None = None
        self.will_bd_seq: int | None = None  # of the last CONNECT, where those are seen
        self.primary_host = ""  # whose STATE decides, as far as we know
        self.client: Client | None = None  # whose NBIRTH was the last
        self.past: set[int] = set()  # numbers of sessions that are over
        self.twin: NodeId | None = None  # another of the same name but for upper case
        self.devices: dict[str, KnownDevice] = {}
        self.folded: dict[str, str] = {}  # the first device of those alike but for upper case
        self.aliases: dict[int, str] = {}  # the device of each
        self.definitions: dict[str, Definition] | None = None  # None: its NBIRTH was not seen
        self.cost = 0  # of the definitions
        self.has_data = False  # since the NBIRTH
        self.late_devices: set[str] = set()  # alive at the rebirth, their DBIRTH is due
        self.died_ms: int | None = None
        self.first_asked_ms: int | None = None  # for a rebirth, not answered yet
        self.last_asked_ms: int | None = None
        self.has_spoken_since = False  # the first request
        self.has_data_since = False  # the last request

    def born(self, sight: Sight) -> None:
        """An NBIRTH begins a session, or repeats its beginning; devices wait for their own."""
        self.late_devices = {d for d, known in self.devices.items() if d and known.is_alive}
        if self.life is not Life.BORN or self.bd_seq != sight.bd_seq:
            self.late_devices = set()
        if self.bd_seq is not None and self.bd_seq != sight.bd_seq:
            self.past.add(self.bd_seq)
        self._forget(list(self.devices))
        self.life, self.bd_seq, self.has_data = Life.BORN, sight.bd_seq, False
        self.died_ms = None
        self.past.discard(-1 if self.bd_seq is None else self.bd_seq)
        self.answered()
        self.client = sight.client
        self.is_complete = not (self._listening.is_new(sight) or self.order.was_overtaken)
        self._define(sight)
        self._learn("", sight)

    def device_born(self, device_id: str, sight: Sight) -> None:
        """A DBIRTH."""
        self.late_devices.discard(device_id)
        self._forget([device_id])
        self._learn(device_id, sight)

    def device_died(self, device_id: str) -> None:
        """A DDEATH."""
        self.late_devices.discard(device_id)
        known = self.devices.get(device_id)
        if known is not None:
            known.is_alive = False

    def died(self, bd_seq: int | None, now_ms: int) -> None:
        """Its NDEATH."""
        if self.bd_seq is None:
            self.bd_seq = bd_seq
        if self.bd_seq is not None:
            self.past.add(self.bd_seq)
        self._forget(list(self.devices))
        self._undefine()
        self.life, self.died_ms = Life.DEAD, now_ms
        self.late_devices.clear()
        self.answered()

    def lost_sight(self) -> None:
        """We were away: anything may have happened."""
        self._forget(list(self.devices))
        self._undefine()
        self.life = Life.UNKNOWN
        self.late_devices.clear()
        self.answered()
        self.order.died()
        self.order.birth = None

    def may_be_overtaken(self, birth: Sight) -> bool:
        """Whether this NBIRTH may be of the session whose NDEATH came before it."""
        if self.died_ms is None or birth.client is not None:
            return False
        return birth.now_ms - self.died_ms <= birth.settings.reorder_ms

    def death_said(self, bd_seq: int | None) -> str | None:
        """What a death's number is instead of the session's; None where it tells nothing.

        It may be the late will of an earlier session, or of one that never came to its birth.
        """
        if self.life is not Life.BORN or self.bd_seq is None or bd_seq == self.bd_seq:
            return KEPT if self.life is Life.BORN else None
        if bd_seq is None or bd_seq in self.past or 0 < (self.bd_seq - bd_seq) % _WRAP < _BEHIND:
            return None
        return f"bdSeq {bd_seq} after an NBIRTH with {self.bd_seq}"

    def asked(self, now_ms: int) -> None:
        """Someone asks for a rebirth; a request may be lost, and repeated."""
        if self.first_asked_ms is None:
            self.first_asked_ms, self.has_spoken_since = now_ms, False
        self.last_asked_ms, self.has_data_since = now_ms, False

    def answered(self) -> None:
        """Nobody waits for a rebirth any more."""
        self.first_asked_ms = self.last_asked_ms = None

    def heard_after_request(self, sight: Sight, in_flight_ms: int) -> None:
        """The node speaks, and not of its birth: it is alive, and ought to have stopped data."""
        first_ms, last_ms = self.first_asked_ms, self.last_asked_ms
        if first_ms is not None and sight.now_ms - first_ms > in_flight_ms:
            self.has_spoken_since = True
        if last_ms is not None and sight.now_ms - last_ms > in_flight_ms:
            self.has_data_since = self.has_data_since or sight.kind in _DATA

    def meet(self, birth: Sight) -> None:
        """An NBIRTH is about to be judged: one of a new connection answers no request."""
        client, asked_ms = birth.client, self.first_asked_ms
        if client is not None and asked_ms is not None and client.since_ms >= asked_ms:
            self.answered()

    def told(self, sight: Sight) -> None:
        """Data: what it said last is compared with what it says next."""
        self.has_data = True
        for point, known, said in zip(sight.points, sight.known, sight.said, strict=False):
            if known is not None and not point.message.is_historical:
                known.last = said

    def alias_owner(self, alias: int, device_id: str) -> str | None:
        """Which other device has this alias too."""
        owner = self.aliases.get(alias)
        if owner is None or owner == device_id:
            return None
        known = self.devices.get(owner)
        return owner if known is not None and known.is_alive else None

    def twin_of(self, device_id: str) -> str | None:
        """Another device of the same name but for upper case."""
        other = self.folded.get(device_id.lower(), device_id)
        return other if other != device_id else None

    def _define(self, sight: Sight) -> None:
        self._undefine()
        found = definitions_in(sight)
        cost = sum(_DEVICE_COST + len(name) + one.cost for name, one in found.items())
        if self.budget.take(cost):
            self.definitions, self.cost = found, cost

    def _undefine(self) -> None:
        self.budget.give_back(self.cost)
        self.definitions, self.cost = None, 0

    def _learn(self, device_id: str, sight: Sight) -> None:
        device = KnownDevice()
        if not self._afford(device, _DEVICE_COST + len(device_id)):
            return
        self.devices[device_id] = device
        self.folded.setdefault(device_id.lower(), device_id)
        for point in sight.points:
            if point.name is None:
                continue
            if not self._afford(device, _METRIC_COST + len(point.name)):
                device.is_whole = False
                return
            known = KnownMetric(point.name, point.alias, point.message.datatype, said_by(point))
            device.by_name[point.name] = known
            if point.alias is not None:
                device.by_alias[point.alias] = known
                self.aliases[point.alias] = device_id

    def _afford(self, device: KnownDevice, cost: int) -> bool:
        if not self.budget.take(cost):
            return False
        device.cost += cost
        return True

    def _forget(self, devices: Iterable[str]) -> None:
        for device_id in devices:
            known = self.devices.pop(device_id, None)
            if known is None:
                continue
            self.budget.give_back(known.cost)
            if self.folded.get(device_id.lower()) == device_id:
                del self.folded[device_id.lower()]
            for alias in known.by_alias:
                if self.aliases.get(alias) == device_id:
                    del self.aliases[alias]


def definitions_in(sight: Sight) -> dict[str, Definition]:
    """The template definitions of an NBIRTH, by the names of their metrics."""
    return {
        part.name: Definition(part.message)
        for part in sight.templates
        if part.name is not None and not part.is_member and part.message.is_definition
    }
