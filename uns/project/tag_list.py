"""Tag lists: a spreadsheet's rows instead of YAML, saved as CSV.

A list is read into what the same words would be in YAML, with the place of every cell, so that
everything later treats both alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from uns.project.cells import Cell, Row, rows_of, separator_of
from uns.project.columns import COLUMNS, ONLY_OF_TYPES, column_of, said_by
from uns.project.diagnose import Diagnostic, diagnostic, mistakes
from uns.project.nearest import suggestion
from uns.project.quantity import WordError, shortened
from uns.project.reader import Mistake, Node
from uns.project.source import Source, Written
from uns.project.words import tag_name

__all__ = ["MAX_ROWS", "TagLists", "Use", "is_tag_list"]

MAX_ROWS = 100_000  # as many as a type may have
_LISTS = (".csv", ".tsv", ".txt")
_WORKBOOKS = (".xlsx", ".xls", ".xlsm", ".ods")
_TOLD = 50  # findings of one file; whoever has more took the wrong file
_HEADING = "the first row names the columns: `name,type,unit,lo,hi,address,desc`"


def is_tag_list(word: str) -> bool:
    """Whether `tags:` names a file, instead of an address for all of them."""
    return word.lower().endswith(_LISTS + _WORKBOOKS) and "{" not in word


class Use(Enum):
    """Whose tags a list holds: of one file, a type and its binding take what is theirs."""

    TYPE = "what the tags mean"  # their addresses are left out
    BINDING = "where they are"  # rows without an address are, and what only a type can say
    EXCEPTION = "what differs"  # of an instance or override


@dataclass(slots=True)
class TagLists:
    """The lists that a project names; `read` gives a file's text or raises OSError, ValueError.

    `sources` are those read so far, without their trees: what drawing a diagnostic needs.
    """

    read: Callable[[str], str]
    sources: dict[str, Source] = field(default_factory=dict)
    _known: dict[tuple[str, Use], Source | None] = field(default_factory=dict)
    _cut: dict[str, _Rows] = field(default_factory=dict)

    def find(self, name: str, at: Written, use: Use) -> tuple[Source | None, list[Diagnostic]]:
        """The list called `name`, which is named at `at`, and what is wrong with it."""
        key = (name, use)
        if key in self._known:
            return self._known[key], []
        self._known[key] = None
        if name.lower().endswith(_WORKBOOKS):
            hint = "save the sheet as CSV (UTF-8) and name that file"
            return None, [diagnostic("UNS142", f"`{name}` is a workbook", at, hint=hint)]
        try:
            text = self.read(name)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            message = f"`{name}` cannot be read: {why[:1].lower()}{why[1:]}"
            hint = "it is looked for in the project's folder"
            return None, [diagnostic("UNS142", message, at, hint=hint)]
        rows = self._cut.pop(name, None)  # of the other use: half the time
        if rows is None:
            rows = self._cut[name] = _Rows.of(text)
        source = _Sheet(text, rows, use).source(name)
        self._known[key] = source
        self.sources[name] = source.without_tree()
        return source, mistakes(source)


@dataclass(frozen=True, slots=True)
class _Rows:
    """A file cut into cells, as far as it can be: `mistake` is where that ended."""

    separator: str
    rows: list[Row]
    mistake: Mistake | None = None

    @classmethod
    def of(cls, text: str) -> _Rows:
        """Cut `text`."""
        separator = separator_of(text)
        rows: list[Row] = []
        try:
            for row in rows_of(text, separator):
                if len(rows) > MAX_ROWS:
                    what = f"more than {MAX_ROWS:,} rows"
                    raise _mistake("UNS106", what, row[0], "use several lists")
                rows.append(row)
        except Mistake as mistake:
            return cls(separator, rows, mistake)
        return cls(separator, rows)


class _Sheet:
    """One file on its way from cells to words."""

    def __init__(self, text: str, cut: _Rows, use: Use) -> None:
        self._text = text
        self._cut = cut
        self._use = use
        self._data: dict[str, dict[str, Any]] = {}
        self._keys: dict[str, Cell] = {}
        self._below: dict[str, Node] = {}
        self._mistakes: list[Mistake] = []

    def source(self, name: str) -> Source:
        """Everything that can be read of it, and what cannot."""
        try:
            self._read()
        except Mistake as mistake:
            self._mistakes.append(mistake)
        root = _node(self._data, _NOWHERE, self._keys, self._below)
        return Source(name, self._text, tuple(self._mistakes[:_TOLD]), self._data, root)

    def _read(self) -> None:
        heading, rows = self._cut.rows[:1], self._cut.rows[1:]
        if heading or self._cut.mistake is None:
            columns = self._columns(heading[0] if heading else [])
            for row in rows:
                if len(self._mistakes) < _TOLD:
                    self._add(row, columns)
        if self._cut.mistake is not None:
            raise self._cut.mistake

    def _columns(self, heading: Row) -> dict[int, str]:
        """Which column stands where; those that begin with `#` or have no heading are for people."""
        columns: dict[int, str] = {}
        for place, cell in enumerate(heading):
            if not cell.value or cell.value.startswith("#"):
                continue
            column = column_of(cell.value)
            if column is None:
                hint = suggestion(cell.value, COLUMNS, otherwise="a heading with `#` is for people")
                message = f"there is no column `{shortened(cell.value)}`"
                self._mistakes.append(_mistake("UNS143", message, cell, hint))
            elif column in columns.values():
                message = f"column `{column}` is here a second time"
                self._mistakes.append(_mistake("UNS143", message, cell, "keep one of the two"))
            else:
                columns[place] = column
        if "name" not in columns.values():
            self._mistakes.clear()  # what was said of its columns: they are no columns
            first = heading[0] if heading else _NO_CELL
            raise _mistake("UNS142", "no column is called `name`", first, _HEADING)
        return columns

    def _add(self, row: Row, columns: Mapping[int, str]) -> None:
        """One row, which is one tag."""
        said = {columns[n]: cell for n, cell in enumerate(row) if n in columns and cell.value}
        name = said.pop("name", None)
        if name is None:
            if said:
                first = next(iter(said.values()))
                self._mistakes.append(_mistake("UNS102", "this row has no `name`", first, ""))
            return
        if self._use is Use.BINDING and "address" not in said:
            return
        left_out = _LEFT_OUT.get(self._use, frozenset())
        self._put(name, {column: c for column, c in said.items() if column not in left_out})

    def _put(self, name: Cell, said: Mapping[str, Cell]) -> None:
        try:
            key = tag_name(name.value)
        except WordError as error:
            self._mistakes.append(_mistake(error.code, str(error), name, error.hint))
            return
        if key in self._keys:
            first = self._keys[key].span
            message = f"`{name.value}` is written twice"
            twice = Mistake("UNS002", message, name.span, hint="keep one of the two", first=first)
            self._mistakes.append(twice)
            return
        texts = {column: cell.value for column, cell in said.items()}
        words, wrong = said_by(texts, has_decimal_comma=self._cut.separator != ",")
        for column, why in wrong:
            message = f"column `{column}`: {why}"
            self._mistakes.append(_mistake("UNS144", message, said[column], why.hint))
        self._keys[key] = name
        self._data[key] = words
        self._below[key] = _row(words, said, name)


_NOWHERE = Cell("", 0, 0, 0, 0, 0, 0)
_NO_CELL = Cell("", 0, 0, 0, 0, 0, 1)
_LEFT_OUT = {Use.TYPE: frozenset({"address"}), Use.BINDING: ONLY_OF_TYPES}
#: Words that several cells make → the cell that stands for the whole of it.
_FIRST_OF = {"range": "lo", "scale": "raw_lo"}


def _row(words: Mapping[str, Any], said: Mapping[str, Cell], name: Cell) -> Node:
    """Where the words of a row are: each in its cell, mappings in several."""
    below: dict[str, Any] = {}
    for word, value in words.items():
        if word == "alarm":
            cells = {key: said[f"alarm_{key}"] for key in value}
            below[word] = _node(value, next(iter(cells.values())), cells, cells)
        elif word == "deadband":
            names = {"change": "deadband", "time": "deadband_time"}
            cells = {key: said[names[key]] for key in value}
            below[word] = _node(value, next(iter(cells.values())), cells, cells)
        elif word == "counter" and "rollover" in said:
            below[word] = _node(value, said["rollover"], {}, {"rollover": said["rollover"]})
        else:
            below[word] = said[_FIRST_OF.get(word, word)]
    keys = {word: one.event if isinstance(one, Node) else one for word, one in below.items()}
    return _node(words, name, keys, below)


def _node(value: Any, cell: Cell, keys: Mapping[str, Cell], below: Mapping[str, Any]) -> Node:
    """What stands in several cells, the first of which is `cell`."""
    return Node(value, cell, cell, dict(keys), dict(below), 0, 0)


def _mistake(code: str, message: str, cell: Cell, hint: str) -> Mistake:
    return Mistake(code, message, cell.span, hint=hint)
