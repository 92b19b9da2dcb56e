"""The register: the project's machines on the tree, with their devices, leaves and lines.

It may change while the tree is alive. A tag that stays keeps its leaf, and with it its value and
who feeds it. One that is told in another unit or datatype loses its value until a birth says it
anew: 3.5 in bar is not 3.5 in kPa.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from uns.equipment import Machine, Tag
from uns.message import Message
from uns.namespace.device import Device, DeviceKey
from uns.namespace.leaf import Leaf
from uns.namespace.meta import machine_meta, tag_meta
from uns.namespace.state import State
from uns.sparkplug.names import NodeId
from uns.sparkplug.slot import Slot

__all__ = ["Change", "Register"]


@dataclass(slots=True)
class Change:
    """What a change of the project means for the tree."""

    leaves_gone: list[Leaf] = field(default_factory=list)
    leaves: list[Leaf] = field(default_factory=list)  # judged by other rules than before
    slots: list[Slot] = field(default_factory=list)  # whose values those leaves show
    states_gone: list[State] = field(default_factory=list)
    devices: list[Device] = field(default_factory=list)  # new, or with other tags
    defined: list[Leaf] = field(default_factory=list)  # new, or otherwise than before
    fed: dict[int, Slot] = field(default_factory=dict)  # what feeds a leaf, by its identity
    foreign: list[Device] = field(default_factory=list)  # which may stand in for machines
    now_ms: int = 0

    @property
    def definitions(self) -> list[Message]:
        """The `_meta` of machines and tags that are news."""
        machines = [device.machine for device in self.devices if device.machine is not None]
        tags = [tag_meta(one.tag, one.sparkplug, one.metric, one.machine) for one in self.defined]
        return [*map(machine_meta, machines), *tags]


class Register:
    """Devices, leaves by topic and lines by edge node; foreign ones stand among them."""

    def __init__(self) -> None:
        self.leaves: dict[str, Leaf] = {}
        self.devices: dict[DeviceKey, Device] = {}
        self.lines: dict[NodeId, list[State]] = {}
        self.own_nodes: set[NodeId] = set()
        self._changed: list[Device] = []

    def add(self, machine: Machine) -> None:
        """Add a machine at the start."""
        self._put(machine, Change())
        self._draw_lines([machine])

    def change(self, machines: Sequence[Machine], now_ms: int) -> Change:
        """Have these machines from now on."""
        change = Change(now_ms=now_ms)
        wanted = {_key(machine): machine for machine in machines}
        devices = self.devices.values()
        change.fed = {id(slot.binding): slot for device in devices for slot in device.bound}
        change.foreign = [device for device in devices if device.machine is None]
        for key, device in list(self.devices.items()):
            if device.machine is not None and not _is_same_place(wanted.get(key), device.machine):
                self._remove(device, change)
        for key, machine in wanted.items():
            known = self.devices.get(key)
            if known is None or known.machine != machine:
                self._put(machine, change)
        self._redraw_lines(machines, change)
        self._changed = change.devices
        return change

    @property
    def nodes_waited_for(self) -> set[NodeId]:
        """The edge nodes of what changed last and has not been born since with all of its tags."""
        return {_node(one.machine) for one in self._changed if one.machine and not _is_whole(one)}

    def _remove(self, device: Device, change: Change) -> None:
        device.unbind()
        for leaf in device.leaves.values():
            if leaf.machine is not None:
                self._drop(leaf, change)
        if device.state is not None:
            change.states_gone.append(device.state)
        for other in change.foreign:
            if other.state is device.state:
                other.state = None
        del self.devices[device.key]

    def _drop(self, leaf: Leaf, change: Change) -> None:
        change.leaves_gone.append(leaf)
        self.leaves.pop(leaf.topic_text, None)
        _take_from_foreign(leaf, change)

    def _put(self, machine: Machine, change: Change) -> None:
        """Add a machine, or make the one that is there this one."""
        key = _key(machine)
        device = self.devices.setdefault(key, Device(key))
        if device.machine is None:
            device.state = State(machine.topic.text)
        wanted = {tag.name for tag in machine.tags}
        for name, leaf in list(device.leaves.items()):
            if leaf.machine is not None and leaf.machine is device.machine and name not in wanted:
                del device.leaves[name]
                self._drop(leaf, change)
        change.devices.append(device)
        for tag in machine.tags:
            known = self.leaves.get(tag.topic.text)
            if known is None or known.machine is None:
                self._add_leaf(device, machine, tag, change)
            else:
                known.machine = machine
                self._redefine(known, tag, change)
        device.machine = machine

    def _add_leaf(self, device: Device, machine: Machine, tag: Tag, change: Change) -> None:
        guest = self.leaves.get(tag.topic.text)  # a birth may be ahead of our project
        slot = None if guest is None else change.fed.get(id(guest))
        if guest is not None:
            _take_from_foreign(guest, change)
        leaf = Leaf(tag, machine.sparkplug, tag.name, machine)
        device.leaves[tag.name] = self.leaves[leaf.topic_text] = leaf
        change.defined.append(leaf)
        if slot is not None and slot.name == tag.name and slot in device.bound:
            slot.binding = leaf
            leaf.fed_as(slot.datatype)
            change.slots.append(slot)

    def _redefine(self, leaf: Leaf, tag: Tag, change: Change) -> None:
        if leaf.tag == tag:
            return
        slot = change.fed.get(id(leaf))
        is_said = slot is not None and _says(slot, tag)
        does_count = leaf.redefine(tag, change.now_ms, is_said=is_said)
        change.defined.append(leaf)
        change.leaves.append(leaf)
        if slot is not None and does_count:
            leaf.fed_as(slot.datatype)
            change.slots.append(slot)
        elif slot is not None:
            slot.binding = None

    # Lines

    def _redraw_lines(self, machines: Sequence[Machine], change: Change) -> None:
        """Keep the lines that still have machines, in what other nodes stand in for too."""
        wanted = {machine.line.text for machine in machines}
        known = [state for states in self.lines.values() for state in states]
        gone = {state.topic: state for state in known if state.topic not in wanted}
        change.states_gone += gone.values()
        nodes = {_node(machine) for machine in machines}
        for node, states in list(self.lines.items()):
            if node in self.own_nodes - nodes:
                del self.lines[node]
            else:
                states[:] = [state for state in states if state.topic not in gone]
        self.own_nodes.clear()
        self._draw_lines(machines)

    def _draw_lines(self, machines: Iterable[Machine]) -> None:
        for machine in machines:
            node, line = _node(machine), machine.line.text
            self.own_nodes.add(node)
            states = self.lines.setdefault(node, [])
            if line != machine.topic.text and line not in [state.topic for state in states]:
                states.append(State(line))


def _key(machine: Machine) -> DeviceKey:
    ids = machine.sparkplug
    return DeviceKey(ids.group_id, ids.edge_node_id, ids.device_id)


def _node(machine: Machine) -> NodeId:
    return NodeId(machine.sparkplug.group_id, machine.sparkplug.edge_node_id)


def _is_same_place(wanted: Machine | None, machine: Machine) -> bool:
    return wanted is not None and wanted.topic == machine.topic


def _take_from_foreign(leaf: Leaf, change: Change) -> None:
    """Nobody feeds a leaf any more."""
    slot = change.fed.pop(id(leaf), None)
    if slot is not None:
        slot.binding = None
    for device in change.foreign:
        for name in [name for name, one in device.leaves.items() if one is leaf]:
            del device.leaves[name]


def _is_whole(device: Device) -> bool:
    """Whether each tag of a machine has a slot in its last birth."""
    fed = {id(slot.binding) for slot in device.bound}
    return all(id(leaf) in fed for leaf in device.leaves.values() if leaf.machine is device.machine)


def _says(slot: Slot, tag: Tag) -> bool:
    """Whether the last birth has told the metric as the tag is now."""
    return slot.datatype is tag.datatype and slot.properties.get("engUnit", "") == tag.unit
