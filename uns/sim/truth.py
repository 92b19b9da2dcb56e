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
from typing import Any

from uns.errors import StorageError
from uns.sim.line import SimulatedLine, stamp
from uns.sim.machine import SimulatedMachine
from uns.sim.order import OrderRecord

__all__ = ["read_truth", "restore", "truth_of", "write_truth"]

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


def restore(
    lines: Mapping[str, SimulatedLine], totals: dict[str, float], truth: Mapping[str, Any]
) -> None:
    """Set counters and orders to what `truth` says; machines that it does not know stay new."""
    totals.update(truth["totals"])
    for topic, line in lines.items():
        kept = truth["lines"].get(topic)
        if kept is None or set(kept["machines"]) != set(line.machines):
            continue
        line.number = kept["number"]
        for name, machine in line.machines.items():
            memory = kept["machines"][name]
            machine.good, machine.bad = memory["good"], memory["bad"]
            machine.orders = [OrderRecord(**record) for record in memory["orders"].values()]


def read_truth(path: Path) -> dict[str, Any] | None:
    """The truth as it was written last; None where there is none.

    A broken file is set aside, and the plant begins anew.
    """
    try:
        truth: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(
            f"cannot read the plant's truth from {path}: {error.strerror}"
        ) from error
    except ValueError as error:
        aside = path.with_name(path.name + ".broken")
        path.replace(aside)
        log.warning(
            "%s is broken (%s); it is now %s, and the plant begins anew", path, error, aside
        )
        return None
    return truth


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
