"""Rules of single metrics: names, aliases, times, datatypes and values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from uns.metric import DataType
from uns.sparkplug.datatypes import FIELDS, from_wire
from uns.sparkplug.monitor.message_rules import (
    COMMANDS,
    DBIRTH,
    DDATA,
    NBIRTH,
    NCMD,
    NDATA,
    NDEATH,
)
from uns.sparkplug.monitor.rule import KEPT, Rule, tck
from uns.sparkplug.monitor.sight import Point, Sight, is_miswired
from uns.sparkplug.names import BD_SEQ, REBIRTH, MessageType

__all__ = ["METRIC_RULES", "each", "value_problem"]

BIRTHS, DATA = (NBIRTH, DBIRTH), (NDATA, DDATA)
_DATATYPE_FIELD = 4
_PROPERTY_ONLY = (DataType.UNKNOWN, DataType.PROPERTY_SET, DataType.PROPERTY_SET_LIST)
_CODES = {int(one): one for one in DataType if one not in _PROPERTY_ONLY}
_YEAR_2000 = 946_684_800_000  # ms; what is older was counted in seconds, or never set

PointJudge = Callable[[Point, Sight], str | None]


def each(judge: PointJudge) -> Callable[[Sight], str | None]:
    """Return what judges a message by all its metrics; the first that breaks the rule is named."""

    def all_of(sight: Sight) -> str | None:
        said: str | None = None
        for point in sight.points:
            one = judge(point, sight)
            if one is None:
                continue
            if one:
                return f"{point.label}: {one}"
            said = KEPT
        return said

    return all_of


def value_problem(message: object, datatype: DataType, field: str) -> str:
    """Why the value in `field` is none of this datatype; empty where it is one."""
    if field != FIELDS[datatype]:
        return f"{datatype.label} in {field}"
    if field in ("dataset_value", "template_value"):
        return ""
    try:
        from_wire(datatype, field, getattr(message, field))
    except ValueError as error:
        return str(error)
    return ""


def _named(point: Point, _: Sight) -> str | None:
    if point.name:
        return KEPT
    if point.name is None and point.message.HasField("name"):
        return "its name is not UTF-8"
    return KEPT if point.alias is not None else "neither a name nor an alias"


def _birth_alias(point: Point, _: Sight) -> str | None:
    if point.alias is None:
        return None
    return KEPT if point.name else "an alias without a name"


def _stamped(point: Point, _: Sight) -> str | None:
    return KEPT if point.stamp is not None else "no timestamp"


def _in_utc(point: Point, sight: Sight) -> str | None:
    """Captured in this century and not in the future; values may be old, and history older."""
    at_ms = point.stamp
    if at_ms is None:
        return None
    if at_ms > sight.now_ms + sight.settings.clock_ms:
        return f"{at_ms}, {(at_ms - sight.now_ms) / 1000:,.0f} s ahead of our clock"
    return KEPT if at_ms >= min(_YEAR_2000, sight.now_ms) else f"{at_ms}, before the year 2000"


def _typed(point: Point, _: Sight) -> str | None:
    return KEPT if point.code is not None else "no datatype"


def _type_is_u32(point: Point, sight: Sight) -> str | None:
    if point.code is not None:
        return KEPT
    if sight.kind not in BIRTHS:
        return None  # elsewhere it is rightly absent; looking for wrong ones would cost too much
    return "its datatype is no number" if is_miswired(point.message, _DATATYPE_FIELD) else None


def _type_known(point: Point, _: Sight) -> str | None:
    if point.code is None:
        return None
    datatype = _CODES.get(point.code)
    if datatype is None:
        return f"datatype {point.code}"
    return KEPT if point.field is None else value_problem(point.message, datatype, point.field)


def _untyped(point: Point, _: Sight) -> str | None:
    return KEPT if point.code is None else "a datatype"


def _complete(point: Point, _: Sight) -> str | None:
    if not point.name or point.code is None:
        return "no name" if not point.name else "no datatype"
    return KEPT if point.field or point.message.is_null else "neither a value nor is_null"


def _current(point: Point, _: Sight) -> str | None:
    if point.message.is_null:
        return "is_null and a value" if point.field else KEPT
    return KEPT if point.field else "neither a value nor is_null"


def _fits_writable(point: Point, _: Sight) -> str | None:
    """A written value, as far as the command itself tells its datatype."""
    if point.name == REBIRTH or point.code is None:
        return None
    datatype = _CODES.get(point.code)
    if datatype is None:
        return f"datatype {point.code}"
    if point.field is None:
        return KEPT if point.message.is_null else "no value"
    return value_problem(point.message, datatype, point.field)


def _one_name(sight: Sight) -> str | None:
    """tck-id-case-sensitivity-metric-names."""
    counted = Counter({point.name for point in sight.points if point.name})
    folded = Counter(name.lower() for name in counted)
    twice = next((name for name in counted if folded[name.lower()] > 1), None)
    return KEPT if twice is None else f"`{twice}` twice, but for upper and lower case"


def _chronological(sight: Sight) -> str | None:
    """In data over the whole list; in births, where current values are old, per metric."""
    last: dict[object, int] = {}
    is_birth, said = sight.kind in BIRTHS, None
    for point in sight.points:
        at_ms = point.stamp
        if at_ms is None or point.message.is_historical:
            continue
        key = (point.name or point.alias) if is_birth else None
        if at_ms < last.get(key, 0):
            return f"{point.label} is older than the metric before it"
        last[key] = at_ms
        said = KEPT
    return said


def _something(sight: Sight) -> str | None:
    if sight.payload is None:
        return None
    return KEPT if sight.points else "no metric at all"


def _by_alias(point: Point, _: Sight) -> str | None:
    """What a message shows by itself; what needs the births is in `data_rules`."""
    return "both name and alias" if point.alias is not None and point.name is not None else None


def _bd_seq_int64(sight: Sight) -> str | None:
    point = sight.find(BD_SEQ)
    if point is None:
        return None
    if sight.kind is NDEATH and not point.message.HasField("datatype"):
        return "no datatype"
    code = point.message.datatype
    return KEPT if code == DataType.INT64 else f"datatype {code}"


def _bd_seq_there(sight: Sight) -> str | None:
    if sight.payload is None:
        return None
    return KEPT if sight.bd_seq is not None else "no bdSeq"


def _bd_seq_alone(sight: Sight) -> str | None:
    if sight.payload is None:
        return None
    if sight.bd_seq is None:
        return "no bdSeq"
    return KEPT if len(sight.points) == 1 else f"{len(sight.points)} metrics"


def _rebirth(test: Callable[[Point], str | None]) -> Callable[[Sight], str | None]:
    def judge(sight: Sight) -> str | None:
        point = sight.find(REBIRTH)
        return None if point is None else test(point)

    return judge


def _rebirth_there(sight: Sight) -> str | None:
    if sight.payload is None:
        return None
    return KEPT if sight.find(REBIRTH) else f"no metric `{REBIRTH}`"


def _is_boolean(point: Point) -> str | None:
    code = point.message.datatype
    return KEPT if code == DataType.BOOLEAN else f"datatype {code}"


def _is_false(point: Point) -> str | None:
    is_false = point.field == "boolean_value" and not point.message.boolean_value
    return KEPT if is_false else "not false"


def _has_no_alias(point: Point) -> str | None:
    return KEPT if point.alias is None else f"alias {point.alias}"


_FLOW = "message-flow-edge-node-birth-publish"
_COMMAND = "operational-behavior-data-commands"
_PUBLISH = "operational-behavior-data-publish"
_TABLE: tuple[
    tuple[tuple[MessageType, ...], tuple[str, ...], str, Callable[[Sight], str | None], str], ...
] = (
    (
        BIRTHS + DATA + COMMANDS,
        tck("payloads-name-requirement"),
        "a name or an alias",
        each(_named),
        "name each metric in births; later, name it or give its alias",
    ),
    (
        BIRTHS,
        tck("payloads-alias-birth-requirement"),
        "name and alias together",
        each(_birth_alias),
        "say both name and alias in births",
    ),
    (
        BIRTHS + DATA,
        tck("payloads-name-birth-data-requirement"),
        "a timestamp on each metric",
        each(_stamped),
        "set Metric.timestamp to the time of capture",
    ),
    (
        BIRTHS + DATA,
        tck("payloads-metric-timestamp-in-UTC"),
        "the time of capture, in milliseconds since 1970 UTC",
        each(_in_utc),
        "check the clock and its unit: UTC, milliseconds",
    ),
    (
        BIRTHS,
        tck("payloads-metric-datatype-req"),
        "a datatype on each metric",
        each(_typed),
        "set Metric.datatype in births",
    ),
    (
        BIRTHS + DATA + COMMANDS,
        tck("payloads-metric-datatype-value-type"),
        "datatype as an unsigned number",
        each(_type_is_u32),
        "encode the datatype as uint32",
    ),
    (
        BIRTHS + DATA + COMMANDS,
        tck("payloads-metric-datatype-value"),
        "one of the specification's datatypes, and a value that is one of it",
        each(_type_known),
        "UInt32 goes into int_value, Int64, UInt64 and DateTime into long_value",
    ),
    (
        DATA + COMMANDS,
        tck("payloads-metric-datatype-not-req"),
        "no datatype: the birth said it",
        each(_untyped),
        "leave Metric.datatype out of data and commands; it saves bytes",
    ),
    (
        (NBIRTH,),
        tck("topics-nbirth-metrics"),
        "name, datatype and value of each metric",
        each(_complete),
        "say all three; a value that is not known is is_null",
    ),
    (
        (DBIRTH,),
        tck("topics-dbirth-metrics"),
        "name, datatype and value of each metric",
        each(_complete),
        "say all three; a value that is not known is is_null",
    ),
    (
        (NBIRTH,),
        tck(f"{_PUBLISH}-nbirth-values"),
        "each metric's current value, or is_null and no value",
        each(_current),
        "say the value, or is_null",
    ),
    (
        (DBIRTH,),
        tck(f"{_PUBLISH}-dbirth-values"),
        "each metric's current value, or is_null and no value",
        each(_current),
        "say the value, or is_null",
    ),
    (
        BIRTHS,
        tck("case-sensitivity-metric-names"),
        "names that differ by more than upper and lower case",
        _one_name,
        "rename one of the two",
    ),
    (
        (NBIRTH, NDATA),
        tck(f"{_PUBLISH}-nbirth-order"),
        "values in the order of their times",
        _chronological,
        "sort by timestamp, or mark what is late is_historical",
    ),
    (
        (DBIRTH, DDATA),
        tck(f"{_PUBLISH}-dbirth-order"),
        "values in the order of their times",
        _chronological,
        "sort by timestamp, or mark what is late is_historical",
    ),
    ((NDATA,), tck("topics-ndata-payload"), "changed metrics", _something, "send no empty data"),
    ((DDATA,), tck("topics-ddata-payload"), "changed metrics", _something, "send no empty data"),
    ((NCMD,), tck("topics-ncmd-payload"), "metrics to write", _something, "name what to write"),
    (
        (MessageType.DCMD,),
        tck("topics-dcmd-payload"),
        "metrics to write",
        _something,
        "name what to write",
    ),
    (
        DATA + COMMANDS,
        tck("payloads-alias-data-cmd-requirement"),
        "the alias instead of the name",
        each(_by_alias),
        "leave the name out where the birth gave an alias",
    ),
    (
        (NCMD,),
        tck(f"{_COMMAND}-ncmd-metric-value"),
        "a value of the metric's datatype",
        each(_fits_writable),
        "write a value of the datatype in the birth",
    ),
    (
        (MessageType.DCMD,),
        tck(f"{_COMMAND}-dcmd-metric-value"),
        "a value of the metric's datatype",
        each(_fits_writable),
        "write a value of the datatype in the birth",
    ),
    (
        (NBIRTH,),
        tck("topics-nbirth-bdseq-included", "payloads-nbirth-bdseq"),
        "the metric bdSeq",
        _bd_seq_there,
        "add bdSeq with the number that the CONNECT's will has",
    ),
    (
        (NBIRTH,),
        tck(f"{_FLOW}-nbirth-payload-bdSeq"),
        "bdSeq as Int64",
        _bd_seq_int64,
        "type bdSeq Int64",
    ),
    (
        (NDEATH,),
        tck(f"{_FLOW}-will-message-payload-bdSeq"),
        "bdSeq as Int64",
        _bd_seq_int64,
        "type bdSeq Int64",
    ),
    (
        (NDEATH,),
        tck("topics-ndeath-payload"),
        "bdSeq and no other metric",
        _bd_seq_alone,
        "put nothing but bdSeq into the NDEATH",
    ),
    (
        (NBIRTH,),
        tck(
            f"{_COMMAND}-rebirth-name",
            "topics-nbirth-rebirth-metric",
            "payloads-nbirth-rebirth-req",
        ),
        f"the metric `{REBIRTH}`",
        _rebirth_there,
        "add it: Boolean, false, without an alias",
    ),
    (
        (NBIRTH,),
        tck(f"{_COMMAND}-rebirth-datatype", "topics-nbirth-rebirth-metric"),
        f"`{REBIRTH}` as Boolean",
        _rebirth(_is_boolean),
        "type it Boolean",
    ),
    (
        (NBIRTH,),
        tck(
            f"{_COMMAND}-rebirth-value",
            "topics-nbirth-rebirth-metric",
            "payloads-nbirth-rebirth-req",
        ),
        f"`{REBIRTH}` false",
        _rebirth(_is_false),
        "give it the value false in births",
    ),
    (
        (NBIRTH,),
        tck(f"{_COMMAND}-rebirth-name-aliases"),
        f"`{REBIRTH}` without an alias",
        _rebirth(_has_no_alias),
        "give it no alias: hosts ask for it by name",
    ),
)

METRIC_RULES: Mapping[MessageType, tuple[Rule[Sight], ...]] = {
    kind: tuple(
        Rule(ids, expected, judge, remedy)
        for kinds, ids, expected, judge, remedy in _TABLE
        if kind in kinds
    )
    for kind in MessageType
}
"""By kind: what the metrics of one message show by themselves."""
