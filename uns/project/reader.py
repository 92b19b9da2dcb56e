"""Reading YAML: libyaml's events put together, with every mistake that can be collected.

YAML 1.2 with its core words: `NO`, `12:30` and `on` stay text, and so does `010`, which is an
address somebody padded and not a number. What can be read although it is wrong (a key written
twice) is collected, so that one run shows all of it; only text that is no YAML ends the reading.
Depth and size are bounded, aliases written out included, whatever the text says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml
from yaml import events as ev

__all__ = [
    "BREAK",
    "MAX_DEPTH",
    "MAX_MISTAKES",
    "MAX_NODES",
    "NOT_PRINTABLE",
    "Child",
    "Mistake",
    "Node",
    "Reader",
    "Span",
    "span_of",
]

MAX_DEPTH = 64  # a project needs 8; beyond this it is an attack or an accident
MAX_MISTAKES = 100  # of one file; then the reading ends
MAX_NODES = 5_000_000  # counted with every alias written out, so that a bomb stays small


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a file; lines and columns start at 1, and the end is not part of it."""

    line: int
    column: int
    end_line: int
    end_column: int


class Mistake(Exception):  # noqa: N818 - it is raised inside the reader and handed on as a value
    """Something wrong with a file as YAML; `first` is the earlier place that it collides with."""

    def __init__(
        self, code: str, message: str, span: Span, *, hint: str = "", first: Span | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.span = span
        self.hint = hint
        self.first = first


@dataclass(slots=True)
class Node:
    """A mapping or a sequence: its value, the events around it, and what is below it."""

    value: Any
    event: Any
    end: Any
    keys: dict[Any, Any] | None  # a mapping's key → the event that wrote it
    below: Any  # a mapping's key → Child, or a list of Child
    size: int
    height: int


Child: TypeAlias = Any  # a Node, or for a scalar its event: half a million of them are read


class Reader:
    """One text; `mistakes` fills up while it is read."""

    def __init__(self, text: str) -> None:
        self.mistakes: list[Mistake] = []
        self._text = text
        self._anchors: dict[str, tuple[Any, Child]] = {}
        self._depth = 0
        self._flow = 0
        self._next: Any = None

    def document(self) -> tuple[Any, Child]:
        """The value of the only document and where it is; (None, None) where there is none."""
        if strange := NOT_PRINTABLE.search(self._text):
            self.mistakes.append(_control_character(self._text, strange.start()))
            return None, None
        if endless := _ENDLESS.search(self._text):
            self.mistakes.append(_endless_line(self._text, endless.start()))
            return None, None
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(self._text)
        self._next = loader.get_event
        try:
            return self._document()
        except Mistake as mistake:
            self.mistakes.append(mistake)
        except yaml.MarkedYAMLError as error:
            self.mistakes.append(_not_yaml(error, self._text))
        finally:
            loader.dispose()
        return None, None

    def _note(self, mistake: Mistake) -> None:
        """Collect a mistake and go on; whoever has a hundred wants to see the first."""
        if len(self.mistakes) >= MAX_MISTAKES:
            raise mistake
        self.mistakes.append(mistake)

    def _document(self) -> tuple[Any, Child]:
        self._next()  # the stream's start
        if type(self._next()) is ev.StreamEndEvent:
            return None, None
        root = self._child(self._next())
        self._next()  # the document's end
        extra = self._next()
        if type(extra) is ev.StreamEndEvent:
            return root
        raise Mistake(
            "UNS001",
            "a second document begins here; a file holds one",
            span_of(extra, extra),
            hint="put it into a file of its own",
        )

    def _child(self, event: Any) -> tuple[Any, Child]:
        """What begins with `event`: its value, and the node or event that is kept for places."""
        kind = type(event)
        if kind is ev.AliasEvent:
            return self._alias(event)
        if event.tag is not None and event.tag != "!":
            raise _tagged(event)
        child: Child = event
        if kind is ev.ScalarEvent:
            is_plain = event.implicit[0]
            value = _scalar(event.value) if is_plain else event.value
            if self._flow and is_plain and event.value.startswith("="):
                self._note(_bare_expression(event))
        else:
            child = self._collection(event, is_mapping=kind is ev.MappingStartEvent)
            value = child.value
        if event.anchor is not None:
            self._anchors[event.anchor] = value, child
        return value, child

    def _collection(self, event: Any, *, is_mapping: bool) -> Node:
        if self._depth >= MAX_DEPTH:
            raise _too_deep(event)
        self._depth += 1
        self._flow += bool(event.flow_style)
        node = self._mapping(event) if is_mapping else self._sequence(event)
        self._depth -= 1
        self._flow -= bool(event.flow_style)
        if node.size > MAX_NODES:
            raise _too_large(event, node.size)
        if node.height + self._depth > MAX_DEPTH:
            raise _too_deep(event)
        return node

    def _alias(self, event: Any) -> tuple[Any, Child]:
        if event.anchor in self._anchors:
            return self._anchors[event.anchor]
        raise Mistake(
            "UNS001",
            f"there is no anchor `&{event.anchor}` before this",
            span_of(event, event),
            hint="an anchor must be complete before its alias is used",
        )

    def _sequence(self, event: Any) -> Node:
        values, below = [], []
        size, height = 1, 0
        while type(inner := self._next()) is not ev.SequenceEndEvent:
            value, child = self._child(inner)
            values.append(value)
            below.append(child)
            if type(child) is Node:
                size += child.size
                height = max(height, child.height)
        return Node(values, event, inner, None, below, size + len(below), height + 1)

    def _mapping(self, event: Any) -> Node:
        keys: dict[Any, Any] = {}
        below: dict[Any, Child] = {}
        values: dict[Any, Any] = {}
        merged: list[Node] = []
        size, height = 1, 0
        while type(inner := self._next()) is not ev.MappingEndEvent:
            key, written = self._child(inner)
            value, child = self._child(self._next())
            if type(child) is Node:
                size += child.size
                height = max(height, child.height)
            if type(written) is Node:
                raise _not_a_key(inner)
            if key == "<<" and inner.implicit[0]:
                merged += _parents(child, inner)
            elif key in keys:
                self._note(_written_twice(key, inner, keys[key]))
            else:
                keys[key], below[key], values[key] = inner, child, value
        for parent in reversed(merged):
            keys = {**(parent.keys or {}), **keys}
            below = {**parent.below, **below}
            values = {**parent.value, **values}
        return Node(values, event, inner, keys, below, size + len(below), height + 1)


# YAML 1.2.2 §10.3.2, the core schema; numbers with leading zeros are left as they were typed.
_WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
}
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_HEX = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z"
    r"|[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z"
)
_NUMERIC = frozenset("-+.0123456789")
_LONGEST_NUMBER = 100

