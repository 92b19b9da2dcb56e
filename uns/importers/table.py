"""Tables: the rows of a CSV file or of an Excel sheet, as spreadsheets write them."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from uns.importers.found import ImportFileError, Unmapped

__all__ = ["Row", "Table", "number", "read_table"]

_DELIMITERS = ",;\t|"
_MOST_BYTES = 256 * 1024 * 1024  # of one sheet; a million rows are less
_LOOKED_AT = 20  # rows before the heading: titles, notes
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it stands, and its cells by our names of their columns."""

    origin: str
    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        """The cell without blanks around it; empty where there is none."""
        return self.cells.get(column, "").strip()


@dataclass(frozen=True, slots=True)
class Table:
    """The rows below the heading, and what of the file they do not have."""

    rows: tuple[Row, ...]
    lost: tuple[Unmapped, ...]


def read_table(
    name: str, raw: bytes, columns: Mapping[str, tuple[str, ...]], required: tuple[str, ...]
) -> Table:
    """The table in a file; `columns` are our names and what they are called there.

    The heading is the first row that has the `required` columns; raises ImportFileError where
    none does.
    """
    sheets = _sheets(raw) if raw.startswith(b"PK") else [("", _csv(raw))]
    known = {_folded(word): ours for ours, words in columns.items() for word in (ours, *words)}
    rows: list[Row] = []
    unknown: dict[str, int] = {}
    skipped: list[str] = []
    for sheet, lines in sheets:
        start, heading = _heading(lines, known, required)
        if not heading:
            skipped += [sheet] if any(lines) else []
            continue
        where = f"{name}:{sheet}!" if sheet and len(sheets) > 1 else f"{name}:"
        for at, line in enumerate(lines[start:], start + 1):
            if any(cell.strip() for cell in line):
                rows.append(Row(f"{where}{at}", _cells(line, heading, known, unknown)))
    if not rows:
        wanted = ", ".join(f"`{(columns.get(one) or (one,))[0]}`" for one in required)
        raise ImportFileError(
            f"`{name}` has no rows below a heading with {wanted}",
            hint="is it the export that was meant? The heading has to be in the file",
        )
    lost = [
        Unmapped(name, f"column `{title}`", f"not one we know; {count} cells")
        for title, count in unknown.items()
    ]
    lost += [Unmapped(name, f"sheet `{sheet}`", "it has no such heading") for sheet in skipped]
    return Table(tuple(rows), tuple(lost))


def _heading(
    lines: list[list[str]], known: Mapping[str, str], required: tuple[str, ...]
) -> tuple[int, list[str]]:
    """The row behind the heading, and the heading; empty where there is none."""
    for at, line in enumerate(lines[:_LOOKED_AT]):
        ours = {known.get(_folded(cell)) for cell in line}
        if set(required) <= ours:
            return at + 1, line
    return 0, []


def _cells(
    line: list[str], heading: list[str], known: Mapping[str, str], unknown: dict[str, int]
) -> dict[str, str]:
    cells: dict[str, str] = {}
    for title, cell in zip(heading, line, strict=False):
        ours = known.get(_folded(title))
        if ours is not None:
            cells.setdefault(ours, cell)
        elif cell.strip():
            unknown[title.strip()] = unknown.get(title.strip(), 0) + 1
    return cells


def _folded(title: str) -> str:
    return re.sub(r"[^\w%]|_", "", title).casefold()


def _csv(raw: bytes) -> list[list[str]]:
    text = _decoded(raw)
    lines = text.splitlines()[:_LOOKED_AT]
    if lines and lines[0].casefold().startswith("sep=") and len(lines[0]) == len("sep=") + 1:
        mark = lines[0][-1]
        text = text.partition("\n")[2]
        return [[], *csv.reader(io.StringIO(text, newline=""), delimiter=mark)]
    mark = max(_DELIMITERS, key=lambda one: max((line.count(one) for line in lines), default=0))
    try:
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=mark))
    except csv.Error as error:
        raise ImportFileError(f"no table can be read: {error}", hint="is it a CSV file?") from None


