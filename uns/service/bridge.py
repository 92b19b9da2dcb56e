"""The bridge: devices on one side, Sparkplug edge nodes on the other."""

from __future__ import annotations

import asyncio
import logging
import os.path
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from bridges.driver import BoundTag, Driver
from uns.derived import Derived
from uns.equipment import Connection, Machine
from uns.metric import Reading
from uns.mqtt import Broker
from uns.project.project import Project
from uns.reporting import Reporter
from uns.service.backlog_keeper import BacklogKeeper
from uns.service.connection import ConnectionState, ConnectionSupervisor
from uns.service.connection_flow import FlowSource
from uns.service.cursor_keeper import CursorKeeper
from uns.service.cursors import Cursors
from uns.service.definitions import definitions_of, devices_of
from uns.service.device_writes import DeviceWrites, refusal
from uns.service.edge import EdgeNodeService, now_ms
from uns.service.late_values import LateValues
from uns.service.misfits import Misfits
from uns.service.open_tasks import OpenTasks
from uns.service.pace import Pace
from uns.service.roster import Device, Roster, device_id_of
from uns.service.supervise import keep_running
from uns.service.writable_device import WritableDevice
from uns.sparkplug import (
    Command,
    EdgeNode,
    EdgeSettings,
    NodeId,
    first_alias,
)
from uns.sparkplug.profile import PROFILES
from uns.store.backlog import Backlog
from uns.store.state import State

__all__ = ["BridgeService"]

log = logging.getLogger("uns.bridge")

TICK_S = 0.5
MEASURE_S = 2.0
JOIN_S = 3.0  # for the first values of a machine that joins a connection
SETTLED_S = 1.0  # on top of the backlog's window: the time until a backlog is on the disk
SIMULTANEOUS_CONNECTS = 20  # a switch that reboots must not bring a stampede on 200 PLCs


@dataclass(frozen=True, slots=True)
class _Link:
    """A connection as it is read now."""

    connection: Connection
    tags: tuple[BoundTag, ...]
    supervisor: ConnectionSupervisor

    def is_served_by(self, other: _Link | None) -> bool:
        """Whether that is the same supervisor, perhaps with other tags."""
        return other is not None and other.supervisor is self.supervisor


