"""Comparison: whether a new version of a schema keeps its promise to those who read and write.

Old documents are safe with a new reader if no document obeys the writer's schema and breaks the
reader's. Such a document is searched for. One that is found, and that jsonschema-rs confirms, is
the witness of a refusal; a search that ends without one is the proof that there is none; and
where neither is to be had, the change is refused because it cannot be shown to be compatible.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jsonschema_rs

from uns.schema.evolution.candidate import Candidate
from uns.schema.evolution.claim import NOBODY, Claim, Label
from uns.schema.evolution.fields import closed, filled, relaxed
from uns.schema.evolution.meaning import changes
from uns.schema.evolution.mode import Fields, Mode
from uns.schema.evolution.node import Document, RawSchema, Refusal
from uns.schema.evolution.search import Exhausted, Search
from uns.schema.evolution.sentence import sentence

__all__ = ["Finding", "Verdict", "Witness", "check", "compare"]

_MOST_FINDINGS: Final = 20  # in one direction; whoever mends these will ask again
_MOST_TRIES: Final = 12  # documents made for one keyword that the judge does not confirm
_LINEAR = jsonschema_rs.RegexOptions(size_limit=1 << 20, dfa_size_limit=1 << 20)


@dataclass(frozen=True, slots=True)
class Witness:
    """A document that the writer's schema accepts and the reader's refuses."""

    document: Any


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason why a change is refused.

    `pointer` is the place in the reader's schema (the new one's for BACKWARD, the old one's for
    FORWARD), `rule` its keyword. There is no witness where the meaning changed but not the form
    (`x-unit`, `x-counter`, `x-states`), and where a change cannot be shown to be compatible.
    """

    pointer: str
    rule: str
    message: str
    witness: Witness | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison found."""

    findings: tuple[Finding, ...] = ()

    @property
    def is_compatible(self) -> bool:
        """Whether the change keeps the promise."""
        return not self.findings


def check(
    history: Sequence[RawSchema],
    new: RawSchema,
    mode: Mode,
    fields: Fields = Fields.CLOSED_WRITER,
) -> Verdict:
    """Judge `new` after the earlier versions, oldest first: the last, or all if transitive."""
    earlier = history if mode.is_transitive else history[-1:]
    found = [finding for old in earlier for finding in compare(old, new, mode, fields).findings]
    return Verdict(tuple(_without_repetition(found)))


def compare(
    old: RawSchema, new: RawSchema, mode: Mode, fields: Fields = Fields.CLOSED_WRITER
) -> Verdict:
    """Judge one change.

    >>> compare({"type": "number"}, {"type": "integer"}, Mode.BACKWARD).findings[0].witness
    Witness(document=0.5)
    """
    if mode is Mode.NONE:
        return Verdict()
    found: list[Finding] = []
    try:
        before, after = Document.read(old), Document.read(new)
        for document, name in ((before, "old"), (after, "new")):
            _judge(document.root, name)
        found += [Finding(p, rule, text) for p, rule, text in changes(before, after)]
        if mode.is_backward:
            found += _Reading(before, after, fields, "old", "new").findings()
        if mode.is_forward:
            found += _Reading(after, before, fields, "new", "old").findings()
    except Refusal as refusal:
        found.append(_undecided(Label(refusal.pointer, refusal.rule), refusal.reason))
    return Verdict(tuple(found))


class _Reading:
    """One direction: what `writer` sends, read with `reader`."""

    def __init__(
        self, writer: Document, reader: Document, fields: Fields, sent_by: str, read_by: str
    ) -> None:
        self.by = (sent_by, read_by)
        self.accepts_writer = _judge(writer.root, sent_by)
        if fields is Fields.CLOSED_WRITER:
            writer, reader = closed(writer), filled(reader)
        self.accepts_reader = _judge(relaxed(reader), read_by)
        self.goal = frozenset({Claim(writer.node, label=NOBODY), Claim(reader.node, holds=False)})
        self.search = Search()

    def findings(self) -> list[Finding]:
        """Search, judge what is found, and say it."""
        found: list[Finding] = []
        doubts: dict[Label, int] = {}
        try:
            for candidate in self.search.find(self.goal):
                label = min(candidate.labels, default=Label("", "schema"))
                if label in self.search.settled:
                    continue
                if self._is_witness(candidate):
                    self.search.settled.add(label)
                    witness = Witness(candidate.value)
                    found.append(
                        Finding(*label, sentence(label, self.by, witness.document), witness)
                    )
                else:
                    doubts[label] = doubts.get(label, 0) + 1
                if doubts.get(label, 0) >= _MOST_TRIES:
                    self.search.settled.add(label)
                if len(found) >= _MOST_FINDINGS:
                    break
        except (Exhausted, RecursionError, OverflowError):
            reason = "the schemas are too complex to compare within bounds"
            found += [] if found else [_undecided(Label("", "size"), reason)]
        settled = {(one.pointer, one.rule) for one in found}
        reason = "neither a document that breaks it nor a proof that there is none was found"
        return found + [_undecided(one, reason) for one in doubts if one not in settled]

    def _is_witness(self, candidate: Candidate) -> bool:
        if not candidate.is_sure:
            return False
        value = candidate.value
        try:
            return self.accepts_writer.is_valid(value) and not self.accepts_reader.is_valid(value)
        except ValueError:  # a number or a depth that the judge does not take
            return False


def _judge(schema: RawSchema, by: str) -> jsonschema_rs.Validator:
    try:
        return jsonschema_rs.validator_for(
            schema if isinstance(schema, bool) else dict(schema),
            validate_formats=False,
            pattern_options=_LINEAR,
            offline=True,
        )
    except ValueError as error:
        told = str(error).split("\n", 1)[0]
        raise Refusal("", "schema", f"the {by} schema is none: {told}") from None


def _undecided(label: Label, reason: str) -> Finding:
    text = f"{label.rule} at {label.pointer or '/'} cannot be shown compatible: {reason}"
    return Finding(*label, text)


def _without_repetition(findings: list[Finding]) -> Iterator[Finding]:
    seen: set[str] = set()
    for one in findings:
        key = json.dumps([one.pointer, one.rule, one.message])
        if key not in seen:
            seen.add(key)
            yield one
