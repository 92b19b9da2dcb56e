"""Rows: what databases, files and other tables have in common - addresses, times and cells.

    [key/]column        `order_id`, `LINE1/order_id`, `"LINE 1/A"/"temp °C"`

With a key, a row speaks of one machine of several, and the key says which. Parts that hold a
slash or a quote stand in double quotes; a double quote inside is written twice.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from bridges.moments import EPOCH_UNITS, LATEST_MS
from uns.errors import AddressError
from uns.metric import DataType, Value

__all__ = ["Moments", "RowAddress", "key_text", "parse_row", "split_key", "value_of"]

_PLAIN = re.compile(r'[^/"]*')
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
_DATE_DIGITS = 8  # 20260108 is a day, longer numbers are seconds since 1970


@dataclass(frozen=True, slots=True)
class RowAddress:
    """A column, and the key of the rows that count; None where every row does."""

    column: str
    key: str | None = None

    def __str__(self) -> str:
        column = _quoted(self.column)
        return column if self.key is None else f"{_quoted(self.key)}/{column}"


def parse_row(text: str, *, has_key: bool) -> RowAddress:
    """Read an address; `has_key` says whether the connection's rows carry a key.

    Raises AddressError with the column of the mistake and a hint.
    """
    key, at = split_key(text) if has_key else (None, 0)
    column, end = _part(text, at, "column")
    if end < len(text) and text[end] == "/" and not has_key:
        raise AddressError(
            f"`{text}` has a key in front of its column, and this connection has none",
            column=end + 1,
            hint="give the connection `key: <the column that tells the machines apart>`, or quote "
            f'a column that is called so: `"{text.strip()}"`',
        )
    if end < len(text):
        raise AddressError(
            f"`{text[end:]}` is too much behind the column",
            column=end + 1,
            hint='put a name with a slash or a quote into double quotes: `"a/b"`',
        )
    return RowAddress(column, key)


def split_key(text: str) -> tuple[str, int]:
    """The key in front of the first slash, and where what follows it begins (from 0)."""
    key, end = _part(text, 0, "key")
    if end >= len(text) or text[end] != "/":
        raise AddressError(
            f"`{text.strip()}` names no row: this connection's rows have a key",
            column=min(end, len(text)) + 1,
            hint="write the row's key, a slash and the column: `LINE1/order_id`",
        )
    return key, end + 1


def key_text(cell: Any) -> str:
    """A key as it is written in an address; CHAR columns fill theirs up with blanks."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return str(cell).rstrip()


class Moments:
    """How the times of a source are read: `timezone` where they name none, `form` as strptime's."""

    def __init__(self, timezone: str = "UTC", form: str = "") -> None:
        self._zone: tzinfo = UTC if timezone == "UTC" else ZoneInfo(timezone)
        self._form = form

    def read(self, cell: Any) -> int:
        """Milliseconds since 1970 UTC; raises ValueError that shows what was read."""
        moment = self._moment(cell)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self._zone)
        stamp = (moment - _EPOCH) // _MILLISECOND
        if not 0 < stamp <= LATEST_MS:
            raise ValueError(f"`{cell}` is no time after 1970")
        return stamp

    def _moment(self, cell: Any) -> datetime:
        if isinstance(cell, datetime):
            return cell
        if isinstance(cell, date):
            return datetime.combine(cell, time())
        if isinstance(cell, int | float | Decimal) and not isinstance(cell, bool):
            return _since_1970(float(cell))
        if isinstance(cell, str):
            return self._written(cell.strip())
        raise ValueError(f"`{cell}` is no time")

    def _written(self, text: str) -> datetime:
        if self._form:
            return datetime.strptime(text, self._form)  # noqa: DTZ007 - the caller's zone
        if len(text) > _DATE_DIGITS and re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
            return _since_1970(float(text))
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            raise ValueError(f"`{text}` is no time (write 2026-01-08T10:30:00Z)") from None


def value_of(cell: Any, datatype: DataType, moments: Moments) -> Value:
    """A cell as a value of a tag; raises ValueError where a time was wanted and is none."""
    if cell is None:
        return None
    if datatype is DataType.DATETIME:
        return moments.read(cell)
    if isinstance(cell, bool | int | float | str | bytes):
        return cell
    if isinstance(cell, Decimal):
        if datatype.is_text:
            return str(cell)
        is_whole = datatype.is_integer and cell.is_finite() and cell == cell.to_integral_value()
        return int(cell) if is_whole else float(cell)
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, timedelta):
        return cell.total_seconds()
    if isinstance(cell, bytearray | memoryview):
        return bytes(cell)
    if isinstance(cell, dict | list):
        return json.dumps(cell, ensure_ascii=False, default=str)
    return str(cell)


def _part(text: str, at: int, what: str) -> tuple[str, int]:
    """One name and where it ends; blanks around it do not count."""
    begin = at + len(text[at:]) - len(text[at:].lstrip())
    if text[begin : begin + 1] == '"':
        return _quoted_part(text, begin, what)
    match = _PLAIN.match(text, begin)
    end = match.end() if match else begin
    if end < len(text) and text[end] == '"':
        raise AddressError(
            "a double quote stands inside a name",
            column=end + 1,
            hint='put the whole name into double quotes, and write this one twice: `"5"" pipe"`',
        )
    name = text[begin:end].strip()
    if not name:
        raise AddressError(
            f"the {what} is missing", column=begin + 1, hint="write one like `LINE1/order_id`"
        )
    return name, end


def _quoted_part(text: str, begin: int, what: str) -> tuple[str, int]:
    match = _QUOTED.match(text, begin)
    if match is None:
        raise AddressError(
            "a double quote is not closed",
            column=begin + 1,
            hint='write a quote inside a name twice: `"5"" pipe"`',
        )
    name = match[1].replace('""', '"')
    if not name:
        raise AddressError(
            f"the {what} is empty", column=begin + 1, hint="write its name between the quotes"
        )
    rest = text[match.end() :]
    return name, match.end() + len(rest) - len(rest.lstrip())


def _quoted(name: str) -> str:
    if re.search(r'[/"]', name) or name != name.strip():
        return '"' + name.replace('"', '""') + '"'
    return name


def _since_1970(number: float) -> datetime:
    """Seconds, or the finer units that some systems count in; their size tells."""
    for below, to_ms in EPOCH_UNITS:
        if 0 <= number < below:
            return _EPOCH + timedelta(milliseconds=number * to_ms)
    raise ValueError(f"`{number:g}` is no time since 1970")


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
