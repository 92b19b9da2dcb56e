"""Node: one place in a JSON Schema, read by the rules of its draft.

Drafts 4 to 2020-12 differ in which words they know and how they write tuples, strict limits and
dependencies. Everything above this file sees the words of 2020-12.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from sys import float_info
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

__all__ = [
    "CLOSED",
    "FILLED",
    "Document",
    "Node",
    "RawSchema",
    "Refusal",
    "around",
    "children",
    "in_place",
]

RawSchema: TypeAlias = Mapping[str, Any] | bool

CLOSED: Final = "\0closed"  #: our own mark: these names, these patterns and no other fields

FILLED: Final = "\0filled"  #: our own mark: these required names have defaults

MAX_PLACES: Final = 20_000  # values in one schema: more is no schema that people wrote
MAX_DEPTH: Final = 120  # and Python's own recursion stays far away

_LARGEST: Final = int(float_info.max)

_DRAFTS = {"draft-04": 4, "draft-06": 6, "draft-07": 7, "2019-09": 8, "2020-12": 9}
_OLDEST, _NEWEST = 4, 9

# Keyword → the first and last draft (4, 6, 7, 8 = 2019-09, 9 = 2020-12) in which it counts.
# `const` since Draft 4 and `dependencies` until the end: the judge, jsonschema-rs, does so.
_KNOWN: Final[Mapping[str, tuple[int, int]]] = {
    **dict.fromkeys(("$ref", "type", "enum", "const", "allOf", "anyOf", "oneOf", "not"), (4, 9)),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), (4, 9)),
    **dict.fromkeys(("multipleOf", "minLength", "maxLength", "pattern"), (4, 9)),
    **dict.fromkeys(("items", "minItems", "maxItems", "uniqueItems", "dependencies"), (4, 9)),
    **dict.fromkeys(("properties", "patternProperties", "additionalProperties"), (4, 9)),
    **dict.fromkeys(("required", "minProperties", "maxProperties", CLOSED, FILLED), (4, 9)),
    **dict.fromkeys(("contains", "propertyNames"), (6, 9)),
    **dict.fromkeys(("if", "then", "else"), (7, 9)),
    **dict.fromkeys(("dependentRequired", "dependentSchemas"), (8, 9)),
    **dict.fromkeys(("minContains", "maxContains"), (8, 9)),
    **dict.fromkeys(("unevaluatedProperties", "unevaluatedItems"), (8, 9)),
    **dict.fromkeys(("contentEncoding", "contentMediaType"), (6, 7)),  # annotations ever after
    "id": (4, 4),
    "$id": (6, 9),
    "additionalItems": (4, 8),
    "prefixItems": (9, 9),
    "$recursiveRef": (8, 8),
    "$dynamicRef": (9, 9),
}
_LAST_WITHOUT_SIBLINGS = 7  # until Draft 7, `$ref` made its neighbours void

# Keyword → how schemas lie in it. In place: about the same value. Otherwise: about a value within.
_IN_PLACE = ("allOf", "anyOf", "oneOf", "if", "then", "else", "dependentSchemas", "dependencies")
_WITHIN = (
    "properties", "patternProperties", "additionalProperties", "unevaluatedProperties", "items",
    "prefixItems", "additionalItems", "unevaluatedItems", "contains", "propertyNames",
)  # fmt: skip
_SILENT = {CLOSED, FILLED, "id", "$id"}  # what says nothing about documents
_BY_NAME = {"properties", "patternProperties", "dependentSchemas", "dependencies"}


class Refusal(Exception):  # noqa: N818 - it is an answer about a schema, not a fault of ours
    """A schema that cannot be compared, and where and why."""

    def __init__(self, pointer: str, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.pointer, self.rule, self.reason = pointer, rule, reason


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """A whole schema; its nodes find each other through it."""

    root: RawSchema
    draft: int = _NEWEST
    _words: dict[str, dict[str, Any]] = field(default_factory=dict, repr=False)
    _texts: dict[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, root: RawSchema) -> Document:
        """Take a schema in; raises Refusal where it is too large, too deep or too remote."""
        _measure(root)
        dialect = str(root.get("$schema", "")) if isinstance(root, Mapping) else ""
        draft = next((n for name, n in _DRAFTS.items() if name in dialect), _NEWEST)
        document = cls(root, draft)
        document.check_references()
        return document

    @property
    def node(self) -> Node:
        """The place where every document starts."""
        return Node(self, "", self.root)

    def check_references(self) -> None:
        """Raise Refusal unless every reference leads to a place in this document."""
        todo, seen = [self.node], set()
        while todo:
            node = todo.pop()
            if node.pointer in seen:
                continue
            seen.add(node.pointer)
            address = "id" if self.draft == _OLDEST else "$id"
            if node.pointer and isinstance(node.words.get(address), str):
                reason = "a schema within has an address of its own"
                raise Refusal(f"{node.pointer}/{address}", address, reason)
            todo += [*children(node), *in_place(node), *node.below("not")]
            if (target := node.reference) is not None:
                todo.append(target)

    def find(self, pointer: str) -> RawSchema:
        """Return what a local reference (`#/$defs/unit`) points at."""
        found: Any = self.root
        for step in pointer.split("/")[1:]:
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            try:
                found = found[int(name)] if isinstance(found, list) else found[name]
            except (KeyError, IndexError, ValueError, TypeError):
                raise Refusal(pointer, "$ref", f"nothing is at #{pointer}") from None
        if not isinstance(found, Mapping | bool):
            raise Refusal(pointer, "$ref", f"what is at #{pointer} is no schema")
        return found


@dataclass(frozen=True, slots=True)
class Node:
    """A place in a schema: its document, its JSON pointer and what is written there."""

    document: Document
    pointer: str
    schema: RawSchema = field(compare=False)

    @property
    def raw(self) -> Mapping[str, Any]:
        """What is written, as a mapping; `true` and `false` say nothing here."""
        return self.schema if isinstance(self.schema, Mapping) else {}

    @property
    def words(self) -> dict[str, Any]:
        """The keywords that count in this draft."""
        found = self.document._words  # noqa: SLF001 - a node and its document are one
        if self.pointer not in found:
            found[self.pointer] = self._known()
        return found[self.pointer]

    def _known(self) -> dict[str, Any]:
        raw, draft = self.raw, self.document.draft
        if "$ref" in raw and draft <= _LAST_WITHOUT_SIBLINGS:
            return {word: raw[word] for word in ("$ref", CLOSED, FILLED) if word in raw}
        known = {w: _KNOWN[w] for w in raw if w in _KNOWN}
        return {w: raw[w] for w, (first, last) in known.items() if first <= draft <= last}

    def at(self, *steps: str | int) -> Node:
        """Return the schema that lies `steps` below."""
        found: Any = self.schema
        pointer = self.pointer
        for step in steps:
            found = found[step]
            pointer += "/" + str(step).replace("~", "~0").replace("/", "~1")
        return Node(self.document, pointer, found)

    def made(self, name: str, schema: RawSchema) -> Node:
        """Return a schema that is not written but meant, with a pointer of its own."""
        return Node(self.document, f"{self.pointer}/\0{name}", schema)

    def below(self, word: str) -> Iterator[Node]:
        """Yield the schemas in one keyword."""
        value = self.words.get(word)
        if isinstance(value, list) and word != "type":
            yield from (self.at(word, i) for i in range(len(value)))
        elif word in _BY_NAME:
            by_name = value if isinstance(value, Mapping) else {}
            schemas = {n: s for n, s in by_name.items() if isinstance(s, Mapping | bool)}
            yield from (self.at(word, name) for name in schemas)
        elif isinstance(value, Mapping | bool):
            yield self.at(word)

    @property
    def reference(self) -> Node | None:
        """The place that `$ref` leads to."""
        target = self.words.get("$ref")
        if target is None:
            return None
        target = str(target)
        pointer = target[1:]
        if not target.startswith("#") or (pointer and not pointer.startswith("/")):
            reason = f"{target} is no place in this schema (#/...): bundle it into `$defs`"
            raise Refusal(f"{self.pointer}/$ref", "$ref", reason)
        return Node(self.document, pointer, self.document.find(pointer))

    @property
    def prefix(self) -> tuple[Node, ...]:
        """The schemas of a tuple's first places."""
        if "prefixItems" in self.words:
            return tuple(self.below("prefixItems"))
        items = self.words.get("items")
        return tuple(self.below("items")) if isinstance(items, list) else ()

    @property
    def rest(self) -> Node | None:
        """The schema of an array's further places."""
        items = self.words.get("items")
        word = "additionalItems" if isinstance(items, list) else "items"
        return self.at(word) if word in self.words else None

    @property
    def text(self) -> str:
        """Everything that counts here and in what it refers to: equal texts accept the same."""
        texts = self.document._texts  # noqa: SLF001 - a node and its document are one
        if self.pointer not in texts:
            texts[self.pointer] = _text(self)
        return texts[self.pointer]


