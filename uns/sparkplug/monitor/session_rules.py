"""Rules of an edge node's MQTT session: its CONNECT, its will, its subscriptions, its leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from uns.sparkplug.monitor.client import Client
from uns.sparkplug.monitor.message_rules import DBIRTH, NBIRTH
from uns.sparkplug.monitor.rule import KEPT, Rule, tck
from uns.sparkplug.monitor.sight import Sight
from uns.sparkplug.names import MessageType, NodeId, topic

__all__ = [
    "CONNECT_RULES",
    "LEAVE_RULES",
    "SESSION_RULES",
    "Connecting",
    "clean_session",
    "clean_start",
]

_WILL = "message-flow-edge-node-birth-publish-will-message"
_FLOW = "message-flow-edge-node-birth-publish"
_MQTT_3, _MQTT_5 = 4, 5
_WITH_WILL = 0x04  # MQTT 5.0 §3.14.2.1
_WRAP, _BEHIND = 256, 128


@dataclass(frozen=True, slots=True)
class Connecting:
    """A CONNECT of an edge node: `will` looked into, and the number of the one before it."""

    client: Client
    node: NodeId
    will: Sight | None
    last_bd_seq: int | None


def clean_session(client: Client) -> str | None:
    """Clean session, where the session speaks MQTT 3.1.1."""
    if client.connect is None or client.connect.protocol != _MQTT_3:
        return None
    return KEPT if client.connect.is_clean else "a persistent session"


def clean_start(client: Client) -> str | None:
    """Clean start and no session expiry, where the session speaks MQTT 5."""
    if client.connect is None or client.connect.protocol != _MQTT_5:
        return None
    if not client.connect.is_clean:
        return "clean start false"
    expiry_s = client.connect.expiry_s
    return f"session expiry {expiry_s} s" if expiry_s else KEPT


def _has_will(seen: Connecting) -> str | None:
    return KEPT if seen.will is not None else "no will"


def _will_topic(seen: Connecting) -> str | None:
    if seen.will is None:
        return None
    wanted, found = topic(MessageType.NDEATH, seen.node), seen.will.message.topic
    return KEPT if found == wanted else f"`{found}`"


def _will_qos(seen: Connecting) -> str | None:
    if seen.will is None:
        return None
    return KEPT if seen.will.message.qos == 1 else f"QoS {seen.will.message.qos}"


def _will_bd_seq(seen: Connecting) -> str | None:
    """Gaps are left by attempts that never came here; a node that lost its memory begins at 0."""
    if seen.will is None or seen.will.payload is None:
        return None
    number, last = seen.will.bd_seq, seen.last_bd_seq
    if number is None:
        return "no bdSeq"
    if number >= _WRAP:
        return f"bdSeq {number}"
    if last is None:
        return KEPT
    if number == last:
        return f"bdSeq {number} again"
    is_back = (number - last) % _WRAP >= _BEHIND
    return f"bdSeq {number} after {last}" if is_back and number else KEPT


CONNECT_RULES: tuple[Rule[Connecting], ...] = (
    Rule(
        tck("principles-persistence-clean-session-311"),
        "clean session",
        lambda seen: clean_session(seen.client),
        "connect with clean session true",
    ),
    Rule(
        tck("principles-persistence-clean-session-50"),
        "clean start, and session expiry 0",
        lambda seen: clean_start(seen.client),
        "connect with clean start true and no session expiry",
    ),
    Rule(
        tck(_WILL, "payloads-ndeath-will-message"),
        "the NDEATH as will",
        _has_will,
        "register the NDEATH as the will of each CONNECT",
    ),
    Rule(
        tck(f"{_WILL}-topic"),
        "spBv1.0/<group>/NDEATH/<edge node>",
        _will_topic,
        "give the will the topic of the node's NDEATH",
    ),
    Rule(
        tck(f"{_WILL}-qos", "payloads-ndeath-will-message-qos"),
        "QoS 1",
        _will_qos,
        "register the will with QoS 1",
    ),
    Rule(
        tck(f"{_WILL}-payload-bdSeq", "topics-nbirth-bdseq-increment"),
        "bdSeq + 1 with each CONNECT, 255 → 0",
        _will_bd_seq,
        "count bdSeq up for each CONNECT, and keep it over restarts",
    ),
)
"""What a CONNECT of an edge node shows; the will's payload is judged as any NDEATH is."""


def _in_session(sight: Sight) -> str | None:
    if sight.client is None:
        return None
    return KEPT if sight.client.connect is not None else "a client that never connected"


def _ncmd(sight: Sight) -> str | None:
    return _subscribed(sight, topic(MessageType.NCMD, sight.place.node), is_needed=True)


def _dcmd(sight: Sight) -> str | None:
    """Only writable devices need it, and whether one is writable nobody can see."""
    place = sight.place
    wanted = topic(MessageType.DCMD, place.node, place.device_id)
    return _subscribed(sight, wanted, is_needed=False)


def _subscribed(sight: Sight, wanted: str, *, is_needed: bool) -> str | None:
    if sight.client is None or sight.client.connect is None:
        return None
    qos = sight.client.granted(wanted)
    if qos is None:
        return f"no subscription to `{wanted}`" if is_needed else None
    return KEPT if qos >= 1 else f"QoS {qos}"


def _will_number(sight: Sight) -> int | None:
    client = sight.client
    return client.will_bd_seq if client is not None else None


