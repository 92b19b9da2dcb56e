"""A broker check: whether a broker lets us in, and carries what a project is going to send.

It is asked as our services ask: one session, their subscriptions, and a few small messages on a
topic of our own that are not kept. What it does not let us see is told as not asked.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from uns.equipment import Connection, Machine
from uns.errors import BrokerError
from uns.message import Message
from uns.mqtt import Broker, Session, connect
from uns.mqtt.connect import RefusedError
from uns.packet import MQTT_3
from uns.project.project import Project
from uns.service.edge import KEEPALIVE_S, now_ms
from uns.service.live_check import LiveFinding, span
from uns.vqt import read_vqt

__all__ = ["BrokerAnswers", "check_brokers"]

_PROBES: Final = 3
_ECHO_S: Final = 2.0  # for each: behind 50,000 retained values the first takes half a second
_LISTEN_S: Final = 3.0  # usual scans are a second and less
_ENOUGH: Final = 100  # fresh values
_FEW: Final = 5  # one late value says nothing of a clock, five do
_SKEW_MS: Final = 2000
_METRIC_BYTES: Final = 100  # of a metric in a birth without its names, as UNS253 reckons

_LOGIN: Final = "check user name and password: mqtt://user:password@host"
_READ: Final = "ask for the right to read it in the broker's access list"
_WRITE: Final = "ask for the right to write there in the broker's access list"


@dataclass(frozen=True, slots=True)
class BrokerAnswers:
    """What brokers say otherwise, and sentences about what they were not asked."""

    findings: list[LiveFinding] = field(default_factory=list)
    not_asked: list[str] = field(default_factory=list)


async def check_brokers(
    project: Project, brokers: Sequence[tuple[Connection, Broker]], *, within_s: float
) -> BrokerAnswers:
    """Ask brokers side by side, each for `within_s` at most; a connection says where it stands."""
    asked = [_Inquiry(project, connection, broker) for connection, broker in brokers]
    async with asyncio.TaskGroup() as group:
        for one in asked:
            group.create_task(one.run(within_s), name=f"check:{one.broker.address}")
    return BrokerAnswers(
        [finding for one in asked for finding in one.findings],
        [f"{one.broker.address}: {sentence}" for one in asked for sentence in one.not_asked],
    )


class _Ears:
    """What comes in: our own message, and how far from our clock the fresh values are."""

    def __init__(self, probe: str, enterprise: str) -> None:
        self.echoed, self.enough = asyncio.Event(), asyncio.Event()
        self.ahead: dict[str, int] = {}  # milliseconds, by topic
        self._probe = probe
        self._below = f"{enterprise}/"

    async def listen(self, session: Session) -> None:
        """Read until cancelled; a session that is lost is told by whoever uses it."""
        try:
            async for batch in session.batches():
                for message in batch:
                    self._take(message)
        except BrokerError:
            return

    def _take(self, message: Message) -> None:
        topic = message.topic
        if topic == self._probe:
            self.echoed.set()
        is_value = topic.startswith(self._below) and "/_" not in topic
        if message.retain or not is_value or len(self.ahead) >= _ENOUGH:
            return
        vqt = read_vqt(message.payload)
        if vqt is not None and vqt.quality == "Good" and vqt.timestamp_ms:
            self.ahead[topic] = vqt.timestamp_ms - now_ms()
        if len(self.ahead) >= _ENOUGH:
            self.enough.set()


class _Inquiry:
    """One broker, what is wrong with it, and what it was not asked."""

    def __init__(self, project: Project, connection: Connection, broker: Broker) -> None:
        self.broker = broker
        self.findings: list[LiveFinding] = []
        self.not_asked: list[str] = []
        self._project = project
        self._connection = connection
        self._name = f"uns-check-{secrets.token_hex(4)}"
        self._tree = f"{project.enterprise}/#"

    async def run(self, within_s: float) -> None:
        """Ask everything that can be asked."""
        try:
            async with asyncio.timeout(within_s):
                session = await connect(self.broker, self._name)
                try:
                    await self._ask(session)
                finally:
                    await session.close()
        except TimeoutError:
            sentence = f"{self.broker.address} did not answer all we asked within {within_s:g} s"
            self._find("UNS530", sentence, "is it overloaded? `--timeout` gives it longer")
        except RefusedError as error:
            self._find("UNS530", str(error), _LOGIN)
        except BrokerError as error:
            self._find("UNS530", str(error), error.hint)

    def _find(self, code: str, message: str, hint: str, *, is_error: bool = True) -> None:
        finding = LiveFinding(code, message, hint, self._connection, is_error=is_error)
        self.findings.append(finding)

    async def _ask(self, session: Session) -> None:
        self._judge(session)
        refused = [text for text in (self._tree, "spBv1.0/#") if await self._denied(session, text)]
        if not session.is_connected:
            self.not_asked.append("what we may publish, and clocks: it ended the session")
            return
        if session.properties.get("max_qos") == 0:
            self.not_asked.append("what we may publish, and clocks: it has QoS 0 only")
            return
        probe = f"{self._project.enterprise}/_service/_check/{self._name}"
        ears = _Ears(probe, self._project.enterprise)
        listening = asyncio.create_task(ears.listen(session), name=f"check:{self._name}:listen")
        try:
            if self._tree in refused:
                await self._publish(session, probe)
                self.not_asked.append("whether messages come through, and clocks")
                return
            if not await self._probe(session, probe, ears):
                self.not_asked.append("whether messages come through, and clocks")
                return
            await self._compare_clocks(ears)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    def _judge(self, session: Session) -> None:
        """What its answer to our CONNECT says."""
        address = self.broker.address
        if session.protocol == MQTT_3:
            self._find(
                "UNS533",
                f"{address} speaks MQTT 3.1.1 only: it hides what it refuses",
                "take a broker with MQTT 5, or look into its log when something is missing",
                is_error=False,
            )
            self.not_asked.append("its limits: MQTT 3.1.1 has no words for them")
            return
        for message, hint, is_error in _limits(session.properties, self._project):
            self._find("UNS534", f"{address} {message}", hint, is_error=is_error)

    async def _denied(self, session: Session, text: str) -> bool:
        """Subscribe to a filter of ours; whether it is refused."""
        if not session.is_connected:
            return True
        try:
            await session.subscribe([(text, 0)])
        except BrokerError as error:
            told = str(error) if session.is_connected else f"{error} when asked for `{text}`"
            self._find("UNS531", told, _READ)
            return True
        return False

    async def _publish(self, session: Session, topic: str) -> float | None:
        """Publish once; the seconds until it was acknowledged, None where it is refused."""
        began = time.perf_counter()
        try:
            await session.publish(Message(topic, b"uns check", qos=1))
        except BrokerError as error:
            told = str(error) if session.is_connected else f"{error} when we published to `{topic}`"
            self._find("UNS532", told.replace(self._name, "…"), _WRITE)
            return None
        return time.perf_counter() - began

    async def _probe(self, session: Session, topic: str, ears: _Ears) -> bool:
        """Publish a message of ours until it comes back; whether it may be published at all."""
        fastest = float("inf")
        for _ in range(_PROBES):
            took_s = await self._publish(session, topic)
            if took_s is None:
                return False
            fastest = min(fastest, took_s)
            try:
                async with asyncio.timeout(_ECHO_S):
                    await ears.echoed.wait()
                break
            except TimeoutError:
                continue
        else:
            self._find("UNS531", self._silence(session), _READ)
        window = session.properties.get("receive_maximum")
        if window and (message := _slow(window, fastest, self._project)):
            hint = "raise it (Mosquitto: `max_inflight_messages 1000`), or shorten the way there"
            self._find("UNS534", f"{self.broker.address} {message}", hint, is_error=False)
        return True

    def _silence(self, session: Session) -> str:
        address = self.broker.address
        if session.protocol == MQTT_3:
            return (
                f"{address} does not bring our own message below `{self._tree}` back: "
                "it hides that we may not publish, or not read"
            )
        return (
            f"{address} takes the subscription to `{self._tree}` and delivers nothing: "
            "our own message did not come back"
        )

    async def _compare_clocks(self, ears: _Ears) -> None:
        """What values that come in now say of the clocks where they come from."""
        try:
            async with asyncio.timeout(_LISTEN_S):
                await ears.enough.wait()
        except TimeoutError:
            pass
        if not ears.ahead:
            self.not_asked.append(f"clocks: no value came within {_LISTEN_S:g} s; does `uns run`?")
            return
        topic, ahead_ms = max(ears.ahead.items(), key=lambda one: one[1])
        if abs(ahead_ms) <= _SKEW_MS or (ahead_ms < 0 and len(ears.ahead) < _FEW):
            return
        way = "ahead of" if ahead_ms > 0 else "behind"
        count = "the latest value" if ahead_ms < 0 else "a value"
        self._find(
            "UNS535",
            f"{count} on {self.broker.address}, `{topic}`, is {span(abs(ahead_ms) / 1000)} {way} "
            "our clock",
            "let all machines follow one NTP server; `uns explain` tells where it comes from",
            is_error=False,
        )


_Limit = tuple[str, str, bool]  # message behind the broker's address, hint, whether it is an error


def _limits(said: Mapping[str, Any], project: Project) -> Iterator[_Limit]:
    """Which of a broker's limits (MQTT 5.0 §3.2.2.3) the project does not fit into."""
    if said.get("retain_available") == 0:
        hint = "allow them (Mosquitto: `retain_available true`)"
        yield "keeps no retained messages: whoever comes later sees no values", hint, True
    if said.get("max_qos") == 0:
        hint = "allow QoS 1 (Mosquitto: `max_qos 2`)"
        yield "has QoS 0 only: values of `deliver: every` may get lost", hint, True
    births = [(_birth_bytes(machine), machine) for machine in project.machines]
    largest, machine = max(births, key=lambda one: one[0], default=(0, None))
    most = said.get("maximum_packet_size")
    if machine is not None and most is not None and largest > most:
        message = f"takes {most:,} bytes at once; the birth of `{machine.topic}` has about "
        hint = "raise it (Mosquitto: `max_packet_size`), or make parts of it machines"
        yield f"{message}{largest:,}", hint, True
    keepalive_s = said.get("server_keep_alive")
    if keepalive_s is not None and not 0 < keepalive_s <= 2 * KEEPALIVE_S:
        after = f"after {1.5 * keepalive_s:g} s" if keepalive_s else "never"
        message = f"makes the keep-alive {keepalive_s} s: a bridge that hangs is noticed {after}"
        yield message, f"let it accept {KEEPALIVE_S} s", False


def _birth_bytes(machine: Machine) -> int:
    return sum(len(tag.name) + len(tag.topic.text) + _METRIC_BYTES for tag in machine.tags)


def _slow(window: int, took_s: float, project: Project) -> str:
    """A sentence where acknowledged messages would come slower than the project has them."""
    tags = (tag for machine in project.machines for tag in machine.tags)
    wanted = sum(1 / tag.scan_s for tag in tags if tag.deliver_every and tag.source is not None)
    most = window / took_s
    if wanted <= most:
        return ""
    return (
        f"takes {window} messages under way and acknowledges in {took_s * 1000:.0f} ms: "
        f"{most:.0f}/s, and `deliver: every` may have {wanted:.0f}/s"
    )
