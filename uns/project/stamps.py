"""Stamps: the machines that the instance entries ask for, before anyone looks at their tags."""

from __future__ import annotations

import fnmatch
import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from uns.hierarchy import name_problem, slug
from uns.project.findings import Findings
from uns.project.library import Entry, Library
from uns.project.models import InstanceWords, OverrideWords
from uns.project.nearest import suggestion
from uns.project.parameters import Parameters, path_parameters
from uns.project.source import Written
from uns.project.template import Template, TemplateError

__all__ = ["MAX_MACHINES", "Stamp", "machine_parameters", "stamps"]

MAX_MACHINES = 100_000  # of one entry; more is a range with a slip of the finger
_LEAST_LEVELS = 4  # site, area, line, machine: ISA-95 and Sparkplug's ids need all four


@dataclass(frozen=True, slots=True)
class Stamp:
    """One machine that is to be: its entry, its path below the enterprise, its exceptions."""

    entry: Entry[InstanceWords]
    path: str
    each: Mapping[str, Any]
    overrides: tuple[Entry[OverrideWords], ...]

    @property
    def type_name(self) -> str:
        """The type's name: the last override's that names one, or the entry's."""
        return self.type_at.words.is_ or ""

    @property
    def type_at(self) -> Entry[Any]:
        """The entry that says what type it is."""
        return next((o for o in reversed(self.overrides) if o.words.is_), self.entry)

    @property
    def bind_at(self) -> Entry[Any]:
        """The entry that says how it is bound."""
        return next((o for o in reversed(self.overrides) if o.words.bind), self.entry)

    @property
    def asset_at(self) -> Entry[Any]:
        """The entry that says which thing stands there."""
        return next((o for o in reversed(self.overrides) if o.words.asset), self.entry)

    @property
    def levels(self) -> tuple[Entry[Any], ...]:
        """The entries that speak of this machine, the strongest last."""
        return (self.entry, *self.overrides)

    @property
    def kind(self) -> tuple[int, ...]:
        """The same for all machines that differ in nothing but their parameters."""
        return tuple(id(entry) for entry in self.levels)


def stamps(
    library: Library, enterprise: str, given: Mapping[str, Any], findings: Findings
) -> Iterator[Stamp]:
    """Every machine once, in the order they are written."""
    seen: dict[str, Stamp] = {}
    overrides = _Overrides(library.overrides)
    for entry in library.instances:
        for path, each in _paths(entry, library, enterprise, given, findings):
            stamp = Stamp(entry, path, each, overrides.of(path))
            if path in seen:
                _two_on_one(stamp, seen[path], findings)
                continue
            seen[path] = stamp
            yield stamp
    if ("instances", "") not in library.broken:
        overrides.report_unused(seen, findings)


class _Overrides:
    """Overrides by path; those with `*` are tried on every machine."""

    def __init__(self, entries: Mapping[str, Entry[OverrideWords]]) -> None:
        self._entries = entries
        self._order = {name: number for number, name in enumerate(entries)}
        self._patterns = [name for name in entries if "*" in name]
        self._used: set[str] = set()

    def of(self, path: str) -> tuple[Entry[OverrideWords], ...]:
        names = [name for name in self._patterns if _matches(name, path)]
        if path in self._entries and path not in names:
            names.append(path)
        self._used.update(names)
        return tuple(self._entries[name] for name in sorted(names, key=self._order.__getitem__))

    def report_unused(self, paths: Mapping[str, Stamp], findings: Findings) -> None:
        for name, entry in self._entries.items():
            if name not in self._used:
                findings.add(
                    "UNS209",
                    f"this override matches no machine: there is no `{name}`",
                    entry.at,
                    hint=suggestion(name, paths, otherwise="see `instances:` for their paths"),
                    of_key=True,
                )


def _matches(pattern: str, path: str) -> bool:
    wanted, names = pattern.split("/"), path.split("/")
    return len(wanted) == len(names) and all(map(fnmatch.fnmatchcase, names, wanted))


def _two_on_one(stamp: Stamp, first: Stamp, findings: Findings) -> None:
    same = stamp.entry.at.steps == first.entry.at.steps
    hint = "use every name of `each` in the path" if same else "change one of the two paths"
    related = () if same else (("the other machine", first.entry.at.at("path")),)
    findings.add(
        "UNS208",
        f"two machines are at `{stamp.path}`",
        stamp.entry.at.at("path"),
        hint=hint,
        related=related,
    )


def _paths(
    entry: Entry[InstanceWords],
    library: Library,
    enterprise: str,
    given: Mapping[str, Any],
    findings: Findings,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The paths that an entry stands for, with the values of `each` that make them."""
    at, words = entry.at.at("path"), entry.words
    count = math.prod(len(values) for values in words.each.values())
    if count > MAX_MACHINES:
        findings.add(
            "UNS106", f"this entry stamps {count:,} machines", at, hint=f"at most {MAX_MACHINES:,}"
        )
        return
    try:
        template = Template.parse(words.path)
    except TemplateError as error:
        findings.add(error.code, str(error), at.inside(error.column), hint=error.hint)
        return
    places = {name: entry.at.at("with", name) for name in words.with_}
    for combination in itertools.product(*words.each.values()):
        each = dict(zip(words.each, combination, strict=True))
        values = {"enterprise": enterprise, **_site(library, each), **each, **words.with_, **given}
        parameters = Parameters(values, places, findings, words.path)
        unknown = [field for field in template.fields if field.name not in values]
        if unknown:
            parameters.missing(unknown[0], at)
            return
        path = parameters.fill(words.path, at)
        if path is not None and _is_path(str(path), at, library, findings):
            yield str(path), each


def _site(library: Library, each: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of the site that `each` names."""
    site = library.sites.get(str(each.get("site", "")))
    return dict(site.words.model_extra or {}) if site else {}


def _is_path(path: str, at: Written, library: Library, findings: Findings) -> bool:
    names = path.split("/")
    for name in names:
        if problem := name_problem(name):
            fixed = "/".join(slug(one) for one in names)
            findings.add("UNS108", f"`{path}`: {problem}", at, hint=f"try `{fixed}`")
            return False
    if len(names) < _LEAST_LEVELS:
        findings.add(
            "UNS214",
            f"`{path}` has {len(names)} of the levels that a machine's path needs",
            at,
            hint="site/area/line/machine, or site/area/line/cell/machine",
        )
        return False
    site = names[0]
    if library.sites and site not in library.sites and not library.is_broken("sites", site):
        hint = suggestion(site, library.sites)
        findings.add("UNS204", f"there is no site `{site}`", at, hint=hint)
        return False
    return True


def machine_parameters(
    stamp: Stamp, library: Library, enterprise: str, given: Mapping[str, Any], findings: Findings
) -> Parameters:
    """The parameters of one machine, those of its bindings' defaults included."""
    values: dict[str, Any] = path_parameters(enterprise, stamp.path)
    places: dict[str, Written] = {}
    site = library.sites.get(values["site"])
    if site is not None:
        values |= site.words.model_extra or {}
    for name in stamp.bind_at.words.bind or ():
        if (binding := library.bindings.get(name)) is not None:
            _lay(values, places, binding)
    values |= stamp.each
    for entry in stamp.levels:
        _lay(values, places, entry)
    for name in given:
        places.pop(name, None)
    values |= given
    return Parameters(values, places, findings, stamp.path)


def _lay(values: dict[str, Any], places: dict[str, Written], entry: Entry[Any]) -> None:
    """Put an entry's `with:` on top."""
    for name, value in entry.words.with_.items():
        values[name] = value
        places[name] = entry.at.at("with", name)
