"""Where in a row of a file a tag stands: a column of a CSV, a path in JSON or XML.

In front of it stands the row's key and a slash, where the connection's rows have a key: CSV
`result`, `LINE1/result`, `"LINE 1/A"/"temp °C"`; JSON `$.result.value`, where a plain name is a
member of the row; XML `Result/Value`, `Result/@unit`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from bridges.paths import JsonPath, XmlPath
from bridges.rows import RowAddress, parse_row, split_key

__all__ = ["FileAddress", "Format", "Place", "parse_address"]

Place: TypeAlias = str | JsonPath | XmlPath  # of a cell in its row


class Format(StrEnum):
    """What a file holds: rows line by line, or one document."""

    CSV = "csv"
    JSONL = "jsonl"
    JSON = "json"
    XML = "xml"

    @property
    def is_lines(self) -> bool:
        """Whether rows are lines, so that a file can grow while it is read."""
        return self in (Format.CSV, Format.JSONL)


@dataclass(frozen=True, slots=True)
class FileAddress:
    """A place in a row, and the key of the rows that count; None where every row does."""

    place: Place
    key: str | None = None

    def __str__(self) -> str:
        if isinstance(self.place, str):
            return str(RowAddress(self.place, self.key))
        if self.key is None:
            return str(self.place)
        return str(RowAddress("x", self.key)).removesuffix("x") + str(self.place)


def parse_address(text: str, form: Format, *, has_key: bool) -> FileAddress:
    """Read an address; raises AddressError with the column of the mistake and a hint."""
    if form is Format.CSV:
        row = parse_row(text, has_key=has_key)
        return FileAddress(row.column, row.key)
    key, at = split_key(text) if has_key else (None, 0)
    rest = text[at:]
    begin = at + len(rest) - len(rest.lstrip())
    if form is Format.XML:
        return FileAddress(XmlPath.parse(text, begin), key)
    if rest.strip().startswith("$"):
        return FileAddress(JsonPath.parse(text, begin), key)
    blank = " " * at  # so that columns count from the address's own beginning
    return FileAddress(JsonPath((parse_row(blank + rest, has_key=False).column,)), key)
