"""Rules of STATE: how a host application says that it is here, and that it is gone."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from uns.errors import PeerProtocolError
from uns.message import Message
from uns.sparkplug.monitor.client import Client
from uns.sparkplug.monitor.rule import KEPT, Rule, tck
from uns.sparkplug.monitor.settings import MonitorSettings
from uns.sparkplug.monitor.topic_rules import Shape
from uns.sparkplug.names import NAMESPACE, MessageType
from uns.sparkplug.state import HostState

__all__ = ["BIRTH_RULES", "DEATH_RULES", "StateSight"]

_HOST = "operational-behavior-host-application"
_LEVELS = 3
_OLD_WORDS = {b"ONLINE": True, b"OFFLINE": False}  # of Sparkplug 2.2


@dataclass(frozen=True, slots=True)
class StateSight:
    """A STATE message; `said` is None where its payload is none."""

    message: Message
    shape: Shape
    now_ms: int
    settings: MonitorSettings
    said: HostState | None
    why: str  # there is nothing said
    is_online: bool | None  # as far as it can be told, also from a wrong payload
    client: Client | None
    last_ms: int | None = None  # the newest that this host said of itself before
    other: Client | None = None  # who said last that it is this host

    @classmethod
    def of(
        cls,
        message: Message,
        shape: Shape,
        now_ms: int,
        *,
        settings: MonitorSettings,
        client: Client | None,
    ) -> StateSight:
        """Look into a STATE message."""
        try:
            said, why = HostState.parse(message.payload), ""
        except PeerProtocolError as error:
            said, why = None, str(error)
        is_online = said.is_online if said else _guess(message.payload)
        return cls(message, shape, now_ms, settings, said, why, is_online, client)

    def beside(self, last_ms: int | None, other: Client | None) -> StateSight:
        """The same, with what is known of its host."""
        return replace(self, last_ms=last_ms, other=other)


def _guess(payload: bytes) -> bool | None:
    if payload in _OLD_WORDS:
        return _OLD_WORDS[payload]
    try:
        found = json.loads(payload[:4096])
    except (ValueError, RecursionError):
        return None
    online = found.get("online") if isinstance(found, dict) else None
    return online if isinstance(online, bool) else None


def _topic(sight: StateSight) -> str | None:
    levels = sight.shape.levels
    is_proper = levels[:2] == (NAMESPACE, str(MessageType.STATE)) and len(levels) == _LEVELS
    return KEPT if is_proper and levels[2] else f"`{sight.message.topic}`"


def _qos(sight: StateSight) -> str | None:
    return KEPT if sight.message.qos == 1 else f"QoS {sight.message.qos}"


def _retain(sight: StateSight) -> str | None:
    if sight.message.retain:
        return KEPT
    return "retain false" if sight.settings.sees_retain else None


def _payload(sight: StateSight) -> str | None:
    return sight.why


def _time(sight: StateSight) -> str | None:
    """Not ahead of us, and in a birth not before the last one.

    An old will may come at any time, and says what its CONNECT said.
    """
    if sight.said is None:
        return None
    at_ms = sight.said.timestamp_ms
    if at_ms > sight.now_ms + sight.settings.clock_ms:
        return f"{at_ms}, {(at_ms - sight.now_ms) / 1000:,.0f} s ahead of our clock"
    if sight.is_online and sight.last_ms is not None and at_ms < sight.last_ms:
        return f"{at_ms}, before the {sight.last_ms} of its last birth"
    return KEPT


def _seen(sight: StateSight) -> str | None:
    return KEPT if sight.said is not None else None


_ON_THE_TOPIC = "spBv1.0/STATE/<host id>"
_JSON = '{"online": true|false, "timestamp": <ms since 1970 UTC>}'
_REMEDY_TOPIC = "publish STATE on spBv1.0/STATE/<host id>"

BIRTH_RULES: tuple[Rule[StateSight], ...] = (
    Rule(
        tck("host-topic-phid-birth-topic", f"{_HOST}-connect-birth-topic"),
        _ON_THE_TOPIC,
        _topic,
        _REMEDY_TOPIC,
    ),
    Rule(
        tck("host-topic-phid-birth-qos", f"{_HOST}-connect-birth-qos", "payloads-state-birth"),
        "QoS 1",
        _qos,
        "publish STATE with QoS 1",
    ),
    Rule(
        tck(
            "host-topic-phid-birth-retain",
            f"{_HOST}-connect-birth-retained",
            "payloads-state-birth",
        ),
        "retain true",
        _retain,
        "publish STATE retained: edge nodes that connect later need it",
    ),
    Rule(
        tck(
            "host-topic-phid-birth-payload",
            f"{_HOST}-connect-birth-payload",
            "payloads-state-birth-payload",
            "message-flow-phid-sparkplug-state-publish-payload",
        ),
        _JSON,
        _payload,
        "write the payload as JSON",
    ),
    Rule(
        tck("host-topic-phid-birth-payload-timestamp"),
        "a timestamp of its CONNECT, never below the last",
        _time,
        "use the time of the CONNECT, in milliseconds UTC",
    ),
    Rule(
        tck(
            "conformance-primary-host",
            "components-ph-state",
            "intro-sparkplug-host-state",
            "message-flow-phid-sparkplug-state-publish",
            "host-topic-phid-birth-required",
            f"{_HOST}-connect-birth",
        ),
        "a STATE birth",
        _seen,
    ),
)
"""What a STATE that says online shows."""

DEATH_RULES: tuple[Rule[StateSight], ...] = (
    Rule(tck(f"{_HOST}-death-topic"), _ON_THE_TOPIC, _topic, _REMEDY_TOPIC),
    Rule(tck(f"{_HOST}-death-qos"), "QoS 1", _qos, "publish STATE with QoS 1"),
    Rule(tck(f"{_HOST}-death-retained"), "retain true", _retain, "publish STATE retained"),
    Rule(tck(f"{_HOST}-death-payload"), _JSON, _payload, "write the payload as JSON"),
    Rule(
        tck(f"{_HOST}-connect-will-payload"),
        "a time that is not ahead of now",
        _time,
        "use the time of the CONNECT in the will, the time of leaving in a published death",
    ),
)
"""What a STATE that says offline shows."""
