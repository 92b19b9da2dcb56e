"""Running routes: values from the tree, messages into the outbox, deliveries to the targets.

    session ──batch──> routes ──emissions──> outbox ──> one sender per target
       ^                                       │
       └────── acknowledged only once it is on the disk

A value is acknowledged to the broker when what follows from it is stored; the session outlives
us, so what happens while we are down is handed over when we are back. Senders work on their own:
a target that is slow or gone holds up neither the others nor the triggers.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path
from socket import gethostname
from typing import Any, Final

import msgspec

from uns.equipment import Machine
from uns.errors import BrokerError
from uns.message import Message
from uns.metric import Quality
from uns.mqtt import Broker, Session, sessions
from uns.project.project import Project
from uns.route.route import Emission, Route
from uns.route.stamp import stamp
from uns.service.flow_health import FlowHealth, flow_messages
from uns.service.message_schemas import message_schemas
from uns.service.open_tasks import OpenTasks
from uns.service.patient_outbox import PatientOutbox
from uns.service.sender import Sender
from uns.service.tree_target import TREE, TreeTarget
from uns.store.outbox import Entry, NewDelivery, Outbox
from uns.target import get_target
from uns.target.target import Target

__all__ = ["RouteService", "stamped"]

log = logging.getLogger("uns.routes")

TICK_S: Final = 0.5
HEALTH_S: Final = 1.0  # how often health is looked at; it is published when it changed …
HEALTH_AT_LEAST_S: Final = 30.0  # … and at least this often
LEAVE_S: Final = 2.0
_ON_THE_TREE: Final = "job_response"  # messages of this subject are events of their machine too


class _Payload(msgspec.Struct):
    """What a value topic carries (docs/reference/topics.md)."""

    value: Any = None
    quality: str = "Bad"
    timestamp: str = ""


class RouteService:
    """Every route of a project, or of some of its machines."""

    def __init__(
        self,
        project: Project,
        machines: Sequence[Machine],
        broker: Broker,
        state_folder: Path,
        *,
        target_class: Callable[[str], type[Target]] = get_target,
    ) -> None:
        """Stamp the routes; connects to nothing. Raises ProjectError."""
        self.routes = stamped(project, machines)
        self._enterprise = project.enterprise
        self._broker = broker
        self._client_id = _client_id(state_folder)
        self._box = PatientOutbox(state_folder / "outbox.db")
        self._session: Session | None = None
        self._readers = _readers_of(self.routes)
        self._folder = state_folder
        self._target_class = target_class
        self._senders = self._senders_for(project, self.routes) | {
            TREE: Sender(self._tree(), self._box)
        }
        self._tasks = OpenTasks()
        self._turn = asyncio.Lock()  # triggers see values and ticks one after the other
        self._told: dict[str, str] = {}
        self._refused = ""

    async def run(self) -> None:
        """Run until cancelled. Raises StorageError where the outbox cannot be opened."""
        await self._box.open()
        try:
            await self._restore(self.routes)
            async with self._tasks.opened():
                self._tasks.start("routes:listen", self._listen())
                self._tasks.start("routes:tick", self._tick())
                self._tasks.start("routes:health", self._tell_health())
                self._start_senders(self._senders)
        finally:
            self._box.close()

    def _start_senders(self, names: Iterable[str]) -> None:
        for name in names:
            self._tasks.start(f"target:{name}", self._senders[name].run())

    async def change(
        self,
        project: Project,
        routes: Sequence[Route],
        *,
        stay: Collection[str],
        same_targets: Collection[str],
    ) -> None:
        """Have `routes`, as `stamped` made them; those called in `stay` go on with what they have.

        What others of them kept is taken up where it still fits, as after a restart. Messages
        of a target that is not used any more wait in the outbox.
        """
        kept = {route.key: route for route in self.routes if route.key in stay}
        new = [route for route in routes if route.key not in kept]
        gone = [route for route in self.routes if route.key not in {one.key for one in routes}]
        senders = self._senders_for(project, routes)
        for name in (*same_targets, TREE):
            if name in self._senders and (name in senders or name == TREE):
                senders[name] = self._senders[name]
        async with self._turn:
            if self._tasks.is_open:
                await self._restore(new)
            self.routes = [kept.get(route.key, route) for route in routes]
            self._readers = _readers_of(self.routes)
            before, self._senders = self._senders, senders
        changed = [name for name in before if senders.get(name) is not before[name]]
        await self._tasks.stop([f"target:{name}" for name in changed])
        if self._tasks.is_open:
            for name in changed:
                await self._box.call(partial(Outbox.release, target=name))
        self._start_senders([name for name in senders if senders[name] is not before.get(name)])
        await self._ask_for(new, gone)

    async def _ask_for(self, new: Sequence[Route], gone: Sequence[Route]) -> None:
        """Subscribe to what new routes need, and say of the flows that left that they stopped."""
        session = self._session
        if session is None:
            return  # the next one subscribes to everything
        self._told.clear()
        health, now_ms = await self.health(), _now_ms()
        left = replace(health, routes=gone)
        lives = {message.topic for message in flow_messages(self._enterprise, health, now_ms)}
        said = flow_messages(self._enterprise, left, now_ms, is_stopped=True)
        try:
            await session.publish_all([message for message in said if message.topic not in lives])
            if topics := _readers_of(new):
                await session.subscribe([(topic, 1) for topic in topics])
        except BrokerError as error:
            log.warning("routes could not ask for the values of new ones: %s", error)
            session.abort()  # the next session asks for everything

    async def health(self) -> FlowHealth:
        """What is known now."""
        counts = await self._box.call(Outbox.counts)
        senders = {name: sender.health for name, sender in self._senders.items()}
        return FlowHealth(self.routes, counts, senders, self._box.problem)

    async def _restore(self, routes: Iterable[Route]) -> None:
        for route in routes:
            problem = route.restore(await self._box.call(partial(Outbox.state, route=route.key)))
            if problem:
                log.warning("%s", problem)

    async def _listen(self) -> None:
        async for session in sessions(
            self._broker, self._client_id, clean=False, on_state=self._said
        ):
            try:
                await self._serve(session)
            except BrokerError as error:
                if session.is_connected and str(error) != self._refused:
                    self._refused = str(error)
                    log.error("routes: %s. %s", error, error.hint)  # noqa: TRY400 - a sentence, not a traceback
            except asyncio.CancelledError:
                await self._leave(session)
                raise
            finally:
                self._session = None

    async def _serve(self, session: Session) -> None:
        await session.subscribe([(topic, 1) for topic in self._readers])
        self._session = session
        self._told.clear()
        self._senders[TREE].wake()
        async for batch in session.batches():
            await self._take(batch)

    async def _take(self, batch: Sequence[Message]) -> None:
        """Give values to the routes; returns when what follows is on the disk."""
        async with self._turn:
            now_ms = _now_ms()
            emissions: list[Emission] = []
            for message in batch:
                emissions += self._observed(message, now_ms)
            await self._keep(emissions)

    def _observed(self, message: Message, now_ms: int) -> list[Emission]:
        readers = self._readers.get(message.topic)
        if not readers:
            return []
        payload, timestamp_ms = _read(message.payload)
        quality = Quality.GOOD if payload.quality == "Good" else Quality.BAD
        emissions: list[Emission] = []
        for route, tag in readers:
            emissions += route.observed(
                tag,
                payload.value,
                quality,
                timestamp_ms or now_ms,
                now_ms,
                is_retained=message.retain,
            )
        return emissions

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            async with self._turn:
                now_ms = _now_ms()
                await self._keep([e for route in self.routes for e in route.tick(now_ms)])

    async def _keep(self, emissions: Sequence[Emission]) -> None:
        """Store in one transaction; while the disk refuses, nothing is read or acknowledged."""
        if not emissions:
            return
        entries = [
            Entry(e.route, e.state, [_delivery(e, target) for target in _targets_of(e)])
            for e in emissions
        ]
        for emission in emissions:
            if emission.problem:
                log.error("message %s was not sent: %s", emission.id, emission.problem)
            if emission.note:
                log.warning("message %s: %s", emission.id, emission.note)
        await self._box.call(lambda outbox: outbox.commit(entries))
        for target in {target for emission in emissions for target in _targets_of(emission)}:
            self._senders[target].wake()

    async def _tell_health(self) -> None:
        told_s = 0.0
        while True:
            await asyncio.sleep(HEALTH_S)
            session = self._session
            if session is None:
                continue
            messages = flow_messages(self._enterprise, await self.health(), _now_ms())
            is_time = time.monotonic() - told_s >= HEALTH_AT_LEAST_S
            news = [m for m in messages if is_time or self._told.get(m.topic) != _facts(m)]
            try:
                await session.publish_all(news)
            except BrokerError:
                continue  # the listener says so, and the next session gets everything
            self._told.update({m.topic: _facts(m) for m in news})
            told_s = time.monotonic() if is_time else told_s

    async def _leave(self, session: Session) -> None:
        """Say that the flows are stopped; our session stays, and the broker collects for it."""
        try:
            async with asyncio.timeout(LEAVE_S):
                health = await self.health()
                await session.publish_all(
                    flow_messages(self._enterprise, health, _now_ms(), is_stopped=True)
                )
                await session.close()
        except (BrokerError, TimeoutError) as error:
            log.warning("routes could not say goodbye to the broker: %s", error)
            session.abort()

    def _senders_for(self, project: Project, routes: Iterable[Route]) -> dict[str, Sender]:
        used = sorted({name for route in routes for name in route.plan.targets})
        targets = [
            self._target_class(project.targets[n].type)(n, project.targets[n], self._folder)
            for n in used
        ]
        return {target.name: Sender(target, self._box) for target in targets}

    def _tree(self) -> TreeTarget:
        return TreeTarget(lambda: self._session)

    def _said(self, sentence: str, is_up: bool) -> None:  # noqa: FBT001 - the shape of on_state
        log.log(logging.INFO if is_up else logging.WARNING, "routes: %s", sentence)


def stamped(project: Project, machines: Sequence[Machine]) -> list[Route]:
    """The routes of a project for these machines; raises ProjectError."""
    schemas = message_schemas(project.folder)
    return stamp(project.templates, project.routes, machines, schemas)


def _readers_of(routes: Iterable[Route]) -> dict[str, list[tuple[Route, str]]]:
    """Who reads a topic, and under which name."""
    readers: dict[str, list[tuple[Route, str]]] = {}
    for route in routes:
        for name in route.tags:
            tag = route.machine.find_tag(name)
            if tag is not None:
                readers.setdefault(tag.topic.text, []).append((route, name))
    return readers


def _targets_of(emission: Emission) -> tuple[str, ...]:
    message = emission.message
    if message is None:
        return ()
    is_event = str(message["dataschema"]).startswith(f"{_ON_THE_TREE}/")
    return (*emission.targets, TREE) if is_event else emission.targets


def _delivery(emission: Emission, target: str) -> NewDelivery:
    return NewDelivery(
        target=target,
        id=emission.id,
        lane=emission.key,
        event_ms=emission.time_ms,
        body=emission.body,
        problem=emission.problem,
    )


def _read(payload: bytes) -> tuple[_Payload, int]:
    """The payload and its source time; whatever cannot be read is not Good."""
    try:
        read = msgspec.json.decode(payload, type=_Payload) if payload else _Payload()
        at_ms = round(datetime.fromisoformat(read.timestamp).timestamp() * 1000)
    except (msgspec.DecodeError, ValueError):
        return _Payload(), 0
    return read, at_ms


def _facts(message: Message) -> str:
    """What of a health message is news: not the time, and not that time goes by."""
    read = msgspec.json.decode(message.payload)
    return str({key: value for key, value in read.items() if key not in ("timestamp", "lag_s")})


def _client_id(state_folder: Path) -> str:
    """The same for the same state on the same machine: the broker keeps our session by it."""
    place = f"{gethostname()}:{state_folder.resolve()}"
    return f"uns-routes-{sha256(place.encode()).hexdigest()[:10]}"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
