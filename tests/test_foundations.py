"""Hierarchy, topics and datatypes: the words everything else is built from."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uns.errors import ProjectError
from uns.hierarchy import name_problem, slug
from uns.metric import DataType
from uns.topic import Topic, TopicFilter


@pytest.mark.parametrize("name", ["line1", "Line-1", "a", "9", "x" * 64])
def test_a_plain_name_is_allowed(name: str) -> None:
    """Letters, digits, `_` and `-` make a name."""
    assert name_problem(name) == ""


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "empty"),
        ("a+b", "wildcard"),
        ("#", "wildcard"),
        ("a/b", "separates"),
        ("_meta", "namespace's own"),
        ("$SYS", "broker's own"),
        ("a b", "blank"),
        ("x" * 65, "1 to 64"),
        ("é", "1 to 64"),
    ],
)
def test_a_name_that_cannot_be_says_why(name: str, why: str) -> None:
    """Each refusal names the mark that is wrong."""
    assert why in name_problem(name)


@given(st.text(max_size=100))
def test_a_slug_is_always_a_name(text: str) -> None:
    """Whatever a vendor called it, the slug can stand on the tree."""
    assert name_problem(slug(text)) == ""


@pytest.mark.parametrize(
    ("pattern", "topic", "received"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/b/c", False),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("a/+/c", "a//c", True),
    ],
)
def test_a_filter_matches_as_mqtt_says(pattern: str, topic: str, received: bool) -> None:
    """MQTT 5.0 §4.7, including `#` matching its parent and `$` topics."""
    assert received == TopicFilter.parse(pattern).matches(topic)


@pytest.mark.parametrize("pattern", ["", "a/#/b", "a#", "a/b+"])
def test_a_filter_with_a_misplaced_wildcard_is_refused(pattern: str) -> None:
    """A wildcard stands alone in its level, and `#` comes last."""
    with pytest.raises(ProjectError):
        TopicFilter.parse(pattern)


@pytest.mark.parametrize("text", ["", "a/+", "a#", "a\0"])
def test_a_topic_has_no_wildcards(text: str) -> None:
    """A topic names one place."""
    with pytest.raises(ProjectError):
        Topic.parse(text)


def test_a_topic_knows_its_neighbours() -> None:
    """Parent and child are each other's inverse."""
    assert Topic("a/b") == Topic("a/b").child("c", "d").parent.parent
    assert Topic("a") == Topic("a").parent


def test_datatypes_know_their_limits_and_spelling() -> None:
    """Limits are two's complement; labels are the specification's."""
    assert (-128, 127) == DataType.INT8.limits
    assert (0, 2**64 - 1) == DataType.UINT64.limits
    assert DataType.FLOAT.limits is None
    assert ["Int32", "UInt8", "DateTime", "UInt16Array", "UUID"] == [
        DataType(code).label for code in (3, 5, 13, 27, 15)
    ]
