"""What an expression means, and what is none."""

from __future__ import annotations

import contextlib
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from uns.route.expression import (
    ExpressionError,
    compile_calc,
    compile_expression,
    is_expression,
)

VALUES = dict(
    {"a": 5, "b": 2.5, "zero": 0, "text": "PO-12", "yes": True, "nothing": None},
    **{"total.good": 99, "total.bad": 1, "tag.drive.temp": 42.5, "list": [1, 2], "map": {"k": 7}},
)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("= 1 + 2 * 3", 7),
        ("=a - b", 2.5),
        ("= total.good + total.bad", 100),
        ("= 7 // 2 + 7 % 2 - -1", 5),
        ("= 2 ** 10", 1024),
        ("= 6 & 3 | 8", 10),
        ("= 0 < a < 10 and not zero", True),
        ("= a > 1 or nothing", True),
        ("= 'big' if a >= 5 else 'small'", "big"),
        ("= text + ':' + str(total.good)", "PO-12:99"),
        ("= text[0:2] + text[-1]", "PO2"),
        ("= list[1] + map['k']", 9),
        ("= list[9]", None),
        ("= map['missing']", None),
        ("= a in [1, 5] and text not in ['x']", True),
        ("= lookup({1: 'jam', 5: 'empty'}, a)", "empty"),
        ("= lookup({1: 'jam'}, a, 'other')", "other"),
        ("= coalesce(nothing, missing, 3)", 3),
        ("= pad(a, 4)", "0005"),
        ("= pad('ab', 4, '.')", "..ab"),
        ("= upper(text) + lower('ABC') + strip(' x ')", "PO-12abcx"),
        ("= round(2.567, 1) + round(2.5)", 4.6),
        ("= min(a, b) + max(a, b) + abs(-1)", 8.5),
        ("= len(text) + int('7') + float('0.5')", 12.5),
        ("= floor(2.9) + ceil(2.1) + sqrt(9)", 8),
        ("= tag('drive/temp')", 42.5),
        ("= nothing is None and a is not null", True),
        ("= str(yes) + str(1.5)", "true1.5"),
        ("= [a, {'k': text}]", [5, {"k": "PO-12"}]),
        ("= 'ab' * 3", "ababab"),
        ("= 1 +\n 2", 3),
    ],
)
def test_what_an_expression_says(text: str, result: Any) -> None:
    """Each of these has this result."""
    assert result == compile_expression(text).evaluate(VALUES)


@pytest.mark.parametrize(
    "operation",
    [
        *("nothing + 1", "1 - nothing", "nothing * 2", "2 / nothing", "nothing ** 2"),
        *("-nothing", "nothing < 1", "nothing % 2", "nothing // 2", "1 in nothing"),
        *("str(nothing)", "max(nothing, 1)", "round(nothing)", "nothing[0]", "nothing[0:1]"),
        *("missing + 1", "total.missing - 1", "a / zero", "a % zero", "a // zero", "zero ** -1"),
    ],
)
def test_null_in_is_null_out(operation: str) -> None:
    """What is not known makes no number; a division by zero is not known either."""
    assert compile_expression(f"= {operation}").evaluate(VALUES) is None
    assert 7 == compile_expression(f"= coalesce({operation}, 7)").evaluate(VALUES)


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("=", 1, "nothing after"),
        ("= a +", 3, "not an expression"),
        ("= open('x')", 3, "no function `open`"),
        ("= 1 + a.b.c()", 7, "only the functions"),
        ("= (a).b.c + (1).real", 13, "must follow a name"),
        ("= 'x'.join(a)", 3, "only the functions"),
        ("= ''.__class__", 3, "must follow a name"),
        ("= [x for x in a]", 3, "a loop"),
        ("= lambda: 1", 3, "a lambda"),
        ("= (x := 1)", 4, "an assignment"),
        ("= f'{a}'", 3, "an f-string"),
        ("= {1, 2}", 3, "a set"),
        ("= max(*list, 1)", 7, "a `*`"),
        ("= {**map}", 3, "no part of a mapping"),
        ("= b'x'", 3, "bytes"),
        ("= a << 2", 3, "LShift"),
        ("= ~a", 3, "no operation"),
        ("= a is 5", 3, "`is` may only"),
        ("= text[0:4:2]", 12, "no step"),
        ("= abs()", 3, "takes one"),
        ("= pad(a, width=3)", 3, "by place"),
        ("= tag(a)", 3, "one name in quotes"),
        ("= 'é' + wrong(1)", 9, "no function `wrong`"),
        ("= " + "-" * 60 + "1", 43, "nest"),
        ("= " + "a+" * 2000 + "1", 1, "2000 characters"),
        ("= import os", 3, "not an expression"),
    ],
)
def test_what_is_no_expression_says_where_and_why(text: str, column: int, says: str) -> None:
    """A mistake is found before anything runs, with its column."""
    with pytest.raises(ExpressionError, match=says.replace("*", r"\*")) as caught:
        compile_expression(text)
    assert column == caught.value.column


