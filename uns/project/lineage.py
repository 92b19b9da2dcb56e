"""Lineage: what a type is in the end, with everything it extends and is composed of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from uns.project.findings import Findings
from uns.project.library import Entry, Library
from uns.project.models import TagWords, TypeWords
from uns.project.nearest import suggestion
from uns.project.source import Written
from uns.project.words import tag_name

__all__ = ["Layer", "Layers", "ShapedTag", "Shapes", "TypeShape", "former_names", "layers_of"]

MAX_NESTED_TYPES = 64  # a project needs three or four
MAX_TAGS_OF_A_TYPE = 100_000  # parts of parts multiply; the largest machine seen had 4,000
_PART_KEYS = {"is_", "array", "optional", "desc", "was", "semantic_id"}


@dataclass(frozen=True, slots=True)
class Layer:
    """One place that says something about a tag; later layers win."""

    words: TagWords
    at: Written


Layers: TypeAlias = tuple[Layer, ...]


@dataclass(frozen=True, slots=True)
class ShapedTag:
    """A tag of a type. In an array `base` is its name without the index, which is `index`.

    `home` is the part it belongs to (`drive`), or nothing: where its formula finds neighbours.
    `was` are its former names in full, its parts' former names included.
    """

    layers: Layers
    base: str
    index: str | int | None = None
    home: str = ""
    was: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TypeShape:
    """A type with nothing left to look up; `lineage` is itself and its ancestors."""

    name: str
    version: int
    lineage: tuple[str, ...]
    tags: Mapping[str, ShapedTag] = field(default_factory=dict)
    is_abstract: bool = False
    semantic_id: str = ""


def layers_of(tags: Mapping[str, Any], at: Written, findings: Findings) -> dict[str, Layer]:
    """The `tags:` written at `at`, each with its place: `drive.temp` is read as `drive/temp`."""
    raw: dict[str, str] = {}
    for key in at.keys:
        name = tag_name(key) if key != "*" else key
        if name in raw:
            findings.add(
                "UNS002",
                f"`{key}` and `{raw[name]}` are the same tag",
                at.at(key),
                hint="keep one of the two",
                of_key=True,
                related=(("first written here", at.at(raw[name])),),
            )
        raw.setdefault(name, key)
    return {name: Layer(words, at.at(raw.get(name, name))) for name, words in tags.items()}


class Shapes:
    """The shapes of a library's types, each worked out once."""

    def __init__(self, library: Library, findings: Findings) -> None:
        self._library = library
        self._findings = findings
        self._shapes: dict[str, TypeShape | None] = {}
        self._open: list[str] = []

    def find(self, name: str, asked: Written) -> TypeShape | None:
        """The shape of type `name`, or None where it cannot be had, which is then reported."""
        if name in self._shapes:
            return self._shapes[name]
        entry = self._library.types.get(name)
        if entry is None:
            self._unknown(name, asked)
            return None
        if name in self._open:
            circle = " → ".join([*self._open[self._open.index(name) :], name])
            self._findings.add(
                "UNS207", f"types go round in a circle: {circle}", asked, hint="break it here"
            )
            return None
        if len(self._open) == MAX_NESTED_TYPES:
            self._findings.add("UNS106", f"types nest more than {MAX_NESTED_TYPES} deep", asked)
            return None
        self._open.append(name)
        shape = self._shape(entry)
        self._open.pop()
        self._shapes[name] = shape
        return shape

    def check_all(self) -> None:
        """Work out every type, so that mistakes in unused ones are found too."""
        for name, entry in self._library.types.items():
            self.find(name, entry.at)

    def refuse_abstract(self, shape: TypeShape, asked: Written) -> None:
        """Report a machine or a part that is nothing but an abstract type."""
        children = [
            name
            for name, known in self._shapes.items()
            if known and shape.name in known.lineage[1:] and not known.is_abstract
        ]
        self._findings.add(
            "UNS242",
            f"type `{shape.name}` is abstract: it is only there to be extended",
            asked,
            hint=suggestion(shape.name, children, otherwise="name a type that extends it"),
            related=(("abstract here", self._library.types[shape.name].at.at("abstract")),),
        )

    def _unknown(self, name: str, asked: Written) -> None:
        if self._library.is_broken("types", name):
            return
        hint = suggestion(name, self._library.types)
        self._findings.add("UNS202", f"there is no type `{name}`", asked, hint=hint)

    def _shape(self, entry: Entry[TypeWords]) -> TypeShape | None:
        words = entry.words
        tags: dict[str, ShapedTag] = {}
        lineage: tuple[str, ...] = (entry.name,)
        meaning = words.semantic_id
        if words.extends is not None:
            parent = self.find(words.extends, entry.at.at("extends"))
            if parent is None:
                return None
            tags.update(parent.tags)
            lineage += parent.lineage
            meaning = meaning or parent.semantic_id
        for name, layer in layers_of(words.tags, entry.tags_at, self._findings).items():
            if layer.words.is_ is None:
                _add_tag(tags, name, layer)
            elif (part := self.find(layer.words.is_, layer.at.at("is"))) is None:
                return None
            else:
                self._add_part(tags, name, layer, part)
            if len(tags) > MAX_TAGS_OF_A_TYPE:
                self._findings.add(
                    "UNS106",
                    f"with `{name}` type `{entry.name}` has {len(tags):,} tags",
                    layer.at,
                    hint=f"at most {MAX_TAGS_OF_A_TYPE:,}; make the rest machines of their own",
                    of_key=True,
                )
                return None
        return TypeShape(entry.name, words.version, lineage, tags, words.abstract, meaning)

    def _add_part(
        self, tags: dict[str, ShapedTag], name: str, layer: Layer, part: TypeShape
    ) -> None:
        """Composition: the part's tags, below `name`."""
        for key in sorted(layer.words.model_fields_set - _PART_KEYS):
            self._findings.add(
                "UNS215",
                f"`{name}` is a part, a `{part.name}`; it has no `{key}` of its own",
                layer.at.at(key),
                hint=f"say it of one of its tags: `{name}/…: {{{key}: …}}`",
                of_key=True,
            )
        if part.is_abstract:
            self.refuse_abstract(part, layer.at.at("is"))
        for old in [known for known in tags if known.startswith(f"{name}/")]:
            del tags[old]
        extra = (layer,) if layer.words.optional else ()
        for path, index in _places(name, layer.words):
            formerly = former_names(layer.words, index)
            for below, tag in part.tags.items():
                tags[f"{path}/{below}"] = ShapedTag(
                    tag.layers + extra,
                    f"{name}/{tag.base}",
                    tag.index if index is None else index,
                    f"{path}/{tag.home}" if tag.home else path,
                    tuple(
                        f"{head}/{tail}"
                        for head in (path, *formerly)
                        for tail in (below, *tag.was)
                        if (head, tail) != (path, below)
                    ),
                )


def _add_tag(tags: dict[str, ShapedTag], name: str, layer: Layer) -> None:
    """A plain tag, or more words about one that an ancestor or a part brought."""
    if layer.words.array is None and name in tags:
        known = tags[name]
        was = former_names(layer.words) or known.was
        tags[name] = replace(known, layers=(*known.layers, layer), was=was)
        return
    for path, index in _places(name, layer.words):
        tags[path] = ShapedTag((layer,), name, index, was=former_names(layer.words, index))


def former_names(words: TagWords, index: str | int | None = None) -> tuple[str, ...]:
    """What `was:` says, for one element where it is said of an array."""
    names = (name.replace(".", "/") for name in words.was or ())
    return tuple(name if index is None else f"{name}/{index}" for name in names)


def _places(name: str, words: TagWords) -> Iterator[tuple[str, str | int | None]]:
    """`name` itself, or one path and index for each element of its array."""
    if words.array is None:
        yield name, None
        return
    for index in words.array:
        yield f"{name}/{index}", index
