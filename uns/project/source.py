"""A source: one YAML file that remembers where every key and value was written.

YAML 1.2 with its core words: `NO`, `12:30` and `on` stay text, and so does `010`, which is an
address somebody padded and not a number. Built from libyaml's events in one pass; what can be
read although it is wrong (a key written twice) is collected in `mistakes`, so that one run
shows all of them; only text that is no YAML at all ends the reading.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml
from yaml import events as ev

from uns.equipment import Place

__all__ = ["BREAK", "MAX_DEPTH", "MAX_NODES", "Mistake", "Source", "Span", "Steps", "Written"]

MAX_DEPTH = 64  # a project needs 8; beyond this it is an attack or an accident
MAX_NODES = 5_000_000  # counted with every alias written out, so that a bomb stays small

Steps: TypeAlias = tuple[str | int, ...]  # the way down: ("types", "filler", "tags", "speed")


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
class _Node:
    """A value, the events that it began and ended with, and the nodes below it."""

    value: Any
    event: Any
    end: Any = None
    keys: dict[Any, Any] | None = None  # a mapping's key → the event that wrote it
    below: Any = None  # dict or list of _Node
    size: int = 1
    height: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its name, its text, its data, and where each part of the data is written.

    >>> source = Source.parse("sites: {leeds: {net: 10.1}}", "plant.yaml")
    >>> source.span(("sites", "leeds", "net"))
    Span(line=1, column=22, end_line=1, end_column=26)
    """

    name: str
    text: str
    mistakes: tuple[Mistake, ...] = ()
    root: _Node | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str, name: str = "project.yaml") -> Source:
        """Read `text`; never raises: what is wrong with it is in `mistakes`."""
        reader = _Reader(text)
        root = reader.document()
        return cls(name, text, tuple(reader.mistakes), root)

    @property
    def data(self) -> Any:
        """What the file says, as dicts, lists and scalars; None when it is empty or broken."""
        return self.root.value if self.root else None

    def span(self, steps: Steps, *, of_key: bool = False) -> Span:
        """Where `steps` is written, or the nearest part of it that is."""
        node, key = self.root, None
        for step in steps:
            below_key, below = _below(node, step)
            if below is not None:
                node, key = below, below_key
        if node is None:
            return Span(1, 1, 1, 2)
        if key is not None and (of_key or not _is_inline(node)):
            return _span(key, key)
        return _span(node.event, node.end or node.event)

    def written(self, steps: Steps) -> Steps:
        """`steps` without those that nobody typed, such as the member of a union; last one kept."""
        node, kept = self.root, []
        for place, step in enumerate(steps):
            _, below = _below(node, step)
            if below is not None or place == len(steps) - 1:
                kept.append(step)
                node = below or node
        return tuple(kept)

    def has(self, steps: Steps) -> bool:
        """Whether every one of `steps` is written here."""
        return self._find(steps) is not None

    def keys(self, steps: Steps) -> tuple[Any, ...]:
        """The keys of the mapping at `steps`; none where it is something else."""
        node = self._find(steps)
        return tuple(node.keys) if node is not None and node.keys else ()

    def inside(self, steps: Steps, column: int, width: int) -> Span:
        """The part of the text at `steps` that begins at its column `column` (from 1).

        The whole text where its columns are not those of the file: escapes, several lines.
        """
        whole = self.span(steps)
        node = self._nearest(steps)
        if node is None or node.below is not None or whole.line != whole.end_line:
            return whole
        raw = self.text[node.event.start_mark.index : node.event.end_mark.index]
        quote = 0 if node.event.implicit[0] else 1
        if not node.event.implicit[0] and raw[1:-1] != node.value:
            return whole
        start = min(whole.column + quote + column - 1, max(whole.column, whole.end_column - 1))
        end = start + width if width else whole.end_column - quote
        return Span(whole.line, start, whole.line, max(start + 1, end))

    def _nearest(self, steps: Steps) -> _Node | None:
        node = self.root
        for step in steps:
            _, below = _below(node, step)
            node = below or node
        return node

    def _find(self, steps: Steps) -> _Node | None:
        node = self.root
        for step in steps:
            _, node = _below(node, step)
            if node is None:
                return None
        return node


