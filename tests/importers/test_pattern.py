"""Patterns: one template for texts that differ only in what tells machines apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uns.importers.pattern import Parameters, template
from uns.project.template import Template


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("DB1.DBD4", "DB1.DBD4", "DB1.DBD4"), "DB1.DBD4"),
        (("s=Line1.Speed", "s=Line2.Speed", "s=Line3.Speed"), "s=Line{n}.Speed"),
        (("s=Line01.Speed", "s=Line02.Speed", "s=Line03.Speed"), "s=Line{n:02d}.Speed"),
        (("DB101.DBD4", "DB102.DBD4", "DB103.DBD4"), "DB1{n:02d}.DBD4"),
        (("40101", "40201", "40301"), "4{n:02d}01"),
        (("10.1.1.20", "10.1.2.20", "10.1.3.20"), "10.1.{n}.20"),
        (("{1}", "{2}", "{3}"), "{{{n}}}"),
    ],
)
def test_a_place_that_follows_a_parameter_is_said_by_it(
    texts: tuple[str, ...], expected: str
) -> None:
    """Whole, padded, or in the middle of a number; braces of the address are doubled."""
    made = template(texts, Parameters({"n": (1, 2, 3)}))
    assert expected == made
    assert list(texts) == [Template.parse(expected).fill({"n": n}) for n in (1, 2, 3)]


def test_a_name_is_said_in_other_capitals() -> None:
    """A path's `leeds` is the address's `LEEDS`."""
    parameters = Parameters({"name": ("leeds", "porto")})
    assert "s={name:upper}.Speed" == template(("s=LEEDS.Speed", "s=PORTO.Speed"), parameters)


@pytest.mark.parametrize("texts", [("hr:10", "hr:17"), ("a.b", "a.b.c"), ("s=Speed", "s=Tempo")])
def test_no_pattern_is_no_template(texts: tuple[str, ...]) -> None:
    """What follows nothing is not forced into a pattern."""
    assert template(texts, Parameters({"n": (1, 2)})) is None


def test_a_new_parameter_is_made_only_where_it_is_wanted() -> None:
    """It has the name that was wished, and the next text with the same values uses it again."""
    parameters = Parameters({"n": (1, 2)})
    assert "DB{db}.DBD4" == template(("DB17.DBD4", "DB40.DBD4"), parameters, lambda *_: "db")
    assert "DB{db}.DBW0" == template(("DB17.DBW0", "DB40.DBW0"), parameters, lambda *_: "db")
    assert (["db"], (17, 40)) == (parameters.fresh, parameters.values["db"])


@given(
    st.lists(st.integers(0, 9999), min_size=2, max_size=5, unique=True),
    st.text("abXY_.{}=;/ 019", max_size=8),
    st.text("abXY_.{}=;/ 019", max_size=8),
)
def test_a_template_says_exactly_the_texts(values: list[int], before: str, after: str) -> None:
    """Whatever stands around the numbers, filling the template gives back each text."""
    texts = [f"{before}{value}{after}" for value in values]
    made = template(texts, Parameters({"n": tuple(values)}))
    if made is not None:
        assert texts == [Template.parse(made).fill({"n": value}) for value in values]