def _as_will(sight: Sight) -> str | None:
    wanted = _will_number(sight)
    if wanted is None:
        return None
    return KEPT if sight.bd_seq == wanted else f"bdSeq {sight.bd_seq}, and {wanted} in the will"


def _first(sight: Sight) -> str | None:
    """A session begins with its NBIRTH."""
    client = sight.client
    if client is None or client.connect is None or client.has_published:
        return None
    return KEPT if sight.kind is NBIRTH else f"a {sight.kind} first"


def _alone(sight: Sight) -> str | None:
    if sight.client is None or sight.node is None:
        return None
    other = sight.node.client
    if (
        other is None
        or other is sight.client
        or not other.is_connected
        or other.id == sight.client.id
    ):
        return KEPT
    return f"client `{sight.client.id}`, while `{other.id}` has the same edge node"


def _same_node(sight: Sight) -> str | None:
    client = sight.client
    if client is None or client.node is None:
        return KEPT if sight.node is not None and sight.node.order.birth is not None else None
    return KEPT if client.node == sight.place.node else f"the node of the NBIRTH is {client.node}"


_TABLE: tuple[
    tuple[tuple[MessageType, ...], tuple[str, ...], str, Callable[[Sight], str | None], str], ...
] = (
    (
        (NBIRTH,),
        tck(f"{_FLOW}-connect"),
        "an MQTT session before any birth",
        _in_session,
        "connect first",
    ),
    (
        (NBIRTH,),
        tck("message-flow-edge-node-ncmd-subscribe"),
        "a subscription to its NCMD with QoS 1, before the NBIRTH",
        _ncmd,
        "subscribe to NCMD with QoS 1, and wait for the SUBACK",
    ),
    (
        (DBIRTH,),
        tck("message-flow-device-dcmd-subscribe"),
        "a subscription to the device's DCMD with QoS 1",
        _dcmd,
        "subscribe to DCMD with QoS 1",
    ),
    (
        (NBIRTH,),
        tck(
            "topics-nbirth-bdseq-matching",
            "payloads-nbirth-bdseq-repeat",
            f"{_FLOW}-nbirth-payload-bdSeq",
        ),
        "the bdSeq of the will",
        _as_will,
        "put the same bdSeq into the will and all births of the session",
    ),
    (
        (NBIRTH,),
        tck(
            "intro-edge-node-id-uniqueness",
            "topic-structure-namespace-unique-edge-node-descriptor",
            "payloads-nbirth-edge-node-descriptor",
        ),
        "one client for each group and edge node",
        _alone,
        "give each edge node an id of its own",
    ),
    (
        (DBIRTH,),
        tck("message-flow-device-birth-publish-dbirth-match-edge-node-topic"),
        "group and edge node of the NBIRTH",
        _same_node,
        "publish devices below the edge node of the same session",
    ),
    (
        tuple(kind for kind in MessageType if kind.value[1:] in ("BIRTH", "DATA", "DEATH")),
        tck("principles-birth-certificates-order"),
        "the NBIRTH before anything else",
        _first,
        "publish the NBIRTH first",
    ),
)

SESSION_RULES: Mapping[MessageType, tuple[Rule[Sight], ...]] = {
    kind: tuple(
        Rule(ids, expected, judge, remedy)
        for kinds, ids, expected, judge, remedy in _TABLE
        if kind in kinds
    )
    for kind in MessageType
}
"""By kind: what a message shows beside the session that it came in."""


def _said_goodbye(client: Client) -> bool:
    return client.born_ms is not None and client.died_ms is not None


def _ndeath(client: Client) -> str | None:
    if client.born_ms is None or client.reason is None:
        return None
    return KEPT if _said_goodbye(client) else "a DISCONNECT without an NDEATH before it"


def _ndeath_311(client: Client) -> str | None:
    is_311 = client.connect is not None and client.connect.protocol == _MQTT_3
    return _ndeath(client) if is_311 else None


def _reason_50(client: Client) -> str | None:
    if client.connect is None or client.connect.protocol != _MQTT_5:
        return None
    if client.born_ms is None or client.reason is None:
        return None
    return KEPT if client.reason == _WITH_WILL else f"reason 0x{client.reason:02x}"


def _packet(client: Client) -> str | None:
    return KEPT if client.reason is not None and _said_goodbye(client) else None


_PUBLISHER = "payloads-ndeath-will-message-publisher"
_LEAVE = "operational-behavior-edge-node-intentional-disconnect"

LEAVE_RULES: tuple[Rule[Client], ...] = (
    Rule(
        tck(f"{_LEAVE}-ndeath", _PUBLISHER),
        "an NDEATH before a DISCONNECT",
        _ndeath,
        "publish the NDEATH, then disconnect",
    ),
    Rule(
        tck(f"{_PUBLISHER}-disconnect-mqtt311"),
        "an NDEATH before a DISCONNECT",
        _ndeath_311,
        "publish the NDEATH, then disconnect",
    ),
    Rule(
        tck(f"{_PUBLISHER}-disconnect-mqtt50"),
        "DISCONNECT with reason 0x04, disconnect with will",
        _reason_50,
        "disconnect with reason 0x04",
    ),
    Rule(tck(f"{_LEAVE}-packet"), "", _packet),
)
"""What the end of an edge node's connection shows."""
