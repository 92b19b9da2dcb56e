"""Rules of a host application's MQTT session: its CONNECT, its will, its subscriptions, its leave."""

from __future__ import annotations

from dataclasses import dataclass

from uns.errors import PeerProtocolError
from uns.message import Message
from uns.sparkplug.monitor.client import Client
from uns.sparkplug.monitor.rule import KEPT, Rule, tck
from uns.sparkplug.monitor.session_rules import clean_session, clean_start
from uns.sparkplug.monitor.state_rules import StateSight
from uns.sparkplug.names import NAMESPACE, state_topic
from uns.sparkplug.state import HostState

__all__ = [
    "HOST_CONNECT_RULES",
    "HOST_LEAVE_RULES",
    "HOST_SESSION_RULES",
    "HostConnecting",
    "state_in",
]

_HOST = "operational-behavior-host-application"
_FLOW = "message-flow-phid-sparkplug"
_TOPIC = "host-topic-phid"
_SERVERS = "operational-behavior-primary-application-state-with-multiple-servers"


@dataclass(frozen=True, slots=True)
class HostConnecting:
    """A CONNECT of a host application."""

    client: Client
    host_id: str
    will: Message | None
    now_ms: int
    clock_ms: int
    last_ms: int | None  # the newest timestamp that this host said before


def state_in(message: Message | None) -> HostState | None:
    """What a STATE says; None where there is none."""
    if message is None:
        return None
    try:
        return HostState.parse(message.payload)
    except PeerProtocolError:
        return None


def _has_will(seen: HostConnecting) -> str | None:
    return KEPT if seen.will is not None else "no will"


def _will_topic(seen: HostConnecting) -> str | None:
    if seen.will is None:
        return None
    return KEPT if seen.will.topic == state_topic(seen.host_id) else f"`{seen.will.topic}`"


def _will_qos(seen: HostConnecting) -> str | None:
    if seen.will is None:
        return None
    return KEPT if seen.will.qos == 1 else f"QoS {seen.will.qos}"


def _will_retain(seen: HostConnecting) -> str | None:
    if seen.will is None:
        return None
    return KEPT if seen.will.retain else "retain false"


def _will_payload(seen: HostConnecting) -> str | None:
    if seen.will is None:
        return None
    said = state_in(seen.will)
    if said is None or said.is_online:
        return f"{seen.will.payload[:80]!r}"
    return KEPT


def _will_now(seen: HostConnecting) -> str | None:
    said = state_in(seen.will)
    if said is None:
        return None
    off_ms = said.timestamp_ms - seen.now_ms
    return (
        KEPT
        if abs(off_ms) <= seen.clock_ms
        else f"{said.timestamp_ms}, {abs(off_ms) / 1000:,.0f} s off"
    )


def _will_forward(seen: HostConnecting) -> str | None:
    said = state_in(seen.will)
    if said is None or seen.last_ms is None:
        return None
    is_back = said.timestamp_ms < seen.last_ms
    return f"{said.timestamp_ms} after {seen.last_ms}" if is_back else KEPT


HOST_CONNECT_RULES: tuple[Rule[HostConnecting], ...] = (
    Rule(
        tck(f"{_FLOW}-clean-session-311"),
        "clean session",
        lambda seen: clean_session(seen.client),
        "connect with clean session true",
    ),
    Rule(
        tck(f"{_FLOW}-clean-session-50"),
        "clean start, and session expiry 0",
        lambda seen: clean_start(seen.client),
        "connect with clean start true and no session expiry",
    ),
    Rule(
        tck(f"{_TOPIC}-death-required", f"{_HOST}-connect-will", "payloads-state-will-message"),
        "the STATE death as will",
        _has_will,
        "register the STATE death as the will of each CONNECT",
    ),
    Rule(
        tck(f"{_TOPIC}-death-topic", f"{_HOST}-connect-will-topic", "payloads-state-will-message"),
        "spBv1.0/STATE/<host id>",
        _will_topic,
        "give the will the host's STATE topic",
    ),
    Rule(
        tck(f"{_TOPIC}-death-qos", f"{_HOST}-connect-will-qos", "payloads-state-will-message-qos"),
        "QoS 1",
        _will_qos,
        "register the will with QoS 1",
    ),
    Rule(
        tck(
            f"{_TOPIC}-death-retain",
            f"{_HOST}-connect-will-retained",
            "payloads-state-will-message-retain",
        ),
        "retain true",
        _will_retain,
        "register the will retained",
    ),
    Rule(
        tck(
            f"{_TOPIC}-death-payload",
            f"{_HOST}-connect-will-payload",
            "payloads-state-will-message-payload",
        ),
        '{"online": false, "timestamp": <ms since 1970 UTC>}',
        _will_payload,
        "write the will's payload as JSON, online false",
    ),
    Rule(
        tck(f"{_TOPIC}-death-payload-timestamp-connect", "payloads-state-will-message-payload"),
        "the time of the CONNECT",
        _will_now,
        "make the will anew for each CONNECT",
    ),
    Rule(
        tck(f"{_HOST}-connect-will-payload"),
        "a timestamp never below the last",
        _will_forward,
        "remember the last timestamp, and never go below it",
    ),
)
"""What a CONNECT of a host shows."""


def _in_session(sight: StateSight) -> Client | None:
    client = sight.client
    return client if client is not None and client.connect is not None else None


