"""The library: everything that a project's files say, merged, each entry with its place.

Each entry is validated by itself, so a mistake in one type hides nothing in the next; an entry
that could not be read is remembered as broken, so that nobody is told it does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, TypeVar

from pydantic import BeforeValidator

from uns.project.diagnose import Diagnostic, diagnostic, mistakes, validate
from uns.project.machine_words import RelationWords, read_relation
from uns.project.models import (
    Addresses,
    BindingWords,
    Bound,
    ConsumerWords,
    InstanceWords,
    OverrideWords,
    ProjectWords,
    SchemaWords,
    SiteWords,
    Tags,
    TypeWords,
)
from uns.project.nearest import suggestion
from uns.project.source import Source, Written
from uns.project.sparkplug_words import ForeignWords, SparkplugWords
from uns.project.tag_list import TagLists, Use, is_tag_list
from uns.project.words import Name, or_nothing
from uns.route.words import RouteWords, TemplateWords

__all__ = ["Entry", "Library"]

W = TypeVar("W")
MAX_FOUND = 1_000  # mistakes; after so many nobody reads on, and neither do we


@dataclass(frozen=True, slots=True)
class Entry(Generic[W]):
    """One entry of a file: its name (a place in a list has none), words and place."""

    name: str
    words: W
    at: Written
    list_at: Written | None = None  # the tag list, where `tags:` names one

    @property
    def tags_at(self) -> Written:
        """Where its tags are written."""
        return self.list_at or self.at.at("tags")


@dataclass(slots=True)
class Library:
    """The entries by top-level key; `broken` holds the (key, name) of those that are not."""

    enterprise: Entry[str] | None = None
    sites: dict[str, Entry[SiteWords]] = field(default_factory=dict)
    types: dict[str, Entry[TypeWords]] = field(default_factory=dict)
    bindings: dict[str, Entry[BindingWords]] = field(default_factory=dict)
    instances: list[Entry[InstanceWords]] = field(default_factory=list)
    overrides: dict[str, Entry[OverrideWords]] = field(default_factory=dict)
    schemas: dict[str, Entry[SchemaWords]] = field(default_factory=dict)
    relations: dict[str, Entry[RelationWords]] = field(default_factory=dict)
    consumers: dict[str, Entry[ConsumerWords]] = field(default_factory=dict)
    targets: dict[str, Entry[dict[str, Any]]] = field(default_factory=dict)
    templates: dict[str, Entry[TemplateWords]] = field(default_factory=dict)
    routes: list[Entry[RouteWords]] = field(default_factory=list)
    brokers: dict[str, Entry[str]] = field(default_factory=dict)
    sparkplug: dict[str, Entry[Any]] = field(default_factory=dict)  # all its words but `foreign`
    foreign: list[Entry[ForeignWords]] = field(default_factory=list)
    lists: TagLists | None = None
    first: Written | None = None  # the beginning of the first file that says anything
    broken: set[tuple[str, str]] = field(default_factory=set)
    found: list[Diagnostic] = field(default_factory=list)

    @classmethod
    def of(cls, sources: Iterable[Source], lists: TagLists | None = None) -> Library:
        """Merge `sources` and the tag `lists` they name; what is wrong with them is in `found`."""
        library = cls(lists=lists)
        for source in sources:
            library._add(source)
        return library

    def is_broken(self, key: str, name: str) -> bool:
        """Whether the entry is there but could not be read, which was reported."""
        return (key, name) in self.broken

    def broken_names(self, key: str) -> set[str]:
        """The names of the entries of `key` that could not be read."""
        return {name for broken, name in self.broken if broken == key}

    def _add(self, source: Source) -> None:
        self.found += mistakes(source)
        whole = Written(source)
        if source.data is None:
            return
        if not isinstance(source.data, dict):
            self.found.append(_not_a_mapping(whole))
            return
        self.first = self.first or whole
        for key, value in source.data.items():
            at = whole.at(key)
            if len(self.found) > MAX_FOUND:
                return
            if key not in ProjectWords.model_fields:
                hint = suggestion(str(key), ProjectWords.model_fields)
                self.found.append(
                    diagnostic("UNS101", f"unknown key `{key}`", at, hint=hint, of_key=True)
                )
            elif key == "enterprise":
                self._add_enterprise(value, at)
            elif key == "sparkplug":
                self._add_sparkplug(value, at)
            elif key in _LISTS:
                self._add_list(key, value, at)
            else:
                self._add_mapping(key, value, at)

    def _add_enterprise(self, value: Any, at: Written) -> None:
        words, found = validate(Name, value, at)
        self.found += found
        if self.enterprise is not None:
            self.found.append(_defined_twice("enterprise", at, self.enterprise.at))
        elif found:
            self.broken.add(("enterprise", ""))
        else:
            self.enterprise = Entry("", words, at)

    def _add_sparkplug(self, value: Any, at: Written) -> None:
        """Its words are entries of their own: one file may say how, another who is foreign."""
        if not isinstance(value, dict):
            if value is not None:
                self.found += validate(dict[str, Any], value, at)[1]
            return
        if "foreign" in value:
            self._add_list("foreign", value["foreign"], at.at("foreign"))
        others = {key: words for key, words in value.items() if key != "foreign"}
        said, found = validate(SparkplugWords, others, at)
        self.found += found
        for key in said.model_fields_set if said else ():
            place = at.at(key)
            if key in self.sparkplug:
                first = self.sparkplug[key].at
                self.found.append(_defined_twice(f"`{key}` of `sparkplug`", place, first))
            else:
                self.sparkplug[key] = Entry(key, getattr(said, key), place)

    def _add_list(self, key: str, value: Any, at: Written) -> None:
        if not isinstance(value, list):
            if value is not None:
                self.found += validate(list[Any], value, at)[1]
            return
        entries: list[Entry[Any]] = getattr(self, key)
        for number, raw in enumerate(value):
            if len(self.found) > MAX_FOUND:
                return
            place = at.at(number)
            entry, found = self._entry("", _LISTS[key], raw, place)
            self.found += found
            if entry is None:
                self.broken.add((key, ""))
            else:
                entries.append(entry)

    def _entry(
        self, name: str, model: Any, raw: Any, at: Written
    ) -> tuple[Entry[Any] | None, list[Diagnostic]]:
        """An entry, its tags from a list where it names one, and what is wrong with it."""
        tags = raw.get("tags") if isinstance(raw, dict) else None
        if self.lists is None or not isinstance(tags, str) or not is_tag_list(tags):
            words, found = validate(model, raw, at)
            return None if found else Entry(name, words, at), found
        words, found = validate(model, {**raw, "tags": {}}, at)
        use, kind = _USES.get(type(words), (Use.EXCEPTION, Addresses))
        sheet, wrong = self.lists.find(tags, at.at("tags"), use)
        found += wrong
        if sheet is None or words is None:
            return None, found
        listed = Written(sheet)
        said, wrong = validate(kind, sheet.data, listed)
        found += wrong
        if found or sheet.mistakes:
            return None, found
        return Entry(name, words.model_copy(update={"tags": said}), at, listed), []

    def _add_mapping(self, key: str, value: Any, at: Written) -> None:
        if not isinstance(value, dict):
            if value is not None:
                self.found += validate(dict[str, Any], value, at)[1]
            return
        entries: dict[str, Entry[Any]] = getattr(self, key)
        kind = _MAPPINGS[key]
        for name, raw in value.items():
            if len(self.found) > MAX_FOUND:
                return
            place = at.at(name)
            found = validate(kind.name, name, place)[1]
            if found:
                self.found += [_of_key(place, one) for one in found]
                self.broken.add((key, str(name)))
                continue
            entry, found = self._entry(name, kind.words, raw, place)
            self.found += found
            if name in entries:
                self.found.append(_defined_twice(f"`{name}`", place, entries[name].at))
            elif entry is None:
                self.broken.add((key, name))
            else:
                entries[name] = entry


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the names and the entries of one top-level mapping look like."""

    words: Any
    name: Any = Name