_NO_LINKS: Mapping[str, _Link] = MappingProxyType({})


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
        self._get_driver = get_driver
        self._limiter = asyncio.Semaphore(SIMULTANEOUS_CONNECTS)
        self._roster = Roster()
        self._device_of = self._roster.device_of
        self._devices_on = self._roster.devices_on
        self._edge_of = {node: self._new_edge(node, on) for node, on in _by_node(machines).items()}
        self._roster.index()
        self._reporter = Reporter(self._roster.tags)
        self._misfits = Misfits(self._roster.tags)
        self._late_values = LateValues(self._roster.tags)
        self._cursors = CursorKeeper(
            Cursors(state, self._settings.backlog.window_s + SETTLED_S),
            self._keeper,
            lambda: self.connections,
            self._is_full,
        )
        self._links = self._new_links(project)
        self._writes = {key: DeviceWrites(self._writable(key)) for key in self._links}
        self._tasks = OpenTasks()

    @property
    def edges(self) -> list[EdgeNodeService]:
        """The edge nodes, one for each line."""
        return list(self._edge_of.values())

    @property
    def connections(self) -> dict[str, ConnectionSupervisor]:
        """The links to devices, by key."""
        return {key: link.supervisor for key, link in self._links.items()}

    def flows(self) -> list[FlowSource]:
        """The links to devices as they are now, for whoever tells how they go."""
        return [
            FlowSource(
                link.connection,
                [device.machine for device in self._devices_on.get(key, ())],
                self._roster.tags,
                link.supervisor.health,
            )
            for key, link in self._links.items()
        ]

    async def run(self) -> None:
        """Bridge until cancelled."""
        try:
            await self._run()
        finally:
            self._release(at_once=True)
            self._keeper.commit()  # what the edge nodes could not send when they left
            if not self._backlog.is_dirty:
                self._cursors.keep_all()

    async def _run(self) -> None:
        self._reserve_bd_seqs()
        async with self._tasks.opened():
            for key in self._links:
                self._start_link(key)
                self._start_writes(key)
            for node in self._edge_of:
                self._start_edge(node)
            parts = {"tick": self._tick, "backlog": self._keeper.run, "cursors": self._cursors.run}
            for name, part in parts.items():
                name = f"bridge:{name}"
                self._tasks.start(name, keep_running(name, part))

    def _start_link(self, key: str) -> None:
        supervisor = self._links[key].supervisor
        self._cursors.begin(key, supervisor)
        self._tasks.start(f"bridge:{key}", keep_running(key, supervisor.run))

    def _start_writes(self, key: str) -> None:
        self._tasks.start(f"write:{key}", self._writes[key].run())

    def _start_edge(self, node: NodeId) -> None:
        name = f"edge:{node}"
        self._tasks.start(name, keep_running(name, self._edge_of[node].run))

    def _reserve_bd_seqs(self) -> None:
        """Put the numbers of all first sessions on the disk at once, before any CONNECT.

        Each is stored again before its own CONNECT, which then costs nothing: 500 lines that
        start together would else wait for the disk 500 times.
        """
        used = {edge.edge.node: edge.edge.next_bd_seq for edge in self.edges}
        self._state.set_all({f"bd_seq/{node}": (number + 1) % 256 for node, number in used.items()})

    # ------------------------------------------------------------------ change

    async def change(self, project: Project, machines: Sequence[Machine]) -> None:
        """Take over what changed while the rest runs on, untouched; `try_out` it before.

        Returns when what left has left; what is new need not be there yet.
        """
        by_node = _by_node(machines)
        gone_nodes = [node for node in self._edge_of if node not in by_node]
        new_nodes = [node for node in by_node if node not in self._edge_of]
        self._change_devices(by_node)
        before = self._links
        self._links = self._new_links(project, before)
        gone = [key for key, link in before.items() if not link.is_served_by(self._links.get(key))]
        new = [key for key, link in self._links.items() if not link.is_served_by(before.get(key))]
        gone_writes = [key for key in self._writes if key not in self._links]
        new_writes = [key for key in self._links if key not in self._writes]
        self._writes |= {key: DeviceWrites(self._writable(key)) for key in new_writes}
        for key in gone_writes:
            del self._writes[key]
        await self._tasks.stop(
            [f"edge:{node}" for node in gone_nodes]
            + [f"bridge:{key}" for key in gone]
            + [f"write:{key}" for key in gone_writes]
        )
        self._cursors.note({key: before[key].supervisor for key in gone})
        for key in new:
            self._start_link(key)
        for key in new_writes:
            self._start_writes(key)
        for node in new_nodes:
            self._start_edge(node)

    def try_out(self, project: Project, machines: Sequence[Machine]) -> None:
        """Raise ProjectError where something that changed cannot be built; change nothing."""
        for node, group in _by_node(machines).items():
            changed = [one for one in group if self._is_news(one)]
            for machine in changed:
                Derived(machine, {tag.name: number for number, tag in enumerate(machine.tags)})
                for tag in machine.tags:
                    if tag.source:
                        self._get_driver(project.connections[tag.source.connection].driver)
            if changed:
                EdgeNode(node, devices_of(group))

    def _is_news(self, machine: Machine) -> bool:
        known = self._roster.devices.get(device_id_of(machine))
        return known is None or known.machine != machine

    def _change_devices(self, by_node: Mapping[NodeId, Sequence[Machine]]) -> None:
        """Let devices leave, change and come; all within one turn of the event loop."""
        wanted = {device_id_of(one) for machines in by_node.values() for one in machines}
        for node, device_id in [key for key in self._roster.devices if key not in wanted]:
            self._roster.remove((node, device_id))
            if node in by_node:
                self._edge_of[node].change_device(device_id, None)
            else:
                self._edge_of.pop(node, None)
        changed = []
        for node, machines in by_node.items():
            if node not in self._edge_of:
                self._edge_of[node] = self._new_edge(node, machines)
                continue
            changed += [self._changed_device(one) for one in machines if self._is_news(one)]
        self._roster.index()
        self._reporter.change(self._roster.tags)
        for device in changed:
            self._settle(device)
            known = self._reporter.known(device.alias_of)
            self._report(self._reporter.observed(device.derived.observed(known), now_ms()))

    def _changed_device(self, machine: Machine) -> Device:
        node, device_id = device_id_of(machine)
        edge = self._edge_of[node]
        edge.change_device(device_id, definitions_of(machine))
        is_new = (node, device_id) not in self._roster.devices
        device = self._roster.put(machine, edge)
        if is_new:
            device.waits_until_s = time.monotonic() + JOIN_S
        return device

    # ------------------------------------------------------------------ building

    def _new_edge(self, node: NodeId, machines: Sequence[Machine]) -> EdgeNodeService:
        devices = devices_of(machines)
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
            is_kept=lambda device_id, name: self._is_kept(node, device_id, name),
        )
        for machine in machines:
            self._roster.put(machine, service)
        return service

    def _is_kept(self, node: NodeId, device_id: str, name: str) -> bool:
        """Whether a metric is worth something when it is late; the node's own are."""
        handle = self._roster.handle_of(node, device_id, name)
        return handle is None or self._roster.tags[handle].is_kept

    def _new_links(
        self, project: Project, known: Mapping[str, _Link] = _NO_LINKS
    ) -> dict[str, _Link]:
        """The links that the roster needs; one of `known` goes on with other tags where it can."""
        links = {}
        for key in self._roster.handles_on:
            connection, tags = project.connections[key], self._roster.bound(key)
            link = known.get(key)
            if link is None or link.connection != connection:
                link = _Link(connection, tags, self._supervisor(connection, tags))
            elif set(link.tags) != set(tags):
                link.supervisor.change(tags, label=self._where(key))
                link = _Link(connection, tags, link.supervisor)
            links[key] = link
        return links

    def _supervisor(self, connection: Connection, tags: Sequence[BoundTag]) -> ConnectionSupervisor:
        key = connection.key
        return ConnectionSupervisor(
            connection,
            self._get_driver(connection.driver),
            tags,
            on_readings=lambda readings: self._read(key, readings),
            on_state=lambda state: self._changed(key, state),
            on_late=self._late,
            on_alive=lambda: self._vouched(key),
            is_full=lambda: self._is_full(key),
            limiter=self._limiter,
            label=self._where(key),
            home=self._state.folder,
        )

    def _where(self, key: str) -> str:
        """What a connection serves, for log lines: its line, or its site where it serves several."""
        lines = {device.machine.line.text for device in self._devices_on[key]}
        return os.path.commonpath(lines)

    # ------------------------------------------------------------------ running

    def _read(self, key: str, readings: Sequence[Reading]) -> None:
        self._report(self._reporter.observed(readings, now_ms()))
        for device in self._devices_on.get(key, ()):  # none: the project changed just now
            if key not in device.answering and self._has_spoken(device, readings):
                device.answering.add(key)
                self._settle(device)

    def _has_spoken(self, device: Device, readings: Sequence[Reading]) -> bool:
        """Whether it may be born: one that joins a connection in use with values of its own."""
        if time.monotonic() >= device.waits_until_s:
            return True
        return any(self._device_of.get(reading[0]) is device for reading in readings)

    def _vouched(self, key: str) -> None:
        """A source that reports what changes says that the rest is as it was."""
        link = self._links.get(key)
        refused = link.supervisor.health.problems if link else {}
        handles = self._roster.handles_on.get(key, ())
        self._reporter.alive((one for one in handles if one not in refused), now_ms())

    def _late(self, readings: Sequence[Reading]) -> None:
        """Hand readings that newer ones overtook to their edge nodes' backlogs."""
        by_device: dict[str, tuple[Device, list[Reading]]] = {}
        for handle, value, quality, ts in self._late_values.of(readings):
            device = self._device_of[handle]
            batch = by_device.setdefault(device.machine.topic.text, (device, []))[1]
            batch.append((device.alias_of[handle], value, quality, ts))
        for device, batch in by_device.values():
            device.edge.late(device.machine.sparkplug.device_id, batch)

    def _changed(self, key: str, state: ConnectionState) -> None:
        handles = self._roster.handles_on.get(key, ())
        if state is ConnectionState.UP:
            self._reporter.restart(handles)
            return
        self._report(self._reporter.lost(handles, now_ms()))
        for device in self._devices_on.get(key, ()):
            device.answering.discard(key)
            self._settle(device)

    def _settle(self, device: Device) -> None:
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
        by_device: dict[str, tuple[Device, list[Reading]]] = {}
        for reading in readings:
            device = self._device_of[reading[0]]
            key = device.machine.topic.text
            by_device.setdefault(key, (device, []))[1].append(reading)
        for device, batch in by_device.values():
            batch += self._reporter.observed(device.derived.observed(batch), now_ms())
            dropped: Counter[int] = Counter()
            self._hand_on(device, device.conflation.passed(batch, self._roster.every, dropped))
            self._count_conflated(dropped)

    def _hand_on(self, device: Device, readings: Iterable[Reading]) -> None:
        aliases = device.alias_of
        device.edge.observed(
            device.machine.sparkplug.device_id,
            [
                (aliases[handle], value, quality, ts)
                for handle, value, quality, ts in readings
                if handle in aliases  # what waited may be gone by now
            ],
        )

    async def _tick(self) -> None:
        measured_s = 0.0
        while True:
            await asyncio.sleep(TICK_S)
            self._report(self._reporter.tick(now_ms()))
            self._release()
            if time.monotonic() >= measured_s + MEASURE_S:
                measured_s = time.monotonic()
                self._measure()

    def _measure(self) -> None:
        """Bring the numbers of all connections up to date."""
        misfits = self._misfits.of(self._reporter.misfitting())
        for key, link in self._links.items():
            link.supervisor.health.misfits = misfits.get(key, {})
            link.supervisor.health.queue = sum(edge.waiting for edge in self._edges_of(key))
            link.supervisor.measure()

    # ------------------------------------------------------------------ back-pressure

    def _is_full(self, key: str) -> bool:
        """Whether a broker is too slow for what this connection delivers."""
        return any(edge.is_full for edge in self._edges_of(key))

    def _edges_of(self, key: str) -> list[EdgeNodeService]:
        """The edge nodes behind a connection, each once."""
        devices = self._devices_on.get(key, ())
        return list({id(device.edge): device.edge for device in devices}.values())

    def _release(self, *, at_once: bool = False) -> None:
        """Let go what waited for room at edge nodes that have some again."""
        for device in self._roster.devices.values():
            if readings := device.conflation.released(at_once=at_once):
                self._hand_on(device, readings)

    def _count_conflated(self, dropped: Mapping[int, int]) -> None:
        for handle, count in dropped.items():
            source = self._roster.tags[handle].source
            if source and source.connection in self._links:
                self._links[source.connection].supervisor.health.conflated += count

    # ------------------------------------------------------------------ commands

    def _commanded(self, node: NodeId, command: Command) -> None:
        """A host asks to write a metric; the device's own new value is the only answer."""
        handle = self._roster.handle_of(node, command.device_id, command.name)
        if handle is None:
            log.warning("edge node %s has nothing to write in `%s`", node, command.name)
            return
        tag = self._roster.tags[handle]
        key = tag.source.connection if tag.source else ""
        if key in self._writes:
            self._writes[key].ask(tag, handle, command.value)
        else:
            log.warning("%s cannot be set: %s", tag.topic.text, refusal(tag, command.value))

    def _writable(self, key: str) -> WritableDevice:
        """How to write to a device, whichever session it has then."""
        return WritableDevice(
            self._roster.tags, self._reporter, lambda: self._links[key].supervisor
        )


def _by_node(machines: Iterable[Machine]) -> dict[NodeId, list[Machine]]:
    by_node: dict[NodeId, list[Machine]] = {}
    for machine in machines:
        by_node.setdefault(device_id_of(machine)[0], []).append(machine)
    return by_node
