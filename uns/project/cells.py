"""Cells: a CSV file cut into rows, each cell with its place in the file.

RFC 4180 with what Excel makes of it: `;` or a tab where the country's decimal sign is a comma,
a first line `sep=;`, and quotes around cells that hold line breaks.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

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


class Cell(NamedTuple):
    """One cell: what it says, and the text of the file that says so; all from 0.

    It has what a scalar of YAML has, and as `[…]` has where it begins a word of several cells.
    A plain tuple, because a list of 50,000 tags has half a million.
    """

    value: str
    begin: int
    end: int
    line: int
    column: int
    end_line: int
    end_column: int
    is_quoted: bool = False

    @property
    def start_mark(self) -> Mark:
        """Where it begins."""
        return Mark(self.begin, self.line, self.column)

    @property
    def end_mark(self) -> Mark:
        """Where it ends."""
        return Mark(self.end, self.end_line, self.end_column)

    @property
    def implicit(self) -> tuple[bool, bool]:
        """The first: it is not in quotes."""
        return not self.is_quoted, False

    @property
    def flow_style(self) -> bool:
        """A cell itself can be underlined."""
        return True

    @property
    def span(self) -> Span:
        """Where it is, for people."""
        column = max(self.end_column, 1) + 1
        return Span(self.line + 1, self.column + 1, self.end_line + 1, column)


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
        if found is None:
            raise _open_quote(index, line, start_of_line)
        quoted, end1, plain, end2 = found.groups()
        if quoted is None:
            if plain.startswith('"', len(plain) - len(plain.lstrip(" "))):
                raise _open_quote(index, line, start_of_line)
            made = _plain(plain, index, line, index - start_of_line)
        else:
            made, start_of_line = _quoted(found, line, start_of_line)
            line = made.end_line
        row.append(made)
        _check_size(made, row, separator)
        index = found.end()
        if (end1 or end2) == separator:
            continue
        if any(one[0] for one in row):
            yield row
        row = []
        line, start_of_line = line + 1, index


def _plain(text: str, index: int, line: int, column: int) -> Cell:
    """A cell without quotes; the blanks around it are not part of it."""
    bare = text.strip()
    if bare != text:
        blanks = len(text) - len(text.lstrip())
        index, column = index + blanks, column + blanks
    size = len(bare)
    return Cell(bare, index, index + size, line, column, line, column + size)


def _quoted(found: re.Match[str], line: int, start_of_line: int) -> tuple[Cell, int]:
    """A cell in quotes, and where the line begins on which it ends."""
    text, begin, end = found["quoted"], found.start("quoted") - 1, found.end("quoted") + 1
    last, start_of_last = line, start_of_line
    for gap in BREAK.finditer(text):
        last, start_of_last = last + 1, begin + 1 + gap.end()
    value = text.replace('""', '"').strip()
    columns = begin - start_of_line, end - start_of_last
    cell = Cell(value, begin, end, line, columns[0], last, columns[1], is_quoted=True)
    return cell, start_of_last


def _check_size(cell: Cell, row: Row, separator: str) -> None:
    """Raise Mistake where a cell or a row is none that somebody wrote."""
    if len(cell.value) > _LONGEST:
        span = Span(cell.line + 1, cell.column + 1, cell.line + 1, cell.column + 2)
        message = f"a cell of {len(cell.value):,} characters"
        raise Mistake("UNS142", message, span, hint="is a quote never closed?")
    if len(row) > _WIDEST:
        message = f"more than {_WIDEST:,} cells in a row"
        raise Mistake("UNS142", message, cell.span, hint=f"cells end at `{separator}`")


def _open_quote(index: int, line: int, start_of_line: int) -> Mistake:
    column = index - start_of_line + 1
    return Mistake(
        "UNS142",
        "this quote is never closed, or text follows it in the same cell",
        Span(line + 1, column, line + 1, column + 1),
        hint="a quote inside a cell is written twice",
    )
