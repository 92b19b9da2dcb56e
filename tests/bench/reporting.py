"""Report by exception: what it costs to decide that a reading is worth a publish."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from table import Row, best_cpu_s

from uns.equipment import Tag
from uns.metric import DataType, Quality, Value
from uns.reporting import Reporter
from uns.topic import Topic

READINGS = 5000
START_MS = 1_700_000_000_000
CASES: dict[str, tuple[dict[str, Any], Callable[[int], Value]]] = {
    "float": ({}, float),
    "float, deadband": ({"deadband": 0.5}, float),
    "float, scaled": ({"scale": (0, 100, 0, 10)}, float),
    "int32": ({"datatype": DataType.INT32}, int),
    "string": ({"datatype": DataType.STRING}, str),
}


def rows() -> Iterator[Row]:
    """Each kind of tag with every value changed, then with none."""
    for label, (words, value) in CASES.items():
        changed, same = _cost(words, value, step=1), _cost(words, value, step=0)
        yield Row(
            "reporting",
            label,
            f"{READINGS / changed / 1e6:.2f} M/s changed, {READINGS / same / 1e6:.2f} M/s unchanged",
            f"{changed / READINGS * 1e6:.2f} µs, {same / READINGS * 1e6:.2f} µs",
            "≤ 0.5 µs changed",
        )


def _cost(words: dict[str, Any], value: Callable[[int], Value], *, step: int) -> float:
    tags = {handle: Tag(f"t{handle}", Topic(f"a/t{handle}"), **words) for handle in range(READINGS)}
    reporter = Reporter(tags)
    turn = 0

    def work() -> None:
        nonlocal turn
        turn += 1
        shown = value(turn * step)
        at = START_MS + turn
        batch = [(handle, shown, int(Quality.GOOD), at) for handle in tags]
        found = reporter.observed(batch, at)
        assert step == 0 or len(found) == READINGS

    return best_cpu_s(work, rounds=15)
