"""Many topics are one text that a person reads at a glance."""

from __future__ import annotations

import pytest

from uns.plan.pattern import pattern


@pytest.mark.parametrize(
    ("topics", "shown"),
    [
        (["acme/leeds/a"], "acme/leeds/a"),
        (["acme/leeds/a", "acme/porto/a"], "acme/{leeds,porto}/a"),
        ([f"acme/line{n}/a" for n in range(1, 12)], "acme/line{1..11}/a"),
        (["acme/line1/a", "acme/line3/a"], "acme/{line1,line3}/a"),
        ([f"acme/{name}/a" for name in "bcde"], "acme/*/a"),
        (["acme/line01/a", "acme/line02/a"], "acme/line0{1..2}/a"),
        (["acme/x/a", "acme/x/a/b"], "acme/x/a/**"),
        (["acme/x/a", "acme/x/b/c"], "acme/x/**"),
    ],
)
def test_topics_are_shown_as_one(topics: list[str], shown: str) -> None:
    """Names that agree stand there, few are listed, numbers in a row are a series."""
    assert shown == pattern(topics)