def _own_state(sight: StateSight) -> str | None:
    client = _in_session(sight)
    if client is None:
        return None
    is_there = client.granted(sight.message.topic) is not None
    return KEPT if is_there else "no subscription to its own STATE"


def _namespace(sight: StateSight) -> str | None:
    client = _in_session(sight)
    if client is None:
        return None
    if client.granted(sight.message.topic) is None:
        return "no subscription to its own STATE"
    probes = [text for text, _ in client.filters if text.startswith((f"{NAMESPACE}/", "#", "+/"))]
    others = [text for text in probes if text != sight.message.topic]
    return KEPT if others else f"no subscription below {NAMESPACE}/"


def _first(sight: StateSight) -> str | None:
    client = _in_session(sight)
    if client is None or client.born_ms is not None:
        return None
    return KEPT if not client.has_published else "something else first"


def _as_will(sight: StateSight) -> str | None:
    client = _in_session(sight)
    will = state_in(client.connect.will) if client is not None and client.connect else None
    if will is None or sight.said is None:
        return None
    is_same = sight.said.timestamp_ms == will.timestamp_ms
    return KEPT if is_same else f"{sight.said.timestamp_ms}, and {will.timestamp_ms} in the will"


def _alone(sight: StateSight) -> str | None:
    client, other = _in_session(sight), sight.other
    if client is None:
        return None
    if other is None or other is client or not other.is_connected:
        return KEPT
    return f"client `{client.id}`, while `{other.id}` has the same host id"


HOST_SESSION_RULES: tuple[Rule[StateSight], ...] = (
    Rule(
        tck("payloads-state-subscribe"),
        "a subscription to its own STATE, before its birth",
        _own_state,
        "subscribe to the host's own STATE topic first",
    ),
    Rule(
        tck(f"{_FLOW}-subscription", f"{_TOPIC}-birth-sub-required"),
        "subscriptions to its own STATE and below spBv1.0/, before its birth",
        _namespace,
        "subscribe first, then publish the STATE birth",
    ),
    Rule(
        tck(
            f"{_TOPIC}-birth-message",
            "principles-birth-certificates-order",
            f"{_SERVERS}-state",
            f"{_SERVERS}-state-subs",
        ),
        "the STATE birth before anything else",
        _first,
        "publish the STATE birth first, in each session",
    ),
    Rule(
        tck(
            f"{_TOPIC}-birth-payload-timestamp",
            f"{_FLOW}-state-publish-payload-timestamp",
            f"{_FLOW}-state-publish-payload",
            f"{_HOST}-connect-birth-payload",
            f"{_HOST}-multi-server-timestamp",
            "payloads-state-birth-payload",
        ),
        "the timestamp of the CONNECT's will",
        _as_will,
        "say in the birth what the will of this session says",
    ),
    Rule(
        tck(f"{_HOST}-host-id"),
        "one client for each host id",
        _alone,
        "give each host application an id of its own",
    ),
)
"""What a STATE birth shows beside the session that it came in."""


def _said_goodbye(client: Client) -> bool:
    return client.born_ms is not None and client.died_ms is not None


def _birth(client: Client) -> str | None:
    if client.connect is None or client.ended_ms is None:
        return None
    stayed_ms = client.ended_ms - client.since_ms
    if client.born_ms is not None or stayed_ms <= client.clock_ms:
        return None if client.born_ms is None else KEPT
    return f"none in {stayed_ms / 1000:,.0f} s"


def _death(client: Client) -> str | None:
    if client.born_ms is None or client.reason is None:
        return None
    return KEPT if _said_goodbye(client) else "a DISCONNECT without a STATE death before it"


def _time(client: Client) -> str | None:
    if not _said_goodbye(client):
        return None
    off_ms = client.death_off_ms
    return KEPT if abs(off_ms) <= client.clock_ms else f"{abs(off_ms) / 1000:,.0f} s off"


def _time_clean(client: Client) -> str | None:
    return _time(client) if client.reason is not None else None


def _time_cut(client: Client) -> str | None:
    return _time(client) if client.reason is None else None


def _packet(client: Client) -> str | None:
    return KEPT if client.reason is not None and _said_goodbye(client) else None


HOST_LEAVE_RULES: tuple[Rule[Client], ...] = (
    Rule(
        tck(
            "conformance-primary-host",
            "intro-sparkplug-host-state",
            f"{_FLOW}-state-publish",
            f"{_TOPIC}-birth-required",
            f"{_HOST}-connect-birth",
        ),
        "a STATE birth at once after connecting",
        _birth,
        "publish the STATE birth when the subscriptions are granted",
    ),
    Rule(
        tck(f"{_HOST}-termination", "components-ph-state", "intro-sparkplug-host-state"),
        "a STATE death before a DISCONNECT",
        _death,
        "publish the STATE death, then disconnect",
    ),
    Rule(
        tck(f"{_TOPIC}-death-payload-timestamp-disconnect-clean"),
        "the time of leaving in the STATE death",
        _time_clean,
        "use the time of now, not that of the CONNECT",
    ),
    Rule(
        tck(f"{_TOPIC}-death-payload-timestamp-disconnect-with-no-disconnect-packet"),
        "the time of leaving in the STATE death",
        _time_cut,
        "use the time of now, not that of the CONNECT",
    ),
    Rule(tck(f"{_HOST}-disconnect-intentional"), "", _packet),
)
"""What the end of a host's connection shows."""
