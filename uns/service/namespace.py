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
from uns.mqtt import Broker, Session, sessions
from uns.namespace import Fact, ForeignRule, Namespace, Output, Presence, State
from uns.service.edge import now_ms
from uns.service.recall import recall
from uns.sparkplug import Born, Changed, Died, Event, HostApplication, Problem, Publish, Reconnect

__all__ = ["NamespaceHealth", "NamespaceService"]

log = logging.getLogger("uns.namespace")

TICK_S = 0.2
KEEPALIVE_S = 5
LEAVE_S = 3.0
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
    """Keeps the tree below `enterprise` true, on one broker, until cancelled.

    `host_id` names this host application; two services on one broker need two of them.
    `foreign` are the project's rules for devices of others.
    """

    def __init__(
        self,
        enterprise: str,
        machines: Sequence[Machine],
        broker: Broker,
        *,
        host_id: str = "",
        foreign: Sequence[ForeignRule] = (),
    ) -> None:
        """Compile everything; connect to nothing yet."""
        self.namespace = Namespace(enterprise, machines, foreign)
        self.host = HostApplication(host_id or f"uns-{enterprise}")
        self._broker = broker
        self._client_id = f"uns-namespace-{self.host.host_id}"
        self._root = f"{enterprise}/_service/{self.host.host_id}"
        self._state = State(self._root)
        self._turn = asyncio.Lock()  # what is worked out first is published first
        self._is_started = False
        self._is_online = False
        self._connects = 0
        self._values_out = 0
        self._mistakes = 0
        self._refused: set[str] = set()
        self._last_error = ""

    @property
    def health(self) -> NamespaceHealth:
        """How it goes, as of now; counting topics takes about a millisecond per ten thousand."""
        tree, counts = self.namespace, self.namespace.counts
        return NamespaceHealth(
            is_online=self._is_online,
            connects=self._connects,
            last_error=self._last_error,
            metrics_in=counts.metrics,
            values_out=self._values_out,
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
        endless = sessions(
            self._broker,
            self._client_id,
            will=lambda: self.host.will(now_ms()),
            keepalive_s=KEEPALIVE_S,
            on_state=_said,
        )
        async with aclosing(endless):
            async for session in endless:
                try:
                    await self._serve(session)
                except* BrokerError as errors:
                    self._last_error = str(errors.exceptions[0])
                finally:
                    self._is_online = False
                    # The broker cannot be told now; all of it is published on the way back.
                    self.namespace.apply_all(_facts(self.host.disconnected(now_ms())), now_ms())

    async def _serve(self, session: Session) -> None:
        try:
            is_broker_new = await self._recall()
            await session.subscribe(self.host.subscriptions())
            async with asyncio.TaskGroup() as tasks:
                async with self._turn:
                    await self._arrive(session)
                if is_broker_new:
                    tasks.create_task(self._define(session), name="namespace:define")
                tasks.create_task(self._receive(session), name="namespace:receive")
                tasks.create_task(self._ask(session), name="namespace:ask")
                tasks.create_task(self._tick(session), name="namespace:tick")
        except asyncio.CancelledError:
            await self._leave(session)
            raise

    async def _recall(self) -> bool:
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
        is_complete = await recall(
            self._broker, f"{self._client_id}-recall", [wanted], f"{self._root}/_recall", take
        )
        if not is_complete:
            log.warning("the broker did not come to an end with its retained messages")
        return not is_known or not self._is_started

    async def _arrive(self, session: Session) -> None:
        """Say STATE online; on the way back, show again what is known."""
        now = now_ms()
        await self._carry_out(session, self.host.connected(now), now)
        if self._is_started:
            await self._publish(session, self.namespace.current())
        else:
            self._is_started = True
            self.namespace.started(now)
        self._is_online = True
        self._connects += 1

    async def _define(self, session: Session) -> None:
        """Publish every `_meta`, and behind them the `_state` that says so."""
        definitions = self.namespace.definitions()
        while some := list(islice(definitions, _AT_ONCE)):
            await self._publish(session, Output([], some))
            await asyncio.sleep(0)
        await self._publish(session, Output([], self._presence(Presence.ONLINE, "")))

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

    async def _receive(self, session: Session) -> None:
        async for batch in session.batches():
            is_first = True
            for part in _parts(batch):
                if not is_first:  # a batch of one part needs no further turn of the event loop
                    await asyncio.sleep(0)
                is_first = False
                async with self._turn:
                    now = now_ms()
                    events = [e for message in part for e in self._understood(message, now)]
                    await self._carry_out(session, events, now)

    async def _tick(self, session: Session) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            async with self._turn:
                now = now_ms()
                await self._carry_out(session, self.host.tick(now), now)
                await self._publish(session, self.namespace.tick(now))

    def _understood(self, message: Message, now: int) -> Sequence[Event]:
        """What the host makes of a message; a mistake of ours costs that message only."""
        try:
            return self.host.received(message, now)
        except Exception:
            self._mistakes += 1
            log.exception("a message on %s stopped the host application", message.topic)
            return ()

    async def _carry_out(self, session: Session, events: Sequence[Event], now: int) -> None:
        """Publish what events ask for and what they mean for the tree.

        A session that is to begin anew fails, and the next one has a will of its own.
        """
        out = Output([], [event.message for event in events if isinstance(event, Publish)])
        for event in _facts(events):
            _tell(event)
            try:
                found = self.namespace.apply(event, now)
            except Exception:
                self._mistakes += 1
                log.exception("an event of %s stopped the namespace", event.node)
                continue
            out.values += found.values
            out.messages += found.messages
            for notice in found.notices:
                log.warning("%s", notice)
        await self._publish(session, out)
        for reconnect in events:
            if isinstance(reconnect, Reconnect):
                raise BrokerError(reconnect.reason)

    async def _publish(self, session: Session, out: Output) -> None:
        """Publish; a topic that the broker refuses is said once and costs nothing else."""
        if out.values:
            await session.publish_values(out.values)
        if out.messages:
            try:
                await session.publish_all(out.messages)
            except BrokerError as error:
                if not session.is_connected:
                    raise
                self._say_refused(error)
        self._values_out += len(out.values) + len(out.messages)

    def _say_refused(self, error: BrokerError) -> None:
        self._last_error = str(error)
        if self._last_error in self._refused or len(self._refused) >= _MOST_REFUSED:
            return
        self._refused.add(self._last_error)
        log.error("%s; %s", error, error.hint)

    def _presence(self, presence: Presence, reason: str) -> list[Message]:
        """Return our own `_state`, said anew."""
        message = self._state.become(presence, reason, now_ms())
        return [message or self._state.message()]

    async def _leave(self, session: Session) -> None:
        """Mark values as old, say offline, disconnect; a broker that is gone has our will."""
        now = now_ms()
        try:
            async with asyncio.timeout(LEAVE_S):
                await self._publish(session, self.namespace.stopping(now))
                last = self._presence(Presence.OFFLINE, "stopped")
                await self._publish(session, Output([], last))
                await self._carry_out(session, self.host.stopping(now), now)
                await session.close()
        except (BrokerError, TimeoutError) as error:
            log.warning("could not say goodbye (%s); the will speaks for us", error)
            session.abort()


_MOST_REFUSED = 100  # different sentences worth a line in the log


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


def _said(sentence: str, is_up: bool) -> None:  # noqa: FBT001 - the shape of on_state
    log.log(logging.INFO if is_up else logging.WARNING, "%s", sentence)
