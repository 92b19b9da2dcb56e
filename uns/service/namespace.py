"""The namespace service: Sparkplug in, the tree of plain values out, its only writer.

It is a Sparkplug host application. The host core says what is true of every device, the
namespace core says what that means for the tree, and this shell publishes it: values in
batches at QoS 0, everything that must not be missed at QoS 1.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from uns.equipment import Machine
from uns.errors import BrokerError
from uns.message import Message
from uns.mqtt import Broker, Session
from uns.namespace import Alias, Fact, ForeignRule, Namespace, Output, Presence, State
from uns.service.edge import now_ms
from uns.service.tree_server import TreeServer
from uns.sparkplug import (
    Born,
    Changed,
    Died,
    Event,
    HostApplication,
    HostSettings,
    NodeId,
    Problem,
    Publish,
    Reconnect,
)
from uns.topic import TopicFilter

__all__ = ["NamespaceHealth", "NamespaceService"]

log = logging.getLogger("uns.namespace")

TICK_S = 0.2
LEAVE_S = 6.0  # a slow broker takes a while to be told that hundreds of values are old
ASK_AFTER_S = 1.0  # births that come by themselves have come by then
_ASKED_AT_ONCE = 20  # edge nodes per tick: a thousand births must not come at once
_AT_ONCE = 200  # messages between two looks at the clock and the socket …
_AT_ONCE_BYTES = 16_384  # … and bytes: a thousand metrics at each stage stay in a core's cache


@dataclass(frozen=True, slots=True)
class NamespaceHealth:
    """What readers may know of this service; counts since it was started."""

    is_online: bool
    connects: int
    last_error: str
    metrics_in: int
    values_out: int
    flagged: int
    quarantined: int
    ignored: int
    late: int
    ghosts: int
    problems: int
    nodes_online: int
    machines_online: int
    topics: int
    topics_live: int
    topics_stale: int


class NamespaceService:
    """Keeps the tree below `enterprise` true, on every broker it is given, until cancelled.

    Edge nodes may be on any of the brokers and move from one to another; each broker shows the
    whole tree, and one that is away holds up no other. `host_id` names this host application;
    two services on one broker need two of them. `foreign` are the project's rules for devices
    of others, whose topics must match one of `within` where it holds any. `aliases` are former
    topics that are served too.
    """

    def __init__(
        self,
        enterprise: str,
        machines: Sequence[Machine],
        brokers: Sequence[Broker],
        *,
        host_id: str = "",
        foreign: Sequence[ForeignRule] = (),
        within: Sequence[TopicFilter] = (),
        aliases: Sequence[Alias] = (),
        is_server_aware: bool = False,
    ) -> None:
        """Compile everything; connect to nothing yet."""
        self.namespace = Namespace(enterprise, machines, foreign, within, aliases)
        settings = HostSettings(is_server_aware=is_server_aware)
        self.host = HostApplication(host_id or f"uns-{enterprise}", settings=settings)
        client_id = f"uns-namespace-{self.host.host_id}"
        servers = [TreeServer(broker, client_id) for broker in brokers]
        self._servers = {server.name: server for server in servers}
        self._root = f"{enterprise}/_service/{self.host.host_id}"
        self._state = State(self._root)
        self._turn = asyncio.Lock()  # what is worked out first is published first
        self._is_started = False
        self._last_words: Output | None = None
        self._ask_at_ms: int | None = None  # after a change of the project
        self._to_ask: list[NodeId] = []
        self._mistakes = 0

    @property
    def health(self) -> NamespaceHealth:
        """How it goes, as of now; counting topics takes about a millisecond per ten thousand."""
        tree, counts = self.namespace, self.namespace.counts
        servers = self._servers.values()
        return NamespaceHealth(
            is_online=any(server.is_online for server in servers),
            connects=sum(server.connects for server in servers),
            last_error=next((s.last_error for s in servers if s.last_error), ""),
            metrics_in=counts.metrics,
            values_out=sum(server.values_out for server in servers),
            flagged=counts.flagged,
            quarantined=counts.quarantined,
            ignored=counts.ignored,
            late=counts.late,
            ghosts=counts.ghosts,
            problems=counts.problems + self._mistakes,
            nodes_online=tree.nodes_online,
            machines_online=tree.machines_online,
            topics=tree.topics,
            topics_live=tree.topics_live,
            topics_stale=tree.topics_stale,
        )

    def value_of(self, topic: str) -> Any:
        """Return the value that a topic shows now; None where it has none or is not ours."""
        leaf = self.namespace.find(topic)
        return None if leaf is None else msgspec.json.decode(leaf.text)

    async def run(self) -> None:
        """Stay connected until cancelled; then mark what we showed as old and say goodbye."""
        async with asyncio.TaskGroup() as tasks:
            for server in self._servers.values():
                tasks.create_task(self._stay(server), name=f"namespace:{server.name}")
            tasks.create_task(self._tick(), name="namespace:tick")

    async def change(
        self,
        machines: Sequence[Machine],
        foreign: Sequence[ForeignRule] = (),
        within: Sequence[TopicFilter] = (),
        aliases: Sequence[Alias] = (),
        *,
        has_other_rules: bool = False,
    ) -> None:
        """Take over what changed in the project; what stays is not said again.

        Where `has_other_rules`, devices of others are asked for their births.
        """
        async with self._turn:
            now = now_ms()
            await self._publish(self.namespace.change(machines, foreign, within, aliases, now))
            self._ask_at_ms = now + int(ASK_AFTER_S * 1000)
            self._to_ask = self.namespace.nodes_foreign if has_other_rules else []

    async def _stay(self, server: TreeServer) -> None:
        endless = server.sessions(lambda: self.host.will(now_ms(), server=server.name))
        async with aclosing(endless):
            async for session in endless:
                try:
                    await self._serve(server, session)
                except* BrokerError as errors:
                    server.last_error = str(errors.exceptions[0])
                finally:
                    server.lost()
                await self._lost(server)

    async def _serve(self, server: TreeServer, session: Session) -> None:
        try:
            is_broker_new = await self._recall(server)
            await session.subscribe(self.host.subscriptions(server=server.name))
            async with asyncio.TaskGroup() as tasks:
                async with self._turn:
                    await self._arrive(server, session)
                if is_broker_new:
                    tasks.create_task(self._define(server), name="namespace:define")
                tasks.create_task(self._ask(session), name="namespace:ask")
                tasks.create_task(self._receive(server, session), name="namespace:receive")
        except asyncio.CancelledError:
            await self._leave(server, session)
            raise

    async def _recall(self, server: TreeServer) -> bool:
        """Read what the broker remembers; return whether it needs our definitions.

        At the start that is our whole tree, later only the `_state` that we publish behind our
        definitions: a broker that has lost it has lost the rest as well.
        """
        is_known = False

        def take(message: Message) -> None:
            nonlocal is_known
            is_known = is_known or message.topic == f"{self._root}/_state"
            if not self._is_started:
                self.namespace.remembered(message.topic, message.payload, now_ms())

        wanted = f"{self._root}/_state" if self._is_started else f"{self.namespace.enterprise}/#"
        await server.recall(wanted, f"{self._root}/_recall", take)
        return not is_known or not server.connects

    async def _arrive(self, server: TreeServer, session: Session) -> None:
        """Say STATE online; where the tree is known already, show it."""
        now = now_ms()
        server.arrived(session)
        await self._carry_out(self.host.connected(now, server=server.name), now)
        if self._is_started:
            await server.publish(self.namespace.current())
        else:
            self._is_started = True
            self.namespace.started(now)

    async def _lost(self, server: TreeServer) -> None:
        """A broker is gone: what was learnt through it is stale, and the others show that."""
        async with self._turn:
            now = now_ms()
            events = self.host.disconnected(now, server=server.name)
            await self._publish(self.namespace.apply_all(_facts(events), now))

    async def _define(self, server: TreeServer) -> None:
        """Publish every `_meta`, and behind them the `_state` that says so."""
        definitions = self.namespace.definitions()
        while some := list(islice(definitions, _AT_ONCE)):
            await server.publish(Output([], some))
            await asyncio.sleep(0)
        await server.publish(Output([], self._presence(Presence.ONLINE, "")))

    async def _ask(self, session: Session) -> None:
        """Ask the project's edge nodes for their births, where none has come by itself.

        A host hears of a node by its messages; one that has nothing new to say is silent.
        """
        await asyncio.sleep(ASK_AFTER_S)
        missing = iter(self.namespace.nodes_missing)
        while some := list(islice(missing, _ASKED_AT_ONCE)):
            for node in some:
                await session.publish(self.host.request_rebirth(node, now_ms()).message)
            await asyncio.sleep(TICK_S)

    async def _receive(self, server: TreeServer, session: Session) -> None:
        async for batch in session.batches():
            is_first = True
            for part in _parts(batch):
                if not is_first:  # a batch of one part needs no further turn of the event loop
                    await asyncio.sleep(0)
                is_first = False
                async with self._turn:
                    now = now_ms()
                    # one message at a time: a birth shows slots, which the next message changes
                    heard = (e for m in part for e in self._understood(m, now, server.name))
                    await self._carry_out(heard, now)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            async with self._turn:
                if any(server.is_online for server in self._servers.values()):
                    now = now_ms()
                    await self._carry_out(self.host.tick(now), now)
                    await self._publish(self.namespace.tick(now))
                    await self._ask_again(now)

    async def _ask_again(self, now: int) -> None:
        """Ask edge nodes for births that the changed project needs and that have not come."""
        if self._ask_at_ms is not None and now >= self._ask_at_ms:
            self._ask_at_ms = None
            self._to_ask += self.namespace.nodes_to_ask
        some, self._to_ask = self._to_ask[:_ASKED_AT_ONCE], self._to_ask[_ASKED_AT_ONCE:]
        await self._carry_out([self.host.request_rebirth(node, now) for node in some], now)

    def _understood(self, message: Message, now: int, server: str) -> Sequence[Event]:
        """What the host makes of a message; a mistake of ours costs that message only."""
        try:
            return self.host.received(message, now, server=server)
        except Exception:
            self._mistakes += 1
            log.exception("a message on %s stopped the host application", message.topic)
            return ()

    async def _carry_out(self, events: Iterable[Event], now: int) -> None:
        """Publish what events ask for and what they mean for the tree."""
        out = Output.empty()
        for event in events:
            match event:
                case Publish():
                    await self._servers[event.server].publish(Output([], [event.message]))
                case Reconnect():
                    self._servers[event.server].drop(event.reason)
                case Born() | Changed() | Died() | Problem():
                    self._apply(event, now, out)
        await self._publish(out)

    def _apply(self, event: Fact, now: int, out: Output) -> None:
        """Add what an event means for the tree; a mistake of ours costs that event only."""
        _tell(event)
        try:
            found = self.namespace.apply(event, now)
        except Exception:
            self._mistakes += 1
            log.exception("an event of %s stopped the namespace", event.node)
            return
        out.values += found.values
        out.messages += found.messages
        out.late += found.late
        for notice in found.notices:
            log.warning("%s", notice)

    async def _publish(self, out: Output) -> None:
        """Publish to every broker that is there, each at its own pace."""
        online = [server for server in self._servers.values() if server.is_online]
        if len(online) == 1:
            await online[0].publish(out)
        elif online:
            await asyncio.gather(*(server.publish(out) for server in online))

    def _presence(self, presence: Presence, reason: str) -> list[Message]:
        """Return our own `_state`, said anew."""
        message = self._state.become(presence, reason, now_ms())
        return [message or self._state.message()]

    async def _leave(self, server: TreeServer, session: Session) -> None:
        """Mark values as old, say offline, disconnect; a broker that is gone has our will."""
        now = now_ms()
        if self._last_words is None:
            self._last_words = self.namespace.stopping(now)
            self._last_words.messages += self._presence(Presence.OFFLINE, "stopped")
        try:
            async with asyncio.timeout(LEAVE_S):
                await server.publish(self._last_words)
                goodbye = self.host.stopping(now, server=server.name)
                said = [event.message for event in goodbye if isinstance(event, Publish)]
                await session.publish_all(said)
                await session.close()
        except (BrokerError, TimeoutError) as error:
            log.warning("could not say goodbye (%s); the will speaks for us", error)
            session.abort()


def _parts(batch: Sequence[Message]) -> Iterator[Sequence[Message]]:
    """Cut a batch into parts that are worked off at once; there is at least one message in each."""
    begin = size = 0
    for place, message in enumerate(batch, 1):
        size += len(message.payload)
        if size >= _AT_ONCE_BYTES or place - begin >= _AT_ONCE:
            yield batch[begin:place]
            begin, size = place, 0
    if begin < len(batch):
        yield batch[begin:]


def _facts(events: Iterable[Event]) -> list[Fact]:
    return [event for event in events if isinstance(event, Born | Changed | Died | Problem)]


def _tell(event: Any) -> None:
    """Log what changed state; values are counted, not logged."""
    match event:
        case Born(device_id=""):
            log.info("edge node %s is online", event.node)
        case Died(device_id=None):
            log.warning("edge node %s is gone, its values are stale: %s", event.node, event.reason)
        case Died():  # its bridge has said why; 25 machines of one line would say it 25 times
            log.info("device %s/%s is gone: %s", event.node, event.device_id, event.reason)
        case Problem():
            where = "/".join(
                filter(None, (event.node.group_id, event.node.edge_node_id, event.device_id))
            )
            log.warning("%s: %s", where or "a message was ignored", event.text)
