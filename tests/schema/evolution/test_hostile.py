"""Hostile schemas: whatever they hold, the answer comes soon, and is never a wrong yes."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uns.schema.evolution import Fields, Mode, compare


def _deep(levels: int) -> Any:
    schema: Any = {"type": "string"}
    for _ in range(levels):
        schema = {"items": schema}
    return schema


def _wide(count: int) -> Any:
    return {"enum": [f"state {n}" for n in range(count)]}


def _conditions(count: int) -> Any:
    """Each doubles the ways in which a document may obey."""
    rules = [
        {"if": {"required": [f"a{n}"]}, "then": {"minProperties": n}, "else": {"maxProperties": n}}
        for n in range(count)
    ]
    return {"type": "object", "allOf": rules}


TREE: Any = {
    "type": "object",
    "properties": {"value": {"type": "number"}, "below": {"items": {"$ref": "#"}}},
}
TEXT_TREE: Any = {**TREE, "properties": {**TREE["properties"], "value": {"type": "string"}}}
IN_CIRCLES: Any = {"anyOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"allOf": [{"$ref": "#"}]}}}
BRANCHES: Any = {"oneOf": [{"oneOf": [{"minimum": a * b} for a in range(9)]} for b in range(9)]}

CASES: dict[str, tuple[Any, Any, bool | None]] = {
    "10,000 levels": (_deep(10_000), _deep(10_000), False),
    "a hundred levels, the same": (_deep(100), _deep(100), True),
    "15,000 states, one more": (_wide(15_000), _wide(15_001), True),
    "15,000 states, one less": (_wide(15_001), _wide(15_000), False),
    "a million values": ({"enum": list(range(1_000_000))}, {}, False),
    "a tree of itself": (TREE, TREE, True),
    "a tree with other leaves": (TREE, TEXT_TREE, False),
    "a reference in circles": (IN_CIRCLES, {"type": "string"}, False),
    "a reference to elsewhere": ({"$ref": "http://127.0.0.1/schema"}, {}, False),
    "a reference to a file": ({}, {"$ref": "file:///etc/passwd"}, False),
    "a reference to nothing": ({"$ref": "#/$defs/none"}, {}, False),
    "a regular expression that explodes": (
        {"pattern": "^(a+)+$"}, {"pattern": "^(a|aa)+b$"}, False),
    "a regular expression too large": ({"pattern": "((a{1000}){1000}){1000}"}, {}, False),
    "looking around": ({"pattern": "(?=a)b"}, {}, False),
    "200 conditions": (_conditions(200), _conditions(199), None),
    "branches of branches": (BRANCHES, {"maximum": 3}, None),
    "a list of a billion": ({"type": "array"}, {"maxItems": 1_000_000_000}, False),
    "a text of a billion": ({"type": "string"}, {"maxLength": 1_000_000_000}, False),
    "NaN": ({"minimum": float("nan")}, {}, False),
    "infinity": ({"minimum": float("inf")}, {}, False),
    "no schema at all": ({"type": "nonsense"}, {}, False),
    "a number of 5,000 digits": ({"minimum": 10**5000}, {"minimum": 0}, False),
    "the largest numbers": ({"minimum": 1.7e308}, {"minimum": 1.75e308}, False),
    "a number of 300 digits": ({"maximum": 10**300}, {"maximum": 10**301}, True),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_schema_is_judged_in_time(case: str) -> None:
    """Seconds at most, however the schema is built, and no exception."""
    old, new, is_compatible = CASES[case]
    began = time.monotonic()
    verdict = compare(old, new, Mode.BACKWARD, Fields.AS_WRITTEN)
    took_s = time.monotonic() - began
    assert is_compatible in {None, verdict.is_compatible}, verdict.findings
    assert took_s < 5


KEYWORDS = sorted(
    {"$ref", "$id", "id", "type", "enum", "const", "items", "prefixItems", "properties", "required",
     "dependencies", "allOf", "not", "if", "minimum", "pattern", "minLength", "uniqueItems",
     "x-unit", "x-states", "$schema", "default", "additionalProperties", "dependentRequired"}
)  # fmt: skip
RUBBISH = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "#", "#/x", "("]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=4)
    ),
)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(RUBBISH, RUBBISH)
def test_rubbish_is_refused_and_never_raises(old: Any, new: Any) -> None:
    """What is no schema gets a verdict like any other, in every mode."""
    verdict = compare(old, new, Mode.FULL)
    if not isinstance(old, dict | bool):
        assert not verdict.is_compatible


def test_what_cannot_be_decided_is_refused_and_says_so() -> None:
    """Two expressions are not compared beyond a few samples: no example, no proof, no yes."""
    old = {"type": "string", "pattern": "^(?:a|b)$"}
    (finding,) = compare(old, {"type": "string", "pattern": "^[ab]$"}, Mode.BACKWARD).findings
    assert ("/pattern", "pattern", None) == (finding.pointer, finding.rule, finding.witness)
    assert "cannot be shown compatible" in finding.message