def _decoded(raw: bytes) -> str:
    """Unicode with a mark, UTF-8, or what Windows writes."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", "replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")


def _sheets(raw: bytes) -> list[tuple[str, list[list[str]]]]:
    """The sheets of an Excel workbook (ECMA-376 part 1 §18.3): their names and rows."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as book:
            texts = _shared_texts(book)
            parts = [
                name for name in book.namelist() if re.match(r"xl/worksheets/[^/]+\.xml", name)
            ]
            names = [
                str(one.get("name")) for one in _part(book, "xl/workbook.xml").iter(f"{_MAIN}sheet")
            ]
            parts.sort(key=lambda part: int("".join(re.findall("[0-9]", part)) or 0))
            return [
                (names[at] if at < len(names) else part, list(_lines(_part(book, part), texts)))
                for at, part in enumerate(parts)
            ]
    except (zipfile.BadZipFile, KeyError, ET.ParseError, ValueError, IndexError) as error:
        raise ImportFileError(
            f"this workbook cannot be read: {error}", hint="save it anew as .xlsx, or as CSV"
        ) from None


def _part(book: zipfile.ZipFile, name: str) -> ET.Element:
    if book.getinfo(name).file_size > _MOST_BYTES:
        raise ValueError(f"{name} is larger than {_MOST_BYTES >> 20} MB")
    text = book.read(name)
    if b"<!DOCTYPE" in text:
        raise ValueError(f"{name} declares entities, which no spreadsheet needs")
    return ET.fromstring(text)  # noqa: S314 - without a DTD there are no entities to expand


def _shared_texts(book: zipfile.ZipFile) -> list[str]:
    if "xl/sharedStrings.xml" not in book.namelist():
        return []
    root = _part(book, "xl/sharedStrings.xml")
    return ["".join(t.text or "" for t in one.iter(f"{_MAIN}t")) for one in root]


def _lines(sheet: ET.Element, texts: list[str]) -> Iterator[list[str]]:
    """Rows with their empty cells, so that columns stay where they are."""
    at = 0
    for row in sheet.iter(f"{_MAIN}row"):
        wanted = int(row.get("r") or at + 1)
        yield from ([] for _ in range(min(wanted - at - 1, _LOOKED_AT)))
        at = wanted
        line: list[str] = []
        for cell in row.iter(f"{_MAIN}c"):
            column = _column(cell.get("r") or "") or len(line)
            line += [""] * (column - len(line))
            line.append(_value(cell, texts))
        yield line


def _column(reference: str) -> int:
    """`C7` is column 2, counted from 0; at most 16,384 (XFD)."""
    letters = re.match("[A-Z]{1,3}", reference)
    column = 0
    for letter in letters[0] if letters else "":
        column = column * 26 + ord(letter) - ord("A") + 1
    return max(0, column - 1)


def _value(cell: ET.Element, texts: list[str]) -> str:
    if cell.get("t") == "inlineStr":
        return "".join(t.text or "" for t in cell.iter(f"{_MAIN}t"))
    text = cell.findtext(f"{_MAIN}v") or ""
    return texts[int(text)] if cell.get("t") == "s" and text else text


def number(text: str) -> float | None:
    """A number, with a decimal comma or blanks between thousands where somebody wrote them so.

    >>> number("1.234,5"), number("0,5"), number("12")
    (1234.5, 0.5, 12.0)
    """
    plain = re.sub(r"[\s\u00a0']", "", text)
    if "," in plain and "." in plain:
        last = max(plain, key=lambda mark: plain.rfind(mark) if mark in ",." else -1)
        plain = plain.replace("." if last == "," else ",", "")
    plain = plain.replace(",", ".")
    try:
        value = float(plain)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None
