"""Which simulated lines a project has: machines that make pieces, in the order they stand in."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from uns.equipment import Machine
from uns.hierarchy import slug
from uns.sim.line import SimulatedLine
from uns.sim.machine import SimulatedMachine
from uns.sim.order import OrderBook
from uns.sim.packml import State, code_for
from uns.sim.signal import counts_pieces

__all__ = ["lines_of"]

_USUAL_RATE_PER_H = 14_400.0  # four pieces a second
_FIRST_SHARE = 0.5  # of the greatest speed that the tag's range allows
_FASTER = 1.05  # each machine a little faster than the one before, so that queues drain
_LEAST_FIRST, _MOST_FIRST = 1_000, 9_000  # a plant that is met for the first time is not new
_SCRAP_SHARE = 50


def lines_of(machines: Sequence[Machine], seed: int) -> dict[str, SimulatedLine]:
    """The simulated lines by their topics; machines pass pieces on in the project's order."""
    rows: dict[str, dict[str, SimulatedMachine]] = {}
    for machine in filter(_makes_pieces, machines):
        row = rows.setdefault(machine.line.text, {})
        rng = random.Random(f"{seed}:{machine.topic}")
        good = rng.randrange(_LEAST_FIRST, _MOST_FIRST)
        rate = _rate_per_h(machine, [one.nominal_per_h for one in row.values()])
        row[machine.topic.text] = SimulatedMachine(rate, rng, good=good, bad=good // _SCRAP_SHARE)
    prefixes = _prefixes(rows)
    return {
        line: SimulatedLine(row, _book(prefixes[line], seed, row.values()))
        for line, row in rows.items()
    }


def _makes_pieces(machine: Machine) -> bool:
    """Whether a machine counts things, or at least has a state in which it works."""
    return any(
        counts_pieces(tag)
        or (tag.states and code_for(State.EXECUTE, tag.states) != min(tag.states))
        for tag in machine.tags
    )


def _rate_per_h(machine: Machine, before: Sequence[float]) -> float:
    """How fast a machine works that stands behind others; its speed tag says how fast it can."""
    most = _most_per_h(machine)
    if most is not None:
        return most * min(_FIRST_SHARE * _FASTER ** len(before), 1.0)
    return before[-1] * _FASTER if before else _USUAL_RATE_PER_H


def _most_per_h(machine: Machine) -> float | None:
    """The greatest speed of a machine in pieces per hour, from the range of its speed tag."""
    for tag in machine.tags:
        thing, _, time = tag.unit.rpartition("/")
        if thing.startswith("{") and tag.high and time in _HOURLY:
            return tag.high * _HOURLY[time]
    return None


def _book(prefix: str, seed: int, row: Iterable[SimulatedMachine]) -> OrderBook:
    slowest = min(machine.nominal_per_h for machine in row)
    return OrderBook(prefix, seed=seed, rate_per_h=slowest)


def _prefixes(lines: Iterable[str]) -> dict[str, str]:
    """The beginning of each line's order numbers: `LEE-LINE1`, different everywhere."""
    found: dict[str, str] = {}
    for line in lines:
        _, site, *_, last = line.split("/")
        prefix = f"{slug(site)[:3]}-{slug(last)[-6:]}".upper()
        while prefix in found.values():
            prefix = f"{prefix[:3]}{len(found)}-{prefix.partition('-')[2]}"
        found[line] = prefix
    return found


_HOURLY = {"h": 1.0, "min": 60.0, "s": 3600.0}