_LISTS: Mapping[str, Any] = {
    "instances": InstanceWords,
    "routes": RouteWords,
    "foreign": ForeignWords,
}
_MAPPINGS: Mapping[str, _Kind] = {
    "sites": _Kind(Annotated[SiteWords, BeforeValidator(or_nothing)]),
    "types": _Kind(Annotated[TypeWords, BeforeValidator(or_nothing)]),
    "bindings": _Kind(BindingWords),
    "overrides": _Kind(OverrideWords, str),
    "schemas": _Kind(SchemaWords, str),
    "relations": _Kind(Annotated[RelationWords, BeforeValidator(read_relation)]),
    "consumers": _Kind(ConsumerWords, str),
    "targets": _Kind(dict[str, Any]),
    "templates": _Kind(TemplateWords),
    "brokers": _Kind(str),
}


_USES: Mapping[type, Any] = {TypeWords: (Use.TYPE, Tags), BindingWords: (Use.BINDING, Bound)}


def _of_key(place: Written, found: Diagnostic) -> Diagnostic:
    """The same finding, about the key instead of the value."""
    return diagnostic(found.code, found.message, place, hint=found.hint, of_key=True)


def _defined_twice(what: str, at: Written, first: Written) -> Diagnostic:
    return diagnostic(
        "UNS201",
        f"{what} is defined in two places",
        at,
        hint="keep one of the two",
        of_key=True,
        related=(("first defined here", first),),
    )


def _not_a_mapping(at: Written) -> Diagnostic:
    keys = ", ".join(ProjectWords.model_fields)
    return diagnostic(
        "UNS105", "a project file is a mapping of its words", at, hint=f"begin with one of {keys}"
    )
