"""One row of a file, whatever its format: a cell for a place."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from bridges.file.address import Format, Place
from bridges.file.lines import text_of
from bridges.paths import JsonPath, XmlPath

__all__ = ["Header", "Record", "document_records", "line_record"]

_DELIMITERS = (";", "\t", ",", "|")


@dataclass(frozen=True, slots=True)
class Header:
    """The columns of a CSV file and what stands between its cells."""

    names: tuple[str, ...]
    delimiter: str

    @classmethod
    def of(cls, line: str, delimiter: str, columns: Sequence[str]) -> Header:
        """What the first line tells; `columns` are the names where it is a row already."""
        if delimiter == "auto":
            delimiter = max(_DELIMITERS, key=line.count)
        if columns:
            return cls(tuple(columns), delimiter)
        return cls(tuple(name.strip() for name in _cells(line, delimiter)), delimiter)


@dataclass(frozen=True, slots=True)
class Record:
    """A row and where it stood; `held` is what its format made of it."""

    line: int
    raw: str
    held: Any

    def cell(self, place: Place) -> Any:
        """What stands at a place; raises LookupError where nothing does."""
        match place:
            case JsonPath():
                return place.get(self.held)
            case XmlPath():
                return place.get(self.held)
        cells: Mapping[str, str] = self.held
        if place not in cells:
            raise LookupError(f"there is no column `{place}`, only {', '.join(list(cells)[:20])}")
        return cells[place]


def line_record(line: int, text: str, header: Header | None) -> Record | None:
    """The row of a line: of CSV with a header, of JSON without; None for an empty line.

    Raises ValueError that says what is wrong with it.
    """
    if not text.strip("\0 \t"):
        return None
    if header is None:
        return Record(line, text, _json(text))
    cells = [cell.strip() for cell in _cells(text, header.delimiter)]
    if tuple(cells) == header.names:
        return None  # written again by whoever appends
    extra = cells[len(header.names) :]
    if len(cells) < len(header.names) or any(extra):
        count = len(header.names)
        raise ValueError(f"it has {len(cells)} cells, and there are {count} columns")
    return Record(line, text, dict(zip(header.names, cells, strict=False)))


def document_records(
    raw: bytes, encoding: str, form: Format, rows: Place | None
) -> Iterator[Record]:
    """The rows of a document; raises ValueError that says where it is broken."""
    if form is Format.XML:  # which names its encoding itself
        yield from _elements(raw if encoding == "auto" else text_of(raw, encoding), rows)
        return
    document = _json(text_of(raw, encoding))
    if isinstance(rows, JsonPath):
        try:
            document = rows.get(document)
        except LookupError as error:
            raise ValueError(f"it has no rows: {error.args[0]}") from None
    found = document if isinstance(document, list) else [document]
    for number, row in enumerate(found, 1):
        yield Record(number, json.dumps(row, ensure_ascii=False), row)


def _elements(document: str | bytes, rows: Place | None) -> Iterator[Record]:
    try:
        root: Element = fromstring(document)
    except DefusedXmlException:
        raise ValueError("it defines entities, which may hide a bomb") from None
    except (ParseError, ValueError) as error:
        raise ValueError(f"it is no XML: {error}") from None
    found = rows.elements(root) if isinstance(rows, XmlPath) else [root]
    for number, element in enumerate(found, 1):
        yield Record(number, "", element)


def _cells(text: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration) as error:
        raise ValueError(f"it is no row of CSV: {error}") from None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is no JSON: {error}") from None