# YAML 1.2.2 §5.1: what a stream may hold.
NOT_PRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_ENDLESS = re.compile("[^\n\r]{1000000}")  # no line that somebody wrote
BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")  # as libyaml counts lines


def _scalar(text: str) -> Any:
    """A plain scalar's value."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMERIC or len(text) > _LONGEST_NUMBER:
        return text
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    if _HEX.match(text):
        return int(text, 16)
    return text


def span_of(first: Any, last: Any) -> Span:
    """From where one event begins to where another ends."""
    start, end = first.start_mark, last.end_mark
    return Span(start.line + 1, start.column + 1, end.line + 1, end.column + 1)


def _parents(child: Child, event: Any) -> list[Node]:
    """The mappings that `<<` merges."""
    is_list = isinstance(child, Node) and isinstance(child.below, list)
    found = child.below if is_list else [child]
    if all(isinstance(parent, Node) and isinstance(parent.below, dict) for parent in found):
        return list(found)
    raise Mistake("UNS001", "`<<` merges mappings, and this is none", span_of(event, event))


def _too_large(event: Any, size: int) -> Mistake:
    return Mistake(
        "UNS004",
        f"this holds {size:,} values when its aliases are written out",
        span_of(event, event),
        hint=f"at most {MAX_NODES:,} are read; use `each` or a type instead of aliases",
    )


def _not_a_key(event: Any) -> Mistake:
    return Mistake(
        "UNS001",
        "a key must be one word, not a list or a mapping",
        span_of(event, event),
        hint="put it in quotes where it begins with `{` or `[`",
    )


def _written_twice(key: Any, event: Any, first: Any) -> Mistake:
    return Mistake(
        "UNS002",
        f"`{key}` is written twice",
        span_of(event, event),
        hint="keep one of the two",
        first=span_of(first, first),
    )


def _too_deep(event: Any) -> Mistake:
    return Mistake(
        "UNS004",
        f"nested more than {MAX_DEPTH} levels deep",
        span_of(event, event),
        hint="is a bracket never closed?",
    )


def _bare_expression(event: Any) -> Mistake:
    return Mistake(
        "UNS003",
        "an expression inside `{ }` or `[ ]` needs quotes: YAML ends it at the next `,`",
        span_of(event, event),
        hint='write `"= …"`',
    )


def _tagged(event: Any) -> Mistake:
    return Mistake(
        "UNS001",
        f"`{event.tag}`: YAML tags have no meaning in a project",
        span_of(event, event),
        hint="remove the tag; put a text that begins with `!` in quotes",
    )


def _control_character(text: str, index: int) -> Mistake:
    """A byte that no editor shows: found before libyaml sees it, because we can say where."""
    return Mistake(
        "UNS005",
        f"the character U+{ord(text[index]):04X} cannot be part of a YAML file",
        _character(text, index),
        hint="delete it; in quotes it can be written as an escape",
    )


def _endless_line(text: str, index: int) -> Mistake:
    return Mistake(
        "UNS004",
        "this line has more than a million characters",
        _character(text, index),
        hint="is this the right file?",
    )


def _character(text: str, index: int) -> Span:
    """Where one character is."""
    breaks = list(BREAK.finditer(text, 0, index))
    line = len(breaks) + 1
    column = index - (breaks[-1].end() if breaks else 0) + 1
    return Span(line, column, line, column + 1)


def _not_yaml(error: yaml.MarkedYAMLError, text: str) -> Mistake:
    mark: Any = error.problem_mark or error.context_mark
    line, column = mark.line + 1, mark.column + 1
    problem = str(error.problem or "this is not YAML")
    lines = BREAK.split(text)
    under = lines[mark.line][mark.column : mark.column + 1] if mark.line < len(lines) else ""
    hint = next((advice for sign, advice in _ADVICE.items() if sign in problem), "")
    hint = _MARKS.get(under, hint) if "cannot start any token" in problem else hint
    return Mistake("UNS001", problem, Span(line, column, line, column + 1), hint=hint)


_ADVICE = {
    "mapping values are not allowed": "a text that holds `: ` needs quotes",
    "did not find expected ',' or '}'": "inside { } a text that holds , [ ] { or } needs quotes",
    "did not find expected ',' or ']'": "inside [ ] a text that holds , [ ] { or } needs quotes",
    "did not find expected key": "is this line indented like its neighbours?",
    "did not find expected '-'": "is this line indented like its neighbours?",
    "did not find expected node content": "a bracket is never closed, or a value is missing",
    "could not find expected ':'": "a key needs a colon and a blank after it",
    "found unexpected end of stream": "a quote is never closed",
}
_MARKS = {
    "\t": "indent with blanks; YAML does not allow tabs",
    "@": "put a text that begins with `@` in quotes",
    "`": "put a text that begins with a backtick in quotes",
    "%": "put a text that begins with `%` in quotes",
}
