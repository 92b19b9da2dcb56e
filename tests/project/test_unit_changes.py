"""A tag's unit is said once: what the layers of a project may not do with it."""

from __future__ import annotations

import pytest

PLANT = """
enterprise: acme
types:
  pump: {{tags: {{p: {type_words}, t: {{unit: Cel, optional: true}}}}}}
  child: {{extends: pump, tags: {{p: {child_words}}}}}
instances: [{{path: a/b/c/d, is: child}}]
overrides: {{a/b/c/d: {{tags: {{p: {override_words}}}}}}}
"""


@pytest.fixture
def told(loaded):
    """Codes, severities and hints for what type, child and override say of one tag."""

    def load(type_words: str, child_words: str = "{}", override_words: str = "{}"):
        text = PLANT.format(
            type_words=type_words, child_words=child_words, override_words=override_words
        )
        found = loaded(text).diagnostics
        return [(one.code, str(one.severity), one.hint) for one in found if one.code != "UNS212"]

    return load


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["{unit: bar}", "{unit: bar}"], []),
        (["{unit: L/min}", "{unit: l/min}"], []),
        (["{}", "{unit: bar}"], []),
        (["{unit: bar, range: [0, 6]}", "{range: [0, 8]}"], []),
        (["{unit: bar}", "{unit: kPa}"], [("UNS230", "warning", "[0, 100, 0, 1]")]),
        (["{unit: bar, deadband: 1}", "{unit: kPa}"], [("UNS230", "error", "[0, 100, 0, 1]")]),
        (["{unit: bar, range: [0, 6], deadband: 1%}", "{unit: kPa, range: [0, 600]}"],
         [("UNS230", "warning", "[0, 100, 0, 1]")]),
        (["{unit: bar, range: [0, 6]}", "{unit: kPa}", "{range: [0, 600]}"],
         [("UNS230", "warning", "[0, 100, 0, 1]")]),
        (["{unit: kPa}", "{}", "{unit: bar}"], [("UNS230", "warning", "[0, 1, 0, 100]")]),
        (["{unit: Cel}", "{unit: °F}"], [("UNS230", "warning", "[32, 212, 0, 100]")]),
        (["{unit: bar}", "{unit: Cel}"], [("UNS231", "error", "keep `bar`")]),
        (['{unit: "{bottle}"}', '{unit: "{pallet}"}'], [("UNS231", "error", "keep `{bottle}`")]),
        (["{unit: C}"], [("UNS131", "warning", "did you mean `Cel`?")]),
        (["{unit: Bra}"], [("UNS130", "error", "did you mean `bar`?")]),
    ],
)  # fmt: skip
def test_a_unit_that_changes(told, words: list[str], expected: list[tuple[str, str, str]]) -> None:
    """Another unit that fits is asked about, one that does not is refused, a spelling is neither."""
    found = told(*words)
    assert [one[:2] for one in expected] == [one[:2] for one in found]
    assert all(want[2] in got[2] for want, got in zip(expected, found, strict=True))


def test_a_binding_that_changes_the_unit_is_asked_too(loaded) -> None:
    """The place is the binding's word, the related place the type's."""
    text = """
enterprise: acme
types: {pump: {tags: {p: {unit: bar}}}}
bindings:
  plc: {driver: toy, connection: {host: h}, tags: {p: {address: "reg:1", unit: mbar}}}
instances: [{path: a/b/c/d, is: pump, bind: plc}]
"""
    (one,) = loaded(text).diagnostics
    assert ("UNS230", 5, 3) == (one.code, one.span.line, one.related[0].span.line)