@pytest.mark.parametrize(
    "bomb",
    [
        *("= 'x' * 10 ** 9", "= 9 ** 9 ** 9", "= '%999999999d' % 1", "= pad('', 10 ** 9)"),
        *("= round(5, -10 ** 9)", "= [0] * 10 ** 9", "= 10 ** 9 * 'x'"),
        *("= 2 ** 0.5 ** -9999", "= (-8) ** 0.5", "= 1 >> -1", "= int('9' * 9999)"),
    ],
)
def test_nothing_huge_can_be_made(bomb: str) -> None:
    """What would take gigabytes or years ends at once with an error."""
    with pytest.raises(ExpressionError, match="cannot be worked out"):
        compile_expression(bomb).evaluate({})


def test_an_expression_knows_its_names_and_where_they_stand() -> None:
    """So that a checker can point at one that does not exist."""
    names = compile_expression("= total.good + tag('drive/temp') + machine").names
    assert {"total.good": 3, "tag.drive.temp": 16, "machine": 36} == dict(names)


def test_a_name_is_never_an_attribute() -> None:
    """Dotted names are looked up as they are; what a value can do is out of reach."""
    hidden = {"text": "abc", "text.upper": 7}
    assert 7 == compile_expression("= text.upper").evaluate(hidden)
    assert compile_expression("= text.__class__").evaluate(hidden) is None


def test_only_a_text_that_begins_with_an_equals_sign_is_an_expression() -> None:
    """Other leaves of a map mean themselves."""
    assert [True, False, False, False] == [is_expression(x) for x in ("= 1", " =1", 1, "a = b")]


@pytest.mark.parametrize(
    ("text", "values", "result"),
    [
        ("100 * good / (good + bad)", {"good": 99, "bad": 1}, 99.0),
        ("100 * good / (good + bad)", {"good": 0, "bad": 0}, None),
        ("100 * good / (good + bad)", {"good": 5}, None),
        ("= drive.temp + 1", {"drive.temp": 41}, 42),
        ("tag('in-feed/count') * 2", {"in-feed.count": 4}, 8),
        ("a + 'x'", {"a": 1}, None),
        ("1e308 * a", {"a": 10}, None),
        ("a > 3", {"a": 4}, True),
        ("[a]", {"a": 4}, None),
    ],
)
def test_a_calc_is_a_value_or_nothing(text: str, values: Any, result: Any) -> None:
    """A formula never raises while it runs: what has no value is None."""
    assert result == compile_calc(text).evaluate(values)


@given(st.text(max_size=60))
def test_whatever_is_written_is_an_expression_or_a_mistake(text: str) -> None:
    """No text brings anything but an ExpressionError."""
    try:
        compile_expression(f"={text}").evaluate(VALUES)
    except ExpressionError as error:
        column = error.column
    else:
        column = 1
    assert 1 <= column <= len(text) + 2


@given(st.recursive(
    st.sampled_from(["a", "b", "zero", "text", "nothing", "list", "1", "'x'", "2.5"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "%", "**", "<", "==", "and"]), inner)
        .map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        inner.map(lambda t: f"coalesce({t}, 0)"),
        st.tuples(inner, inner).map(lambda t: f"{t[0]}[{t[1]}]"),
    ),
    max_leaves=12,
))  # fmt: skip
def test_whatever_can_be_composed_ends(text: str) -> None:
    """Every sentence of the language has a result or says that it has none."""
    with contextlib.suppress(ExpressionError):
        compile_expression(f"= {text}").evaluate(VALUES)
