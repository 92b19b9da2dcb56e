"""Objects: values with fields of which certain facts are true."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, product
from typing import Final, TypeAlias

from uns.schema.evolution.candidate import UNSURE, Candidate, Finder, Goal, Path
from uns.schema.evolution.claim import Claim
from uns.schema.evolution.facts import Facts, Wanted, scalar
from uns.schema.evolution.scalars import find_strings
from uns.schema.evolution.text import matches

__all__ = ["find_objects"]

_MOST_PATTERNS: Final = 5  # whose matches are told apart: 2 to the power of it
_MOST_FIELDS: Final = 1000  # of a witness

_Fields: TypeAlias = dict[str, Goal]


def find_objects(finder: Finder, facts: Facts, path: Path) -> Iterator[Candidate]:
    """Yield objects of which the facts are true; none only if there are none."""
    fields: _Fields = {}
    for name, claim in facts.present:
        fields[name] = fields.get(name, frozenset()) | ({claim} if claim else frozenset())
    if facts.absent & fields.keys():
        return
    maker = _Maker(finder, facts, path)
    for chosen in maker.with_wanted(fields, facts.wanted):
        if chosen is None:
            yield Candidate(UNSURE, facts.labels)
            continue
        yield from maker.filled(chosen)


@dataclass(frozen=True, slots=True)
class _Maker:
    """Makes objects from one set of facts."""

    finder: Finder
    facts: Facts
    path: Path

    def with_wanted(self, fields: _Fields, wanted: tuple[Wanted, ...]) -> Iterator[_Fields | None]:
        """Yield the fields with one for each that is wanted; None where no name was found."""
        if not wanted:
            yield fields
            return
        first, *others = wanted
        if first.claim and not self.finder.variants(frozenset({first.claim}), self.path):
            return  # under no name
        for name in self._names(first, fields):
            if name is None:
                yield None
                continue
            extra = {first.claim} if first.claim else frozenset()
            more = {**fields, name: fields.get(name, frozenset()) | extra}
            yield from self.with_wanted(more, tuple(others))

    def filled(self, fields: _Fields) -> Iterator[Candidate]:
        """Yield objects with these fields, and more where there must be more."""
        facts = self.facts
        if facts.most_fields is not None and facts.fewest_fields > facts.most_fields:
            return
        if facts.most_fields is not None and len(fields) > facts.most_fields:
            if len(facts.wanted) > 1:  # one field might have done for two
                yield Candidate(UNSURE, facts.labels)
            return
        if max(len(fields), facts.fewest_fields) > _MOST_FIELDS:
            yield Candidate(UNSURE, facts.labels)
            return
        parts: dict[str, list[Candidate]] = {}
        for name, claims in fields.items():
            parts[name] = self._values(name, claims)
            if not parts[name]:
                return
        is_short = not self._fill_up(parts)
        if is_short:
            yield from [Candidate(UNSURE, facts.labels)] * self._is_endless(parts)
            return
        for values in self.finder.join(parts.values()):
            labels = facts.labels.union(*(one.labels for one in values))
            if not all(one.is_sure for one in values):
                yield Candidate(UNSURE, labels)
                continue
            yield Candidate(dict(zip(parts, (v.value for v in values), strict=True)), labels)

    def _fill_up(self, parts: dict[str, list[Candidate]]) -> bool:
        """Add fields until there are enough; return whether there are."""
        missing = self.facts.fewest_fields - len(parts)
        if missing <= 0:
            return True
        anything = Wanted(None, names=frozenset(parts) | self.facts.absent)
        for name in self._names(anything, {}, fresh=missing):
            if (
                name is not None
                and name not in parts
                and (found := self._values(name, frozenset()))
            ):
                parts[name] = found
            if len(parts) >= self.facts.fewest_fields:
                return True
        return False

    def _is_endless(self, parts: dict[str, list[Candidate]]) -> bool:
        """Whether there may be further names beyond those that were tried."""
        beyond = Wanted(None, names=frozenset(parts) | self.facts.absent | self._mentioned())
        return next(self._names(beyond, {}), "") != ""

    def _names(self, wanted: Wanted, fields: _Fields, *, fresh: int = 1) -> Iterator[str | None]:
        """Yield the names that will do: those that are spoken of, then a new one of each kind."""
        mentioned = self._mentioned() | fields.keys()
        for name in sorted(mentioned - wanted.names - self.facts.absent):
            if _is_meant(wanted, name) and self._may_be_called(name, wanted.name):
                yield name
        patterns = sorted({*self._patterns(), *wanted.matches, *wanted.avoids})
        if len(patterns) > _MOST_PATTERNS:
            yield None
            return
        taken = frozenset(scalar(name) for name in mentioned | wanted.names | self.facts.absent)
        for signs in product((False, True), repeat=len(patterns)):
            yes = tuple(p for p, sign in zip(patterns, signs, strict=True) if sign)
            no = tuple(p for p in patterns if p not in yes)
            if set(wanted.matches) <= set(yes) and set(wanted.avoids) <= set(no):
                start = Facts(frozenset({"string"}), None, taken, patterns=yes, not_patterns=no)
                yield from islice(self._new_names(start, wanted.name, yes), fresh)

    def _new_names(
        self, start: Facts, claim: Claim | None, matched: tuple[str, ...]
    ) -> Iterator[str | None]:
        """Yield new names, or None for one that was not found, of fields that are allowed."""
        if not self._is_open(matched):
            return
        claims = self.facts.field_names + ((claim,) if claim else ())
        for facts in self.finder.ways(claims, start):
            if "string" in facts.kinds:
                for name in find_strings(facts):
                    yield None if name is UNSURE else name

    def _may_be_called(self, name: str, claim: Claim | None = None) -> bool:
        claims = self.facts.field_names + ((claim,) if claim else ())
        start = Facts(frozenset({"string"}), frozenset({scalar(name)}))
        return not claims or any(
            next(find_strings(facts), None) is not None for facts in self.finder.ways(claims, start)
        )

    def _values(self, name: str, extra: Goal) -> list[Candidate]:
        """Return values for a field; none where there is none, or no such field may be."""
        claims: set[Claim] = set(extra)
        for rule in self.facts.fields:
            matched = [rule.names[name]] if name in rule.names else []
            matched += [one for pattern, one in rule.patterns.items() if matches(pattern, name)]
            claims |= {*matched} if matched or rule.rest is None else {rule.rest}
        if not self._is_named(name) or not self._may_be_called(name):
            return []
        return self.finder.variants(frozenset(claims), self.path)

    def _is_named(self, name: str) -> bool:
        """Whether a writer may send this field."""
        closings = self.facts.closings
        return (
            not closings
            or any(one.is_open or name in one.names for one in closings)
            or any(matches(pattern, name) for one in closings for pattern in one.patterns)
        )

    def _is_open(self, matched: tuple[str, ...]) -> bool:
        """Whether a writer may send a field that only matches these patterns."""
        closings = self.facts.closings
        return not closings or any(one.is_open or {*one.patterns} & {*matched} for one in closings)

    def _mentioned(self) -> frozenset[str]:
        names = {name for rule in self.facts.fields for name in rule.names}
        names |= {name for closing in self.facts.closings for name in closing.names}
        return frozenset(names | {name for name, _ in self.facts.present})

    def _patterns(self) -> set[str]:
        found = {pattern for rule in self.facts.fields for pattern in rule.patterns}
        return found | {pattern for one in self.facts.closings for pattern in one.patterns}


def _is_meant(wanted: Wanted, name: str) -> bool:
    return all(matches(pattern, name) for pattern in wanted.matches) and not any(
        matches(pattern, name) for pattern in wanted.avoids
    )
