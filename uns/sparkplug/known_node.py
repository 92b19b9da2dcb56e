"""An edge node as the host knows it: born or not, in order or not, and its devices.

Theory of operation
    A node is offline until its NBIRTH and from its NDEATH on. Births and data of a node share
    one sequence; a message that comes early waits for those before it, and when they do not
    come in time the node is asked for a rebirth. What arrived meanwhile is still applied, but
    a node that leaves the request unanswered for the patience time is held for dead: its
    values may be wrong. An NBIRTH voids every device; those that follow with a DBIRTH in time
    never look stale in between.

    A node lives on one server, that of its last NBIRTH: what comes from another waits there for
    an NBIRTH that takes the node over, and neither feeds the live session nor ends it. Where none
    comes in time the node is asked for it there.

    Births that an aware server kept (certificates) are no sign of life. They explain the first
    data of a node whose births were missed: from then on it is live, and what they say is stale.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from uns.metric import Quality
from uns.sparkplug.decoder import metric_from
from uns.sparkplug.events import Born, Changed, Died, Event, Problem
from uns.sparkplug.heard import Heard
from uns.sparkplug.known_device import LATEST_MS, KnownDevice
from uns.sparkplug.names import BD_SEQ, MessageType, NodeId, SparkplugTopic
from uns.sparkplug.rebirth import Doubt
from uns.sparkplug.sequence import Place, Sequence
from uns.sparkplug.side import Arrived, Side
from uns.sparkplug.wire import PlainPayloadMessage

__all__ = ["KnownNode", "NodeSettings"]


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """How long a host waits for an edge node.

    tck-id-operational-behavior-host-reordering-param asks for the first.
    """

    reorder_timeout_ms: int = 2_000  # for a message that others have overtaken
    patience_ms: int = 2_000  # then, for the rebirth; together below 5 s of looking live in error
    max_devices: int = 5_000  # of one edge node; whoever invents more is told, and left out


class KnownNode:
    """One edge node, seen from the host.

    `doubt` is set when its births are needed again, and `doubted_on` is the server to ask it on.
    """

    def __init__(
        self,
        node: NodeId,
        settings: NodeSettings,
        server: str = "",
        *,
        heard: Heard | None = None,
        triggers: Collection[Doubt] = frozenset(Doubt),
    ) -> None:
        self.node = node
        self.is_online = False
        self.doubt: Doubt | None = None
        self.doubted_on = server
        self._settings = settings
        self._triggers = triggers
        self._heard = heard or Heard()
        self._bd_seq: int | None = None
        self._death_ms: int | None = None  # when the session of `_bd_seq` died
        self._is_verifying = False
        self._devices: dict[str, KnownDevice] = {}
        self._unconfirmed: dict[str, int] = {}  # device -> until when it may be reborn
        self._patience_until_ms: int | None = None
        self._patience_for: Doubt | None = None
        self._suspect_ms: int | None = None  # when a death of another session is asked about
        self._is_suspect = False  # since such a death, until it says something
        self._here = Side(server, Sequence(settings.reorder_timeout_ms))
        self._elsewhere: dict[str, Side] = {}
        self._ways: dict[MessageType, Callable[[Arrived], list[Event]]] = {
            MessageType.DBIRTH: self._device_born,
            MessageType.NDATA: self._data,
            MessageType.DDATA: self._data,
            MessageType.DDEATH: self._device_died,
        }

    def find_device(self, device_id: str) -> KnownDevice | None:
        """A device that is live now; the id `""` is the node itself."""
        device = self._devices.get(device_id)
        return device if self.is_online and device is not None and device.is_live else None

    @property
    def server(self) -> str:
        """Where it lives, or was heard last."""
        return self._here.server

    def received(
        self, place: SparkplugTopic, payload: Any, data: bytes, now_ms: int, server: str = ""
    ) -> list[Event]:
        """A birth, data or death of this node or a device of it, from this server."""
        side = self._here if server == self._here.server else self._other(server)
        kind, sent_ms = place.type, payload.timestamp
        if not 0 < sent_ms <= LATEST_MS:
            sent_ms = max(now_ms, side.sequence.birth_ms)
        arrived = Arrived(kind, place.device_id, payload, sent_ms, now_ms, data)
        if kind is MessageType.NBIRTH:
            return self._born(arrived, side, now_ms)
        if kind is MessageType.NDEATH:
            return self._died(arrived, side, now_ms)
        if not self.is_online:  # then it is where it is heard
            self._move(side)
            if "" in side.certificates and kind is not MessageType.DBIRTH:
                return self._adopt(arrived)
        if side is not self._here:
            return self._heard_elsewhere(arrived, side, now_ms)
        if not payload.HasField("seq"):
            return self._without_seq(arrived)
        return self._in_turn(arrived, now_ms)

    def certified(self, place: SparkplugTopic, payload: Any, now_ms: int, server: str = "") -> None:
        """A birth that an aware server kept; where the node is live, we know better."""
        if self.is_online:
            return
        side = self._here if server == self._here.server else self._other(server)
        sent_ms = payload.timestamp
        kept = Arrived(place.type, place.device_id, payload, sent_ms, now_ms, b"")
        if len(side.certificates) <= self._settings.max_devices:
            side.certificates[place.device_id] = kept
        self._doubt(Doubt.KEPT_BIRTH, side)

    def tick(self, now_ms: int) -> list[Event]:
        """Time passed: gaps, devices and answers that were waited for."""
        events: list[Event] = []
        deadline_ms = self._here.sequence.deadline_ms
        if deadline_ms is not None and now_ms >= deadline_ms:
            events.extend(self._give_up_gap(now_ms))
        overdue = [device for device, until in self._unconfirmed.items() if now_ms >= until]
        for device_id in overdue:
            self._doubt(self.doubt or Doubt.GAP)
            events.extend(self._lose(device_id, now_ms, "it was not born again with its node"))
        if self._patience_until_ms is not None and now_ms >= self._patience_until_ms:
            events.extend(self.lost(now_ms, "its births were asked for and did not come"))
        if self._is_suspect and self._suspect_ms is not None and now_ms >= self._suspect_ms:
            self._suspect_ms = None
            self._verify(Doubt.OTHER_DEATH, now_ms)
        for side in self._elsewhere.values():
            if side.ask_ms is not None and now_ms >= side.ask_ms and self.doubt is None:
                side.ask_ms = None
                self._doubt(Doubt.ELSEWHERE, side)
        return events

    def lost(self, now_ms: int, reason: str) -> list[Event]:
        """Nothing that this node said can be trusted any more."""
        was_online, self.is_online = self.is_online, False
        self._devices.clear()
        self._unconfirmed.clear()
        self._patience_until_ms = None
        self._is_suspect = False
        self._here.sequence.stop()
        self._here.certificates.clear()
        self._heard.went(now_ms)
        return [Died(self.node, None, now_ms, reason)] if was_online else []

    def lost_server(self, server: str, now_ms: int, reason: str) -> list[Event]:
        """What was learnt through this server cannot be trusted any more."""
        if server == self.server:
            return self.lost(now_ms, reason)
        self._elsewhere.pop(server, None)
        return []

    def _doubt(self, doubt: Doubt, side: Side | None = None) -> None:
        self.doubt, self.doubted_on = doubt, (side or self._here).server

    def _other(self, server: str) -> Side:
        side = self._elsewhere.get(server)
        if side is None:
            side = Side(server, Sequence(self._settings.reorder_timeout_ms))
            self._elsewhere[server] = side
        return side

    def _move(self, side: Side) -> None:
        if side is self._here:
            return
        if self.is_online:
            self._here.sequence.stop()
        self._elsewhere[self._here.server] = self._here
        self._here = self._elsewhere.pop(side.server)
        side.ask_ms = None

    def _heard_elsewhere(self, arrived: Arrived, side: Side, now_ms: int) -> list[Event]:
        """It has moved and its NBIRTH is on the way or was lost, or it is late from where it was."""
        if arrived.sent_ms <= self._here.sequence.birth_ms:
            text = f"{arrived.kind} came late from a server that it has left, and was not applied"
            return [self._problem(arrived.device_id, text)]
        if arrived.payload.HasField("seq"):
            is_birth = arrived.kind is MessageType.DBIRTH
            seq = arrived.payload.seq % 256
            side.sequence.place(seq, arrived, arrived.sent_ms, now_ms, is_birth=is_birth)
        if side.ask_ms is None:
            side.ask_ms = now_ms + self._settings.reorder_timeout_ms
        return []

    def _born(self, arrived: Arrived, side: Side, now_ms: int) -> list[Event]:
        """NBIRTH: any seq is accepted (the specification contradicts itself), 0 is sent."""
        is_here = side is self._here
        if self.is_online and not is_here and arrived.sent_ms < self._here.sequence.birth_ms:
            return self._heard_elsewhere(arrived, side, now_ms)
        bd_seq = _bd_seq_of(arrived.payload)
        if side.is_dead_already(bd_seq, now_ms):
            return self._died_before_born(side, bd_seq, now_ms)
        self._move(side)
        is_after_death = is_here and bd_seq == self._bd_seq and self._died_lately(now_ms)
        self._bd_seq, self.is_online, self.doubt = bd_seq, True, None
        self._patience_until_ms = self._death_ms = None
        self._is_suspect = False
        self._heard.came(now_ms)
        side.certificates.clear()
        until_ms = now_ms + self._settings.reorder_timeout_ms
        # those that an NBIRTH just before left unconfirmed are waited for still
        self._unconfirmed = {
            device_id: until_ms
            for device_id, device in self._devices.items()
            if device_id and device.is_live
        } | self._unconfirmed
        self._devices.clear()
        side.sequence.restart(arrived.payload.seq % 256, arrived.sent_ms, now_ms)
        self._is_verifying = is_after_death and not self._is_verifying
        if self._is_verifying:
            self._verify(Doubt.EARLY_DEATH, now_ms)
        events = self._know(arrived) + self._take_held(now_ms)
        if bd_seq is None:
            events.append(self._problem("", "NBIRTH has no bdSeq; any death is taken for its own"))
        return events

    def _died_lately(self, now_ms: int) -> bool:
        died_ms = self._death_ms
        return died_ms is not None and now_ms < died_ms + self._settings.reorder_timeout_ms

    def _verify(self, doubt: Doubt, now_ms: int) -> None:
        """Ask for its births, and hold it for dead where none come.

        EARLY_DEATH: a birth after the death of its own session may have been overtaken by it:
        ask, once. Node-RED dies and is born with one bdSeq at every rebirth, so its answer counts.

        OTHER_DEATH: late wills of earlier sessions are no news, but there are nodes that count
        bdSeq wrong (pysparkplug, mqtt-spb-wrapper) and would look live for ever.
        """
        if doubt not in self._triggers:
            return
        self._doubt(doubt)
        if self._patience_until_ms is None:
            self._patience_until_ms = now_ms + self._settings.patience_ms
            self._patience_for = doubt
        elif self._patience_for is Doubt.OTHER_DEATH:
            self._patience_for = doubt

    def _lives(self) -> None:
        """It said something after the death of another session: that was a late will."""
        self._is_suspect = False
        if self._patience_for is Doubt.OTHER_DEATH:
            self._patience_until_ms = None

    def _died_before_born(self, side: Side, bd_seq: int | None, now_ms: int) -> list[Event]:
        """Brokers may swap an NBIRTH and the NDEATH that follows it. If it lives, it will answer."""
        self._doubt(Doubt.EARLY_DEATH, side)
        if side is not self._here:
            return []
        self._bd_seq, self._death_ms = bd_seq, now_ms
        return self.lost(now_ms, "its death arrived before its birth")

    def _died(self, arrived: Arrived, side: Side, now_ms: int) -> list[Event]:
        """NDEATH: everything of the node is stale, by this host's clock.

        tck-id-operational-behavior-edge-node-termination-host-action-ndeath-node-offline and its
        neighbours. One with another bdSeq speaks of another session, and so does one from
        another server: a late will.
        """
        bd_seq = _bd_seq_of(arrived.payload)
        if bd_seq is None and side is self._here:
            self._doubt(Doubt.UNREADABLE)
            problem = self._problem("", "NDEATH has no bdSeq; held for dead until it answers")
            return [problem, *self.lost(now_ms, "it died")]
        if bd_seq is None:
            return [self._problem("", "NDEATH has no bdSeq, on a server that the node has left")]
        is_own = bd_seq == self._bd_seq or (self.is_online and self._bd_seq is None)
        if not is_own or side is not self._here:
            if not self.is_online:
                side.certificates.clear()  # of the session that ends, or of one before it
            elif side is self._here and not self._is_suspect:
                self._is_suspect = True
                self._suspect_ms = now_ms + self._settings.reorder_timeout_ms
            side.keep_death(bd_seq, now_ms + self._settings.reorder_timeout_ms)
            return []
        self._death_ms = now_ms
        return self.lost(now_ms, "it died")

    def _in_turn(self, arrived: Arrived, now_ms: int) -> list[Event]:
        """A message that has its place in the order of the node."""
        kind, device_id, payload, sent_ms, *_ = arrived
        sequence = self._here.sequence
        place = sequence.place(
            payload.seq % 256, arrived, sent_ms, now_ms, is_birth=kind is MessageType.DBIRTH
        )
        if not self.is_online:
            self._doubt(Doubt.NO_BIRTH)
            return []
        if place in (Place.LATE, Place.STRAY):
            # A device born in the millisecond before its node's rebirth looks like its follower,
            # and so does old data with the same number.
            if place is Place.STRAY or sent_ms == sequence.birth_ms:
                self._doubt(Doubt.AMBIGUOUS)
            text = f"{kind} with seq {payload.seq} came late or twice and was not applied"
            return [self._problem(device_id, text)]
        if self._is_suspect:
            self._lives()
        if place is Place.EARLY:
            return []
        return self._ways[kind](arrived) + self._take_held(now_ms)

    def _without_seq(self, arrived: Arrived) -> list[Event]:
        """tck-id-payloads-sequence-num-always-included; taken as it comes, there is no order."""
        if not self.is_online:
            self._doubt(Doubt.NO_BIRTH)
            return []
        if self._is_suspect:
            self._lives()
        problem = self._problem(arrived.device_id, f"{arrived.kind} has no seq")
        return [problem, *self._ways[arrived.kind](arrived)]

    def _take_held(self, now_ms: int) -> list[Event]:
        events: list[Event] = []
        while (held := self._here.sequence.take(now_ms)) is not None:
            events.extend(self._ways[held.kind](held))
        return events

    def _give_up_gap(self, now_ms: int) -> list[Event]:
        """tck-id-operational-behavior-host-reordering-rebirth: the timer ran out."""
        self._verify(Doubt.GAP, now_ms)
        events: list[Event] = []
        for held in self._here.sequence.give_up():
            events.extend(self._ways[held.kind](held))
        return events

    def _device_born(self, arrived: Arrived) -> list[Event]:
        self._unconfirmed.pop(arrived.device_id, None)
        return self._know(arrived)

    def _know(self, arrived: Arrived) -> list[Event]:
        """A birth of the node itself or of a device."""
        most = self._settings.max_devices
        if len(self._devices) > most and arrived.device_id not in self._devices:
            return [
                self._problem("", f"more than {most:,} devices; {arrived.device_id} is left out")
            ]
        device = KnownDevice(
            arrived.payload.metrics, arrived.sent_ms, is_node=not arrived.device_id
        )
        self._devices[arrived.device_id] = device
        self._heard.note(arrived.device_id, device, arrived.data, arrived.sent_ms, arrived.heard_ms)
        if device.has_shared_alias:
            self._doubt(self.doubt or Doubt.SHARED_ALIAS)
        born = Born(self.node, arrived.device_id, device.slots, arrived.sent_ms)
        return [born, *(self._problem(arrived.device_id, text) for text in device.problems)]

    def _adopt(self, arrived: Arrived) -> list[Event]:
        """The first data of a node whose births the server has kept: any seq is the next."""
        side = self._here
        birth = side.certificates[""]
        self._bd_seq, self.is_online, self.doubt = _bd_seq_of(birth.payload), True, None
        self._heard.came(arrived.heard_ms)
        seq = (arrived.payload.seq - 1) % 256
        side.sequence.restart(seq, min(birth.sent_ms, arrived.sent_ms), arrived.heard_ms)
        events = self._know_old(birth)
        if not arrived.payload.HasField("seq"):
            return events + self._without_seq(arrived)
        return events + self._in_turn(arrived, arrived.heard_ms)

    def _know_old(self, birth: Arrived) -> list[Event]:
        """A birth that the server kept: its values were true some time."""
        device = KnownDevice(birth.payload.metrics, birth.sent_ms, is_node=not birth.device_id)
        for slot in device.slots:
            slot.quality, slot.detail = int(Quality.STALE), Quality.STALE.name.title()
        self._devices[birth.device_id] = device
        return [Born(self.node, birth.device_id, device.slots, birth.sent_ms)]

    def _data(self, arrived: Arrived) -> list[Event]:
        kind, device_id, payload, sent_ms, heard_ms, data = arrived
        events: list[Event] = []
        device = self._devices.get(device_id)
        if device is None and device_id in self._here.certificates:
            events += self._know_old(self._here.certificates.pop(device_id))
            device = self._devices[device_id]
        if device is None or not device.is_live:
            self._doubt(self.doubt or Doubt.NO_DEVICE_BIRTH)
            return [self._problem(device_id, f"{kind} came without a birth")]
        is_plain = isinstance(payload, PlainPayloadMessage)
        read = (device.read_plain if is_plain else device.read)(payload.metrics, sent_ms)
        unheard = read.historical and self._heard.unheard(device_id, read.historical, heard_ms)
        if read.updates:
            self._heard.note(device_id, device, data, sent_ms, heard_ms)
            events.append(Changed(self.node, device_id, read.updates))
        if unheard:
            events.append(Changed(self.node, device_id, unheard, is_historical=True))
        if read.unknown:
            self._doubt(self.doubt or Doubt.UNKNOWN_METRIC)
            names = ", ".join(read.unknown[:5])
            text = f"{kind} has {len(read.unknown)} metrics that no birth named: {names}"
            events.append(self._problem(device_id, text))
        events.extend(self._problem(device_id, text) for text in read.problems)
        return events

    def _device_died(self, arrived: Arrived) -> list[Event]:
        """DDEATH: its values are stale from the time in the payload (…-host-action-ddeath-…)."""
        return self._lose(arrived.device_id, arrived.sent_ms, "it died")

    def _lose(self, device_id: str, at_ms: int, reason: str) -> list[Event]:
        known = self._devices.get(device_id)
        was_live = device_id in self._unconfirmed or (known is not None and known.is_live)
        self._unconfirmed.pop(device_id, None)
        if known is not None:
            known.is_live = False
        return [Died(self.node, device_id, at_ms, reason)] if was_live else []

    def _problem(self, device_id: str, text: str) -> Problem:
        return Problem(self.node, device_id, text)


def _bd_seq_of(payload: Any) -> int | None:
    """The bdSeq of a birth or death, from either integer field; None where there is none."""
    for message in payload.metrics:
        if message.name == BD_SEQ:
            value = metric_from(message, {}, 0).value
            return value if type(value) is int else None
    return None
