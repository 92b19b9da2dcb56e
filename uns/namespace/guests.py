"""Guests: the leaves of metrics that the project does not know, and who may feed each.

Of two metrics that want one topic the first has it, for as long as its device is there. A rule
may make a device the machine of the project that no driver feeds; then it has the machine's
leaves, until the machine's own device is born. What is refused is said once, all of a birth in
one sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import astuple

from uns.equipment import SparkplugId, Tag
from uns.namespace.device import Device, DeviceKey
from uns.namespace.foreign import Border, Refusal
from uns.namespace.leaf import Leaf, Output
from uns.sparkplug.names import NodeId
from uns.sparkplug.slot import Slot

__all__ = ["MAX_GUESTS", "Guests"]

MAX_GUESTS = 100_000  # leaves: a bound on memory
_MAX_SAID = 100_000  # refused metrics that are remembered, so that each is said once
_SHOWN = 3  # of the metrics of one birth; the rest is a number
_WHAT_TO_DO = (
    "give each a `name` of its own, or leave it out with `null`, below `metrics` of the rule "
    "(`sparkplug: foreign:`)"
)


class Guests:
    """Leaves that foreign metrics have, in `leaves` beside those of the project."""

    def __init__(
        self,
        border: Border,
        leaves: dict[str, Leaf],
        devices: Mapping[DeviceKey, Device],
        own_nodes: AbstractSet[NodeId],
    ) -> None:
        self._border = border
        self._leaves = leaves
        self._devices = devices
        self._own_nodes = own_nodes
        self._hosts: dict[str, Device] = {}  # topic → the device that feeds it
        self._said: set[tuple[DeviceKey, str]] = set()
        self._refused: list[tuple[str, str]] = []  # of the birth that is being read

    def change(self, border: Border) -> None:
        """Another project: what is the project's own now is no guest's any more."""
        self._border = border
        hosts = {host.key: host for host in self._hosts.values()}
        fed = {id(leaf) for host in hosts.values() for leaf in host.leaves.values()}
        gone = [topic for topic in self._hosts if id(self._leaves.get(topic)) not in fed]
        for topic in gone:
            del self._hosts[topic]
        for host in hosts.values():
            for leaf in host.leaves.values():
                leaf.said = None  # whatever a birth says, ask the rules again

    def is_fed(self, leaf: Leaf, device: Device) -> bool:
        """Whether another device than this one feeds a leaf now."""
        host = self._hosts.get(leaf.topic_text)
        return host is not None and host is not device and host.is_online

    def give_back(self, device: Device) -> None:
        """The project's own device is there: nobody else feeds its leaves any more."""
        if not self._hosts:
            return
        hosts = {}
        for name, leaf in device.leaves.items():
            host = self._hosts.pop(leaf.topic_text, None)
            if host is not None:
                hosts[host.key] = host
                leaf.sparkplug, leaf.metric = SparkplugId(*device.key), name
        for host in hosts.values():
            lost = device.machine
            for slot in host.bound:
                if getattr(slot.binding, "machine", None) is lost:
                    slot.binding = None
            host.leaves = {n: leaf for n, leaf in host.leaves.items() if leaf.machine is not lost}

    def admit(
        self, device: Device, slot: Slot, known: Leaf | None, fed: AbstractSet[str]
    ) -> Leaf | None:
        """Return the leaf of a metric of a birth; None where it has no place on the tree.

        `known` is the leaf it has had. A metric whose meaning or place has changed gets another.
        """
        said = (slot.datatype, slot.properties)
        if known is not None and known.said == said and self._hosts.get(known.topic_text) is device:
            return known
        tag = self._border.place(device.key, slot, by_rule=self._is_foreign(device))
        if tag is None:
            return None
        reason = tag.reason if isinstance(tag, Refusal) else self._objection(device, tag, fed)
        if reason or isinstance(tag, Refusal):
            self._refuse(device, slot, reason)
            return None
        text = tag.topic.text
        if known is not None and known.tag == tag and self._hosts.get(text) is device:
            known.said = said
            return known
        self._move_out(device, slot, known, text)
        leaf = self._leaves.get(text)
        if leaf is None or leaf.machine is None:
            leaf = self._leaves[text] = Leaf(tag, SparkplugId(*device.key), slot.name)
        leaf.sparkplug, leaf.metric, leaf.said = SparkplugId(*device.key), slot.name, said
        self._hosts[text] = device
        return leaf

    def tell(self, device: Device, out: Output) -> None:
        """Add what was refused of a birth to `out`, in one sentence."""
        if not self._refused:
            return
        shown = ", ".join(f"`{name[:80]}` ({why})" for name, why in self._refused[:_SHOWN])
        more = len(self._refused) - _SHOWN
        shown += f" and {more:,} more" if more > 0 else ""
        out.notices.append(f"{_name(device.key)}: no place on the tree for {shown}; {_WHAT_TO_DO}")
        self._refused = []

    def _objection(self, device: Device, tag: Tag, fed: AbstractSet[str]) -> str:
        """Say why a metric may not have its topic now; empty where it may."""
        text = tag.topic.text
        host = self._hosts.get(text)
        if text in fed:
            return f"`{text}` is that of another metric of it"
        leaf = self._leaves.get(text)
        if leaf is not None and leaf.machine is not None:
            own = self._devices[DeviceKey(*astuple(leaf.machine.sparkplug))]
            if own.is_online:
                return f"`{text}` is that of {_name(own.key)}"
        if host is not None and host is not device and host.is_online:
            return f"`{text}` is that of {_name(host.key)}"
        if host is None and len(self._hosts) >= MAX_GUESTS:
            return f"there are {MAX_GUESTS:,} foreign metrics already"
        return ""

    def _is_foreign(self, device: Device) -> bool:
        node = NodeId(device.key.group_id, device.key.edge_node_id)
        return device.machine is None and node not in self._own_nodes

    def _refuse(self, device: Device, slot: Slot, reason: str) -> None:
        if len(self._said) >= _MAX_SAID:
            self._said.clear()
        if (device.key, slot.name) not in self._said:
            self._said.add((device.key, slot.name))
            self._refused.append((slot.name, reason))

    def _move_out(self, device: Device, slot: Slot, known: Leaf | None, text: str) -> None:
        """Let go of the leaf that was at a topic before, and of the place that a metric had."""
        before, host = self._leaves.get(text), self._hosts.get(text)
        if before is not None and host is not None:
            for name in (before.metric, _left(before.metric, text)):
                if host.leaves.get(name) is before:
                    del host.leaves[name]
        if known is not None and known.topic_text != text:
            # It is shown as stale from now on: no metric feeds it, and nobody asked to remove it.
            device.leaves[_left(slot.name, known.topic_text)] = known


def _left(name: str, topic: str) -> str:
    """The key of a leaf that its metric has left for another topic; no metric has such a name."""
    return f"{name}\0{topic}"


def _name(key: DeviceKey) -> str:
    return "/".join(filter(None, key))
