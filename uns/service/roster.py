"""The roster: which devices a bridge has, their tags by handle, and who reads which.

A handle is a number for one tag as it is read. It stays while that stays, so that connections
and what was reported last need not be touched when a project changes elsewhere.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bridges.driver import BoundTag
from uns.derived import Derived
from uns.equipment import Machine, Tag
from uns.service.conflation import Conflation
from uns.service.edge import EdgeNodeService
from uns.service.reload_difference import as_read
from uns.sparkplug import NodeId

__all__ = ["Device", "DeviceId", "Roster", "device_id_of"]

DeviceId = tuple[NodeId, str]


@dataclass(slots=True)
class Device:
    """One machine at run time: where its readings go, and which connections feed it."""

    machine: Machine
    edge: EdgeNodeService
    handles: Mapping[str, int]  # by tag name
    derived: Derived
    alias_of: dict[int, int]  # reading handle → Sparkplug alias
    connections: set[str]
    answering: set[str] = field(default_factory=set)
    is_up: bool = False
    waits_until_s: float = 0.0  # for values of its own, where others answer already
    conflation: Conflation = field(init=False)

    def __post_init__(self) -> None:
        self.conflation = Conflation(lambda: self.edge.is_full)


class Roster:
    """Devices may be put, put anew and removed at any time; call `index` when that is done."""

    def __init__(self) -> None:
        self.devices: dict[DeviceId, Device] = {}
        self.tags: dict[int, Tag] = {}
        self.every: set[int] = set()  # handles of tags that are never conflated
        self.device_of: dict[int, Device] = {}  # by handle
        self.handles_on: dict[str, list[int]] = {}  # by connection, as the next two
        self.devices_on: dict[str, list[Device]] = {}
        self._numbers = itertools.count()

    def put(self, machine: Machine, edge: EdgeNodeService) -> Device:
        """Add a machine, or take over what changed of it; its edge node has its metrics already.

        Raises ProjectError where its calculated tags cannot be.
        """
        key = device_id_of(machine)
        known = self.devices.get(key)
        handles = {tag.name: self._handle(known, tag) for tag in machine.tags}
        derived = Derived(machine, handles)
        aliases = edge.edge.aliases(key[1])
        alias_of = {handle: aliases[name] for name, handle in handles.items()}
        connections = {tag.source.connection for tag in machine.tags if tag.source}
        if known is None:
            known = Device(machine, edge, handles, derived, alias_of, connections)
            self.devices[key] = known
        else:
            self._forget(known.handles.values())
            known.machine, known.handles, known.derived = machine, handles, derived
            known.alias_of, known.connections = alias_of, connections
            known.answering &= connections
        for tag in machine.tags:
            self.tags[handles[tag.name]] = tag
            if tag.deliver_every:
                self.every.add(handles[tag.name])
            self.device_of[handles[tag.name]] = known
        return known

    def remove(self, key: DeviceId) -> None:
        """Take a device away."""
        self._forget(self.devices.pop(key).handles.values())

    def index(self) -> None:
        """Work out anew which handles and devices each connection has."""
        self.handles_on.clear()
        self.devices_on.clear()
        for device in self.devices.values():
            for tag in device.machine.tags:
                if tag.source:
                    handles = self.handles_on.setdefault(tag.source.connection, [])
                    handles.append(device.handles[tag.name])
            for key in device.connections:
                self.devices_on.setdefault(key, []).append(device)

    def handle_of(self, node: NodeId, device_id: str, name: str) -> int | None:
        """The handle of a metric, if a tag is behind it."""
        device = self.devices.get((node, device_id))
        return None if device is None else device.handles.get(name)

    def bound(self, connection: str) -> tuple[BoundTag, ...]:
        """The tags of a connection, as its driver sees them."""
        return tuple(self._bound(handle) for handle in self.handles_on[connection])

    def _bound(self, handle: int) -> BoundTag:
        tag = self.tags[handle]
        assert tag.source is not None  # noqa: S101 - only tags with a source have a connection
        return BoundTag(handle, tag.source.address, tag.datatype, tag.scan_s, tag.deliver_every)

    def _handle(self, known: Device | None, tag: Tag) -> int:
        """The number that a tag has already, if it is read as it was; otherwise a new one."""
        handle = known.handles.get(tag.name) if known else None
        if handle is None or as_read(self.tags[handle]) != as_read(tag):
            return next(self._numbers)
        return handle

    def _forget(self, handles: Iterable[int]) -> None:
        for handle in handles:
            self.tags.pop(handle, None)
            self.every.discard(handle)
            self.device_of.pop(handle, None)


def device_id_of(machine: Machine) -> DeviceId:
    """The place of a machine in Sparkplug's namespace."""
    ids = machine.sparkplug
    return NodeId(ids.group_id, ids.edge_node_id), ids.device_id
