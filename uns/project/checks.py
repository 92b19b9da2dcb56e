"""Checks: mistakes that show only when everything said about something is together."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from uns.equipment import Machine
from uns.metric import DataType
from uns.project.diagnose import Diagnostic, Severity, diagnostic
from uns.project.draft import Draft, amount_of, written_at
from uns.project.findings import Findings
from uns.project.lineage import Layers
from uns.project.source import Written
from uns.project.unit_changes import unit_problems

__all__ = ["check_nested", "tag_problems"]


def check_nested(
    machines: Sequence[Machine], places: Sequence[Written], findings: Findings
) -> None:
    """Report a machine whose topics are those of a group of tags of the machine around it.

    `places` are where the machines' paths are written, in the same order.
    """
    known = {machine.topic.text: number for number, machine in enumerate(machines)}
    for number, machine in enumerate(machines):
        levels = machine.topic.levels
        for depth in range(_LEAST_LEVELS, len(levels)):
            outer = known.get("/".join(levels[:depth]))
            if outer is not None:
                _report_shared(machine, machines[outer], places[number], places[outer], findings)


_LEAST_LEVELS = 5  # enterprise, site, area, line, machine


def _report_shared(
    machine: Machine, around: Machine, at: Written, other: Written, findings: Findings
) -> None:
    shared = {tag.topic.text for tag in machine.tags} & {tag.topic.text for tag in around.tags}
    if shared:
        findings.add(
            "UNS208",
            f"two machines have the topic `{min(shared)}`",
            at,
            hint=f"`{around.topic}` is a machine; give this one another path",
            related=(("the other machine", other),),
        )


def tag_problems(made: Draft) -> Iterator[Diagnostic]:
    """What is wrong with one tag once all that is said about it is together."""
    words, layers = made.words, made.layers
    yield from _range_problems(words, layers)
    yield from _alarm_problems(words, layers)
    yield from unit_problems(made)
    yield from _hysteresis_problems(made)
    yield from _write_problems(made)
    yield from _type_problems(made)
    yield from _deadband_problems(made)
    band = words["deadband"].change if words.get("deadband") else None
    if band is not None and band.is_percent and words.get("range") is None:
        yield diagnostic(
            "UNS217",
            f"`{made.name}` has a deadband in per cent and no range to take it of",
            written_at(layers, "deadband"),
            hint="add `range: [least, greatest]`, or give the deadband as a number",
        )
    scale = words.get("scale")
    if scale is not None and scale[0] == scale[1]:
        yield diagnostic(
            "UNS111",
            f"raw low and raw high of the scale are both {scale[0]:g}",
            written_at(layers, "scale"),
            hint="[raw low, raw high, low, high]",
        )


def _range_problems(words: Mapping[str, Any], layers: Layers) -> Iterator[Diagnostic]:
    if words.get("range") is None:
        return
    low, high = words["range"]
    if low >= high:
        yield diagnostic(
            "UNS111",
            f"the range [{low:g}, {high:g}] has its least value first, and it is not less",
            written_at(layers, "range"),
            hint=f"write `[{high:g}, {low:g}]`" if high < low else "",
        )


def _alarm_problems(words: Mapping[str, Any], layers: Layers) -> Iterator[Diagnostic]:
    alarm = words.get("alarm")
    if alarm is None:
        return
    limits = [
        (name, limit)
        for name in ("lolo", "lo", "hi", "hihi")
        if (limit := getattr(alarm, name)) is not None
    ]
    for (lower, low), (upper, high) in itertools.pairwise(limits):
        if low >= high:
            yield diagnostic(
                "UNS111",
                f"alarm limit `{lower}` ({low:g}) is not below `{upper}` ({high:g})",
                written_at(layers, "alarm", upper),
                hint="from the bottom: lolo < lo < hi < hihi",
                related=((f"`{lower}` is here", written_at(layers, "alarm", lower)),),
            )
    low, high = words.get("range") or (float("-inf"), float("inf"))
    for name, limit in limits:
        if low < high and not low <= limit <= high:
            yield diagnostic(
                "UNS210",
                f"alarm limit `{name}` ({limit:g}) is outside the range [{low:g}, {high:g}]",
                written_at(layers, "alarm", name),
                hint="it can never be reached",
                related=(("the range is here", written_at(layers, "range")),),
            )


def _hysteresis_problems(made: Draft) -> Iterator[Diagnostic]:
    alarm = made.words.get("alarm")
    if alarm is None or alarm.hysteresis is None:
        return
    at = written_at(made.layers, "alarm", "hysteresis")
    if alarm.hysteresis.is_percent and made.words.get("range") is None:
        yield diagnostic(
            "UNS217",
            f"the alarm of `{made.name}` has a hysteresis in per cent and no range to take it of",
            at,
            hint="add `range: [least, greatest]`, or give it as a number",
        )
    back = amount_of(alarm.hysteresis, made.words)
    if None not in (alarm.lo, alarm.hi) and alarm.lo < alarm.hi <= alarm.lo + back:
        yield diagnostic(
            "UNS141",
            f"with a hysteresis of {back:g} the alarm is never over between {alarm.lo:g} "
            f"and {alarm.hi:g}",
            at,
            hint=f"less than {alarm.hi - alarm.lo:g}",
        )


def _write_problems(made: Draft) -> Iterator[Diagnostic]:
    write = made.words.get("write")
    if write is None:
        return
    if not write.roles:
        yield diagnostic(
            "UNS248",
            f"whoever reaches the broker may write `{made.name}`: it has no `roles`",
            written_at(made.layers, "write"),
            hint="`write: {roles: [operator]}`",
            severity=Severity.WARNING,
        )
    if write.range is None or write.range[0] < write.range[1]:
        return
    low, high = write.range
    yield diagnostic(
        "UNS111",
        f"what may be written, [{low:g}, {high:g}], has its least value first, and it is not less",
        written_at(made.layers, "write", "range"),
        hint=f"write `[{high:g}, {low:g}]`" if high < low else "",
    )


def _type_problems(made: Draft) -> Iterator[Diagnostic]:
    """A child, a binding or an override may narrow a type, but a number stays a number."""
    said = [layer for layer in made.layers if layer.words.type is not None]
    for first, later in itertools.pairwise(said):
        before, after = first.words.type, later.words.type
        if before is None or after is None or _family(before) == _family(after):
            continue
        yield diagnostic(
            "UNS245",
            f"`{made.name}` is {_family(before)} ({before.label}), and {after.label} is "
            f"{_family(after)}",
            later.at.at("type"),
            hint="give it another name: whoever reads the tag would break",
            related=(("its type", first.at.at("type")),),
        )


def _family(datatype: DataType) -> str:
    if datatype.is_integer or datatype in (DataType.FLOAT, DataType.DOUBLE):
        return "a number"
    return {DataType.BOOLEAN: "a truth value", DataType.DATETIME: "a time"}.get(
        datatype, "text" if datatype.is_text else "something else"
    )


def _deadband_problems(made: Draft) -> Iterator[Diagnostic]:
    yield from _unheeded_deadband(made)
    low, high = made.words.get("range") or (0.0, 0.0)
    said = made.words.get("deadband")
    band = amount_of(said.change if said else None, made.words)
    if low < high and band > _WIDE * (high - low):
        yield diagnostic(
            "UNS250",
            f"a deadband of {band:g} is more than a tenth of the range [{low:g}, {high:g}]",
            written_at(made.layers, "deadband"),
            hint="1% is much for most tags",
            severity=Severity.WARNING,
        )


def _unheeded_deadband(made: Draft) -> Iterator[Diagnostic]:
    """Where every value counts, none is left out."""
    said = made.words.get("deadband")
    is_wanted = said is not None and bool(said.time or (said.change and said.change.amount))
    if not is_wanted or not made.fixed["deliver_every"]:
        return
    has_said_so = made.words.get("deliver") is not None
    of_its_kind = "a counter" if made.words.get("counter") else "a tag with `states`"
    why = "it is `deliver: every`" if has_said_so else f"every value of {of_its_kind} counts"
    there = ("every value counts", written_at(made.layers, "deliver"))
    yield diagnostic(
        "UNS256",
        f"the deadband of `{made.name}` has no effect: {why}",
        written_at(made.layers, "deadband"),
        hint="leave it out, or say `deliver: latest`: then the newest value is enough",
        severity=Severity.WARNING,
        related=(there,) if has_said_so else (),
    )


_WIDE = 0.1  # of the range; beyond it a trend is stairs
