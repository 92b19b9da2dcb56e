"""Kinds: machines that differ in nothing but their parameters share one list of tags.

Merging words and checking them is done once per kind; five thousand equal machines cost five
thousand topics and addresses and nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from uns.equipment import Place
from uns.project.calc import check_calc, check_circles, in_part
from uns.project.calc_units import check_calc_units
from uns.project.checks import tag_problems
from uns.project.draft import Draft, draft
from uns.project.findings import Findings
from uns.project.foreign import foreign_paths
from uns.project.library import Entry, Library
from uns.project.lineage import Layer, Layers, ShapedTag, Shapes, TypeShape, former_names, layers_of
from uns.project.models import BindingWords
from uns.project.nearest import find_nearest, suggestion
from uns.project.source import Written
from uns.project.stamps import Stamp
from uns.project.template import Template, TemplateError
from uns.project.words import EVERY_TAG

__all__ = ["Feed", "Kind", "KindTag", "Kinds"]


@dataclass(frozen=True, slots=True)
class Feed:
    """Where a tag's value comes from, as a template."""

    binding: Entry[BindingWords]
    address: Template
    at: Written
    settings: Mapping[str, Any] | None  # of its own, on top of the binding's
    settings_at: Written


@dataclass(frozen=True, slots=True)
class KindTag:
    """One tag of a kind."""

    draft: Draft
    feed: Feed | None
    place: Place
    index: str | int | None  # in an array


@dataclass(frozen=True, slots=True)
class Kind:
    """A type with its bindings, and what its entry and overrides say."""

    shape: TypeShape
    tags: tuple[KindTag, ...]
    longest: int  # bytes of the longest tag name
    deepest: int  # levels of the deepest


