"""Derived tags: the `calc` of one machine, worked out whenever an input changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from uns.equipment import Machine, Tag
from uns.errors import ProjectError
from uns.metric import Quality, Reading, Value
from uns.route.expression import Calc, compile_calc
from uns.route.unit_words import find_conversions
from uns.units import Conversion

__all__ = ["Derived"]

_WORST_FIRST = (Quality.BAD, Quality.STALE, Quality.UNCERTAIN, Quality.GOOD)


@dataclass(frozen=True, slots=True)
class _Formula:
    handle: int
    tag: Tag
    calc: Calc
    conversions: Mapping[str, Conversion]  # what `in_unit` asks for


class Derived:
    """What the calculated tags of one machine are, given readings of the others.

    A derived value is as good as its worst input and as old as its newest. It has no value
    while an input has none, and after a division by zero.
    """

    def __init__(self, machine: Machine, handles: Mapping[str, int]) -> None:
        """Compile the formulae; `handles` maps tag names to reading handles.

        Raises ProjectError where formulae depend on each other in a circle, or ask for a unit
        that a tag cannot be told in.
        """
        units = {_word(tag.name): tag.unit for tag in machine.tags}
        self._name_of = {handle: _word(name) for name, handle in handles.items()}
        self._now: dict[str, Reading] = {}
        compiled = {
            _word(tag.name): _formula(handles[tag.name], tag, units)
            for tag in machine.tags
            if tag.calc
        }
        self._formulae = [compiled[name] for name in _in_order(machine, compiled)]

    def observed(self, readings: Sequence[Reading]) -> list[Reading]:
        """Take readings of this machine's tags; return those of derived tags that follow."""
        if not self._formulae:
            return []
        changed = set()
        for reading in readings:
            name = self._name_of[reading[0]]
            self._now[name] = reading
            changed.add(name)
        found = []
        for formula in self._formulae:
            if changed.isdisjoint(formula.calc.names):
                continue
            reading = self._evaluate(formula)
            name = self._name_of[formula.handle]
            self._now[name] = reading
            changed.add(name)
            found.append(reading)
        return found

    def _evaluate(self, formula: _Formula) -> Reading:
        inputs = [self._now.get(name) for name in formula.calc.names]
        known = [reading for reading in inputs if reading is not None]
        timestamp = max((reading[3] for reading in known), default=0)
        if len(known) < len(inputs):
            return (formula.handle, None, Quality.BAD, timestamp)
        quality = _worst([reading[2] for reading in known])
        values = {name: self._now[name][1] for name in formula.calc.names}
        value = formula.calc.evaluate({**values, **formula.conversions})
        if value is None:
            return (formula.handle, None, Quality.BAD, timestamp)
        return (formula.handle, _as_typed(value, formula.tag), quality, timestamp)


def _formula(handle: int, tag: Tag, units: Mapping[str, str]) -> _Formula:
    calc = compile_calc(tag.calc)
    return _Formula(handle, tag, calc, find_conversions(calc.in_units, units))


def _word(name: str) -> str:
    """Return a tag's name as a formula writes it: `drive/temp` is `drive.temp`."""
    return name.replace("/", ".")


def _worst(qualities: Sequence[int]) -> int:
    return next((worst for worst in _WORST_FIRST if worst in qualities), Quality.GOOD)


def _as_typed(value: Value, tag: Tag) -> Value:
    if tag.datatype.is_integer and isinstance(value, float):
        return round(value)
    return value


def _in_order(machine: Machine, compiled: Mapping[str, _Formula]) -> list[str]:
    """Names of formulae, inputs first."""
    graph = {
        name: {used for used in formula.calc.names if used in compiled}
        for name, formula in compiled.items()
    }
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise ProjectError(
            f"{machine.topic}: calculated tags depend on each other in a circle: {circle}",
            hint="take one of them out of the circle",
        ) from None
