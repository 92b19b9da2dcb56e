"""Rules of births and data in their order: what a message may say depends on those before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from uns.sparkplug.monitor.birth_rules import by_alias, by_birth, changed, of_birth_type, promised
from uns.sparkplug.monitor.message_rules import DBIRTH, DDATA, DDEATH, NBIRTH, NDATA, SEQ_RULES
from uns.sparkplug.monitor.metric_rules import BIRTHS, DATA
from uns.sparkplug.monitor.node import Life
from uns.sparkplug.monitor.rule import KEPT, Rule, tck
from uns.sparkplug.monitor.sight import Sight
from uns.sparkplug.names import MessageType

__all__ = ["ORDER_RULES"]

_FLOW = "message-flow-edge-node-birth-publish"
_PUBLISH = "operational-behavior-data-publish"
_WRAP, _BEHIND = 256, 128


def _born_before(sight: Sight) -> str | None:
    """No message before the NBIRTH of the session."""
    assert sight.node is not None  # noqa: S101 - it is its turn
    if sight.node.life is Life.BORN:
        return KEPT
    if sight.node.life is Life.UNKNOWN:
        return None
    return f"a {sight.kind} after the NDEATH"


def _device_born_before(sight: Sight) -> str | None:
    assert sight.node is not None  # noqa: S101 - it is its turn
    if sight.node.life is not Life.BORN:
        return _born_before(sight)
    is_there = sight.device is not None and sight.device.is_alive
    if not is_there and not sight.node.is_complete:
        return None
    if sight.device is None:
        return f"a {sight.kind} without a DBIRTH before it"
    return KEPT if sight.device.is_alive else f"a {sight.kind} after the DDEATH"


def _device_in_time(sight: Sight) -> str | None:
    """tck-id-payloads-dbirth-order: what was alive at a rebirth is born again before any data."""
    node = sight.node
    assert node is not None  # noqa: S101 - it is its turn
    if node.life is not Life.BORN or not node.is_complete:
        return None
    is_late = node.has_data and sight.place.device_id in node.late_devices
    return "data between the NBIRTH and this DBIRTH" if is_late else KEPT


def _device_once(sight: Sight) -> str | None:
    """As the TCK has it: two births of a device without a death between are two devices."""
    node = sight.node
    assert node is not None  # noqa: S101 - it is its turn
    if node.life is not Life.BORN or not node.is_complete:
        return None
    known = node.devices.get(sight.place.device_id)
    return "a second DBIRTH, and no DDEATH between" if known and known.is_alive else KEPT


def _aliases_unique(sight: Sight) -> str | None:
    node, seen, said = sight.node, set[int](), None
    assert node is not None  # noqa: S101 - it is its turn
    for point in sight.points:
        if point.alias is None:
            continue
        if point.alias in seen:
            return f"alias {point.alias} twice in one birth"
        seen.add(point.alias)
        if sight.kind is DBIRTH:
            owner = node.alias_owner(point.alias, sight.place.device_id)
            if owner is not None:
                return (
                    f"alias {point.alias}, which {f'device `{owner}`' if owner else 'the node'} has"
                )
        said = KEPT
    return said


def _ids_apart(sight: Sight) -> str | None:
    """tck-id-case-sensitivity-sparkplug-ids."""
    node, device_id = sight.node, sight.place.device_id
    assert node is not None  # noqa: S101 - it is its turn
    twin = node.twin_of(device_id) if device_id else node.twin
    return KEPT if twin is None else f"`{twin}` too"


def _bd_seq_advanced(sight: Sight) -> str | None:
    """A new session has a new number; gaps are left by attempts to connect that failed."""
    node, number = sight.node, sight.bd_seq
    assert node is not None  # noqa: S101 - it is its turn
    if number is None or node.bd_seq is None or node.life is not Life.DEAD:
        return None
    if number == node.bd_seq and node.may_be_overtaken(sight):
        return None
    if number == node.bd_seq:
        return f"bdSeq {number} again, in a new session"
    is_back = (number - node.bd_seq) % _WRAP >= _BEHIND
    # A node that lost its memory begins at 0.
    return f"bdSeq {number} after {node.bd_seq}" if is_back and number else KEPT


def _bd_seq_repeated(sight: Sight) -> str | None:
    """A rebirth that was asked for is no new session."""
    node = sight.node
    assert node is not None  # noqa: S101 - it is its turn
    if node.last_asked_ms is None or node.life is not Life.BORN or node.bd_seq is None:
        return None
    return KEPT if sight.bd_seq == node.bd_seq else f"bdSeq {sight.bd_seq} after {node.bd_seq}"


def _answered(sight: Sight) -> str | None:
    return KEPT if sight.node and sight.node.last_asked_ms is not None else None


def _quiet(sight: Sight) -> str | None:
    node = sight.node
    if node is None or node.last_asked_ms is None:
        return None
    return "data between the request and the NBIRTH" if node.has_data_since else KEPT


_TABLE: tuple[
    tuple[tuple[MessageType, ...], tuple[str, ...], str, Callable[[Sight], str | None], str], ...
] = (
    (
        (NDATA,),
        tck("payloads-ndata-order"),
        "an NBIRTH before any data",
        _born_before,
        "publish the births first, after each CONNECT",
    ),
    (
        (DBIRTH,),
        tck("message-flow-device-birth-publish-nbirth-wait"),
        "an NBIRTH before any DBIRTH",
        _born_before,
        "publish the NBIRTH first, after each CONNECT",
    ),
    (
        (DDATA,),
        tck("payloads-ddata-order"),
        "NBIRTH and DBIRTH before any data",
        _device_born_before,
        "publish the births first, after each CONNECT and each DDEATH",
    ),
    (
        (DBIRTH,),
        tck("payloads-dbirth-order"),
        "the DBIRTHs right after the NBIRTH",
        _device_in_time,
        "hold data back until all births are out",
    ),
    (
        (DBIRTH,),
        tck("topic-structure-namespace-unique-device-id"),
        "one DBIRTH, until an NBIRTH or a DDEATH",
        _device_once,
        "publish a DDEATH before the device is born again",
    ),
    (
        BIRTHS,
        tck("payloads-alias-uniqueness"),
        "each alias once over the node and all its devices",
        _aliases_unique,
        "number the aliases of a node and its devices in one space",
    ),
    (
        BIRTHS,
        tck("case-sensitivity-sparkplug-ids"),
        "ids that differ by more than upper and lower case",
        _ids_apart,
        "rename one of the two",
    ),
    (
        (NBIRTH,),
        tck("topics-nbirth-bdseq-increment"),
        "bdSeq + 1 with each CONNECT, 255 → 0",
        _bd_seq_advanced,
        "count bdSeq up for each CONNECT, and keep it over restarts",
    ),
    (
        (NBIRTH,),
        tck(
            "payloads-nbirth-bdseq-repeat",
            "operational-behavior-data-commands-rebirth-action-3",
        ),
        "the session's bdSeq",
        _bd_seq_repeated,
        "answer a rebirth in the same session, with the same bdSeq",
    ),
    (
        (NBIRTH,),
        tck("operational-behavior-data-commands-rebirth-action-2"),
        "all births when asked for a rebirth",
        _answered,
        "",
    ),
    (
        (NBIRTH,),
        tck("operational-behavior-data-commands-rebirth-action-1"),
        "no data between the request for a rebirth and the NBIRTH",
        _quiet,
        "stop data at once when a rebirth is asked for",
    ),
    (
        (NDATA,),
        tck("topics-nbirth-metric-reqs", f"{_PUBLISH}-nbirth"),
        "metrics that the NBIRTH named",
        by_birth(promised),
        "name every metric in the NBIRTH; a new one needs a new NBIRTH",
    ),
    (
        (DDATA,),
        tck("topics-dbirth-metric-reqs", f"{_PUBLISH}-dbirth"),
        "metrics that the DBIRTH named",
        by_birth(promised),
        "name every metric in the DBIRTH; a new one needs a new DBIRTH",
    ),
    (
        DATA,
        tck("payloads-alias-data-cmd-requirement"),
        "the alias instead of the name",
        by_birth(by_alias),
        "leave the name out where the birth gave an alias",
    ),
    (
        DATA,
        tck("payloads-metric-datatype-value"),
        "a value of the datatype in the birth",
        by_birth(of_birth_type),
        "keep to the datatype in the birth",
    ),
    (
        (NDATA,),
        tck("principles-rbe-recommended", f"{_PUBLISH}-nbirth-change"),
        "changed values only",
        by_birth(changed),
        "report by exception: publish what changed",
    ),
    (
        (DDATA,),
        tck("principles-rbe-recommended", f"{_PUBLISH}-dbirth-change"),
        "changed values only",
        by_birth(changed),
        "report by exception: publish what changed",
    ),
    (
        (DDEATH,),
        tck("operational-behavior-device-ddeath"),
        "a DDEATH when a device is lost",
        lambda _: KEPT,
        "",
    ),
)

ORDER_RULES: Mapping[MessageType, tuple[Rule[Sight], ...]] = {
    kind: SEQ_RULES.get(kind, ())
    + tuple(
        Rule(ids, expected, judge, remedy)
        for kinds, ids, expected, judge, remedy in _TABLE
        if kind in kinds
    )
    for kind in MessageType
}
"""By kind: what is judged when it is the message's turn."""
