"""Soundness: what is called compatible has no counter-example, and refusals show one."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from uns.schema.evolution import Fields, Mode, compare

pytestmark = pytest.mark.property

PAIRS = 800
DOCUMENTS_EACH = 60
DRAFTS = {
    4: "http://json-schema.org/draft-04/schema#",
    6: "http://json-schema.org/draft-06/schema#",
    7: "http://json-schema.org/draft-07/schema#",
    2019: "https://json-schema.org/draft/2019-09/schema",
    2020: "https://json-schema.org/draft/2020-12/schema",
}
NAMES = ("a", "b", "ab")
PATTERNS = ("^a", "b$", "^a?$", "^[ab]{1,2}$")
SCALARS = (None, True, False, 0, 1, 1.0, 2, 3, 1.5, -1, "", "a", "ab", "abx")
NUMBERS = (-1, 0, 1, 1.5, 2, 3)
TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")


class Author:
    """Writes schemas of one draft, and documents, from a small stock of names and numbers."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.draft = self.random.choice(sorted(DRAFTS))

    def document(self, levels: int = 3) -> Any:
        kind = self.random.randrange(4 if levels else 2)
        if kind < 2:
            return self.random.choice(SCALARS)
        some = range(self.random.randrange(4))
        if kind == 2:
            return [self.document(levels - 1) for _ in some]
        return {self.random.choice(NAMES): self.document(levels - 1) for _ in some}

    def whole(self) -> dict[str, Any]:
        """A schema with definitions, which its references lead to."""
        root = {"$schema": DRAFTS[self.draft], **self._words(2, self.random.randint(1, 4))}
        return {**root, "definitions": {name: self.schema(1) for name in "de"}}

    def changed(self, schema: dict[str, Any]) -> dict[str, Any]:
        """What an engineer makes of it: a keyword more, less or other, here or in a field."""
        new = json.loads(json.dumps(schema))
        below = new.get("properties", {}).values()
        for _ in range(self.random.randint(1, 2)):
            place = self.random.choice([new, *(one for one in below if isinstance(one, dict))])
            present = sorted(place.keys() - {"$schema", "definitions"})
            if present and self.random.random() < 0.4:
                del place[self.random.choice(present)]
                continue
            place |= self._words(1, 1)
        return new

    def schema(self, levels: int) -> Any:
        if levels and self.random.random() < 0.8:
            return self._words(levels, self.random.randint(1, 3))
        if self.draft > 4 and self.random.random() < 0.2:
            return self.random.random() < 0.5
        return self._words(0, self.random.randint(1, 2))

    def _words(self, levels: int, count: int) -> dict[str, Any]:
        words = self._keywords(levels)
        chosen = self.random.sample(sorted(words), count)
        if self.draft == 4 and {"exclusiveMinimum", "exclusiveMaximum"} & {*chosen}:
            chosen += ["minimum", "maximum"]
        return {word: words[word]() for word in chosen}

    def _keywords(self, levels: int) -> dict[str, Callable[[], Any]]:
        """Every keyword of the draft that may hold as many levels."""
        pick, draft = self.random.choice, self.draft
        count = lambda: self.random.randint(0, 3)  # noqa: E731
        names = lambda: self.random.sample(NAMES, self.random.randint(1, 2))  # noqa: E731
        words: dict[str, Callable[[], Any]] = {
            "type": lambda: pick([pick(TYPES), self.random.sample(TYPES, 3)]),
            "enum": self._values, "multipleOf": lambda: pick([0.5, 1, 2, 3]),
            "minimum": lambda: pick(NUMBERS), "maximum": lambda: pick(NUMBERS),
            "minLength": count, "maxLength": count, "pattern": lambda: pick(PATTERNS),
            "minItems": count, "maxItems": count, "uniqueItems": lambda: pick([True, False]),
            "minProperties": count, "maxProperties": count, "required": names,
            "format": lambda: "date-time", "title": lambda: "t",
        }  # fmt: skip
        words["exclusiveMinimum"] = words["exclusiveMaximum"] = lambda: (
            pick([True, False]) if draft == 4 else pick(NUMBERS)
        )
        if draft > 4:
            words["const"] = lambda: pick(self._values())
        if draft > 7:
            words |= {"minContains": count, "maxContains": count}
            words["dependentRequired"] = lambda: {pick(NAMES): names()}
        return words | self._nested(levels - 1) if levels else words

    def _nested(self, levels: int) -> dict[str, Callable[[], Any]]:
        one = lambda: self.schema(levels)  # noqa: E731
        some = lambda: [one() for _ in range(self.random.randint(1, 3))]  # noqa: E731
        by = lambda keys: {self.random.choice(keys): one() for _ in some()}  # noqa: E731
        words: dict[str, Callable[[], Any]] = {
            "properties": lambda: by(NAMES), "patternProperties": lambda: by(PATTERNS),
            "additionalProperties": one, "items": one, "allOf": some, "anyOf": some,
            "oneOf": some, "not": one, "$ref": lambda: "#/definitions/" + self.random.choice("de"),
        }  # fmt: skip
        if self.draft <= 2019:
            words |= {"items": lambda: some() if self.random.random() < 0.5 else one()}
            words |= {"additionalItems": one}
        if self.draft <= 7:
            words["dependencies"] = lambda: by(NAMES)
        if self.draft > 4:
            words |= {"contains": one, "propertyNames": one}
        if self.draft > 6:
            words |= {"if": one, "then": one, "else": one}
        if self.draft > 7:
            words |= {"unevaluatedProperties": one, "unevaluatedItems": one}
            words["dependentSchemas"] = lambda: by(NAMES)
        if self.draft > 2019:
            words["prefixItems"] = some
        return words

    def _values(self) -> list[Any]:
        found = [self.document(1) for _ in range(self.random.randint(1, 3))]
        return list({json.dumps(one): one for one in found}.values())


