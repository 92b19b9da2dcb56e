"""Templates: filled once per machine, and wrong ones told with their column."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uns.project.template import MissingParameterError, Template, TemplateError


@pytest.mark.parametrize(
    ("text", "values", "filled"),
    [
        (
            "Line{n}.Filler.{tag:pascal}",
            {"n": 3, "tag": "product_temp"},
            "Line3.Filler.ProductTemp",
        ),
        ("{tag:camel}", {"tag": "drive/temp"}, "driveTemp"),
        ("{tag:snake}", {"tag": "ProductTemp"}, "product_temp"),
        ("{site:upper}/{site:lower}", {"site": "Leeds"}, "LEEDS/leeds"),
        ("m{n:02d}", {"n": 7}, "m07"),
        ("m{n:03d}", {"n": "7"}, "m007"),
        ("{{n}}", {"n": 7}, "{n}"),
        ("${env:X}{n}", {"n": 7}, "${env:X}7"),
        ("plain", {}, "plain"),
        ("", {}, ""),
    ],
)
def test_places_are_filled(text: str, values: dict[str, object], filled: str) -> None:
    """Each filter does what the reference says; doubled braces and secrets are left alone."""
    assert filled == Template.parse(text).fill(values)


def test_a_bare_place_keeps_the_values_type() -> None:
    """`port: "{port}"` is a number where the parameter is one."""
    assert 502 == Template.parse("{port}").value({"port": 502})
    assert "502" == Template.parse("{port:lower}").value({"port": 502})


@pytest.mark.parametrize(
    ("text", "column"),
    [("ab{n", 3), ("ab}", 3), ("ab{}", 3), ("{a b}", 1), ("x{n:pasc}", 2), ("{1}", 1)],
)
def test_a_wrong_template_names_its_column(text: str, column: int) -> None:
    """The caret goes under the brace that is wrong, and a hint says what would be right."""
    with pytest.raises(TemplateError) as caught:
        Template.parse(text)
    assert column == caught.value.column
    assert caught.value.hint


def test_a_missing_parameter_names_its_place() -> None:
    """Whoever fills a template learns which place had no value."""
    with pytest.raises(MissingParameterError) as caught:
        Template.parse("DB{db}.{x}").fill({"db": 1})
    assert ("x", 8) == (caught.value.field.name, caught.value.field.column)


def test_a_number_filter_refuses_words() -> None:
    """`{n:02d}` of `one` is a mistake with a place, not a crash."""
    with pytest.raises(TemplateError, match="needs a whole number"):
        Template.parse("{n:02d}").fill({"n": "one"})


@given(st.lists(st.sampled_from(["ab", "{n}", "{{", "}}", "{tag:upper}", "${env:X}"]), max_size=8))
def test_every_column_comes_from_somewhere(pieces: list[str]) -> None:
    """Each column of the filled text has an origin inside the template, in order."""
    text = "".join(pieces)
    template = Template.parse(text)
    values = {"n": 12345, "tag": "speed"}
    filled = template.fill(values)
    origins = [template.origin(column, values) for column in range(1, len(filled) + 1)]
    assert sorted(origins) == origins
    assert all(1 <= origin <= max(1, len(text)) for origin in origins)
