"""Cells: a CSV file cut into rows, each cell with its place in the file.

RFC 4180 with what Excel makes of it: `;` or a tab where the country's decimal sign is a comma,
a first line `sep=;`, and quotes around cells that hold line breaks.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from uns.project.reader import BREAK, NOT_PRINTABLE, Mistake, Span

__all__ = ["Cell", "Mark", "Row", "rows_of", "separator_of", "spreadsheet_text"]

_SEPARATORS = (";", "\t", ",")
_SAID = re.compile(r"sep=([;,\t])(?:\r\n|\n|\r)", re.IGNORECASE)
_LONGEST = 10_000  # characters of a cell: a description is a hundred
_WIDEST = 1_000  # cells of a row


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a text: from 0, as libyaml counts."""

    index: int
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: what it says, and the text of the file that says so.

    It has what a scalar of YAML has, and as `[…]` has where it begins a word of several cells.
    """

    value: str
    start_mark: Mark
    end_mark: Mark
    implicit: tuple[bool, bool]  # the first: it is not in quotes

    @property
    def flow_style(self) -> bool:
        """A cell itself can be underlined."""
        return True

    @property
    def span(self) -> Span:
        """Where it is."""
        start, end = self.start_mark, self.end_mark
        return Span(start.line + 1, start.column + 1, end.line + 1, max(end.column, 1) + 1)


Row = list[Cell]


def spreadsheet_text(content: bytes) -> str:
    """The text in a file of Excel: UTF-8 or UTF-16 with their marks, or code page 1252.

    Raises ValueError where it is none of these, or holds what no editor shows.
    """
    if content[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        text = content.decode("utf-16")
    else:
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("cp1252")
    if strange := NOT_PRINTABLE.search(text):
        raise ValueError(f"it holds U+{ord(strange[0]):04X}, which is no text")
    return text


def separator_of(text: str) -> str:
    """What stands between the cells: what `sep=` says, or is found most in the first line."""
    if found := _SAID.match(text):
        return found[1]
    first = BREAK.split(text, maxsplit=1)[0]
    bare = re.sub(r'"[^"]*"', "", first)
    return max(_SEPARATORS, key=bare.count)


def rows_of(text: str, separator: str) -> Iterator[Row]:
    """The rows that hold anything; raises Mistake where a quote is never closed."""
    cell = re.compile(
        rf'[ ]*"(?P<quoted>[^"]*(?:""[^"]*)*)"[ ]*(?P<end1>{separator}|\r\n|\n|\r|\Z)'
        rf"|(?P<plain>[^{separator}\r\n]*)(?P<end2>{separator}|\r\n|\n|\r|\Z)"
    )
    said = _SAID.match(text)
    index = said.end() if said else 0
    line, start_of_line = (1 if said else 0), index
    row: Row = []
    while index < len(text) or row:
        found = cell.match(text, index)
        if found is None or (found["quoted"] is None and found["plain"].lstrip(" ")[:1] == '"'):
            raise _open_quote(index, line, start_of_line)
        made, line, start_of_line = _cell(found, line, start_of_line)
        row.append(made)
        if len(row) > _WIDEST:
            message = f"more than {_WIDEST:,} cells in a row"
            raise Mistake("UNS142", message, made.span, hint=f"cells end at `{separator}`")
        end = found["end1"] if found["quoted"] is not None else found["end2"]
        index = found.end()
        if end == separator and index <= len(text):
            continue
        if any(one.value for one in row):
            yield row
        row = []
        line, start_of_line = line + 1, index


def _cell(found: re.Match[str], line: int, start_of_line: int) -> tuple[Cell, int, int]:
    """The cell, and the line and its beginning where the cell ends."""
    name = "plain" if found["quoted"] is None else "quoted"
    text, begin, end = found[name], found.start(name), found.end(name)
    quote = int(name == "quoted")
    if not quote:
        begin += len(text) - len(text.lstrip())
        text = text.strip()
        end = begin + len(text)
    if len(text) > _LONGEST:
        raise Mistake(
            "UNS142",
            f"a cell of {len(text):,} characters",
            Span(line + 1, begin - start_of_line + 1, line + 1, begin - start_of_line + 2),
            hint="is a quote never closed?",
        )
    start = Mark(begin - quote, line, begin - quote - start_of_line)
    for gap in BREAK.finditer(text) if quote else ():
        line, start_of_line = line + 1, begin + gap.end()
    stop = Mark(end + quote, line, end + quote - start_of_line)
    value = text.replace('""', '"').strip() if quote else text
    return Cell(value, start, stop, (not quote, False)), line, start_of_line


def _open_quote(index: int, line: int, start_of_line: int) -> Mistake:
    column = index - start_of_line + 1
    return Mistake(
        "UNS142",
        "this quote is never closed, or text follows it in the same cell",
        Span(line + 1, column, line + 1, column + 1),
        hint="a quote inside a cell is written twice",
    )