def _pair(author: Author) -> tuple[dict[str, Any], dict[str, Any]]:
    """A schema and a changed one; now and then two that have nothing in common."""
    old = author.whole()
    new = author.whole() if author.random.random() < 0.2 else author.changed(old)
    return (old, new) if author.random.random() < 0.5 else (new, old)


def _judge(schema: Any) -> jsonschema_rs.Validator:
    options = jsonschema_rs.RegexOptions()
    return jsonschema_rs.validator_for(schema, validate_formats=False, pattern_options=options)


def test_no_compatible_change_has_a_counter_example() -> None:
    """Fuzzed pairs and documents of every draft: jsonschema-rs finds nothing that we passed."""
    counts = {"pairs": 0, "compatible": 0, "documents": 0, "refused": 0, "with a witness": 0}

    @settings(
        max_examples=PAIRS, deadline=None, derandomize=True, database=None,
        suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate],
    )  # fmt: skip
    @given(st.integers(0, 2**40))
    def fuzz(seed: int) -> None:
        author = Author(seed)
        old, new = _pair(author)
        try:
            writer, reader = _judge(old), _judge(new)
        except ValueError:
            return  # an enum with equal values, say
        verdict = compare(old, new, Mode.BACKWARD, Fields.AS_WRITTEN)
        counts["pairs"] += 1
        counts["refused" if verdict.findings else "compatible"] += 1
        witnesses = [one.witness.document for one in verdict.findings if one.witness]
        counts["with a witness"] += bool(witnesses)
        assert all(writer.is_valid(one) and not reader.is_valid(one) for one in witnesses)
        if verdict.is_compatible:
            documents = [author.document() for _ in range(DOCUMENTS_EACH)]
            counts["documents"] += len(documents)
            broken = [one for one in documents if writer.is_valid(one) and not reader.is_valid(one)]
            assert [] == broken, json.dumps([old, new])

    fuzz()
    print(counts)
    assert counts["compatible"] > PAIRS // 10
    assert counts["with a witness"] >= 0.85 * counts["refused"]
