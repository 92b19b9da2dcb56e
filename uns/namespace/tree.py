"""Namespace: the tree of last known values. Told what Sparkplug says, it returns what to publish.

Theory of operation. Every tag of the project is a leaf from the start. A birth binds the slots
of a device to leaves - the project's own by (group, edge node, device, metric), foreign ones by
the topic in their `uns` property or by a rule - and from then on a change reaches its leaf without a look-up.
Each value is judged by its tag's definition and becomes one payload. A death marks every leaf
of the device `Uncertain`/`Stale` and unbinds its slots, so that nothing but a new birth can make
a value Good again.

After a start the broker may still show values of a former life as Good. They are handed in by
`remembered`, and those that no birth has claimed within a few seconds are marked stale.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple
from typing import Any, TypeAlias

from uns.equipment import Machine
from uns.message import Message
from uns.metric import Quality, Value
from uns.namespace.alias import Alias, Aliases
from uns.namespace.counts import Counts
from uns.namespace.device import Device, DeviceKey
from uns.namespace.foreign import Border
from uns.namespace.ghosts import Ghosts
from uns.namespace.guests import Guests
from uns.namespace.judged import judged
from uns.namespace.late import tell_late
from uns.namespace.leaf import GOOD, NULL, STALE, UNCERTAIN, Leaf, Output
from uns.namespace.members import Members, taken_apart
from uns.namespace.meta import machine_meta, tag_meta
from uns.namespace.payload import BEFORE_VALUE, GOOD_BEFORE_TIMESTAMP, MILLISECONDS, Clock
from uns.namespace.quarantine import Quarantine
from uns.namespace.register import Register
from uns.namespace.rule import ForeignRule
from uns.namespace.state import Presence, State
from uns.schema.value import QUALITIES
from uns.schema.verdict import Verdict
from uns.sparkplug.events import Born, Changed, Died, Problem
from uns.sparkplug.names import BD_SEQ, NodeId
from uns.sparkplug.slot import Slot
from uns.topic import TopicFilter
from uns.vqt import read_vqt

__all__ = ["Counts", "Fact", "Namespace", "Update"]

Fact: TypeAlias = Born | Changed | Died | Problem
Update: TypeAlias = tuple[Slot, Any, int, int]

GRACE_MS = 5_000  # how long after a start a birth may take before old values are called stale
CLOCK_STEP_MS = 5_000  # how long older times are taken for history, not for a clock set back

_ACCEPTED = Verdict.ACCEPTED
_FLAGGED = frozenset((Verdict.OUT_OF_RANGE, Verdict.UNKNOWN_STATE))
_WE_STOPPED = "the namespace service was stopped"
_NOT_OURS = "it is not part of the project any more"
_ITS_BRIDGE_IS_GONE = "its edge node is offline"


class Namespace:
    """The tree below `enterprise`, for the machines of a project and what joins them."""

    def __init__(
        self,
        enterprise: str,
        machines: Sequence[Machine],
        foreign: Sequence[ForeignRule] = (),
        within: Sequence[TopicFilter] = (),
        aliases: Sequence[Alias] = (),
    ) -> None:
        """Compile every tag; publish nothing yet.

        `foreign` are the rules for others' devices, `within` the topics that they may have here,
        `aliases` former topics that show what the new ones do.
        """
        self.counts = Counts()
        self.enterprise = enterprise
        self._quarantine = Quarantine(enterprise)
        self._clock = Clock()
        self._register = register = Register()
        self._leaves, self._devices = register.leaves, register.devices
        self._lines = register.lines
        self._shared: dict[str, set[NodeId]] = {}  # line with foreign machines → its edge nodes
        self._nodes_online: set[NodeId] = set()
        self._grace_ends_ms: int | None = None
        for machine in machines:
            register.add(machine)
        border = Border(enterprise, machines, foreign, within)
        self._ghosts = Ghosts(border)
        self._aliases = Aliases(aliases, self._leaves)
        self._guests = Guests(border, self._leaves, self._devices, register.own_nodes)

    # What happens

    def started(self, now_ms: int) -> None:
        """The service has started: what no birth has claimed within the grace will be stale."""
        self._grace_ends_ms = now_ms + GRACE_MS

    def remembered(self, topic: str, payload: bytes, now_ms: int) -> None:
        """A retained message of a former life was found on the broker."""
        if not payload or not topic.startswith(f"{self.enterprise}/"):
            return
        leaf = self._leaves.get(topic) or self._aliases.find(topic)
        if "/_" in topic:
            if leaf is None:
                self._ghosts.define(topic, payload)
            return
        if leaf is None:
            self.counts.ghosts += 1
            self._ghosts.appear(topic, payload)
            return
        seen = None if leaf.quality else read_vqt(payload)
        if seen is None or seen.quality not in QUALITIES:
            return
        text = bytes(seen.value)
        if text == NULL and seen.quality in (GOOD, UNCERTAIN):
            return
        leaf.hold(text, seen.quality, seen.detail, seen.timestamp_ms, now_ms)

    def apply(self, event: Fact, now_ms: int) -> Output:
        """Return what follows from one event of the host application."""
        return self.apply_all((event,), now_ms)

    def apply_all(self, events: Iterable[Fact], now_ms: int) -> Output:
        """Return what follows from several events, in their order."""
        out = Output.empty()
        for event in events:
            match event:
                case Changed():
                    self._changed_values(event, now_ms, out)
                case Born():
                    self._born(event, now_ms, out)
                case Died():
                    self._died(event, now_ms, out)
                case Problem():
                    self.counts.problems += 1
        return self._aliases.repeated(out)

    def tick(self, now_ms: int) -> Output:
        """Return what has become due: old values called stale, quarantine counts."""
        out = Output([], self._quarantine.tick(now_ms))
        if self._grace_ends_ms is not None and now_ms >= self._grace_ends_ms:
            self._grace_ends_ms = None
            self._end_grace(now_ms, out)
        self._aliases.repeated(out).messages += self._aliases.tick(now_ms)
        return out

    def change(
        self,
        machines: Sequence[Machine],
        foreign: Sequence[ForeignRule],
        within: Sequence[TopicFilter],
        aliases: Sequence[Alias],
        now_ms: int,
    ) -> Output:
        """The project has changed: what stays of it keeps its values; return what follows.

        What left is shown as stale for the last time.
        """
        out = Output.empty()
        found = self._register.change(machines, now_ms)
        border = Border(self.enterprise, machines, foreign, within)
        self._ghosts.change(border)
        self._guests.change(border)
        out.messages += found.definitions
        self._say(found.states_gone, Presence.OFFLINE, _NOT_OURS, now_ms, out)
        self._expire(found.leaves_gone, now_ms, out)
        there = [state for node in self._nodes_online for state in self._lines.get(node, ())]
        there += [one.state for one in found.devices if one.is_online and one.state]
        self._say(there, Presence.ONLINE, "", now_ms, out)
        fed = {id(slot.binding) for slot in found.slots}
        for leaf in found.leaves:
            if leaf.quality and id(leaf) not in fed:
                leaf.publish(self._clock, out)
        told = [(slot, slot.value, slot.quality, slot.timestamp_ms) for slot in found.slots]
        self._show(told, now_ms, out)
        self.started(now_ms)
        former, self._aliases = self._aliases, Aliases(aliases, self._leaves)
        gone = [leaf.topic_text for leaf in found.leaves_gone]
        out.messages += self._aliases.after(former, gone)
        return self._aliases.repeated(out)

    def stopping(self, now_ms: int) -> Output:
        """The service is about to leave: nothing that it showed may look live without it."""
        out = Output.empty()
        for device in self._devices.values():
            device.unbind()
            known = [leaf for leaf in device.leaves.values() if leaf.quality]
            self._expire(known, now_ms, out)
        self._say(self._states(), Presence.STALE, _WE_STOPPED, now_ms, out)
        return self._aliases.repeated(out)

    def everything(self) -> Output:
        """Return all that is retained: what a broker that has lost its memory needs."""
        out = self.current()
        out.messages[:0] = self.definitions()
        return out

    def current(self) -> Output:
        """Return every state and value as it is shown now."""
        out = Output([], [state.message() for state in self._states() if state.presence])
        for leaf in self._leaves.values():
            if leaf.quality:
                leaf.publish(self._clock, out)
        return self._aliases.repeated(out)

    def definitions(self) -> Iterator[Message]:
        """Yield the `_meta` of every machine and tag; devices may join meanwhile."""
        for device in list(self._devices.values()):
            if device.machine is not None:
                yield machine_meta(device.machine)
            for leaf in list(device.leaves.values()):
                if leaf.machine is device.machine:
                    yield _meta(leaf)
        yield from self._aliases.definitions()

    # Readers ask

    def find(self, topic: str) -> Leaf | None:
        """Return what is known of a topic, if it is one of ours."""
        return self._leaves.get(topic)

    @property
    def nodes_online(self) -> int:
        """How many edge nodes are there, the project's and others."""
        return len(self._nodes_online)

    @property
    def nodes_missing(self) -> list[NodeId]:
        """The edge nodes that are not there: the project's, and those of a former life's values."""
        wanted = dict.fromkeys((*self._lines, *self._ghosts.nodes))
        return [node for node in wanted if node not in self._nodes_online]

    @property
    def nodes_to_ask(self) -> list[NodeId]:
        """The edge nodes that are there and owe births since the project changed."""
        waited_for = self._register.nodes_waited_for
        return [node for node in self._nodes_online if node in waited_for]

    @property
    def nodes_foreign(self) -> list[NodeId]:
        """The edge nodes that are there and not the project's."""
        return [node for node in self._nodes_online if node not in self._register.own_nodes]

    @property
    def topics_stale(self) -> int:
        """How many topics show an old value."""
        return sum(leaf.detail == STALE for leaf in self._leaves.values())

    @property
    def topics_live(self) -> int:
        """How many topics show a Good value."""
        return sum(leaf.quality == GOOD for leaf in self._leaves.values())

    @property
    def topics(self) -> int:
        """How many topics there are."""
        return len(self._leaves)

    @property
    def machines_online(self) -> int:
        """How many of the project's machines are there."""
        states = (device.state for device in self._devices.values() if device.machine)
        return sum(state is not None and state.presence is Presence.ONLINE for state in states)

    # Values

    def _changed_values(self, event: Changed, now_ms: int, out: Output) -> None:
        if not event.is_historical:
            self._show(event.updates, now_ms, out)
            return
        self.counts.metrics += len(event.updates)
        self._tell_late(event.updates, now_ms, out)

    def _show(self, updates: Sequence[Update], now_ms: int, out: Output) -> None:
        """The hot path: every value of every machine comes through this loop."""
        put, good = out.values.append, Quality.GOOD.value
        last_ms, last_second, date, stamp = None, None, b"", b""
        self.counts.metrics += len(updates)
        for slot, value, quality, timestamp_ms in updates:
            leaf = slot.binding
            if leaf is None:
                self.counts.ignored += 1
                continue
            if (
                quality != good
                or timestamp_ms < leaf.timestamp_ms
                # most values are numbers in their range: no call for those
                or (
                    not (type(value) is leaf.kind and leaf.low <= value <= leaf.high)
                    and leaf.check(value) is not _ACCEPTED
                )
            ):
                self._settle(leaf, (slot, value, quality, timestamp_ms), now_ms, out)
                continue
            if timestamp_ms is not last_ms:  # the host gives equal times as one object
                last_ms, second = timestamp_ms, timestamp_ms // 1000
                if second != last_second:
                    last_second, date = second, GOOD_BEFORE_TIMESTAMP + self._clock.second(second)
                stamp = date + MILLISECONDS[timestamp_ms % 1000]
            leaf.text = text = leaf.write(value)
            leaf.timestamp_ms = timestamp_ms
            leaf.accepted_ms = now_ms
            if leaf.quality is not GOOD:
                leaf.quality, leaf.detail = GOOD, ""
            payload = b"".join((BEFORE_VALUE, text, stamp, leaf.good_tail))
            if leaf.is_every:
                out.messages.append(Message(leaf.topic_text, payload, 1, True))
            else:
                put((leaf.topic, payload))

    def _settle(self, leaf: Leaf | Members, update: Update, now_ms: int, out: Output) -> None:
        """Show a value that is not simply Good and new, or that is and looked otherwise."""
        slot, value, quality, timestamp_ms = update
        if isinstance(leaf, Members):
            self._show(list(leaf.updates(value, quality, timestamp_ms)), now_ms, out)
            return
        if quality == Quality.STALE:
            self._settle_stale(leaf, value, timestamp_ms, now_ms)
            leaf.publish(self._clock, out)
            return
        # An older time is history being filled in - unless the source's clock was set back:
        # then what the source has now must not wait until that clock has caught up.
        is_recent = now_ms - leaf.accepted_ms < CLOCK_STEP_MS
        if timestamp_ms < leaf.timestamp_ms and is_recent:
            self._tell_late([update], now_ms, out)
            return
        found = judged(leaf, value, quality, slot.detail)
        self.counts.flagged += found.verdict in _FLAGGED
        if found.verdict is Verdict.WRONG_TYPE:
            self._refuse(leaf, value, now_ms, out)
        leaf.hold(found.text, found.quality, found.detail, timestamp_ms, now_ms)
        leaf.publish(self._clock, out)

    def _tell_late(self, updates: Sequence[Update], now_ms: int, out: Output) -> None:
        """The tree shows what is; what was, goes to the topics beside those of the values."""
        self.counts.late += len(updates)
        for leaf, value in tell_late(updates, self._clock, out):
            self._refuse(leaf, value, now_ms, out)

    def _settle_stale(self, leaf: Leaf, value: Value, timestamp_ms: int, now_ms: int) -> None:
        """Keep what is shown and its time, unless the source has something else to show."""
        if leaf.check(value) in (_ACCEPTED, *_FLAGGED):
            text = leaf.write(value)
            if text != leaf.text:
                leaf.hold(text, UNCERTAIN, "", timestamp_ms, now_ms)
        leaf.expire(now_ms)

    def _refuse(self, leaf: Leaf, value: Value, now_ms: int, out: Output) -> None:
        self.counts.quarantined += 1
        message = self._quarantine.refuse(leaf, "type", value, now_ms)
        if message is not None:
            out.messages.append(message)

    # Births and deaths

    def _born(self, event: Born, now_ms: int, out: Output) -> None:
        node = event.node
        if not event.device_id:
            self._nodes_online.add(node)
            self._say(self._lines.get(node, []), Presence.ONLINE, "", event.timestamp_ms, out)
        key = DeviceKey(node.group_id, node.edge_node_id, event.device_id)
        device = self._devices.get(key) or Device(key)
        device.unbind()
        device.is_online = device.was_born = True
        if device.machine is not None:
            self._guests.give_back(device)
        updates: list[Update] = []
        fed: set[str] = set()
        for slot in taken_apart(device, event.slots):
            leaf = self._bind(device, slot, fed, out)
            if leaf is None:
                self.counts.ignored += not _is_of_protocol(slot.name)
                continue
            if slot.quality != Quality.STALE:
                leaf.timestamp_ms = -1  # a birth is how things are, whatever the clock says
            updates.append((slot, slot.value, slot.quality, slot.timestamp_ms))
        if device.leaves:
            self._devices[key] = device
        self._guests.tell(device, out)
        there = self._states_of(device)
        if there and device.machine is None:  # its line has just become known
            there += self._lines[node]
        self._say(there, Presence.ONLINE, "", event.timestamp_ms, out)
        self._show(updates, now_ms, out)
        silent = (leaf for leaf in self._fed_by(device) if leaf.topic_text not in fed)
        self._expire(silent, now_ms, out)

    def _bind(self, device: Device, slot: Slot, fed: set[str], out: Output) -> Leaf | None:
        """Tie a slot of a birth to its leaf; a leaf is fed by one slot only."""
        leaf = device.leaves.get(slot.name)
        is_ours = leaf is not None and leaf.machine is not None and leaf.machine is device.machine
        if not is_ours and not _is_of_protocol(slot.name):
            leaf = self._admit(device, slot, leaf, fed, out)
        if leaf is None or leaf.topic_text in fed:
            return None
        fed.add(leaf.topic_text)
        leaf.fed_as(slot.datatype)
        slot.binding = leaf
        device.bound.append(slot)
        return leaf

    def _admit(
        self, device: Device, slot: Slot, known: Leaf | None, fed: set[str], out: Output
    ) -> Leaf | None:
        """Return the leaf of a metric that the project does not know, if it may have one."""
        leaf = self._guests.admit(device, slot, known, fed)
        if leaf is None or leaf is device.leaves.get(slot.name):
            return leaf
        device.leaves[slot.name] = leaf
        out.messages.append(_meta(leaf))
        if leaf.machine is not None and device.state is None:
            self._stand_in(device, leaf.machine)
        return leaf

    def _stand_in(self, device: Device, machine: Machine) -> None:
        """A foreign device is this machine: it and its line are there as long as the device is."""
        own = self._devices[DeviceKey(*astuple(machine.sparkplug))]
        device.state = own.state
        node = NodeId(device.key.group_id, device.key.edge_node_id)
        lines = self._lines.setdefault(node, [])
        own_node = NodeId(own.key.group_id, own.key.edge_node_id)
        for state in self._lines[own_node]:
            self._shared.setdefault(state.topic, {own_node}).add(node)
            if state not in lines:
                lines.append(state)

    def _died(self, event: Died, now_ms: int, out: Output) -> None:
        node, since_ms = event.node, event.timestamp_ms
        if event.device_id is not None:
            key = DeviceKey(node.group_id, node.edge_node_id, event.device_id)
            found = [self._devices[key]] if key in self._devices else []
            presence, reason = Presence.OFFLINE, event.reason
        else:
            place = (node.group_id, node.edge_node_id)
            found = [device for key, device in self._devices.items() if key[:2] == place]
            presence, reason = Presence.STALE, _ITS_BRIDGE_IS_GONE
            lines = [one for one in self._lines.get(node, []) if not self._is_held(one, node)]
            self._nodes_online.discard(node)
            self._say(lines, Presence.OFFLINE, event.reason, since_ms, out)
        for device in found:
            device.unbind()
            self._say(self._states_of(device), presence, reason, since_ms, out)
            self._expire(self._fed_by(device), now_ms, out)

    def _states_of(self, device: Device) -> list[State]:
        """The `_state` that a device decides on: its machine's, unless another is that machine."""
        if device.state is None:
            return []
        leaves = device.leaves.values()
        if device.machine is None:
            return [device.state] if any(leaf.machine is not None for leaf in leaves) else []
        return [] if any(self._guests.is_fed(leaf, device) for leaf in leaves) else [device.state]

    def _is_held(self, line: State, node: NodeId) -> bool:
        """Whether a line that loses an edge node has another that is there."""
        others = self._shared.get(line.topic, set()) - {node}
        return any(other in self._nodes_online for other in others)

    def _fed_by(self, device: Device) -> list[Leaf]:
        """The leaves of a device that no other feeds in its place."""
        return [leaf for leaf in device.leaves.values() if not self._guests.is_fed(leaf, device)]

    def _end_grace(self, now_ms: int, out: Output) -> None:
        """Say what is missing after a start: nothing may look live that nobody has claimed."""
        reason = "no birth since the namespace service started"
        for device in self._devices.values():
            if device.was_born:
                continue
            self._say(self._states_of(device), Presence.STALE, reason, now_ms, out)
            self._expire(self._fed_by(device), now_ms, out)
        out.values += self._ghosts.fade(self._leaves)
        silent = [state for state in self._states() if state.presence is None]
        self._say(silent, Presence.OFFLINE, reason, now_ms, out)

    def _expire(self, leaves: Iterable[Leaf], now_ms: int, out: Output) -> None:
        for leaf in leaves:
            if leaf.expire(now_ms):
                leaf.publish(self._clock, out)

    def _say(
        self, states: Iterable[State], presence: Presence, reason: str, since_ms: int, out: Output
    ) -> None:
        news = [state.become(presence, reason, since_ms) for state in states]
        out.messages += [message for message in news if message is not None]

    def _states(self) -> list[State]:
        lines = [state for states in self._lines.values() for state in states]
        return lines + [device.state for device in self._devices.values() if device.state]


def _meta(leaf: Leaf) -> Message:
    return tag_meta(leaf.tag, leaf.sparkplug, leaf.metric, leaf.machine)


def _is_of_protocol(metric: str) -> bool:
    """Whether a metric belongs to Sparkplug itself and never to the tree."""
    return metric == BD_SEQ or metric.startswith(("Node Control/", "Device Control/"))