def in_place(node: Node) -> Iterator[Node]:
    """Yield the schemas about the same value, except under `not`."""
    for word in _IN_PLACE:
        yield from node.below(word)


def children(node: Node) -> Iterator[Node]:
    """Yield the schemas about values within."""
    for word in _WITHIN:
        yield from node.below(word)


def around(node: Node) -> Iterator[Node]:
    """Yield the node and all that is said in place about the same value."""
    todo, seen = [node], set()
    while todo:
        place = todo.pop()
        if place.pointer in seen:
            continue
        seen.add(place.pointer)
        yield place
        todo += in_place(place)
        if (target := place.reference) is not None:
            todo.append(target)


def _text(node: Node) -> str:
    """Write a node and all it leads to as a graph: each place once, its neighbours by number."""
    numbers = {node.pointer: 0}
    places, written = [node], []
    for place in places:
        below = [*children(place), *in_place(place), *place.below("not")]
        if (target := place.reference) is not None:
            below.append(target)
        for one in below:
            if one.pointer not in numbers:
                numbers[one.pointer] = len(places)
                places.append(one)
        edges = [numbers[one.pointer] for one in below]
        written.append([_outline(place), edges])
    if any({"$dynamicRef", "$recursiveRef"} & place.words.keys() for place in places):
        written.append([id(node.document), [0]])  # these look beyond the node
    return json.dumps([node.document.draft, written], sort_keys=True)