class Kinds:
    """The kinds met so far."""

    def __init__(self, library: Library, shapes: Shapes, findings: Findings) -> None:
        self._library = library
        self._shapes = shapes
        self._findings = findings
        self._foreign = foreign_paths(library)
        self._kinds: dict[tuple[int, ...], Kind | None] = {}
        self._mapped: dict[str, dict[str, Layer]] = {}
        self._asked: dict[str, set[str]] = {}

    def find(self, stamp: Stamp) -> Kind | None:
        """The kind of a stamped machine, or None where it cannot be had, which was reported."""
        key = (*stamp.kind, self._is_foreign(stamp))
        if key not in self._kinds:
            self._kinds[key] = self._kind(stamp)
        return self._kinds[key]

    def _is_foreign(self, stamp: Stamp) -> bool:
        """Whether a rule for foreign devices may make one of them this machine."""
        if not self._foreign or stamp.bind_at.words.bind:
            return False
        return any(path.fullmatch(stamp.path) for path in self._foreign)

    def _kind(self, stamp: Stamp) -> Kind | None:
        at = stamp.type_at.at
        shape = self._shapes.find(stamp.type_name, at.at("is"))
        bindings = self._bindings(stamp)
        if shape is None or bindings is None:
            return None
        if shape.is_abstract:
            self._shapes.refuse_abstract(shape, at.at("is"))
            return None
        own = [layers_of(e.words.tags, e.tags_at, self._findings) for e in stamp.levels]
        for layers in own:
            self._report_unknown(layers, shape)
        tags, drafts = [], []
        is_foreign = self._is_foreign(stamp)
        known = {name.replace("/", ".") for name in shape.tags}
        for name, shaped in shape.tags.items():
            tag = self._tag(name, shaped, bindings, own, shape.tags)
            drafts.append((tag.draft, shaped.home))
            if tag.draft.fixed["calc"]:
                check_calc(tag.draft, known, self._findings)
            is_wanted = is_foreign or not tag.draft.words.get("optional")
            if tag.feed or tag.draft.words.get("calc") or is_wanted:
                tags.append(tag)
        check_circles((tag.draft for tag in tags), self._findings)
        check_calc_units(drafts, self._findings)
        if not is_foreign:
            self._warn_unmapped(stamp, tags, bindings)
        longest = max((len(tag.draft.name) for tag in tags), default=0)
        deepest = max((tag.draft.name.count("/") + 1 for tag in tags), default=0)
        return Kind(shape, tuple(tags), longest, deepest)

    def _bindings(self, stamp: Stamp) -> list[Entry[BindingWords]] | None:
        found = []
        at = stamp.bind_at.at.at("bind")
        is_list = bool(stamp.bind_at.words.bind) and at.at(0).is_written
        for number, name in enumerate(stamp.bind_at.words.bind or ()):
            if name in self._library.bindings:
                found.append(self._library.bindings[name])
                continue
            if not self._library.is_broken("bindings", name):
                self._findings.add(
                    "UNS203",
                    f"there is no binding `{name}`",
                    at.at(number) if is_list else at,
                    hint=suggestion(name, self._library.bindings),
                )
            return None
        return found

    def _tag(
        self,
        name: str,
        shaped: ShapedTag,
        bindings: list[Entry[BindingWords]],
        own: list[dict[str, Layer]],
        names: Mapping[str, object],
    ) -> KindTag:
        """Type < binding < instance < override; of several bindings the last that names it."""
        binding, mapped = self._binding_of(name, shaped, bindings)
        stronger = [layer for layers in own if (layer := layers.get(name)) is not None]
        layers: Layers = (*shaped.layers, *([mapped] if mapped else []), *stronger)
        own_was = tuple(old for layer in stronger for old in former_names(layer.words))
        made = draft(name, layers, own_was or shaped.was)
        if shaped.home and made.fixed["calc"]:
            formula = in_part(made.fixed["calc"], shaped.home, names)
            made = replace(made, fixed={**made.fixed, "calc": formula})
        self._findings.extend(tag_problems(made))
        feed = None
        if binding is None and bindings:
            binding = bindings[0]  # an instance may give an address that the binding lacks
        if binding is not None and made.words.get("address") is not None:
            feed = self._feed(binding, made)
        at = feed.at if feed else shaped.layers[-1].at
        return KindTag(made, feed, at.place, shaped.index)

    def _binding_of(
        self, name: str, shaped: ShapedTag, bindings: list[Entry[BindingWords]]
    ) -> tuple[Entry[BindingWords] | None, Layer | None]:
        for binding in reversed(bindings):
            layers = self._layers(binding)
            asked = self._asked.setdefault(binding.name, set())
            asked.update((name, shaped.base))
            for key in (name, shaped.base):
                if key in layers:
                    return binding, layers[key]
        is_derived = any(layer.words.calc for layer in shaped.layers)
        for binding in bindings:
            if not is_derived and (layer := self._layers(binding).get(EVERY_TAG)) is not None:
                return binding, layer
        return None, None

    def _layers(self, binding: Entry[BindingWords]) -> dict[str, Layer]:
        if binding.name not in self._mapped:
            at = binding.tags_at
            self._mapped[binding.name] = layers_of(binding.words.tags, at, self._findings)
        return self._mapped[binding.name]

    def _feed(self, binding: Entry[BindingWords], made: Draft) -> Feed | None:
        at = _said_at(made.layers, "address")
        text = made.words["address"]
        try:
            template = Template.parse(text)
        except TemplateError as error:
            place = at.inside(error.column)
            self._findings.add(error.code, str(error), place, hint=error.hint)
            return None
        settings = made.words.get("connection")
        return Feed(binding, template, at, settings, _said_at(made.layers, "connection"))

    def _report_unknown(self, layers: Mapping[str, Layer], shape: TypeShape) -> None:
        for name, layer in layers.items():
            if name not in shape.tags:
                self._findings.add(
                    "UNS211",
                    f"type `{shape.name}` has no tag `{name}`",
                    layer.at,
                    hint=suggestion(name, shape.tags, otherwise="add it to the type"),
                    of_key=True,
                )

    def _warn_unmapped(
        self, stamp: Stamp, tags: list[KindTag], bindings: list[Entry[BindingWords]]
    ) -> None:
        """Tags that nothing feeds: one warning for all of them."""
        bare = [t.draft.name for t in tags if t.feed is None and not t.draft.words.get("calc")]
        if not bare:
            return
        names = ", ".join(f"`{name}`" for name in bare[:_SHOWN])
        names += f" and {len(bare) - _SHOWN} more" if len(bare) > _SHOWN else ""
        if not bindings:
            self._findings.warn(
                "UNS212",
                f"nothing feeds {names} of `{stamp.path}`: it has no `bind`",
                stamp.entry.at.at("path"),
                hint="leave it so where a Sparkplug device publishes them by itself, or write a rule "
                "below `sparkplug: foreign:`",
            )
            return
        self._findings.warn(
            "UNS212",
            f"`{bindings[0].name}` has no address for {names} of type `{stamp.type_name}`",
            bindings[0].at.at("tags"),
            hint="add the address, or `optional: true` to the tag",
            of_key=True,
        )

    def check_unused_types(self) -> None:
        """What is wrong with types that no machine has; whatever a machine could still add is not.

        A part's or an ancestor's percentage may get its range, and its formula its tags, where
        the type is used.
        """
        used = {name for kind in self._kinds.values() if kind for name in kind.shape.lineage}
        for name, entry in self._library.types.items():
            shape = None if name in used else self._shapes.find(name, entry.at)
            drafts = [
                (draft(tag, shaped.layers), shaped.home)
                for tag, shaped in (shape.tags.items() if shape else ())
            ]
            check_calc_units(drafts, self._findings)
            for made, _ in drafts:
                found = tag_problems(made)
                self._findings.extend(one for one in found if one.code != _NEEDS_RANGE)
                if made.fixed["calc"]:
                    check_calc(made, None, self._findings)

    def report_unused_addresses(self) -> None:
        """Addresses for tags that no machine has: a slip where one looks like another tag."""
        for name, asked in self._asked.items():
            for tag, layer in self._mapped[name].items():
                if tag in asked or tag == EVERY_TAG:
                    continue
                near = find_nearest(tag, asked, likeness=_A_SLIP)
                report = self._findings.add if near else self._findings.warn
                report(
                    "UNS213",
                    f"no machine that is bound by `{name}` has a tag `{tag}`",
                    layer.at,
                    hint=f"did you mean `{near}`?" if near else "",
                    of_key=True,
                )


_NEEDS_RANGE = "UNS217"
_A_SLIP = 0.75  # `tepm` for `temp`; `spare` for `speed` is no slip
_SHOWN = 4  # names in a warning; the rest is a number


def _said_at(layers: Layers, key: str) -> Written:
    """Where `address` or `connection` is written; a bare text stands for its tag's address."""
    for layer in reversed(layers):
        if key in layer.words.model_fields_set:
            return layer.at.at(key)
    return layers[-1].at
