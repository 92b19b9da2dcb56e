"""The bridge: devices on one side, Sparkplug edge nodes on the other."""

from __future__ import annotations

import asyncio
import logging
import os.path
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from bridges.driver import BoundTag, Driver
from uns.derived import Derived
from uns.equipment import Machine, Tag
from uns.metric import Reading, Value
from uns.mqtt import Broker
from uns.project.project import Project
from uns.reporting import Reporter
from uns.service.backlog_keeper import BacklogKeeper
from uns.service.connection import ConnectionState, ConnectionSupervisor
from uns.service.device_writes import DeviceWrites, refusal
from uns.service.edge import NODE_METRICS, EdgeNodeService, now_ms
from uns.service.pace import Pace
from uns.service.supervise import keep_running
from uns.sparkplug import (
    Command,
    EdgeNode,
    EdgeSettings,
    MetricDefinition,
    NodeId,
    first_alias,
)
from uns.sparkplug.profile import PROFILES
from uns.store.backlog import Backlog
from uns.store.state import State

__all__ = ["BridgeService"]

log = logging.getLogger("uns.bridge")

TICK_S = 0.5
SIMULTANEOUS_CONNECTS = 20  # a switch that reboots must not bring a stampede on 200 PLCs


@dataclass(slots=True)
class _Device:
    """One machine at run time: where its readings go, and which connections feed it."""

    machine: Machine
    edge: EdgeNodeService
    derived: Derived
    alias_of: dict[int, int]  # reading handle → Sparkplug alias
    connections: set[str]
    answering: set[str] = field(default_factory=set)
    is_up: bool = False


