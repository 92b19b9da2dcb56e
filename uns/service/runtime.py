"""Everything of one project in this process: bridges, namespace, routes."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bridges import get_driver
from uns.equipment import Machine
from uns.errors import ProjectError
from uns.mqtt import Broker
from uns.namespace import Alias
from uns.project.project import Project
from uns.service.bridge import BridgeService
from uns.service.bridge_presence import BridgePresence
from uns.service.connection_flow import flow_name
from uns.service.namespace import NamespaceService
from uns.service.reload_difference import Difference, difference, restart_reason
from uns.service.routes import RouteService, stamped
from uns.service.supervise import keep_running
from uns.store.backlog import Backlog
from uns.store.lock import only_user
from uns.store.lockfile import lock_path, read_lock
from uns.store.state import State
from uns.topic import TopicFilter

__all__ = ["Part", "Runtime", "selected"]

log = logging.getLogger("uns.runtime")

END_S = 7.0  # how long one part may take to leave
FEW = 5  # lines named in a hint
SETTLE_S = 0.5  # deaths that the bridges published reach the namespace within this


class Part(StrEnum):
    """What can run on its own: `uns run --only bridges`."""

    BRIDGES = "bridges"
    NAMESPACE = "namespace"
    ROUTES = "routes"


def selected(project: Project, patterns: Sequence[str]) -> tuple[Machine, ...]:
    """The machines whose topic below the enterprise matches one of `patterns`; all for none.

    A pattern is the beginning of a path with `*` for one level: `leeds/packaging/*`.
    Raises ProjectError where nothing matches.
    """
    if not patterns:
        return project.machines
    filters = [_filter(project.enterprise, pattern) for pattern in patterns]
    found = tuple(
        machine
        for machine in project.machines
        if any(wanted.matches(machine.topic.text) for wanted in filters)
    )
    if not found:
        raise ProjectError(
            f"no machine of this project is below {' or '.join(patterns)}",
            hint=f"a pattern is like leeds/packaging/*; it has {_lines(project)}",
        )
    return found


def _filter(enterprise: str, pattern: str) -> TopicFilter:
    if set(pattern) & set("+#"):
        raise ProjectError(
            f"`{pattern}` is no pattern of machines: `*` stands for one level",
            hint="everything below the place is meant anyway: leeds/packaging/*",
        )
    return TopicFilter.parse(f"{enterprise}/{pattern.strip('/').replace('*', '+')}/#")


def _aliases(project: Project) -> Sequence[Alias]:
    """The former topics that the lock tells of; a lock that cannot be read stops no plant."""
    try:
        lock = read_lock(lock_path(project.folder))
    except ProjectError as error:
        log.warning("%s: no former topic is served; %s", error, error.hint)
        return ()
    return lock.former if lock else ()


def _lines(project: Project) -> str:
    """The first few lines of a project, as `--select` takes them."""
    below = len(project.enterprise) + 1
    lines = sorted({machine.line.text[below:] for machine in project.machines})
    more = f" and {len(lines) - FEW} more" if len(lines) > FEW else ""
    return f"{', '.join(lines[:FEW])}{more}"


@dataclass(frozen=True, slots=True)
class _Running:
    part: str
    task: asyncio.Task[None]


class Runtime:
    """Runs the parts of a project; each fails, waits and comes back on its own."""

    def __init__(
        self,
        project: Project,
        brokers: Sequence[Broker],
        state_folder: Path,
        *,
        parts: Sequence[Part] = tuple(Part),
        select: Sequence[str] = (),
    ) -> None:
        """Build what `parts` names; nothing is connected yet.

        `brokers` stand in order of preference. Edge nodes use one of them at a time, the
        namespace shows the tree on all of them, and the routes keep to the first.
        Raises ProjectError where `select` matches nothing, StorageError where the state folder
        cannot be written.
        """
        self._project, self._select, self._parts = project, select, parts
        self._machines = machines = selected(project, select)
        self._folder = state_folder
        self._kept: list[State | Backlog] = []
        self.bridge = self._bridge(project, machines, brokers) if Part.BRIDGES in parts else None
        self._presence = self._presence_of(self.bridge, brokers) if self.bridge else None
        self.namespace = (
            NamespaceService(
                project.enterprise,
                machines,
                brokers,
                foreign=project.sparkplug.foreign,
                within=[_filter(project.enterprise, pattern) for pattern in select],
                aliases=_aliases(project),
                is_server_aware=project.sparkplug.is_broker_aware,
            )
            if Part.NAMESPACE in parts
            else None
        )
        self.routes = (
            RouteService(project, machines, brokers[0], state_folder)
            if Part.ROUTES in parts and project.routes
            else None
        )
        if set(parts) == {Part.ROUTES} and self.routes is None:
            raise ProjectError(
                "this project has no routes, so there is nothing to run",
                hint="leave out --only, or write `routes:` (docs/reference/routes.md)",
            )

    def _bridge(
        self, project: Project, machines: Sequence[Machine], brokers: Sequence[Broker]
    ) -> BridgeService:
        state = State(self._folder / "state.db")
        self._kept.append(state)
        backlog = Backlog(
            self._folder / "backlog.db",
            max_bytes=project.sparkplug.backlog.max_bytes,
            max_age_s=project.sparkplug.backlog.max_age_s,
        )
        self._kept.append(backlog)
        return BridgeService(project, machines, brokers, state, backlog, get_driver)

    def _presence_of(self, bridge: BridgeService, brokers: Sequence[Broker]) -> BridgePresence:
        """How the bridges show themselves; a host may run several, each for a part of the plant."""
        parts = [socket.gethostname().partition(".")[0], *self._select]
        return BridgePresence(
            self._project.enterprise,
            flow_name("-".join(["bridges", *parts])),
            brokers,
            bridge.flows,
            lambda: {words.name or words.use for words in self._project.routes},
        )

    async def run(self) -> None:
        """Run until cancelled, then leave in order: deaths first, the tree's writer last.

        Raises StorageError where another process keeps its state in our folder.
        """
        with ExitStack() as locks:
            for part, service in ((Part.BRIDGES, self.bridge), (Part.ROUTES, self.routes)):
                if service is not None:  # the namespace keeps nothing on disk
                    locks.enter_context(only_user(self._folder, part.value))
            await self._run()

    async def change(self, project: Project) -> Difference:
        """Take over what changed in a project while everything else runs on.

        Raises ProjectError, and changes nothing, where that cannot be.
        """
        if reason := restart_reason(self._project, project):
            raise ProjectError(reason, hint="that needs a restart of `uns run`")
        machines = selected(project, self._select)
        # In a thread: comparing 50,000 tags takes a while, and keep-alives must not wait.
        found = await asyncio.to_thread(
            difference, self._project, project, self._machines, machines
        )
        routes = await asyncio.to_thread(stamped, project, machines)
        if self.bridge is not None:
            self.bridge.try_out(project, machines)
        if self.routes is None and routes and Part.ROUTES in self._parts:
            raise ProjectError(
                "the project had no routes and has some now",
                hint="that needs a restart of `uns run`",
            )
        if self.namespace is not None:
            await self.namespace.change(
                machines,
                project.sparkplug.foreign,
                [_filter(project.enterprise, pattern) for pattern in self._select],
                _aliases(project),
                has_other_rules=found.has_other_rules,
            )
        if self.bridge is not None:
            await self.bridge.change(project, machines)
        if self.routes is not None:
            await self.routes.change(
                project, routes, stay=found.routes.stay, same_targets=found.targets.stay
            )
        self._project, self._machines = project, machines
        return found

    async def _run(self) -> None:
        running = [
            self._started(part, service.run)
            for part, service in (
                (Part.NAMESPACE, self.namespace),
                (Part.ROUTES, self.routes),
                ("presence", self._presence),
                (Part.BRIDGES, self.bridge),
            )
            if service is not None
        ]
        try:
            done, _ = await asyncio.wait(
                [entry.task for entry in running], return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                task.result()
        finally:
            await self._leave(running)
            for kept in self._kept:
                kept.close()

    def _started(self, part: str, run: Callable[[], Awaitable[None]]) -> _Running:
        task = asyncio.create_task(keep_running(part, run), name=part)
        return _Running(part, task)

    async def _leave(self, running: Sequence[_Running]) -> None:
        for entry in reversed(running):
            entry.task.cancel()
            _, late = await asyncio.wait([entry.task], timeout=END_S)
            if late:
                log.error("%s did not leave within %.0f s", entry.part, END_S)
            if entry.part is Part.BRIDGES and self.namespace is not None:
                await asyncio.sleep(SETTLE_S)