@dataclass(frozen=True, slots=True)
class Written:
    """A place in a source: what a diagnostic points at."""

    source: Source
    steps: Steps = ()
    column: int = 0  # from 1, inside the text that is written there; 0 is the whole of it
    width: int = 0

    def at(self, *more: str | int) -> Written:
        """The place further down."""
        return Written(self.source, self.steps + more)

    def span(self, *, of_key: bool = False) -> Span:
        """Where this is, or the nearest part of it that is written."""
        if self.column and not of_key:
            return self.source.inside(self.steps, self.column, self.width)
        return self.source.span(self.steps, of_key=of_key)

    def inside(self, column: int, width: int = 0) -> Written:
        """The part of this text that begins at `column`, to its end where no width is given."""
        return Written(self.source, self.steps, column, width)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the mapping that is written here."""
        return tuple(str(key) for key in self.source.keys(self.steps))

    @property
    def is_written(self) -> bool:
        """Whether somebody typed this very key."""
        return self.source.has(self.steps)

    @property
    def place(self) -> Place:
        """File, line and column for those who outlive the source."""
        span = self.span(of_key=True)
        return Place(self.source.name, span.line, span.column)


class _Reader:
    """libyaml's events, put together."""

    def __init__(self, text: str) -> None:
        self.mistakes: list[Mistake] = []
        self._text = text
        self._anchors: dict[str, _Node] = {}
        self._depth = 0
        self._flow = 0
        self._next: Any = None

    def document(self) -> _Node | None:
        if strange := _NOT_PRINTABLE.search(self._text):
            self.mistakes.append(_control_character(self._text, strange.start()))
            return None
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
        return None

    def _document(self) -> _Node | None:
        self._next()  # the stream's start
        if type(self._next()) is ev.StreamEndEvent:
            return None
        root = self._node(self._next())
        self._next()  # the document's end
        extra = self._next()
        if type(extra) is not ev.StreamEndEvent:
            raise Mistake(
                "UNS001",
                "a second document begins here; a file holds one",
                _span(extra, extra),
                hint="put it into a file of its own",
            )
        return root

    def _node(self, event: Any) -> _Node:
        kind = type(event)
        if kind is ev.AliasEvent:
            return self._alias(event)
        if event.tag is not None and event.tag != "!":
            raise _tagged(event)
        if kind is ev.ScalarEvent:
            node = _Node(_scalar(event.value) if event.implicit[0] else event.value, event)
            if self._flow and event.implicit[0] and event.value.startswith("="):
                self.mistakes.append(_bare_expression(event))
        else:
            node = self._collection(event, is_mapping=kind is ev.MappingStartEvent)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _collection(self, event: Any, *, is_mapping: bool) -> _Node:
        if self._depth >= MAX_DEPTH:
            raise _too_deep(event)
        self._depth += 1
        self._flow += bool(event.flow_style)
        node = self._mapping(event) if is_mapping else self._sequence(event)
        self._depth -= 1
        self._flow -= bool(event.flow_style)
        if node.size > MAX_NODES:
            raise Mistake(
                "UNS004",
                f"this holds {node.size:,} values when its aliases are written out",
                _span(event, event),
                hint=f"at most {MAX_NODES:,} are read; use `each` or a type instead of aliases",
            )
        if node.height + self._depth > MAX_DEPTH:
            raise _too_deep(event)
        return node

    def _alias(self, event: Any) -> _Node:
        if event.anchor in self._anchors:
            return self._anchors[event.anchor]
        raise Mistake(
            "UNS001",
            f"there is no anchor `&{event.anchor}` before this",
            _span(event, event),
            hint="an anchor must be complete before its alias is used",
        )

    def _sequence(self, event: Any) -> _Node:
        below = []
        size, height = 1, 0
        while type(inner := self._next()) is not ev.SequenceEndEvent:
            node = self._node(inner)
            below.append(node)
            size += node.size
            height = max(height, node.height)
        return _Node([n.value for n in below], event, inner, None, below, size, height + 1)

    def _mapping(self, event: Any) -> _Node:
        keys: dict[Any, Any] = {}
        below: dict[Any, _Node] = {}
        merged: list[_Node] = []
        size, height = 1, 0
        while type(inner := self._next()) is not ev.MappingEndEvent:
            key, node = self._node(inner), self._node(self._next())
            size += node.size
            height = max(height, node.height)
            if key.value == "<<" and inner.implicit[0]:
                merged += _parents(node, inner)
            elif self._is_new(key, inner, keys):
                keys[key.value], below[key.value] = inner, node
        for parent in reversed(merged):
            keys = {**(parent.keys or {}), **keys}
            below = {**parent.below, **below}
        values = {name: node.value for name, node in below.items()}
        return _Node(values, event, inner, keys, below, size, height + 1)

    def _is_new(self, key: _Node, event: Any, keys: dict[Any, Any]) -> bool:
        if key.below is not None:
            raise Mistake(
                "UNS001",
                "a key must be one word, not a list or a mapping",
                _span(event, event),
                hint="put it in quotes where it begins with `{` or `[`",
            )
        if key.value not in keys:
            return True
        self.mistakes.append(
            Mistake(
                "UNS002",
                f"`{key.value}` is written twice",
                _span(event, event),
                hint="keep one of the two",
                first=_span(keys[key.value], keys[key.value]),
            )
        )
        return False


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
_NOT_PRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
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


