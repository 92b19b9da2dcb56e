"""Drawing diagnostics: with carets for people, on one line for editors, as data for programs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from uns.project.diagnose import Diagnostic, Related
from uns.project.source import BREAK, Source, Span

__all__ = ["as_data", "one_line", "render"]

_COLOURS = {"error": "red", "warning": "yellow"}
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_LEAD = 24  # characters kept before the caret where a line is too long to show


def render(
    console: Console, sources: Mapping[str, Source], diagnostics: Iterable[Diagnostic]
) -> None:
    """Print each diagnostic with the lines it speaks of, and a blank line after it."""
    lines = _Lines(sources)
    for one in diagnostics:
        colour = _COLOURS[one.severity]
        head = Text.assemble((f"{one.severity}[{one.code}]", f"bold {colour}"), ": ")
        _print(console, head + Text(_plain(one.message)))
        _snippet(console, lines, one, colour=colour, note=one.hint)
        for other in one.related:
            _snippet(console, lines, other, colour="blue", note=other.label)
        console.print()


def one_line(diagnostic: Diagnostic) -> str:
    """`plant.yaml:9:9: error UNS101: unknown key …`: the form that editors find places in."""
    span = diagnostic.span
    hint = f" ({diagnostic.hint})" if diagnostic.hint else ""
    place = f"{diagnostic.file}:{span.line}:{span.column}"
    text = f"{place}: {diagnostic.severity} {diagnostic.code}: {diagnostic.message}{hint}"
    return _plain(text)


def as_data(diagnostic: Diagnostic) -> dict[str, Any]:
    """The diagnostic for JSON."""
    return {
        "code": diagnostic.code,
        "severity": str(diagnostic.severity),
        "message": diagnostic.message,
        "file": diagnostic.file,
        **_place(diagnostic.span),
        "hint": diagnostic.hint,
        "related": [
            {"label": other.label, "file": other.file, **_place(other.span)}
            for other in diagnostic.related
        ],
    }


def _place(span: Span) -> dict[str, int]:
    return {
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }


class _Lines:
    """The lines of each source, cut when they are first needed."""

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources
        self._cut: dict[str, list[str]] = {}

    def has(self, file: str) -> bool:
        """Whether there is any text to show."""
        source = self._sources.get(file)
        return source is not None and bool(source.text)

    def line(self, file: str, number: int) -> str:
        if file not in self._cut:
            source = self._sources.get(file)
            self._cut[file] = BREAK.split(source.text) if source else []
        lines = self._cut[file]
        return lines[number - 1] if number <= len(lines) else ""


def _snippet(
    console: Console, lines: _Lines, at: Diagnostic | Related, *, colour: str, note: str
) -> None:
    span = at.span
    line = _plain(lines.line(at.file, span.line))
    margin = " " * len(str(span.line))
    place = f"{at.file}:{span.line}:{span.column}"
    if not lines.has(at.file):
        told = f": {_plain(note)}" if note else ""
        _print(console, Text.assemble(("--> ", "blue"), _plain(at.file), (told, colour)))
        return
    _print(console, Text.assemble(margin, ("--> ", "blue"), _plain(place)))
    start = min(span.column - 1, len(line))
    end = span.end_column - 1 if span.end_line == span.line else len(line)
    shown, start, end = _window(line, start, max(end, start + 1), console.width - len(margin) - 3)
    before, under = cell_len(shown[:start]), cell_len(shown[start:end])
    _print(console, Text.assemble((f"{margin} |", "blue")))
    _print(console, Text.assemble((f"{span.line} | ", "blue"), shown))
    carets = "^" * max(1, under)
    marked = Text.assemble((f"{margin} | ", "blue"), " " * before, (carets, f"bold {colour}"))
    if note:
        marked.append(f" {_plain(note)}", colour)
    _print(console, marked)


def _window(line: str, start: int, end: int, width: int) -> tuple[str, int, int]:
    """The part of a long line around [start, end), and where they are in it."""
    width = max(width, 2 * _LEAD)
    if cell_len(line) <= width:
        return line, start, end
    first = max(0, start - _LEAD)
    head = "…" if first else ""
    room = (width - 2) // (2 if cell_len(line) > len(line) else 1)
    tail = "…" if first + room < len(line) else ""
    shown = f"{head}{line[first : first + room]}{tail}"
    moved = start - first + len(head)
    return shown, moved, min(end - first + len(head), len(shown))


def _plain(text: str) -> str:
    """`text` without what would steer a terminal."""
    return _UNSEEN.sub(" ", text)


def _print(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True, highlight=False)
