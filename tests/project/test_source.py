"""Sources: YAML 1.2 data, and the place of every part of it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from uns.project.source import Source, Span, Written

KEYS = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), max_size=30),
    st.sampled_from(["NO", "on", "12:30", "010", "0x1F", "1e3", "~", "", "yes", ".inf", "null"]),
)
DATA = st.recursive(
    LEAVES,
    lambda below: (
        st.lists(below, max_size=5)
        | st.dictionaries(KEYS.filter(lambda key: key != "<<"), below, max_size=5)
    ),
    max_leaves=25,
)


class _Quoted(yaml.SafeDumper):
    """Writes texts in quotes, and nothing as an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Quoted.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


def _paths(value: Any, at: tuple[Any, ...] = ()) -> Any:
    yield at, value
    items = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        items = enumerate(value)
    for key, below in items:
        yield from _paths(below, (*at, key))


@settings(max_examples=300, deadline=None)
@given(DATA, st.booleans())
def test_what_is_written_is_read_back_with_its_place(value: Any, flow: bool) -> None:
    """Every document reads back as it was, and every text's span slices out that very text."""
    text = yaml.dump(
        value, Dumper=_Quoted, allow_unicode=True, default_flow_style=flow, width=10**6
    )
    source = Source.parse(text)
    assert () == source.mistakes
    assert value == source.data
    lines = text.split("\n")
    for path, leaf in _paths(value):
        if isinstance(leaf, str):
            span = source.span(path)
            assert span.line == span.end_line
            written = lines[span.line - 1][span.column - 1 : span.end_column - 1]
            assert leaf == yaml.safe_load(written)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: NO", {"a": "NO"}),
        ("a: 12:30", {"a": "12:30"}),
        ("a: 010", {"a": "010"}),
        ("a: 0", {"a": 0}),
        ("a: -1", {"a": -1}),
        ("a: 0x1F", {"a": 31}),
        ("a: 1e3", {"a": 1000.0}),
        ("a: .5", {"a": 0.5}),
        ("a: -.inf", {"a": float("-inf")}),
        ("a: ", {"a": None}),
        ("a: 2024-01-01", {"a": "2024-01-01"}),
        ("a: '1'", {"a": "1"}),
        ("a: ${env:X}", {"a": "${env:X}"}),
        ("a: " + "9" * 5000, {"a": "9" * 5000}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        (
            "a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3",
            {"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 3}},
        ),
        ("a: {b: = x}\n", {"a": {"b": "= x"}}),
        ("", None),
        ("# only a comment\n", None),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: Any) -> None:
    """A country code, a shift time and a padded address stay what was typed."""
    assert value == Source.parse(text).data


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("a: 1\na: 2", "UNS002", 2, 1),
        ("a: *nope", "UNS001", 1, 4),
        ("a: &a [*a]", "UNS001", 1, 8),
        ("--- 1\n--- 2", "UNS001", 2, 1),
        ("? [1]\n: 2", "UNS001", 1, 3),
        ("a:\n\tb: 1", "UNS001", 2, 1),
        ("x: {a: = max(1, 2)}", "UNS003", 1, 8),
        ("x: [= a]", "UNS003", 1, 5),
        ("x: !!python/object:os.system x", "UNS001", 1, 4),
        ("x: !foo x", "UNS001", 1, 4),
        ("<<: 3", "UNS001", 1, 1),
        ("a\x00b: 1", "UNS005", 1, 2),
        ("a: 1\r\nb: \x1b[31m", "UNS005", 2, 4),
        ("a: 'x", "UNS001", 1, 6),
    ],
)
def test_a_mistake_has_a_code_and_a_place(text: str, code: str, line: int, column: int) -> None:
    """What is wrong with the YAML is told with its line and column, and nothing is raised."""
    (mistake,) = Source.parse(text).mistakes
    assert (code, line, column) == (mistake.code, mistake.span.line, mistake.span.column)


def test_all_duplicates_are_found_at_once() -> None:
    """Reading goes on after a key that is written twice; the first one counts."""
    source = Source.parse("a: 1\na: 2\nb: {c: 1, c: 2}\n")
    assert ["UNS002", "UNS002"] == [mistake.code for mistake in source.mistakes]
    assert {"a": 1, "b": {"c": 1}} == source.data


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" * 100_000, id="brackets"),
        pytest.param("{a: " * 100_000, id="braces"),
        pytest.param("- " * 100_000, id="dashes"),
        pytest.param("? " * 100_000, id="questions"),
        pytest.param(
            "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 200)),
            id="aliases",
        ),
        pytest.param(
            "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
            + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20)),
            id="bomb",
        ),
    ],
)
def test_depth_and_size_are_bounded(text: str) -> None:
    """A hundred thousand brackets or a bomb of aliases is a diagnostic, not a crash."""
    (mistake,) = Source.parse(text).mistakes
    assert "UNS004" == mistake.code


def test_a_column_inside_a_text_is_the_column_in_the_file() -> None:
    """The place of an address's mistake is exact in plain and quoted texts."""
    source = Source.parse('plain: DB1.DBX\nquoted: "DB1.DBX"\nescaped: "DB\\x31.DBX"\n')
    assert Span(1, 12, 1, 15) == Written(source, ("plain",)).inside(5).span()
    assert Span(2, 14, 2, 17) == Written(source, ("quoted",)).inside(5).span()
    assert source.span(("escaped",)) == Written(source, ("escaped",)).inside(5).span()


def test_a_collection_over_several_lines_is_shown_at_its_key() -> None:
    """A caret under half a block helps nobody."""
    source = Source.parse("sites:\n  leeds:\n    net: 10\n  porto: {net: 20}\n")
    assert Span(2, 3, 2, 8) == source.span(("sites", "leeds"))
    assert Span(4, 10, 4, 19) == source.span(("sites", "porto"))
    assert Span(4, 3, 4, 8) == source.span(("sites", "porto"), of_key=True)
