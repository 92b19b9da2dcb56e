"""A recording: columns of values over time, from a CSV file, played again and again."""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bridges.sim.address import plain_value
from uns.errors import DeviceError
from uns.metric import Value

__all__ = ["Recording"]

_MOST_BYTES: Final = 64 * 1024 * 1024
_EPOCH_MS: Final = 10_000_000_000  # a number beyond it is milliseconds, below it seconds


@dataclass(frozen=True, slots=True)
class _Column:
    at_ms: list[int]  # from the first row on, rising
    values: list[Value]


class Recording:
    """The columns of one file; its first column is the time.

    Times are RFC 3339, or seconds (also since the file's begin), or milliseconds since 1970.
    An empty cell says nothing: what stood above it still stands.
    """

    def __init__(self, columns: dict[str, _Column], length_ms: int) -> None:
        """Use `Recording.read`."""
        self._columns = columns
        self.length_ms = length_ms

    @classmethod
    def read(cls, path: Path) -> Recording:
        """Read a file; raises DeviceError that says where it cannot be understood."""
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise DeviceError(f"{path} is larger than 64 MB", hint="cut the recording")
            with path.open(encoding="utf-8-sig", newline="") as file:
                return cls._parsed(path, csv.reader(file))
        except OSError as error:
            raise DeviceError(f"the recording {path} cannot be read: {error.strerror}") from error
        except (UnicodeDecodeError, csv.Error) as error:
            raise DeviceError(
                f"{path} is no CSV file in UTF-8: {error}", hint="save it again as CSV UTF-8"
            ) from error

    @property
    def names(self) -> list[str]:
        """The columns."""
        return list(self._columns)

    def at(self, name: str, position_ms: int) -> Value:
        """What stood in column `name` at a position from the begin; None before its first value."""
        column = self._columns[name]
        index = bisect_right(column.at_ms, position_ms)
        return column.values[index - 1] if index else None

    @classmethod
    def _parsed(cls, path: Path, rows: Iterable[list[str]]) -> Recording:
        lines = iter(rows)
        head = [name.strip() for name in next(lines, [])]
        if len(head) < 2 or len(set(head)) < len(head):  # noqa: PLR2004 - the time and a value
            raise DeviceError(
                f"{path}:1: the first line must name the columns, each once",
                hint="like `time,speed,temperature`",
            )
        columns = {name: _Column([], []) for name in head[1:]}
        first_ms = last_ms = -1
        for number, cells in enumerate(lines, 2):
            if not any(cells):
                continue
            at_ms = _time(cells[0].strip(), f"{path}:{number}")
            first_ms = at_ms if first_ms < 0 else first_ms
            if at_ms < last_ms:
                raise DeviceError(f"{path}:{number}: time goes back", hint="sort the rows by time")
            last_ms = at_ms
            for column, cell in zip(columns.values(), cells[1:], strict=False):
                if cell.strip():
                    column.at_ms.append(at_ms - first_ms)
                    column.values.append(plain_value(cell.strip()))
        if last_ms <= first_ms:
            raise DeviceError(f"{path} holds no two moments", hint="a recording needs a length")
        return cls(columns, last_ms - first_ms)


def _time(text: str, where: str) -> int:
    held = plain_value(text)
    if isinstance(held, int | float) and not isinstance(held, bool) and held >= 0:
        return round(held) if held > _EPOCH_MS else round(held * 1000)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise DeviceError(
            f"{where}: `{text}` is no time",
            hint="write 2026-01-08T10:30:00Z, or seconds from the begin",
        ) from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)
