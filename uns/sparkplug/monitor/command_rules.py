"""Rules of commands against the births of those who are to carry them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from uns.sparkplug.monitor.birth_rules import by_alias, by_birth, of_birth_type, promised
from uns.sparkplug.monitor.message_rules import COMMANDS, DCMD, NCMD
from uns.sparkplug.monitor.metric_rules import each
from uns.sparkplug.monitor.rule import KEPT, Rule, tck
from uns.sparkplug.monitor.sight import Point, Sight
from uns.sparkplug.names import REBIRTH, MessageType

__all__ = ["COMMAND_RULES", "asks_for_rebirth"]

_COMMAND = "operational-behavior-data-commands"


def asks_for_rebirth(sight: Sight) -> bool:
    """Whether it is a rebirth request as the specification has it."""
    point = sight.find(REBIRTH) if sight.kind is NCMD else None
    return point is not None and point.field == "boolean_value" and point.message.boolean_value


def _is_request(point: Point) -> bool:
    return point.name is not None and point.name.lower() == REBIRTH.lower()


def _verb(point: Point, sight: Sight) -> str | None:
    if not _is_request(point):
        return None
    return KEPT if sight.kind is NCMD else f"a {sight.kind}"


def _name(point: Point, _: Sight) -> str | None:
    if not _is_request(point):
        return None
    return KEPT if point.name == REBIRTH and point.alias is None else "another name, or an alias"


def _true(point: Point, _: Sight) -> str | None:
    if not _is_request(point):
        return None
    is_true = point.field == "boolean_value" and point.message.boolean_value
    return KEPT if is_true else "not true"


_TABLE: tuple[
    tuple[tuple[MessageType, ...], tuple[str, ...], str, Callable[[Sight], str | None], str], ...
] = (
    (
        (NCMD,),
        tck(f"{_COMMAND}-ncmd-metric-name"),
        "a metric of the NBIRTH",
        by_birth(promised),
        "write metrics that the node has",
    ),
    (
        (DCMD,),
        tck(f"{_COMMAND}-dcmd-metric-name"),
        "a metric of the DBIRTH",
        by_birth(promised),
        "write metrics that the device has",
    ),
    (
        COMMANDS,
        tck("payloads-alias-data-cmd-requirement"),
        "the alias instead of the name",
        by_birth(by_alias),
        "leave the name out where the birth gave an alias",
    ),
    (
        (NCMD,),
        tck(f"{_COMMAND}-ncmd-metric-value"),
        "a value of the datatype in the NBIRTH",
        by_birth(of_birth_type),
        "write a value of the datatype in the birth",
    ),
    (
        (DCMD,),
        tck(f"{_COMMAND}-dcmd-metric-value"),
        "a value of the datatype in the DBIRTH",
        by_birth(of_birth_type),
        "write a value of the datatype in the birth",
    ),
    (
        COMMANDS,
        tck(f"{_COMMAND}-ncmd-rebirth-verb"),
        "an NCMD to ask for a rebirth",
        each(_verb),
        "ask the edge node, not a device",
    ),
    (
        COMMANDS,
        tck(f"{_COMMAND}-ncmd-rebirth-name"),
        f"`{REBIRTH}`, by name",
        each(_name),
        "ask by that name: it has no alias",
    ),
    (
        COMMANDS,
        tck(f"{_COMMAND}-ncmd-rebirth-value"),
        f"`{REBIRTH}` true",
        each(_true),
        "ask with the Boolean value true",
    ),
)

COMMAND_RULES: Mapping[MessageType, tuple[Rule[Sight], ...]] = {
    kind: tuple(
        Rule(ids, expected, judge, remedy)
        for kinds, ids, expected, judge, remedy in _TABLE
        if kind in kinds
    )
    for kind in COMMANDS
}
"""By kind: what a command shows beside the births."""
