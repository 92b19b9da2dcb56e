"""Judges of metrics by the birth that explains them, for data and for commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from uns.sparkplug.datatypes import FIELDS
from uns.sparkplug.monitor.metric_rules import value_problem
from uns.sparkplug.monitor.node import KnownMetric
from uns.sparkplug.monitor.rule import KEPT
from uns.sparkplug.monitor.sight import Point, Sight
from uns.sparkplug.names import REBIRTH

__all__ = ["by_alias", "by_birth", "changed", "of_birth_type", "promised"]

_BY_CODE = {int(one): one for one in FIELDS}

KnownJudge: TypeAlias = Callable[[Point, KnownMetric | None, object], str | None]


def by_birth(judge: KnownJudge) -> Callable[[Sight], str | None]:
    """Judge metrics only where the birth that explains them was seen, and kept whole."""

    def all_of(sight: Sight) -> str | None:
        if sight.device is None or not sight.device.is_whole:
            return None
        verdict: str | None = None
        for point, known, said in zip(sight.points, sight.known, sight.said, strict=True):
            one = judge(point, known, said)
            if one is None:
                continue
            if one:
                return f"`{known.name}`: {one}" if known is not None else f"{point.label}: {one}"
            verdict = KEPT
        return verdict

    return all_of


def promised(point: Point, known: KnownMetric | None, _: object) -> str | None:
    """Whether the birth named it."""
    if known is not None:
        return KEPT
    # Neither name nor alias is another statement's break.
    return None if point.name is None and point.alias is None else "not in the birth"


def by_alias(point: Point, known: KnownMetric | None, _: object) -> str | None:
    """Whether it comes without its name, where the birth gave it an alias."""
    if known is None or known.alias is None or point.name == REBIRTH:
        return None
    return KEPT if point.name is None else f"its name; the birth gave it alias {known.alias}"


def of_birth_type(point: Point, known: KnownMetric | None, _: object) -> str | None:
    """Whether its value is one of the birth's datatype."""
    datatype = _BY_CODE.get(known.datatype) if known is not None else None
    if datatype is None or point.field is None:
        return None
    return value_problem(point.message, datatype, point.field)


def changed(point: Point, known: KnownMetric | None, said: object) -> str | None:
    """Whether it says something else than the last time."""
    if known is None or point.message.is_historical:
        return None
    return "the same value again" if said is not None and said == known.last else KEPT
