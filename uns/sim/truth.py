"""The truth about a simulated plant: what every machine really made, exact, in one JSON file.

The file is also the PLCs' memory: it is written before a value is served, so a plant that is
killed and started again never shows a counter or an order number that is older than one it
showed before.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

from uns.errors import StorageError
from uns.sim.line import SimulatedLine, stamp
from uns.sim.machine import SimulatedMachine
from uns.sim.order import OrderRecord

__all__ = ["recall", "restore", "truth_of", "write_truth"]

log = logging.getLogger("uns.sim")


def truth_of(
    lines: Mapping[str, SimulatedLine], totals: Mapping[str, float], now_ms: int
) -> dict[str, Any]:
    """Per line and machine: counters for ever, and every order by its id.

    A line's `good` left its last machine; its `bad` were thrown out by any of them.
    """
    return {
        "written": stamp(now_ms),
        "lines": {topic: _line(line) for topic, line in lines.items()},
        "totals": dict(totals),
    }


def _line(line: SimulatedLine) -> dict[str, Any]:
    machines = list(line.machines.values())
    return {
        "number": line.number,
        "good": machines[-1].good,
        "bad": sum(machine.bad for machine in machines),
        "machines": {topic: _machine(machine) for topic, machine in line.machines.items()},
    }


def _machine(machine: SimulatedMachine) -> dict[str, Any]:
    return {
        "good": machine.good,
        "bad": machine.bad,
        "orders": {record.id: asdict(record) for record in machine.orders},
    }


def recall(path: Path, lines: Mapping[str, SimulatedLine], totals: dict[str, float]) -> None:
    """Set counters and orders to what the file at `path` says, if there is one.

    A file that is broken or not ours is set aside, and the plant begins anew.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(
            f"cannot read the plant's truth from {path}: {error.strerror}"
        ) from error
    try:
        restore(lines, totals, json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        aside = path.with_name(path.name + ".broken")
        path.replace(aside)
        log.warning(
            "%s is broken (%r): it is %s now, and the plant begins anew", path, error, aside
        )


def restore(
    lines: Mapping[str, SimulatedLine], totals: dict[str, float], truth: Mapping[str, Any]
) -> None:
    """Set counters and orders to what `truth` says; lines whose machines changed stay new.

    Raises KeyError, TypeError or AttributeError for a mapping of another shape, and has then
    changed nothing.
    """
    kept = {name: _remembered(line) for name, line in truth["lines"].items()}
    metered = {name: float(total) for name, total in truth["totals"].items()}
    totals.update(metered)
    for topic, line in lines.items():
        if topic not in kept or set(kept[topic][1]) != set(line.machines):
            continue
        line.number, memories = kept[topic]
        for name, machine in line.machines.items():
            machine.good, machine.bad, machine.orders = memories[name]


_Memory: TypeAlias = tuple[int, int, list[OrderRecord]]  # good, bad, orders


def _remembered(line: Mapping[str, Any]) -> tuple[int, dict[str, _Memory]]:
    memories = {
        name: (
            int(memory["good"]),
            int(memory["bad"]),
            [OrderRecord(**record) for record in memory["orders"].values()],
        )
        for name, memory in line["machines"].items()
    }
    return int(line["number"]), memories


def write_truth(path: Path, truth: Mapping[str, Any]) -> None:
    """Write the file so that a reader sees the old one or the new one, never half of one."""
    fresh = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_text(json.dumps(truth, ensure_ascii=False))
        fresh.replace(path)
    except OSError as error:
        raise StorageError(
            f"cannot write the plant's truth to {path}: {error.strerror}",
            hint="choose another file with --truth, or none",
        ) from error