class BridgeService:
    """Reads every tag of the machines it is given and publishes them as Sparkplug B.

    One connection supervisor per device link, one edge node per line. Connections and lines
    are independent of each other: each fails, waits and comes back on its own.
    """

    def __init__(  # noqa: PLR0917 - each is one thing it stands on
        self,
        project: Project,
        machines: Sequence[Machine],
        brokers: Sequence[Broker],
        state: State,
        backlog: Backlog,
        get_driver: Callable[[str], type[Driver]],
    ) -> None:
        """Build everything; connect to nothing yet. `brokers` stand in order of preference."""
        self._brokers = brokers
        self._state = state
        self._backlog = backlog
        self._keeper = BacklogKeeper(backlog)
        self._settings = project.sparkplug
        self._pace = Pace(project.sparkplug.backlog.per_second)
        self._device_of: dict[int, _Device] = {}
        self._tag_of: dict[int, Tag] = {}
        self._handle_of: dict[tuple[NodeId, str, str], int] = {}
        self._handles_of: dict[str, list[int]] = {}
        self._devices_on: dict[str, list[_Device]] = {}
        self.edges = self._build_edges(machines)
        self._reporter = Reporter(self._tag_of)
        limiter = asyncio.Semaphore(SIMULTANEOUS_CONNECTS)
        self.connections = {
            key: self._supervisor(project, key, handles, get_driver, limiter)
            for key, handles in self._handles_of.items()
        }
        self._writes = {key: DeviceWrites(link.write) for key, link in self.connections.items()}

    async def run(self) -> None:
        """Bridge until cancelled."""
        try:
            await self._run()
        finally:
            self._keeper.commit()  # what the edge nodes could not send when they left

    async def _run(self) -> None:
        self._reserve_bd_seqs()
        async with asyncio.TaskGroup() as tasks:
            for key, supervisor in self.connections.items():
                tasks.create_task(keep_running(key, supervisor.run), name=f"bridge:{key}")
                tasks.create_task(self._writes[key].run(), name=f"write:{key}")
            for edge in self.edges:
                name = f"edge:{edge.edge.node}"
                tasks.create_task(keep_running(name, edge.run), name=name)
            tasks.create_task(keep_running("bridge:tick", self._tick), name="bridge:tick")
            tasks.create_task(keep_running("backlog", self._keeper.run), name="bridge:backlog")

    def _reserve_bd_seqs(self) -> None:
        """Put the numbers of all first sessions on the disk at once, before any CONNECT.

        Each is stored again before its own CONNECT, which then costs nothing: 500 lines that
        start together would else wait for the disk 500 times.
        """
        used = {edge.edge.node: edge.edge.next_bd_seq for edge in self.edges}
        self._state.set_all({f"bd_seq/{node}": (number + 1) % 256 for node, number in used.items()})

    # ------------------------------------------------------------------ building

    def _build_edges(self, machines: Sequence[Machine]) -> list[EdgeNodeService]:
        by_node: dict[NodeId, list[Machine]] = {}
        for machine in machines:
            node = NodeId(machine.sparkplug.group_id, machine.sparkplug.edge_node_id)
            by_node.setdefault(node, []).append(machine)
        return [self._build_edge(node, group) for node, group in by_node.items()]

    def _build_edge(self, node: NodeId, machines: Sequence[Machine]) -> EdgeNodeService:
        devices = {"": NODE_METRICS} | {
            machine.sparkplug.device_id: tuple(_definition(machine, tag) for tag in machine.tags)
            for machine in machines
        }
        settings = EdgeSettings(
            primary_host=self._settings.primary_host,
            servers=len(self._brokers),
            profile=PROFILES[self._settings.profile],
            first_alias=first_alias(devices),
        )
        edge = EdgeNode(
            node,
            devices,
            bd_seq=self._state.get(f"bd_seq/{node}", 0),
            settings=settings,
        )
        service = EdgeNodeService(
            edge,
            self._brokers,
            self._state,
            self._backlog,
            pace=self._pace,
            window_s=self._settings.backlog.window_s,
            on_command=lambda command: self._commanded(node, command),
        )
        for machine in machines:
            self._add_device(machine, service)
        return service

    def _add_device(self, machine: Machine, service: EdgeNodeService) -> None:
        handles: dict[str, int] = {}
        for tag in machine.tags:
            handle = len(self._tag_of)
            handles[tag.name] = handle
            self._tag_of[handle] = tag
        device_id = machine.sparkplug.device_id
        device = _Device(
            machine,
            service,
            Derived(machine, handles),
            {handle: service.edge.alias_of(device_id, name) for name, handle in handles.items()},
            {tag.source.connection for tag in machine.tags if tag.source},
        )
        for tag in machine.tags:
            handle = handles[tag.name]
            self._handle_of[service.edge.node, device_id, tag.name] = handle
            self._device_of[handle] = device
            if tag.source:
                self._handles_of.setdefault(tag.source.connection, []).append(handle)
        for key in device.connections:
            self._devices_on.setdefault(key, []).append(device)

    def _supervisor(
        self,
        project: Project,
        key: str,
        handles: Sequence[int],
        get_driver: Callable[[str], type[Driver]],
        limiter: asyncio.Semaphore,
    ) -> ConnectionSupervisor:
        connection = project.connections[key]
        return ConnectionSupervisor(
            connection,
            get_driver(connection.driver),
            [self._bound(handle) for handle in handles],
            on_readings=lambda readings: self._read(key, readings),
            on_state=lambda state: self._changed(key, state),
            limiter=limiter,
            label=self._where(key),
        )

    def _where(self, key: str) -> str:
        """What a connection serves, for log lines: its line, or its site where it serves several."""
        lines = {device.machine.line.text for device in self._devices_on[key]}
        return os.path.commonpath(lines)

    def _bound(self, handle: int) -> BoundTag:
        tag = self._tag_of[handle]
        assert tag.source is not None  # noqa: S101 - only tags with a source have a connection
        return BoundTag(handle, tag.source.address, tag.datatype, tag.scan_s, tag.deliver_every)

    # ------------------------------------------------------------------ running

    def _read(self, key: str, readings: Sequence[Reading]) -> None:
        self._report(self._reporter.observed(readings, now_ms()))
        for device in self._devices_on[key]:
            if key not in device.answering:
                device.answering.add(key)
                self._settle(device)

    def _changed(self, key: str, state: ConnectionState) -> None:
        handles = self._handles_of[key]
        if state is ConnectionState.UP:
            self._reporter.restart(handles)
            return
        self._report(self._reporter.lost(handles, now_ms()))
        for device in self._devices_on[key]:
            device.answering.discard(key)
            self._settle(device)

    def _settle(self, device: _Device) -> None:
        """A device lives while any of its connections answers."""
        is_up = bool(device.answering)
        if is_up == device.is_up:
            return
        device.is_up = is_up
        device_id = device.machine.sparkplug.device_id
        if is_up:
            device.edge.device_up(device_id)
        else:
            device.edge.device_down(device_id)

    def _report(self, readings: Iterable[Reading]) -> None:
        """Hand readings worth a publish to their edge nodes, with what is derived from them."""
        by_device: dict[str, tuple[_Device, list[Reading]]] = {}
        for reading in readings:
            device = self._device_of[reading[0]]
            key = device.machine.topic.text
            by_device.setdefault(key, (device, []))[1].append(reading)
        for device, batch in by_device.values():
            batch += self._reporter.observed(device.derived.observed(batch), now_ms())
            aliases = device.alias_of
            device.edge.observed(
                device.machine.sparkplug.device_id,
                [(aliases[handle], value, quality, ts) for handle, value, quality, ts in batch],
            )

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._report(self._reporter.tick(now_ms()))

    # ------------------------------------------------------------------ commands

    def _commanded(self, node: NodeId, command: Command) -> None:
        """A host asks to write a metric; the device's own new value is the only answer."""
        handle = self._handle_of.get((node, command.device_id, command.name))
        if handle is None:
            log.warning("edge node %s has nothing to write in `%s`", node, command.name)
            return
        tag = self._tag_of[handle]
        key = tag.source.connection if tag.source else ""
        if key in self._writes:
            self._writes[key].ask(tag, handle, command.value)
        else:
            log.warning("%s cannot be set: %s", tag.topic.text, refusal(tag, command.value))


def _definition(machine: Machine, tag: Tag) -> MetricDefinition:
    """What the birth says of a tag, for hosts that know nothing of our project."""
    properties: dict[str, Value] = {"uns": tag.topic.text}
    if tag.unit:
        properties["engUnit"] = tag.unit
    if tag.low is not None:
        properties["engLow"] = float(tag.low)
    if tag.high is not None:
        properties["engHigh"] = float(tag.high)
    properties["schema"] = f"{machine.type_name}/{machine.version}"
    return MetricDefinition(tag.name, tag.datatype, properties)