def _span(first: Any, last: Any) -> Span:
    start, end = first.start_mark, last.end_mark
    return Span(start.line + 1, start.column + 1, end.line + 1, end.column + 1)


def _is_inline(node: _Node) -> bool:
    """Whether the value itself can be underlined: a scalar, or `[…]` and `{…}` on one line."""
    if node.end is None:
        return bool(node.event.start_mark.index < node.event.end_mark.index)
    first, last = node.event.start_mark, node.end.end_mark
    return bool(node.event.flow_style and first.line == last.line)


def _below(node: _Node | None, step: str | int) -> tuple[Any, _Node | None]:
    """The key event and the node one step down; (None, None) where there is none."""
    if node is None or node.below is None:
        return None, None
    if isinstance(node.below, dict):
        return (node.keys or {}).get(step), node.below.get(step)
    if isinstance(step, int) and step < len(node.below):
        return None, node.below[step]
    return None, None


def _parents(node: _Node, event: Any) -> list[_Node]:
    """The mappings that `<<` merges."""
    found = node.below if isinstance(node.below, list) else [node]
    if all(isinstance(parent.below, dict) for parent in found):
        return list(found)
    raise Mistake("UNS001", "`<<` merges mappings, and this is none", _span(event, event))


def _too_deep(event: Any) -> Mistake:
    return Mistake(
        "UNS004",
        f"nested more than {MAX_DEPTH} levels deep",
        _span(event, event),
        hint="is a bracket never closed?",
    )


def _bare_expression(event: Any) -> Mistake:
    return Mistake(
        "UNS003",
        "an expression inside `{ }` or `[ ]` needs quotes: YAML ends it at the next `,`",
        _span(event, event),
        hint='write `"= …"`',
    )


def _tagged(event: Any) -> Mistake:
    return Mistake(
        "UNS001",
        f"`{event.tag}`: YAML tags have no meaning in a project",
        _span(event, event),
        hint="remove the tag; put a text that begins with `!` in quotes",
    )


def _control_character(text: str, index: int) -> Mistake:
    """A byte that no editor shows: found before libyaml sees it, because we can say where."""
    breaks = list(BREAK.finditer(text, 0, index))
    line = len(breaks) + 1
    column = index - (breaks[-1].end() if breaks else 0) + 1
    return Mistake(
        "UNS005",
        f"the character U+{ord(text[index]):04X} cannot be part of a YAML file",
        Span(line, column, line, column + 1),
        hint="delete it; in quotes it can be written as an escape",
    )


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