def _outline(node: Node) -> Any:
    """Return what a node itself says, with only the names and numbers of the schemas in it."""
    if isinstance(node.schema, bool):
        return node.schema
    outline = {word: value for word, value in node.words.items() if word not in _SILENT}
    for word in {*_IN_PLACE, *_WITHIN, "not", "$ref"} & outline.keys():
        outline[word] = len(outline[word]) if isinstance(outline[word], list) else None
    for word in _BY_NAME & outline.keys():
        by_name = node.raw[word].items()
        outline[word] = [[n, None if isinstance(s, Mapping | bool) else s] for n, s in by_name]
    return outline


def _measure(root: Any) -> None:
    """Raise Refusal where a schema is none, too large or deep to compare, or holds NaN."""
    if not isinstance(root, Mapping | bool):
        raise Refusal("", "schema", "a schema is an object, true or false")
    todo: list[tuple[Any, int]] = [(root, 0)]
    places = 0
    while todo:
        value, depth = todo.pop()
        places += 1
        if depth > MAX_DEPTH or places > MAX_PLACES:
            limit = f"{MAX_DEPTH} levels" if depth > MAX_DEPTH else f"{MAX_PLACES} values"
            raise Refusal("", "size", f"the schema has more than {limit}")
        if isinstance(value, float) and not math.isfinite(value):
            raise Refusal("", "number", f"{value} is no number in JSON")
        if isinstance(value, int) and abs(value) > _LARGEST:
            raise Refusal("", "number", "a number has more than 308 digits")
        below = value.values() if isinstance(value, Mapping) else value
        if isinstance(value, Mapping | list):
            todo += [(one, depth + 1) for one in below]
