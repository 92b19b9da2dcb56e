"""The decision table: what may change under which promise."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from uns.schema.evolution import Fields, Mode, Verdict, check, compare

Schema = dict[str, Any]

FILLER: Schema = {
    "type": "object",
    "properties": {
        "v": {"type": "number", "minimum": 0, "maximum": 100},
        "q": {"enum": ["Good", "Bad"]},
        "n": {"type": "string"},
    },
    "required": ["v"],
}


def _with(change: Callable[[Schema, Schema], Any]) -> Schema:
    new = copy.deepcopy(FILLER)
    change(new, new["properties"])
    return new


INTEGER = _with(lambda _, p: p["v"].update(type="integer"))
NULLABLE = _with(lambda _, p: p["v"].update(type=["number", "null"]))
NO_LONGER_REQUIRED = _with(lambda s, _: s.pop("required"))


def _rename(schema: Schema, properties: Schema) -> None:
    properties["val"] = properties.pop("v")
    schema["required"] = ["val"]


def _add_required(schema: Schema, properties: Schema, **field: Any) -> None:
    properties["u"] = {"type": "string", **field}
    schema["required"].append("u")


def _remove_required(schema: Schema, properties: Schema) -> None:
    del properties["v"]
    schema["required"] = []


# change: old, new; then BACKWARD open and closed, FORWARD open and closed, and with a closed
# writer and an open reader BACKWARD, FORWARD and FULL: + may, - may not.
TABLE: dict[str, tuple[Schema, Schema, str]] = {
    "add optional field": (
        FILLER, _with(lambda _, p: p.update(u={"type": "string"})), "-+ +- ++ +"),
    "add required field, no default": (FILLER, _with(_add_required), "-- +- -+ -"),
    "add required field with default": (
        FILLER, _with(lambda s, p: _add_required(s, p, default="1")), "-+ +- ++ +"),
    "remove optional field": (FILLER, _with(lambda _, p: p.pop("n")), "+- -+ ++ +"),
    "remove required field": (FILLER, _with(_remove_required), "+- -- +- -"),
    "optional to required": (FILLER, _with(lambda s, _: s["required"].append("n")), "-- ++ -+ -"),
    "required to optional": (FILLER, NO_LONGER_REQUIRED, "++ -- +- -"),
    "rename field": (FILLER, _with(_rename), "-- -- -- -"),
    "number to integer": (FILLER, INTEGER, "-- ++ -+ -"),
    "integer to number": (INTEGER, FILLER, "++ -- +- -"),
    "number to string": (FILLER, _with(lambda _, p: p.update(v={"type": "string"})), "-- -- -- -"),
    "number to number or null": (FILLER, NULLABLE, "++ -- +- -"),
    "widen range": (FILLER, _with(lambda _, p: p["v"].update(maximum=200)), "++ -- +- -"),
    "narrow range": (FILLER, _with(lambda _, p: p["v"].update(maximum=50)), "-- ++ -+ -"),
    "add enum value": (
        FILLER, _with(lambda _, p: p["q"]["enum"].append("Uncertain")), "++ -- +- -"),
    "remove enum value": (FILLER, _with(lambda _, p: p["q"]["enum"].pop()), "-- ++ -+ -"),
    "add pattern": (FILLER, _with(lambda _, p: p["n"].update(pattern="^a")), "-- ++ -+ -"),
    "title, description, example": (
        FILLER, _with(lambda s, p: s.update(title="t", examples=[1])), "++ ++ ++ +"),
}  # fmt: skip


def _closed(schema: Schema) -> Schema:
    return {**schema, "additionalProperties": False}


@pytest.mark.parametrize("change", TABLE)
def test_the_decision_table(change: str) -> None:
    """Each change is allowed under the promises that it keeps, and every refusal has a witness."""
    old, new, expected = TABLE[change]
    literal = Fields.AS_WRITTEN
    verdicts = [
        compare(old, new, Mode.BACKWARD, literal),
        _filling(_closed(old), _closed(new), Mode.BACKWARD),
        compare(old, new, Mode.FORWARD, literal),
        _filling(_closed(old), _closed(new), Mode.FORWARD),
        compare(old, new, Mode.BACKWARD),
        compare(old, new, Mode.FORWARD),
        compare(old, new, Mode.FULL),
    ]
    said = "".join("+" if one.is_compatible else "-" for one in verdicts)
    assert expected.replace(" ", "") == said
    assert all(one.witness is not None for verdict in verdicts for one in verdict.findings)


def _filling(old: Schema, new: Schema, mode: Mode) -> Verdict:
    """Closed on both sides by their own word; readers fill in defaults."""
    return compare(old, new, mode, Fields.CLOSED_WRITER)


def _value(**more: Any) -> Schema:
    return {"type": "object", "properties": {"p": {"type": "number", **more}}}


@pytest.mark.parametrize(
    ("old", "new", "rules"),
    [
        ({"x-unit": "bar"}, {"x-unit": "kPa"}, ["x-unit"]),
        ({"x-unit": "bar"}, {}, ["x-unit"]),
        ({}, {"x-unit": "bar"}, []),
        ({"x-unit": "°C"}, {"x-unit": "Cel"}, []),
        ({"x-counter": True}, {}, ["x-counter"]),
        ({}, {"x-counter": True}, ["x-counter"]),
        ({}, {"x-counter": False}, []),
        ({"x-states": {"1": "Run"}}, {"x-states": {"1": "Run", "2": "Stop"}}, []),
        ({"x-states": {"1": "Run"}}, {"x-states": {"1": "Stop"}}, ["x-states"]),
        ({"x-states": {"1": "Run"}}, {}, ["x-states"]),
    ],
)
def test_a_meaning_that_changes_is_refused(old: Schema, new: Schema, rules: list[str]) -> None:
    """Another unit, a counter that is none or other states break readers whatever the form."""
    for mode in (Mode.BACKWARD, Mode.FORWARD, Mode.FULL):
        found = compare(_value(**old), _value(**new), mode).findings
        assert rules == [one.rule for one in found]
        assert all(one.pointer == f"/properties/p/{one.rule}" for one in found)


def test_transitive_modes_look_at_every_version() -> None:
    """What the last version allowed to forget, the first has not."""
    history: list[Any] = [{"type": "integer"}, {}, {"type": ["integer", "string"]}]
    new = {"type": "string"}
    assert ["type"] == [one.rule for one in check(history, new, Mode.BACKWARD).findings]
    assert check(history, {"type": ["integer", "string"]}, Mode.BACKWARD).is_compatible
    transitive = check(history, history[2], Mode.BACKWARD_TRANSITIVE)
    assert ["type"] == [one.rule for one in transitive.findings]
    assert check(history, new, Mode.NONE).is_compatible
    assert check([], new, Mode.FULL_TRANSITIVE).is_compatible


def test_a_refusal_says_where_why_and_what_to_do() -> None:
    """The place, the document that breaks and the way out stand in one sentence."""
    new = _with(lambda _, p: p["v"].update(maximum=50))
    (finding,) = compare(FILLER, new, Mode.BACKWARD).findings
    assert ("/properties/v/maximum", "maximum") == (finding.pointer, finding.rule)
    assert (
        "/properties/v/maximum of the new schema refuses a higher value, which the old schema "
        'allows: {"v": 51}; keep the upper limit or widen it'
    ) == finding.message


@pytest.mark.parametrize("path", ["job_response/1.json", "value/1.json", "project/1.json"])
def test_our_own_schemas_are_compatible_with_themselves(path: str, pytestconfig: Any) -> None:
    """A version that only changes its title keeps every promise."""
    schema = json.loads((pytestconfig.rootpath / "schemas" / path).read_text())
    assert () == compare(schema, {**schema, "title": "other"}, Mode.FULL).findings


def test_a_condition_on_the_quality_is_understood(pytestconfig: Any) -> None:
    """A range that only counts for Good values may be widened, and not narrowed, under BACKWARD."""

    def payload(maximum: int) -> Schema:
        good = {"properties": {"quality": {"const": "Good"}}}
        value = {"properties": {"value": {"type": "number", "maximum": maximum}}}
        return {
            "type": "object", "required": ["value", "quality"],
            "properties": {"value": {}, "quality": {"enum": ["Good", "Bad"]}},
            "allOf": [{"if": good, "then": value}],
        }  # fmt: skip

    assert compare(payload(100), payload(200), Mode.BACKWARD).is_compatible
    (finding,) = compare(payload(100), payload(50), Mode.BACKWARD).findings
    assert "/allOf/0/then/properties/value/maximum" == finding.pointer
    assert finding.witness is not None
    assert {"value": 51, "quality": "Good"} == finding.witness.document


def test_elements_that_are_counted_may_lie_apart() -> None:
    """Two of three places obey `contains`, and not the one between them."""
    kinds = [{"type": "integer"}, {"type": "string"}, {"type": "integer"}]
    contains = {"contains": {"type": "integer"}, "minContains": 2}
    old = {"type": "array", "prefixItems": kinds, "items": False, **contains}
    assert not compare(old, {"type": "string"}, Mode.BACKWARD).is_compatible
    assert compare(old, {"minItems": 1}, Mode.BACKWARD).is_compatible
