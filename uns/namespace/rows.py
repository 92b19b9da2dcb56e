"""Rows: a data set as JSON has it, one object per row.

The specification has no null in a data set; an empty cell is null here. DateTimes are text.
"""

from __future__ import annotations

from typing import Any

from uns.metric import DataType
from uns.namespace.clock import Clock
from uns.schema.verdict import FIRST_DATETIME_MS, LAST_DATETIME_MS, Verdict
from uns.sparkplug.metrics import DataSet

__all__ = ["check_data_set", "rows"]


def rows(data: DataSet) -> list[dict[str, Any]]:
    """Return the rows by column; of columns with one name the later ones get a number.

    >>> rows(DataSet(("a", "a"), (DataType.INT32, DataType.INT32), ((1, 2),)))
    [{'a': 1, 'a_2': 2}]
    """
    clock = Clock()
    names = _distinct(data.columns)
    is_time = [datatype is DataType.DATETIME for datatype in data.types]
    return [
        {
            name: clock.text(cell).decode() if timed and isinstance(cell, int) else cell
            for name, timed, cell in zip(names, is_time, row, strict=True)
        }
        for row in data.rows
    ]


def check_data_set(value: Any) -> Verdict:
    """Return the verdict on the value of a data set's tag."""
    if value is None:
        return Verdict.NO_DATA
    if not isinstance(value, DataSet):
        return Verdict.WRONG_TYPE
    times = [place for place, kind in enumerate(value.types) if kind is DataType.DATETIME]
    cells = (row[place] for row in value.rows for place in times)
    is_known = all(FIRST_DATETIME_MS <= c <= LAST_DATETIME_MS for c in cells if isinstance(c, int))
    return Verdict.ACCEPTED if is_known else Verdict.WRONG_TYPE


def _distinct(columns: tuple[str, ...]) -> list[str]:
    seen: dict[str, int] = {}
    names = []
    for column in columns:
        seen[column] = count = seen.get(column, 0) + 1
        names.append(column if count == 1 else f"{column}_{count}")
    return names
